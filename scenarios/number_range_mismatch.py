"""CRM and the ERP both number orders. What if somebody has set up ranges that do not fit together?

An order is to have the same number in both systems: customers quote it on the telephone, papers
bear it. For that, the numbers that CRM gives must lie in a range that the ERP takes from outside,
and apart from those that the ERP gives itself. Nobody checks that when the systems are set up.

Three things can go wrong. The ERP refuses CRM's numbers; then no order gets through until somebody
has mended the range, and has saved every order once more. Or the ERP gives numbers of its own; then
everything runs, under two names. Or both give the same numbers; then two orders share one, and one
of the two systems never takes the other's.

Hypothesis: the mistake that stops everything is the cheap one. The others are found only by those
who compare.

Runs in: 3 s.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.exchange import Numbers, SalesExchange
from crmsim.applications.logistics import Logistics
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import from_to, lasted_s
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.units import Duration, days, hours, minutes


@frozen
class Settings:
    """What can be changed about the story."""

    numbers: Numbers = setting(Numbers.OUTSIDE, "how the two ranges of numbers go together")
    reps: int = setting(5, "reps who write orders", low=1, high=200)
    orders: int = setting(8, "orders of each rep, over two days", low=1, high=100)
    erp_orders: int = setting(20, "orders that are written in the ERP", low=0, high=1_000)
    outage: Duration = setting(hours(1), "how long the line to the ERP is cut on the first day")
    mended: Duration = setting(days(2), "when the range is mended, and all is saved once more")


def number_metrics(result: Result) -> Mapping[str, object]:
    """Return what became of the orders and their numbers.

    `refused`: orders that the ERP refused for their number. `to_erp_s`: from the save on the laptop
    until the order is booked. `two_numbers`: orders that are called by different numbers in CRM and
    in the ERP. `shared_numbers`: numbers that are those of two orders. `not_in_crm`, `not_in_erp`:
    orders that one system has and the other one does not, in the end.
    """
    crm, erp = (result.simulation.store(name).table("orders") for name in ("crm", "erp"))
    in_crm = {one.document.order.guid: one.document.number for one in crm.values()}
    in_erp = {one.order.guid: one.number for one in erp.values()}
    named = dict.fromkeys((*in_crm.items(), *in_erp.items()))
    orders_of = Counter(number for _, number in named)
    waits_s = lasted_s(from_to(result.journal, "saved", "booked"))
    two = [guid for guid, number in in_crm.items() if in_erp.get(guid, number) != number]
    return {
        "orders_in_crm": len(crm),
        "orders_in_erp": len(erp),
        "refused": sum("reason" in e.detail for e in result.journal.select("distributed")),
        "to_erp_s_p50": quantile(waits_s, 0.5),
        "to_erp_s_max": max(waits_s, default=None),
        "two_numbers": len(two),
        "shared_numbers": sum(count > 1 for count in orders_of.values()),
        "not_in_crm": len([guid for guid in in_erp if guid not in in_crm]),
        "not_in_erp": len([guid for guid in in_crm if guid not in in_erp]),
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=number_metrics)
async def number_range_mismatch(land: Landscape, settings: Settings) -> None:
    land.exchange(SalesExchange(numbers=settings.numbers))
    land.add_crm()
    land.add_erp(wan(), logistics=Logistics(lead=days(1)))
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits(working_days=7),
            diary=tuple(orders(settings, rep)),
        )
    land.check()
    if settings.outage:
        land.at("0d 18:00", Outage("erp", under_way="drop"), for_=settings.outage)
    for number in range(settings.erp_orders):
        order = SalesOrder("", f"erp-{number}", "1", "C1", items(number))
        land.at(hours(9) + number * minutes(40), land.create_order_in_erp, order)
    land.at(settings.mended, land.set_numbers_in_erp, Numbers.MATCH)
    await land.run(Duration(settings.mended + hours(1)))
    save_refused_ones_again(land)
    await land.run(days(1))
    await land.settle()


def save_refused_ones_again(land: Landscape) -> None:
    """Let the office save once more what the ERP has refused: it goes there then as it is."""
    for record in land.simulation.store("crm").table("orders").values():
        if record.distribution.name == "ERROR":
            land.change_order(OrderEdit(record.document.order.reference))


def orders(settings: Settings, rep: int) -> Iterator[DiaryEntry]:
    """Yield what a rep writes."""
    for number in range(settings.orders):
        day = days(number % 2)
        moment = day + hours(8) + minutes(30) * number + minutes(rep)
        yield DiaryEntry(moment, SalesOrder("", f"{rep}-{number}", f"{rep}", "C1", items(number)))


def items(number: int) -> tuple[OrderItem, ...]:
    """Return what is ordered."""
    return (OrderItem("tea", 1 + number % 7, Decimal(5)),)
