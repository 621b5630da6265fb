"""Several reps call off the same contract, offline. How much do they promise that is not there?

A customer has a contract in the ERP: so many pieces of tea until the end of the week. Several reps
look after him. Each sees on his laptop how much was left when he called last, and orders no more
than that. But the others order too, so do people at the ERP, and nobody on a laptop hears of it
before the next call. What comes to CRM when too little is left is stored with an error and waits: a
clerk takes it off the contract, and it becomes a plain order (at another price, as the customer may
notice). Only then does it go on.

Why one should care: an over-call is a promise that the customer heard, and that somebody has to
take back. It costs a clerk's time, and it is late.

Hypothesis: the more reps share a contract, and the less often they call, the more is called off
that is not there. More calls help, but less than one may hope: two who order in the same hour do
not see each other. Nothing is ever released beyond the target.

Runs in: 1 s.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from crmsim.business.document import OrderDocument
from crmsim.business.sales import CallOff, OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.trace.journal import Journal
from crmsim.units import Share, days, hours, minutes, to_seconds

CONTRACT = "4000000001"
DAYS = 5
LARGEST = 25
"""Pieces of the largest order that somebody wants; the smallest is one (assumed)."""


@frozen
class Settings:
    """What can be changed about the story."""

    reps: int = setting(6, "reps who call off the same contract", low=1, high=200)
    calls: int = setting(2, "calls of each rep on a working day", low=1, high=24)
    orders: int = setting(4, "orders of each rep on a working day", low=1, high=100)
    on_contract: Share = setting(Share(0.7), "share of the orders that draw on the contract")
    calls_in_erp: int = setting(
        2, "orders a day that people at the ERP call off it", low=0, high=50
    )
    target: int = setting(500, "pieces of tea that the contract is about", low=1)
    clerk: bool = setting(True, "a clerk takes over-calls off the contract")
    crashes: bool = setting(True, "CRM and the ERP crash once each")


def overcall_metrics(result: Result) -> Mapping[str, object]:
    """Return what was called off, and what of it was not there.

    An over-call is an order that CRM stored with an error, because the contract had too little
    left. `until_resolved_s`: from there to its first save without an error. When a rep wrote a
    call-off, `unknown_pieces` of others were called off that his laptop did not know of, and
    `behind_s` is how old the oldest of these was. What became a plain order is not counted there.
    """
    rows = result.simulation.store("crm").table("orders").values()
    orders = {row.document.order.reference: row.document for row in rows}
    wanted = {name: _pieces(document) for name, document in orders.items()}
    journal = result.journal
    written = [event for event in journal.select("saved") if event.subject.startswith("call ")]
    errors, resolved_s = _errors(journal)
    released = sum(wanted[name] for name, one in orders.items() if _is_drawn(one))
    unknown = list(_unknown(journal, {event.number for event in written}, orders))
    behind_s = [to_seconds(oldest_ns) for _, oldest_ns in unknown]
    return {
        "call_offs": len(written),
        "call_offs_given_up": sum(1 for _ in journal.select("forbidden")),
        "calls_in_erp": sum("by" in event.detail for event in journal.select("booked")),
        "pieces_called_off": sum(wanted[event.subject] for event in written),
        "overcalls": len(errors),
        "pieces_overcalled": sum(wanted[name] for name in errors),
        "until_resolved_s_p50": quantile(resolved_s, 0.5),
        "until_resolved_s_max": max(resolved_s, default=None),
        "unresolved_censored": len(errors) - len(resolved_s),
        "refused_by_the_erp": sum(
            event.detail["status"] == "ERROR" for event in journal.select("distributed")
        ),
        "pieces_released": released,
        "share_of_the_target": released / result.settings.target,
        "unknown_pieces_p50": quantile([pieces for pieces, _ in unknown], 0.5),
        "unknown_pieces_max": max((pieces for pieces, _ in unknown), default=None),
        "behind_s_p50": quantile(behind_s, 0.5),
        "behind_s_max": max(behind_s, default=None),
    }


def _is_drawn(document: OrderDocument) -> bool:
    return document.is_sound and document.order.contract == CONTRACT


def _pieces(document: OrderDocument) -> int:
    return sum(item.quantity for item in document.order.items)


def _errors(journal: Journal) -> tuple[dict[str, int], list[float]]:
    """Return over-call -> since when, and how long each took that is resolved, in seconds."""
    errors: dict[str, int] = {}
    resolved: dict[str, float] = {}
    for event in journal.select("committed"):
        found: Any = event.detail.get("errors", ())
        if any(one.startswith(f"contract {CONTRACT} has") for one in found):
            errors.setdefault(event.subject, event.time_ns)
        elif event.subject in errors and not found:
            resolved.setdefault(event.subject, to_seconds(event.time_ns - errors[event.subject]))
    return errors, list(resolved.values())


def _unknown(
    journal: Journal, call_offs: set[int], orders: Mapping[str, OrderDocument]
) -> Iterator[tuple[int, int]]:
    """Yield of each call-off how many pieces of others its author did not know of, and since when.

    The time is the age of the oldest of these, in ns; 0 when there were none.
    """
    calls: dict[int, set[str]] = {1: set()}  # state of the contract in the ERP -> its orders
    number_of: dict[int, int] = {}  # version of the record in CRM -> state
    seen: dict[str, int] = {}  # laptop -> state that it shows
    others: list[tuple[str, str, int]] = []  # laptop, order, when written
    for event in journal.select("called", "changed", "imported", "saved", "booked"):
        if event.kind == "called":
            rows: Any = event.detail["calls"]
            calls[int(str(event.detail["number"]))] = {number for number, _, _ in rows}
        elif event.kind == "changed" and event.subject == f"contract {CONTRACT}":
            number_of[int(str(event.detail["version"]))] = int(str(event.detail["number"]))
        elif event.kind == "imported" and event.detail.get("guid") == f"contract {CONTRACT}":
            seen[event.actor] = number_of[int(str(event.detail["version"]))]
        elif event.kind == "booked":
            if "by" in event.detail and event.subject in orders:
                others.append(("erp", event.subject, event.time_ns))
        elif event.kind == "saved" and event.number in call_offs:
            known = calls[seen[event.actor]]
            missed = [
                (name, event.time_ns - since_ns)
                for laptop, name, since_ns in others
                if laptop != event.actor and orders[name].number not in known
            ]
            pieces = sum(_pieces(orders[name]) for name, _ in missed)
            yield pieces, max((age_ns for _, age_ns in missed), default=0)
            if _is_drawn(orders[event.subject]):
                others.append((event.actor, event.subject, event.time_ns))


@scenario(Settings, checks=ALL_CHECKS, metrics=overcall_metrics)
async def contract_overcall(land: Landscape, settings: Settings) -> None:
    land.replicate(FIELD_SALES)
    land.add_crm(clerk=ClerkHabits(releases=False) if settings.clerk else None)
    land.add_erp(wan())
    land.add_station("station", wan())
    laptops = [f"laptop-{rep}" for rep in range(1, settings.reps + 1)]
    for rep, laptop in enumerate(laptops, 1):
        land.add_laptop(
            laptop,
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits.spread_evenly(settings.calls),
            diary=diary(land, settings, rep),
        )
    land.add_subscription("the team", "territory", laptops, rep="team")
    land.add_record("territory", "T", rep="team")
    land.add_record("customer", "C1", parent="T", name="tea house")
    land.add_contract_in_erp(
        CONTRACT, customer="C1", target={"tea": settings.target}, valid_to=DAYS
    )
    land.check()
    land.load("contract")
    plan_calls_in_erp(land, settings)
    if settings.crashes:
        land.at(days(2) + hours(18.1), land.crash, "erp", down=minutes(30))
        land.at(days(3) + hours(18.1), land.crash, "crm", down=minutes(20))
    await land.run_until(days(DAYS))
    await land.settle()


def plan_calls_in_erp(land: Landscape, settings: Settings) -> None:
    """Let people at the ERP call off the contract too, from Tuesday on."""
    luck = land.simulation.luck.stream("calls in the ERP")
    for day in range(1, DAYS):
        for number in range(settings.calls_in_erp):
            due_ns = days(day) + hours(9) + luck.below(hours(8), day, number)
            pieces = 1 + luck.below(LARGEST, day, settings.calls_in_erp + number)
            order = sale(f"erp {day}-{number}", 1, "tea", pieces, CONTRACT)
            land.at(due_ns, land.create_order_in_erp, order)


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return what a rep writes from Tuesday on: call-offs, and orders that draw on nothing."""
    luck = land.simulation.luck.stream("orders", f"rep {rep}")
    entries = []
    for day in range(1, DAYS):
        for place in range(settings.orders):
            number = (day - 1) * settings.orders + place
            due_ns = days(day) + hours(8.5) + luck.below(hours(9), number, 0)
            pieces = 1 + luck.below(LARGEST, number, 1)
            if luck.happens(settings.on_contract, number, 2):
                order = sale(f"call {rep}-{number}", rep, "tea", pieces, CONTRACT)
                entries.append(DiaryEntry(due_ns, CallOff(order)))
            else:
                order = sale(f"order {rep}-{number}", rep, "cups", pieces, "")
                entries.append(DiaryEntry(due_ns, order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))


def sale(reference: str, rep: int, product: str, pieces: int, contract: str) -> SalesOrder:
    """Return an order of one product."""
    items = (OrderItem(product, pieces, Decimal(4)),)
    return SalesOrder("", reference, f"{rep}", "C1", items, contract=contract)
