"""What does the local database of a laptop hold of a document?

Orders stand in one table, each with the server's copy and what the rep changed on top. Of
everything else (customers, visits, opportunities) most is only read, so the server's copy stands
alone in `records`; only what its rep has changed has a row in `overlays` too, until all is
answered. What never leaves the laptop, private appointments and fields that exist only there,
stands apart: nothing that comes from the server can touch it.

Of the parts in a stock it shows what the server said last. A laptop that counts along takes off
what its technician has confirmed since and the ERP has not posted; once that is posted, the
server's stock says so itself. Source: CONTRIBUTING.md, S28.
"""

from collections.abc import Callable, Iterator
from typing import Any

from crmsim.applications.numbering import NumberRange
from crmsim.applications.service import CANCELLED, CONFIRMATION, status_of, transfer_of
from crmsim.applications.status import Distribution
from crmsim.business.master import Record, RecordEdit
from crmsim.business.service import Category, items_of
from crmsim.kernel.durable import Change, Store
from crmsim.sync.importer import LocalDocument

__all__ = [
    "drop",
    "keep",
    "local_of",
    "next_number",
    "numbers_left",
    "own_fields",
    "shown_pieces",
    "take_range",
    "why_not_used",
]

Get = Callable[..., Any]


def local_of(get: Get, object_: str, guid: str) -> LocalDocument | None:
    """Return what a laptop has of a document, None when it has nothing.

    Args:
        get: Table, key, default -> row of the local database.
        object_: What it is: an order, or the name of another replication object.
        guid: What messages call it.
    """
    if object_ == "order":
        order: LocalDocument | None = get("orders", guid)
        return order
    overlay: LocalDocument | None = get("overlays", guid)
    if overlay is not None:
        return overlay
    local = LocalDocument(guid, "", object=object_)
    record: Record | None = get("records", local.key)
    if record is None:
        return None
    return LocalDocument(guid, "", record, save=record.version, object=object_)


def keep(change: Change, local: LocalDocument) -> None:
    """Store what a laptop has of a document from now on."""
    if local.object == "order":
        change.put("orders", local.guid, local)
        change.put("references", local.reference, local.guid)
        return
    if local.base is not None:
        change.put("records", local.key, local.base)
    elif change.get("records", local.key) is not None:
        change.delete("records", local.key)
    if local.base is None or not local.is_settled:
        change.put("overlays", local.guid, local)
    elif change.get("overlays", local.guid) is not None:
        change.delete("overlays", local.guid)


def drop(change: Change, object_: str, guid: str) -> None:
    """Let a laptop have nothing of a document any more, nor of what it alone knew of it."""
    if object_ == "order":
        change.delete("orders", guid)
        return
    change.delete("records", LocalDocument(guid, "", object=object_).key)
    for table in ("overlays", "own fields"):
        if change.get(table, guid) is not None:
            change.delete(table, guid)


def own_fields(get: Get, guid: str) -> dict[str, str]:
    """Return the fields of a document that exist only on this laptop."""
    return dict(get("own fields", guid, ()))


def next_number(change: Change, store: Store) -> str | None:
    """Return the next number of the laptop's own ranges, and use it up; None when none is left."""
    for first, numbers in store.table("number ranges").items():
        used: int = store.get("numbers used", first, 0)
        number: str | None = numbers.number(used)
        if number is not None:
            change.put("numbers used", first, used + 1)
            return number
    return None


def numbers_left(store: Store) -> int:
    """Return how many numbers a laptop has left of its own."""
    rows = store.table("number ranges").items()
    return sum(one.count - store.get("numbers used", first, 0) for first, one in rows)


def take_range(change: Change, store: Store, numbers: NumberRange) -> None:
    """Take further numbers; the same ones may come twice."""
    if store.get("number ranges", numbers.first) is None:
        change.put("number ranges", numbers.first, numbers)


def shown_pieces(store: Store, place: str, product: str, *, counts_along: bool) -> int | None:
    """Return how many parts a laptop shows; None when it knows of no such stock.

    Args:
        store: The laptop's database.
        place: Where they lie.
        product: Which parts.
        counts_along: Whether what its technician has used since is taken off.
    """
    record: Record | None = store.get("records", ("stock", f"{place}/{product}"))
    if record is None:
        return None
    pieces = int(dict(record.fields)["pieces"])
    return pieces - _used(store, place, product) if counts_along else pieces


def _used(store: Store, place: str, product: str) -> int:
    """Return how many parts were confirmed here and are not posted yet, as far as one knows."""
    return sum(
        item.quantity
        for one in _confirmations(store)
        if dict(one.fields).get("place") == place and not dict(one.fields).get("reverses")
        for item in items_of(dict(one.fields))
        if item.category is Category.PART and item.product == product
    )


def _confirmations(store: Store) -> Iterator[Record]:
    """Yield the confirmations on a laptop that are not posted, as its technician sees them."""
    overlays = store.table("overlays")
    for (object_, _), record in store.table("records").items():
        if object_ == CONFIRMATION and record.identity not in overlays and _is_open(record):
            yield record
    for local in overlays.values():
        if local.object == CONFIRMATION and local.record is not None and _is_open(local.record):
            yield local.record


def _is_open(record: Record) -> bool:
    is_posted = transfer_of(record) is Distribution.DONE
    return not is_posted and status_of(record) != CANCELLED


def why_not_used(store: Store, edit: RecordEdit, *, counts_along: bool) -> str | None:
    """Return which parts of a new confirmation the laptop does not show in stock, or None."""
    if edit.object != CONFIRMATION or edit.what != "create":
        return None
    fields = dict(edit.fields)
    if fields.get("reverses"):
        return None
    place = fields.get("place", "")
    wanted: dict[str, int] = {}
    for item in items_of(fields):
        if item.category is Category.PART:
            wanted[item.product] = wanted.get(item.product, 0) + item.quantity
    for product, pieces in wanted.items():
        shown = shown_pieces(store, place, product, counts_along=counts_along)
        if shown is not None and pieces > shown:
            return f"there are {shown} {product} in {place}, not {pieces}"
    return None
