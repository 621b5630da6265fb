"""Nobody can say whether there is enough: are orders taken over, cancelled, or kept waiting?

Reps write orders offline, while a shop sells the same stock online. Whether there is enough for a
rep's order is found out only after the evening call: CRM asks the planning system (APO) about each
order, and what is not there is confirmed for a later day, or not at all. One evening, until the
next morning, the APO is out of reach. Then CRM either takes the orders over as they are, or cancels
them, or keeps them until the APO is back. The warehouse serves who comes first; it keeps nothing
back for those to whom the APO has promised something.

Everybody tells the customer that the goods leave on the next day. Without an outage this answers
how often that has to be taken back because the stock was sold out by then.

Hypothesis: the smaller the stock, the more dates change, and the reps' more often than the shop's.
While the APO is away, taking orders over loses none of them, but then goods come later than
planned, also goods that were confirmed; cancelling loses all orders of the outage and keeps its
word to the others; waiting loses none, but everything is as late as the outage is long.

Runs in: 2 s.
"""

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.logistics import Logistics, Stock
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import from_to, lasted_s
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.online.atp import OnApoDown
from crmsim.systems.setup import Policies
from crmsim.units import Duration, days, hours

PRODUCTS = ("tea", "coffee", "cocoa", "sugar")
WRITTEN_ON = 3
"""Days on which orders are written."""
SHOP = "shop"


@frozen
class Settings:
    """What can be changed about the story."""

    policy: OnApoDown = setting(
        OnApoDown.WAIT, "what becomes of an order when nobody can check whether there is enough"
    )
    outage: Duration = setting(hours(16), "how long the APO is out of reach, from 17:00 on day 1")
    pieces: int = setting(100, "pieces of each product at the beginning", low=0)
    refill: int = setting(80, "pieces that come when some are missing", low=1)
    refill_after: Duration = setting(
        days(2), "how long after the lack was noticed they come", low=1
    )
    reps: int = setting(6, "reps who write orders offline", low=1, high=500)
    orders: int = setting(8, "orders of each rep", low=1, high=1_000)
    shop_orders: int = setting(24, "orders in the shop", low=0, high=10_000)


def apo_metrics(result: Result) -> Mapping[str, object]:
    """Return what became of the orders, and of what customers were told.

    `unconfirmed_pieces`: what the first answer about an order left open. `dates_changed`: orders of
    which something is confirmed only for a day after the one that the customer was told (the day
    after it was written), or not at all; once for the reps, once for the shop.
    `late_against_promise`: orders whose last goods left after the day that the customer was told.
    `late_against_plan`: after the planned day, which is that of the usual lead or, if it is later,
    the confirmed one; `confirmed_and_late`: those of them of which all was confirmed.
    `unchecked_s`: from the save in CRM to the end of the check.
    """
    told = _told(result)
    first: dict[str, tuple[tuple[str, int, int], ...]] = {}
    """Order -> (line, pieces, day) of what was confirmed at first."""
    outcomes = {"accepted without a check": 0, "cancelled": 0}
    wanted = _wanted(result)
    for event in result.journal.select("checked"):
        outcome = str(event.detail["outcome"])
        if outcome in outcomes:
            outcomes[outcome] += 1
        elif event.subject not in first:
            lines = event.detail["lines"]
            assert isinstance(lines, tuple)
            first[event.subject] = lines
    missing = {
        name: wanted[name] - sum(pieces for _, pieces, _ in lines) for name, lines in first.items()
    }
    changed = [
        name
        for name, lines in first.items()
        if missing[name] or max(day for _, _, day in lines) > told[name]
    ]
    shipped = [
        (event.subject, int(str(event.detail["day"])), int(str(event.detail["planned"])))
        for event in result.journal.select("shipped")
    ]
    late = [name for name, day, planned in shipped if day > planned]
    waits_s = lasted_s(from_to(result.journal, "committed", "checked"))
    return {
        "orders_written": len(told),
        "orders_lost": outcomes["cancelled"],
        "orders_accepted_unchecked": outcomes["accepted without a check"],
        "orders_shipped": len(shipped),
        "pieces_checked": sum(wanted[name] for name in first),
        "unconfirmed_pieces": sum(missing.values()),
        "dates_changed_rep": sum(not name.startswith(SHOP) for name in changed),
        "dates_changed_shop": sum(name.startswith(SHOP) for name in changed),
        "late_against_promise": sum(day > told[name] for name, day, _ in shipped),
        "late_against_plan": len(late),
        "confirmed_and_late": sum(missing.get(name) == 0 for name in late),
        "unchecked_s_p50": quantile(waits_s, 0.5),
        "unchecked_s_max": max(waits_s, default=None),
    }


def _told(result: Result) -> dict[str, int]:
    """Return order -> the day on which it leaves, as its customer was told."""
    told: dict[str, int] = {}
    for event in result.journal.select("saved", "committed"):
        told.setdefault(event.subject, int(event.time_ns // days(1)) + 1)
    return told


def _wanted(result: Result) -> dict[str, int]:
    """Return order -> pieces."""
    rows = result.simulation.store("crm").table("orders").values()
    orders = [row.document.order for row in rows]
    return {order.reference: sum(item.quantity for item in order.items) for order in orders}


@scenario(Settings, checks=ALL_CHECKS, metrics=apo_metrics)
async def apo_outage(land: Landscape, settings: Settings) -> None:
    stock = Stock(settings.pieces, settings.refill, settings.refill_after)
    land.add_crm(policies=Policies(on_apo_down=settings.policy))
    land.add_erp(wan(), logistics=Logistics(lead=hours(18), stock=stock))
    land.add_apo(wan(), stock=stock)
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits(working_days=7),
            diary=diary(land, f"{rep}", settings.orders),
        )
    land.add_channel(SHOP, wan(), diary=diary(land, SHOP, settings.shop_orders))
    land.check()
    if settings.outage:
        land.at("1d 17:00", Outage("apo", under_way="drop"), for_=settings.outage)
    await land.run(days(WRITTEN_ON + 2))
    await land.settle()


def diary(land: Landscape, who: str, count: int) -> tuple[DiaryEntry, ...]:
    """Return what somebody writes: orders of one or two products, from 9:00 to 17:00."""
    luck = land.simulation.luck.stream("orders", f"of {who}")
    entries = []
    for number in range(count):
        first = luck.below(len(PRODUCTS), number, 1)
        items = tuple(
            OrderItem(
                PRODUCTS[(first + place) % len(PRODUCTS)],
                1 + luck.below(12, number, 10 + place),
                Decimal(5),
            )
            for place in range(1 + luck.below(2, number, 2))
        )
        order = SalesOrder("", f"{who}-{number}", who, f"C{who}", items)
        moment = hours(9) + luck.below(hours(8), number, 3)
        day = days(luck.below(WRITTEN_ON, number, 4))
        entries.append(DiaryEntry(Duration(day + moment), order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
