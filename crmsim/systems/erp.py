"""What does the one ERP system do?

It books what CRM sends, ships it on the day that the warehouse has planned, and reports both back.
It knows orders by their number and never hears of BDocs or laptops.
Sources: CONTRIBUTING.md, S01, S05, S37.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from crmsim.applications.logistics import ship_time_ns
from crmsim.applications.pricing import exact_sum, net_value
from crmsim.business.master import Record
from crmsim.chance import Distribution as Chances
from crmsim.formats.bapi import (
    BapiDelivery,
    BapiMasters,
    BapiOrder,
    BapiRecord,
    BapiRecordStored,
    BapiResult,
)
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.middleware.queue import Luw, QueueKey, RetryPolicy, queue_name
from crmsim.qrfc.partner import Poison, QueuePartner, Staff
from crmsim.qrfc.wire import Guarantees
from crmsim.trace.kinds import BOOKED, MAINTAINED, SHIPPED
from crmsim.units import days

__all__ = ["Erp", "ErpOrder"]


@message(about=("key",))
class ShipDue:
    """The warehouse ships an order now."""

    key: str


@attrs.frozen
class ErpOrder:
    """An order as the ERP holds it."""

    order: BapiOrder
    shipped_day: int | None = None

    @property
    def net_value(self) -> Decimal:
        """What the booked items are worth."""
        return net_value(self.order.items)


class Erp(QueuePartner):
    """The ERP system as one actor that never waits in a handler.

    Args:
        crm: The name of CRM Enterprise's actor.
        ship_days: The warehouse's plan: reference of an order -> day of the run.
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
        service_s: Chances,
        staff: Staff,
        policy: RetryPolicy,
        guarantees: Guarantees,
        queue_key: QueueKey,
        poisons: tuple[Poison, ...],
    ) -> None:
        super().__init__(crm, service_s, staff, policy, guarantees, poisons)
        self._queue_key = queue_key
        self._ship_days = ship_days

    def started(self) -> None:
        """Take up all queues and the warehouse's plan on the durable state."""
        for key, booked in self.store.table("orders").items():
            self._plan_shipping(key, booked)
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
        elif held.shipped_day is not None and held.order.items != order.items:
            reason = f"order {order.number} is fully delivered"
            self._answer(change, BapiResult(order.number, order.version, False, reason), luw)
        else:
            self._book(change, order.number, order, luw, held.shipped_day)
        return True

    def _book(
        self,
        change: Change,
        key: str,
        order: BapiOrder,
        luw: Luw,
        shipped_day: int | None = None,
    ) -> None:
        booked = ErpOrder(order, shipped_day)
        change.put("orders", key, booked)
        change.note(
            BOOKED,
            order.reference,
            guid=order.guid,
            number=key,
            version=order.version,
            rep=order.rep,
            customer=order.customer,
            items=len(order.items),
            value=str(booked.net_value),
            planned=-1 if order.delivery_block else self._ship_days.get(order.reference, -1),
        )
        self._answer(change, BapiResult(order.number, order.version, True), luw)
        change.then(lambda: self._plan_shipping(key, booked))

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

    def _plan_shipping(self, key: str, booked: ErpOrder) -> None:
        planned_day = self._ship_days.get(booked.order.reference)
        if planned_day is None or booked.order.delivery_block or booked.shipped_day is not None:
            return
        due_ns = ship_time_ns(planned_day, self.now_ns)
        self.after(due_ns - self.now_ns, ShipDue(key))

    @handles(ShipDue)
    def ship(self, message: ShipDue, sender: object) -> None:
        """Let the goods of an order leave, once."""
        booked: ErpOrder = self.store.get("orders", message.key)
        if booked.shipped_day is not None or booked.order.delivery_block:
            return  # it has been, or a change of the order has stopped it
        day, number = self.now_ns // days(1), booked.order.number
        planned_day = self._ship_days[booked.order.reference]
        with self.commit() as change:
            change.put("orders", message.key, attrs.evolve(booked, shipped_day=day))
            change.note(
                SHIPPED,
                booked.order.reference,
                guid=booked.order.guid,
                number=message.key,
                planned=planned_day,
                day=day,
            )
            news = f"delivery of order {message.key}"
            luw = Luw(news, BapiDelivery(number, day), booked.order.guid)
            queue = self._delta_queue(number, booked.order.customer)
            self._outbound.enqueue(change, queue, luw)

    @property
    def left_to_ship(self) -> int:
        """How many booked orders the warehouse still has to ship."""
        return sum(
            row.shipped_day is None
            and not row.order.delivery_block
            and row.order.reference in self._ship_days
            for row in self.orders
        )

    @property
    def orders(self) -> list[ErpOrder]:
        """Everything that is booked."""
        return list(self.store.table("orders").values())

    @property
    def total(self) -> Decimal:
        """What all booked items are worth, exactly."""
        return exact_sum(booked.net_value for booked in self.orders)
