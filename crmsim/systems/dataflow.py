"""How does the CRM server carry a document from one database to the other, and to the ERP?

CRM Online is the database of the applications. The CDB (consolidated database) holds what the
laptops need. Nothing writes the CDB but the flow: a save in CRM Online puts an mBDoc into the CSA
queue of the document, in the same commit; only when that queue has run does the CDB change and do
the laptops' queues fill. So the CDB is always a little older than CRM Online.
Sources: CONTRIBUTING.md, S13, S30, S31, S34, S37, S39, S40, S63.
"""

from collections.abc import Callable
from typing import Any

import attrs
from pyrsistent import PDeque, pdeque

from crmsim.applications.guards import why_not_change, why_not_transfer
from crmsim.applications.numbering import order_number
from crmsim.applications.status import Distribution, DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bapi import BapiDelivery, BapiOrder, BapiResult
from crmsim.formats.bdoc import MessageBDoc, SyncBDoc, Task, Update, order_of, why_not_apply
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import (
    BDocRecord,
    Context,
    OnLock,
    answered,
    begin,
    handed_over,
    repaired,
    step,
)
from crmsim.middleware.queue import Luw, QueueKey, queue_name, site_queue
from crmsim.middleware.status import BDocEvent
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.recovery import BEGUN, BDocMonitor, ErrorList, Recovery, Reprocess
from crmsim.trace.kinds import (
    COMMITTED,
    CONFIRMED,
    DISTRIBUTED,
    ENQUEUED,
    PARKED,
    REJECTED,
    REPLICATED,
)

__all__ = ["CdbRow", "Dataflow", "SiteQueue"]

Content = Confirmation | Rejection | Update
ERP, CDB = "erp", "cdb"
"""The receivers of an mBDoc. The ERP is also one of those that changes come from."""
CONTEXTS: dict[type, Context] = {
    SyncBDoc: Context.SI0,
    MessageBDoc: Context.MO1,
    BapiResult: Context.MI0,
    BapiDelivery: Context.MI0,
}
"""What comes through a queue -> where the flow takes it up."""


@attrs.frozen
class CdbRow:
    """A document as the CDB holds it."""

    document: OrderDocument
    save: int
    """The how-manieth save of the document in CRM Online this is."""


@attrs.frozen
class SiteQueue:
    """What lies ready for one laptop until it fetches it (SAP: an outbound queue CRM_SITE_*)."""

    last: int = 0
    """The position of the newest content there ever was."""
    contents: PDeque[tuple[int, Content]] = attrs.field(factory=pdeque)


class Dataflow:
    """The flow of one CRM server, as the work of its queues.

    Args:
        actor: The actor whose store holds both databases.
        laptops: Rep -> laptop.
        inbound: The queues that work processes execute.
        outbound: The queues to the ERP.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        guarantees: Which parts of "exactly once, in order" are on.
        queue_key: What shares a queue to the ERP.
        on_lock: What becomes of a change of a document that is being distributed.
    """

    def __init__(
        self,
        actor: Actor,
        laptops: dict[str, str],
        inbound: InboundQueues,
        outbound: OutboundQueues,
        errors: ErrorList,
        monitor: BDocMonitor,
        guarantees: Guarantees,
        queue_key: QueueKey,
        on_lock: OnLock,
    ) -> None:
        self._queue_key = queue_key
        self._on_lock = on_lock
        self._actor = actor
        self._laptops = laptops
        self._inbound = inbound
        self._outbound = outbound
        self._errors = errors
        self._monitor = monitor
        self._guarantees = guarantees
        self._services: dict[Context, Callable[[Change, str, Luw], bool]] = {
            Context.SI0: self._take_in,
            Context.MI0: self._take_news,
            Context.MO1: self._pass_on,
            Context.SO1: self._replicate_again,
        }

    def take_upload(self, change: Change, bdoc: SyncBDoc) -> None:
        """Begin the flow of a change that a laptop has just handed in."""
        self._monitor.put(change, begin(bdoc.message, bdoc.guid, bdoc.version, Context.SI0))

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do the work of a LUW; False when it was put aside, or broke off."""
        if isinstance(luw.body, Reprocess):
            return self._services[luw.body.context](change, queue, luw)
        return self._services[CONTEXTS[type(luw.body)]](change, queue, luw)

    def administer(self, change: Change, recovery: Recovery) -> None:
        """Do what a person asks for about a BDoc of the error list."""
        row = self._errors.administer(change, recovery)
        if row is not None and row.context is Context.SO1 and recovery.what == "set processed":
            self._cdb_answered(change, _body_of(row.luw))

    # --- inbound: SI0, MI0, SO2 ---

    def _take_in(self, change: Change, queue: str, luw: Luw) -> bool:
        """SI0: take over a change of a laptop, then validate it."""
        if self._errors.breaks(Context.SI0, luw.luw):
            self._errors.take(change, self._monitor.record(luw.luw), Context.SI0, queue, luw)
            return False
        return self._validate(change, queue, luw, _body_of(luw))

    def _validate(self, change: Change, queue: str, luw: Luw, bdoc: SyncBDoc) -> bool:
        """MI0: decide on a change of a laptop. Accept, refuse or park it."""
        number = self._actor.store.get("numbers", bdoc.guid)
        if number is None or (bdoc.task is Task.INSERT and not self._guarantees.dedup):
            self._create(change, bdoc)
            return True
        record: OrderRecord = self._actor.store.get("orders", number)
        if bdoc.task is Task.INSERT:
            self._confirm(change, bdoc, record.document)  # the same document once more
            return True
        is_locked = self._must_wait(queue, number, record)
        if is_locked and self._on_lock is OnLock.PARK:
            self._park(change, queue, luw, number, record)
            return False
        order = record.document.order
        reason = (
            ("it is being distributed; try again later" if is_locked else None)
            or why_not_change(record.document)
            or why_not_apply(order, bdoc.segments)
            or self._why_too_late(luw, order, bdoc)
        )
        if reason is not None:
            self._reject(change, bdoc, reason)
            return True
        changed = order_of(bdoc.guid, order, bdoc.segments)
        document = attrs.evolve(record.document, order=changed, fate=Fate.ACCEPTED)
        self._save(change, attrs.evolve(record, document=document), bdoc.site)
        self._confirm(change, bdoc, document)
        return True

    def _why_too_late(self, luw: Luw, order: SalesOrder, bdoc: SyncBDoc) -> str | None:
        """Return why a change that is processed again would overwrite a newer one, or None."""
        if not isinstance(luw.body, Reprocess) or not self._guarantees.newest_stays:
            return None
        if bdoc.version > order.version:
            return None
        return f"version {order.version} is stored already, which is newer"

    def must_retry(self, luw: Luw) -> bool:
        """Say whether a change has to be tried again because its document is locked."""
        body = _body_of(luw)
        if self._on_lock is not OnLock.RETRY or not isinstance(body, SyncBDoc):
            return False
        number = self._actor.store.get("numbers", body.guid)
        record: OrderRecord | None = self._actor.store.get("orders", number)
        is_change = body.task is not Task.INSERT
        return is_change and record is not None and record.distribution is Distribution.TO_BE

    def _must_wait(self, queue: str, number: str, record: OrderRecord) -> bool:
        """Say whether a change has to wait for a distribution, or behind others that do."""
        if record.distribution is Distribution.TO_BE:
            return True
        released = _released_queue(number)
        return queue != released and bool(self._actor.store.get(InboundQueues.TABLE, released))

    def _park(self, change: Change, queue: str, luw: Luw, number: str, record: OrderRecord) -> None:
        flow = step(self._monitor.record(luw.luw), BDocEvent.STEPPED, BDocEvent.BUSY)
        if record.distribution is Distribution.TO_BE:
            parked = self._actor.store.get("parked", number, ())
            change.put("parked", number, (*parked, luw))
            self._monitor.put(change, flow)
        else:
            self._inbound.put_in(change, _released_queue(number), luw)
            self._monitor.put(change, step(flow, BDocEvent.RETRIED, BDocEvent.ENQUEUED))
        change.note(PARKED, luw.luw, guid=luw.guid, document=number)

    def _create(self, change: Change, bdoc: SyncBDoc) -> None:
        if bdoc.task is not Task.INSERT:
            self._reject(change, bdoc, "CRM knows no such order")
            return
        order = order_of(bdoc.guid, None, bdoc.segments)
        reason = why_not_transfer(order)
        if reason is not None:
            self._reject(change, bdoc, reason)
            return
        count: int = self._actor.store.get("counts", "orders", 0)
        change.put("counts", "orders", count + 1)
        number = order_number(count)
        change.put("numbers", bdoc.guid, number)
        document = OrderDocument(order, number, Fate.ACCEPTED)
        self._save(change, OrderRecord(document), bdoc.site)
        self._confirm(change, bdoc, document)

    def _confirm(self, change: Change, bdoc: SyncBDoc, document: OrderDocument) -> None:
        self._monitor.put(
            change, step(self._monitor.record(bdoc.message), *BEGUN, BDocEvent.VALIDATED)
        )
        change.note(CONFIRMED, bdoc.message, site=bdoc.site, guid=bdoc.guid)
        self._tell(change, bdoc.site, Confirmation(bdoc.message, bdoc.guid, document))

    def _reject(self, change: Change, bdoc: SyncBDoc, reason: str) -> None:
        """SO2: send the error back, with what the CDB holds, to the sender alone."""
        flow = step(
            self._monitor.record(bdoc.message), *BEGUN, BDocEvent.REFUSED, BDocEvent.ANSWERED_NO
        )
        self._monitor.put(change, attrs.evolve(flow, context=Context.SO2))
        change.note(REJECTED, bdoc.message, site=bdoc.site, guid=bdoc.guid, reason=reason)
        row: CdbRow | None = self._actor.store.get("cdb", bdoc.guid)
        before = None if row is None else row.document
        change.put("refused", bdoc.guid, (bdoc.version, bdoc.reference))
        self._tell(change, bdoc.site, Rejection(bdoc.message, bdoc.guid, reason, before))

    def _save(self, change: Change, record: OrderRecord, site: str) -> None:
        """Store an order in CRM Online and begin its way out, in one commit."""
        document = record.document
        order, number = document.order, document.number
        status = record.distribution
        if why_not_transfer(order) is None:  # else it stays as it was, and nothing is queued
            status = next_status(status, DistributionEvent.SAVED)
        change.note(
            COMMITTED,
            order.reference,
            guid=order.guid,
            number=number,
            version=order.version,
            customer=order.customer,
        )
        change.note(DISTRIBUTED, number, status=status.name, guid=order.guid, version=order.version)
        self._store_online(change, attrs.evolve(record, distribution=status), site)

    def _store_online(self, change: Change, record: OrderRecord, origin: str) -> None:
        """Write CRM Online; the mBDoc for all who need it goes into the document's CSA queue."""
        document = record.document
        change.put("orders", document.number, record)
        count = 1 + int(self._actor.store.get("saves", document.number, 0))
        change.put("saves", document.number, count)
        known: OrderRecord | None = self._actor.store.get("orders", document.number)
        before = None if known is None else known.document
        name = f"save {count} of order {document.number}"
        bdoc = MessageBDoc(name, document, before, origin, count)
        self._monitor.put(change, begin(bdoc.bdoc, bdoc.guid, document.order.version, Context.MO1))
        luw = Luw(bdoc.bdoc, bdoc, bdoc.guid)
        queue = _csa_queue(document)
        was = queue if before is None else _csa_queue(before)
        also = (
            () if was == queue else (was,)
        )  # it moved to another customer: behind the work of both
        self._inbound.put_in(change, queue, luw, also)

    # --- outbound: MO1, SO1 ---

    def _pass_on(self, change: Change, queue: str, luw: Luw) -> bool:
        """MO1: find the receivers of an mBDoc and hand it to their adapters."""
        record = self._monitor.record(luw.luw)
        if self._errors.breaks(Context.MO1, luw.luw):
            self._errors.take(change, record, Context.MO1, queue, luw)
            return False
        bdoc = self._newest(luw)
        receivers = (ERP, CDB) if self._transfer(change, bdoc) else (CDB,)
        is_stored = self._replicate(change, queue, luw, bdoc)
        sent = handed_over(step(record, *BEGUN), receivers)
        self._monitor.put(change, answered(sent, CDB, is_ok=is_stored))
        return True

    def _newest(self, luw: Luw) -> MessageBDoc:
        """Return what is to go out: of an old BDoc that is processed again, the document as it is.

        So a newer value is never overwritten by an older one.
        """
        bdoc: MessageBDoc = _body_of(luw)
        if not isinstance(luw.body, Reprocess) or not self._guarantees.newest_stays:
            return bdoc
        record: OrderRecord = self._actor.store.get("orders", bdoc.document.number)
        save = int(self._actor.store.get("saves", bdoc.document.number))
        return attrs.evolve(bdoc, document=record.document, save=save)

    def _transfer(self, change: Change, bdoc: MessageBDoc) -> bool:
        """The ERP adapter, outbound: put an order into a queue to the ERP; False when it may not.

        What comes from the ERP never goes back to it.
        """
        order, number = bdoc.document.order, bdoc.document.number
        if bdoc.origin == ERP or why_not_transfer(order) is not None:
            return False
        luw = Luw(f"order {number} v{order.version}", _bapi(order, number), order.guid)
        queue = queue_name("R3AU", self._queue_key, number, order.customer)
        self._outbound.enqueue(change, queue, luw)
        change.put("awaited", (number, order.version), bdoc.bdoc)
        return True

    def _replicate(self, change: Change, queue: str, luw: Luw, bdoc: MessageBDoc) -> bool:
        """MobileBridge and SO1: make an sBDoc, write the CDB, then tell the laptops that need it.

        Returns:
            Whether the CDB holds it now; else the sBDoc is in the error list.
        """
        name = f"{bdoc.bdoc} to the CDB"
        if luw.luw == name:
            record = self._monitor.record(name)
        else:
            record = begin(name, bdoc.guid, bdoc.document.order.version, Context.SO1)
        if self._errors.breaks(Context.SO1, name):
            self._errors.take(change, record, Context.SO1, queue, Luw(name, bdoc, bdoc.guid))
            return False
        self._monitor.put(change, handed_over(step(record, *BEGUN), ()))
        self._write_cdb(change, bdoc)
        return True

    def _write_cdb(self, change: Change, bdoc: MessageBDoc) -> None:
        document = bdoc.document
        change.put("cdb", bdoc.guid, CdbRow(document, bdoc.save))
        change.note(
            REPLICATED,
            document.order.reference,
            guid=bdoc.guid,
            version=document.order.version,
            bdoc=bdoc.bdoc,
            save=bdoc.save,
        )
        laptop = self._laptops[document.order.rep]
        if laptop != bdoc.origin:  # who made the change has it, and gets the confirmation
            self._tell(change, laptop, Update(document))

    def _replicate_again(self, change: Change, queue: str, luw: Luw) -> bool:
        """SO1, once more: a person has an sBDoc of the error list processed again."""
        if not self._replicate(change, queue, luw, self._newest(luw)):
            return False
        self._cdb_answered(change, _body_of(luw))
        return True

    def _cdb_answered(self, change: Change, bdoc: MessageBDoc) -> None:
        """Let an mBDoc know that its way into the CDB is settled after all."""
        self._monitor.put(change, repaired(self._monitor.record(bdoc.bdoc), CDB))

    def _tell(self, change: Change, site: str, content: Content) -> None:
        """Put something into the queue of a laptop."""
        lying: SiteQueue = change.get("site queues", site, SiteQueue())
        place = lying.last + 1
        contents = lying.contents.append((place, content))
        change.put("site queues", site, SiteQueue(place, contents))
        out = site_queue(site) + " out"
        change.note(ENQUEUED, place_of(site, place), queue=out, guid=content.guid)

    # --- news of the ERP ---

    def _take_news(self, change: Change, queue: str, luw: Luw) -> bool:
        """MI0 for the ERP adapter: take over what the ERP says about an order."""
        news: BapiResult | BapiDelivery = _body_of(luw)
        record: OrderRecord = self._actor.store.get("orders", news.number)
        mbdoc = self._news_record(luw, record)
        if self._errors.breaks(Context.MI0, luw.luw):
            self._errors.take(change, mbdoc, Context.MI0, queue, luw)
            return False
        self._monitor.put(change, step(mbdoc, *BEGUN, BDocEvent.VALIDATED))
        if isinstance(news, BapiDelivery):
            document = attrs.evolve(
                record.document, fate=Fate.SHIPPED, shipped_day=news.shipped_day
            )
            self._store_online(change, attrs.evolve(record, document=document), ERP)
            return True
        self._answer(change, news)
        if record.distribution is Distribution.TO_BE:
            self._store_online(change, self._settle(change, record, news), ERP)
        return True

    def _news_record(self, luw: Luw, record: OrderRecord) -> BDocRecord:
        """Return the mBDoc that the ERP adapter makes of news, or the one it made before."""
        if isinstance(luw.body, Reprocess):
            return self._monitor.record(luw.luw)
        order = record.document.order
        return begin(luw.luw, order.guid, order.version, Context.MI0)

    def _answer(self, change: Change, news: BapiResult) -> None:
        """Let the mBDoc that went to the ERP know the answer."""
        key = (news.number, news.version)
        bdoc = self._actor.store.get("awaited", key)
        if bdoc is None:
            return  # a second answer to the same version
        change.delete("awaited", key)
        self._monitor.put(change, answered(self._monitor.record(bdoc), ERP, is_ok=news.is_booked))

    def _settle(self, change: Change, record: OrderRecord, news: BapiResult) -> OrderRecord:
        """End the distribution of an order; what was parked behind it goes on."""
        event = DistributionEvent.ACCEPTED if news.is_booked else DistributionEvent.REFUSED
        status = next_status(record.distribution, event)
        order = record.document.order
        change.note(
            DISTRIBUTED, news.number, status=status.name, guid=order.guid, version=news.version
        )
        for luw in self._actor.store.get("parked", news.number, ()):
            self._inbound.put_in(change, _released_queue(news.number), luw)
            flow = self._monitor.record(luw.luw)
            self._monitor.put(change, step(flow, BDocEvent.RETRIED, BDocEvent.ENQUEUED))
        change.delete("parked", news.number)
        fate = Fate.BOOKED if news.is_booked else Fate.REFUSED
        if record.document.fate is Fate.SHIPPED:
            fate = Fate.SHIPPED
        return OrderRecord(attrs.evolve(record.document, fate=fate), status)


def _body_of(luw: Luw) -> Any:
    """Return what is to be done, whether for the first time or once more."""
    return luw.body.body if isinstance(luw.body, Reprocess) else luw.body


def _bapi(order: SalesOrder, number: str) -> BapiOrder:
    """Convert an order to the structure that the ERP understands."""
    return BapiOrder(
        number,
        order.guid,
        order.reference,
        order.rep,
        order.customer,
        order.items,
        order.version,
        order.is_provisional,
    )


def _csa_queue(document: OrderDocument) -> str:
    """Return the queue in which what was saved waits to be passed on: one for each customer."""
    return queue_name("CSA", QueueKey.PER_PARENT, document.number, document.order.customer)


def _released_queue(number: str) -> str:
    """Return the queue of changes that were parked behind a distribution and go on now."""
    return f"RELEASED_{number}"


def place_of(site: str, place: int) -> str:
    """Return the name of what lies at a place of a laptop's queue."""
    return f"news {place} for {site}"
