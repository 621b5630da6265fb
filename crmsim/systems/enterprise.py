"""What does CRM Enterprise do?

It is the leading system of the laptops. It stores what they send durably before it receipts it,
validates the changes of each laptop in the order they were saved, numbers and keeps the orders
(CRM Online), passes them on to the one ERP, and puts answers and news into the queues that the
laptops fetch. Sources: CONTRIBUTING.md, S30, S31, S39, S50, S54.
"""

import attrs

from crmsim.applications.guards import why_not_change, why_not_transfer
from crmsim.applications.numbering import order_number
from crmsim.applications.status import Distribution, DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.chance import Distribution as Chances
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bapi import BapiDelivery, BapiOrder, BapiResult
from crmsim.formats.bdoc import SyncBDoc, Task, Update
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.middleware.queue import Luw, RetryPolicy, site_queue, upload_queue
from crmsim.systems.qrfc import Guarantees, InboundQueues, QueuePartner
from crmsim.systems.sessions import Admitted, Dial, Fetch, Package, Upload, UploadReceipt
from crmsim.trace.kinds import (
    CLEARED,
    COMMITTED,
    CONFIRMED,
    DISTRIBUTED,
    ENQUEUED,
    PARKED,
    REJECTED,
)

__all__ = ["CrmEnterprise", "SiteQueue"]

PACKAGE_COUNT = 10
"""Contents of one package to a laptop (assumed)."""
Content = Confirmation | Rejection | Update


@attrs.frozen
class SiteQueue:
    """What lies ready for one laptop until it fetches it (SAP: an outbound queue CRM_SITE_*)."""

    last: int = 0
    """The position of the newest content there ever was."""
    contents: tuple[tuple[int, Content], ...] = ()


class CrmEnterprise(QueuePartner):
    """CRM Enterprise as one actor that never waits in a handler.

    Args:
        erp: The name of the ERP's actor.
        laptops: Rep -> laptop.
        service_s: How long the validation of a change takes, in seconds.
        work_processes: The names of the work processes of its site.
        policy: When a LUW for the ERP is tried again.
        guarantees: Which parts of "exactly once, in order" are on.
    """

    def __init__(
        self,
        erp: str,
        laptops: dict[str, str],
        service_s: Chances,
        work_processes: tuple[str, ...],
        policy: RetryPolicy,
        guarantees: Guarantees,
    ) -> None:
        super().__init__(erp, service_s, work_processes, policy, guarantees)
        self._laptops = laptops

    # --- sessions of laptops ---

    @handles(Dial)
    def dialled(self, message: Dial, sender: Address[Admitted]) -> None:
        """Open a session; say what is known of the session before, whose outcome may be unknown."""
        known = self.store.get("received", message.site, 0) if self._guarantees.dedup else 0
        with self.commit() as change:
            answer = Admitted(message.site, message.session, message.attempt, known)
            change.send(sender, answer, attempt=message.attempt)

    @handles(Upload)
    def uploaded(self, message: Upload, sender: Address[UploadReceipt]) -> None:
        """Store the changes of a laptop durably, in order, then receipt them."""
        queue = site_queue(message.site)
        expected = self.store.get("received", message.site, 0) + 1
        guarded = self._guarantees.dedup and self._guarantees.receipts
        with self.commit() as change:
            for bdoc in message.changes:
                if guarded and bdoc.number > expected:
                    break  # an earlier one is still missing: take nothing out of order
                if self._inbound.store(change, queue, Luw(bdoc.message, bdoc, bdoc.order.guid)):
                    change.put("received", message.site, bdoc.number)
                    expected = bdoc.number + 1
            numbers = tuple(bdoc.number for bdoc in message.changes if bdoc.number < expected)
            answer = UploadReceipt(
                message.site, message.session, message.step, message.attempt, numbers
            )
            change.send(sender, answer, attempt=message.attempt)

    @handles(Fetch)
    def fetched(self, message: Fetch, sender: Address[Package]) -> None:
        """Forget what the laptop holds durably; hand out what comes next."""
        lying: SiteQueue = self.store.get("site queues", message.site, SiteQueue())
        gone = [place for place, _ in lying.contents if place <= message.held]
        left = lying.contents[len(gone) :]
        with self.commit() as change:
            if gone:
                change.put("site queues", message.site, attrs.evolve(lying, contents=left))
                out = site_queue(message.site) + " out"
                for place, content in lying.contents[: len(gone)]:
                    subject = _place(message.site, place)
                    change.note(CLEARED, subject, queue=out, guid=content.guid)
            answer = Package(
                message.site, message.session, message.step, message.attempt, left[:PACKAGE_COUNT]
            )
            change.send(sender, answer, attempt=message.attempt)

    def _tell(self, change: Change, site: str, content: Content) -> None:
        """Put something into the queue of a laptop."""
        pending = [v for table, key, v in change.writes if (table, key) == ("site queues", site)]
        lying = pending[-1] if pending else self.store.get("site queues", site, SiteQueue())
        place = lying.last + 1
        change.put("site queues", site, SiteQueue(place, (*lying.contents, (place, content))))
        out = site_queue(site) + " out"
        change.note(ENQUEUED, _place(site, place), queue=out, guid=content.guid)

    # --- the work ---

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Validate a change of a laptop, or take over what the ERP says."""
        body = luw.body
        if isinstance(body, SyncBDoc):
            return self._validate(change, queue, luw, body)
        assert isinstance(body, BapiResult | BapiDelivery)
        self._take_news(change, body)
        return True

    def _validate(self, change: Change, queue: str, luw: Luw, bdoc: SyncBDoc) -> bool:
        """Decide on a change of a laptop: accept, refuse or park it."""
        number = self.store.get("numbers", bdoc.order.guid)
        if number is None or not self._guarantees.dedup:
            self._create(change, bdoc)
            return True
        record: OrderRecord = self.store.get("orders", number)
        if bdoc.task is Task.INSERT:
            self._confirm(change, bdoc, record.document)  # the same document once more
            return True
        released = _released_queue(number)
        if record.distribution is Distribution.TO_BE:
            parked = self.store.get("parked", number, ())
            change.put("parked", number, (*parked, luw))
            change.note(PARKED, luw.luw, guid=luw.guid, document=number)
            return False
        if queue != released and self.store.get(InboundQueues.TABLE, released):
            self._inbound.take_back(change, released, luw)  # behind those that were parked before
            change.note(PARKED, luw.luw, guid=luw.guid, document=number)
            return False
        reason = why_not_change(record.document)
        if reason is not None:
            self._reject(change, bdoc, reason, record.document)
            return True
        document = attrs.evolve(record.document, order=bdoc.order, fate=Fate.ACCEPTED)
        self._save(change, attrs.evolve(record, document=document))
        self._confirm(change, bdoc, document)
        return True

    def _create(self, change: Change, bdoc: SyncBDoc) -> None:
        reason = why_not_transfer(bdoc.order)
        if reason is not None:
            self._reject(change, bdoc, reason, None)
            return
        count: int = self.store.get("counts", "orders", 0)
        change.put("counts", "orders", count + 1)
        number = order_number(count)
        change.put("numbers", bdoc.order.guid, number)
        document = OrderDocument(bdoc.order, number, Fate.ACCEPTED)
        self._save(change, OrderRecord(document))
        self._confirm(change, bdoc, document)

    def _save(self, change: Change, record: OrderRecord) -> None:
        """Store an order in CRM Online and enqueue its transfer, in one commit."""
        document = record.document
        order, number = document.order, document.number
        status = next_status(record.distribution, DistributionEvent.SAVED)
        change.put("orders", number, attrs.evolve(record, distribution=status))
        change.note(
            COMMITTED, order.reference, guid=order.guid, number=number, version=order.version
        )
        change.note(DISTRIBUTED, number, status=status.name, guid=order.guid, version=order.version)
        luw = Luw(f"order {number} v{order.version}", _bapi(order, number), order.guid)
        self._outbound.enqueue(change, upload_queue(number), luw)

    def _confirm(self, change: Change, bdoc: SyncBDoc, document: OrderDocument) -> None:
        change.note(CONFIRMED, bdoc.message, site=bdoc.site, guid=bdoc.order.guid)
        self._tell(change, bdoc.site, Confirmation(bdoc.message, bdoc.order.guid, document))

    def _reject(
        self, change: Change, bdoc: SyncBDoc, reason: str, before: OrderDocument | None
    ) -> None:
        guid = bdoc.order.guid
        change.note(REJECTED, bdoc.message, site=bdoc.site, guid=guid, reason=reason)
        self._tell(change, bdoc.site, Rejection(bdoc.message, guid, reason, before))

    def _take_news(self, change: Change, news: BapiResult | BapiDelivery) -> None:
        """Take over what the ERP says about an order, and tell the laptop of its rep."""
        record: OrderRecord = self.store.get("orders", news.number)
        document = record.document
        if isinstance(news, BapiDelivery):
            document = attrs.evolve(document, fate=Fate.SHIPPED, shipped_day=news.shipped_day)
            record = attrs.evolve(record, document=document)
        elif record.distribution is Distribution.TO_BE:
            record = self._settle(change, record, news)
        change.put("orders", news.number, record)
        self._tell(change, self._laptops[document.order.rep], Update(record.document))

    def _settle(self, change: Change, record: OrderRecord, news: BapiResult) -> OrderRecord:
        """End the distribution of an order; what was parked behind it goes on."""
        event = DistributionEvent.ACCEPTED if news.is_booked else DistributionEvent.REFUSED
        status = next_status(record.distribution, event)
        order = record.document.order
        change.note(
            DISTRIBUTED, news.number, status=status.name, guid=order.guid, version=news.version
        )
        for luw in self.store.get("parked", news.number, ()):
            self._inbound.take_back(change, _released_queue(news.number), luw)
        change.delete("parked", news.number)
        fate = Fate.BOOKED if news.is_booked else Fate.REFUSED
        if record.document.fate is Fate.SHIPPED:
            fate = Fate.SHIPPED
        document = attrs.evolve(record.document, fate=fate)
        return OrderRecord(document, status)


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


def _place(site: str, place: int) -> str:
    return f"news {place} for {site}"
