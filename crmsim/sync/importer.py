"""What does a laptop make of what it receives?

A change that the rep made and that is not answered yet stays on top of whatever arrives: the import
goes underneath, into the base copy. A confirmation lifts the change into the base, a rejection
takes it away. What does not belong on the laptop any more goes, but not before its answer has come.
Sources: CONTRIBUTING.md, S54, S55, S57; the overlay is assumed.
"""

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Segment, Update, order_of

__all__ = ["LocalOrder", "Pending", "after_import", "after_receipt", "after_removal", "after_save"]


@attrs.frozen
class Pending:
    """A change that the rep made and that is not answered yet."""

    message: str
    segments: tuple[Segment, ...]
    base: int = 0
    """The save of CRM Online that the rep had seen."""
    written: SalesOrder | None = None
    """The order as the rep saw it then, with this change."""

    @property
    def keys(self) -> tuple[tuple[str, str, str], ...]:
        """(segment, key, field) of what it changes."""
        return tuple((one.name, one.key, name) for one in self.segments for name, _ in one.fields)


@attrs.frozen
class LocalOrder:
    """An order on a laptop: the server's copy, and what the rep changed on top of it."""

    guid: str
    temporary: str
    """What the laptop calls it before it has a number."""
    base: OrderDocument | None = None
    """The server's copy; None until there is one."""
    changes: tuple[Pending, ...] = ()
    """What the rep changed, in order, as far as nobody has answered it."""
    upload: int = 0
    """How many of these changes the server has receipted."""
    wanted: SalesOrder | None = None
    """What the rep saw after the last save, while there are changes."""
    refusal: str = ""
    """The reason of the last rejection, until the rep has dealt with it."""
    save: int = 0
    """The how-manieth save of the order in CRM Online the server's copy is."""
    leaves: bool = False
    """It does not belong here any more, and goes when what the rep changed is answered."""

    @property
    def pending(self) -> int:
        """How many changes are not answered."""
        return len(self.changes)

    def older(self, change: Pending) -> tuple[tuple[tuple[str, str, str], int], ...]:
        """Return fields of a change that an unanswered one covers, and the save seen of them."""
        seen: dict[tuple[str, str, str], int] = {}
        for before in self.changes:
            for key in before.keys:
                seen.setdefault(key, before.base)
        return tuple((key, seen[key]) for key in change.keys if key in seen)

    @property
    def document(self) -> OrderDocument:
        """The order as the rep sees it: the server's copy, and his own changes on top."""
        order = None if self.base is None else self.base.order
        before = 0 if order is None else order.version
        for change in self.changes:
            order = order_of(self.guid, order, change.segments)
        assert order is not None, "an order is the server's or the rep's"
        seen = attrs.evolve(order, version=before + self.pending)
        if self.base is None:
            return OrderDocument(seen, self.temporary)
        return attrs.evolve(self.base, order=seen) if self.changes else self.base


def after_save(local: LocalOrder | None, guid: str, temporary: str, change: Pending) -> LocalOrder:
    """Return the order after the rep saved it; whoever saves anew has dealt with a refusal."""
    if local is None:
        local = LocalOrder(guid, temporary)
    saved = attrs.evolve(local, changes=(*local.changes, change), refusal="")
    return attrs.evolve(saved, wanted=saved.document.order)


def after_receipt(local: LocalOrder) -> LocalOrder:
    """Return the order after the server receipted one of its saves."""
    return attrs.evolve(local, upload=min(local.upload + 1, local.pending))


def after_import(
    local: LocalOrder | None, content: Confirmation | Rejection | Update
) -> LocalOrder | None:
    """Return the order after an import, None when it is gone from the laptop."""
    if isinstance(content, Update):
        if local is None:
            local = LocalOrder(content.guid, content.document.number)
        return attrs.evolve(_moved_on(local, content.document, content.save), leaves=False)
    if local is None:
        return None  # an answer about something that an earlier rejection took away
    left = tuple(change for change in local.changes if change.message != content.message)
    upload = min(max(local.upload - 1, 0), len(left))
    counted = attrs.evolve(local, changes=left, upload=upload)
    if isinstance(content, Confirmation):
        return _answered(_moved_on(counted, content.document, content.save), counted.refusal)
    if content.before is None:
        return _without_copy(local, counted, content.reason)
    return _answered(_moved_on(counted, content.before, content.save), content.reason)


def _without_copy(local: LocalOrder, counted: LocalOrder, reason: str) -> LocalOrder | None:
    """Return the order after a refusal by a server that has none; None when it is gone.

    It is gone if its creation is what was refused. A creation that is not answered yet may still
    come through.
    """
    if local.base is not None:
        return _answered(counted, reason)
    was_creation = counted.changes[:1] != local.changes[:1]
    return None if was_creation else attrs.evolve(counted, refusal=reason)


def _moved_on(local: LocalOrder, document: OrderDocument, save: int) -> LocalOrder:
    """Return the order with a newer copy of the server's; an older one, late, changes nothing."""
    return local if save < local.save else attrs.evolve(local, base=document, save=save)


def after_removal(local: LocalOrder | None) -> LocalOrder | None:
    """Return the order after the server took it away: what is not answered yet stays until then."""
    return attrs.evolve(local, leaves=True) if local is not None and local.pending else None


def _answered(local: LocalOrder, refusal: str) -> LocalOrder | None:
    """Return the order after an answer; a refusal of what has come through after all is none."""
    if local.pending:
        return attrs.evolve(local, refusal=refusal)
    if local.leaves:
        return None
    is_as_wanted = _content(local.wanted) == _content(local.document.order)
    return attrs.evolve(local, wanted=None, refusal="" if is_as_wanted else refusal)


def _content(order: SalesOrder | None) -> SalesOrder | None:
    """Return an order without its version."""
    return None if order is None else attrs.evolve(order, version=0)
