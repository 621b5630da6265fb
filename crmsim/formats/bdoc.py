"""In which form does a document travel between laptop and server, and inside the server?

A BDoc (business document) carries one document as *segments*: the header, each item. A segment has
a task (insert, update, delete) and only the fields that changed, so that two people who change
different fields need not hurt each other. A synchronisation BDoc (sBDoc) goes between the CDB and
the laptops, a messaging BDoc (mBDoc) through the flow of the server. Sources: CONTRIBUTING.md, S33,
S35, S49.
"""

import enum
from typing import Any

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.master import MasterRecord, Record
from crmsim.business.sales import OrderItem, SalesOrder

__all__ = [
    "BulkPackage",
    "MassBDoc",
    "MessageBDoc",
    "RecordBDoc",
    "Removal",
    "Replica",
    "Segment",
    "SyncBDoc",
    "Task",
    "Thing",
    "Update",
    "claims_of",
    "order_of",
    "record_of",
    "segments_of",
    "state_of",
]


class Task(enum.Enum):
    """What became of a document or a part of it."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


Thing = SalesOrder | Record
"""What segments are about."""
HEADER_FIELDS = (
    *("reference", "rep", "customer", "is_provisional", "kind", "text", "contract"),
    *("at_list_prices", "is_released", "preceding"),
)
ITEM_FIELDS = ("product", "quantity", "unit_price", "discount", "text", "configuration")


@attrs.frozen
class Segment:
    """One record of a BDoc: the header, or one item."""

    name: str
    """``header`` or ``item``."""
    key: str
    """The line of an item; empty for the header."""
    task: Task
    fields: tuple[tuple[str, object], ...] = ()
    """(name, new value) of what changed: the mask and its content."""


def segments_of(before: Thing | None, after: Thing) -> tuple[Segment, ...]:
    """Return what turns one version of a thing into another; all of it when there is none."""
    if isinstance(after, Record):
        return _segments_of_record(before if isinstance(before, Record) else None, after)
    before = before if isinstance(before, SalesOrder) else None
    old = {} if before is None else {item.line: item for item in before.items}
    found = [
        _segment("header", "", before, after, HEADER_FIELDS),
        *(
            _segment("item", item.line, old.pop(item.line, None), item, ITEM_FIELDS)
            for item in after.items
        ),
    ]
    gone = tuple(Segment("item", line, Task.DELETE) for line in old)
    return tuple(one for one in found if one.fields) + gone


def _segments_of_record(before: Record | None, after: Record) -> tuple[Segment, ...]:
    known = {} if before is None else dict(before.fields)
    fields = tuple(pair for pair in after.fields if known.get(pair[0]) != pair[1])
    if before is None:
        return (Segment("header", "", Task.INSERT, (("parent", after.parent), *fields)),)
    return (Segment("header", "", Task.UPDATE, fields),) if fields else ()


def _segment(
    name: str, key: str, before: object, after: object, fields: tuple[str, ...]
) -> Segment:
    changed = tuple(
        (field, getattr(after, field))
        for field in fields
        if before is None or getattr(before, field) != getattr(after, field)
    )
    return Segment(name, key, Task.INSERT if before is None else Task.UPDATE, changed)


def claims_of(segments: tuple[Segment, ...]) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of what a change wants; of an item as a whole, whether it is there."""
    found: list[tuple[str, str]] = []
    for one in segments:
        part = f"{one.name} {one.key}".rstrip()
        if one.task is Task.UPDATE:
            found += [(f"{part} {name}", str(value)) for name, value in one.fields]
        else:
            found.append((part, "gone" if one.task is Task.DELETE else "there"))
    return tuple(found)


def state_of(thing: Thing, segments: tuple[Segment, ...]) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of what a thing has by now of what a change was about."""
    if isinstance(thing, Record):
        has = dict(thing.fields)
        wanted = (name for one in segments for name, _ in one.fields if name in has)
        return tuple((f"header {name}", has[name]) for name in wanted)
    order = thing
    items = {item.line: item for item in order.items}
    found: list[tuple[str, str]] = []
    for one in segments:
        part = f"{one.name} {one.key}".rstrip()
        holder = order if one.name == "header" else items.get(one.key)
        if one.task is not Task.UPDATE:
            found.append((part, "gone" if holder is None else "there"))
        elif holder is not None:
            found += [(f"{part} {name}", str(getattr(holder, name))) for name, _ in one.fields]
    return tuple(found)


def order_of(guid: str, before: SalesOrder | None, segments: tuple[Segment, ...]) -> SalesOrder:
    """Return an order after the segments of a BDoc were applied to what one has of it.

    Items that the BDoc does not mention stay as they are. A change of an item that is not there
    changes nothing.
    """
    items = {} if before is None else {item.line: item for item in before.items}
    header: dict[str, Any] = {}
    for segment in segments:
        values: dict[str, Any] = dict(segment.fields)
        if segment.name == "header":
            header |= values
        elif segment.task is Task.DELETE:
            items.pop(segment.key, None)
        elif segment.task is Task.INSERT:
            items[segment.key] = OrderItem(line=segment.key, **values)
        elif segment.key in items:
            items[segment.key] = attrs.evolve(items[segment.key], **values)
    lines = tuple(items.values())
    if before is None:
        return SalesOrder(guid=guid, items=lines, **header)
    return attrs.evolve(before, items=lines, **header)


def record_of(
    object_: str, key: str, before: Record | None, segments: tuple[Segment, ...]
) -> Record | None:
    """Return a record after the segments of a BDoc; None when there is none then."""
    for segment in segments:
        if segment.task is Task.DELETE:
            before = None
            continue
        values = {name: str(value) for name, value in segment.fields}
        if before is None:
            if segment.task is Task.UPDATE:
                continue  # of what is not there nothing can be changed
            before = Record(object_, key, parent=values.pop("parent", ""))
        merged = {**dict(before.fields), **values}
        before = attrs.evolve(before, fields=tuple(sorted(merged.items())))
    return before


@attrs.frozen
class SyncBDoc:
    """A change that a laptop made, on its way to CRM (an sBDoc)."""

    message: str
    """Identity of the transaction message: site and number of the save."""
    site: str
    number: int
    """The how-manieth save of the site this is, from 1."""
    task: Task
    guid: str
    segments: tuple[Segment, ...]
    version: int
    """The version that the laptop takes it for; CRM counts its own."""
    base: int = 0
    """The save of CRM Online that the laptop had a copy of; 0 when it had none."""
    older: tuple[tuple[tuple[str, str, str], int], ...] = ()
    """((segment, key, field), save) of fields of which the rep still saw something older: his own
    change, which nobody had answered, lay on top of what had come."""
    disk: int = 0
    """Which disk of the site it was saved on: its numbers begin anew on each."""
    object: str = "order"
    """What it is about: an order, or the name of another replication object."""
    made_under: tuple[tuple[str, int], ...] = ()
    """(publication, position up to which the laptop had it)."""
    release: int = 1
    """The release of the laptop's programs."""
    number_given: str = ""
    """The number that the laptop has given a new order, out of its own range."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is about: (name of the replication object, key of the instance)."""
        return self.object, self.guid.removeprefix(f"{self.object} ")

    @property
    def reference(self) -> str:
        """The reference of the order; empty when the change does not carry it."""
        if self.object != "order":
            return self.guid
        headers = (one.fields for one in self.segments if one.name == "header")
        return str(dict(next(headers, ())).get("reference", ""))


@attrs.frozen
class Update:
    """What CRM tells a laptop about an order that belongs on it (an sBDoc)."""

    document: OrderDocument
    save: int
    """The how-manieth save of the order in CRM Online this is."""
    task: Task = Task.UPDATE
    """INSERT when the laptop has nothing of it yet."""

    @property
    def guid(self) -> str:
        """The document it is about."""
        return self.document.order.guid

    @property
    def object(self) -> str:
        """What it is."""
        return "order"


@attrs.frozen
class Replica:
    """What CRM tells a laptop about a customer, a contact, an activity (an sBDoc)."""

    record: Record
    task: Task = Task.UPDATE

    @property
    def guid(self) -> str:
        """What it is about."""
        return self.record.identity

    @property
    def object(self) -> str:
        """What it is: the name of the replication object."""
        return self.record.object


@attrs.frozen
class Removal:
    """CRM tells a laptop that something does not belong on it any more (an sBDoc)."""

    object: str
    key: str = ""
    """Empty for all of a publication."""

    @property
    def guid(self) -> str:
        """What it is about: an order by its GUID, anything else by its name."""
        return self.key if self.object == "order" else f"{self.object} {self.key}".rstrip()


@attrs.frozen
class RecordBDoc:
    """A record that was saved in CRM Online, on its way to all who need it (an mBDoc)."""

    bdoc: str
    record: Record
    """As it is now; as it was last, if it is deleted."""
    before: Record | None
    """What CRM Online held before; None when it is new."""
    origin: str
    disk: int = 0
    """Which disk of the laptop it came from: a later one has to be told."""
    is_deletion: bool = False

    @property
    def guid(self) -> str:
        """What it is about."""
        return self.record.identity

    @property
    def version(self) -> int:
        """The version of the record."""
        return self.record.version

    @property
    def reference(self) -> str:
        """What people call it."""
        return self.record.identity


@attrs.frozen
class BulkPackage:
    """Consecutive records of a publication, on their way to a laptop (an sBDoc of bulk objects)."""

    publication: str
    first: int
    """The position of the first record."""
    records: tuple[MasterRecord, ...]

    @property
    def last(self) -> int:
        """The position of the last record."""
        return self.first + len(self.records) - 1

    @property
    def guid(self) -> str:
        """No document: it is about none."""
        return ""


@attrs.frozen
class MassBDoc:
    """Many records that were saved in CRM Online together, on their way to all (an mBDoc)."""

    bdoc: str
    publication: str
    records: tuple[MasterRecord, ...]

    @property
    def guid(self) -> str:
        """What it is about: itself."""
        return self.bdoc

    @property
    def version(self) -> int:
        """The newest version in it."""
        return max(record.version for record in self.records)


@attrs.frozen
class MessageBDoc:
    """A document that was saved in CRM Online, on its way to all who need it (an mBDoc).

    The one type for all business transactions is BUS_TRANSACTION_MESSAGE.
    """

    bdoc: str
    """Its identity: one save of one document."""
    document: OrderDocument
    before: OrderDocument | None
    """What CRM Online held before; None when the document is new."""
    origin: str
    """Who made the change: a laptop's site, or the ERP's; that one is not told of it again."""
    save: int
    """The how-manieth save of the document in CRM Online this is, from 1."""
    disk: int = 0
    """Which disk of the laptop it came from: a later one has to be told."""

    @property
    def version(self) -> int:
        """The version of the order."""
        return self.document.order.version

    @property
    def reference(self) -> str:
        """The reference of the order."""
        return self.document.order.reference

    @property
    def task(self) -> Task:
        """Whether the document is new."""
        return Task.INSERT if self.before is None else Task.UPDATE

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What of the order changed: the field mask of each segment and its content.

        Made when asked for, so that a document is kept once, not once more for each BDoc.
        """
        before = None if self.before is None else self.before.order
        return segments_of(before, self.document.order)

    @property
    def guid(self) -> str:
        """The document it is about."""
        return self.document.order.guid
