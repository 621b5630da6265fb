"""The ERP books an order, but CRM never learns of it. What becomes of the order?

CRM calls an order "being distributed" from the save until the ERP has answered. Meanwhile nobody
can change it. If the program fails that reads the answers, and whoever looks after the list of
failures ticks them off unread, the status stays for ever: the goods leave the warehouse, while CRM
still says that the order is on its way. A report finds such orders: it asks the ERP what it has,
and sets the status right. Run every evening, it ends the wait within a day.

Somebody who cannot wait sends orders to the ERP a second time: he begins anew what is being done
there. Where systems remember what they have had, nothing is booked twice.

Hypothesis: without the report orders are stuck until the end; with it for a day at most; and it
makes nothing twice.

Runs in: 3 s.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.logistics import Logistics
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Exponential
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import locks, went_on_s
from crmsim.middleware.flow import Breakage, Context
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.people import Worklist
from crmsim.units import Share, days, hours, minutes


@frozen
class Settings:
    """What can be changed about the story."""

    report: bool = setting(True, "the report that finds stuck orders runs every evening")
    fails: Share = setting(Share(0.3), "share of the ERP's news on which CRM's program fails")
    worklist: Worklist = setting(Worklist.TICK_OFF, "how the list of what failed is worked off")
    reps: int = setting(5, "reps who write orders", low=1, high=200)
    orders: int = setting(12, "orders of each rep, over three days", low=1, high=200)
    edits: Share = setting(Share(0.5), "share of the orders that the office changes the next day")
    impatience: int = setting(
        6, "how often somebody begins anew what is just being done in the ERP", low=0, high=100
    )
    dedup: bool = setting(True, "systems remember what they have had before")


def lost_metrics(result: Result) -> Mapping[str, object]:
    """Return how long orders were stuck, and what was done twice.

    `stuck`: orders that are "being distributed" in the end although the ERP has them. `lock_s`: how
    long orders had that status. `set_right`: orders whose status a report has set. `put_off`: tries
    to change an order that failed for it. `booked_twice`: orders that the ERP has more than once.
    """
    journal = result.journal
    crm = result.simulation.store("crm").table("orders").values()
    booked = [row.order.guid for row in result.simulation.store("erp").table("orders").values()]
    stuck = [one for one in crm if one.distribution.name == "TO_BE"]
    lock_s = went_on_s(locks(journal), result.simulation.now_ns)
    return {
        "orders_in_crm": len(crm),
        "orders_in_erp": len(dict.fromkeys(booked)),
        "news_failed": sum(
            "E04" in states_of(event.detail["states"]) for event in journal.select("flowed")
        ),
        "stuck": sum(one.document.order.guid in booked for one in stuck),
        "lock_s_p50": quantile(lock_s, 0.5),
        "lock_s_p95": quantile(lock_s, 0.95),
        "lock_s_max": max(lock_s, default=None),
        "set_right": sum("report" in event.detail for event in journal.select("distributed")),
        "put_off": sum("try again" in str(e.detail["reason"]) for e in journal.select("forbidden")),
        "booked_twice": len(booked) - len(dict.fromkeys(booked)),
    }


def states_of(states: object) -> tuple[object, ...]:
    """Return the states that a BDoc went through."""
    assert isinstance(states, tuple)
    return states


@scenario(Settings, checks=ALL_CHECKS, metrics=lost_metrics)
async def lost_answers(land: Landscape, settings: Settings) -> None:
    land.guarantees = Guarantees(dedup=settings.dedup)
    land.add_crm(
        breakages=(Breakage(Context.MI0, hours(1), days(4), settings.fails),),
        operator_s=Exponential(3_600.0),
        worklist=settings.worklist,
    )
    land.add_erp(wan(), logistics=Logistics(lead=days(2)))
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
    plan_edits(land, settings)
    luck = land.simulation.luck.stream("impatience")
    for number in range(settings.impatience):
        moment = days(luck.below(3, number)) + hours(18)
        land.at(moment, land.start_anew, "erp", within=hours(1))
    for day in range(6 if settings.report else 0):
        land.at(days(day) + hours(21), land.check_distribution)
    await land.run(days(7))
    await land.settle()


def plan_edits(land: Landscape, settings: Settings) -> None:
    """Let the office change some orders on the day after they were written."""
    luck = land.simulation.luck
    who, when = luck.stream("who is changed"), luck.stream("when it is changed")
    for rep in range(1, settings.reps + 1):
        for number in range(settings.orders):
            if who.uniform(rep, number) < settings.edits:
                minute = when.below(480, rep, number)
                moment = days(number % 3 + 1) + hours(9) + minutes(minute)
                edit = OrderEdit(f"{rep}-{number}", header=(("text", "ring twice"),))
                land.at(moment, land.change_order, edit)


def orders(settings: Settings, rep: int) -> Iterator[DiaryEntry]:
    """Yield what a rep writes, day by day."""
    for day in range(3):
        for number in range(day, settings.orders, 3):
            moment = days(day) + hours(9) + number * minutes(20) + minutes(rep)
            items = (OrderItem("tea", 1 + number % 7, Decimal(5)),)
            yield DiaryEntry(moment, SalesOrder("", f"{rep}-{number}", f"{rep}", f"C{rep}", items))
