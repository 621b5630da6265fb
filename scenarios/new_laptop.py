"""New laptops are handed out on Monday. When can their reps begin to work?

A new laptop is empty. On Monday at noon its rep is given the customers of a region. The server must
work out what that is, lay all of it ready (the extract), and the laptop must fetch it over a slow
line and import it: with contacts and activities, many messages. Meanwhile the office goes on
changing things; what the extract carries must not be older than what came in between.

Hypothesis: it is the line and the import that take long, not the server; each further new laptop
costs the server as much again, but the laptops fetch at the same time.

Runs in: 3 s.
"""

from collections.abc import Mapping

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import line_times_s, realignment_metrics
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import Framework
from crmsim.units import hours, minutes, to_seconds
from crmsim.workload.made_up import add_customers, add_field_force, customers_of

NOON_NS = hours(12)


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    new: int = setting(2, "new laptops", low=1, high=1_000)
    reps: int = setting(5, "reps who have their customers already", low=1, high=2_000)
    customers: int = setting(20, "customers of each of them", low=1, high=10_000)
    contacts: int = setting(2, "contacts of each customer", low=0, high=100)
    activities: int = setting(3, "activities at each customer", low=0, high=1_000)
    framework: Framework = setting(
        Framework.NEW, "how the demon works: one message after the other, or in blocks"
    )
    edits: int = setting(30, "customers that the office changes meanwhile", low=0, high=10_000)


def first_fill_metrics(result: Result) -> Mapping[str, object]:
    """Return when the new laptops were complete, and what that took."""
    settings, journal = result.settings, result.journal
    new = {f"laptop-{settings.reps + number}" for number in range(1, settings.new + 1)}
    last_ns: dict[str, int] = {}
    for event in journal.select("imported"):
        if event.actor in new and event.detail.get("task") == "insert":
            last_ns[event.actor] = event.time_ns
    waits_s = [to_seconds(time_ns - NOON_NS) for time_ns in last_ns.values()]
    on_line_s = [time_s for laptop, time_s in line_times_s(journal) if laptop in new]
    return {
        **realignment_metrics(result),
        "new_laptops": len(new),
        "complete_after_s_p50": quantile(waits_s, 0.5),
        "complete_after_s_max": max(waits_s, default=None),
        "longest_call_s": max(on_line_s, default=None),
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=first_fill_metrics)
async def new_laptop(land: Landscape, settings: Settings) -> None:
    add_field_force(land, settings.reps + settings.new, settings.framework)
    add_customers(land, settings.reps, settings.customers, settings.contacts, settings.activities)
    land.check()
    for number in range(1, settings.new + 1):
        name, region = f"laptop-{settings.reps + number}", f"region {number % 5}"
        land.at(NOON_NS, land.subscribe, f"first fill {name}", "customer", (name,), region=region)
    luck = land.simulation.luck.stream("edits")
    for number in range(settings.edits):
        rep = 1 + luck.below(settings.reps, number, 0)
        customers = customers_of(rep, settings.customers)
        customer = customers[luck.below(len(customers), number, 1)]
        due_ns = NOON_NS + luck.below(minutes(480), number, 2)
        land.at(due_ns, land.change, "customer", customer, name=f"renamed {number}")
    await land.run_until("1d 12:00")
    await land.settle()
