"""How do goods leave, and how are they billed?

For each order there is at most one next step: a delivery, its picking, its goods issue, a bill.
What it is, and when, follows from the order and from what was posted for it, so a crash forgets
nothing. Each step is one commit: its documents, the stock, and the news for CRM.
Sources: CONTRIBUTING.md, S05.
"""

from collections.abc import Callable, Iterator, Mapping

import attrs

from crmsim.applications.logistics import (
    Billing,
    Logistics,
    billable,
    deliverable,
    ship_time_ns,
)
from crmsim.business.fulfilment import (
    ErpDocument,
    How,
    PostedItem,
    Posting,
    Progress,
    how_far,
    progress_of,
)
from crmsim.business.sales import SalesKind
from crmsim.business.schedule import last_day
from crmsim.chance import word_of
from crmsim.erp.orders import ErpOrder
from crmsim.formats.bapi import BapiOrder, BapiStatus
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.middleware.queue import Luw
from crmsim.trace.kinds import POSTED, SHIPPED
from crmsim.units import days

__all__ = ["Fulfilment", "StepDue"]

Documents = tuple[ErpDocument, ...]
ACCOUNTING = (Posting.BILLING, Posting.ACCOUNTING)
NUMBERS = {
    Posting.DELIVERY: "80",
    Posting.PICKING: "70",
    Posting.GOODS_ISSUE: "49",
    Posting.BILLING: "90",
    Posting.ACCOUNTING: "14",
}
"""How the numbers of documents begin (assumed)."""


@message(about=("key",))
class StepDue:
    """Something about an order is due now."""

    key: str


@attrs.frozen
class _Step:
    """What is due next."""

    time_ns: int
    do: Callable[[Change, str, ErpOrder], Documents]


class Fulfilment:
    """Delivers and bills the orders of an ERP.

    Args:
        actor: The actor of the ERP; its store holds orders, documents and stock.
        logistics: How it delivers and bills.
        ship_days: The warehouse's plan: reference of an order -> day of the run.
        report: Puts news about an order into the queue to CRM.
        is_locked: Says whether somebody has an order locked; then nothing is done about it.
    """

    def __init__(
        self,
        actor: Actor,
        logistics: Logistics,
        ship_days: Mapping[str, int],
        report: Callable[[Change, BapiOrder, Luw], None],
        is_locked: Callable[[str], bool],
    ) -> None:
        self._actor = actor
        self._logistics = logistics
        self._ship_days = ship_days
        self._report = report
        self._is_locked = is_locked

    def started(self) -> None:
        """Go on with all orders."""
        for key in list(self._actor.store.table("orders")):
            self.go_on(key)

    def planned_day(self, booked: ErpOrder) -> int:
        """Return the day on which an order is to leave; -1 when nobody has planned that.

        It leaves as a whole: not before the last of what is confirmed is there.
        """
        if booked.order.delivery_block or booked.order.kind is SalesKind.QUOTATION:
            return -1
        day = self._ship_days.get(booked.order.reference, -1)
        if day < 0 and self._logistics.lead is not None:
            day = int((booked.booked_ns + self._logistics.lead) // days(1))
        return max(day, last_day(booked.order.schedule)) if day >= 0 else day

    def documents(self, key: str) -> Documents:
        """Return what has been posted for an order."""
        found: Documents = self._actor.store.get("documents", key, ())
        return found

    def progress(self, key: str) -> tuple[Progress, ...]:
        """Return how far an order has got."""
        return progress_of(self.documents(key))

    def go_on(self, key: str) -> None:
        """Wait for the next step of an order, if there is one."""
        step = self._next_step(key, self._actor.store.get("orders", key))
        if step is not None:
            self._actor.after(max(step.time_ns - self._actor.now_ns, 0), StepDue(key))

    def is_waiting(self, key: str) -> bool:
        """Say whether there is still something to do about an order."""
        return self._next_step(key, self._actor.store.get("orders", key)) is not None

    def due(self, key: str) -> None:
        """Do what is due of an order, all of it that is due at this moment, in one commit.

        While somebody has the order locked, nothing is; `go_on` takes it up again.
        """
        if self._is_locked(key):
            return
        booked: ErpOrder = self._actor.store.get("orders", key)
        posted: Documents = ()
        with self._actor.commit() as change:
            step = self._next_step(key, booked)
            while step is not None and step.time_ns <= self._actor.now_ns:
                more = step.do(change, key, booked)
                posted += more
                if not more:
                    break  # there was not enough of something
                booked = self._after(change, key, booked)
                step = self._next_step(key, booked, change)
            if posted:
                self._tell(change, key, booked, posted)
            change.then(lambda: self.go_on(key))

    def _after(self, change: Change, key: str, booked: ErpOrder) -> ErpOrder:
        """Note down when the last goods of an order have left."""
        progress = {one.line: one.issued for one in progress_of(change.get("documents", key, ()))}
        is_all = how_far(booked.order.items, progress) is How.FULL
        if not is_all or booked.shipped_day is not None:
            return booked
        day = int(self._actor.now_ns // days(1))
        booked = attrs.evolve(booked, shipped_day=day)
        change.put("orders", key, booked)
        change.note(
            SHIPPED,
            booked.order.reference,
            guid=booked.order.guid,
            number=key,
            planned=self.planned_day(booked),
            day=day,
        )
        return booked

    def _tell(self, change: Change, key: str, booked: ErpOrder, posted: Documents) -> None:
        """Put what CRM shows of it into the queue."""
        progress = progress_of(change.get("documents", key, ()))
        last = posted[-1]
        status = BapiStatus(booked.order.number, progress, booked.shipped_day)
        name = f"{last.posting.value} {last.number} of order {key}"
        self._report(change, booked.order, Luw(name, status, booked.order.guid))

    # --- what comes next ---

    def _next_step(
        self, key: str, booked: ErpOrder, change: Change | None = None
    ) -> "_Step | None":
        get = self._actor.store.get if change is None else change.get
        documents: Documents = get("documents", key, ())
        waits_ns: int | None = get("waits for stock", key)
        steps = list(self._steps(booked, documents, waits_ns))
        return min(steps, key=lambda step: step.time_ns) if steps else None

    def _steps(
        self, booked: ErpOrder, documents: Documents, waits_ns: int | None
    ) -> Iterator[_Step]:
        open_ = _open(documents)
        if open_ is not None:
            yield _Step(open_.posted_ns + self._logistics.picking, self._move)
        elif self._undelivered(booked, documents):
            time_ns = self._delivery_ns(booked, documents, waits_ns)
            if time_ns is not None:
                yield _Step(time_ns, self._deliver)
        is_offer = booked.order.kind is SalesKind.QUOTATION
        if not is_offer and billable(booked.order.items, documents, self._logistics.billing):
            yield _Step(self._bill_ns(booked, documents), self._bill)

    def _undelivered(self, booked: ErpOrder, documents: Documents) -> bool:
        progress = {one.line: one for one in progress_of(documents)}
        items = booked.order.items
        return bool(deliverable(items, progress, None, only_first_part=False))

    def _delivery_ns(
        self, booked: ErpOrder, documents: Documents, waits_ns: int | None
    ) -> int | None:
        """Return when the next delivery is due; None when nobody has planned any."""
        day = self.planned_day(booked)
        if day < 0:
            return None
        return max(self._ready_ns(booked, documents, waits_ns, day), days(day))

    def _ready_ns(
        self, booked: ErpOrder, documents: Documents, waits_ns: int | None, day: int
    ) -> int:
        if waits_ns is not None:
            return waits_ns
        before = [d for d in documents if d.posting is Posting.DELIVERY]
        if before:
            return before[-1].posted_ns + self._logistics.rest_after
        if booked.order.reference in self._ship_days:
            return ship_time_ns(day, booked.booked_ns)
        assert self._logistics.lead is not None
        return booked.booked_ns + self._logistics.lead

    def _bill_ns(self, booked: ErpOrder, documents: Documents) -> int:
        """Return when the next bill is due."""
        since_ns = booked.booked_ns
        if self._logistics.billing is Billing.DELIVERIES:
            since_ns = [d for d in documents if d.posting is Posting.GOODS_ISSUE][-1].posted_ns
        due_ns = since_ns + self._logistics.bill_after
        if self._logistics.billing_run is None:
            return due_ns
        bills = sum(document.posting is Posting.BILLING for document in documents)
        luck = self._actor.luck("place in the billing run")
        u = luck.uniform(word_of(booked.order.reference), bills)
        return self._logistics.billing_run.bill_ns(due_ns, u)

    # --- the steps ---

    def _deliver(self, change: Change, key: str, booked: ErpOrder) -> Documents:
        documents: Documents = change.get("documents", key, ())
        progress = {one.line: one for one in progress_of(documents)}
        u = self._actor.luck("partial delivery").uniform(word_of(booked.order.reference))
        is_first = not documents and u < self._logistics.partial
        stock = self._refilled(change, booked)
        items = deliverable(booked.order.items, progress, stock, only_first_part=is_first)
        if self._logistics.stock is not None:
            self._take_from_stock(change, key, booked, items, progress)
        if not items:
            return ()
        return (self._post(change, key, booked, Posting.DELIVERY, booked.order.number, items),)

    def _move(self, change: Change, key: str, booked: ErpOrder) -> Documents:
        """Pick what lies in the open delivery, or let what is picked leave."""
        before = _open(change.get("documents", key, ()))
        assert before is not None
        is_picked = before.posting is Posting.PICKING
        posting = Posting.GOODS_ISSUE if is_picked else Posting.PICKING
        return (self._post(change, key, booked, posting, before.number, before.items),)

    def _bill(self, change: Change, key: str, booked: ErpOrder) -> Documents:
        documents: Documents = change.get("documents", key, ())
        items = billable(booked.order.items, documents, self._logistics.billing)
        preceding = booked.order.number
        if self._logistics.billing is Billing.DELIVERIES:
            issues = [d for d in documents if d.posting is Posting.GOODS_ISSUE]
            preceding = issues[-1].number
        posted: Documents = ()
        for posting in ACCOUNTING:
            posted += (self._post(change, key, booked, posting, preceding, items),)
            preceding = posted[-1].number
        return posted

    def _post(
        self,
        change: Change,
        key: str,
        booked: ErpOrder,
        posting: Posting,
        preceding: str,
        items: tuple[PostedItem, ...],
    ) -> ErpDocument:
        count = 1 + int(change.get("counts", posting.value, 0))
        change.put("counts", posting.value, count)
        number = f"{NUMBERS[posting]}{count:08}"
        posted_ns = self._actor.now_ns
        document = ErpDocument(number, posting, key, preceding, items, posted_ns)
        change.put("documents", key, (*change.get("documents", key, ()), document))
        change.note(
            POSTED,
            booked.order.reference,
            guid=booked.order.guid,
            document=posting.value,
            number=number,
            preceding=preceding,
            order=key,
            items=tuple((item.line, item.quantity, str(item.value)) for item in items),
        )
        return document

    # --- the stock ---

    def provide(self, change: Change, booked: ErpOrder) -> None:
        """Have filled up for its day what is confirmed to an order for later, if nothing comes."""
        later = {c.line: c.day for c in booked.order.schedule if days(c.day) > self._actor.now_ns}
        if not later or self._refilled(change, booked) is None:
            return
        for item in booked.order.items:
            is_coming = change.get("refills", item.product) is not None
            if item.line in later and not is_coming:
                change.put("refills", item.product, days(later[item.line]))

    def _refilled(self, change: Change, booked: ErpOrder) -> dict[str, int] | None:
        """Return what there is of the products of an order, after what has come meanwhile."""
        stock = self._logistics.stock
        if stock is None:
            return None
        there: dict[str, int] = {}
        for product in dict.fromkeys(item.product for item in booked.order.items):
            pieces = int(change.get("stock", product, stock.pieces))
            comes_ns = change.get("refills", product)
            if comes_ns is not None and comes_ns <= self._actor.now_ns:
                pieces += stock.refill
                change.delete("refills", product)
                change.put("stock", product, pieces)
            there[product] = pieces
        return there

    def _take_from_stock(
        self,
        change: Change,
        key: str,
        booked: ErpOrder,
        items: tuple[PostedItem, ...],
        progress: Mapping[str, Progress],
    ) -> None:
        """Take out what is delivered; have filled up what there was not enough of."""
        stock = self._logistics.stock
        assert stock is not None
        taken = {item.line: item.quantity for item in items}
        lacking: list[int] = []
        for item in booked.order.items:
            pieces = int(change.get("stock", item.product, stock.pieces))
            change.put("stock", item.product, pieces - taken.get(item.line, 0))
            done = progress.get(item.line, Progress(item.line)).delivered
            if done + taken.get(item.line, 0) < item.quantity and pieces < item.quantity - done:
                comes_ns = change.get("refills", item.product)
                if comes_ns is None:
                    comes_ns = self._actor.now_ns + stock.refill_after
                    change.put("refills", item.product, comes_ns)
                lacking.append(int(comes_ns))
        if lacking:
            change.put("waits for stock", key, max(lacking))
        elif change.get("waits for stock", key) is not None:
            change.delete("waits for stock", key)


def _open(documents: Documents) -> ErpDocument | None:
    """Return the delivery or picking that the goods have not left on, or None."""
    moved = [d for d in documents if d.posting not in ACCOUNTING]
    if not moved or moved[-1].posting is Posting.GOODS_ISSUE:
        return None
    return moved[-1]
