"""What does the one ERP system do?

It books what CRM sends, delivers and bills it (`crmsim.erp.fulfilment`), and reports that back.
It knows orders by their number and never hears of BDocs or laptops.
Sources: CONTRIBUTING.md, S01, S05, S37.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from crmsim.applications.exchange import Numbers, SalesExchange
from crmsim.applications.logistics import Logistics
from crmsim.applications.pricing import exact_sum
from crmsim.business.master import Record
from crmsim.business.postings import Sort
from crmsim.business.sales import SalesOrder, identified
from crmsim.chance import Distribution as Chances
from crmsim.erp.bookings import Bookings
from crmsim.erp.contracts import ContractBook
from crmsim.erp.editing import Editing, SaveDue, Wish
from crmsim.erp.extraction import BlockDue, Extraction
from crmsim.erp.fulfilment import Fulfilment, StepDue
from crmsim.erp.locks import LeaseOver, Locks
from crmsim.erp.orders import ErpOrder
from crmsim.erp.service.book import ServiceBook
from crmsim.erp.service.goods import SERVICE, GoodsDue, ServiceGoods
from crmsim.erp.service.warehouse import Warehouse
from crmsim.formats.bapi import (
    BapiMasters,
    BapiOrder,
    BapiRecord,
    BapiRecordStored,
)
from crmsim.formats.loading import BapiRemoval
from crmsim.formats.loading import Wish as LoadWish
from crmsim.formats.service import BapiService
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.middleware.queue import Luw, QueueKey, RetryPolicy, queue_name
from crmsim.qrfc.partner import Poison, QueuePartner, Staff
from crmsim.qrfc.wire import Guarantees
from crmsim.rfc.lock import LockAnswer, LockRelease, LockRequest
from crmsim.trace.kinds import FORBIDDEN, MAINTAINED, RECORDED
from crmsim.units import Duration, Share

__all__ = ["Erp"]


class Erp(QueuePartner):
    """The ERP system as one actor that never waits in a handler.

    Args:
        crm: The name of CRM Enterprise's actor.
        ship_days: The warehouse's plan: reference of an order -> day of the run.
        logistics: How it delivers and bills.
        service_s: How long booking takes, in seconds.
        staff: Work processes and operator of its site.
        policy: When a LUW for CRM is tried again.
        guarantees: Which parts of "exactly once, in order" are on.
        queue_key: What shares a queue to CRM.
        poisons: LUWs that it cannot digest.
        exchange: How CRM and the ERP share sales transactions.
        refuses: Share of the orders of CRM that it refuses, because master data are missing.
        per_record: How long it takes to read a record for a load or a comparison.
    """

    def __init__(
        self,
        crm: str,
        ship_days: dict[str, int],
        logistics: Logistics,
        service_s: Chances,
        staff: Staff,
        policy: RetryPolicy,
        guarantees: Guarantees,
        queue_key: QueueKey,
        poisons: tuple[Poison, ...],
        exchange: SalesExchange,
        refuses: Share,
        per_record: Duration,
    ) -> None:
        super().__init__(crm, service_s, staff, policy, guarantees, poisons)
        self._queue_key = queue_key
        self._fulfilment = Fulfilment(
            self,
            logistics,
            ship_days,
            self._tell,
            lambda key: bool(self._locks.holder(key)),
        )
        self._locks = Locks(
            self, exchange, self._stand, lambda n: self._bookings.key_of(n), self._fulfilment.go_on
        )
        self.contracts = ContractBook(
            self, self._outbound, lambda facts: self.extraction.is_told("contract", facts)
        )
        self.extraction = Extraction(self, self._outbound, self.contracts, per_record)
        self._bookings = Bookings(
            self,
            exchange,
            refuses,
            self._fulfilment,
            self._locks,
            self.contracts,
            self._tell,
        )
        self._editing = Editing(self, self._locks, self._bookings)
        warehouse = Warehouse(self._change_fields)
        self._goods = ServiceGoods(self, self._outbound, logistics, warehouse)
        self._service = ServiceBook(
            self, self._outbound, self._goods, warehouse, self._fulfilment, refuses
        )

    def started(self) -> None:
        """Take up all queues, deliveries and bills on the durable state."""
        self._locks.started()
        self._editing.started()
        self._fulfilment.started()
        self._goods.started()
        self.extraction.started()
        super().started()

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Book an order, post for a service transaction, or store a record that CRM has changed."""
        if isinstance(luw.body, BapiRecord):
            self._store_record(change, luw.body)
        elif isinstance(luw.body, BapiService):
            self._service.take(change, luw.body, luw, knows_it=self._guarantees.dedup)
        elif isinstance(luw.body, BapiRemoval):
            self._remove_record(change, luw.body)
        elif isinstance(luw.body, LoadWish):
            self.extraction.take(change, luw.body)
        else:
            assert isinstance(luw.body, BapiOrder)
            self._bookings.take(change, luw.body, luw, knows_it=self._guarantees.dedup)
        return True

    def _store_record(self, change: Change, news: BapiRecord) -> None:
        record = Record(news.object, news.key, news.fields, version=news.version)
        change.put("records", (news.object, news.key), record)
        change.note(MAINTAINED, record.identity, version=news.version, by="crm")
        stored = BapiRecordStored(news.object, news.key, news.version)
        luw = Luw(f"{record.identity} v{news.version} is stored", stored, record.identity)
        self._outbound.enqueue(change, f"R3AD_{record.identity}", luw)

    def _remove_record(self, change: Change, news: BapiRemoval) -> None:
        change.delete("records", (news.object, news.key))
        change.note(MAINTAINED, f"{news.object} {news.key}", version=0, by="crm")

    def _service_ns(self, luw: Luw) -> int:
        return super()._service_ns(luw) + self.extraction.service_ns(luw.body)

    def change_record(
        self, object_: str, key: str, fields: Mapping[str, str], done: Callable[[], None]
    ) -> None:
        """Create a record in the ERP, or change fields of it, and tell CRM what was changed."""
        with self.commit() as change:
            self._change_fields(change, object_, key, fields)
            change.then(done)

    def _change_fields(
        self, change: Change, object_: str, key: str, fields: Mapping[str, str]
    ) -> None:
        """Change fields of a record as part of a commit, and tell CRM what was changed."""
        held: Record = change.get("records", (object_, key), Record(object_, key, version=0))
        merged = tuple(sorted({**dict(held.fields), **fields}.items()))
        change.put("records", (object_, key), attrs.evolve(held, fields=merged))
        change.note(MAINTAINED, held.identity, version=held.version, by="erp")
        number = self._count(change, held.identity)
        change.put("references", held.identity, held.identity)
        told = self.extraction.told_of(held, merged, tuple(sorted(fields.items())))
        if told is not None:
            body = BapiRecord(object_, key, told, held.version, number)
            luw = Luw(f"change {number} of {held.identity} in {self.name}", body, held.identity)
            self._outbound.enqueue(change, f"R3AD_{held.identity}", luw)

    def receive_goods(
        self, place: str, product: str, pieces: int, done: Callable[[], None]
    ) -> None:
        """Put pieces into a stock that have come from a supplier; what waits for them goes on."""
        with self.commit() as change:
            self._goods.take_in(change, place, product, pieces)
            change.note(
                RECORDED,
                f"{place}/{product}",
                guid="",
                name="",
                document=Sort.GOODS_RECEIPT.value,
                number="",
                line="",
                product=product,
                pieces=pieces,
                value="0",
                place=place,
            )
            change.then(done)

    def publish(
        self, publication: str, values: Mapping[str, str], done: Callable[[], None]
    ) -> None:
        """Change master data for everybody, and tell CRM."""
        with self.commit() as change:
            for name, value in values.items():
                change.put("masters", (publication, name), value)
            change.note(MAINTAINED, publication, version=0, by="erp")
            number = self._count(change, publication)
            change.then(done)
            told = tuple(
                (name, value)
                for name, value in values.items()
                if self.extraction.is_told(publication, {"key": name, "value": value})
            )
            if told:
                name = f"change {number} of {publication} in {self.name}"
                body = BapiMasters(publication, told, number)
                change.put("references", name, f"publication {publication}")
                self._outbound.enqueue(change, f"R3AD_{publication}", Luw(name, body, name))

    def _count(self, change: Change, what: str) -> int:
        number = 1 + int(change.get("changes", what, 0))
        change.put("changes", what, number)
        return number

    @handles(BlockDue)
    def block_due(self, message: BlockDue, sender: object) -> None:
        """Send a block of a load that has been read."""
        self.extraction.due(message)

    def administer_exchange(self, do: Callable[[Change], None], done: Callable[[], None]) -> None:
        """Set up otherwise what CRM is told."""
        with self.commit() as change:
            do(change)
            change.then(done)

    @handles(StepDue)
    def step_due(self, message: StepDue, sender: object) -> None:
        """Deliver, pick, let leave or bill what is due."""
        self._fulfilment.due(message.key)

    @handles(GoodsDue)
    def goods_due(self, message: GoodsDue, sender: object) -> None:
        """Goods of a service transaction are to be delivered, or to leave."""
        self._goods.due(message.name)

    def _tell(self, change: Change, order: BapiOrder, luw: Luw) -> None:
        """Put something about an order into the queue to CRM."""
        queue = queue_name("R3AD", self._queue_key, order.number, order.customer)
        self._outbound.enqueue(change, queue, luw)

    # --- what CRM asks ---

    def _stand(self, request: LockRequest, epoch: int = 0, *, is_busy: bool = False) -> LockAnswer:
        """Say how far an order has got."""
        key = self._bookings.key_of(request.number)
        held: ErpOrder | None = self.store.get("orders", key)
        return LockAnswer(
            request.number,
            request.start,
            request.serial,
            request.attempt,
            epoch,
            0 if held is None else held.order.version,
            self._fulfilment.progress(key),
            0 if held is None else held.changes,
            is_busy,
            not request.is_to_lock and self._is_waiting(request.number),
        )

    def _is_waiting(self, number: str) -> bool:
        """Say whether something of CRM about an order stands in a queue here."""
        queues = self.store.table("inbound").values()
        return any(getattr(luw.body, "number", "") == number for luws in queues for luw in luws)

    @handles(LockRequest)
    def lock_requested(self, message: LockRequest, sender: Address[LockAnswer]) -> None:
        """Tell CRM how far an order has got, and lock it for CRM."""
        self._locks.requested(message, sender)

    @handles(LockRelease)
    def lock_released(self, message: LockRelease, sender: object) -> None:
        """CRM does not need a lock any more."""
        self._locks.released(message)

    @handles(LeaseOver)
    def lease_over(self, message: LeaseOver, sender: object) -> None:
        """A lock of CRM has lasted for as long as it may."""
        self._locks.lease_over(message)

    # --- what people here do ---

    def create_order(self, order: SalesOrder, by: str, done: Callable[[], None]) -> None:
        """Book an order that is born here; CRM is told."""
        born = identified(order, self.luck("guid"), by)
        with self.commit() as change:
            reason = self._bookings.create_here(change, born, by)
            if reason is not None:
                change.note(FORBIDDEN, order.reference, guid=born.guid, reason=reason)
            change.then(done)

    def edit_order(self, wish: Wish) -> None:
        """Let somebody open an order here, and save it changed some time later."""
        reason = self._service.why_not_here(wish.reference)
        if reason is None:
            self._editing.open(wish)
            return
        with self.commit() as change:
            change.note(FORBIDDEN, wish.reference, guid=wish.reference, reason=reason)
            change.then(lambda: wish.end(is_done=True))

    def set_numbers(self, numbers: Numbers, done: Callable[[], None]) -> None:
        """Let the ranges of numbers be set up otherwise from now on."""
        with self.commit() as change:
            change.put("customizing", "numbers", numbers)
            change.then(done)

    @handles(SaveDue)
    def save_due(self, message: SaveDue, sender: object) -> None:
        """Somebody here saves what was opened."""
        self._editing.save(message.key)

    @property
    def left_to_fulfil(self) -> int:
        """How many booked orders still have to be delivered or billed."""
        orders = sum(self._fulfilment.is_waiting(key) for key in self.store.table("orders"))
        return orders + sum(self._goods.is_waiting(name) for name in self.store.table(SERVICE))

    @property
    def orders(self) -> list[ErpOrder]:
        """Everything that is booked."""
        return list(self.store.table("orders").values())

    @property
    def total(self) -> Decimal:
        """What all booked items are worth, exactly."""
        return exact_sum(booked.net_value for booked in self.orders)
