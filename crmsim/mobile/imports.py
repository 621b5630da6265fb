"""What does a laptop do with a message that it imports?

Each message is applied to the local database in one commit, together with its leaving the inbox.
Sources: CONTRIBUTING.md, S54, S55.
"""

from typing import Any

from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import BulkPackage, Removal, Replica, Update
from crmsim.kernel.durable import Change, Store
from crmsim.replication.sites import version_of, what_of
from crmsim.sync.importer import LocalOrder, after_import, after_removal
from crmsim.sync.inbox import InboxEntry, entry_for
from crmsim.trace.kinds import IMPORTED

__all__ = ["Content", "apply"]

Content = Confirmation | Rejection | Update | Replica | Removal | BulkPackage


def apply(change: Change, store: Store, laptop: str, place: Any, content: Content) -> None:
    """Apply a message of the inbox.

    Args:
        change: The commit that does it.
        store: The local database.
        laptop: The name of the laptop.
        place: Where the message lies in the inbox.
        content: What it says.
    """
    change.delete("inbox", place)
    if isinstance(content, BulkPackage):
        _apply_bulk(change, laptop, content)
        return
    if isinstance(content, Replica):
        record = content.record
        change.put("records", (record.object, record.key), record)
    elif isinstance(content, Removal) and not content.key:
        for key in store.table("masters"):
            if key[0] == content.object:
                change.delete("masters", key)
    elif isinstance(content, Removal) and content.object != "order":
        change.delete("records", (content.object, content.key))
    else:
        _apply_to_order(change, store, content)
    guid = content.guid
    left: LocalOrder | None = change.get("orders", guid)
    change.note(
        IMPORTED,
        f"news {place} for {laptop}",
        position=place,
        what=type(content).__name__.lower(),
        task=what_of(content),
        version=version_of(content),
        guid=guid,
        answers=getattr(content, "message", ""),
        told=_told(change, content),
        pending=0 if left is None else left.pending,
        upload=0 if left is None else left.upload,
    )


def _apply_to_order(
    change: Change, store: Store, content: Confirmation | Rejection | Update | Removal
) -> None:
    guid = content.guid
    held: LocalOrder | None = store.get("orders", guid)
    if isinstance(content, Removal):
        local = after_removal(held)
        is_purged = local is None
    else:
        _file(change, held, content)
        local = after_import(held, content)
        is_purged = local is None and held is not None and held.leaves
    if local is not None:
        change.put("orders", guid, local)
        change.put("references", local.document.order.reference, guid)
        change.delete("purged", guid)
        return
    change.delete("orders", guid)
    if is_purged:
        change.put("purged", guid, True)


def _file(
    change: Change, held: LocalOrder | None, content: Confirmation | Rejection | Update
) -> None:
    """Tell the rep what of a change does not count, and keep what was written."""
    if isinstance(content, Update) or held is None:
        return
    written = next((one.written for one in held.changes if one.message == content.message), None)
    entry = entry_for(content, held.document.order.reference, written)
    if entry is not None:
        change.put("rejections", entry.message, entry)


def _told(change: Change, content: Content) -> tuple[str, ...]:
    """Return the fields of which the rep can read that they do not count."""
    entry: InboxEntry | None = change.get("rejections", getattr(content, "message", ""))
    return () if entry is None else tuple(dict.fromkeys(one.name for one in entry.overruled))


def _apply_bulk(change: Change, laptop: str, bulk: BulkPackage) -> None:
    """Apply records of a publication."""
    for record in bulk.records:
        change.put("masters", record.key, record)
    change.note(
        IMPORTED,
        f"{bulk.publication} {bulk.first} to {bulk.last} for {laptop}",
        what="bulk",
        publication=bulk.publication,
        first=bulk.first,
        position=bulk.last,
    )
