"""What does the one ERP system do?

It books what CRM sends, delivers and bills it (`crmsim.erp.fulfilment`), and reports that back.
It knows orders by their number and never hears of BDocs or laptops.
Sources: CONTRIBUTING.md, S01, S05, S37.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from crmsim.applications.changes import why_not_change_items
from crmsim.applications.logistics import Logistics
from crmsim.applications.pricing import exact_sum
from crmsim.business.master import Record
from crmsim.chance import Distribution as Chances
from crmsim.erp.fulfilment import Fulfilment, StepDue
from crmsim.erp.orders import ErpOrder
from crmsim.formats.bapi import (
    BapiMasters,
    BapiOrder,
    BapiRecord,
    BapiRecordStored,
    BapiResult,
)
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.middleware.queue import Luw, QueueKey, RetryPolicy, queue_name
from crmsim.qrfc.partner import Poison, QueuePartner, Staff
from crmsim.qrfc.wire import Guarantees
from crmsim.trace.kinds import BOOKED, MAINTAINED

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
    ) -> None:
        super().__init__(crm, service_s, staff, policy, guarantees, poisons)
        self._queue_key = queue_key
        self._fulfilment = Fulfilment(self, logistics, ship_days, self._report)

    def started(self) -> None:
        """Take up all queues, deliveries and bills on the durable state."""
        self._fulfilment.started()
        super().started()

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Book an order or a change of it, or refuse it; store a record that CRM has changed."""
        if isinstance(luw.body, BapiRecord):
            self._store_record(change, luw.body)
            return True
        order = luw.body
        assert isinstance(order, BapiOrder)
        held: ErpOrder | None = self.store.get("orders", order.number)
        if held is None:
            self._book(change, order.number, order, luw)
        elif not self._guarantees.dedup:
            self._book(change, f"{order.number}#{luw.serial}", order, luw)
        else:
            reason = self._why_not(held, order)
            if reason is not None:
                self._answer(change, BapiResult(order.number, order.version, False, reason), luw)
            else:
                self._book(change, order.number, order, luw, held)
        return True

    def _why_not(self, held: ErpOrder, order: BapiOrder) -> str | None:
        """Return why a change of an order cannot be booked, or None."""
        progress = self._fulfilment.progress(order.number)
        return why_not_change_items(order.number, held.order.items, order.items, progress)

    def _book(
        self,
        change: Change,
        key: str,
        order: BapiOrder,
        luw: Luw,
        held: ErpOrder | None = None,
    ) -> None:
        booked = ErpOrder(order, self.now_ns) if held is None else attrs.evolve(held, order=order)
        change.put("orders", key, booked)
        self._fulfilment.provide(change, booked)
        change.note(
            BOOKED,
            order.reference,
            guid=order.guid,
            number=key,
            version=order.version,
            rep=order.rep,
            customer=order.customer,
            items=len(order.items),
            lines=tuple(
                (item.line, item.quantity, f"{item.unit_price} -{item.discount}", item.product)
                for item in order.items
            ),
            value=str(booked.net_value),
            planned=self._fulfilment.planned_day(booked),
        )
        self._answer(change, BapiResult(order.number, order.version, True), luw)
        change.then(lambda: self._fulfilment.go_on(key))

    def _answer(self, change: Change, result: BapiResult, luw: Luw) -> None:
        answer = Luw(f"booking of {luw.luw}", result, luw.guid)
        customer = luw.body.customer if isinstance(luw.body, BapiOrder) else ""
        self._outbound.enqueue(change, self._delta_queue(result.number, customer), answer)

    def _store_record(self, change: Change, news: BapiRecord) -> None:
        record = Record(news.object, news.key, news.fields, version=news.version)
        change.put("records", (news.object, news.key), record)
        change.note(MAINTAINED, record.identity, version=news.version, by="crm")
        stored = BapiRecordStored(news.object, news.key, news.version)
        luw = Luw(f"{record.identity} v{news.version} is stored", stored, record.identity)
        self._outbound.enqueue(change, f"R3AD_{record.identity}", luw)

    def change_record(
        self, object_: str, key: str, fields: Mapping[str, str], done: Callable[[], None]
    ) -> None:
        """Create a record in the ERP, or change fields of it, and tell CRM what was changed."""
        held = self.store.get("records", (object_, key), Record(object_, key, version=0))
        merged = tuple(sorted({**dict(held.fields), **fields}.items()))
        with self.commit() as change:
            change.put("records", (object_, key), attrs.evolve(held, fields=merged))
            change.note(MAINTAINED, held.identity, version=held.version, by="erp")
            number = self._count(change, held.identity)
            body = BapiRecord(object_, key, tuple(sorted(fields.items())), held.version, number)
            change.put("references", held.identity, held.identity)
            luw = Luw(f"change {number} of {held.identity} in {self.name}", body, held.identity)
            self._outbound.enqueue(change, f"R3AD_{held.identity}", luw)
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
            body = BapiMasters(publication, tuple(values.items()), number)
            name = f"change {number} of {publication} in {self.name}"
            change.put("references", name, f"publication {publication}")
            self._outbound.enqueue(change, f"R3AD_{publication}", Luw(name, body, name))
            change.then(done)

    def _count(self, change: Change, what: str) -> int:
        number = 1 + int(self.store.get("changes", what, 0))
        change.put("changes", what, number)
        return number

    def _delta_queue(self, number: str, customer: str) -> str:
        return queue_name("R3AD", self._queue_key, number, customer)

    @handles(StepDue)
    def step_due(self, message: StepDue, sender: object) -> None:
        """Deliver, pick, let leave or bill what is due."""
        self._fulfilment.due(message.key)

    def _report(self, change: Change, key: str, booked: ErpOrder, luw: Luw) -> None:
        queue = self._delta_queue(booked.order.number, booked.order.customer)
        self._outbound.enqueue(change, queue, luw)

    @property
    def left_to_fulfil(self) -> int:
        """How many booked orders still have to be delivered or billed."""
        return sum(self._fulfilment.is_waiting(key) for key in self.store.table("orders"))

    @property
    def orders(self) -> list[ErpOrder]:
        """Everything that is booked."""
        return list(self.store.table("orders").values())

    @property
    def total(self) -> Decimal:
        """What all booked items are worth, exactly."""
        return exact_sum(booked.net_value for booked in self.orders)
