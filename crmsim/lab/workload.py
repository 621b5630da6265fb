"""What is there, and what is written when?

Turns an order book into the diaries of the reps, makes up a book where there is none, and makes up
customers with what depends on them. Every choice is keyed by the thing it is about.
"""

import itertools
from collections.abc import Callable
from decimal import Decimal

import attrs

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Lognormal, Luck, Stream, word_of
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.orderbook import BookOrder, OrderBook
from crmsim.middleware.replication import BY_CUSTOMER, FIELD_SALES, Framework, Kind, Model
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import days, hours, minutes

__all__ = [
    "add_customers",
    "add_field_force",
    "customers_of",
    "daily_orders",
    "diaries",
    "made_up_book",
]

Diary = Callable[[int], tuple[DiaryEntry, ...]]
PROVISIONAL_SHARE = 0.1
"""Share of orders first written with a provisional quantity (the scenario's own rule)."""
TWICE_A_DAY = Habits()
OPENS_NS, CLOSES_NS = hours(8.5), hours(17.5)
"""Working hours in which reps write (assumed)."""
ITEMS_MEAN = 2.6
"""Items per order of a made-up book: about that of a small wholesale order book (assumed)."""


def customers_of(rep: int, count: int) -> tuple[str, ...]:
    """Return the keys of the customers that a rep has at the beginning."""
    return tuple(f"C{rep:04}-{number:03}" for number in range(1, count + 1))


def add_field_force(
    land: Landscape,
    reps: int,
    framework: Framework = Framework.NEW,
    diary: Diary = lambda rep: (),
    habits: Habits = TWICE_A_DAY,
    model: Model = BY_CUSTOMER,
) -> None:
    """Add CRM, ERP, a station, and a laptop for each rep, who gets the customers that are his.

    Args:
        land: The landscape; nothing has been added yet.
        reps: How many; they are called 1, 2, ...
        framework: How the demon of replication and realignment works.
        diary: Rep -> what he writes.
        habits: When the reps call.
        model: What is replicated; with `FIELD_SALES` a rep has a territory, and customers in it,
            and every laptop subscribes to all that is bulk.
    """
    land.replicate(model, framework)
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    for rep in range(1, reps + 1):
        name = f"laptop-{rep}"
        land.add_laptop(
            name,
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary(rep),
            habits=habits,
            station="station",
        )
        top = "territory" if model is FIELD_SALES else "customer"
        land.add_subscription(f"rep {rep}", top, (name,), rep=f"{rep}")
    laptops = [f"laptop-{rep}" for rep in range(1, reps + 1)]
    for one in model.objects:
        if one.kind is Kind.BULK:
            land.add_subscription(one.name, one.name, laptops)


def add_customers(
    land: Landscape, reps: int, each: int, contacts: int, activities: int, regions: int = 5
) -> None:
    """Add customers that every rep has at the beginning, with what depends on them.

    Args:
        land: The landscape; laptops and subscriptions have been added.
        reps: How many reps there are.
        each: Customers of each rep.
        contacts: Contacts of each customer.
        activities: Activities at each customer.
        regions: How many regions there are; customers are spread over them.
    """
    for rep in range(1, reps + 1):
        for place, customer in enumerate(customers_of(rep, each)):
            region = f"region {(rep + place) % regions}"
            land.add_record("customer", customer, rep=f"{rep}", region=region, name=customer)
            for number in range(1, contacts + 1):
                key = f"{customer} contact {number}"
                land.add_record("contact", key, parent=customer, name="somebody")
            for number in range(1, activities + 1):
                key = f"{customer} visit {number}"
                land.add_record("activity", key, parent=customer, text="was visited")


def daily_orders(
    luck: Luck, rep: int, customers: int, orders: int, corrected: int, day_count: int
) -> tuple[DiaryEntry, ...]:
    """Return the diary of a rep who writes orders for his customers on each of some days.

    Args:
        luck: The luck of the run.
        rep: Which rep.
        customers: How many customers he has; see `customers_of`.
        orders: Orders a day, at any time of the working hours.
        corrected: How many of these he corrects a day later.
        day_count: How many days; corrections come on the days after.
    """
    drawn, known = luck.stream("daily orders", f"rep {rep}"), customers_of(rep, customers)
    entries = []
    for day, number in itertools.product(range(day_count), range(orders)):
        key = word_of(f"{day} {number}")
        customer = known[drawn.below(len(known), key, 0)]
        item = OrderItem("sample box", 1 + drawn.below(9, key, 1), Decimal(20))
        order = SalesOrder("", f"{rep}-{day}-{number}", f"{rep}", customer, (item,))
        due_ns = days(day) + OPENS_NS + drawn.below(CLOSES_NS - OPENS_NS, key, 2)
        entries.append(DiaryEntry(due_ns, order))
        if number < corrected:
            more = attrs.evolve(item, quantity=item.quantity + 1)
            changed = attrs.evolve(order, items=(more,), version=2)
            entries.append(DiaryEntry(due_ns + days(1), changed))
    return tuple(sorted(entries, key=lambda entry: (entry.time_ns, entry.what.reference)))


def made_up_book(luck: Luck, reps: int, orders: int, day_count: int) -> OrderBook:
    """Make up an order book: a Monday start, working days only, prices and quantities with a tail.

    Raises:
        BadValue: fewer than one rep, order or day.
    """
    if min(reps, orders, day_count) < 1:
        raise BadValue("a made-up order book has one rep, one order and one day or more")
    made = luck.stream("made-up book")
    rows = sorted(
        (_made_up_order(made, number, reps, day_count) for number in range(orders)),
        key=lambda order: (order.day, order.reference),
    )
    return OrderBook(tuple(rows), first_weekday=0, name="made up")


def _made_up_order(luck: Stream, number: int, reps: int, day_count: int) -> BookOrder:
    day = luck.below(day_count, number, 1)
    day -= max(day % 7 - 4, 0)  # what falls on a weekend was written on Friday
    ship_day = day + 1 + luck.below(14, number, 2)
    never = luck.happens(0.02, number, 3)
    count = 1
    while count < 12 and luck.happens(1 - 1 / ITEMS_MEAN, number, 10 + count):
        count += 1
    items = tuple(_made_up_item(luck, number, place) for place in range(count))
    customer = f"C{luck.below(80, number, 4):03}"
    rep = str(1 + luck.below(reps, number, 5))
    return BookOrder(str(10_001 + number), customer, rep, day, None if never else ship_day, items)


def _made_up_item(luck: Stream, number: int, place: int) -> OrderItem:
    key = 100 + 10 * place
    price = Lognormal(18.0, 0.8).at(luck.uniform(number, key))
    quantity = 1 + int(Lognormal(18.0, 0.7).at(luck.uniform(number, key + 1)))
    discount = (0, 0, 0, 0, 5, 10, 15, 20)[luck.below(8, number, key + 2)]
    product = f"P{luck.below(77, number, key + 3):02}"
    return OrderItem(product, quantity, Decimal(round(price * 100)) / 100, Decimal(discount) / 100)


def diaries(book: OrderBook, luck: Luck) -> dict[str, tuple[DiaryEntry, ...]]:
    """Return rep -> what the rep writes, in order of time.

    One order in ten is written with a provisional quantity first and corrected either within the
    hour (mostly before the next session) or a day or two later (after it).
    """
    found: dict[str, list[DiaryEntry]] = {rep: [] for rep in book.reps}
    written = luck.stream("time of writing")
    unsure = luck.stream("provisional quantity")
    for order in book.orders:
        found[order.rep].extend(_entries(order, written, unsure))
    return {
        rep: tuple(sorted(entries, key=lambda entry: (entry.time_ns, entry.what.reference)))
        for rep, entries in found.items()
    }


def _entries(order: BookOrder, written: Stream, unsure: Stream) -> list[DiaryEntry]:
    identity = word_of(order.reference)
    time_ns = days(order.day) + OPENS_NS
    time_ns += int((CLOSES_NS - OPENS_NS) * written.uniform(identity))
    final = SalesOrder("", order.reference, order.rep, order.customer, order.items)
    if not unsure.happens(PROVISIONAL_SHARE, identity):
        return [DiaryEntry(time_ns, final)]
    items = (_guessed(order.items[0], unsure.below(9, identity, 1)), *order.items[1:])
    first = attrs.evolve(final, items=items, is_provisional=True)
    wait_ns = minutes(5) + int(minutes(50) * unsure.uniform(identity, 2))
    if unsure.happens(0.5, identity, 3):
        wait_ns = days(1 + unsure.below(2, identity, 4))
    return [
        DiaryEntry(time_ns, first),
        DiaryEntry(time_ns + wait_ns, attrs.evolve(final, version=2)),
    ]


def _guessed(item: OrderItem, guess: int) -> OrderItem:
    """Return the item with a quantity that is not the right one yet."""
    return attrs.evolve(item, quantity=item.quantity + guess + 1)
