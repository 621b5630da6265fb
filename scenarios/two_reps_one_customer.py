"""Two reps share their customers. What becomes of their work when both change the same order?

On Monday rep 1 writes orders for customers that several reps look after; by Tuesday all of them
have these orders on their laptops. From then on everybody changes quantities and discounts,
offline, and calls now and then. Who changes what somebody else has changed since, without knowing
it, is in conflict. CRM leads: it decides, and what does not count its author is told.

Three policies can be tried. *Field merge*: what only one of the two changed counts; where both
changed the same field, what CRM has stays. *Document*: all of a change is refused if anybody else
has changed the order meanwhile. *Last writer*: whatever comes last counts, and nobody is told.

Hypothesis: the longer people work without calling, the more conflicts there are; a document policy
refuses several times as much work as a field merge; with the last writer nothing is refused, but
work of others is overwritten without a word.

Runs in: 1 s.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.setup import Policies
from crmsim.trace.journal import Event
from crmsim.units import days, hours

DAYS = 4
"""Days on which orders are changed: Tuesday to Friday."""
ITEMS = 3
"""Items of each order."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    policy: ConflictPolicy = setting(
        ConflictPolicy.FIELD_MERGE, "what becomes of a change of what somebody else has changed"
    )
    team: int = setting(2, "reps who look after the same customers", low=1, high=200)
    orders: int = setting(10, "orders that they share", low=1, high=10_000)
    changes: int = setting(6, "changes of each rep on a working day", low=0, high=500)
    calls: int = setting(2, "calls of each rep on a working day", low=1, high=24)


def conflict_metrics(result: Result) -> Mapping[str, object]:
    """Return what became of the changes."""
    journal = result.journal
    changes = [e for e in journal.select("saved") if e.detail["task"] == "update"]
    overruled = list(journal.select("overruled"))
    refused = list(journal.select("rejected"))
    told = [
        entry
        for laptop in result.simulation.topology.sites("mobile")
        for entry in result.simulation.store(laptop).table("rejections").values()
    ]
    saves = {str(event.detail["message"]): event for event in changes}
    lost_fields = sum(len(_fields(event)) for event in overruled)
    lost_fields += sum(len(_fields(saves[one.subject])) for one in refused if one.subject in saves)
    return {
        "changes": len(changes),
        "changes_that_count": len(changes) - len(refused) - len(overruled),
        "changes_overruled_in_part": len(overruled),
        "changes_refused": len(refused),
        "fields_lost": lost_fields,
        "fields_changed": sum(len(_fields(event)) for event in changes),
        "in_the_inboxes": len(told),
        "of_these_dealt_with": sum(entry.is_processed for entry in told),
    }


def _fields(event: Event) -> tuple[Any, ...]:
    fields = event.detail["fields"]
    assert isinstance(fields, tuple)
    return fields


@scenario(Settings, checks=ALL_CHECKS, metrics=conflict_metrics)
async def two_reps_one_customer(land: Landscape, settings: Settings) -> None:
    land.replicate(BY_CUSTOMER)
    land.add_crm(policies=Policies(conflict=settings.policy))
    land.add_erp(wan())
    land.add_station("station", wan())
    laptops = [f"laptop-{rep}" for rep in range(1, settings.team + 1)]
    for rep, laptop in enumerate(laptops, 1):
        land.add_laptop(
            laptop,
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary(land, settings, rep),
            habits=Habits.spread_evenly(settings.calls),
            station="station",
        )
    land.add_subscription("the team", "customer", laptops, region="theirs")
    for number in range(1, settings.orders + 1):
        land.add_record("customer", f"C{number}", region="theirs")
    land.check()
    await land.run_until("5d 12:00")
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return what a rep writes: rep 1 all orders on Monday, then everybody changes of them."""
    entries = [
        DiaryEntry(hours(9) + number * hours(6) // settings.orders, order(number + 1))
        for number in range(settings.orders)
        if rep == 1
    ]
    luck = land.simulation.luck.stream("changes", f"rep {rep}")
    for day in range(1, DAYS + 1):
        for number in range(settings.changes):
            key = word_of(f"{day} {number}")
            due_ns = days(day) + hours(9) + luck.below(hours(8), key, 0)
            which = 1 + luck.below(settings.orders, key, 1)
            place = 1 + luck.below(ITEMS, key, 2)
            fields: tuple[tuple[str, Any], ...] = (("quantity", 1 + luck.below(50, key, 3)),)
            if luck.below(2, key, 4):
                fields += (("discount", Decimal(luck.below(30, key, 5)) / 100),)
            entries.append(DiaryEntry(due_ns, OrderEdit(f"A-{which}", items=((place, fields),))))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))


def order(number: int) -> SalesOrder:
    """Return an order for one of the customers."""
    items = tuple(OrderItem(f"product {n}", 10, Decimal(20)) for n in range(1, ITEMS + 1))
    return SalesOrder("", f"A-{number}", "1", f"C{number}", items)
