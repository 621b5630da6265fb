"""The ERP was away for some hours. Does its return end the trouble, or begin a new one?

While the ERP cannot be reached, CRM keeps every order in a queue of its own and tries each again,
at longer and longer intervals. In the middle of it CRM is restarted, as people do when something
does not work; all its queues then begin together. When the ERP is back, everything is let in. If
every queue waits the same time between two tries, those that began together come back together,
and the ERP gets its work in one gust. A random part of the wait, called jitter, spreads them.

Hypothesis: with jitter the highest gust is a fraction of what it is without. The price: the last
ones come some minutes later, because they have drawn a long wait.

Runs in: 1 s.
"""

from collections import Counter
from functools import partial

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.queues import BLOCKED_UNTIL_HELPED
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.rep import Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.units import SECOND_NS, Duration, Share, days, hours, minutes, seconds, to_seconds
from crmsim.workload.made_up import diaries, made_up_book

CHECKS = tuple(check for check in ALL_CHECKS if check is not BLOCKED_UNTIL_HELPED)
"""No queue gets stuck in this story."""
GONE = "0d 16:00"
"""When the ERP goes: before the reps send in what they wrote during the first day."""
RESTART = "0d 20:00"
"""When CRM is restarted: all orders of the day are in its queues by then."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    outage: Duration = setting(hours(5), "how long the ERP cannot be reached", low=0)
    restart: bool = setting(True, "whether CRM is restarted while the ERP is away")
    jitter: Share = setting(0.5, "random part of the wait between two tries", low=0, high=1)
    first: Duration = setting(seconds(20), "wait before the first repetition", low=1)
    most: Duration = setting(minutes(5), "longest wait between two repetitions", low=1)
    orders: int = setting(400, "orders that are written", low=10, high=10_000)
    reps: int = setting(20, "reps that write them", low=1, high=500)


def storm_metrics(result: Result) -> dict[str, object]:
    """Return how hard the ERP was hit when it came back, and how long the backlog took."""
    journal = result.journal
    back_ns = max((event.time_ns for event in journal.select("lifted")), default=0)
    arrived = [e.time_ns for e in journal.select("received", actor="erp") if e.time_ns >= back_ns]
    waiting = {
        event.subject
        for event in journal.select("enqueued", actor="crm")
        if event.time_ns < back_ns and str(event.detail["queue"]).startswith("R3AU_")
    } - {
        event.subject
        for event in journal.select("received", actor="erp")
        if event.time_ns < back_ns
    }
    came = [e.time_ns for e in journal.select("received", actor="erp") if e.subject in waiting]
    booked = [
        event.time_ns
        for event in journal.select("effected", actor="erp")
        if event.subject in waiting
    ]
    gusts = Counter((moment - back_ns) // SECOND_NS for moment in arrived)
    return {
        "orders_written": len({event.subject for event in journal.select("saved")}),
        "orders_booked": len({event.subject for event in journal.select("booked")}),
        "calls_in_vain": sum(1 for _ in journal.select("failed", actor="crm")),
        "waiting_when_it_came_back": len(waiting),
        "most_calls_in_one_second": max(gusts.values(), default=0),
        "all_arrived_after_s": to_seconds(max(came) - back_ns) if came else None,
        "all_booked_after_s": to_seconds(max(booked) - back_ns) if booked else None,
    }


@scenario(Settings, checks=CHECKS, metrics=storm_metrics)
async def retry_storm(land: Landscape, settings: Settings) -> None:
    luck = land.simulation.luck
    book = made_up_book(luck, settings.reps, settings.orders, 3)
    ship_days = {o.reference: o.ship_day for o in book.orders if o.ship_day is not None}
    policy = RetryPolicy(settings.first, 2.0, max(settings.most, settings.first), settings.jitter)
    land.add_crm(policy=policy)
    land.add_erp(wan(), ship_days=ship_days, policy=policy, work_processes=4)
    land.add_station("station", wan())
    habits = Habits(first_weekday=book.first_weekday)
    for rep, diary in diaries(book, luck).items():
        name = f"laptop-{rep}"
        field = gprs(dial_up=True)
        land.add_laptop(name, field, rep=rep, diary=diary, habits=habits, station="station")
    land.check()
    if settings.outage:
        land.at(GONE, Outage("erp", under_way="drop"), for_=settings.outage)
    if settings.restart:
        land.at(RESTART, partial(land.crash, "crm", down=minutes(5)))
    await land.run_until(days(book.last_day + 1))
    await land.settle()
    land.expect.after(
        "committed", "booked", per="version", within=Duration(settings.outage + hours(1))
    )
