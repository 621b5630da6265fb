"""Thirty per cent of all customers change hands in one night. Is the morning saved?

The sales force is reorganised: at eight in the evening the office gives many customers to other
reps. CRM's demon of replication and realignment has to work out for each customer, and for all that
depends on it, who loses it and who gets it, and to lay all that ready. Before it is done, the reps
who call in the morning get half of the truth.

The old framework does one message after the other. The new one does the customers first and takes
what depends on each of them along as one block.

Hypothesis: in the new framework the demon is done in a third of the time or less; the reps see the
same either way, as long as it is done before they call.

Runs in: 4 s with 100 reps; a minute with 2,000 (`--set reps=2000 --trace metrics`).
"""

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import realignment_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import Framework
from crmsim.units import Share, hours
from crmsim.workload.made_up import add_customers, add_field_force, customers_of


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    reps: int = setting(100, "reps", low=2, high=10_000)
    customers: int = setting(20, "customers of each rep", low=1, high=10_000)
    contacts: int = setting(1, "contacts of each customer", low=0, high=100)
    activities: int = setting(3, "activities at each customer", low=0, high=1_000)
    share: Share = setting(0.3, "share of the customers that change hands", low=0, high=1)
    framework: Framework = setting(
        Framework.NEW, "how the demon works: one message after the other, or in blocks"
    )


@scenario(Settings, checks=ALL_CHECKS, metrics=realignment_metrics)
async def reorganisation_night(land: Landscape, settings: Settings) -> None:
    add_field_force(land, settings.reps, settings.framework)
    add_customers(land, settings.reps, settings.customers, settings.contacts, settings.activities)
    land.check()
    luck = land.simulation.luck.stream("reorganisation")
    for rep in range(1, settings.reps + 1):
        for place, customer in enumerate(customers_of(rep, settings.customers)):
            number = rep * 10_000 + place
            if luck.happens(settings.share, number):
                other = 1 + (rep + luck.below(settings.reps - 1, number, 1)) % settings.reps
                land.at(hours(20), land.change, "customer", customer, rep=f"{other}")
    await land.run_until("1d 08:00")
    await land.settle()
