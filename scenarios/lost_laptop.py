"""A laptop is lost, or breaks and is replaced. What is gone, and when can its rep work again?

What a rep writes is on the laptop alone until the next call. On Tuesday, at some time of the
working day, the laptop of rep 1 is left in a train: what was not sent is gone for good. Or it only
shows signs of old age: then its rep writes nothing more, calls once more, and hands it in. Either
way the rep gets an empty laptop some hours later. With its first call CRM sees that the disk is
another one, throws away what lay ready for the old one, and sends everything that belongs there.

What was lost is counted and named; the checks judge all the rest.

Hypothesis: the more often a rep calls, the less is lost; handed in, nothing is lost. How long it
takes until the laptop is complete depends on the next call, not on the server.

Runs in: 1 s.
"""

import enum

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import replacement_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.mobile.rep import Habits
from crmsim.units import Duration, days, hours, minutes
from crmsim.workload.made_up import add_customers, add_field_force, daily_orders


class Fate(enum.Enum):
    """What becomes of the laptop."""

    LOST = "lost"
    HANDED_IN = "handed in"


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    fate: Fate = setting(Fate.LOST, "what becomes of the laptop of rep 1: lost, or handed in")
    calls: int = setting(2, "calls of each rep on a working day", low=1, high=24)
    orders: int = setting(8, "orders that each rep writes on a working day", low=0, high=200)
    corrected: int = setting(2, "of these, orders that are corrected a day later", low=0, high=200)
    down: Duration = setting(
        hours(4), "how long it takes until there is another laptop", low=minutes(1), high=days(30)
    )
    customers: int = setting(10, "customers of each rep", low=1, high=10_000)
    contacts: int = setting(2, "contacts of each customer", low=0, high=100)
    activities: int = setting(3, "activities at each customer", low=0, high=1_000)
    reps: int = setting(4, "reps", low=1, high=2_000)


@scenario(Settings, checks=ALL_CHECKS, metrics=replacement_metrics)
async def lost_laptop(land: Landscape, settings: Settings) -> None:
    luck = land.simulation.luck
    add_field_force(
        land,
        settings.reps,
        diary=lambda rep: daily_orders(
            luck, rep, settings.customers, settings.orders, settings.corrected, day_count=4
        ),
        habits=Habits.spread_evenly(settings.calls),
    )
    add_customers(land, settings.reps, settings.customers, settings.contacts, settings.activities)
    land.check()
    due_ns = days(1) + hours(9) + luck.stream("loss").below(hours(8), 0)
    if settings.fate is Fate.LOST:
        land.at(due_ns, land.crash, "laptop-1", down=settings.down, wipe=True)
    else:
        land.at(due_ns, land.replace_laptop, "laptop-1", down=settings.down)
    await land.run_until("4d 12:00")
    await land.settle()
