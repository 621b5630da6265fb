"""Two reps, ten orders, one day: what breaks if everything may?

The smallest landscape that has everything: one CRM, one ERP, one station, two laptops. Each rep
writes five orders on a Monday and corrects every second one, before the laptop has called or after.
A price list goes to both laptops. The next day the warehouse ships.

Nothing goes wrong here by itself. It is made to be hunted in: `crmsim hunt scenarios/two_reps.py`
lets lines, sites, clocks, programs and people fail, hundreds of times in different ways, and says
whether anything was lost, doubled or out of order. Because so little happens in it, a run takes
milliseconds, and what is found is easy to read. With `--set newest_stays=off` there is something to
be found: a rule is missing that an ordinary run never needs.

Hypothesis: whatever fails, every order is booked once, as it was last written.

Runs in: less than 1 s.
"""

from decimal import Decimal

from attrs import evolve, frozen

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import order_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import days, hours, minutes


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    reps: int = setting(2, "reps, each with a laptop", low=1, high=500)
    orders: int = setting(5, "orders that each of them writes", low=1, high=1_000)
    prices: int = setting(3, "prices of the list that goes to every laptop", low=0, high=10_000)
    newest_stays: bool = setting(
        True, "what is processed again late never overwrites what is newer"
    )


@scenario(Settings, checks=ALL_CHECKS, metrics=order_metrics)
async def two_reps(land: Landscape, settings: Settings) -> None:
    diaries = {f"{rep + 1}": diary(rep, settings.orders) for rep in range(settings.reps)}
    references = [e.what.reference for entries in diaries.values() for e in entries]
    land.guarantees = evolve(land.guarantees, newest_stays=settings.newest_stays)
    land.add_crm()
    land.add_erp(wan(), ship_days=dict.fromkeys(references, 1))
    land.add_station("station", wan())
    for rep, entries in diaries.items():
        name, line = f"laptop-{rep}", gprs(dial_up=True)
        land.add_laptop(name, line, rep=rep, diary=entries, habits=Habits(), station="station")
    land.check()
    prices = {f"price {number}": "new" for number in range(settings.prices)}
    if prices:
        land.at("0d 12:00", land.publish, "prices", prices)
    await land.run_until(days(2))
    await land.settle()


def diary(rep: int, count: int) -> tuple[DiaryEntry, ...]:
    """Return what a rep writes on the first day; every second order is corrected later."""
    entries = []
    for number in range(count):
        written_ns = hours(9) + (hours(8) * number) // count
        order = draft(rep, number)
        if number % 2:
            entries.append(DiaryEntry(written_ns, order))
            continue
        first = evolve(order, is_provisional=True)
        waits_ns = minutes(20) if number % 4 else hours(18)
        entries.append(DiaryEntry(written_ns, first))
        entries.append(DiaryEntry(written_ns + waits_ns, corrected(order)))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))


def draft(rep: int, number: int) -> SalesOrder:
    """Return an order as it is first written."""
    items = (OrderItem(f"P{number}", 1 + number, Decimal("9.90")),)
    return SalesOrder("", f"{rep + 1}{number + 1:03}", f"{rep + 1}", f"C{number % 3}", items)


def corrected(order: SalesOrder) -> SalesOrder:
    """Return an order with another quantity."""
    [item] = order.items
    return evolve(order, items=(evolve(item, quantity=item.quantity + 10),), version=2)
