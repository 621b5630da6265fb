"""Customers order from the rep and in the shop, and ask on every channel. Is the answer right?

A customer does not care who answers: he wants to hear how his order stands. Who answers on the
telephone sees what CRM has; the rep sees what is on his laptop. Neither sees what the other one has
written since the last call of the laptop.

Hypothesis: answers on the telephone are out of date when the rep has written something that is not
sent yet; the rep's answers are, when others have written something that he has not fetched yet.
Both fall with every further call a day, and neither ever comes to nothing.

Runs in: 2 s.
"""

from decimal import Decimal

from attrs import frozen

from crmsim.business.enquiry import Enquiry
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Stream, word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.documents import read_metrics
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import days, hours

DAYS = 5
OPENS_NS = hours(9)
CLOSES_NS = hours(17)


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    customers: int = setting(10, "customers, each with one rep", low=1, high=1_000)
    calls: int = setting(2, "calls of each rep on a day", low=1, high=24)
    changes: int = setting(2, "changes of an order that a customer wants on a day", low=0, high=50)
    questions: int = setting(4, "how often a customer asks on a day", low=0, high=100)


@scenario(Settings, checks=ALL_CHECKS, metrics=read_metrics)
async def one_customer_three_channels(land: Landscape, settings: Settings) -> None:
    land.replicate(BY_CUSTOMER)
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    luck = land.simulation.luck.stream("what customers want")
    wishes = {
        customer: all_wishes(luck, settings, customer)
        for customer in range(1, settings.customers + 1)
    }
    for customer, wanted in wishes.items():
        land.add_laptop(
            f"laptop-{customer}",
            gprs(dial_up=True),
            rep=f"{customer}",
            diary=tuple(entry for channel, entry in wanted if channel == "rep"),
            habits=Habits.spread_evenly(settings.calls),
            station="station",
        )
        laptop = (f"laptop-{customer}",)
        land.add_subscription(f"rep {customer}", "customer", laptop, rep=f"{customer}")
    for customer in wishes:
        land.add_record("customer", f"C{customer}", rep=f"{customer}")
    everything = sorted(
        (pair for wanted in wishes.values() for pair in wanted),
        key=lambda pair: (pair[1].time_ns, pair[1].what.reference),
    )
    for name in ("shop", "telephone"):
        diary = tuple(entry for channel, entry in everything if channel == name)
        land.add_channel(name, wan(), diary=diary)
    land.check()
    await land.run_until(days(DAYS))
    await land.settle()


def all_wishes(luck: Stream, settings: Settings, customer: int) -> list[tuple[str, DiaryEntry]]:
    """Return (channel, what one customer wants there), in order of time."""
    item = OrderItem("tea", 10, Decimal(20))
    found = []
    for channel in ("rep", "shop"):
        name = f"{customer}-{channel}"
        order = SalesOrder("", name, f"{customer}", f"C{customer}", (item,))
        found.append((channel, DiaryEntry(OPENS_NS, order)))
    for day in range(1, DAYS):
        for number in range(settings.changes + settings.questions):
            key = word_of(f"{customer} {day} {number}")
            time_ns = days(day) + OPENS_NS + luck.below(CLOSES_NS - OPENS_NS, key, 0)
            order_name = f"{customer}-{('rep', 'shop')[luck.below(2, key, 1)]}"
            if number < settings.changes:
                channel = ("rep", "shop", "telephone")[luck.below(3, key, 2)]
                quantity = ("quantity", 1 + luck.below(40, key, 3))
                edit = OrderEdit(order_name, items=((1, (quantity,)),))
                found.append((channel, DiaryEntry(time_ns, edit)))
            else:
                channel = ("rep", "telephone")[luck.below(2, key, 2)]
                found.append((channel, DiaryEntry(time_ns, Enquiry(order_name))))
    return sorted(found, key=lambda pair: pair[1].time_ns)
