"""How does the CRM server decide on orders and quotations?

Laptops send them, the office and the other channels write them in CRM Online itself. CRM decides
with its own current information: its prices, the customer's contracts, what others have changed
meanwhile. An order that contains errors is stored and confirmed all the same, but it goes no
further until somebody has put it right. Sources: CONTRIBUTING.md, S04, S16, S18, S20, S30.
"""

import enum
from collections.abc import Callable

import attrs

from crmsim.applications.changes import why_not_change
from crmsim.applications.exchange import SalesExchange, owner_at_birth
from crmsim.applications.guards import (
    TAKEN,
    errors_of,
    why_not_create,
    why_not_follow,
    why_not_move,
    why_not_transfer,
    why_only_shown,
)
from crmsim.applications.numbering import order_number
from crmsim.applications.pricing import list_price
from crmsim.applications.status import Distribution, DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument, Owner
from crmsim.business.master import Record
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.formats.answer import Overruled
from crmsim.formats.bapi import BapiResult
from crmsim.formats.bdoc import Segment, SyncBDoc, Task, order_of, segments_of, state_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.answers import Answers
from crmsim.online.atp import Availability
from crmsim.online.clerk import Desk
from crmsim.online.contracts import Contracts
from crmsim.online.online import ERP, OFFICE, Online
from crmsim.online.opening import NOT_NEEDED, Opened, Openings
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.cdb import CdbRow
from crmsim.sync.conflict import ConflictPolicy, Stamp, resolve, stamped
from crmsim.trace.kinds import COMMITTED, DISTRIBUTED, REPRICED

__all__ = [
    "BEING_DISTRIBUTED",
    "NO_SUCH_ORDER",
    "UNCONFIRMED",
    "ConfirmAfter",
    "Orders",
]

NO_SUCH_ORDER = "CRM knows no such order"
BEING_DISTRIBUTED = "it is being distributed; try again later"
"""Why nobody changes an order just now."""
LOST = "its transfer never came to an end"
Before = tuple[OrderDocument | None, int]
"""A before-image, and which save of the order that is."""


UNCONFIRMED = "unconfirmed"
"""Number of an order -> (change, what of it does not count) of those that wait for the ERP."""


class ConfirmAfter(enum.Enum):
    """When a laptop is told that CRM has taken over its change of an order."""

    ONLINE = "CRM has stored it"
    """A yes only says that CRM has it."""
    ERP = "the ERP has answered"
    """A yes says that the ERP knows of it; until then the laptop waits."""


class Orders:
    """Validates orders, and stores them.

    Args:
        actor: The actor whose store holds both databases.
        online: Where they are saved.
        answers: Tells laptops what became of their changes.
        conflict: What becomes of a change of what somebody else has changed meanwhile.
        desk: Where a clerk finds what has to be completed or released.
        confirm_after: When laptops are told that their changes are taken over.
        exchange: How CRM and the ERP share sales transactions.
        openings: Which orders somebody has open.
        guarantees: Whether what is newest stays.
        availability: Has orders checked before they go to the ERP.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        answers: Answers,
        conflict: ConflictPolicy,
        desk: Desk,
        confirm_after: ConfirmAfter,
        exchange: SalesExchange,
        openings: Openings,
        guarantees: Guarantees,
        availability: Availability,
    ) -> None:
        self.contracts = Contracts(actor, online, guarantees)
        """What orders may draw on."""
        self._actor = actor
        self._online = online
        self._answers = answers
        self._conflict = conflict
        self._desk = desk
        self._confirm_after = confirm_after
        self._exchange = exchange
        self._openings = openings
        self._availability = availability

    # --- what laptops send ---

    def create(self, change: Change, bdoc: SyncBDoc) -> None:
        """Store an order that a laptop has written, or refuse it."""
        if bdoc.task is not Task.INSERT:
            self.reject(change, bdoc, NO_SUCH_ORDER)
            return
        order = order_of(bdoc.guid, None, bdoc.segments)
        reason = self._why_not_create(order)
        if reason is not None:
            self.reject(change, bdoc, reason)
            return
        priced, overruled = self._at_current_prices(change, order, order.items)
        document = self._born(change, priced, bdoc.number_given)
        self.save(change, OrderRecord(document), (bdoc.site, bdoc.disk), bdoc.message)
        self._confirm(change, bdoc, overruled)

    def merge(
        self, change: Change, bdoc: SyncBDoc, record: OrderRecord, opened: Opened = NOT_NEEDED
    ) -> None:
        """Store what of a change counts, and answer it; refuse it if nothing does."""
        order = record.document.order
        merged = resolve(
            self._conflict,
            order,
            dict(self._actor.store.get("stamps", bdoc.guid, ())),
            bdoc.base,
            bdoc.site,
            bdoc.segments,
            dict(bdoc.older),
        )
        if merged.reason is not None:
            self.reject(change, bdoc, merged.reason, merged.overruled)
            return
        changed = order_of(bdoc.guid, order, merged.segments)
        reason = why_not_move(order, changed, self._customer_of(changed))
        if reason is not None:
            self.reject(change, bdoc, reason, merged.overruled)
            return
        known = {item.line for item in order.items}
        added = tuple(item for item in changed.items if item.line not in known)
        priced, repriced = self._at_current_prices(change, changed, added)
        fields = state_of(priced, bdoc.segments)
        after = self._after(record, attrs.evolve(priced, version=order.version + 1), opened)
        self.save(change, after, (bdoc.site, bdoc.disk), bdoc.message, fields=fields)
        self.stamp(change, order, after.document.order, merged.segments, bdoc.site)
        self._confirm(change, bdoc, (*merged.overruled, *repriced))

    def answer_again(self, change: Change, bdoc: SyncBDoc, document: OrderDocument) -> None:
        """Answer a creation of what is there already; it counts only if it is the same."""
        same = attrs.evolve(document.order, version=1)
        if order_of(bdoc.guid, None, bdoc.segments) == same:
            self._confirm(change, bdoc)
        else:
            self.reject(change, bdoc, "CRM has this order already, and another content of it")

    def _confirm(
        self, change: Change, bdoc: SyncBDoc, overruled: tuple[Overruled, ...] = ()
    ) -> None:
        number = change.get("numbers", bdoc.guid)
        record: OrderRecord = change.get("orders", number)
        is_on_its_way = record.is_under_way or record.document.is_unchecked
        if is_on_its_way and self._confirm_after is ConfirmAfter.ERP:
            self._answers.accept(change, bdoc)
            waiting = change.get(UNCONFIRMED, number, ())
            change.put(UNCONFIRMED, number, (*waiting, (bdoc, overruled)))
            return
        save = int(change.get("saves", number))
        self._answers.confirm(change, bdoc, record.document, save, overruled)

    def settle(self, change: Change, record: OrderRecord, news: BapiResult) -> None:
        """End the distribution of an order: the ERP has booked it, or refused it."""
        event = DistributionEvent.ACCEPTED if news.is_booked else DistributionEvent.REFUSED
        refused = attrs.evolve(record, refusal=news.reason, is_mendable=news.is_mendable)
        self._end_distribution(change, refused, event, news.version)

    def end_transfer(self, change: Change, record: OrderRecord, *, is_there: bool) -> None:
        """End the distribution of an order of which nothing is under way any more.

        Args:
            change: The commit that does it.
            record: The order.
            is_there: Whether the ERP has it; else it can be saved, and so sent, once more.
        """
        event = DistributionEvent.ACCEPTED if is_there else DistributionEvent.GIVEN_UP
        lost = attrs.evolve(record, refusal="" if is_there else LOST, is_mendable=not is_there)
        self._end_distribution(change, lost, event, record.document.order.version, report=True)

    def _end_distribution(
        self,
        change: Change,
        record: OrderRecord,
        event: DistributionEvent,
        version: int,
        **told: object,
    ) -> None:
        is_booked = event is DistributionEvent.ACCEPTED
        status = next_status(record.distribution, event)
        order, number = record.document.order, record.document.number
        if not is_booked:
            told["reason"] = record.refusal
        change.note(
            DISTRIBUTED, number, status=status.name, guid=order.guid, version=version, **told
        )
        fate = Fate.BOOKED if is_booked else Fate.REFUSED
        if record.document.fate is Fate.SHIPPED:
            fate = Fate.SHIPPED
        settled = attrs.evolve(
            record,
            document=attrs.evolve(record.document, fate=fate),
            distribution=status,
            is_in_erp=record.is_in_erp or is_booked,
            epoch=0,
            refused_count=0 if is_booked else record.refused_count + 1,
        )
        self._online.store_order(change, settled, ERP)
        self._desk.put(change, settled)
        self.confirm_late(change, number)

    def confirm_late(self, change: Change, number: str) -> None:
        """Tell the authors of changes that have waited for the answer of the ERP."""
        waiting = change.get(UNCONFIRMED, number, ())
        if not waiting:
            return
        change.delete(UNCONFIRMED, number)
        document, save = change.get("orders", number).document, int(change.get("saves", number))
        for bdoc, overruled in waiting:
            self._answers.tell_yes(change, bdoc, document, save, overruled)

    def reject(
        self,
        change: Change,
        bdoc: SyncBDoc,
        reason: str,
        overruled: tuple[Overruled, ...] = (),
    ) -> None:
        """Refuse a change, with what the CDB holds."""
        before = self._before_image(bdoc.guid)
        self._answers.reject(change, bdoc, reason, *before, overruled)

    def _before_image(self, guid: str) -> Before:
        """Return an order as the CDB holds it, and which save that is; None when CRM has none.

        If it has not come to the CDB yet, it is what CRM Online holds: without any, the laptop
        would take the order for one that was never accepted.
        """
        store = self._actor.store
        row: CdbRow | None = store.get("cdb", guid)
        if row is not None:
            return row.document, row.save
        record: OrderRecord | None = store.get("orders", store.get("numbers", guid))
        if record is None:
            return None, 0
        return record.document, int(store.get("saves", record.document.number))

    # --- what is written in CRM itself ---

    def create_here(self, change: Change, order: SalesOrder, by: str) -> str | None:
        """Store an order that is born in CRM Online; return why not, if it cannot be.

        Args:
            change: The commit that does it.
            order: The order; its GUID and the identities of its items are there.
            by: Who writes it: the office, or another channel.
        """
        is_taken = self._actor.store.get("by reference", order.reference) is not None
        reason = TAKEN if is_taken else self._why_not_create(order)
        if reason is None:
            priced, _ = self._at_current_prices(change, order, order.items)
            document = self._born(change, priced)
            self.save(change, OrderRecord(document), (OFFICE, 0), self._message(change, by), by=by)
        return reason

    def edit_here(
        self,
        change: Change,
        guid: str,
        edit: Callable[[OrderDocument], OrderDocument],
        by: str,
        opened: Opened = NOT_NEEDED,
    ) -> str | None:
        """Change an order in CRM Online; return why not, if it cannot be changed now.

        An order that the ERP has refused is sent there once more, even if it stays as it is.

        Args:
            change: The commit that does it.
            guid: Which order.
            edit: The order as it is -> as it is to be.
            by: Who changes it.
            opened: What came of opening it, if the ERP has it too.
        """
        record: OrderRecord = self._actor.store.get("orders", change.get("numbers", guid))
        if record.is_under_way:
            return BEING_DISTRIBUTED
        document = record.document.after(opened.progress)
        old, wanted = document.order, edit(document)
        segments = segments_of(old, wanted.order)
        reason = (
            opened.reason
            or why_only_shown(document)
            or why_not_change(document, wanted.order)
            or why_not_move(old, wanted.order, self._customer_of(wanted.order))
        )
        if reason is not None:
            return reason
        new = attrs.evolve(wanted.order, version=old.version + 1)
        is_refused = record.distribution is Distribution.ERROR
        if not segments and wanted == document and not is_refused:
            return None
        after = self._after(attrs.evolve(record, document=wanted), new, opened)
        has_now = state_of(new, segments)
        message = self._message(change, by)
        self.save(change, after, (OFFICE, 0), message, by=by, fields=has_now)
        self.stamp(change, old, new, segments, OFFICE)
        return None

    def _message(self, change: Change, by: str) -> str:
        """Return a name for a change that nobody has sent."""
        count = 1 + int(change.get("counts", "changes here", 0))
        change.put("counts", "changes here", count)
        return f"{by} change {count}"

    # --- all ---

    def _why_not_create(self, order: SalesOrder) -> str | None:
        """Return why an order cannot come to be in CRM now, or None."""
        reason = why_not_create(order, self._customer_of(order))
        if reason is not None or not order.preceding:
            return reason
        return why_not_follow(self._online.order_called(order.preceding))

    def _customer_of(self, order: SalesOrder) -> Record | None:
        found: Record | None = self._actor.store.get("records", ("customer", order.customer))
        return found

    def _born(self, change: Change, order: SalesOrder, given: str = "") -> OrderDocument:
        """Give a new order its number, its contract, and what is wrong with it.

        A number that the laptop has given counts, unless some other order has it.
        """
        number = given
        if not given or change.get("orders", given) is not None:
            count: int = change.get("counts", "orders", 0)
            while change.get("orders", order_number(count)) is not None:
                count += 1  # the ERP has given it
            change.put("counts", "orders", count + 1)
            number = order_number(count)
        self._online.register_order(change, order, number)
        owner = owner_at_birth(self._exchange, Owner.CRM)
        is_locked = self._desk.releases
        document = OrderDocument(order, number, Fate.ACCEPTED, is_locked=is_locked, owner=owner)
        return self.judged(document)

    def _after(self, record: OrderRecord, order: SalesOrder, opened: Opened) -> OrderRecord:
        was = record.document.fate
        fate = was if was is Fate.SHIPPED else Fate.ACCEPTED
        document = record.document.after(opened.progress)
        document = attrs.evolve(document, order=order, fate=fate)
        return attrs.evolve(record, document=self.judged(document), epoch=opened.epoch)

    def judged(self, document: OrderDocument) -> OrderDocument:
        """Return a document with its contract, if only one fits, and with its errors."""
        order, fitting, why_not_draw = self.contracts.chosen(document)
        errors = errors_of(order, fitting, why_not_draw)
        return attrs.evolve(document, order=order, errors=errors)

    def _at_current_prices(
        self, change: Change, order: SalesOrder, items: tuple[OrderItem, ...]
    ) -> tuple[SalesOrder, tuple[Overruled, ...]]:
        """Return an order with the current list prices of some items, and what that replaced."""
        if not order.at_list_prices:
            return order, ()
        priced, overruled = [], []
        for item in order.items:
            now = list_price(self._actor.store.get, item.product)
            if item in items and now not in (None, item.unit_price):
                wanted = str(item.unit_price)
                overruled.append(Overruled("item", item.line, "unit_price", wanted, str(now), True))
                item = attrs.evolve(item, unit_price=now)
            priced.append(item)
        if overruled:
            lines = tuple(one.key for one in overruled)
            change.note(REPRICED, order.reference, guid=order.guid, lines=lines)
        return attrs.evolve(order, items=tuple(priced)), tuple(overruled)

    def stamp(
        self,
        change: Change,
        before: SalesOrder,
        after: SalesOrder,
        segments: tuple[Segment, ...],
        site: str,
    ) -> None:
        """Keep who changed which field last."""
        number = change.get("numbers", after.guid)
        stamp = Stamp(int(change.get("saves", number)), site)
        known = self._actor.store.get("stamps", after.guid, ())
        change.put("stamps", after.guid, stamped(known, before, segments, stamp))

    def save(
        self,
        change: Change,
        record: OrderRecord,
        origin: tuple[str, int],
        message: str,
        *,
        by: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        event: DistributionEvent = DistributionEvent.SAVED,
    ) -> None:
        """Store an order in CRM Online and begin its way out, in one commit.

        Args:
            change: The commit.
            record: The order as it is to be.
            origin: Who knows of it already: a laptop, and which disk of it.
            message: What brought it about.
            by: Who made the change, if it was made in CRM.
            fields: What it has by now of what the change was about.
            event: What that is for its distribution, if it goes to the ERP.
        """
        is_ours = origin[0] != ERP  # else the ERP has it already
        record = self._availability.opened(change, record, is_ours=is_ours)
        document = record.document
        order, number = document.order, document.number
        status = record.distribution
        quotations = self._exchange.quotations
        if is_ours and why_not_transfer(document, quotations=quotations) is None:
            status = next_status(status, event)
        change.note(
            COMMITTED,
            order.reference,
            guid=order.guid,
            number=number,
            version=order.version,
            customer=order.customer,
            items=len(order.items),
            message=message,
            save=1 + int(self._actor.store.get("saves", number, 0)),
            fields=fields,
            **_told_of(document, by),
            **self._told_of_lock(record, by),
            **({"merged": True} if by == ERP and is_ours else {}),
        )
        change.note(DISTRIBUTED, number, status=status.name, guid=order.guid, version=order.version)
        changed = attrs.evolve(record, distribution=status)
        self._online.store_order(change, changed, *origin)
        self.contracts.saved(change, document)
        self._desk.put(change, changed)
        if status is not Distribution.TO_BE and not document.is_unchecked:
            self.confirm_late(change, number)  # the ERP will not be asked about it any more

    def _told_of_lock(self, record: OrderRecord, by: str) -> dict[str, object]:
        """Return the lock under which somebody in CRM has changed what the ERP has too."""
        is_asked_for = by != ERP and self._openings.needs(record)
        return {"epoch": record.epoch} if is_asked_for else {}


def _told_of(document: OrderDocument, by: str) -> dict[str, object]:
    """Return what the journal says of a save besides, where there is more to say."""
    told: dict[str, object] = {}
    if by:
        told["by"] = by
    if document.errors:
        told["errors"] = document.errors
    if document.is_locked:
        told["locked"] = True
    if document.is_unchecked:
        told["unchecked"] = True
    if document.owner is not Owner.CRM:
        told["owner"] = document.owner.name
    if document.order.preceding:
        told["preceding"] = document.order.preceding
    if document.order.kind.value != "order":
        told["object"] = document.order.kind.value
        told["released"] = document.order.is_released
    return told
