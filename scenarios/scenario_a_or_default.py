"""CRM and the ERP both have an order. Who may change it, and what does that cost?

An order is written on a laptop and booked in the ERP. Then the customer calls: somebody in CRM
changes the order, or somebody at the ERP does, or both within the hour. Three agreements are
possible. Each system changes only its own orders ("each its own"; what the ERP does to one of CRM's
is lost with CRM's next change). Either changes it, and tells the other ("either"). Or an order
belongs to the ERP from its first change there ("the ERP once it has").

Before somebody in CRM changes what the ERP has, CRM locks it there. Without these locks nobody
waits, but changes cross on the way, and one of the two is lost.

Offers go to the other system too, once they are final. A customer who accepts an offer of CRM gets
his order in the ERP; one who accepts an offer of the ERP may get it in CRM.

Hypothesis: with locks, and if either may change everything, nothing that anybody saved is lost; the
price are edits that are put off, above all while the ERP cannot be reached.

Runs in: 4 s.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.exchange import SalesExchange, SalesScenario
from crmsim.applications.logistics import Logistics
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import Wait, between, lasted_s, locks
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.trace.journal import Journal
from crmsim.units import Duration, Share, days, hours, minutes


@frozen
class Settings:
    """What can be changed about the story."""

    scenario: SalesScenario = setting(SalesScenario.DEFAULT, "who may change what both have")
    locks: bool = setting(True, "CRM locks in the ERP what it changes")
    reps: int = setting(6, "reps who write orders", low=1, high=200)
    orders: int = setting(10, "orders of each rep, over three days", low=1, high=200)
    both: Share = setting(
        Share(0.4), "share of the orders that both sides change within the hour", low=0, high=1
    )
    lasts: Duration = setting(minutes(10), "how long somebody has an order open")
    offers: int = setting(2, "offers of each system that a customer accepts", low=0, high=100)
    outage: Duration = setting(hours(2), "how long the ERP is out of reach on the third day")


def exchange_metrics(result: Result) -> Mapping[str, object]:
    """Return what became of the changes of both sides.

    `lost_updates`: changes of which something was lost without anybody having decided so; that of
    which side, and how many fields. `put_off`: attempts at an order that was not to be had just
    then, and why; `edit_wait_s`: from the first attempt in CRM until it was saved. `refused`:
    changes that never came to be. `locked_s`: how long orders were on their way to the ERP, so that
    nobody could change them.
    """
    journal = result.journal
    booked = list(result.simulation.store("erp").table("orders").values())
    in_erp = [event for event in journal.select("booked") if "by" in event.detail]
    first = {event.subject: event for event in reversed(list(journal.select("booked")))}
    born_there = {name for name, event in first.items() if "by" in event.detail}
    lost = list(journal.select("overwritten"))
    reasons = Counter(
        (event.actor, str(event.detail["reason"])) for event in journal.select("forbidden")
    )
    put_off = {key: n for key, n in reasons.items() if "try again" in key[1]}
    waits_s, locked_s = lasted_s(_waits(journal)), lasted_s(locks(journal))
    return {
        "orders": sum(row.order.kind is SalesKind.ORDER for row in booked),
        "offers_accepted": sum(bool(row.order.preceding) for row in booked),
        "changed_in_crm": sum(
            event.detail.get("by") == "office" and event.detail["version"] != 1
            for event in journal.select("committed")
        ),
        "changed_in_erp": len(in_erp) - len(born_there),
        "lost_updates": len(lost),
        "lost_updates_of": dict(Counter(str(event.detail["of"]) for event in lost)),
        "lost_fields": sum(len(_fields(event.detail["fields"])) for event in lost),
        "put_off": sum(put_off.values()),
        "put_off_because": {why.partition(";")[0]: n for (_, why), n in sorted(put_off.items())},
        "refused": sum(reasons.values()) - sum(put_off.values()),
        "edit_wait_s_p50": quantile(waits_s, 0.5),
        "edit_wait_s_max": max(waits_s, default=None),
        "locked_s_p50": quantile(locked_s, 0.5),
        "locked_s_max": max(locked_s, default=None),
        "only_in_the_erp": sum(row.is_changed_here for row in booked),
        "became_the_erps": sum(
            record.document.owner.name == "ERP"
            and record.document.order.reference not in born_there
            for record in result.simulation.store("crm").table("orders").values()
        ),
    }


def _fields(found: object) -> tuple[object, ...]:
    assert isinstance(found, tuple)
    return found


def _waits(journal: Journal) -> list[Wait]:
    """Return the waits of people in CRM for orders that were not to be had at first."""
    return between(
        journal,
        ("forbidden", "committed"),
        lambda event: event.subject if (event.kind, event.actor) == ("forbidden", "crm") else None,
        lambda event: event.subject if event.detail.get("by") == "office" else None,
    )


@scenario(Settings, checks=ALL_CHECKS, metrics=exchange_metrics)
async def scenario_a_or_default(land: Landscape, settings: Settings) -> None:
    land.exchange(SalesExchange(settings.scenario, quotations=True, locks=settings.locks))
    land.add_crm()
    land.add_erp(wan(), logistics=Logistics(lead=days(4)))
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits(working_days=7),
            diary=tuple(orders(land, settings, rep)),
        )
    land.check()
    for rep in range(1, settings.reps + 1):
        for number in range(settings.orders):
            plan_changes(land, settings, f"{rep}-{number}", number)
    for number in range(settings.offers):
        plan_offers(land, number)
    if settings.outage:
        land.at("2d 10:00", Outage("erp", under_way="drop"), for_=settings.outage)
    await land.run(days(6))
    await land.settle()


def orders(land: Landscape, settings: Settings, rep: int) -> Iterator[DiaryEntry]:
    """Yield what a rep writes on the first day."""
    luck = land.simulation.luck.stream("orders", f"rep {rep}")
    for number in range(settings.orders):
        items = tuple(
            OrderItem(product, 2 + luck.below(8, number, place), Decimal(5))
            for place, product in enumerate(("tea", "coffee"))
        )
        moment = hours(8) + number * minutes(20)
        yield DiaryEntry(moment, SalesOrder("", f"{rep}-{number}", f"{rep}", f"C{rep}", items))


def plan_changes(land: Landscape, settings: Settings, reference: str, number: int) -> None:
    """Let somebody in CRM change an order on the second or third day, and perhaps the ERP too."""
    luck = land.simulation.luck.stream("changes", reference)
    day = 1 + luck.below(2, number)
    moment = days(day) + hours(9) + luck.below(hours(6), number, 1)
    edit = change_of(reference, luck.below(3, number, 2), "CRM", 20 + luck.below(9, number, 3))
    land.at(moment, land.change_order, edit, lasts=settings.lasts)
    if luck.uniform(number, 4) < settings.both:
        later = moment - minutes(30) + luck.below(hours(1), number, 5)
        edit = change_of(reference, luck.below(3, number, 6), "ERP", 30 + luck.below(9, number, 7))
        land.at(later, land.change_order_in_erp, edit, lasts=settings.lasts)


def plan_offers(land: Landscape, number: int) -> None:
    """Let each system make an offer, and the other one the order that follows it."""
    item = (OrderItem("tea", 10 + number, Decimal(5)),)
    for system, offer, accept in (
        ("CRM", land.create_order, land.create_order_in_erp),
        ("ERP", land.create_order_in_erp, land.create_order),
    ):
        name, customer = f"offer of {system} {number}", f"C{number + 1}"
        made = SalesOrder("", name, "1", customer, item, kind=SalesKind.QUOTATION, is_released=True)
        land.at(hours(9) + minutes(10) * number, offer, made)
        order = SalesOrder("", f"follows {name}", "1", customer, item, preceding=name)
        land.at(days(1) + hours(9) + minutes(10) * number, accept, order)


def change_of(reference: str, what: int, who: str, pieces: int) -> OrderEdit:
    """Return a change: of the pieces of one of the two items, or of what is noted on the order."""
    if what == 2:
        return OrderEdit(reference, header=(("text", f"{who} was called"),))
    return OrderEdit(reference, items=((what + 1, (("quantity", pieces),)),))
