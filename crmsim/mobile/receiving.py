"""How does a laptop store what it has fetched, and forget what it has sent?

In one commit each, so that the next request may say that it is held. What was fetched before is not
stored again; what was sent is forgotten only when the server has receipted it.
Sources: CONTRIBUTING.md, S50, S52.
"""

from crmsim.formats.bdoc import BulkPackage, Removal, SyncBDoc
from crmsim.kernel.durable import Change, Store
from crmsim.mobile.calls import Package
from crmsim.mobile.holdings import keep, local_of
from crmsim.sync.importer import LocalDocument, after_receipt
from crmsim.trace.kinds import CLEARED, RECEIVED

__all__ = ["store_package", "take_out"]


def store_package(
    change: Change, store: Store, laptop: str, package: Package
) -> tuple[int, dict[str, int]]:
    """Put a package into the inbox, for the import.

    Returns:
        The position up to which the laptop then holds everything, and the same for each
        publication of which it holds anything.
    """
    held: int = store.get("rep", "held", 0)
    held_bulk: dict[str, int] = dict(store.table("held bulk"))
    last = package.contents[-1][0] if package.contents else held
    takes = dict(package.releases)
    for place, content in package.contents:
        if place > held:
            change.put("inbox", place, content)
            if getattr(content, "object", "") in takes:
                change.put("takes", place, takes[content.object])
            news = f"news {place} for {laptop}"
            change.note(RECEIVED, news, queue="inbox", guid=content.guid)
            if isinstance(content, Removal) and not content.key:
                change.delete("held bulk", content.object)
                held_bulk.pop(content.object, None)
    change.put("rep", "held", last)
    if package.bulk is not None:
        held_bulk |= _store_bulk(change, laptop, package.bulk, held_bulk)
    return last, held_bulk


def _store_bulk(
    change: Change, laptop: str, bulk: BulkPackage, held: dict[str, int]
) -> dict[str, int]:
    """Store records of a publication; return up to where it is held then."""
    name = bulk.publication
    if bulk.first != held.get(name, 0) + 1:
        return {}  # it was asked for before; what came meanwhile is further on
    number = 1 + int(change.get("rep", "bulk packages", 0))
    change.put("rep", "bulk packages", number)
    change.put("inbox", (name, number), bulk)  # the same may come twice, what it is not between
    change.put("held bulk", name, bulk.last)
    subject = f"{name} {bulk.first} to {bulk.last} for {laptop}"
    change.note(RECEIVED, subject, queue="inbox")
    return {name: bulk.last}


def take_out(change: Change, store: Store, numbers: list[int]) -> None:
    """Take receipted changes out of the outbox, and count them as uploaded."""
    locals_: dict[str, LocalDocument] = {}
    for number in numbers:
        bdoc: SyncBDoc = store.get("outbox", number)
        guid = bdoc.guid
        local = locals_.get(guid, local_of(store.get, bdoc.object, guid))
        if local is not None and local.pending:
            locals_[guid] = after_receipt(local)
        change.delete("outbox", number)
        change.note(CLEARED, bdoc.message, queue="outbox", guid=guid)
    for local in locals_.values():
        keep(change, local)
