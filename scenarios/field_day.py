"""A whole field force at work, from Monday to Friday. What becomes of all that is written?

Reps share territories in teams. They note down visits, work on opportunities, write orders and
quotations, offline, and call twice a day over modems, mobile telephones and the office network. The
office works in CRM meanwhile; prices change; some customers go to another territory, some are
blocked. A clerk completes orders that lack a price. Customers order in the Internet shop, and ask
on the telephone, or the rep, how their orders stand.

With `faults` on, things go wrong as they do: calls break off, the ERP is out of reach for two
hours, systems and laptops crash, a part of the flow fails for a while.

Hypothesis: conflicts, refusals, changes that have to wait for a distribution and realignments are
everyday business, and yet everybody knows in the end what became of everything, and all systems
agree.

Runs in: 4 s.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from crmsim.applications.numbering import Numbering
from crmsim.business.enquiry import Enquiry
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Stream, word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.documents import field_metrics
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import scenario
from crmsim.lab.settings import setting
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.replication import FIELD_SALES, Kind
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.link import Link
from crmsim.network.profiles import gprs, gsm, lan, modem, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.systems.setup import Policies
from crmsim.units import Duration, Share, days, hours, minutes
from crmsim.workload.field import PRODUCTS, FieldForce, catalogue_price, product

ERP_AWAY = "2d 10:00"
"""Since when the ERP is out of reach, for two hours, if there are faults."""


class Size(enum.Enum):
    """How large the field force is."""

    SMALL = "small"
    DEFAULT = "default"
    STRESS = "stress"


@frozen
class Scale:
    """What a size means."""

    reps: int
    customers: int
    """Of each territory."""
    office: int
    """Changes in the office a day, for every two reps."""
    prices: int
    """Prices that change on a day."""
    stations: int
    work_processes: int
    calls: int = 2
    """Calls of a laptop on a day."""
    work: Mapping[str, Any] = MappingProxyType({})
    """How much a day of a rep brings, where that is not what is usual."""


HARD = {
    "visits": 20,
    "opportunities": 7,
    "orders": 10,
    "corrections": 3,
    "items_mean": 100.0,
    "team_sizes": ((8, 1.0),),
}
"""The hardest field force that one would plan for (assumed)."""
SCALES = {
    Size.SMALL: Scale(20, 20, office=4, prices=20, stations=1, work_processes=2),
    Size.DEFAULT: Scale(500, 150, office=6, prices=200, stations=4, work_processes=4),
    Size.STRESS: Scale(
        16, 500, office=75, prices=1_000, stations=1, work_processes=20, calls=12, work=HARD
    ),
}


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    size: Size = setting(Size.SMALL, "how large the field force is, and how hard its days are")
    reps: int = setting(0, "how many reps there are; 0 for as many as the size has")
    faults: bool = setting(True, "things go wrong")
    clerk: bool = setting(True, "a clerk completes orders that lack a price")
    numbering: Numbering = setting(Numbering.AT_TRANSFER, "when an order gets its number")
    break_off: Share = setting(Share(0.02), "share of the calls that break off")


@scenario(Settings, checks=ALL_CHECKS, metrics=field_metrics)
async def field_day(land: Landscape, settings: Settings) -> None:
    scale = SCALES[settings.size]
    if settings.reps:
        scale = evolve(scale, reps=settings.reps)
    luck = land.simulation.luck
    force = FieldForce(reps=scale.reps, customers=scale.customers, luck=luck, **scale.work)
    build(land, settings, scale, force)
    land.check()
    plan_office(land, scale, force)
    if settings.faults:
        plan_faults(land, scale)
    await land.run_until("5d 12:00")
    await land.settle()


def build(land: Landscape, settings: Settings, scale: Scale, force: FieldForce) -> None:
    """Put up the systems, the laptops and all that is there at the beginning."""
    land.replicate(FIELD_SALES)
    fails = Breakage(Context.SO1, days(1) + hours(9), days(1) + hours(13), Share(0.05))
    land.add_crm(
        work_processes=scale.work_processes,
        breakages=(fails,) if settings.faults else (),
        clerk=ClerkHabits(releases=False) if settings.clerk else None,
        policies=Policies(numbering=settings.numbering),
    )
    land.add_erp(wan(), work_processes=scale.work_processes)
    stations = [f"station-{number}" for number in range(1, scale.stations + 1)]
    for name in stations:
        land.add_station(name, wan(), connections=80)
    usual = Habits() if scale.calls == 2 else Habits.spread_evenly(scale.calls)
    habits = evolve(usual, break_off=settings.break_off, corrects_after=minutes(20))
    laptops = []
    for territory, team in enumerate(force.teams, 1):
        home = territory % len(stations)
        for rep in team:
            laptops.append(f"laptop-{rep}")
            land.add_laptop(
                laptops[-1],
                line(land, settings.size, rep),
                rep=f"{rep}",
                station=(*stations[home:], *stations[:home]),
                habits=habits,
                diary=force.diary(rep, territory, team),
            )
        sites = tuple(f"laptop-{rep}" for rep in team)
        land.add_subscription(f"territory {territory}", "territory", sites, rep=f"team {territory}")
    for one in FIELD_SALES.objects:
        if one.kind is Kind.BULK:
            land.add_subscription(one.name, one.name, laptops)
    for territory, _ in enumerate(force.teams, 1):
        land.add_record("territory", f"T{territory}", rep=f"team {territory}")
        for customer in force.customers_of(territory):
            land.add_record("customer", customer, parent=f"T{territory}", name=customer)
            land.add_record(
                "activity", f"{customer} last year", parent=customer, type="visit", subject="talk"
            )
            land.add_record(
                "opportunity", f"{customer} lead", parent=customer, phase="first talk", closes="May"
            )
    land.add_channel("shop", wan(), diary=shop(land, force))
    land.add_channel("telephone", wan(), diary=telephone(land, force))


def line(land: Landscape, size: Size, rep: int) -> Link:
    """Return the line of a rep: 30 % modem, 40 % mobile telephone, 30 % the office network.

    Under stress all of them dial over the slowest mobile telephones.
    """
    if size is Size.STRESS:
        return gsm()
    u = land.simulation.luck.stream("kind of line").uniform(rep)
    if u < 0.3:
        return modem(dial_up=True)
    return gprs(dial_up=True) if u < 0.7 else lan(dial_up=True)


def shop(land: Landscape, force: FieldForce) -> tuple[DiaryEntry, ...]:
    """Return what customers order in the shop: one order a day for ten reps."""
    luck = land.simulation.luck.stream("shop")
    entries = []
    for day in range(force.working_days):
        for number in range(max(force.reps // 10, 1)):
            key = word_of(f"{day} {number}")
            customer = a_customer(luck, force, key)
            which = luck.below(PRODUCTS, key, 3)
            item = OrderItem(product(which), 1 + luck.below(9, key, 4), catalogue_price(which))
            order = SalesOrder("", f"shop-{day}-{number}", "shop", customer, (item,))
            entries.append(DiaryEntry(days(day) + luck.below(days(1), key, 5), order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))


def telephone(land: Landscape, force: FieldForce) -> tuple[DiaryEntry, ...]:
    """Return what customers ask on the telephone: one call a day for two reps."""
    luck = land.simulation.luck.stream("telephone")
    entries = []
    for day in range(1, force.working_days):
        for number in range(max(force.reps // 2, 1)):
            key = word_of(f"{day} {number}")
            rep, which = 1 + luck.below(force.reps, key, 1), luck.below(2, key, 2)
            time_ns = days(day) + hours(9) + luck.below(hours(8), key, 3)
            entries.append(DiaryEntry(time_ns, Enquiry(f"{rep}-{day - 1}-{which}")))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))


def a_customer(luck: Stream, force: FieldForce, key: int) -> str:
    """Return any customer."""
    territory = 1 + luck.below(len(force.teams), key, 1)
    return force.customers_of(territory)[luck.below(force.customers, key, 2)]


def plan_office(land: Landscape, scale: Scale, force: FieldForce) -> None:
    """Plan what happens in CRM and in the ERP without any rep."""
    luck = land.simulation.luck.stream("office")
    teams = len(force.teams)
    for day in range(force.working_days):
        for number in range(scale.office * scale.reps // 2):
            plan_change(land, luck, force, day, number)
        for batch in range(4):
            values = {
                product((batch * scale.prices // 4 + n) % PRODUCTS): f"{5 + (day + n) % 40}"
                for n in range(scale.prices // 4)
            }
            land.at(days(day) + hours(6 + 3 * batch), land.publish_in_erp, "prices", values)
        land.at(days(day) + hours(7), land.publish, "customizing", {"reasons": f"list {day}"})
    for number in range(max(teams * force.customers // 200, 2)):
        key = word_of(f"moves {number}")
        moment = days(1) + hours(20) + minutes(number % 60)
        target = 1 + luck.below(teams, key, 5)
        land.at(moment, land.change, "customer", a_customer(luck, force, key), parent=f"T{target}")
    for number in range(max(teams * force.customers // 100, 2)):
        key = word_of(f"is blocked {number}")
        moment = days(number % 3) + hours(12)
        land.at(moment, land.change, "customer", a_customer(luck, force, key), blocked="yes")


def plan_change(land: Landscape, luck: Stream, force: FieldForce, day: int, number: int) -> None:
    """Plan one change in the office: of a customer, an opportunity, an order, or a new visit."""
    key = word_of(f"{day} {number}")
    moment = days(day) + hours(8) + luck.below(hours(9), key, 0)
    customer, what = a_customer(luck, force, key), luck.below(4, key, 6)
    if what == 0:
        land.at(moment, land.change, "customer", customer, remark=f"office {day}")
    elif what == 1:
        land.at(moment, land.change, "opportunity", f"{customer} lead", value=f"{number}")
    elif what == 2 and day:
        reference = f"{1 + luck.below(force.reps, key, 7)}-{day - 1}-{luck.below(2, key, 8)}"
        edit = OrderEdit(reference, header=(("text", f"urgent {number}"),))
        land.at(moment, land.change_order, edit)
    else:
        name, parent = f"office {day} {number}", customer
        fields = {"type": "visit", "subject": "planned"}
        land.at(moment, land.change, "activity", name, parent=parent, **fields)


def plan_faults(land: Landscape, scale: Scale) -> None:
    """Plan what goes wrong besides calls that break off."""
    land.at(ERP_AWAY, Outage("erp", under_way="drop"), for_=hours(2))
    downs: dict[str, tuple[str, Duration]] = {
        "1d 18:10": ("crm", minutes(3)),
        "3d 11:00": ("erp", minutes(10)),
        "3d 08:05": ("station-1", minutes(10)),
    }
    for moment, (site, down) in downs.items():
        land.at(moment, land.crash, site, down=down)
    for rep in range(1, scale.reps + 1, 10):
        land.at(f"{rep % 5}d 13:00", land.crash, f"laptop-{rep}", down=minutes(15))
    land.at("2d 15:00", land.crash, "laptop-2", down=hours(4), wipe=True)
