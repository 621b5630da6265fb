"""Does every order reach the ERP exactly once, whatever breaks on the way?

Reps write orders offline on their laptops. Twice a day each laptop calls a station, sends what is
new and fetches what came back. CRM Enterprise numbers the orders and passes them on to the one ERP,
which books and ships them and reports back. One order in ten is written with a provisional quantity
and corrected later, so that a lost, doubled or misordered message would show in the total.

The lines of this landscape are as bad as lines get: they lose, double, delay and reorder single
messages, sessions break off in every phase, and laptops, station, CRM and ERP crash in the middle
of their work. Two orders make the ERP's program stop with a dump, and their queues stand still
until somebody has put that right. Each program of CRM that passes things on fails for a day; what
it fails on leaves its queue and waits for a person, and is processed again behind newer changes.
Price lists go to every laptop meanwhile.

What is lost on a line is repeated, what comes twice is recognised, what comes out of order waits:
by queues, receipts and memory that survives a crash. Each of these can be switched off to see the
damage.

Hypothesis: every order is booked exactly once and the totals are equal, to the last decimal.

Runs in: 1 s with the made-up book of 200 orders; 10 s with 830 orders over two years.
"""

import enum
from functools import partial
from pathlib import Path

from attrs import evolve, frozen

from crmsim.applications.exchange import SalesExchange
from crmsim.applications.logistics import Billing, Logistics, Stock
from crmsim.applications.pricing import exact_sum
from crmsim.business.fulfilment import Posting
from crmsim.chance import Exponential
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import order_metrics
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.flow import Breakage, Context
from crmsim.mobile.rep import Habits
from crmsim.network.link import Link, LinkKind
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.partner import Poison
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.people import Worklist
from crmsim.systems.setup import Policies
from crmsim.units import Duration, Share, days, hours, seconds, to_seconds
from crmsim.workload.made_up import diaries, made_up_book
from crmsim.workload.orderbook import OrderBook, read_order_book


class Lines(enum.Enum):
    """What kind of lines the landscape has."""

    DATAGRAM = "datagram"
    STREAM = "stream"


class Actors(enum.Enum):
    """How waiting actors are resumed; the history is the same."""

    DETACHED = "detached"
    ATTACHED = "attached"


PATIENCE = days(60)
"""How long a change waits for its order to reach the ERP: as long as it takes, since the total of
the book is to come through to the last item."""


BACK_END = Logistics(
    picking=hours(2), partial=Share(0.2), billing=Billing.DELIVERIES, stock=Stock(200, 400)
)
"""How the ERP works when it does more than to note down that goods have left (assumed)."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    orders: Path | None = setting(
        None, "folder with orders.csv and order-details.csv; none makes a book up"
    )
    made_up_orders: int = setting(200, "orders of a made-up book", low=1, high=100_000)
    made_up_reps: int = setting(5, "reps of a made-up book", low=1, high=10_000)
    made_up_days: int = setting(60, "days that a made-up book spans", low=1, high=3_650)
    loss: Share = setting(0.10, "share of messages that a line loses", low=0, high=0.9)
    duplicate: Share = setting(0.05, "share of messages that arrive twice", low=0, high=1)
    reorder: Share = setting(
        0.10, "share of messages kept back so that others overtake them", low=0, high=1
    )
    reorder_window: Duration = setting(
        seconds(20), "how long a message is kept back at most", low=0
    )
    break_off: Share = setting(0.20, "share of sessions whose line breaks off", low=0, high=1)
    crashes: int = setting(2, "crashes of each kind of site at each named point", low=0, high=100)
    poisons: int = setting(
        2, "orders that the ERP cannot digest until somebody has put it right", low=0, high=1_000
    )
    reaction: Duration = setting(
        hours(2), "how long it takes on average until somebody looks at what is stuck", low=0
    )
    breakages: int = setting(
        1, "days on which each of CRM's programs fails on half of what it is given", low=0, high=100
    )
    worklist: Worklist = setting(
        Worklist.OLDEST_FIRST, "in which way the list of what failed is worked off"
    )
    mistakes: int = setting(
        4, "times that an impatient person starts work anew that is being done", low=0, high=1_000
    )
    price_lists: int = setting(
        3, "price lists that CRM publishes to every laptop meanwhile", low=0, high=1_000
    )
    prices: int = setting(150, "prices of a price list", low=1, high=100_000)
    back_end: bool = setting(
        False,
        "the ERP delivers from a stock and bills, and CRM locks there what it changes",
    )
    refuses: Share = setting(
        Share(0.0),
        "share of what CRM sends that the ERP refuses; a clerk sends it again",
        low=0,
        high=0.9,
    )
    dedup: bool = setting(True, "targets recognise what they have seen before")
    receipts: bool = setting(True, "a laptop forgets a change only when the server has it")
    in_order: bool = setting(True, "the next unit of work of a queue waits for the one before")
    newest_stays: bool = setting(
        True, "what is processed again late never overwrites what is newer"
    )
    lines: Lines = setting(
        Lines.DATAGRAM,
        "datagram: lines lose, double and reorder; stream: they only lose, and repeat that",
    )
    work_processes: int = setting(
        2, "changes that CRM, and the ERP, work on at once", low=1, high=99
    )
    actors: Actors = setting(
        Actors.DETACHED, "whether the schedule or trio resumes waiting actors; same history"
    )


@scenario(Settings, checks=ALL_CHECKS, metrics=order_metrics)
async def order_book(land: Landscape, settings: Settings) -> None:
    book = the_book(land, settings)
    build(land, settings, book)
    publish_prices(land, settings, book)
    plan_mistakes(land, settings, book)
    land.plan_crashes(settings.crashes, days(book.last_day_written))
    await land.run_until(days(book.last_day + 1))
    await land.settle(days(180))  # at half the messages lost, few sessions come to their end
    land.expect.path("mobile", "erp", through=("station", "crm"))
    land.expect.same_order("saved", "committed", per="rep")
    land.expect.before("committed", "booked", per="version")
    if any(site.lost_disks for site in land.simulation.sites.values()):
        return  # what was lost with a disk is counted and named; the book has it still
    if settings.back_end:
        all_shipped_is_billed(land)
    written = land.value_on_laptops
    assert written == book.value, f"the book says {book.value}, the laptops say {written}"


def the_book(land: Landscape, settings: Settings) -> OrderBook:
    if settings.orders is not None:
        return read_order_book(settings.orders)
    luck = land.simulation.luck
    return made_up_book(luck, settings.made_up_reps, settings.made_up_orders, settings.made_up_days)


def build(land: Landscape, settings: Settings, book: OrderBook) -> None:
    land.guarantees = Guarantees(
        settings.dedup, settings.receipts, settings.in_order, settings.newest_stays
    )
    ship_days = {o.reference: o.ship_day for o in book.orders if o.ship_day is not None}
    office, field = hardened(wan(), settings), hardened(gprs(dial_up=True), settings)
    reaction_s = Exponential(to_seconds(settings.reaction) + 1)
    if settings.back_end:
        land.exchange(SalesExchange())
    land.add_crm(
        work_processes=settings.work_processes,
        breakages=breakages(land, settings, book),
        operator_s=reaction_s,
        worklist=settings.worklist,
        policies=Policies(park_limit=PATIENCE),
        clerk=ClerkHabits(releases=False) if settings.refuses else None,
    )
    land.add_erp(
        office,
        ship_days=ship_days,
        logistics=BACK_END if settings.back_end else Logistics(),
        refuses=settings.refuses,
        work_processes=settings.work_processes,
        poisons=poisons(land, settings, book),
        operator_s=reaction_s,
    )
    land.add_station("station", office)
    habits = Habits(first_weekday=book.first_weekday, break_off=settings.break_off)
    for rep, diary in diaries(book, land.simulation.luck).items():
        name = f"laptop-{rep}"
        land.add_laptop(name, field, rep=rep, diary=diary, habits=habits, station="station")
    land.check()


def all_shipped_is_billed(land: Landscape) -> None:
    """Compare, to the last decimal, what has left the warehouse with what is in the books."""
    store = land.simulation.store("erp")
    shipped = exact_sum(
        row.net_value for row in store.table("orders").values() if row.shipped_day is not None
    )
    billed = exact_sum(
        item.value
        for documents in store.table("documents").values()
        for document in documents
        if document.posting is Posting.ACCOUNTING
        for item in document.items
    )
    assert shipped == billed, f"{shipped} has left the warehouse, {billed} is in the books"


def publish_prices(land: Landscape, settings: Settings, book: OrderBook) -> None:
    """Let a new price list be published every so many days; each changes all prices."""
    for number in range(settings.price_lists):
        due_ns = days(book.last_day_written) * number // settings.price_lists
        prices = {f"price {place}": f"list {number}" for place in range(settings.prices)}
        land.at(due_ns, land.publish, "prices", prices)


def plan_mistakes(land: Landscape, settings: Settings, book: OrderBook) -> None:
    """Let somebody look in the evening, when the reps call, and start anew what is being done."""
    luck = land.simulation.luck.stream("mistake")
    for number in range(settings.mistakes):
        day = luck.below(book.last_day_written + 1, number, 0)
        site = ("erp", "crm")[luck.below(2, number, 1)]
        land.at(days(day) + hours(18), partial(land.start_anew, site, within=hours(1)))


def poisons(land: Landscape, settings: Settings, book: OrderBook) -> tuple[Poison, ...]:
    """Choose orders that stop their queue with a dump, until somebody has put the ERP right."""
    luck = land.simulation.luck.stream("poison")
    chosen = {luck.below(len(book.orders), number): None for number in range(settings.poisons)}
    return tuple(Poison(book.orders[place].reference) for place in chosen)


def breakages(land: Landscape, settings: Settings, book: OrderBook) -> tuple[Breakage, ...]:
    """Choose the days on which CRM's programs fail: for news of the ERP, for what is saved, ..."""
    luck = land.simulation.luck.stream("breakage")
    found = []
    for place, context in enumerate((Context.MI0, Context.MO1, Context.SO1)):
        for number in range(settings.breakages):
            day = luck.below(book.last_day_written + 1, place, number)
            found.append(Breakage(context, days(day), days(day + 1), Share(0.5)))
    return tuple(found)


def hardened(link: Link, settings: Settings) -> Link:
    """Return the line with the trouble that the settings ask for."""
    if settings.lines is Lines.STREAM:
        return evolve(link, kind=LinkKind.STREAM, loss=settings.loss)
    return evolve(
        link,
        loss=settings.loss,
        duplicate=settings.duplicate,
        reorder=settings.reorder,
        reorder_window=settings.reorder_window,
    )
