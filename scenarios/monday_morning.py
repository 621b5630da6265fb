"""Monday, 8:00: most reps call within half an hour, after a weekend. Does everybody get through?

A station can serve only so many laptops at the same time. At the weekend the office publishes new
prices and changes customers, and the reps write some orders at home. So on Monday morning everybody
has something to send and a lot to fetch, and a call lasts longer than usual. Who finds all
connections in use tries the next station, waits a little, and calls again; after a while the
session is given up, and the rep has to wait for the evening.

Each rep has a station that he calls first; the reps are shared out equally. If that station is out
of order, its reps go to the others, which have to serve them too.

Hypothesis: with few connections many calls are turned away, and reps wait for minutes; one more
connection at each station, or calls that are spread over more than half an hour, make waits a small
part of that. When a station is out of order, nothing is lost, but everybody waits longer.

Runs in: 4 s.
"""

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import order_metrics, station_metrics
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import modem, wan
from crmsim.units import Duration, Share, days, hours, minutes

FRIDAY = 4
"""Day 0 of the story; days 1 and 2 are the weekend."""
MONDAY: Duration = Duration(days(3) + hours(8))
"""When the first reps call."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    reps: int = setting(60, "reps", low=1, high=2_000)
    stations: int = setting(2, "stations", low=1, high=50)
    connections: int = setting(1, "laptops that a station serves at the same time", low=1, high=500)
    spread: int = setting(30, "minutes over which the calls of Monday are spread", low=1, high=360)
    share: Share = setting(Share(0.8), "share of the reps who call then; the others at three")
    outage: bool = setting(False, "the first station is out of order for the first half hour")
    prices: int = setting(6_000, "prices that are published at the weekend", low=0, high=100_000)
    customers: int = setting(3, "customers of each rep that change at the weekend", low=1, high=500)
    orders: int = setting(2, "orders that each rep writes at the weekend", low=0, high=100)


def monday_metrics(result: Result) -> Mapping[str, object]:
    """Return how the calls of Monday morning went, and when the orders were booked."""
    wanted = ("orders_written", "orders_booked", "sync_lag_s_p95")
    orders = order_metrics(result)
    calls = station_metrics(result, MONDAY, days(3) + hours(14))
    return {**calls, **{name: orders[name] for name in wanted}}


@scenario(Settings, checks=ALL_CHECKS, metrics=monday_metrics)
async def monday_morning(land: Landscape, settings: Settings) -> None:
    if settings.outage and settings.stations == 1:
        raise BadValue("outage needs another station to go to; set stations to 2 or more")
    land.replicate(FIELD_SALES)
    land.add_crm()
    land.add_erp(wan())
    stations = [f"station-{number}" for number in range(1, settings.stations + 1)]
    for name in stations:
        land.add_station(name, wan(), connections=settings.connections)
    reps = range(1, settings.reps + 1)
    for rep in reps:
        first = rep % len(stations)
        land.add_laptop(
            f"laptop-{rep}",
            modem(),
            rep=f"{rep}",
            diary=diary(land, settings, rep),
            habits=habits(settings, rep),
            station=(*stations[first:], *stations[:first]),
        )
        land.add_subscription(f"rep {rep}", "territory", (f"laptop-{rep}",), rep=f"{rep}")
    land.add_subscription("prices", "prices", [f"laptop-{rep}" for rep in reps])
    for rep in reps:
        land.add_record("territory", f"T{rep}", rep=f"{rep}")
        for number in range(1, settings.customers + 1):
            land.add_record("customer", f"C{rep}-{number}", parent=f"T{rep}", status="new")
    land.check()
    tell_the_weekend(land, settings)
    if settings.outage:
        land.at(MONDAY, Outage("station-1", under_way="drop"), for_=minutes(30))
    await land.run_until(days(5))
    await land.settle()


def tell_the_weekend(land: Landscape, settings: Settings) -> None:
    """Let the office work on Saturday and Sunday."""
    if settings.prices:
        prices = {f"price {number}": "12.50" for number in range(settings.prices)}
        land.at(days(1) + hours(10), land.publish_in_erp, "prices", prices)
    for rep in range(1, settings.reps + 1):
        for number in range(1, settings.customers + 1):
            key = f"C{rep}-{number}"
            land.at(days(2) + hours(10), land.change, "customer", key, status="visit him")


def habits(settings: Settings, rep: int) -> Habits:
    """Return when a rep calls: in the morning or at three, and again in the evening."""
    half = Duration(minutes(settings.spread) // 2)
    morning = Duration(hours(8) + half), half
    if rep > round(settings.reps * settings.share):
        morning = hours(15), minutes(60)
    return Habits(first_weekday=FRIDAY, times=(morning, (hours(19), minutes(60))))


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return the orders that a rep writes on Sunday."""
    luck = land.simulation.luck.stream("weekend", f"rep {rep}")
    entries = []
    for number in range(settings.orders):
        due_ns = days(2) + hours(14) + luck.below(hours(8), number, 0)
        item = OrderItem("sample box", 1 + luck.below(9, number, 1), Decimal(20))
        customer = f"C{rep}-{1 + luck.below(settings.customers, number, 2)}"
        order = SalesOrder("", f"{rep}-{number}", f"{rep}", customer, (item,))
        entries.append(DiaryEntry(due_ns, order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
