"""Somebody subscribes a laptop to far too much. What does the mistake cost, and the way back?

A rep covers for a colleague and shall get one customer more. Whoever looks after the subscriptions
leaves out the name of the rep, so that all customers of a region match. Hours later the mistake is
seen and taken back. Everything that came too much has to go again.

Hypothesis: the way back costs as many messages as the way there, and in the end the laptop holds
what it held before.

Runs in: 2 s.
"""

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import realignment_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import Framework
from crmsim.units import Duration, days, hours
from crmsim.workload.made_up import add_customers, add_field_force


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    seen_after: Duration = setting(hours(20), "how long until the mistake is taken back", low=1)
    is_too_broad: bool = setting(True, "the whole region is subscribed, not one rep's part of it")
    reps: int = setting(20, "reps", low=2, high=2_000)
    customers: int = setting(20, "customers of each rep", low=1, high=10_000)
    contacts: int = setting(2, "contacts of each customer", low=0, high=100)
    activities: int = setting(3, "activities at each customer", low=0, high=1_000)
    framework: Framework = setting(
        Framework.NEW, "how the demon works: one message after the other, or in blocks"
    )


@scenario(Settings, checks=ALL_CHECKS, metrics=realignment_metrics)
async def wrong_subscription(land: Landscape, settings: Settings) -> None:
    add_field_force(land, settings.reps, settings.framework)
    add_customers(land, settings.reps, settings.customers, settings.contacts, settings.activities)
    land.check()
    values = {"region": "region 2"} | ({} if settings.is_too_broad else {"rep": "2"})
    at_ns = days(1) + hours(12)
    land.at(at_ns, land.subscribe, "cover", "customer", ("laptop-1",), **values)
    land.at(at_ns + settings.seen_after, land.unsubscribe, "cover")
    await land.run_until("3d 12:00")
    await land.settle()
