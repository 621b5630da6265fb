"""How does the CRM server carry a document from one database to the other, and to the ERP?

CRM Online is the database of the applications. The CDB (consolidated database) holds what the
laptops need. Nothing writes the CDB but the flow: a save in CRM Online puts an mBDoc into the CSA
queue of its customer, in the same commit; only when that queue has run does the CDB change and do
the laptops' queues fill. So the CDB is always a little older than CRM Online.
Sources: CONTRIBUTING.md, S13, S30, S31, S34, S37, S39, S40, S63.
"""

import enum
from collections.abc import Callable
from typing import Any

import attrs

from crmsim.applications.contracts import is_of_erp
from crmsim.applications.exchange import SalesExchange
from crmsim.applications.guards import why_not_transfer
from crmsim.applications.service import SERVICE_OBJECTS, is_being_distributed
from crmsim.applications.status import OrderRecord
from crmsim.business.master import Record
from crmsim.business.sales import SalesOrder
from crmsim.formats.bapi import BapiRecord, bapi_order
from crmsim.formats.bdoc import (
    MassBDoc,
    MessageBDoc,
    RecordBDoc,
    Replica,
    Update,
)
from crmsim.formats.service import BapiService
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import Context, answered, begin, handed_over, repaired, step
from crmsim.middleware.publication import Publication
from crmsim.middleware.queue import Luw, QueueKey, queue_name
from crmsim.middleware.status import BDocEvent
from crmsim.online.online import ERP
from crmsim.online.recovery import (
    BEGUN,
    BDocMonitor,
    ErrorList,
    OwnServices,
    Reprocess,
    body_of,
)
from crmsim.online.service.transactions import bapi_service
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.cdb import CdbRow
from crmsim.replication.receivers import Receivers, facts_of_order, facts_of_record
from crmsim.trace.kinds import REPLICATED, SPREAD

__all__ = ["CdbOnError", "Outflow"]

Body = MessageBDoc | MassBDoc | RecordBDoc
"""What goes out of CRM Online."""
CDB = "cdb"
"""One of the receivers of an mBDoc; the other one is the ERP."""


class CdbOnError(enum.Enum):
    """What becomes of a document with errors on its way to the laptops."""

    STORE = "store, do not send"
    """The CDB holds it, so there is a before-image of it; laptops are not told."""
    SKIP = "skip the CDB"
    """The CDB holds it only when it has been put right."""


class Outflow:
    """What follows a save in CRM Online.

    Args:
        actor: The actor whose store holds both databases.
        receivers: Who gets what.
        outbound: The queues to the ERP.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        guarantees: Which parts of "exactly once, in order" are on.
        queue_key: What shares a queue to the ERP.
        own: What a customer has added to the flow.
        on_error: What becomes of documents with errors on their way to the laptops.
        exchange: How CRM and the ERP share sales transactions.
    """

    def __init__(
        self,
        actor: Actor,
        receivers: Receivers,
        outbound: OutboundQueues,
        errors: ErrorList,
        monitor: BDocMonitor,
        guarantees: Guarantees,
        queue_key: QueueKey,
        own: OwnServices,
        on_error: CdbOnError,
        exchange: SalesExchange,
    ) -> None:
        self._actor = actor
        self._receivers = receivers
        self._outbound = outbound
        self._errors = errors
        self._monitor = monitor
        self._guarantees = guarantees
        self._queue_key = queue_key
        self._own = own
        self._on_error = on_error
        self._exchange = exchange
        self.services: dict[Context, Callable[[Change, str, Luw], bool]] = {
            Context.MO1: self._pass_on,
            Context.MO2: self._pass_on,
            Context.SO1: self._replicate_again,
        }
        """Context -> the work of a LUW that the flow takes up there; False when it broke off."""

    def _pass_on(self, change: Change, queue: str, luw: Luw) -> bool:
        """MO1, MO2: find the receivers of one document, or of many records, and hand them over."""
        bdoc = self._newest(luw)
        context = Context.MO2 if isinstance(bdoc, MassBDoc) else Context.MO1
        record = self._monitor.taken_up(luw.luw)
        if self._errors.broke(change, record, context, queue, luw):
            return False
        if self._is_for_nobody(bdoc):
            self._monitor.put(change, handed_over(step(record, *BEGUN), ()))
            return True
        receivers = (ERP, CDB) if self._transfer(change, bdoc) else (CDB,)
        if self._actor.store.get("bridges off", _about(bdoc), False):
            self._monitor.put(change, handed_over(step(record, *BEGUN), receivers[:-1]))
            return True
        is_stored = self._replicate(change, queue, luw, bdoc)
        sent = handed_over(step(record, *BEGUN), receivers)
        self._monitor.put(change, answered(sent, CDB, is_ok=is_stored))
        return True

    def _is_for_nobody(self, bdoc: Body) -> bool:
        """Say whether a document with errors stays in CRM Online altogether."""
        has_errors = isinstance(bdoc, MessageBDoc) and not bdoc.document.is_sound
        return has_errors and self._on_error is CdbOnError.SKIP

    def _newest(self, luw: Luw) -> Any:
        """Return what is to go out: of an old BDoc that is processed again, what holds by now.

        So a newer value is never overwritten by an older one.
        """
        bdoc: Body = body_of(luw)
        if not isinstance(luw.body, Reprocess) or not self._guarantees.newest_stays:
            return bdoc
        if isinstance(bdoc, RecordBDoc):
            key = bdoc.record.object, bdoc.record.key
            newest = self._actor.store.get("records", key)
            if newest is None:
                version = self._actor.store.get("deleted", key)
                last = attrs.evolve(bdoc.record, version=version)
                return attrs.evolve(bdoc, record=last, is_deletion=True)
            return attrs.evolve(bdoc, record=newest)
        if isinstance(bdoc, MassBDoc):
            held = self._actor.store.table("masters")
            return attrs.evolve(bdoc, records=tuple(held[old.key] for old in bdoc.records))
        record: OrderRecord = self._actor.store.get("orders", bdoc.document.number)
        save = int(self._actor.store.get("saves", bdoc.document.number))
        return attrs.evolve(bdoc, document=record.document, save=save)

    def _transfer(self, change: Change, bdoc: Body) -> bool:
        """The ERP adapter, outbound: put an order into a queue to the ERP; False when it may not.

        What comes from the ERP never goes back to it. Only orders go there, and records of which
        the model says so.
        """
        if isinstance(bdoc, RecordBDoc):
            return self._transfer_record(change, bdoc)
        if not isinstance(bdoc, MessageBDoc):
            return False
        order, number = bdoc.document.order, bdoc.document.number
        quotations = self._exchange.quotations
        if bdoc.origin == ERP or why_not_transfer(bdoc.document, quotations=quotations) is not None:
            return False
        if self._guarantees.newest_stays and order.version <= change.get("sent", number, 0):
            return False  # processed again late: what is newest has gone there already
        change.put("sent", number, order.version)
        record: OrderRecord = self._actor.store.get("orders", number)
        schedule = bdoc.document.schedule
        body = bapi_order(self._plain(order), number, record.epoch, record.erp_changes, schedule)
        luw = Luw(f"order {number} v{order.version}", body, order.guid)
        queue = queue_name("R3AU", self._queue_key, number, order.customer)
        self._outbound.enqueue(change, queue, luw)
        change.put("awaited", (number, order.version), bdoc.bdoc)
        return True

    def _plain(self, order: SalesOrder) -> SalesOrder:
        """Return an order as the ERP is to have it: it knows no contract of CRM."""
        contract: Record | None = self._actor.store.get("records", ("contract", order.contract))
        is_known = contract is not None and is_of_erp(contract)
        return order if is_known else attrs.evolve(order, contract="")

    def _transfer_record(self, change: Change, bdoc: RecordBDoc) -> bool:
        record = bdoc.record
        key = record.object, record.key
        if bdoc.is_deletion or bdoc.origin == ERP or not self._is_for_erp(record):
            return False
        if self._guarantees.newest_stays and record.version <= change.get("sent", key, 0):
            return False  # processed again late: what is newest has gone there already
        change.put("sent", key, record.version)
        change.put("ours", key, max(record.version, change.get("ours", key, 0)))
        luw = Luw(f"{record.identity} v{record.version}", self._body(record), record.identity)
        self._outbound.enqueue(change, f"R3AU_{record.identity}", luw)
        change.put("awaited", (record.identity, record.version), bdoc.bdoc)
        return True

    def _is_for_erp(self, record: Record) -> bool:
        """Say whether a record goes to the ERP: of service transactions, what was marked so."""
        if record.object in SERVICE_OBJECTS:
            return is_being_distributed(record)
        return self._receivers.model.of(record.object).in_erp

    @staticmethod
    def _body(record: Record) -> BapiRecord | BapiService:
        if record.object in SERVICE_OBJECTS:
            return bapi_service(record)
        return BapiRecord(record.object, record.key, record.fields, record.version)

    def _replicate(self, change: Change, queue: str, luw: Luw, bdoc: Body) -> bool:
        """MobileBridge and SO1: make an sBDoc, write the CDB, then tell the laptops that need it.

        Returns:
            Whether the CDB holds it now; else the sBDoc is in the error list.
        """
        name = f"{bdoc.bdoc} to the CDB"
        if luw.luw == name:
            record = self._monitor.taken_up(name)
        else:
            record = begin(name, bdoc.guid, bdoc.version, Context.SO1)
        sbdoc = Luw(name, bdoc, bdoc.guid)
        if self._errors.broke(change, record, Context.SO1, queue, sbdoc):
            return False
        self._monitor.put(change, handed_over(step(record, *BEGUN), ()))
        if isinstance(bdoc, MassBDoc):
            self.spread(change, bdoc)
        elif isinstance(bdoc, RecordBDoc):
            self.write_record(change, bdoc)
        else:
            self._write_cdb(change, bdoc)
        self._own.call(Context.SOA, change, bdoc)
        return True

    def spread(self, change: Change, bdoc: MassBDoc) -> None:
        """Write records into the CDB and, once for all laptops, behind their publication."""
        name = bdoc.publication
        before: Publication = self._actor.store.get("publications", name, Publication())
        after = before.extended(bdoc.records)
        for record in bdoc.records:
            change.put("cdb masters", record.key, record)
        change.put("publications", name, after)
        change.note(SPREAD, name, bdoc=bdoc.bdoc, first=before.last + 1, last=after.last)

    def _write_cdb(self, change: Change, bdoc: MessageBDoc) -> None:
        document = bdoc.document
        held: CdbRow | None = self._actor.store.get("cdb", bdoc.guid)
        if held is not None and held.save > bdoc.save and self._guarantees.newest_stays:
            return  # what is newer has come before it
        row = CdbRow(document, bdoc.save, document, bdoc.save)
        if not document.is_sound:
            shown = (None, 0) if held is None else (held.shown, held.shown_save)
            row = CdbRow(document, bdoc.save, *shown)
        change.put("cdb", bdoc.guid, row)
        change.note(
            REPLICATED,
            document.order.reference,
            guid=bdoc.guid,
            version=document.order.version,
            bdoc=bdoc.bdoc,
            save=bdoc.save,
        )
        if not document.is_sound:
            return  # laptops hear of it when it has been put right
        before = None if held is None or held.shown is None else facts_of_order(held.shown)
        self._receivers.distribute(
            change,
            ("order", bdoc.guid),
            facts_of_order(document),
            before,
            lambda task: Update(document, bdoc.save, task),
            bdoc.origin if bdoc.disk == change.get("disks", bdoc.origin, 0) else "",
        )

    def write_record(self, change: Change, bdoc: RecordBDoc) -> None:
        """Write a record into the CDB, or take it out; the sites that it belongs to are told."""
        record = bdoc.record
        key = record.object, record.key
        held: Record | None = self._actor.store.get("cdb records", key)
        if held is not None and held.version > record.version and self._guarantees.newest_stays:
            return  # what is newer has come before it
        if bdoc.is_deletion:
            self._erase(change, bdoc, held)
            return
        origin = bdoc.origin if bdoc.disk == change.get("disks", bdoc.origin, 0) else ""
        change.put("cdb records", key, record)
        change.note(
            REPLICATED,
            record.identity,
            guid=bdoc.guid,
            version=record.version,
            bdoc=bdoc.bdoc,
            save=record.version,
        )
        self._receivers.distribute(
            change,
            key,
            facts_of_record(record),
            None if held is None else facts_of_record(held),
            lambda task: Replica(record, task),
            origin,
        )

    def _erase(self, change: Change, bdoc: RecordBDoc, held: Record | None) -> None:
        """Take a record out of the CDB, and away from all who have it."""
        change.note(
            REPLICATED,
            bdoc.record.identity,
            guid=bdoc.guid,
            version=bdoc.version,
            bdoc=bdoc.bdoc,
            save=bdoc.version,
        )
        key = bdoc.record.object, bdoc.record.key
        if held is None:  # it is gone already, or never came
            self._receivers.take_back(change, key, facts_of_record(bdoc.record))
            return
        change.delete("cdb records", key)
        self._receivers.withdraw(change, key, facts_of_record(held))

    def _replicate_again(self, change: Change, queue: str, luw: Luw) -> bool:
        """SO1, once more: a person has an sBDoc of the error list processed again."""
        if not self._replicate(change, queue, luw, self._newest(luw)):
            return False
        self.cdb_answered(change, body_of(luw))
        return True

    def give_up_cdb(self, change: Change, bdoc: Body) -> None:
        """Let an mBDoc know that a person has given up its way into the CDB: that ends it too."""
        record = self._monitor.record(bdoc.bdoc)
        self._monitor.put(change, step(record, BDocEvent.SET_PROCESSED))

    def cdb_answered(self, change: Change, bdoc: Body) -> None:
        """Let an mBDoc know that its way into the CDB is settled after all."""
        self._monitor.put(change, repaired(self._monitor.record(bdoc.bdoc), CDB))

    def erp_answered(self, change: Change, key: tuple[str, int], *, is_ok: bool) -> None:
        """Let the mBDoc that took a version of something to the ERP know the answer."""
        bdoc = self._actor.store.get("awaited", key)
        if bdoc is None:
            return  # a second answer to the same version
        change.delete("awaited", key)
        if self._actor.store.get("bdocs", bdoc) is None:
            return  # a person has ended it meanwhile
        self._monitor.put(change, answered(self._monitor.record(bdoc), ERP, is_ok=is_ok))


def _about(bdoc: Body) -> str:
    """Return the name of the replication object that something is about."""
    if isinstance(bdoc, RecordBDoc):
        return bdoc.record.object
    return bdoc.publication if isinstance(bdoc, MassBDoc) else "order"
