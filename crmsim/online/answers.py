"""How does the CRM server answer a change of a laptop?

Exactly once, with a yes or a no, and to the laptop alone that sent it. What is known of the change
by then is kept: that it counts, or why not. Sources: CONTRIBUTING.md, S30, S54.
"""

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.formats.answer import Confirmation, Overruled, Rejection
from crmsim.formats.bdoc import SyncBDoc, Task
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import Context, step
from crmsim.middleware.status import BDocEvent
from crmsim.online.recovery import BEGUN, BDocMonitor, OwnServices
from crmsim.replication.sites import tell
from crmsim.trace.kinds import CONFIRMED, OVERRULED, REJECTED

__all__ = ["Answers"]

NEVER = (0, 0)
"""(disk, number) of no save at all."""


class Answers:
    """What the server tells laptops about their changes.

    Args:
        actor: The actor whose store holds the queues of the laptops.
        monitor: What is known of every BDoc.
        own: What a customer has added to the flow.
    """

    def __init__(self, actor: Actor, monitor: BDocMonitor, own: OwnServices) -> None:
        self._actor = actor
        self._monitor = monitor
        self._own = own

    def is_late(self, bdoc: SyncBDoc) -> bool:
        """Say whether a later change of the same document by the same laptop is stored already."""
        latest: tuple[int, int] = self._actor.store.get("latest", (bdoc.guid, bdoc.site), NEVER)
        return (bdoc.disk, bdoc.number) <= latest

    def has_refused_creation(self, bdoc: SyncBDoc) -> bool:
        """Say whether what the laptop made of that name was refused, and nothing made since."""
        return self._actor.store.get("not created", (bdoc.guid, bdoc.site)) is not None

    def confirm(
        self,
        change: Change,
        bdoc: SyncBDoc,
        document: OrderDocument | Record | None,
        save: int,
        overruled: tuple[Overruled, ...] = (),
    ) -> None:
        """Say yes: `document` is what CRM Online holds now, in which save."""
        self.accept(change, bdoc)
        self.tell_yes(change, bdoc, document, save, overruled)

    def accept(self, change: Change, bdoc: SyncBDoc) -> None:
        """Take a change over, whoever is told of it when."""
        self._monitor.put(
            change, step(self._monitor.taken_up(bdoc.message), *BEGUN, BDocEvent.VALIDATED)
        )
        row, number = (bdoc.guid, bdoc.site), (bdoc.disk, bdoc.number)
        change.put("latest", row, number)
        self._count_creation(change, bdoc, is_refused=False)
        if change.get("refused", row, NEVER) < number:  # else what was refused is newer
            change.delete("refused", row)

    def tell_yes(
        self,
        change: Change,
        bdoc: SyncBDoc,
        document: OrderDocument | Record | None,
        save: int,
        overruled: tuple[Overruled, ...] = (),
    ) -> None:
        """Tell the author of a change that was taken over."""
        change.note(CONFIRMED, bdoc.message, site=bdoc.site, guid=bdoc.guid)
        fields = tuple(dict.fromkeys(one.name for one in overruled if not one.by_list))
        if fields:
            change.note(OVERRULED, bdoc.message, site=bdoc.site, guid=bdoc.guid, fields=fields)
        answer = Confirmation(bdoc.message, bdoc.guid, document, save, overruled, bdoc.object)
        self._tell(change, bdoc, answer)

    def reject(
        self,
        change: Change,
        bdoc: SyncBDoc,
        reason: str,
        before: OrderDocument | Record | None,
        save: int,
        overruled: tuple[Overruled, ...] = (),
        *,
        exists: bool = False,
    ) -> None:
        """SO2: say no, with the before-image: what the CDB holds, in which save.

        `exists` says that what was to be created is there already, made by somebody else.
        """
        flow = step(
            self._monitor.taken_up(bdoc.message), *BEGUN, BDocEvent.REFUSED, BDocEvent.ANSWERED_NO
        )
        self._monitor.put(change, attrs.evolve(flow, context=Context.SO2))
        more = {"exists": True} if exists else {}
        change.note(REJECTED, bdoc.message, site=bdoc.site, guid=bdoc.guid, reason=reason, **more)
        self._count_creation(change, bdoc, is_refused=True)
        if not self.is_late(bdoc):
            row = bdoc.guid, bdoc.site
            newest = max(change.get("refused", row, NEVER), (bdoc.disk, bdoc.number))
            change.put("refused", row, newest)
        answer = Rejection(bdoc.message, bdoc.guid, reason, before, save, overruled, bdoc.object)
        self._tell(change, bdoc, answer)
        self._own.call(Context.SOB, change, answer)

    def _count_creation(self, change: Change, bdoc: SyncBDoc, *, is_refused: bool) -> None:
        """Remember which creations of a laptop were refused, until one is not."""
        row = bdoc.guid, bdoc.site
        if bdoc.task is Task.INSERT and is_refused:
            change.put("not created", row, True)
        elif bdoc.task is Task.INSERT and change.get("not created", row) is not None:
            change.delete("not created", row)

    def _tell(self, change: Change, bdoc: SyncBDoc, answer: Confirmation | Rejection) -> None:
        """Put an answer into the laptop's queue, unless the disk is gone that had asked."""
        if bdoc.disk == change.get("disks", bdoc.site, 0):
            tell(change, bdoc.site, answer)
