"""How does the ERP post what CRM sends of service orders, confirmations, complaints and bills?

What an item leads to says `crmsim.applications.service`. What is to be posted at once is posted in
the same commit in which the document is stored and the answer is put into the queue to CRM: each
item as a whole or not at all, and each only once, however often the document comes. Goods that are
delivered or fetched take their time: `crmsim.erp.service.goods`. People at the ERP do not change
any of it. Sources: CONTRIBUTING.md, S21, S23, S25, S26.
"""

from decimal import Decimal

from crmsim.applications.directions import why_blocked
from crmsim.applications.service import (
    BILL,
    COMPLAINT,
    CONFIRMATION,
    SERVICE_ORDER,
    Effect,
    routed,
)
from crmsim.business.postings import Sort, pieces_by_line
from crmsim.business.service import Category, ServiceItem, value_of_items
from crmsim.erp.fulfilment import Fulfilment
from crmsim.erp.orders import ErpOrder
from crmsim.erp.refusal import BAD_MASTER_DATA, Refusal, lacks_master_data, refused
from crmsim.erp.service.goods import SERVICE, ServiceGoods, StoredService, postings_of
from crmsim.erp.service.warehouse import Warehouse
from crmsim.formats.service import BapiService, BapiServiceResult
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.queue import Luw
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import STORED
from crmsim.units import Share

__all__ = ["ServiceBook"]

REVERSED = "reversed"
"""Confirmation -> the one that takes it back."""
AT_ONCE = {
    Effect.COSTS: Sort.INTERNAL_ORDER,
    Effect.GOODS_ISSUE: Sort.GOODS_ISSUE,
    Effect.TIME_RECORD: Sort.TIME_RECORD,
    Effect.COST_POSTING: Sort.COST_POSTING,
    Effect.RESERVATION: Sort.RESERVATION,
    Effect.SCRAPPING: Sort.SCRAPPING,
}
"""What an item leads to at once -> the sort of document."""
EACH_ONCE = {one: sort for one, sort in AT_ONCE.items() if sort is not Sort.RESERVATION}
"""The same, without what follows the item when it changes later."""
RETURNS = (Category.RETURN, Category.RETURN_REQUEST)


class ServiceBook:
    """The service documents of an ERP.

    Args:
        actor: The actor of the ERP; its store holds them.
        outbound: The queues to CRM.
        goods: Delivers and fetches.
        warehouse: Where the goods lie.
        fulfilment: Knows what of sales orders has left.
        refuses: Share of what comes from CRM that is refused, because master data are missing.
    """

    def __init__(
        self,
        actor: Actor,
        outbound: OutboundQueues,
        goods: ServiceGoods,
        warehouse: Warehouse,
        fulfilment: Fulfilment,
        refuses: Share,
    ) -> None:
        self._actor = actor
        self._outbound = outbound
        self._goods = goods
        self._warehouse = warehouse
        self._fulfilment = fulfilment
        self._refuses = refuses

    def take(self, change: Change, document: BapiService, luw: Luw, *, knows_it: bool) -> None:
        """Post what CRM sends, or refuse it; either way CRM is answered.

        Args:
            change: The commit that does it.
            document: As CRM has it.
            luw: The unit of work that brought it.
            knows_it: Whether the ERP looks whether it has the document already; when not, it posts
                whatever comes as something new.
        """
        name = document.reference
        held: StoredService | None = self._actor.store.get(SERVICE, name)
        if held is not None and not knows_it:
            name, held = f"{name}#{luw.serial}", None
        refusal = self._why_not(name, held, document)
        if refusal is None:
            self._store(change, name, held, document)
            refusal = self._post_at_once(change, name, document)
        self._answer(change, document, luw, refusal)

    def why_not_here(self, name: str) -> str | None:
        """Return why people at the ERP leave a document alone, or None when it is none of these."""
        is_one = self._actor.store.get(SERVICE, name) is not None
        return "it is a service transaction, and only CRM changes it" if is_one else None

    # --- why not ---

    def _why_not(
        self, name: str, held: StoredService | None, document: BapiService
    ) -> Refusal | None:
        reason = self._why_not_changed(name, held, document) or self._why_not_returned(
            name, document
        )
        if reason is not None:
            return Refusal(reason)
        customer = self._actor.store.get("records", ("customer", document.customer))
        blocked = why_blocked(customer) if held is None else None
        name_and_version = document.reference, document.version
        if blocked is None and lacks_master_data(self._actor, self._refuses, *name_and_version):
            return BAD_MASTER_DATA
        reason = blocked or self._why_not_reversed(document) or self._why_no_costs(document)
        return refused(reason, is_mendable=True)

    def _why_not_changed(
        self, name: str, held: StoredService | None, document: BapiService
    ) -> str | None:
        """Return which line cannot be changed any more, or None."""
        if held is None:
            return None
        postings = postings_of(self._actor.store.get, name)
        final = pieces_by_line(postings, Sort.DELIVERY, Sort.RETURNS_DELIVERY)
        scrapped = pieces_by_line(postings, Sort.SCRAPPING)
        wanted = {item.line: item for item in document.items}
        for item in held.document.items:
            if wanted.get(item.line) != item and item.line in final:
                return f"item {item.line} is delivered already, in part or as a whole"
            if wanted.get(item.line) != item and item.line in scrapped:
                return f"item {item.line} is thrown away already"
        return None

    def _why_not_returned(self, name: str, document: BapiService) -> str | None:
        """Return why so much of an order cannot come back, or None."""
        for item in document.items:
            if document.object == COMPLAINT and item.category in RETURNS:
                left = self._issued(document.order, item.of) - self._returned(
                    name, document.order, item.of
                )
                also = sum(
                    one.quantity
                    for one in document.items
                    if one.category in RETURNS and one.of == item.of
                )
                if also > left:
                    return (
                        f"{also} pieces of item {item.of} of order {document.order} cannot come "
                        f"back: {left} have left and are not returned yet"
                    )
        return None

    def _issued(self, order: str, place: str) -> int:
        """Return how many pieces of an item of an order have left."""
        key = self._actor.store.get("by reference", order)
        booked: ErpOrder | None = self._actor.store.get("orders", key)
        items = () if booked is None else booked.order.items
        line = {f"{number}": item.line for number, item in enumerate(items, 1)}.get(place)
        return sum(one.issued for one in self._fulfilment.progress(key) if one.line == line)

    def _returned(self, name: str, order: str, place: str) -> int:
        """Return how many pieces of an item of an order come back by other complaints."""
        stored: dict[str, StoredService] = dict(self._actor.store.table(SERVICE))
        return sum(
            item.quantity
            for other, one in stored.items()
            if other != name and one.document.order == order
            for item in one.document.items
            if item.category in RETURNS and item.of == place
        )

    def _why_not_reversed(self, document: BapiService) -> str | None:
        """Return why a confirmation cannot take back another one, or None."""
        if not document.reverses:
            return None
        original = f"{CONFIRMATION} {document.reverses}"
        if self._actor.store.get(SERVICE, original) is None:
            return f"the ERP has no {original}"
        by = self._actor.store.get(REVERSED, original, document.reference)
        return None if by == document.reference else f"{original} is reversed already by {by}"

    def _why_no_costs(self, document: BapiService) -> str | None:
        """Return why there is nothing to collect the costs of a confirmation on, or None (S25)."""
        order = f"{SERVICE_ORDER} {document.order}"
        is_known = self._actor.store.get(SERVICE, order) is not None
        if document.object != CONFIRMATION or is_known:
            return None
        return f"there is no internal order of {order} yet"

    # --- posting ---

    def _store(
        self, change: Change, name: str, held: StoredService | None, document: BapiService
    ) -> None:
        since_ns = self._actor.now_ns if held is None else held.since_ns
        change.put(SERVICE, name, StoredService(document, since_ns))
        change.put("references", document.reference, document.reference)
        moved = {Effect.DELIVERY, Effect.RECEIPT}
        change.note(
            STORED,
            document.reference,
            guid=document.reference,
            object=document.object,
            name=name,
            version=document.version,
            order=document.order,
            reverses=document.reverses,
            items=tuple(
                (item.line, item.category.value, item.product, item.quantity, item.of)
                for item in document.items
            ),
            sold=tuple(
                item.line for item in document.items if moved & {*routed(document.object, item)}
            ),
        )
        change.then(lambda: self._goods.go_on(name))

    def _post_at_once(self, change: Change, name: str, document: BapiService) -> Refusal | None:
        """Post all that does not take time; say what could not be posted."""
        if document.reverses:
            self._reverse(change, name, document)
            return None
        if document.object == BILL:
            self._post_bill(change, name, document)
            return None
        self._reserve(change, name, document)
        reasons = [self._post_item(change, name, document, item) for item in document.items]
        lacking = "; ".join(filter(None, reasons))
        return refused(lacking or None, is_mendable=True)

    def _reserve(self, change: Change, name: str, document: BapiService) -> None:
        """Reserve the parts that a document needs, and give back what it needs no more."""
        wanted = {
            (item.line, item.product): (item.quantity, item.value)
            for item in document.items
            if Effect.RESERVATION in routed(document.object, item)
        }
        reserved: dict[tuple[str, str], tuple[int, Decimal]] = {}
        for one in postings_of(change.get, name):
            if one.sort is Sort.RESERVATION:
                pieces, value = reserved.get((one.line, one.product), (0, Decimal(0)))
                reserved[one.line, one.product] = pieces + one.pieces, value + one.value
        for row in {**reserved, **wanted}:
            had, was_worth = reserved.get(row, (0, Decimal(0)))
            pieces, value = wanted.get(row, (0, Decimal(0)))
            if pieces != had:
                more = pieces - had, value - was_worth
                self._goods.post(change, name, Sort.RESERVATION, *row, *more, "")

    def _post_item(
        self, change: Change, name: str, document: BapiService, item: ServiceItem
    ) -> str | None:
        """Post what an item leads to at once, all of it or nothing; then say why nothing."""
        effects = [one for one in routed(document.object, item) if one in EACH_ONCE]
        postings = postings_of(change.get, name)
        done = {(one.sort, one.line) for one in postings}
        lines = {one: "" if one is Effect.COSTS else item.line for one in effects}
        todo = [one for one in effects if (EACH_ONCE[one], lines[one]) not in done]
        if Effect.GOODS_ISSUE in todo:
            if not self._warehouse.has(change.get, document.place, item.product, item.quantity):
                return f"there are too few {item.product} in {document.place or 'stock'}"
            self._warehouse.move(change, document.place, item.product, -item.quantity)
        if Effect.SCRAPPING in todo and self._goods.left_of_repair(change.get, name, item) < (
            item.quantity
        ):
            return f"the {item.product} that is to be thrown away has not come yet"
        for effect in todo:
            place = document.place if effect is Effect.GOODS_ISSUE else ""
            is_whole = effect is Effect.COSTS
            pieces = 1 if is_whole else item.quantity
            value = Decimal(0) if is_whole else item.value
            product = "" if is_whole else item.product
            self._goods.post(
                change, name, EACH_ONCE[effect], lines[effect], product, pieces, value, place
            )
        return None

    def _post_bill(self, change: Change, name: str, document: BapiService) -> None:
        """Let the books know what a customer owes, or gets back."""
        total = value_of_items(i for i in document.items if i.category is not Category.CREDIT)
        total -= value_of_items(i for i in document.items if i.category is Category.CREDIT)
        done = {one.sort for one in postings_of(change.get, name)}
        for sort in (Sort.RECEIVABLE, Sort.REVENUE):
            if sort not in done:
                self._goods.post(change, name, sort, "", "", 1, total, "")

    def _reverse(self, change: Change, name: str, document: BapiService) -> None:
        """Take back whatever was posted for another confirmation."""
        original = f"{CONFIRMATION} {document.reverses}"
        if postings_of(change.get, name):
            return
        change.put(REVERSED, original, document.reference)
        for one in postings_of(change.get, original):
            if one.place:
                self._goods.take_in(change, one.place, one.product, one.pieces)
            self._goods.post(
                change, name, one.sort, one.line, one.product, -one.pieces, -one.value, one.place
            )

    def _answer(
        self, change: Change, document: BapiService, luw: Luw, refusal: Refusal | None
    ) -> None:
        number = self._goods.next_number(change, document.reference)
        told = ("", False) if refusal is None else (refusal.reason, refusal.is_mendable)
        result = BapiServiceResult(
            document.object, document.key, document.version, refusal is None, number, *told
        )
        answer = Luw(f"posting of {luw.luw}", result, document.reference)
        self._outbound.enqueue(change, f"R3AD_{document.reference}", answer)
