"""How is something saved in CRM Online?

CRM Online is the database of the applications. Whoever saves there, a laptop, the office or the
ERP, the same commit puts a messaging BDoc into the CSA queue of the customer, from which it goes
on its way out: `crmsim.systems.outflow`. So nothing is saved that nobody hears of, and nobody
hears of what was not saved. Sources: CONTRIBUTING.md, S13, S39.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from crmsim.applications.directions import direction_of, lacks_of
from crmsim.applications.status import OrderRecord
from crmsim.business.document import OrderDocument
from crmsim.business.master import MasterRecord, Record
from crmsim.business.sales import SalesOrder
from crmsim.formats.bdoc import (
    MassBDoc,
    MessageBDoc,
    RecordBDoc,
    SyncBDoc,
    Task,
    segments_of,
    state_of,
)
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import Context, begin
from crmsim.middleware.queue import Luw, QueueKey, queue_name
from crmsim.middleware.replication import Key, Model
from crmsim.online.recovery import BDocMonitor
from crmsim.qrfc.inbound import InboundQueues
from crmsim.sync.conflict import Stamp, stamped
from crmsim.trace.kinds import CHANGED, DELETED, PUBLISHED

__all__ = ["BOTH", "ERP", "OFFICE", "Online"]

ERP, OFFICE, BOTH = "erp", "office", "both"
"""Who makes a change, if no laptop does: the ERP, somebody in CRM, or the ERP, but merged with what
it does not know. The ERP is also one of those that changes go to."""


class Online:
    """CRM Online, as far as saving goes.

    Args:
        actor: The actor whose store holds the database.
        model: What is replicated.
        inbound: The queues that work processes execute.
        monitor: What is known of every BDoc.
        csa_key: What shares a queue inside CRM.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        inbound: InboundQueues,
        monitor: BDocMonitor,
        csa_key: QueueKey,
    ) -> None:
        self._actor = actor
        self._model = model
        self._inbound = inbound
        self._monitor = monitor
        self._csa_key = csa_key

    def register_order(self, change: Change, order: SalesOrder, number: str) -> None:
        """Let an order be found by its GUID, and by what people call it."""
        change.put("numbers", order.guid, number)
        change.put("by reference", order.reference, order.guid)
        change.put("references", order.guid, order.reference)

    def order_called(self, reference: str) -> OrderRecord | None:
        """Return the order that people call so; None when CRM has none."""
        store = self._actor.store
        number = store.get("numbers", store.get("by reference", reference))
        found: OrderRecord | None = store.get("orders", number)
        return found

    def store_order(self, change: Change, record: OrderRecord, origin: str, disk: int = 0) -> None:
        """Write CRM Online; the mBDoc for all who need it goes into the document's CSA queue."""
        document = record.document
        change.put("orders", document.number, record)
        count = 1 + int(self._actor.store.get("saves", document.number, 0))
        change.put("saves", document.number, count)
        known: OrderRecord | None = self._actor.store.get("orders", document.number)
        before = None if known is None else known.document
        name = f"save {count} of order {document.number}"
        bdoc = MessageBDoc(name, document, before, origin, count, disk)
        self._monitor.put(change, begin(bdoc.bdoc, bdoc.guid, bdoc.version, Context.MO1))
        luw = Luw(bdoc.bdoc, bdoc, bdoc.guid)
        queue = self._csa_queue(document)
        was = queue if before is None else self._csa_queue(before)
        # An order that moved to another customer stands behind the work of both.
        self._inbound.put_in(change, queue, luw, () if was == queue else (was,))

    def _csa_queue(self, document: OrderDocument) -> str:
        """Return the queue in which what was saved waits to be passed on."""
        return queue_name("CSA", self._csa_key, document.number, document.order.customer)

    def place_again(self, queue: str, body: object) -> tuple[str, tuple[str, ...]]:
        """Return where an old BDoc has its place when it is processed again.

        It may write what its document is by now, so it must stand behind the work on that, and
        behind that of the queue it came through.
        """
        if isinstance(body, RecordBDoc):
            key = body.record.object, body.record.key
            record: Record | None = self._actor.store.get("records", key)
            if record is None:
                return queue, ()  # deleted, perhaps with all that says whose it was
            now = self._record_queue(record)
        elif isinstance(body, MessageBDoc):
            order: OrderRecord = self._actor.store.get("orders", body.document.number)
            now = self._csa_queue(order.document)
        else:
            return queue, ()
        return now, () if now == queue else (queue,)

    def store_record(self, change: Change, record: Record, origin: str, disk: int = 0) -> None:
        """Write a record into CRM Online, and begin its way out."""
        key = record.object, record.key
        before: Record | None = self._actor.store.get("records", key)
        change.put("records", key, record)
        if before is None or before.parent != record.parent:
            self._index(change, record, "" if before is None else before.parent)
        self._begin_way(change, RecordBDoc("", record, before, origin, disk))

    def _index(self, change: Change, record: Record, old: str) -> None:
        """Keep which contracts a customer has, and what goes with something that is deleted."""
        above = self._model.of(record.object).parent
        rows: list[tuple[str, Any, Any]] = []
        if record.object == "contract":
            rows = [("contracts", parent, record.key) for parent in (old, record.parent)]
        elif "delete" in direction_of(above).from_laptops:
            key = record.object, record.key
            rows = [("below", (above, parent), key) for parent in (old, record.parent)]
        for place, (table, row, key) in enumerate(rows):
            others = tuple(one for one in change.get(table, row, ()) if one != key)
            change.put(table, row, (*others, key) if place else others)

    def _begin_way(self, change: Change, bdoc: RecordBDoc) -> None:
        """Put the mBDoc of a record for all who need it into the CSA queue of its customer."""
        record, before = bdoc.record, bdoc.before
        name = f"save {record.version} of {record.identity}"
        bdoc = attrs.evolve(bdoc, bdoc=name)
        self._monitor.put(change, begin(name, bdoc.guid, bdoc.version, Context.MO1))
        change.put("references", bdoc.guid, record.identity)
        queue = self._record_queue(record)
        was = queue if before is None else self._record_queue(before)
        self._inbound.put_in(
            change, queue, Luw(name, bdoc, bdoc.guid), () if was == queue else (was,)
        )

    def change_record(
        self,
        change: Change,
        key: Key,
        fields: Mapping[str, str],
        parent: str,
        origin: str,
        upload: SyncBDoc | None = None,
        number: int = 0,
        load: str = "",
        *,
        is_whole: bool = False,
    ) -> Record:
        """Create a record, or change some fields of it, and begin its way out.

        Args:
            change: The commit that does it.
            key: Which record.
            fields: Field -> new value; the others stay as they are.
            parent: What it depends on; empty when that stays as it is.
            origin: Who changes it: a laptop, OFFICE, ERP (which is not told of it again), or BOTH.
            upload: What the laptop sent.
            number: The how-manieth change of it in the ERP that is; 0 for one of the office.
            load: The block of a load that brings it; empty for none.
            is_whole: Other fields do not stay; the record has none but these.
        """
        held: Record | None = self._actor.store.get("records", key)
        ended: int = self._actor.store.get("deleted", key, 0)
        if held is None:
            record = Record(*key, tuple(sorted(fields.items())), parent, version=ended + 1)
            change.delete("deleted", key)  # only what a repair had taken out comes again
        else:
            kept = {} if is_whole else dict(held.fields)
            merged = tuple(sorted({**kept, **fields}.items()))
            parent = parent or held.parent
            record = attrs.evolve(held, fields=merged, parent=parent, version=held.version + 1)
        if origin != ERP:
            change.put("ours", key, record.version)  # the ERP does not know of it yet
        self._stamp(change, held, record, origin)
        record = attrs.evolve(record, lacks=self._lacks_of(record))
        if origin not in (ERP, BOTH):
            known = dict(self._actor.store.get("changed here", key, ()))
            known |= dict.fromkeys(fields, record.version)
            change.put("changed here", key, tuple(known.items()))
        changed = _changed(held, record)
        change.note(
            CHANGED,
            record.identity,
            version=record.version,
            carried=held is not None and held.parent != record.parent,
            guid=record.identity,
            parent=record.parent,
            customer=self.customer_of(record),
            number=number,
            fields=changed,
            **_told_of(upload, record, changed, origin),
            **({"load": load} if load and origin == ERP else {}),
            **({"again": True} if held is None and ended else {}),
        )
        self.store_record(change, record, origin, 0 if upload is None else upload.disk)
        return record

    def _lacks_of(self, record: Record) -> tuple[str, ...]:
        """Return what makes a record incomplete, if such a one may be kept at all."""
        return lacks_of(record) if direction_of(record.object).is_kept_incomplete else ()

    def _stamp(self, change: Change, before: Record | None, after: Record, origin: str) -> None:
        """Keep who changed which field last, where laptops may change it too."""
        if before is not None and direction_of(after.object).from_laptops:
            stamp = Stamp(after.version, origin)
            known = self._actor.store.get("stamps", after.identity, ())
            segments = segments_of(before, after)
            change.put("stamps", after.identity, stamped(known, before, segments, stamp))

    def delete_record(
        self, change: Change, key: Key, origin: str, upload: SyncBDoc | None = None
    ) -> int:
        """Delete a record that is there, and what depends on it; return the version of its end."""
        for below in self._actor.store.get("below", key, ()):
            if change.get("records", below) is not None:
                self.delete_record(change, below, OFFICE)
        held: Record = self._actor.store.get("records", key)
        last = attrs.evolve(held, version=held.version + 1)
        change.delete("records", key)
        change.put("deleted", key, last.version)
        change.note(
            DELETED,
            held.identity,
            version=last.version,
            guid=held.identity,
            customer=self.customer_of(held),
            message="" if upload is None else upload.message,
        )
        disk = 0 if upload is None else upload.disk
        self._begin_way(change, RecordBDoc("", last, held, origin, disk, is_deletion=True))
        return last.version

    def customer_of(self, record: Record) -> str:
        """Return the customer that a record belongs to; where there is none, what is on top."""
        about, parent = self._model.of(record.object), record.parent
        customer = record.key
        while parent and about.name != "customer":
            customer = parent
            about = self._model.of(about.parent)
            above: Record | None = self._actor.store.get("records", (about.name, parent))
            parent = "" if above is None else above.parent
        return customer

    def _record_queue(self, record: Record) -> str:
        """Return the CSA queue of a record: that of the customer it belongs to."""
        customer = self.customer_of(record)
        return queue_name("CSA", self._csa_key, f"_{record.identity}", customer)

    def publish(self, change: Change, publication: str, values: Mapping[str, str]) -> None:
        """Store records that everybody gets in CRM Online, and begin their way out."""
        store = self._actor.store
        records = []
        for name, value in values.items():
            key = publication, name
            held: MasterRecord | None = store.get("masters", key)
            version = 1 if held is None else held.version + 1
            records.append(MasterRecord(key, version, value))
            change.put("masters", key, records[-1])
        count = 1 + int(store.get("saves", publication, 0))
        change.put("saves", publication, count)
        bdoc = MassBDoc(f"save {count} of {publication}", publication, tuple(records))
        self._monitor.put(change, begin(bdoc.bdoc, bdoc.guid, bdoc.version, Context.MO2))
        change.put("references", bdoc.guid, f"publication {publication}")
        change.note(PUBLISHED, publication, guid=bdoc.guid, count=len(records))
        self._inbound.put_in(change, f"CSA_{publication}", Luw(bdoc.bdoc, bdoc, bdoc.guid))


def _changed(before: Record | None, after: Record) -> tuple[str, ...]:
    """Return the names of the fields that have another value than before; empty is as none."""
    known = {} if before is None else dict(before.fields)
    now = dict(after.fields)
    names = (*now, *(name for name in known if name not in now))
    return tuple(name for name in names if known.get(name, "") != now.get(name, ""))


def _told_of(
    upload: SyncBDoc | None, record: Record, changed: tuple[str, ...], origin: str
) -> dict[str, object]:
    """Return what the journal says of a change besides, where laptops have a part in it."""
    if upload is None:
        has_part = bool(direction_of(record.object).from_laptops)
        values = tuple((f"header {name}", v) for name, v in record.fields if name in changed)
        return {"by": origin, "values": values} if has_part else {}
    return {
        "message": upload.message,
        "base": upload.base,
        "values": state_of(record, upload.segments) if upload.task is Task.UPDATE else (),
    }
