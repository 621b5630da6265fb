"""What does a laptop do with a message that it imports?

Each message is applied to the local database in one commit, together with its leaving the inbox.
What a refused creation had brought along (the notes of a visit) goes with it.
Sources: CONTRIBUTING.md, S54, S55, S57.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from crmsim.business.master import Record
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import BulkPackage, Removal, Replica, Update, claims_of, state_of
from crmsim.kernel.durable import Change, Store
from crmsim.mobile.holdings import drop, keep, local_of
from crmsim.replication.returned import Unread
from crmsim.replication.sites import version_of, what_of
from crmsim.sync.importer import LocalDocument, after_import, after_removal, after_unread
from crmsim.sync.inbox import InboxEntry, entry_for
from crmsim.trace.kinds import IMPORTED, UNREAD

__all__ = ["Content", "apply"]

Content = Confirmation | Rejection | Update | Replica | Removal | BulkPackage


def apply(
    change: Change,
    store: Store,
    laptop: str,
    parents: Mapping[str, str],
    place: Any,
    content: Content,
) -> None:
    """Apply a message of the inbox.

    Args:
        change: The commit that does it.
        store: The local database.
        laptop: The name of the laptop.
        parents: Kind of thing -> what it depends on; empty when on nothing.
        place: Where the message lies in the inbox.
        content: What it says.
    """
    change.delete("inbox", place)
    if isinstance(content, BulkPackage):
        _apply_bulk(change, laptop, content)
        return
    was = local_of(store.get, content.object, content.guid)
    takes = _too_new(change, store, place, content)
    if takes:
        _put_aside(change, place, content, was, takes)
    elif isinstance(content, Removal) and not content.key:
        _remove_publication(change, store, content.object)
    else:
        _apply_to_document(change, store, parents, content, was)
    guid = content.guid
    left = None if isinstance(content, Removal) else local_of(change.get, content.object, guid)
    change.note(
        UNREAD if takes else IMPORTED,
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
        **({"takes": takes} if takes else _restored(was, left, content)),
    )


def _restored(
    was: LocalDocument | None, left: LocalDocument | None, content: Content
) -> dict[str, object]:
    """Return what the journal says of a refusal: what the server has, and what is shown now."""
    if not isinstance(content, Rejection) or content.before is None or was is None:
        return {}
    segments = next((c.segments for c in was.changes if c.message == content.message), ())
    if left is None or content.save < left.save or left.seen is None or not segments:
        return {}
    before = content.before if isinstance(content.before, Record) else content.before.order
    again = [name for change in left.changes for name, _ in claims_of(change.segments)]
    return {
        "before": state_of(before, segments),
        "shows": state_of(left.seen, segments),
        "again": tuple(again),
    }


def _too_new(
    change: Change,
    store: Store,
    place: Any,
    content: Confirmation | Rejection | Update | Replica | Removal,
) -> int:
    """Return which release it takes to read a message; 0 when the laptop can."""
    takes: int = store.get("takes", place, 0)
    if takes:
        change.delete("takes", place)
    has_content = not isinstance(content, Removal) and _brought_by(content) is not None
    return takes if has_content and takes > store.get("rep", "release", 1) else 0


def _brought_by(content: Confirmation | Rejection | Update | Replica) -> object:
    """Return the document that a message brings; None when it says that there is none."""
    if isinstance(content, Replica):
        return content.record
    return content.before if isinstance(content, Rejection) else content.document


def _put_aside(
    change: Change, place: Any, content: Any, was: LocalDocument | None, takes: int
) -> None:
    """Keep a message for the server; if it is an answer, the change counts as answered."""
    answers = getattr(content, "message", "")
    if was is not None and answers:
        _hold(change, content.object, content.guid, after_unread(was, answers), is_purged=True)
    key = LocalDocument(content.guid, "", object=content.object).key
    change.put("unread", place, Unread(place, content.guid, key, takes))


def _remove_publication(change: Change, store: Store, publication: str) -> None:
    for key in store.table("masters"):
        if key[0] == publication:
            change.delete("masters", key)
    change.delete("made under", publication)


def _apply_to_document(
    change: Change,
    store: Store,
    parents: Mapping[str, str],
    content: Confirmation | Rejection | Update | Replica | Removal,
    was: LocalDocument | None,
) -> None:
    if isinstance(content, Removal):
        after, is_purged = after_removal(was), True
    else:
        _file(change, was, content)
        after, is_purged = after_import(was, content), was is not None and was.leaves
    _hold(change, content.object, content.guid, after, is_purged=is_purged)
    if after is None and isinstance(content, Rejection) and was is not None:
        _drop_below(change, store, parents, was)


def _hold(
    change: Change, object_: str, guid: str, after: LocalDocument | None, *, is_purged: bool
) -> None:
    """Keep what a laptop has of a document from now on, or drop it when that is nothing.

    An order that was taken away (`is_purged`) is remembered, so that nobody writes it again.
    """
    if after is None:
        drop(change, object_, guid)
    else:
        keep(change, after)
    if object_ == "order" and after is not None:
        change.delete("purged", guid)
    elif object_ == "order" and is_purged:
        change.put("purged", guid, True)


def _drop_below(
    change: Change, store: Store, parents: Mapping[str, str], gone: LocalDocument
) -> None:
    """Drop what was made here under something that never came to be; it has to be made anew."""
    below: list[LocalDocument] = list(store.table("overlays").values())
    for local in below:
        record = local.record if local.base is None else None
        if record is not None and (parents.get(local.object), record.parent) == gone.key:
            for lost in local.changes:
                name = gone.reference
                entry = InboxEntry(lost.message, local.guid, local.reference, f"{name} was refused")
                change.put("rejections", lost.message, attrs.evolve(entry, content=lost.written))
            drop(change, local.object, local.guid)


def _file(
    change: Change,
    before: LocalDocument | None,
    content: Confirmation | Rejection | Update | Replica,
) -> None:
    """Tell the rep what of a change does not count, and keep what was written."""
    if isinstance(content, Update | Replica) or before is None:
        return
    written = next((one.written for one in before.changes if one.message == content.message), None)
    entry = entry_for(content, before.reference, written)
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
    change.put("made under", bulk.publication, bulk.last)
    change.note(
        IMPORTED,
        f"{bulk.publication} {bulk.first} to {bulk.last} for {laptop}",
        what="bulk",
        publication=bulk.publication,
        first=bulk.first,
        position=bulk.last,
    )
