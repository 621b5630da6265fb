"""How does CRM take over what people at the ERP did to an order?

An order that is born there comes to CRM with its number, and is only shown here. A change of one
that both may change is merged: what CRM has not touched since is taken as the ERP has it; where
both have changed the same, CRM's counts, and the ERP is told what became of it. An order that the
ERP has made its own is taken as the ERP has it. What comes late, and is older, changes nothing.
Sources: CONTRIBUTING.md, S04, S09, S10; what counts where both have changed is assumed.
"""

import attrs

from crmsim.applications.contracts import is_of_erp
from crmsim.applications.status import DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument, Owner
from crmsim.business.master import Record
from crmsim.business.sales import SalesOrder
from crmsim.formats.bapi import BapiChange, name_of_change
from crmsim.formats.bdoc import Segment, Task, claims_of, order_of, segments_of, state_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.online import BOTH, ERP, Online
from crmsim.online.orders import Orders
from crmsim.trace.kinds import OVERWRITTEN

__all__ = ["ErpOrders"]


class ErpOrders:
    """Takes over what people at the ERP did to orders.

    Args:
        actor: CRM's actor.
        online: Where they can be found.
        orders: Where they are stored.
    """

    def __init__(self, actor: Actor, online: Online, orders: Orders) -> None:
        self._actor = actor
        self._online = online
        self._orders = orders

    def take(self, change: Change, news: BapiChange) -> None:
        """Store what the ERP tells."""
        record: OrderRecord | None = self._actor.store.get("orders", news.number)
        if record is None:
            self._create(change, news)
        elif news.change > record.erp_changes:
            self._change(change, news, record)

    def _create(self, change: Change, news: BapiChange) -> None:
        order = news.order.as_sales_order()
        self._online.register_order(change, order, news.number)
        document = OrderDocument(order, news.number, Fate.BOOKED, owner=news.owner)
        self._save(change, OrderRecord(document, is_in_erp=True), news, ERP)

    def _change(self, change: Change, news: BapiChange, record: OrderRecord) -> None:
        now = record.document.order
        theirs = self._with_our_contract(news.order.as_sales_order(), now)
        seen = theirs
        if news.before is not None:
            seen = self._with_our_contract(news.before.as_sales_order(), now)
        has_crossed = now.version > seen.version and news.owner is Owner.BOTH
        if not has_crossed:
            self._note_what_is_void(change, seen, now, theirs)
            document = attrs.evolve(record.document, order=theirs, owner=news.owner)
            if document.fate is not Fate.SHIPPED:
                document = attrs.evolve(document, fate=Fate.BOOKED)
            self._save(change, attrs.evolve(record, document=document), news, ERP)
            return
        segments, lost = _still_open(segments_of(seen, theirs), seen, now)
        version = max(now.version, theirs.version) + 1
        merged = attrs.evolve(order_of(now.guid, now, segments), version=version)
        document = self._orders.judged(attrs.evolve(record.document, order=merged))
        if lost:
            change.note(OVERWRITTEN, now.reference, guid=now.guid, of="erp", fields=lost)
        self._save(change, attrs.evolve(record, document=document), news, BOTH, segments)

    def _with_our_contract(self, theirs: SalesOrder, now: SalesOrder) -> SalesOrder:
        """Return an order of the ERP with the contract of CRM, of which the ERP does not know."""
        contract: Record | None = self._actor.store.get("records", ("contract", now.contract))
        is_ours = contract is not None and not is_of_erp(contract)
        return attrs.evolve(theirs, contract=now.contract) if is_ours else theirs

    def _note_what_is_void(
        self, change: Change, seen: SalesOrder, now: SalesOrder, theirs: SalesOrder
    ) -> None:
        """Note what CRM has changed of an order that the ERP has made its own meanwhile."""
        ours = claims_of(segments_of(seen, now)) if now.version > seen.version else ()
        kept = dict(claims_of(segments_of(seen, theirs)))
        void = tuple(name for name, value in ours if kept.get(name) != value)
        if void:
            change.note(OVERWRITTEN, now.reference, guid=now.guid, of="crm", fields=void)

    def _save(
        self,
        change: Change,
        record: OrderRecord,
        news: BapiChange,
        origin: str,
        segments: tuple[Segment, ...] = (),
    ) -> None:
        order = record.document.order
        held: OrderRecord | None = self._actor.store.get("orders", news.number)
        if held is not None and origin == ERP:
            segments = segments_of(held.document.order, order)
            status = next_status(record.distribution, DistributionEvent.TAKEN_OVER)
            record = attrs.evolve(record, distribution=status, refusal="", refused_count=0)
        record = attrs.evolve(record, erp_changes=news.change, epoch=0)
        self._orders.save(
            change,
            record,
            (origin, 0),
            name_of_change(news.number, news.change),
            by=ERP,
            fields=state_of(order, segments),
            event=DistributionEvent.MERGED,
        )
        if held is not None:
            self._orders.stamp(change, held.document.order, order, segments, ERP)


def _still_open(
    segments: tuple[Segment, ...], seen: SalesOrder, now: SalesOrder
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Return what of a change of the ERP counts in CRM, and the names of what does not.

    Args:
        segments: The change.
        seen: The order as the ERP knew it.
        now: As it is in CRM.
    """
    ours = dict(claims_of(segments_of(seen, now)))
    found, lost = [], []
    for one in segments:
        part = f"{one.name} {one.key}".rstrip()
        if one.task is not Task.UPDATE:
            if part in ours or any(name.startswith(f"{part} ") for name in ours):
                lost.append(part)
            else:
                found.append(one)
            continue
        crossed = [name for name, _ in one.fields if f"{part} {name}" in ours or part in ours]
        lost += [f"{part} {name}" for name in crossed]
        kept = tuple(pair for pair in one.fields if pair[0] not in crossed)
        if kept:
            found.append(attrs.evolve(one, fields=kept))
    return tuple(found), tuple(lost)
