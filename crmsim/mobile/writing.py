"""How does a rep write on a laptop, with no line to anybody?

Each save is one commit: the document as the rep sees it, and the change of it in the outbox. What
is not on the laptop any more cannot be changed; what is as wanted already need not be.
Sources: CONTRIBUTING.md, S54, S55.
"""

from collections.abc import Iterable

import attrs

from crmsim.applications.numbering import temporary_number
from crmsim.applications.pricing import net_value
from crmsim.business.sales import OrderEdit, SalesOrder, with_lines
from crmsim.formats.bdoc import Segment, SyncBDoc, Task, claims_of, segments_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change, Store
from crmsim.mobile.reminders import WriteDue
from crmsim.mobile.rep import DiaryEntry
from crmsim.sync.importer import LocalOrder, Pending, after_save
from crmsim.sync.inbox import InboxEntry
from crmsim.trace.kinds import MISSED, SAVED

__all__ = ["Writing"]


class Writing:
    """What a rep writes.

    Args:
        actor: The laptop.
        diary: What is written when, in order of time.
    """

    def __init__(self, actor: Actor, diary: tuple[DiaryEntry, ...]) -> None:
        self._actor = actor
        self._diary = diary
        self._first_entries: dict[str, int] = {}
        """Reference of an order -> the entry of the diary in which it is born."""
        for entry, written in enumerate(diary):
            if isinstance(written.order, SalesOrder):
                self._first_entries.setdefault(written.order.reference, entry)

    @property
    def left(self) -> int:
        """How many entries of the diary are still to be written."""
        return len(self._diary) - int(self._store.get("rep", "written", 0))

    @property
    def _store(self) -> Store:
        store: Store = self._actor.store
        return store

    def plan(self) -> None:
        """Wait for the next entry of the diary, if the rep still works here."""
        entry: int = self._store.get("rep", "written", 0)
        if entry < len(self._diary) and not self._store.get("rep", "stopped", False):
            due_ns = self._diary[entry].time_ns
            self._actor.after(max(due_ns - self._actor.now_ns, 0), WriteDue(entry))

    def write(self, entry: int) -> None:
        """Save what the rep writes: document and outbox in one commit."""
        is_stopped = self._store.get("rep", "stopped", False)
        if is_stopped or entry != self._store.get("rep", "written", 0):
            return
        written = self._diary[entry].order
        guid = self._guid(written.reference)
        local: LocalOrder | None = self._store.get("orders", guid)
        if local is None and self._is_gone(guid, written):
            self._miss(entry, guid, written)
            return
        seen = None if local is None else local.document.order
        number = 1 + int(self._store.get("rep", "saves", 0))
        order = _as_written(written, seen, guid, f"{self._here} {number}")
        segments = segments_of(seen, order)
        if segments:
            self._save(entry, number, local, order, segments)
        else:
            self._skip(entry)

    @property
    def _here(self) -> str:
        """What saves of this disk are called by."""
        disk = self._actor.disk
        return f"{self._actor.name} disk {disk}" if disk else self._actor.name

    def _save(
        self,
        entry: int,
        number: int,
        local: LocalOrder | None,
        order: SalesOrder,
        segments: tuple[Segment, ...],
    ) -> None:
        guid = order.guid
        base = 0 if local is None else local.save
        written = Pending(f"{self._here} save {number}", segments, base, order)
        bdoc = SyncBDoc(
            written.message,
            self._actor.name,
            number,
            Task.INSERT if local is None else Task.UPDATE,
            guid,
            segments,
            version=1 if local is None else local.document.order.version + 1,
            base=base,
            older=() if local is None else local.older(written),
            disk=self._actor.disk,
        )
        temporary = temporary_number(self._here, number)
        after = after_save(local, guid, temporary, written)
        with self._actor.commit() as change:
            change.put("orders", guid, after)
            change.put("references", order.reference, guid)
            change.put("outbox", number, bdoc)
            change.put("rep", "saves", number)
            change.put("rep", "written", entry + 1)
            self._deal_with_refusals(change, guid)
            change.note(
                SAVED,
                order.reference,
                guid=guid,
                version=bdoc.version,
                message=bdoc.message,
                number=number,
                task=bdoc.task.value,
                pending=after.pending,
                base=base,
                fields=claims_of(segments) if bdoc.task is Task.UPDATE else (),
                provisional=order.is_provisional,
                items=len(order.items),
                value=str(net_value(order.items)),
            )
        self.plan()

    def _deal_with_refusals(self, change: Change, guid: str) -> None:
        """Whoever saves a document anew has dealt with what the inbox says about it."""
        told: Iterable[InboxEntry] = self._store.table("rejections").values()
        for one in told:
            if one.guid == guid and not one.is_processed:
                change.put("rejections", one.message, attrs.evolve(one, is_processed=True))

    def _is_gone(self, guid: str, written: SalesOrder | OrderEdit) -> bool:
        """Say whether an order was taken away, lost with an earlier disk, or never here."""
        if isinstance(written, OrderEdit):
            return True
        is_older = self._first_entries[written.reference] < self._store.get("rep", "since", 0)
        return is_older or bool(self._store.get("purged", guid, False))

    def _miss(self, entry: int, guid: str, written: SalesOrder | OrderEdit) -> None:
        """Find that what was to be changed is not there any more."""
        version = written.version if isinstance(written, SalesOrder) else 0
        with self._actor.commit() as change:
            change.put("rep", "written", entry + 1)
            change.note(MISSED, written.reference, guid=guid, version=version)
        self.plan()

    def _skip(self, entry: int) -> None:
        """Find that nothing is to be changed: it is as the rep wants it already."""
        with self._actor.commit() as change:
            change.put("rep", "written", entry + 1)
        self.plan()

    def _guid(self, reference: str) -> str:
        """Return the identity of an order: that of the one here, or one made where it is born."""
        known: str = self._store.get("references", reference, "")
        if known or reference not in self._first_entries:
            return known
        luck = self._actor.luck("guid")
        count = self._first_entries[reference]
        return f"{luck.word(count):016X}{luck.word(count, 1):016X}"


def _as_written(
    written: SalesOrder | OrderEdit, seen: SalesOrder | None, guid: str, prefix: str
) -> SalesOrder:
    """Return an order as the rep wants it, with the identities of all its parts."""
    if isinstance(written, OrderEdit):
        assert seen is not None, "only what is there can be edited"
        return with_lines(written.applied(seen), None, prefix)
    return with_lines(attrs.evolve(written, guid=guid), seen, prefix)
