"""How does the ERP book orders: those that CRM sends, and those that people at the ERP write?

What CRM sends is booked, or refused with a reason. What people at the ERP write or change is told
to CRM, unless it is about an order that belongs to CRM and CRM does not want to know.
Sources: CONTRIBUTING.md, S04, S06, S07, S09, S10, S21.
"""

from collections.abc import Callable

import attrs

from crmsim.applications.changes import why_not_change
from crmsim.applications.directions import why_blocked
from crmsim.applications.exchange import Numbers, SalesExchange, owner_at_birth
from crmsim.applications.guards import TAKEN
from crmsim.applications.numbering import erp_number, order_number
from crmsim.business.document import OrderDocument, Owner
from crmsim.business.sales import SalesKind, SalesOrder
from crmsim.erp.contracts import ContractBook
from crmsim.erp.fulfilment import Fulfilment
from crmsim.erp.locks import Locks
from crmsim.erp.orders import ErpOrder
from crmsim.erp.refusal import BAD_MASTER_DATA, Refusal, lacks_master_data, refused
from crmsim.formats.bapi import (
    BapiChange,
    BapiOrder,
    BapiResult,
    bapi_order,
    name_of_change,
)
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.queue import Luw
from crmsim.trace.kinds import BOOKED, OVERWRITTEN
from crmsim.units import Share

__all__ = ["Bookings"]

Tell = Callable[[Change, BapiOrder, Luw], None]


CROSSED = Refusal("somebody at the ERP has changed it meanwhile", is_mendable=True)


class Bookings:
    """Books orders.

    Args:
        actor: The actor of the ERP; its store holds the orders.
        exchange: How CRM and the ERP share sales transactions.
        refuses: Share of what comes from CRM that is refused, because master data are missing.
        fulfilment: Delivers and bills what is booked.
        locks: Who has an order locked.
        contracts: What can be called off.
        tell: Puts something about an order into the queue to CRM.
    """

    def __init__(
        self,
        actor: Actor,
        exchange: SalesExchange,
        refuses: Share,
        fulfilment: Fulfilment,
        locks: Locks,
        contracts: ContractBook,
        tell: Tell,
    ) -> None:
        self._actor = actor
        self._exchange = exchange
        self._refuses = refuses
        self._fulfilment = fulfilment
        self._locks = locks
        self._contracts = contracts
        self._tell = tell

    def key_of(self, number: str) -> str:
        """Return under which number the ERP keeps what CRM calls by a number."""
        return str(self._actor.store.get("keys", number, number))

    @property
    def _numbers(self) -> Numbers:
        """How the ranges of numbers go together by now."""
        found: Numbers = self._actor.store.get("customizing", "numbers", self._exchange.numbers)
        return found

    # --- what CRM sends ---

    def take(self, change: Change, order: BapiOrder, luw: Luw, *, knows_it: bool) -> None:
        """Book what CRM sends, or refuse it; either way CRM is answered.

        Args:
            change: The commit that does it.
            order: The order.
            luw: The unit of work that brought it.
            knows_it: Whether the ERP looks whether it has the order already; when not, it books
                whatever comes as something new.
        """
        key = self.key_of(order.number)
        held: ErpOrder | None = self._actor.store.get("orders", key)
        self._locks.arrived(change, key, order.epoch)
        if held is not None and not knows_it:
            key, held = f"{order.number}#{luw.serial}", None
        refusal = self._why_not(key, held, order)
        if refusal is not None:
            self._answer(change, order, luw, refusal)
            return
        if held is None and self._numbers is Numbers.RENUMBERED:
            key = self._own_number(change)
            change.put("keys", order.number, key)
        self._book(change, key, order, luw, held)

    def _why_not(self, key: str, held: ErpOrder | None, order: BapiOrder) -> Refusal | None:
        """Return why an order of CRM cannot be booked, or None."""
        return (
            refused(self._why_not_this_number(held, order), is_mendable=False)
            or self._why_not_known(order)
            or (None if held is None else self._why_not_change(held, order))
            or refused(self._contracts.why_not(key, order), is_mendable=True)
        )

    def _why_not_this_number(self, held: ErpOrder | None, order: BapiOrder) -> str | None:
        if self._numbers is Numbers.OUTSIDE:
            return f"number {order.number} lies outside of the ERP's range for orders of CRM"
        if held is not None and held.order.guid != order.guid:
            return f"number {order.number} belongs to another order of the ERP"
        return None

    def _why_not_known(self, order: BapiOrder) -> Refusal | None:
        """Return what of the ERP's own data speaks against an order, or None."""
        blocked = self._why_blocked(order)
        if blocked is not None:
            return Refusal(blocked, is_mendable=True)
        lacks = lacks_master_data(self._actor, self._refuses, order.reference, order.version)
        return BAD_MASTER_DATA if lacks else None

    def _why_blocked(self, order: BapiOrder) -> str | None:
        return why_blocked(self._actor.store.get("records", ("customer", order.customer)))

    def _why_not_change(self, held: ErpOrder, order: BapiOrder) -> Refusal | None:
        if held.owner is Owner.ERP:
            return Refusal("it belongs to the ERP by now")
        if self._exchange.locks and order.known_changes < held.changes:
            return CROSSED
        return refused(self._why_final(held, order.as_sales_order()), is_mendable=False)

    def _why_final(self, held: ErpOrder, wanted: SalesOrder) -> str | None:
        """Return why an order can no longer become another one, or None."""
        progress = self._fulfilment.progress(held.number)
        known = held.order.as_sales_order()
        return why_not_change(OrderDocument(known, held.order.number, progress=progress), wanted)

    def _book(
        self, change: Change, key: str, order: BapiOrder, luw: Luw, held: ErpOrder | None
    ) -> None:
        if held is None:
            owner = owner_at_birth(self._exchange, Owner.CRM)
            booked = ErpOrder(order, self._actor.now_ns, number=key, owner=owner, from_crm=order)
        else:
            self._note_what_is_lost(change, held, order)
            booked = attrs.evolve(held, order=order, from_crm=order, is_changed_here=False)
        self._store(change, booked)
        self._answer(change, order, luw)

    def _note_what_is_lost(self, change: Change, held: ErpOrder, order: BapiOrder) -> None:
        """Note what people at the ERP have changed, CRM was not told of, and now writes over."""
        if held.is_changed_here:
            theirs = _differences(held.from_crm or held.order, held.order)
            fields = tuple(one for one in _differences(held.order, order) if one in theirs)
            if fields:
                change.note(OVERWRITTEN, order.reference, guid=order.guid, of="erp", fields=fields)

    def _answer(
        self, change: Change, order: BapiOrder, luw: Luw, refusal: Refusal | None = None
    ) -> None:
        if refusal is None:
            result = BapiResult(order.number, order.version, True)
        else:
            told = refusal.reason, refusal.is_mendable
            result = BapiResult(order.number, order.version, False, *told)
        self._tell(change, order, Luw(f"booking of {luw.luw}", result, luw.guid))

    # --- what people at the ERP write ---

    def create_here(self, change: Change, order: SalesOrder, by: str) -> str | None:
        """Book an order that is born here, and tell CRM; return why not, if it cannot be."""
        if self._actor.store.get("by reference", order.reference) is not None:
            return TAKEN
        key = self._own_number(change)
        owner = owner_at_birth(self._exchange, Owner.ERP)
        bapi = bapi_order(order, key)
        reason = self._why_not_written(bapi) or self._contracts.why_not(key, bapi)
        if reason is not None:
            return reason
        booked = ErpOrder(bapi, self._actor.now_ns, number=key, owner=owner, changes=1)
        change.put("references", order.guid, order.reference)
        self._store(change, booked, by, is_told=True)
        self._tell_change(change, booked, None)
        return None

    def change_here(
        self, change: Change, held: ErpOrder, wanted: SalesOrder, by: str
    ) -> str | None:
        """Book a change that somebody here makes; return why not, if it cannot be."""
        if wanted == held.order.as_sales_order():
            return None
        is_told = self._exchange.returns(held.owner)
        version = held.order.version + 1 if is_told else held.order.version
        changed = attrs.evolve(wanted, version=version)
        order = bapi_order(changed, held.order.number, schedule=held.order.schedule)
        reason = (
            self._why_final(held, wanted)
            or self._why_not_written(order, held.order.customer)
            or self._contracts.why_not(held.number, order)
        )
        if reason is not None:
            return reason
        booked = attrs.evolve(
            held,
            order=order,
            owner=self._exchange.owner_after(held.owner),
            changes=held.changes + is_told,
            is_changed_here=not is_told,
        )
        self._store(change, booked, by, is_told=is_told)
        if is_told:
            self._tell_change(change, booked, held.order)
        return None

    def _why_not_written(self, order: BapiOrder, before: str = "") -> str | None:
        """Return why somebody here cannot have an order like this, or None.

        Args:
            order: As it is to be.
            before: Whose it was; empty for a new one.
        """
        if not order.items:
            return "an order needs an item"
        return self._why_blocked(order) if order.customer != before else None

    def _tell_change(self, change: Change, booked: ErpOrder, before: BapiOrder | None) -> None:
        news = BapiChange(booked.order, before, booked.changes, booked.owner)
        name = name_of_change(booked.order.number, booked.changes)
        self._tell(change, booked.order, Luw(name, news, booked.order.guid))

    # --- both ---

    def _own_number(self, change: Change) -> str:
        """Return the next number out of the ERP's own range that is free."""
        is_shared = self._numbers is Numbers.OVERLAP
        give = order_number if is_shared else erp_number
        count = int(change.get("counts", "orders", 0))
        while self._actor.store.get("orders", give(count)) is not None:
            count += 1
        change.put("counts", "orders", count + 1)
        return give(count)

    def _store(
        self, change: Change, booked: ErpOrder, by: str = "", *, is_told: bool = False
    ) -> None:
        order, key = booked.order, booked.number
        before: ErpOrder | None = self._actor.store.get("orders", key)
        change.put("orders", key, booked)
        self._fulfilment.provide(change, booked)
        change.put("by reference", order.reference, key)
        told: dict[str, object] = {"by": by} if by else {}
        if is_told:
            told["message"] = name_of_change(order.number, booked.changes)
        if order.kind is not SalesKind.ORDER:
            told["object"] = order.kind.value
        if order.contract:
            told["contract"] = order.contract
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
            **told,
        )
        self._contracts.booked(change, key, order, before)
        change.then(lambda: self._fulfilment.go_on(key))


_HEADER = ("customer", "delivery_block", "text", "contract")


def _differences(before: BapiOrder, after: BapiOrder) -> tuple[str, ...]:
    """Return the names of what is not the same in two states of an order."""
    found = [name for name in _HEADER if getattr(before, name) != getattr(after, name)]
    old = {item.line: item for item in before.items}
    found += [f"item {item.line}" for item in after.items if old.pop(item.line, None) != item]
    return (*found, *(f"item {line}" for line in old))
