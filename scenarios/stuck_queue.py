"""One order makes a program of the ERP stop. Who else has to wait, and for how long?

Orders reach the ERP through queues, and a queue keeps its order: nobody overtakes the one in front.
So when the one in front cannot be digested, those behind it wait until somebody has looked at it.
What stands behind it depends on what shares a queue. With a queue per document, nothing but later
changes of the same order. With a queue per parent, all orders of the same customer. With one queue
for the whole object type, everybody's.

The price of short queues: what is not in one queue may overtake. Orders of one customer keep their
order only if they share a queue.

Hypothesis: with a queue per document nobody waits for the broken order; with one queue for all,
everybody does, for as long as the operator takes.

Runs in: 1 s.
"""

import enum
from collections import Counter

from attrs import frozen

from crmsim.chance import Lognormal
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.queue import QueueKey
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.partner import Poison
from crmsim.units import Duration, days, hours, to_seconds
from crmsim.workload.made_up import diaries, made_up_book
from crmsim.workload.orderbook import OrderBook


class MendedBy(enum.Enum):
    """What helps against the broken order."""

    ACTIVATE = "activate"
    DELETE = "delete LUW"


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    queue_key: QueueKey = setting(
        QueueKey.PER_DOCUMENT, "what shares a queue: documents, customers (parents), or all"
    )
    reaction: Duration = setting(
        hours(20), "how long it takes until somebody looks at the queue (half the times)", low=1
    )
    mended_by: MendedBy = setting(
        MendedBy.ACTIVATE, "whether a repair helps, or the order has to be taken out of its queue"
    )
    orders: int = setting(400, "orders that are written", low=10, high=10_000)
    reps: int = setting(10, "reps that write them", low=1, high=500)
    span_days: int = setting(5, "days on which they are written", low=1, high=365)


def stuck_metrics(result: Result) -> dict[str, object]:
    """Return who waited in the ERP's queues, and for how long; `blocked_s`: all of it together."""
    journal = result.journal
    arrived: dict[str, int] = {}
    waits: dict[str, float] = {}
    for event in journal.select("received", "begun", "effected", actor="erp"):
        if event.kind == "received":
            arrived[event.subject] = event.time_ns
        elif event.kind == "begun" and event.subject not in waits and event.subject in arrived:
            waits[event.subject] = to_seconds(event.time_ns - arrived[event.subject])
    stuck = list(journal.select("failed", actor="erp"))
    helped = list(journal.select("administered", actor="erp"))
    behind = [wait for wait in waits.values() if wait > 60]
    return {
        "orders_written": len({event.subject for event in journal.select("saved")}),
        "orders_booked": len({event.subject for event in journal.select("booked")}),
        "queue_stuck_s": to_seconds(helped[-1].time_ns - stuck[0].time_ns) if helped else None,
        "done_by_the_operator": [str(event.detail["action"]) for event in helped],
        "waited_behind_it": len(behind),
        "blocked_s": sum(behind),
        "waited_behind_it_s_p50": quantile(behind, 0.5),
        "waited_behind_it_s_max": max(behind, default=None),
        "waited_s_max_of_the_others": max((w for w in waits.values() if w <= 60), default=None),
    }


def first_of_the_busiest(book: OrderBook) -> str:
    """Return the first order of the customer who orders most often."""
    counts = Counter(order.customer for order in book.orders)
    return max(book.orders, key=lambda order: (counts[order.customer], -order.day)).reference


@scenario(Settings, checks=ALL_CHECKS, metrics=stuck_metrics)
async def stuck_queue(land: Landscape, settings: Settings) -> None:
    luck = land.simulation.luck
    book = made_up_book(luck, settings.reps, settings.orders, settings.span_days)
    ship_days = {o.reference: o.ship_day for o in book.orders if o.ship_day is not None}
    broken = first_of_the_busiest(book)
    land.add_crm(queue_key=settings.queue_key)
    land.add_erp(
        wan(),
        ship_days=ship_days,
        queue_key=settings.queue_key,
        poisons=(Poison(broken, settings.mended_by.value),),
        operator_s=Lognormal(to_seconds(settings.reaction), 0.3),
    )
    land.add_station("station", wan())
    habits = Habits(first_weekday=book.first_weekday)
    for rep, diary in diaries(book, luck).items():
        name = f"laptop-{rep}"
        field = gprs(dial_up=True)
        land.add_laptop(name, field, rep=rep, diary=diary, habits=habits, station="station")
    land.check()
    await land.run_until(days(book.last_day + 1))
    await land.settle()
    land.expect.before("committed", "booked", per="version")
