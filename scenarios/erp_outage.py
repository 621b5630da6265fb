"""The ERP is away for some hours, in the middle of the working day. Who notices, and for how long?

An ERP can be away in several ways. The line to it can be down; it can crash; it can be so slow that
hardly anything gets done; or it can be stopped as planned. CRM keeps on taking orders all the same:
they wait in its queues (or in the ERP's, when that is only slow). But while an order is on its way
to the ERP nobody may change it: it has the status I1054. Nor may anybody change what is in the ERP
already: CRM has to ask how far it has got there, and to lock it. So customers who call again,
because they want five instead of four, have to be put off.

Afterwards everything that has piled up comes in at once. If l orders come in an hour and the ERP
books m, what piled up in h hours takes h * l / (m - l) hours to drain.

Hypothesis: no order is lost, and laptops notice nothing when they send; the price of an outage is
paid by people who want to change an order. A planned stop costs least at
night, and before the laptops call rather than while they do.

Runs in: 5 s.
"""

import enum
from collections.abc import Mapping

from attrs import frozen

from crmsim.applications.exchange import SalesExchange
from crmsim.chance import Lognormal
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import (
    Wait,
    deepest,
    drained_after_s,
    locks,
    lying_in,
    overlapping,
    uploads,
    ways_to_the_erp,
    went_on_s,
)
from crmsim.middleware.queue import RetryPolicy
from crmsim.network.faults import Outage
from crmsim.network.profiles import wan
from crmsim.online.opening import CLOSED, OUT_OF_REACH
from crmsim.online.orders import BEING_DISTRIBUTED
from crmsim.units import Duration, Share, days, hours, minutes, seconds, to_seconds
from crmsim.workload.busy_days import BusyDays, add_busy_days

DAY = 1
"""The day of the outage, a Tuesday; Monday is an ordinary day to compare with."""


class Kind(enum.Enum):
    """In which way the ERP is away."""

    LINE = "the line is down"
    CRASH = "the ERP crashes"
    SLOW = "the ERP is slow"
    PLANNED = "a planned stop"


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    kind: Kind = setting(Kind.LINE, "in which way the ERP is away")
    begins: Duration = setting(hours(9), "when, on Tuesday", low=0, high=days(1) - 1)
    lasts: Duration = setting(hours(4), "how long: an hour, a morning, a day; 0 for never", low=0)
    times: int = setting(10, "how many times as long work takes when the ERP is slow", low=1)
    office_orders: int = setting(200, "orders that the office writes a day", low=1, high=10_000)
    office_edits: Share = setting(Share(0.4), "share of these that are changed within two hours")
    reps: int = setting(6, "reps with laptops", low=1, high=500)
    rep_orders: int = setting(5, "orders that each rep writes a day", low=0, high=100)
    rep_edits: Share = setting(Share(0.3), "share of these that are changed within four hours")
    calls: int = setting(6, "calls of each laptop on a day", low=1, high=24)
    booking: Duration = setting(seconds(20), "how long the ERP works on an order (mean)", low=1)
    work_processes: int = setting(2, "orders that the ERP books at the same time", low=1, high=100)
    locks: bool = setting(True, "CRM locks in the ERP what it changes, and so must reach it")
    retry_most: Duration = setting(minutes(5), "longest wait between two tries of CRM", low=1)

    def __attrs_post_init__(self) -> None:
        if self.lasts > days(2):
            raise BadValue("an outage of the story lasts two days at most")

    @property
    def span(self) -> tuple[int, int]:
        """From when until when the ERP is away."""
        begin_ns = days(DAY) + self.begins
        return begin_ns, begin_ns + self.lasts


def outage_metrics(result: Result) -> Mapping[str, object]:
    """Return what the outage cost, and whom.

    `orders_meanwhile`: written while the ERP was away, in CRM or sent in by laptops. `locked_most`:
    orders with status I1054 at the same time; `lock_s`: how long, for those that were locked while
    it was away or drained; `lock_before_s`: on the day before. `edits_put_off`: changes that the
    office could not make at once, because the order was on its way or the ERP could not be asked
    (`tries_out_of_reach`: how often); `blocked_s`: how long people waited for that, all together.
    `laptop_edits_parked`, `laptop_edits_refused`: changes from laptops that had to wait in CRM, or
    came to nothing because of that. `to_crm_s`: from the save of a new order on a laptop to its
    commit in CRM Online; `in_crm_s`: from its receipt in CRM to that commit; meanwhile, and in the
    same hours of the day before. `backlog_most`: changes that were on their way to the ERP at once;
    `backlog_in_crm_most`, `backlog_in_erp_most`: how many lay in the queues R3AU of each;
    `backlog_age_s_max`: the longest that one of them was. `drain_s`: from the end of the outage
    until no more waited than at most before it began.
    """
    assert isinstance(result.settings, Settings)
    journal, span = result.journal, result.settings.span
    now_ns = result.simulation.now_ns
    ways = ways_to_the_erp(journal)
    drain_s = drained_after_s(ways, *span)
    touched = span[0], span[1] + (0 if drain_s is None else int(drain_s * 1e9))
    crossed = overlapping(locks(journal), *touched)
    locked_s = went_on_s(crossed, now_ns)
    before = span[0] - days(1), span[1] - days(1)
    written: dict[str, int] = {}
    for event in journal.select("committed"):
        written.setdefault(event.subject, event.time_ns)
    return {
        "orders_written": len(written),
        "orders_meanwhile": sum(span[0] <= time_ns < span[1] for time_ns in written.values()),
        "orders_booked": len({event.subject for event in journal.select("booked")}),
        "locked_most": deepest(crossed, *touched),
        "lock_s_p50": quantile(locked_s, 0.5),
        "lock_s_p95": quantile(locked_s, 0.95),
        "lock_s_max": max(locked_s, default=None),
        "lock_before_s_p50": quantile(
            went_on_s(overlapping(locks(journal), 0, span[0]), now_ns), 0.5
        ),
        **_edits(result),
        **_of_laptops(result, "meanwhile", span),
        **_of_laptops(result, "before", before),
        "backlog_most": deepest(ways, *touched),
        "backlog_in_crm_most": deepest(lying_in(journal, "crm", "R3AU_"), *touched),
        "backlog_in_erp_most": deepest(lying_in(journal, "erp", "R3AU_"), *touched),
        "backlog_age_s_max": max(went_on_s(overlapping(ways, *touched), now_ns), default=None),
        "drain_s": drain_s,
    }


def _edits(result: Result) -> dict[str, object]:
    """Return what people could not change at once."""
    asked: dict[str, int] = {}
    waits: list[Wait] = []
    out_of_reach = 0
    for event in result.journal.select("forbidden", "committed", actor="crm"):
        if event.kind == "committed" and event.detail.get("by") == "office":
            if event.subject in asked:
                waits.append(Wait(event.subject, asked.pop(event.subject), event.time_ns))
        elif event.kind == "forbidden" and event.detail["reason"] in (BEING_DISTRIBUTED, *CLOSED):
            asked.setdefault(event.subject, event.time_ns)
            out_of_reach += event.detail["reason"] == OUT_OF_REACH
    waits += [Wait(subject, begin_ns) for subject, begin_ns in asked.items()]
    refused = result.journal.select("rejected")
    blocked_s = went_on_s(waits, result.simulation.now_ns)
    return {
        "edits_put_off": len(waits),
        "tries_out_of_reach": out_of_reach,
        "blocked_s": sum(blocked_s),
        "blocked_s_max": max(blocked_s, default=None),
        "laptop_edits_parked": len({e.subject for e in result.journal.select("parked")}),
        "laptop_edits_refused": sum(
            e.detail["reason"] in (BEING_DISTRIBUTED, OUT_OF_REACH) for e in refused
        ),
    }


def _of_laptops(result: Result, when: str, span: tuple[int, int]) -> dict[str, object]:
    """Return how long new orders of laptops took to CRM, of those that came there in a span."""
    came = [one for one in uploads(result.journal) if span[0] <= one.committed_ns < span[1]]
    return {
        f"to_crm_s_p50_{when}": quantile([_s(one.saved_ns, one.committed_ns) for one in came], 0.5),
        f"in_crm_s_p95_{when}": quantile(
            [_s(one.received_ns, one.committed_ns) for one in came], 0.95
        ),
    }


def _s(begin_ns: int, end_ns: int) -> float:
    return to_seconds(end_ns - begin_ns)


@scenario(Settings, checks=ALL_CHECKS, metrics=outage_metrics)
async def erp_outage(land: Landscape, settings: Settings) -> None:
    work = BusyDays(
        luck=land.simulation.luck,
        days=3,
        office_orders=settings.office_orders,
        office_edits=settings.office_edits,
        reps=settings.reps,
        rep_orders=settings.rep_orders,
        rep_edits=settings.rep_edits,
    )
    land.exchange(SalesExchange(locks=settings.locks))
    first = min(seconds(20), settings.retry_most)
    land.add_crm(policy=RetryPolicy(first=first, most=settings.retry_most))
    land.add_erp(
        wan(),
        work_processes=settings.work_processes,
        service_s=Lognormal.of_mean(to_seconds(settings.booking), 0.6),
    )
    add_busy_days(land, work, calls=settings.calls)
    land.check()
    if settings.lasts:
        begin_outage(land, settings)
    await land.run_until(days(4))
    await land.settle()


def begin_outage(land: Landscape, settings: Settings) -> None:
    """Let the ERP be away on Tuesday."""
    begin_ns, lasts = settings.span[0], settings.lasts
    if settings.kind is Kind.LINE:
        land.at(begin_ns, Outage("erp", under_way="drop"), for_=lasts)
    elif settings.kind is Kind.CRASH:
        land.at(begin_ns, land.crash, "erp", down=lasts)
    elif settings.kind is Kind.SLOW:
        land.at(begin_ns, land.slow_down, "erp", factor=float(settings.times), lasts=lasts)
    else:
        land.plan_downtime(
            "erp", begins=settings.begins, lasts=lasts, weekdays=(DAY,), until=days(7)
        )
