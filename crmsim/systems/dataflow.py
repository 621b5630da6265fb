"""How does the CRM server carry a document from one database to the other, and to the ERP?

CRM Online is the database of the applications. The CDB (consolidated database) holds what the
laptops need. Nothing writes the CDB but the flow: a save in CRM Online puts an mBDoc into the CSA
queue of the document, in the same commit; only when that queue has run does the CDB change and do
the laptops' queues fill. So the CDB is always a little older than CRM Online.
Sources: CONTRIBUTING.md, S13, S30, S31, S34, S37, S39, S40, S63.
"""

import attrs

from crmsim.applications.guards import why_not_change, why_not_transfer
from crmsim.applications.numbering import order_number
from crmsim.applications.status import Distribution, DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bapi import BapiDelivery, BapiOrder, BapiResult
from crmsim.formats.bdoc import MessageBDoc, SyncBDoc, Task, Update, order_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import BDocRecord, Context, answered, begin, handed_over, step
from crmsim.middleware.queue import Luw, QueueKey, queue_name, site_queue
from crmsim.middleware.status import BDocEvent
from crmsim.systems.inbound import InboundQueues
from crmsim.systems.outbound import OutboundQueues
from crmsim.systems.wire import Guarantees
from crmsim.trace.kinds import (
    COMMITTED,
    CONFIRMED,
    DISTRIBUTED,
    ENQUEUED,
    FLOWED,
    PARKED,
    REJECTED,
    REPLICATED,
)

__all__ = ["Dataflow", "SiteQueue"]

Content = Confirmation | Rejection | Update
BEGUN = (BDocEvent.STEPPED, BDocEvent.SAVED_FOR_UPDATE)
"""What every LUW does to its BDoc before anything is decided."""
ERP, ONLINE = "erp", "crm"
"""Who a change comes from, besides laptops, and who has to answer it."""


@attrs.frozen
class SiteQueue:
    """What lies ready for one laptop until it fetches it (SAP: an outbound queue CRM_SITE_*)."""

    last: int = 0
    """The position of the newest content there ever was."""
    contents: tuple[tuple[int, Content], ...] = ()


class Dataflow:
    """The flow of one CRM server, as the work of its queues.

    Args:
        actor: The actor whose store holds both databases.
        laptops: Rep -> laptop.
        inbound: The queues that work processes execute.
        outbound: The queues to the ERP.
        guarantees: Which parts of "exactly once, in order" are on.
        queue_key: What shares a queue to the ERP.
    """

    def __init__(
        self,
        actor: Actor,
        laptops: dict[str, str],
        inbound: InboundQueues,
        outbound: OutboundQueues,
        guarantees: Guarantees,
        queue_key: QueueKey,
    ) -> None:
        self._queue_key = queue_key
        self._actor = actor
        self._laptops = laptops
        self._inbound = inbound
        self._outbound = outbound
        self._guarantees = guarantees

    def take_upload(self, change: Change, bdoc: SyncBDoc) -> None:
        """Begin the flow of a change that a laptop has just handed in."""
        version = int(str(dict(bdoc.segments[0].fields).get("version", 0)))
        self._put(change, begin(bdoc.message, bdoc.guid, version, Context.SI0))

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do the work of a LUW; False when it was put aside instead."""
        body = luw.body
        if isinstance(body, SyncBDoc):
            return self._validate(change, queue, luw, body)
        if isinstance(body, MessageBDoc):
            self._distribute(change, body)
            return True
        assert isinstance(body, BapiResult | BapiDelivery)
        self._take_news(change, luw, body)
        return True

    # --- inbound: SI0, MI0, SO2 ---

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
        if self._must_wait(queue, number, record):
            self._park(change, queue, luw, number, record)
            return False
        reason = why_not_change(record.document)
        if reason is not None:
            self._reject(change, bdoc, reason)
            return True
        order = order_of(bdoc.guid, record.document.order, bdoc.segments)
        document = attrs.evolve(record.document, order=order, fate=Fate.ACCEPTED)
        self._save(change, attrs.evolve(record, document=document), bdoc.site)
        self._confirm(change, bdoc, document)
        return True

    def _must_wait(self, queue: str, number: str, record: OrderRecord) -> bool:
        """Say whether a change has to wait for a distribution, or behind others that do."""
        if record.distribution is Distribution.TO_BE:
            return True
        released = _released_queue(number)
        return queue != released and bool(self._actor.store.get(InboundQueues.TABLE, released))

    def _park(self, change: Change, queue: str, luw: Luw, number: str, record: OrderRecord) -> None:
        flow = step(self._record(luw.luw), BDocEvent.STEPPED, BDocEvent.BUSY)
        if record.distribution is Distribution.TO_BE:
            parked = self._actor.store.get("parked", number, ())
            change.put("parked", number, (*parked, luw))
            self._put(change, flow)
        else:
            self._inbound.put_in(change, _released_queue(number), luw)
            self._put(change, step(flow, BDocEvent.RETRIED, BDocEvent.ENQUEUED))
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
        self._put(change, step(self._record(bdoc.message), *BEGUN, BDocEvent.VALIDATED))
        change.note(CONFIRMED, bdoc.message, site=bdoc.site, guid=bdoc.guid)
        self._tell(change, bdoc.site, Confirmation(bdoc.message, bdoc.guid, document))

    def _reject(self, change: Change, bdoc: SyncBDoc, reason: str) -> None:
        """SO2: send the error back, with what the CDB holds, to the sender alone."""
        flow = step(self._record(bdoc.message), *BEGUN, BDocEvent.REFUSED, BDocEvent.ANSWERED_NO)
        self._put(change, attrs.evolve(flow, context=Context.SO2))
        change.note(REJECTED, bdoc.message, site=bdoc.site, guid=bdoc.guid, reason=reason)
        before: OrderDocument | None = self._actor.store.get("cdb", bdoc.guid)
        self._tell(change, bdoc.site, Rejection(bdoc.message, bdoc.guid, reason, before))

    def _save(self, change: Change, record: OrderRecord, site: str) -> None:
        """Store an order in CRM Online and begin its way out, in one commit."""
        document = record.document
        order, number = document.order, document.number
        status = next_status(record.distribution, DistributionEvent.SAVED)
        change.note(
            COMMITTED, order.reference, guid=order.guid, number=number, version=order.version
        )
        change.note(DISTRIBUTED, number, status=status.name, guid=order.guid, version=order.version)
        self._store_online(change, attrs.evolve(record, distribution=status), site)

    def _store_online(self, change: Change, record: OrderRecord, origin: str) -> None:
        """Write CRM Online; the mBDoc for all who need it goes into the document's CSA queue."""
        document = record.document
        change.put("orders", document.number, record)
        count = 1 + int(self._actor.store.get("saves", document.number, 0))
        change.put("saves", document.number, count)
        bdoc = MessageBDoc(f"save {count} of order {document.number}", document, origin)
        self._put(change, begin(bdoc.bdoc, bdoc.guid, document.order.version, Context.MO1))
        luw = Luw(bdoc.bdoc, bdoc, bdoc.guid)
        parent = document.order.customer
        queue = queue_name("CSA", QueueKey.PER_PARENT, document.number, parent)
        self._inbound.put_in(change, queue, luw)

    # --- outbound: MO1, SO1 ---

    def _distribute(self, change: Change, bdoc: MessageBDoc) -> None:
        """MO1: find the receivers of an mBDoc and hand it to their adapters."""
        order, number = bdoc.document.order, bdoc.document.number
        receivers: tuple[str, ...] = ()
        if bdoc.origin != ERP and why_not_transfer(order) is None:
            receivers = (ERP,)
            luw = Luw(f"order {number} v{order.version}", _bapi(order, number), order.guid)
            queue = queue_name("R3AU", self._queue_key, number, order.customer)
            self._outbound.enqueue(change, queue, luw)
            change.put("awaited", (number, order.version), bdoc.bdoc)
        self._bridge(change, bdoc)
        self._put(change, handed_over(step(self._record(bdoc.bdoc), *BEGUN), receivers))

    def _bridge(self, change: Change, bdoc: MessageBDoc) -> None:
        """MobileBridge and SO1: write the CDB, then tell the laptops that are to know."""
        document = bdoc.document
        change.put("cdb", bdoc.guid, document)
        change.note(
            REPLICATED,
            document.order.reference,
            guid=bdoc.guid,
            version=document.order.version,
            bdoc=bdoc.bdoc,
        )
        laptop = self._laptops[document.order.rep]
        if laptop != bdoc.origin:  # who made the change has it, and gets the confirmation
            self._tell(change, laptop, Update(document))

    def _tell(self, change: Change, site: str, content: Content) -> None:
        """Put something into the queue of a laptop."""
        lying: SiteQueue = change.get("site queues", site, SiteQueue())
        place = lying.last + 1
        change.put("site queues", site, SiteQueue(place, (*lying.contents, (place, content))))
        out = site_queue(site) + " out"
        change.note(ENQUEUED, place_of(site, place), queue=out, guid=content.guid)

    # --- news of the ERP ---

    def _take_news(self, change: Change, luw: Luw, news: BapiResult | BapiDelivery) -> None:
        """The ERP adapter, inbound: take over what the ERP says about an order."""
        record: OrderRecord = self._actor.store.get("orders", news.number)
        document = record.document
        if isinstance(news, BapiDelivery):
            document = attrs.evolve(document, fate=Fate.SHIPPED, shipped_day=news.shipped_day)
            record = attrs.evolve(record, document=document)
        else:
            self._answer(change, news)
            if record.distribution is not Distribution.TO_BE:
                return
            record = self._settle(change, record, news)
        self._store_online(change, record, ERP)

    def _answer(self, change: Change, news: BapiResult) -> None:
        """Let the mBDoc that went to the ERP know the answer."""
        key = (news.number, news.version)
        bdoc = self._actor.store.get("awaited", key)
        if bdoc is None:
            return  # a second answer to the same version
        change.delete("awaited", key)
        self._put(change, answered(self._record(bdoc), ERP, is_ok=news.is_booked))

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
            flow = self._record(luw.luw)
            self._put(change, step(flow, BDocEvent.RETRIED, BDocEvent.ENQUEUED))
        change.delete("parked", news.number)
        fate = Fate.BOOKED if news.is_booked else Fate.REFUSED
        if record.document.fate is Fate.SHIPPED:
            fate = Fate.SHIPPED
        return OrderRecord(attrs.evolve(record.document, fate=fate), status)

    # --- the BDoc monitor ---

    def _record(self, bdoc: str) -> BDocRecord:
        record: BDocRecord | None = self._actor.store.get("bdocs", bdoc)
        # Without memory of what was seen, a copy may come when its BDoc is done: it is new then.
        return begin(bdoc, "", 0, Context.MI0) if record is None else record

    def _put(self, change: Change, record: BDocRecord) -> None:
        """Keep a BDoc for the monitor; one that is done for good only counts."""
        code = record.state.value
        if record.state.is_final:
            change.delete("bdocs", record.bdoc)
            change.put("bdocs done", code, change.get("bdocs done", code, 0) + 1)
        else:
            change.put("bdocs", record.bdoc, attrs.evolve(record, trail=()))
        change.note(
            FLOWED,
            record.bdoc,
            guid=record.guid,
            version=record.version,
            context=record.context.value,
            states=tuple(state.value for state in record.trail),
            open=record.open,
            failed=record.failed,
        )


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


def _released_queue(number: str) -> str:
    """Return the queue of changes that were parked behind a distribution and go on now."""
    return f"RELEASED_{number}"


def place_of(site: str, place: int) -> str:
    """Return the name of what lies at a place of a laptop's queue."""
    return f"news {place} for {site}"
