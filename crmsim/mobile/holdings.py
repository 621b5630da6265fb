"""What does the local database of a laptop hold of a document?

Orders stand in one table, each with the server's copy and what the rep changed on top. Of
everything else (customers, visits, opportunities) most is only read, so the server's copy stands
alone in `records`; only what its rep has changed has a row in `overlays` too, until all is
answered. What never leaves the laptop, private appointments and fields that exist only there,
stands apart: nothing that comes from the server can touch it.
"""

from collections.abc import Callable
from typing import Any

from crmsim.applications.numbering import NumberRange
from crmsim.business.master import Record
from crmsim.kernel.durable import Change, Store
from crmsim.sync.importer import LocalDocument

__all__ = [
    "drop",
    "keep",
    "local_of",
    "next_number",
    "numbers_left",
    "own_fields",
    "take_range",
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
