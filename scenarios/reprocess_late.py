"""A program was broken for a day; what it failed on is processed late. Does old replace new?

In CRM, what cannot be processed does not block those behind it: it leaves its queue, is put on a
list, and waits for a person. So work goes on, and newer changes of the same order overtake the old
one. When a person at last has the old one processed again, it arrives behind them. Then it must not
put the old state over the newer one.

Here the program breaks that carries orders into the database which the laptops are fed from. Orders
are booked and shipped meanwhile, and each step is a newer state. The list is worked off hours
later. With `newest_stays` what is processed again takes the order as it is by then. Without it, it
takes the order as it was: the laptops go back in time, and nothing tells the reps.

Hypothesis: with the guard no laptop ever goes back; without it some do, and the more the later the
list is worked off. To process only the newest of each order again does not help: what overtook them
is not on the list.

Runs in: 1 s.
"""

import enum

from attrs import frozen

from crmsim.chance import Lognormal
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.queues import BLOCKED_UNTIL_HELPED
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.flow import BROKEN_STATES, Breakage, Context
from crmsim.middleware.status import BDocState
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.people import Worklist
from crmsim.trace.journal import Event
from crmsim.units import Duration, Share, days, hours, to_seconds
from crmsim.workload.made_up import diaries, made_up_book

CHECKS = tuple(check for check in ALL_CHECKS if check is not BLOCKED_UNTIL_HELPED)
"""No queue gets stuck in this story: that is its point."""


class Program(enum.Enum):
    """Which program is broken."""

    UPLOADS = "uploads"
    NEWS = "news of the ERP"
    PASSING_ON = "passing on"
    LAPTOPS = "feeding the laptops"


CONTEXTS = {
    Program.UPLOADS: Context.SI0,
    Program.NEWS: Context.MI0,
    Program.PASSING_ON: Context.MO1,
    Program.LAPTOPS: Context.SO1,
}


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    program: Program = setting(Program.LAPTOPS, "which program is broken")
    broken_from: Duration = setting(days(1), "from when on it is broken", low=0)
    broken_for: Duration = setting(hours(24), "for how long it is broken", low=1)
    share: Share = setting(0.5, "share of the work that it fails on", low=0, high=1)
    reaction: Duration = setting(
        hours(30), "how long it takes until somebody works off the list (half the times)", low=1
    )
    worklist: Worklist = setting(Worklist.OLDEST_FIRST, "in which way the list is worked off")
    newest_stays: bool = setting(
        True, "what is processed again late never overwrites what is newer"
    )
    orders: int = setting(400, "orders that are written", low=10, high=10_000)
    reps: int = setting(10, "reps that write them", low=1, high=500)
    span_days: int = setting(5, "days on which they are written", low=1, high=365)


def late_metrics(result: Result) -> dict[str, object]:
    """Return what failed, what a person did about it, and which old state went over a newer one."""
    journal = result.journal
    failed: dict[str, int] = {}
    waits: list[float] = []
    done = {"reprocess": 0, "set processed": 0}
    for event in journal.select("flowed", "administered", actor="crm"):
        if event.kind == "administered":
            action = str(event.detail["action"])
            done[action] = done.get(action, 0) + 1
            if event.subject in failed:
                waits.append(to_seconds(event.time_ns - failed.pop(event.subject)))
        elif last_state(event) in BROKEN_STATES:
            failed.setdefault(event.subject, event.time_ns)
            done["failed"] = done.get("failed", 0) + 1
    back, lasted = went_back(result)
    return {
        "orders_written": len({event.subject for event in journal.select("saved")}),
        "failed": done.pop("failed", 0),
        "processed_again": done["reprocess"],
        "set_to_processed": done["set processed"],
        "still_on_the_list": len(failed),
        "waited_on_the_list_s_p50": quantile(waits, 0.5),
        "waited_on_the_list_s_max": max(waits, default=None),
        "orders_that_went_back": len(back),
        "were_back_s_max": max(lasted, default=None),
        "still_back_at_the_end": len(back) - len(lasted),
        "changes_refused": sum(1 for _ in journal.select("rejected")),
    }


def last_state(event: Event) -> BDocState:
    states = event.detail["states"]
    assert isinstance(states, tuple)
    return BDocState(states[-1])


def went_back(result: Result) -> tuple[list[str], list[float]]:
    """Return the orders whose state in the laptops' database went back, and how long that lasted.

    Whatever is not made good until the end has no duration.
    """
    newest: dict[str, int] = {}
    since: dict[str, int] = {}
    back: dict[str, None] = {}
    lasted = []
    for event in result.journal.select("replicated", actor="crm"):
        order, save = event.subject, int(str(event.detail["save"]))
        if save < newest.get(order, 0):
            back[order] = None
            since.setdefault(order, event.time_ns)
        elif order in since:
            lasted.append(to_seconds(event.time_ns - since.pop(order)))
        newest[order] = max(save, newest.get(order, 0))
    return list(back), lasted


@scenario(Settings, checks=CHECKS, metrics=late_metrics)
async def reprocess_late(land: Landscape, settings: Settings) -> None:
    luck = land.simulation.luck
    book = made_up_book(luck, settings.reps, settings.orders, settings.span_days)
    ship_days = {o.reference: o.ship_day for o in book.orders if o.ship_day is not None}
    land.guarantees = Guarantees(newest_stays=settings.newest_stays)
    ends_ns = settings.broken_from + settings.broken_for
    broken = Breakage(CONTEXTS[settings.program], settings.broken_from, ends_ns, settings.share)
    land.add_crm(
        breakages=(broken,),
        operator_s=Lognormal(to_seconds(settings.reaction), 0.3),
        worklist=settings.worklist,
    )
    land.add_erp(wan(), ship_days=ship_days)
    land.add_station("station", wan())
    habits = Habits(first_weekday=book.first_weekday)
    for rep, diary in diaries(book, luck).items():
        name = f"laptop-{rep}"
        field = gprs(dial_up=True)
        land.add_laptop(name, field, rep=rep, diary=diary, habits=habits, station="station")
    land.check()
    await land.run_until(days(book.last_day + 1))
    await land.settle()
    land.expect.path("mobile", "erp", through=("station", "crm"))
