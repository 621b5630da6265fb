"""Do laptops, CRM and ERP hold the same in the end?

These checks look at the final states only. They judge when all is quiet; before that, systems
legitimately differ.
"""

import abc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from crmsim.applications.contracts import is_of_erp
from crmsim.applications.pricing import exact_sum, net_value
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import SalesKind
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, is_order
from crmsim.trace.journal import Event
from crmsim.units import show_money

__all__ = [
    "AGREEMENT",
    "EXACTLY_ONCE_IN_ERP",
    "FATES_ARE_KNOWN",
    "NO_LOCK_IS_LEFT",
    "SHIPPED_AS_PLANNED",
    "TOTALS_ARE_EQUAL",
    "Finals",
]

EXCHANGED = (
    *("guid", "reference", "rep", "customer", "items", "version", "text", "contract", "kind"),
    "preceding",
)
"""Fields of an order on which laptop, CRM and ERP must agree."""
NOT_EXCHANGED = {
    "is_released": "quotations that are not do not go to the ERP",
    "owner": "whose it is is judged apart",
    "is_in_erp": "what CRM knows of the ERP",
    "erp_changes": "which changes of the ERP CRM has taken over",
    "epoch": "the lock under which CRM changed it last",
    "refusal": "why the ERP refused it, or CRM the laptop",
    "refused_count": "how often",
    "is_mendable": "whether that is for the clerk",
    "at_list_prices": "where CRM takes prices from; the ERP gets the prices themselves",
    "errors": "what contains errors does not go to the ERP",
    "is_locked": "nor does what nobody has released",
    "unchecked": "nor does what nobody has checked",
    "temporary": "the laptop's own name for an order without a number",
    "changes": "what the rep changed and nobody answered yet",
    "wanted": "what the rep saw after the last of these",
    "upload": "how many of these the server holds",
    "save": "which save of CRM Online the laptop's copy is",
    "leaves": "whether it goes once the rep's change is answered",
    "object": "what a laptop calls this kind of document",
    "distribution": "how far CRM's transfer to the ERP got",
    "progress": "what CRM shows of deliveries and bills is judged apart",
    "is_provisional": "a delivery block to the ERP; equal in content, another word",
}
"""Fields that stay in one system, and why: everything else must agree."""
ENDS = (Fate.BOOKED, Fate.SHIPPED, Fate.REFUSED, Fate.CANCELLED)
"""What an order can have become when all is quiet."""


class Finals(Judge, abc.ABC):
    """Judges final states: knows the sites of the landscape and what was written."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._written: dict[str, str] = {}

    def on_saved(self, event: Event) -> None:
        """Remember every order that a rep wrote: GUID and reference."""
        if is_order(event):
            self._written[str(event.detail["guid"])] = event.subject

    def on_committed(self, event: Event) -> None:
        """Remember those that were born in CRM too."""
        if "by" in event.detail and is_order(event):
            self._written[str(event.detail["guid"])] = event.subject

    def on_booked(self, event: Event) -> None:
        """Remember those that were born in the ERP too."""
        if "by" in event.detail and is_order(event):
            self._written[str(event.detail["guid"])] = event.subject

    def site(self, kind: str) -> str:
        """Return the one site of a kind."""
        return self.scene.topology.sites(kind)[0]

    def locals(self, ending: Ending) -> Iterator[tuple[str, Any]]:
        """Yield every order on every laptop, with the laptop."""
        for laptop in self.scene.topology.sites("mobile"):
            for local in ending.stores[laptop].table("orders").values():
                yield laptop, local

    def crm(self, ending: Ending) -> dict[str, Any]:
        """Return GUID -> order in CRM Online."""
        rows = ending.stores[self.site("crm")].table("orders").values()
        return {record.document.order.guid: record for record in rows}

    def erp(self, ending: Ending) -> dict[str, list[Any]]:
        """Return GUID -> orders in the ERP."""
        found: dict[str, list[Any]] = {}
        for booked in ending.stores[self.site("erp")].table("orders").values():
            found.setdefault(booked.order.guid, []).append(booked)
        return found

    def end(self, ending: Ending) -> None:
        """Compare once all is quiet."""
        topology = self.scene.topology
        if ending.is_quiet and topology.sites("crm") and topology.sites("erp"):
            self.compare(ending)

    @abc.abstractmethod
    def compare(self, ending: Ending) -> None:
        """Judge the final states; all is quiet."""


class _ExactlyOnce(Finals):
    """When all is quiet, every order that was written is in the ERP exactly once, and the ERP has
    no order that nobody wrote.
    """

    def compare(self, ending: Ending) -> None:
        booked = self.erp(ending)
        for guid, reference in self._written.items():
            if reference in ending.set_aside:
                continue
            self.judged += 1
            count = len(booked.get(guid, ()))
            if count != 1:
                self.blame(f"order {reference} is in the ERP {count} times")
        for guid, orders in booked.items():
            is_offer = orders[0].order.kind is SalesKind.QUOTATION
            if guid not in self._written and not is_offer:
                self.blame(f"order {orders[0].order.reference} is in the ERP, but nobody wrote it")


class _FatesAreKnown(Finals):
    """When all is quiet, every laptop knows of each of its orders what CRM knows: its number, that
    it is booked, whether and when it was shipped; and no save waits for an answer.
    """

    def compare(self, ending: Ending) -> None:
        crm = self.crm(ending)
        seen: set[str] = set()
        for laptop, local in self.locals(ending):
            order = local.document.order
            seen.add(order.guid)
            if order.reference in ending.waiting:
                continue
            self.judged += 1
            record = crm.get(order.guid)
            if local.pending == 0 and (local.upload or local.wanted is not None):
                self.blame(f"{laptop} still shows its own version of order {order.reference}")
            if local.pending:
                self.blame(
                    f"{laptop} still waits for {local.pending} answers about order "
                    f"{order.reference}"
                )
            elif record is None or local.base != record.document:
                knows = None if record is None else record.document
                self.blame(
                    f"{laptop} says of order {order.reference}: {_fate(local.base)}; "
                    f"CRM: {_fate(knows)}"
                )
            elif order.kind is SalesKind.QUOTATION:
                continue  # that CRM has it is its fate
            elif local.base.fate not in ENDS:
                self.blame(
                    f"{laptop} knows order {order.reference} only as {local.base.fate.value}"
                )
        for guid, reference in self._written.items():
            is_known = guid in seen or guid in crm  # where it belongs then is another question
            if not is_known and reference not in ending.set_aside:
                self.blame(f"order {reference} is on no laptop any more")


def _fate(document: OrderDocument | None) -> str:
    return "nothing" if document is None else f"{document.fate.value} as {document.number}"


class _Agreement(Finals):
    """When all is quiet, laptop, CRM and ERP agree on every exchanged field of every order: GUID,
    reference, rep, customer, items, version, number, what is confirmed and shipping day. Not
    exchanged are the laptop's temporary number and its counters of unanswered saves, CRM's
    distribution status, and the warehouse's plan. Of contracts the ERP knows only its own.
    """

    def compare(self, ending: Ending) -> None:
        crm, erp = self.crm(ending), self.erp(ending)
        for laptop, local in self.locals(ending):
            order = local.document.order
            record, booked = crm.get(order.guid), erp.get(order.guid, [])
            if record is None or len(booked) != 1 or order.reference in ending.waiting:
                continue
            self.judged += 1
            for field in EXCHANGED:
                views = {
                    laptop: getattr(order, field),
                    "CRM": getattr(record.document.order, field),
                    "ERP": getattr(booked[0].order, field),
                }
                if field == "contract" and self._is_of_crm(ending, order.contract):
                    has = views["ERP"]
                    views["ERP"] = f"{has}, which is of CRM" if has else order.contract
                self._same(order.reference, field, views)
            numbers = {
                laptop: local.document.number,
                "CRM": record.document.number,
                "ERP": booked[0].number,
            }
            self._same(order.reference, "number", numbers)
            confirmed = {
                laptop: local.document.schedule,
                "CRM": record.document.schedule,
                "ERP": booked[0].order.schedule,
            }
            self._same(order.reference, "what is confirmed", confirmed)
            shipped = {
                laptop: local.document.shipped_day,
                "CRM": record.document.shipped_day,
                "ERP": booked[0].shipped_day,
            }
            self._same(order.reference, "shipping day", shipped)

    def _is_of_crm(self, ending: Ending, contract: str) -> bool:
        row = "contract", contract
        record = ending.stores[self.site("crm")].get("records", row)
        return record is not None and not is_of_erp(record)

    def _same(self, reference: str, field: str, views: dict[str, object]) -> None:
        if len(set(views.values())) > 1:
            told = ", ".join(f"{who}: {value}" for who, value in views.items())
            self.blame(f"order {reference}: {field} differs ({told})")


class _Totals(Finals):
    """When all is quiet, the ERP's total, summed exactly over its booked items, equals the total of
    what the reps wrote last. Orders that more than one of them wrote, or somebody in CRM, are left
    out: there, what counts is a matter of policy. So are those that CRM put its own prices into.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._values: dict[str, Decimal] = {}
        self._authors: dict[str, str] = {}
        self._shared: dict[str, None] = {}

    def on_saved(self, event: Event) -> None:
        super().on_saved(event)
        if not is_order(event):
            return
        self._values[event.subject] = Decimal(str(event.detail["value"]))
        if self._authors.setdefault(event.subject, event.actor) != event.actor:
            self._shared[event.subject] = None

    def on_committed(self, event: Event) -> None:
        super().on_committed(event)
        is_resent = event.detail.get("fields") == () and event.detail["version"] != 1
        if "by" in event.detail and not is_resent:
            self._shared[event.subject] = None

    def on_booked(self, event: Event) -> None:
        super().on_booked(event)
        if "by" in event.detail:
            self._shared[event.subject] = None

    def on_repriced(self, event: Event) -> None:
        self._shared[event.subject] = None

    def compare(self, ending: Ending) -> None:
        aside = {*ending.set_aside, *self._shared}
        written = exact_sum(v for ref, v in self._values.items() if ref not in aside)
        rows = ending.stores[self.site("erp")].table("orders").values()
        orders = [row for row in rows if row.order.kind is SalesKind.ORDER]
        judged = [row for row in orders if row.order.reference not in aside]
        booked = exact_sum(net_value(row.order.items) for row in judged)
        self.judged = sum(len(row.order.items) for row in judged)
        if written != booked:
            self.blame(f"the reps wrote {show_money(written)}, the ERP booked {show_money(booked)}")


class _NoLock(Finals):
    """I-52: when all is quiet, no order is still locked because its transfer to the ERP never came
    to an end, except those that wait for a person.
    """

    def compare(self, ending: Ending) -> None:
        for record in self.crm(ending).values():
            if record.document.order.reference in ending.waiting:
                continue
            self.judged += 1
            if record.is_under_way:
                self.blame(f"order {record.document.order.reference} is still being distributed")


class _Shipped(Finals):
    """Every order is shipped at most once, never before its planned day and never while a quantity
    is still to be confirmed; when all is quiet, every booked order with a planned day is shipped.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._planned: dict[str, int] = {}
        self._shipped: dict[str, int] = {}

    def on_booked(self, event: Event) -> None:
        super().on_booked(event)
        self._planned[event.subject] = int(str(event.detail["planned"]))

    def on_shipped(self, event: Event) -> None:
        self.judged += 1
        planned, day = self._planned.get(event.subject, -1), int(str(event.detail["day"]))
        if event.subject in self._shipped:
            self.blame(f"order {event.subject} was shipped a second time", event)
        elif planned < 0:
            self.blame(f"order {event.subject} was shipped, though nobody had planned that", event)
        elif day < planned:
            self.blame(
                f"order {event.subject} was shipped on day {day}, before its day {planned}", event
            )
        self._shipped[event.subject] = day

    def compare(self, ending: Ending) -> None:
        for reference, planned in self._planned.items():
            if planned >= 0 and reference not in self._shipped:
                self.blame(f"order {reference} was to be shipped on day {planned} and never was")


EXACTLY_ONCE_IN_ERP = Check(
    "every order is in the ERP exactly once", Mood.EVENTUALLY, ("S-28",), _ExactlyOnce
)
FATES_ARE_KNOWN = Check(
    "every laptop knows the fate of its orders", Mood.EVENTUALLY, ("I-88",), _FatesAreKnown
)
AGREEMENT = Check(
    "laptop, CRM and ERP agree on every exchanged field", Mood.EVENTUALLY, ("I-88",), _Agreement
)
TOTALS_ARE_EQUAL = Check(
    "the ERP's total equals what was written", Mood.EVENTUALLY, ("S-28",), _Totals
)
NO_LOCK_IS_LEFT = Check(
    "no order stays locked by a transfer that never ends", Mood.EVENTUALLY, ("I-52",), _NoLock
)
SHIPPED_AS_PLANNED = Check(
    "every order is shipped once, on its day or later", Mood.EVENTUALLY, ("C.4",), _Shipped
)
