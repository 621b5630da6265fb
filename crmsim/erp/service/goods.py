"""How do goods of service orders and complaints leave, and how do they come back?

For each document there is at most one next step: a delivery of what is there, or its goods issue;
of what comes back, a returns delivery and its goods receipt. What it is, and when, follows from the
document and from what was posted for it, so a crash forgets nothing. What is repaired leaves only
after it has come, and what was lent is fetched only after it has left. Each step is one commit: its
documents, the stock, and the news for CRM. What belongs to the customer (what he has sent to be
repaired) is kept apart from what is in stock. Sources: CONTRIBUTING.md, S21, S26.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import attrs

from crmsim.applications.logistics import Logistics
from crmsim.applications.service import Effect, routed
from crmsim.business.postings import ServicePosting, Sort, pieces_by_line
from crmsim.business.service import Category, ServiceItem
from crmsim.chance import word_of
from crmsim.erp.service.warehouse import MAIN, Warehouse
from crmsim.formats.service import BapiService, BapiServiceProgress
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.middleware.queue import Luw
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import RECORDED
from crmsim.units import days

__all__ = ["POSTINGS", "SERVICE", "GoodsDue", "ServiceGoods", "StoredService", "postings_of"]

Get = Callable[..., Any]
"""(table, key, default) -> row, of a store or of a commit in the making."""

SERVICE, POSTINGS = "service", "service postings"
"""Name of a document -> the document, and what was posted for it."""
NUMBERS = {
    Sort.INTERNAL_ORDER: "60",
    Sort.DELIVERY: "80",
    Sort.GOODS_ISSUE: "49",
    Sort.RETURNS_DELIVERY: "84",
    Sort.GOODS_RECEIPT: "50",
    Sort.TIME_RECORD: "30",
    Sort.COST_POSTING: "20",
    Sort.RESERVATION: "10",
    Sort.SCRAPPING: "55",
    Sort.RECEIVABLE: "18",
    Sort.REVENUE: "19",
}
"""How the numbers of documents begin (assumed)."""
AFTER = {Category.REPAIR_OUT: Category.REPAIR_IN, Category.LOAN_BACK: Category.LOAN}
"""What moves -> what of the same product must have moved before, the other way."""
ANNOUNCED = (Sort.DELIVERY, Sort.RETURNS_DELIVERY)
MOVED = (Sort.GOODS_ISSUE, Sort.GOODS_RECEIPT)


@attrs.frozen
class StoredService:
    """A document as the ERP has it."""

    document: BapiService
    since_ns: int
    """When it came first."""


@message(about=("name",))
class GoodsDue:
    """Something of a document is to be delivered, or to leave, now."""

    name: str


class ServiceGoods:
    """Delivers and fetches what service orders and complaints are about.

    Args:
        actor: The actor of the ERP; its store holds the documents.
        outbound: The queues to CRM.
        logistics: How long that takes; without a lead time nothing ever moves.
        warehouse: Where the goods lie.
    """

    def __init__(
        self, actor: Actor, outbound: OutboundQueues, logistics: Logistics, warehouse: Warehouse
    ) -> None:
        self._actor = actor
        self._outbound = outbound
        self._logistics = logistics
        self._warehouse = warehouse

    def started(self) -> None:
        """Go on with all documents after a restart."""
        for name in list(self._actor.store.table(SERVICE)):
            self.go_on(name)

    def take_in(self, change: Change, place: str, product: str, pieces: int) -> None:
        """Put pieces into a stock, as part of a commit; what has waited for them goes on."""
        self._warehouse.move(change, place, product, pieces)
        change.then(lambda: self._go_on_with(product))

    def _go_on_with(self, product: str) -> None:
        """Go on with all documents that are about a product."""
        for name, stored in list(self._actor.store.table(SERVICE).items()):
            if any(item.product == product for item in stored.document.items):
                self.go_on(name)

    def go_on(self, name: str) -> None:
        """Wait for the next step of a document, if there is one."""
        due_ns = self._due_ns(name)
        if due_ns is not None:
            self._actor.after(max(due_ns - self._actor.now_ns, 0), GoodsDue(name))

    def is_waiting(self, name: str) -> bool:
        """Say whether there is still something to do about a document."""
        return self._due_ns(name) is not None

    def _due_ns(self, name: str) -> int | None:
        """Return when the next step is due; None when there is none, or it waits for goods."""
        return self._next_ns(self._actor.store.get, name)

    def _next_ns(self, get: Get, name: str) -> int | None:
        stored: StoredService = get(SERVICE, name)
        postings = postings_of(get, name)
        if self._open(stored.document, postings):
            return max(p.posted_ns for p in postings if p.sort in ANNOUNCED) + (
                self._logistics.picking
            )
        rows = list(self._ready(get, name, stored.document))
        if self._logistics.lead is None or not rows:
            return None
        promised = dict(stored.document.promised)
        day = max((promised.get(item.line, 0) for item, _ in rows), default=0)
        before = [one.posted_ns for one in postings if one.sort in ANNOUNCED]
        first_ns = stored.since_ns + self._logistics.lead
        due_ns = max(before) + self._logistics.rest_after if before else first_ns
        return max(due_ns, days(day))

    def due(self, name: str) -> None:
        """Do what is due of a document, in one commit."""
        due_ns = self._due_ns(name)
        if due_ns is None or due_ns > self._actor.now_ns:
            return
        stored: StoredService = self._actor.store.get(SERVICE, name)
        with self._actor.commit() as change:
            opened = self._open(stored.document, postings_of(change.get, name))
            if opened:
                self._move(change, name, opened)
            else:
                self._deliver(change, name, stored.document)
            self._tell(change, name, stored.document)
            change.then(lambda: self.go_on(name))

    # --- what comes next ---

    def _open(
        self, document: BapiService, postings: tuple[ServicePosting, ...]
    ) -> list[tuple[ServiceItem, int]]:
        """Return what is in deliveries and has not moved: (item, pieces)."""
        announced = pieces_by_line(postings, *ANNOUNCED)
        moved = pieces_by_line(postings, *MOVED)
        rows = [
            (item, announced.get(item.line, 0) - moved.get(item.line, 0)) for item in document.items
        ]
        return [(item, pieces) for item, pieces in rows if pieces > 0 and self._way(document, item)]

    @staticmethod
    def _way(document: BapiService, item: ServiceItem) -> Effect | None:
        """Return which way the goods of an item go; None when none do."""
        effects = routed(document.object, item)
        ways = [one for one in effects if one in (Effect.DELIVERY, Effect.RECEIPT)]
        return ways[0] if ways else None

    def _ready(
        self, get: Get, name: str, document: BapiService
    ) -> Iterator[tuple[ServiceItem, int]]:
        """Yield what can be put into a delivery now: (item, pieces).

        Whoever delivers an item before asking for the next one never delivers a piece twice.
        """
        for item in document.items:
            postings = postings_of(get, name)
            announced = pieces_by_line(postings, *ANNOUNCED)
            moved = pieces_by_line(postings, *MOVED, Sort.SCRAPPING)
            way = self._way(document, item)
            left = item.quantity - announced.get(item.line, 0)
            if way is None or left <= 0:
                continue
            if item.category in AFTER:
                left = min(left, _free(document, item, moved, announced))
            if way is Effect.DELIVERY and _place(item):
                left = self._warehouse.free(get, MAIN, item.product, left)
            if left > 0:
                yield item, left

    def left_of_repair(self, get: Get, name: str, item: ServiceItem) -> int:
        """Return how many pieces have come to be repaired, and have not gone any way since."""
        postings = postings_of(get, name)
        document: BapiService = get(SERVICE, name).document
        announced = pieces_by_line(postings, *ANNOUNCED)
        moved = pieces_by_line(postings, *MOVED, Sort.SCRAPPING)
        out = attrs.evolve(item, category=Category.REPAIR_OUT)
        return _free(document, out, moved, announced)

    # --- the steps ---

    def _deliver(self, change: Change, name: str, document: BapiService) -> None:
        is_first = not any(p.sort in ANNOUNCED for p in postings_of(change.get, name))
        u = self._actor.luck("partial delivery").uniform(word_of(document.reference))
        is_partial = is_first and u < self._logistics.partial
        for item, ready in self._ready(change.get, name, document):
            pieces = (ready + 1) // 2 if is_partial else ready
            way = self._way(document, item)
            sort = Sort.DELIVERY if way is Effect.DELIVERY else Sort.RETURNS_DELIVERY
            if way is Effect.DELIVERY and _place(item):
                self._warehouse.set_apart(change, item.product, pieces)
            value = item.unit_price * pieces
            self.post(change, name, sort, item.line, item.product, pieces, value, "")

    def _move(self, change: Change, name: str, opened: list[tuple[ServiceItem, int]]) -> None:
        """Let leave what is delivered, and take in what has come."""
        document: BapiService = change.get(SERVICE, name).document
        for item, pieces in opened:
            is_out, place = self._way(document, item) is Effect.DELIVERY, _place(item)
            if place and is_out:
                self._warehouse.set_apart(change, item.product, -pieces)
                self._warehouse.move(change, place, item.product, -pieces)
            elif place:
                self.take_in(change, place, item.product, pieces)
            sort = Sort.GOODS_ISSUE if is_out else Sort.GOODS_RECEIPT
            value = item.unit_price * pieces
            self.post(change, name, sort, item.line, item.product, pieces, value, place)

    def post(
        self,
        change: Change,
        name: str,
        sort: Sort,
        line: str,
        product: str,
        pieces: int,
        value: Decimal,
        place: str,
    ) -> None:
        """Post a document about one line, as part of a commit."""
        count = 1 + int(change.get("counts", f"service {sort.value}", 0))
        change.put("counts", f"service {sort.value}", count)
        number = f"{NUMBERS[sort]}{count:08}"
        posting = ServicePosting(
            sort, number, line, product, pieces, value, place, self._actor.now_ns
        )
        change.put(POSTINGS, name, (*postings_of(change.get, name), posting))
        document: BapiService = change.get(SERVICE, name).document
        change.note(
            RECORDED,
            document.reference,
            guid=document.reference,
            name=name,
            document=sort.value,
            number=number,
            line=line,
            product=product,
            pieces=pieces,
            value=str(value),
            place=place,
        )

    def next_number(self, change: Change, reference: str) -> int:
        """Count what the ERP says about a document."""
        number = 1 + int(change.get("changes", reference, 0))
        change.put("changes", reference, number)
        return number

    def _tell(self, change: Change, name: str, document: BapiService) -> None:
        """Put what CRM shows of it into the queue."""
        if "#" in name:
            return  # a second copy, of which CRM knows nothing
        postings = postings_of(change.get, name)
        announced = pieces_by_line(postings, *ANNOUNCED)
        moved = pieces_by_line(postings, *MOVED)
        lines = tuple((line, pieces, moved.get(line, 0)) for line, pieces in announced.items())
        number = self.next_number(change, document.reference)
        news = BapiServiceProgress(document.object, document.key, number, lines)
        luw = Luw(f"news {number} of {document.reference} in {self._actor.name}", news, name)
        self._outbound.enqueue(change, f"R3AD_{document.reference}", luw)


def postings_of(get: Get, name: str) -> tuple[ServicePosting, ...]:
    """Return what was posted for a document, as a store or a commit has it."""
    found: tuple[ServicePosting, ...] = get(POSTINGS, name, ())
    return found


def _place(item: ServiceItem) -> str:
    """Return the stock that an item leaves, or comes into; empty for what is the customer's own."""
    is_customers = item.category in (Category.REPAIR_IN, Category.REPAIR_OUT)
    return "" if is_customers else MAIN


def _free(
    document: BapiService, item: ServiceItem, moved: dict[str, int], announced: dict[str, int]
) -> int:
    """Return how much may go one way, because it has come the other way before."""
    same = [one for one in document.items if one.product == item.product]
    before = sum(moved.get(one.line, 0) for one in same if one.category is AFTER[item.category])
    gone = sum(announced.get(one.line, 0) for one in same if one.category is item.category)
    if item.category is Category.REPAIR_OUT:
        gone += sum(moved.get(one.line, 0) for one in same if one.category is Category.SCRAP)
    return before - gone
