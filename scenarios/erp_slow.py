"""Is an ERP that is ten times as slow better than one that is down, or worse?

When the ERP is down, orders wait in CRM's queues, and CRM tries each again and again. It has only
so many connections to the ERP, and each try in vain occupies one. When the ERP is slow, it takes
every order and lets it wait there: all its work processes are busy, and whatever else is to be done
in it waits behind them, however small. From the desks of those who write orders both look alike:
the order is being distributed, and nobody may change it.

Hypothesis: a slow ERP that still books more than comes in costs minutes where a stop costs hours.
One that books less than comes in is like a stop for whoever comes late, and it has all its work
processes busy until long after the trouble; CRM's connections are free all the time. The answers
of the ERP are late only because the bookings are.

Runs in: 5 s.
"""

import enum
from collections.abc import Mapping

from attrs import frozen

from crmsim.chance import Lognormal
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import (
    busy_share,
    deepest,
    drained_after_s,
    locks,
    lying_in,
    overlapping,
    ways_to_the_erp,
    went_on_s,
)
from crmsim.network.faults import Outage
from crmsim.network.profiles import wan
from crmsim.units import Duration, Share, days, hours, seconds, to_seconds
from crmsim.workload.busy_days import BusyDays, add_busy_days

BEGIN_NS = days(1) + hours(9)
"""When the trouble begins: on Tuesday morning. Monday is an ordinary day."""


class State(enum.Enum):
    """How the ERP is on Tuesday morning."""

    WELL = "well"
    SLOW = "slow"
    DOWN = "down"


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    state: State = setting(State.SLOW, "how the ERP is on Tuesday from nine")
    times: int = setting(10, "how many times as long work takes when it is slow", low=1, high=1_000)
    lasts: Duration = setting(hours(4), "how long", low=1, high=days(2))
    connections: int = setting(4, "orders that CRM sends to the ERP at once", low=1, high=1_000)
    work_processes: int = setting(2, "orders that the ERP books at the same time", low=1, high=100)
    booking: Duration = setting(seconds(20), "how long the ERP works on an order (mean)", low=1)
    office_orders: int = setting(400, "orders that the office writes a day", low=1, high=10_000)
    reps: int = setting(6, "reps with laptops", low=1, high=500)


def slow_metrics(result: Result) -> Mapping[str, object]:
    """Return who waits for what while the ERP is slow or down, and until that is worked off.

    `erp_busy`, `crm_busy`: share of the time that the work processes of each worked, from the
    beginning of the trouble to its end; `erp_busy_before`: in the same hours of the day before.
    `waited_for_connection`: orders whose first try had to wait for one of CRM's connections;
    `connection_wait_s`: how long the first try of an order had to wait. `waited_for_process`:
    orders that came to the ERP and found no work process free for a minute or more;
    `process_wait_s`: how long. `tries_in_vain`: calls of CRM that nobody answered.
    `answer_s`: from the booking in the ERP until CRM knew of it. `lock_s`: how long orders had
    status I1054. `backlog_most`: changes on their way to the ERP at once; `drain_s`: from the end
    of the trouble until no more waited than at most before it began. Waits and answers are those of
    what came from the beginning of the trouble until then.
    """
    assert isinstance(result.settings, Settings)
    journal, now_ns = result.journal, result.simulation.now_ns
    span = BEGIN_NS, BEGIN_NS + result.settings.lasts
    ways = ways_to_the_erp(journal)
    drain_s = drained_after_s(ways, *span)
    touched = span[0], span[1] + (0 if drain_s is None else int(drain_s * 1e9))
    locked_s = went_on_s(overlapping(locks(journal), *touched), now_ns)
    for_connection_s = _waits_s(result, "crm", touched)
    for_process_s = _waits_s(result, "erp", touched)
    answers_s = _answers_s(result, touched)
    ours = ("CRM_SITE_", "CSA_", "R3AD_", "RELEASED_")
    return {
        "orders_booked": len({event.subject for event in journal.select("booked")}),
        "erp_busy": busy_share(journal, "erp", ("R3AU_",), result.settings.work_processes, span),
        "erp_busy_before": busy_share(
            journal,
            "erp",
            ("R3AU_",),
            result.settings.work_processes,
            (span[0] - days(1), span[1] - days(1)),
        ),
        "crm_busy": busy_share(journal, "crm", ours, 2, span),
        "waited_for_connection": sum(wait_s > 1 for wait_s in for_connection_s),
        "connection_wait_s_p95": quantile(for_connection_s, 0.95),
        "waited_for_process": sum(wait_s >= 60 for wait_s in for_process_s),
        "process_wait_s_p95": quantile(for_process_s, 0.95),
        "tries_in_vain": sum(e.detail["reason"] == "CPICERR" for e in journal.select("failed")),
        "answer_s_p50": quantile(answers_s, 0.5),
        "answer_s_p95": quantile(answers_s, 0.95),
        "lock_s_p50": quantile(locked_s, 0.5),
        "lock_s_p95": quantile(locked_s, 0.95),
        "backlog_most": deepest(ways, *touched),
        "backlog_in_crm_most": deepest(lying_in(journal, "crm", "R3AU_"), *touched),
        "backlog_in_erp_most": deepest(lying_in(journal, "erp", "R3AU_"), *touched),
        "drain_s": drain_s,
    }


def _waits_s(result: Result, actor: str, span: tuple[int, int]) -> list[float]:
    """Return how long what came to the queues R3AU of a system waited until it first began."""
    since: dict[str, int] = {}
    found = []
    for event in result.journal.select("enqueued", "begun", actor=actor):
        if not str(event.detail["queue"]).startswith("R3AU_"):
            continue
        if event.kind == "enqueued" and span[0] <= event.time_ns < span[1]:
            since[event.subject] = event.time_ns
        elif event.kind == "begun" and event.subject in since:
            found.append(to_seconds(event.time_ns - since.pop(event.subject)))
    return found


def _answers_s(result: Result, span: tuple[int, int]) -> list[float]:
    """Return how long after a booking CRM knew of it."""
    booked: dict[object, int] = {}
    found = []
    for event in result.journal.select("booked", "distributed"):
        key = event.detail["guid"], event.detail["version"]
        if event.kind == "booked" and span[0] <= event.time_ns < span[1]:
            booked[key] = event.time_ns
        elif event.kind == "distributed" and event.detail["status"] != "TO_BE" and key in booked:
            found.append(to_seconds(event.time_ns - booked.pop(key)))
    return found


@scenario(Settings, checks=ALL_CHECKS, metrics=slow_metrics)
async def erp_slow(land: Landscape, settings: Settings) -> None:
    work = BusyDays(
        luck=land.simulation.luck,
        days=2,
        office_orders=settings.office_orders,
        office_edits=Share(0.2),
        reps=settings.reps,
        rep_orders=3,
        rep_edits=Share(0.2),
    )
    land.add_crm(connections=settings.connections)
    land.add_erp(
        wan(),
        work_processes=settings.work_processes,
        service_s=Lognormal.of_mean(to_seconds(settings.booking), 0.6),
    )
    add_busy_days(land, work, calls=4)
    land.check()
    lasts = settings.lasts
    if settings.state is State.DOWN:
        land.at(BEGIN_NS, Outage("erp", under_way="drop"), for_=lasts)
    elif settings.state is State.SLOW:
        land.at(BEGIN_NS, land.slow_down, "erp", factor=float(settings.times), lasts=lasts)
    await land.run_until(days(3))
    await land.settle()
