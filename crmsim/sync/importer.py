"""What does a laptop make of what it receives?

A change that the rep made and that is not answered yet stays on top of whatever arrives: the import
goes underneath, into the base copy. A confirmation lifts the change into the base, a rejection
takes it away. What does not belong on the laptop any more goes, but not before its answer has come.
Sources: CONTRIBUTING.md, S54, S55, S57; the overlay is assumed.
"""

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.business.sales import SalesOrder
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Replica, Segment, Thing, Update, order_of, record_of

__all__ = [
    "LocalDocument",
    "Pending",
    "after_import",
    "after_receipt",
    "after_removal",
    "after_save",
    "after_unread",
]


@attrs.frozen
class Pending:
    """A change that the rep made and that is not answered yet."""

    message: str
    segments: tuple[Segment, ...]
    base: int = 0
    """The save of CRM Online that the rep had seen."""
    written: Thing | None = None
    """The thing as the rep saw it then, with this change; None when he deleted it."""

    @property
    def keys(self) -> tuple[tuple[str, str, str], ...]:
        """(segment, key, field) of what it changes."""
        return tuple((one.name, one.key, name) for one in self.segments for name, _ in one.fields)


@attrs.frozen
class LocalDocument:
    """A document on a laptop: the server's copy, and what the rep changed on top of it."""

    guid: str
    temporary: str
    """What the laptop calls it before it has a number."""
    base: OrderDocument | Record | None = None
    """The server's copy; None until there is one."""
    changes: tuple[Pending, ...] = ()
    """What the rep changed, in order, as far as nobody has answered it."""
    upload: int = 0
    """How many of these changes the server has receipted."""
    wanted: Thing | None = None
    """What the rep saw after the last save, while there are changes."""
    refusal: str = ""
    """The reason of the last rejection, until the rep has dealt with it."""
    save: int = 0
    """The how-manieth save of the document in CRM Online the server's copy is."""
    leaves: bool = False
    """It does not belong here any more, and goes when what the rep changed is answered."""
    object: str = "order"
    """What it is: an order, or the name of another replication object."""

    @property
    def pending(self) -> int:
        """How many changes are not answered."""
        return len(self.changes)

    @property
    def key(self) -> tuple[str, str]:
        """What records go by: the name of the replication object, and the key of the instance."""
        return self.object, self.guid.removeprefix(f"{self.object} ")

    def older(self, change: Pending) -> tuple[tuple[tuple[str, str, str], int], ...]:
        """Return fields of a change that an unanswered one covers, and the save seen of them."""
        seen: dict[tuple[str, str, str], int] = {}
        for before in self.changes:
            for key in before.keys:
                seen.setdefault(key, before.base)
        return tuple((key, seen[key]) for key in change.keys if key in seen)

    @property
    def document(self) -> OrderDocument:
        """An order as the rep sees it: the server's copy, and his own changes on top."""
        assert not isinstance(self.base, Record), "only orders are order documents"
        if self.base is not None and not self.changes:
            return self.base
        order = None if self.base is None else self.base.order
        before = 0 if order is None else order.version
        for change in self.changes:
            order = order_of(self.guid, order, change.segments)
        assert order is not None, "an order is the server's or the rep's"
        seen = attrs.evolve(order, version=before + self.pending)
        if self.base is None:
            return OrderDocument(seen, self.temporary)
        return attrs.evolve(self.base, order=seen)

    @property
    def record(self) -> Record | None:
        """A record as the rep sees it; None when he has deleted it."""
        assert not isinstance(self.base, OrderDocument), "an order is no record"
        record = self.base
        for change in self.changes:
            record = record_of(*self.key, record, change.segments)
        return record

    @property
    def seen(self) -> Thing | None:
        """What it is about, as the rep sees it."""
        return self.document.order if self.object == "order" else self.record

    @property
    def reference(self) -> str:
        """What people call it."""
        return self.document.order.reference if self.object == "order" else self.guid

    @property
    def is_settled(self) -> bool:
        """Whether it is as the server has it, and its author need not do anything about it."""
        return not (self.changes or self.upload or self.refusal)


def after_save(local: LocalDocument, change: Pending) -> LocalDocument:
    """Return a document after the rep saved it; whoever saves anew has dealt with a refusal."""
    saved = attrs.evolve(local, changes=(*local.changes, change), refusal="")
    return attrs.evolve(saved, wanted=saved.seen)


def after_receipt(local: LocalDocument) -> LocalDocument:
    """Return the document after the server receipted one of its saves."""
    return attrs.evolve(local, upload=min(local.upload + 1, local.pending))


def after_import(
    local: LocalDocument | None, content: Confirmation | Rejection | Update | Replica
) -> LocalDocument | None:
    """Return the document after an import, None when it is gone from the laptop."""
    if isinstance(content, Update):
        if local is None:
            local = LocalDocument(content.guid, content.document.number)
        return attrs.evolve(_moved_on(local, content.document, content.save), leaves=False)
    if isinstance(content, Replica):
        record = content.record
        if local is None:
            local = LocalDocument(content.guid, "", object=record.object)
        return attrs.evolve(_moved_on(local, record, record.version), leaves=False)
    if local is None:
        return None  # an answer about something that an earlier rejection took away
    left = tuple(change for change in local.changes if change.message != content.message)
    upload = min(max(local.upload - 1, 0), len(left))
    counted = attrs.evolve(local, changes=left, upload=upload)
    if isinstance(content, Confirmation):
        return _confirmed(counted, content)
    if content.before is None:
        return _without_copy(local, counted, content.reason)
    return _answered(_moved_on(counted, content.before, content.save), content.reason)


def _confirmed(counted: LocalDocument, answer: Confirmation) -> LocalDocument | None:
    """Return the document after a yes; None when it was about its end."""
    if answer.document is not None:
        return _answered(_moved_on(counted, answer.document, answer.save), counted.refusal)
    if answer.save < counted.save or counted.pending:  # it has come again meanwhile
        return _answered(counted, counted.refusal)
    return None


def _without_copy(
    local: LocalDocument, counted: LocalDocument, reason: str
) -> LocalDocument | None:
    """Return the document after a refusal by a server that has none; None when it is gone.

    It is gone if its creation is what was refused. A creation that is not answered yet may still
    come through.
    """
    is_deleted = local.object != "order" and (local.base is not None or local.leaves)
    if is_deleted and not counted.changes:
        return None
    if is_deleted:  # by somebody else; the other changes have to be answered first
        return attrs.evolve(counted, base=None, leaves=True, refusal=reason)
    if local.base is not None:
        return _answered(counted, reason)
    was_creation = counted.changes[:1] != local.changes[:1]
    return None if was_creation else attrs.evolve(counted, refusal=reason)


def _moved_on(local: LocalDocument, document: OrderDocument | Record, save: int) -> LocalDocument:
    """Return the document with a newer copy of the server's; a late, older one changes nothing."""
    return local if save < local.save else attrs.evolve(local, base=document, save=save)


def after_unread(local: LocalDocument, message: str) -> LocalDocument | None:
    """Return the document after an answer that cannot be read: the change counts as answered.

    What the rep sees stays until the server sends the document again in a form that can be read;
    unless it does not belong here any more.
    """
    left = tuple(change for change in local.changes if change.message != message)
    if local.leaves and not left:
        return None
    upload = min(max(local.upload - 1, 0), len(left))
    answered = [change for change in local.changes if change.message == message]
    base: OrderDocument | Record | None = local.base
    for change in answered:
        if local.object == "order":
            before = attrs.evolve(local, changes=(change,))
            base = before.document
        else:
            record = local.base if isinstance(local.base, Record) else None
            base = record_of(*local.key, record, change.segments)
    wanted = local.wanted if left else None
    return attrs.evolve(local, base=base, changes=left, upload=upload, wanted=wanted)


def after_removal(local: LocalDocument | None) -> LocalDocument | None:
    """Return a document that the server took away: what is not answered yet stays until then."""
    return attrs.evolve(local, leaves=True) if local is not None and local.pending else None


def _answered(local: LocalDocument, refusal: str) -> LocalDocument | None:
    """Return the document after an answer; a refusal of what has come through after all is none."""
    if local.pending:
        return attrs.evolve(local, refusal=refusal)
    if local.leaves:
        return None
    is_as_wanted = _content(local.wanted) == _content(local.seen)
    return attrs.evolve(local, wanted=None, refusal="" if is_as_wanted else refusal)


def _content(thing: Thing | None) -> Thing | None:
    """Return a thing without what only CRM counts or says of it."""
    if isinstance(thing, SalesOrder):
        return attrs.evolve(thing, version=0)
    return None if thing is None else attrs.evolve(thing, version=0, lacks=())
