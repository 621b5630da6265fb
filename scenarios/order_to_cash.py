"""An order is written on a laptop. What happens to it until the money is in the books?

A rep writes an order; the ERP books it, and the warehouse delivers it, perhaps in two parts,
perhaps only when there is enough. What has left is billed, and the bill goes into the books. After
each of these steps the ERP tells CRM, and CRM tells the laptop: so the rep sees what the customer
will ask about. If the ERP lacks data for an order, it refuses it; a clerk has the data mended, and
sends the order again.

Hypothesis: every piece is ordered, delivered, issued and billed exactly once, whatever line breaks
and whatever system crashes meanwhile; and the rep knows it after the next call. If systems do not
remember what they have had (`dedup=off`), what is repeated is done twice: customers get their goods
and their bills twice. The same memory makes it harmless that somebody is impatient and begins anew
what is just being done.

Runs in: 2 s.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.logistics import Billing, Logistics, Stock
from crmsim.applications.pricing import exact_sum
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.wire import Guarantees
from crmsim.units import Duration, Share, days, hours, minutes, to_seconds

PRODUCTS = ("tea", "coffee", "cocoa", "sugar")


@frozen
class Settings:
    """What can be changed about the story."""

    reps: int = setting(4, "reps who write orders", low=1, high=500)
    orders: int = setting(10, "orders of each rep", low=1, high=1_000)
    partial: Share = setting(Share(0.3), "share of the orders that leave in two deliveries")
    pieces: int = setting(60, "pieces of each product in the warehouse at the beginning", low=0)
    refill: int = setting(100, "pieces that come when some are missing", low=1)
    billing: Billing = setting(Billing.DELIVERIES, "what is billed")
    picking: Duration = setting(hours(2), "from the delivery to the ramp, and on to the road")
    outage: Duration = setting(hours(4), "how long the ERP is out of reach in the evening")
    crashes: bool = setting(True, "each system crashes once")
    loss: Share = setting(Share(0.0), "share of messages that the lines lose")
    dedup: bool = setting(True, "systems remember what they have had before")
    refuses: Share = setting(
        Share(0.0), "share of what CRM sends that the ERP refuses at first, for lack of data"
    )
    clerk: bool = setting(True, "a clerk sends again what was refused")
    impatience: int = setting(
        0, "how often somebody activates a queue of the ERP in which work is being done", low=0
    )


def cash_metrics(result: Result) -> Mapping[str, object]:
    """Return what became of the orders in the ERP, and what CRM and the laptops know of it.

    `booked_twice`: orders that the ERP has more than once; `issued_too_often`, `billed_too_often`:
    pieces above what was ordered. `begun_anew`: how often somebody had work begun anew that was
    being done; `done_again`: work that took effect in the ERP more than once. `refused`: how often
    the ERP refused an order; `worked_off`: how often a clerk sent one again; `not_booked`: orders
    that never got through. `to_erp_s`: from the save on the laptop until the order is booked;
    `cash_s`: to the last bill of it. `news_s`: from a posting to the moment in which the rep's
    laptop shows it.
    """
    documents: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    billed = []
    for event in result.journal.select("posted"):
        sort, items = str(event.detail["document"]), event.detail["items"]
        assert isinstance(items, tuple)
        documents[sort] += 1
        pieces[sort] += sum(quantity for _, quantity, _ in items)
        if sort == "accounting document":
            billed += [Decimal(value) for _, _, value in items]
    rows = list(result.simulation.store("erp").table("orders").values())
    cash_s, news_s = _times(result)
    return {
        "orders": len(rows),
        "pieces_ordered": sum(item.quantity for row in rows for item in row.order.items),
        "documents": dict(documents),
        "pieces": dict(pieces),
        "value_ordered": str(exact_sum(row.net_value for row in rows)),
        "value_in_the_books": str(exact_sum(billed)),
        "in_two_parts": _in_parts(result),
        **_too_many(result),
        **_refusals(result),
        "cash_s_p50": quantile(cash_s, 0.5),
        "cash_s_max": max(cash_s, default=None),
        "news_s_p50": quantile(news_s, 0.5),
        "news_s_max": max(news_s, default=None),
    }


def _too_many(result: Result) -> dict[str, object]:
    """Return what happened to an order more often than once."""
    journal = result.journal
    ordered: dict[str, int] = {}
    rows: Counter[str] = Counter()
    for row in result.simulation.store("erp").table("orders").values():
        rows[row.order.guid] += 1
        ordered[row.order.guid] = sum(item.quantity for item in row.order.items)
    done: dict[str, Counter[str]] = {"goods issue": Counter(), "billing document": Counter()}
    for event in journal.select("posted"):
        items = event.detail["items"]
        assert isinstance(items, tuple)
        pieces = done.get(str(event.detail["document"]), Counter())
        pieces[str(event.detail["guid"])] += sum(quantity for _, quantity, _ in items)
    above = {
        sort: sum(max(count - ordered[guid], 0) for guid, count in pieces.items())
        for sort, pieces in done.items()
    }
    effects = Counter(event.subject for event in journal.select("effected", actor="erp"))
    helped = journal.select("administered", actor="erp")
    return {
        "booked_twice": sum(count > 1 for count in rows.values()),
        "issued_too_often": above["goods issue"],
        "billed_too_often": above["billing document"],
        "begun_anew": sum(event.detail["action"] == "activate" for event in helped),
        "done_again": sum(count > 1 for count in effects.values()),
    }


def _refusals(result: Result) -> dict[str, object]:
    """Return what the ERP refused, and what became of it."""
    journal = result.journal
    saved: dict[str, int] = {}
    booked: dict[str, int] = {}
    for event in journal.select("saved", "booked"):
        first = saved if event.kind == "saved" else booked
        first.setdefault(event.subject, event.time_ns)
    to_erp_s = [to_seconds(booked[one] - saved[one]) for one in booked if one in saved]
    return {
        "refused": sum(e.detail["status"] == "ERROR" for e in journal.select("distributed")),
        "worked_off": sum(e.detail.get("by") == "clerk" for e in journal.select("committed")),
        "not_booked": len([one for one in saved if one not in booked]),
        "to_erp_s_p50": quantile(to_erp_s, 0.5),
        "to_erp_s_p95": quantile(to_erp_s, 0.95),
    }


def _in_parts(result: Result) -> int:
    """Count the orders that had more than one delivery."""
    deliveries: Counter[str] = Counter()
    for event in result.journal.select("posted"):
        deliveries[event.subject] += event.detail["document"] == "delivery"
    return sum(count > 1 for count in deliveries.values())


def _times(result: Result) -> tuple[list[float], list[float]]:
    written: dict[str, int] = {}
    last_bill: dict[str, int] = {}
    waiting: dict[str, list[int]] = {}
    news_s: list[float] = []
    for event in result.journal.select("saved", "posted", "imported"):
        guid = str(event.detail.get("guid", ""))
        if event.kind == "saved":
            written.setdefault(guid, event.time_ns)
        elif event.kind == "posted":
            waiting.setdefault(guid, []).append(event.time_ns)
            if event.detail["document"] == "accounting document":
                last_bill[guid] = event.time_ns
        elif event.detail["what"] != "confirmation":
            news_s += [to_seconds(event.time_ns - since) for since in waiting.pop(guid, [])]
    cash_s = [to_seconds(last_bill[guid] - written[guid]) for guid in last_bill if guid in written]
    return cash_s, news_s


@scenario(Settings, checks=ALL_CHECKS, metrics=cash_metrics)
async def order_to_cash(land: Landscape, settings: Settings) -> None:
    logistics = Logistics(
        lead=days(1),
        picking=settings.picking,
        partial=settings.partial,
        billing=settings.billing,
        stock=Stock(settings.pieces, settings.refill),
    )
    land.guarantees = Guarantees(dedup=settings.dedup)
    works = settings.clerk and settings.refuses
    land.add_crm(clerk=ClerkHabits(releases=False, working_days=7) if works else None)
    land.add_erp(wan(loss=settings.loss), logistics=logistics, refuses=settings.refuses)
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True, loss=settings.loss),
            rep=f"{rep}",
            station="station",
            habits=Habits(working_days=7),
            diary=diary(land, settings, rep),
        )
    land.check()
    if settings.outage:
        land.at("1d 17:00", Outage("erp", under_way="drop"), for_=settings.outage)
    if settings.crashes:
        for hour, site in enumerate(("erp", "crm", "station", "laptop-1"), 10):
            land.at(days(1) + hours(hour), land.crash, site, down=minutes(20))
    for number in range(settings.impatience):
        looks = Duration(hours(2) // settings.impatience)
        land.at(hours(17) + looks * number, land.start_anew, "erp", within=looks)
    await land.run(days(5))
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return what a rep writes: orders of one to three products, over two days."""
    luck = land.simulation.luck.stream("orders", f"rep {rep}")
    entries = []
    for number in range(settings.orders):
        items = tuple(
            OrderItem(PRODUCTS[(number + place) % 4], 1 + luck.below(9, number, place), Decimal(5))
            for place in range(1 + luck.below(3, number, 10))
        )
        order = SalesOrder("", f"{rep}-{number}", f"{rep}", f"C{rep}", items)
        day = days(luck.below(2, number, 11))
        entries.append(DiaryEntry(day + hours(9) + luck.below(hours(8), number, 12), order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
