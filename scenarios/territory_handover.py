"""A rep is away, or leaves; a colleague takes over. How long do both see the wrong customers?

Each laptop holds the customers of its rep, with their contacts and what was done at them. On
Tuesday at noon the office gives some customers of rep 1 to rep 2. From then on they belong to
rep 2. But the laptops hear of it only when they call, and CRM tells them only when its demon of
replication and realignment has got round to it. Until then rep 1 still sees what is no longer his
(exposure), and rep 2 does not see yet what is (gap).

Each customer costs as many messages as it has contacts and activities, and one more; once to delete
and once to insert.

Hypothesis: the machine is done in minutes; people see the wrong customers for hours, because they
call twice a day.

Runs in: 1 s.
"""

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import realignment_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import Framework
from crmsim.units import days, hours, minutes
from crmsim.workload.made_up import add_customers, add_field_force, customers_of


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    moved: int = setting(10, "customers that go from rep 1 to rep 2", low=0, high=10_000)
    leaves: bool = setting(False, "rep 1 leaves: all customers go, and the subscription ends")
    customers: int = setting(20, "customers of each rep", low=1, high=10_000)
    contacts: int = setting(2, "contacts of each customer", low=0, high=100)
    activities: int = setting(3, "activities at each customer", low=0, high=1_000)
    reps: int = setting(5, "reps", low=2, high=2_000)
    framework: Framework = setting(
        Framework.NEW, "how the demon works: one message after the other, or in blocks"
    )
    edits: int = setting(20, "contacts that the office changes meanwhile", low=0, high=10_000)


@scenario(Settings, checks=ALL_CHECKS, metrics=realignment_metrics)
async def territory_handover(land: Landscape, settings: Settings) -> None:
    add_field_force(land, settings.reps, settings.framework)
    add_customers(land, settings.reps, settings.customers, settings.contacts, settings.activities)
    land.check()
    moved = settings.customers if settings.leaves else settings.moved
    for customer in customers_of(1, settings.customers)[:moved]:
        land.at(days(1) + hours(12), land.change, "customer", customer, rep="2")
    if settings.leaves:
        land.at(days(1) + hours(12), land.unsubscribe, "rep 1")
    plan_edits(land, settings)
    await land.run_until("2d 12:00")
    await land.settle()


def plan_edits(land: Landscape, settings: Settings) -> None:
    """Let the office change contacts around the time of the handover."""
    luck = land.simulation.luck.stream("edits")
    for number in range(settings.edits if settings.contacts else 0):
        rep = 1 + luck.below(settings.reps, number, 0)
        customers = customers_of(rep, settings.customers)
        customer = customers[luck.below(len(customers), number, 1)]
        contact = f"{customer} contact {1 + luck.below(settings.contacts, number, 2)}"
        due_ns = days(1) + hours(11) + luck.below(minutes(120), number, 3)
        land.at(due_ns, land.change, "contact", contact, name=f"renamed {number}")
