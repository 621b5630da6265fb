"""How does a rep write on a laptop, with no line to anybody?

Each save is one commit: the document as the rep sees it, and the change of it in the outbox. What
is not on the laptop any more cannot be changed; what is as wanted already need not be. What laptops
may not do with a kind of document, the laptop does not let its rep save. Private appointments, and
fields that exist only on laptops, are stored and never sent.
Sources: CONTRIBUTING.md, S02, S03, S20, S54, S55.
"""

from collections.abc import Iterable, Mapping

import attrs

from crmsim.applications.contracts import still_there
from crmsim.applications.directions import direction_of, lacks_of, named, why_not_from_laptop
from crmsim.applications.guards import why_only_shown
from crmsim.applications.numbering import temporary_number
from crmsim.applications.pricing import list_price, net_value
from crmsim.business.enquiry import Enquiry
from crmsim.business.master import Record, RecordEdit
from crmsim.business.sales import (
    CallOff,
    OrderEdit,
    SalesKind,
    SalesOrder,
    new_guid,
    with_lines,
)
from crmsim.formats.bdoc import Segment, SyncBDoc, Task, Thing, claims_of, segments_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change, Store
from crmsim.mobile.holdings import keep, local_of, next_number, own_fields, why_not_used
from crmsim.mobile.reminders import WriteDue
from crmsim.mobile.rep import DiaryEntry
from crmsim.sync.importer import LocalDocument, Pending, after_save
from crmsim.sync.inbox import InboxEntry
from crmsim.trace.kinds import FORBIDDEN, KEPT, MISSED, READ, SAVED

__all__ = ["Writing"]


class Writing:
    """What a rep writes.

    Args:
        actor: The laptop.
        diary: What is written when, in order of time.
        parents: Kind of thing -> what it depends on; empty when on nothing.
        counts_parts: Whether it takes parts that its technician has used off the stock it shows.
    """

    def __init__(
        self,
        actor: Actor,
        diary: tuple[DiaryEntry, ...],
        parents: Mapping[str, str],
        *,
        counts_parts: bool = False,
    ) -> None:
        self._counts_parts = counts_parts
        self._actor = actor
        self._diary = diary
        self._parents = parents
        self._first_entries: dict[str, int] = {}
        """Reference of an order -> the entry of the diary in which it is born."""
        for entry, written in enumerate(diary):
            if isinstance(written.what, SalesOrder | CallOff):
                self._first_entries.setdefault(written.what.reference, entry)

    @property
    def left(self) -> int:
        """How many entries of the diary are still to be written."""
        return len(self._diary) - int(self._store.get("rep", "written", 0))

    @property
    def _store(self) -> Store:
        store: Store = self._actor.store
        return store

    @property
    def _here(self) -> str:
        """What saves of this disk are called by."""
        disk = self._actor.disk
        return f"{self._actor.name} disk {disk}" if disk else self._actor.name

    def plan(self) -> None:
        """Wait for the next entry of the diary, if the rep still works here."""
        entry: int = self._store.get("rep", "written", 0)
        if entry < len(self._diary) and not self._store.get("rep", "stopped", False):
            due_ns = self._diary[entry].time_ns
            self._actor.after(max(due_ns - self._actor.now_ns, 0), WriteDue(entry))

    def write(self, entry: int) -> None:
        """Save what the rep writes next, and wait for what follows."""
        is_stopped = self._store.get("rep", "stopped", False)
        if is_stopped or entry != self._store.get("rep", "written", 0):
            return
        with self._actor.commit() as change:
            change.put("rep", "written", entry + 1)
            written = self._diary[entry].what
            if isinstance(written, RecordEdit):
                self.edit(change, written)
            elif isinstance(written, Enquiry):
                self._look_up(change, written)
            elif isinstance(written, CallOff):
                self._call_off(change, written)
            else:
                self._write_order(change, written)
        self.plan()

    # --- orders ---

    def _write_order(self, change: Change, written: SalesOrder | OrderEdit) -> None:
        guid = self._guid(written.reference)
        local = local_of(self._store.get, "order", guid)
        if local is None and self._is_gone(guid, written):
            version = written.version if isinstance(written, SalesOrder) else 0
            change.note(MISSED, written.reference, guid=guid, version=version)
            return
        reason = None if local is None else why_only_shown(local.document)
        if reason is not None:
            change.note(FORBIDDEN, written.reference, guid=guid, reason=reason)
            return
        seen = None if local is None else local.document.order
        order = _as_written(written, seen, guid, f"{self._here} {self._next_number}")
        if seen is None and order.at_list_prices:
            order = self._priced(order)
        segments = segments_of(seen, order)
        if segments:  # else it is as wanted already
            task = Task.INSERT if local is None else Task.UPDATE
            given = next_number(change, self._store) if local is None else None
            number = given or temporary_number(self._here, self._next_number)
            local = local or LocalDocument(guid, number)
            self._save(change, local, task, order, segments, given or "")

    def _call_off(self, change: Change, wish: CallOff) -> None:
        """Order what is wanted, but no more than this laptop shows as left."""
        order = wish.order
        name = f"contract {order.contract}"
        contract: Record | None = self._store.get("records", ("contract", order.contract))
        mine = [
            local.document.order
            for local in self._store.table("orders").values()
            if local.changes and local.reference != order.reference
        ]
        items = () if contract is None else still_there(contract, order.items, mine)
        if items:
            self._write_order(change, attrs.evolve(order, items=items))
            return
        guid = self._guid(order.reference)
        reason = f"{name} has nothing left of it, as far as one knows here"
        change.note(FORBIDDEN, order.reference, guid=guid, reason=reason)

    def _priced(self, order: SalesOrder) -> SalesOrder:
        """Return an order with the prices of the list on this laptop, as far as it has any."""
        items = []
        for item in order.items:
            price = list_price(self._store.get, item.product)
            items.append(item if price is None else attrs.evolve(item, unit_price=price))
        return attrs.evolve(order, items=tuple(items))

    def _is_gone(self, guid: str, written: SalesOrder | OrderEdit) -> bool:
        """Say whether an order was taken away, lost with an earlier disk, or never here."""
        if isinstance(written, OrderEdit):
            return True
        is_older = self._first_entries[written.reference] < self._store.get("rep", "since", 0)
        return is_older or bool(self._store.get("purged", guid, False))

    def _guid(self, reference: str) -> str:
        """Return the identity of an order: that of the one here, or one made where it is born."""
        known: str = self._store.get("references", reference, "")
        if known or reference not in self._first_entries:
            return known
        luck = self._actor.luck("guid")
        count = self._first_entries[reference]
        return new_guid(luck, count)

    def _look_up(self, change: Change, wish: Enquiry) -> None:
        """Read for a customer how an order stands, as far as this laptop knows."""
        guid = self._guid(wish.reference)
        local = local_of(self._store.get, "order", guid)
        change.note(
            READ,
            wish.reference,
            channel="rep",
            guid=guid,
            save=0 if local is None else local.save,
            pending=0 if local is None else local.pending,
            there=local is not None,
        )

    # --- everything else ---

    def edit(self, change: Change, edit: RecordEdit) -> None:
        """Save what the rep does to a customer, a visit, an opportunity."""
        guid = edit.reference
        private: Record | None = self._store.get("private", guid)
        if edit.is_private or private is not None:
            self._edit_private(change, edit, private)
            return
        task = _TASKS[edit.what]
        reason = why_not_from_laptop(edit.object, task.value)
        reason = reason or why_not_used(self._store, edit, counts_along=self._counts_parts)
        if reason is not None:
            change.note(FORBIDDEN, guid, guid=guid, reason=reason)
            return
        local = local_of(self._store.get, edit.object, guid)
        seen = None if local is None else local.record
        is_there = seen is not None
        if is_there is (task is Task.INSERT) or not self._has_parent(edit, task):
            change.note(MISSED, guid, guid=guid, version=0)
            return
        fields = self._keep_own(change, edit)
        local = local or LocalDocument(guid, "", object=edit.object)
        if task is Task.DELETE:
            gone = (Segment("header", "", Task.DELETE),)
            self._save(change, local, task, None, gone)
            return
        record = _edited(edit, seen, fields)
        segments = segments_of(seen, record)
        if segments:
            self._save(change, local, task, record, segments)

    def _has_parent(self, edit: RecordEdit, task: Task) -> bool:
        """Say whether what a new thing is to depend on is here, as far as one can know."""
        if task is not Task.INSERT or not edit.parent:
            return True
        return self.has_above(Record(edit.object, edit.key, parent=edit.parent))

    def has_above(self, record: Record) -> bool:
        """Say whether what a record hangs on is on this laptop; what hangs on nothing has it."""
        parent = self._parents.get(record.object)
        if not parent:
            return True
        above = local_of(self._store.get, parent, f"{parent} {record.parent}")
        return above is not None and above.record is not None

    def _keep_own(self, change: Change, edit: RecordEdit) -> dict[str, str]:
        """Store the fields that exist only on laptops; return the others."""
        own = direction_of(edit.object).own_fields
        here = {name: value for name, value in edit.fields if name in own}
        if here:
            guid = edit.reference
            merged = own_fields(self._store.get, guid) | here
            change.put("own fields", guid, tuple(sorted(merged.items())))
            change.note(KEPT, guid, guid=guid, private=False, fields=tuple(here.items()))
        return {name: value for name, value in edit.fields if name not in own}

    def _edit_private(self, change: Change, edit: RecordEdit, private: Record | None) -> None:
        """Save what stays on the laptop; once it is no longer private it is sent as a new thing."""
        guid = edit.reference
        if not direction_of(edit.object).may_be_private:
            reason = f"{named(edit.object)} cannot be private"
            change.note(FORBIDDEN, guid, guid=guid, reason=reason)
            return
        if private is None and local_of(self._store.get, edit.object, guid) is not None:
            reason = "it is no secret any more: others have it"
            change.note(FORBIDDEN, guid, guid=guid, reason=reason)
            return
        if (private is None) is (edit.what != "create"):
            change.note(MISSED, guid, guid=guid, version=0)
            return
        if edit.what == "delete" or not edit.is_private:
            change.delete("private", guid)
        if edit.what == "delete":
            return
        record = _edited(edit, private, dict(edit.fields))
        if edit.is_private:
            change.put("private", guid, record)
            change.note(KEPT, guid, guid=guid, private=True, fields=())
            return
        change.note(KEPT, guid, guid=guid, private=False, fields=())
        local = LocalDocument(guid, "", object=edit.object)
        self._save(change, local, Task.INSERT, record, segments_of(None, record))

    # --- both ---

    @property
    def _next_number(self) -> int:
        return 1 + int(self._store.get("rep", "saves", 0))

    def _save(
        self,
        change: Change,
        local: LocalDocument,
        task: Task,
        thing: Thing | None,
        segments: tuple[Segment, ...],
        number_given: str = "",
    ) -> None:
        """Store a change of a document, and put it into the outbox."""
        number, guid = self._next_number, local.guid
        written = Pending(f"{self._here} save {number}", segments, local.save, thing)
        bdoc = SyncBDoc(
            written.message,
            self._actor.name,
            number,
            task,
            guid,
            segments,
            version=_version_of(local) + 1,
            base=local.save,
            older=local.older(written),
            disk=self._actor.disk,
            object=local.object,
            made_under=tuple(self._store.table("made under").items()),
            release=self._store.get("rep", "release", 1),
            number_given=number_given,
        )
        after = after_save(local, written)
        keep(change, after)
        change.put("outbox", number, bdoc)
        change.put("rep", "saves", number)
        self._deal_with_refusals(change, guid)
        change.note(
            SAVED,
            guid if local.object != "order" else after.reference,
            guid=guid,
            version=bdoc.version,
            message=bdoc.message,
            number=number,
            task=task.value,
            pending=after.pending,
            base=local.save,
            fields=claims_of(segments) if task is Task.UPDATE else (),
            **_told_of(thing, local.object),
        )

    def _deal_with_refusals(self, change: Change, guid: str) -> None:
        """Whoever saves a document anew has dealt with what the inbox says about it."""
        told: Iterable[InboxEntry] = self._store.table("rejections").values()
        for one in told:
            if one.guid == guid and not one.is_processed:
                change.put("rejections", one.message, attrs.evolve(one, is_processed=True))


_TASKS = {"create": Task.INSERT, "change": Task.UPDATE, "delete": Task.DELETE}


def _version_of(local: LocalDocument) -> int:
    """Return the version that a laptop takes its document for; 0 when it has none yet."""
    if local.object == "order":
        return local.document.order.version if local.base or local.changes else 0
    return local.save + local.pending


def _told_of(thing: Thing | None, object_: str) -> dict[str, object]:
    """Return what the journal says of a save besides."""
    if not isinstance(thing, SalesOrder):
        lacks = () if thing is None else lacks_of(thing)
        return {"object": object_, "lacks": lacks}
    sort = {} if thing.kind is SalesKind.ORDER else {"object": thing.kind.value}
    return sort | {
        "provisional": thing.is_provisional,
        "items": len(thing.items),
        "value": str(net_value(thing.items)),
    }


def _edited(edit: RecordEdit, seen: Record | None, fields: dict[str, str]) -> Record:
    """Return a record as the rep wants it."""
    before = Record(edit.object, edit.key, parent=edit.parent) if seen is None else seen
    merged = {**dict(before.fields), **fields}
    return attrs.evolve(before, fields=tuple(sorted(merged.items())))


def _as_written(
    written: SalesOrder | OrderEdit, seen: SalesOrder | None, guid: str, prefix: str
) -> SalesOrder:
    """Return an order as the rep wants it, with the identities of all its parts."""
    if isinstance(written, OrderEdit):
        assert seen is not None, "only what is there can be edited"
        return with_lines(written.applied(seen), None, prefix)
    return with_lines(attrs.evolve(written, guid=guid), seen, prefix)
