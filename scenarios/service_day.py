"""Technicians repair things all day, without a line. When does the back end know what they did?

In the evening the office gives out the service orders of the next day. A technician gets his with
the first call, drives from one customer to the next, and confirms on his laptop what he has done:
how long he worked, which parts he took out of his van, what he paid on the way. With the next call
that goes to CRM, where somebody in the service office looks at it and completes it. Only then is it
posted in the ERP: the parts leave the stock of the van, the time is recorded, the costs are posted;
and only then is it billed. In the middle of a day some orders are given to somebody else. Some
confirmations are wrong and are taken back two days later.

Why one should care: a part that is taken out of the books twice is a part that nobody can find, and
an hour that is recorded twice is paid twice.

Hypothesis: whatever crashes, comes twice or is begun anew, each part, each hour and each expense
is posted exactly once. Without memory (`dedup=off`) they are not. The more seldom the office looks
(`approval`), the later everything is posted and billed. A laptop that counts along (`counts_parts`)
says in time that a part is used up; one that does not promises parts that are gone.

Runs in: 2 s.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.logistics import Logistics, Stock
from crmsim.business.master import RecordEdit
from crmsim.business.service import Category, ServiceItem, item_fields
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import FIELD_SERVICE
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.wire import Guarantees
from crmsim.units import Duration, Share, days, hours, minutes, to_seconds

PARTS = ("pump", "valve", "seal")
FIRST_ORDER = 8_000_000


@frozen
class Settings:
    """What can be changed about the story."""

    technicians: int = setting(4, "technicians", low=2, high=500)
    jobs: int = setting(4, "service orders of each technician on each day", low=1, high=10)
    work_days: int = setting(2, "days on which they work", low=1, high=20)
    calls: int = setting(3, "calls of each technician on a working day", low=1, high=24)
    approval: Duration = setting(
        hours(2), "how often the office looks at confirmations", low=minutes(1), high=hours(9)
    )
    parts: int = setting(6, "pieces of each part in each van at the beginning", low=0)
    refill: int = setting(6, "pieces of each part that come into each van every night", low=0)
    counts_parts: bool = setting(True, "laptops take parts that were used off the stock they show")
    reassigned: int = setting(2, "service orders that get another technician at noon", low=0)
    reversed: Share = setting(Share(0.1), "share of confirmations that are taken back")
    planning: bool = setting(True, "a planning system checks goods that are sold with the service")
    refuses: Share = setting(Share(0.0), "share of what CRM sends that the ERP refuses at first")
    crashes: bool = setting(True, "CRM, the ERP and a laptop crash once each")
    loss: Share = setting(Share(0.02), "share of messages that the lines lose")
    duplicate: Share = setting(Share(0.02), "share of messages that the lines double")
    impatience: int = setting(
        2, "how often somebody has work of the ERP begun anew that is being done", low=0
    )
    dedup: bool = setting(True, "systems remember what they have had before")


def service_metrics(result: Result) -> Mapping[str, object]:
    """Return what was posted, how often, and how long after the work.

    `posted_twice`: lines of confirmations for which something was posted more than once.
    `posted_s`: from the technician's save to the last posting; `billed_s`: to the receivable in the
    books. `parts_not_shown`: confirmations that a laptop did not take, because it showed too few
    parts; `parts_promised_in_vain`: what the ERP refused because the van was empty.
    """
    journal = result.journal
    saved = {
        event.subject: event.time_ns
        for event in journal.select("saved")
        if event.detail.get("object") == "confirmation"
    }
    sorts: Counter[str] = Counter()
    posted_ns: dict[str, int] = {}
    billed_ns: dict[str, int] = {}
    for event in journal.select("recorded"):
        sorts[str(event.detail["document"])] += 1
        if event.subject in saved:
            posted_ns[event.subject] = event.time_ns
        if event.detail["document"] == "receivable":
            billed_ns.setdefault(
                event.subject.removeprefix("bill ").replace("/", " "), event.time_ns
            )
    posted_s = [to_seconds(when - saved[one]) for one, when in posted_ns.items()]
    billed_s = [to_seconds(when - saved[one]) for one, when in billed_ns.items() if one in saved]
    refusals = [str(event.detail.get("reason", "")) for event in journal.select("distributed")]
    forbidden = [str(event.detail["reason"]) for event in journal.select("forbidden")]
    return {
        "confirmations": len(saved),
        "not_posted_censored": len(saved) - len(posted_ns),
        "documents": dict(sorts),
        "posted_twice": sum(count > 1 for count in _postings(result).values()),
        "posted_s_p50": quantile(posted_s, 0.5),
        "posted_s_p95": quantile(posted_s, 0.95),
        "billed_s_p50": quantile(billed_s, 0.5),
        "billed_s_p95": quantile(billed_s, 0.95),
        "parts_not_shown": sum(reason.startswith("there are ") for reason in forbidden),
        "parts_promised_in_vain": sum("there are too few" in reason for reason in refusals),
        "realigned": sum(1 for _ in journal.select("realigned")),
    }


def _postings(result: Result) -> Counter[tuple[str, str, str]]:
    """Return (confirmation, line, sort of document) -> how often it was posted."""
    found: Counter[tuple[str, str, str]] = Counter()
    for event in result.journal.select("recorded"):
        if event.subject.startswith("confirmation "):
            found[event.subject, str(event.detail["line"]), str(event.detail["document"])] += 1
    return found


@scenario(Settings, checks=ALL_CHECKS, metrics=service_metrics)
async def service_day(land: Landscape, settings: Settings) -> None:
    land.guarantees = Guarantees(dedup=settings.dedup)
    land.replicate(FIELD_SERVICE)
    stock = Stock(100, 100)
    land.add_crm(service_clerk=ClerkHabits(every=settings.approval))
    line = wan(loss=settings.loss, duplicate=settings.duplicate)
    logistics = Logistics(lead=hours(20), picking=hours(2), partial=Share(0.3))
    land.add_erp(line, logistics=logistics, refuses=settings.refuses)
    if settings.planning:
        land.add_apo(line, stock=stock)
    land.add_station("station", line)
    people = [f"T{number}" for number in range(1, settings.technicians + 1)]
    for place, name in enumerate(people):
        land.add_laptop(
            f"laptop-{name}",
            gprs(dial_up=True, loss=settings.loss, duplicate=settings.duplicate),
            rep=name,
            station="station",
            habits=Habits.spread_evenly(settings.calls),
            diary=tuple(sorted(diary(land, settings, place), key=lambda entry: entry.time_ns)),
            counts_parts=settings.counts_parts,
        )
    for name in people:
        laptop = (f"laptop-{name}",)
        land.add_subscription(f"orders of {name}", "service_order", laptop, technician=name)
        land.add_subscription(f"van of {name}", "stock", laptop, technician=name)
    laptops = [f"laptop-{name}" for name in people]
    land.add_subscription("customers", "customer", laptops, region="N")
    for number in range(settings.technicians):
        land.add_record("customer", f"C{number}", name=f"house {number}", region="N")
    for name in people:
        for part in PARTS:
            land.add_stock(f"van-{name}", part, settings.parts, technician=name)
    land.check()
    plan_office(land, settings, people)
    if settings.crashes:
        land.at(days(1) + hours(13), land.crash, "erp", down=minutes(30))
        land.at(days(1) + hours(15), land.crash, "crm", down=minutes(20))
        land.at(days(1) + hours(10), land.crash, laptops[0], down=minutes(90))
    for number in range(settings.impatience):
        land.at(days(1) + hours(10 + 3 * number), land.start_anew, "erp", within=hours(3))
    await land.run_until(days(settings.work_days + 4))
    await land.settle()


def order_number(settings: Settings, day: int, technician: int, job: int) -> str:
    """Return the number of a service order."""
    count = ((day - 1) * settings.technicians + technician) * settings.jobs + job
    return f"{FIRST_ORDER + count:010}"


def plan_office(land: Landscape, settings: Settings, people: list[str]) -> None:
    """Let the office give out service orders each evening, and fill up the vans."""
    luck = land.simulation.luck.stream("office")
    for day in range(1, settings.work_days + 1):
        for technician, name in enumerate(people):
            for job in range(settings.jobs):
                key = order_number(settings, day, technician, job)
                due_ns = days(day - 1) + hours(15) + luck.below(hours(2), int(key))
                items = [
                    ServiceItem("10", Category.SERVICE, "repair", 60, Decimal("1.50")),
                    ServiceItem("20", Category.PART, PARTS[job % len(PARTS)], 1, Decimal(40)),
                ]
                if job % 3 == 0:
                    items.append(ServiceItem("30", Category.SALES, "cleaner", 3, Decimal(12)))
                land.at(
                    due_ns,
                    land.change,
                    "service_order",
                    key,
                    technician=name,
                    customer=f"C{technician}",
                    status="released",
                    **item_fields(items),
                )
    for number in range(min(settings.reassigned, settings.technicians)):
        key = order_number(settings, 1, number, settings.jobs - 1)
        other = people[(number + 1) % len(people)]
        land.at(days(1) + hours(12), land.change, "service_order", key, technician=other)
    for day in range(1, settings.work_days + 1) if settings.refill else ():
        for name in people:
            for part in PARTS:
                due_ns = days(day) + hours(22)
                land.at(due_ns, land.receive_goods, f"van-{name}", part, settings.refill)


def diary(land: Landscape, settings: Settings, technician: int) -> Iterator[DiaryEntry]:
    """Yield what a technician confirms, and takes back two days later."""
    name = f"T{technician + 1}"
    luck = land.simulation.luck.stream("work", name)
    for day in range(1, settings.work_days + 1):
        for job in range(settings.jobs):
            number = day * 100 + job
            order = order_number(settings, day, technician, job)
            due_ns = (
                days(day)
                + hours(9)
                + int(hours(8.5) * (job + luck.uniform(number)) / (settings.jobs))
            )
            part = PARTS[luck.below(len(PARTS), number, 1)]
            items = (
                ServiceItem("10", Category.SERVICE, "repair", 30 + luck.below(90, number, 2)),
                ServiceItem("20", Category.PART, part, 1 + luck.below(3, number, 3), Decimal(40)),
                ServiceItem("30", Category.EXPENSE, "parking", 1, Decimal("4.50")),
            )
            key = f"{name}-{number}"
            fields = {"technician": name, "place": f"van-{name}", **item_fields(items)}
            yield DiaryEntry(due_ns, confirmation(key, order, fields))
            if luck.happens(settings.reversed, number, 4):
                fields = {"technician": name, "place": f"van-{name}", "reverses": key}
                fields |= item_fields(items)
                yield DiaryEntry(due_ns + days(2), confirmation(f"{key}R", order, fields))


def confirmation(key: str, order: str, fields: dict[str, str]) -> RecordEdit:
    """Return what a technician writes down."""
    return RecordEdit("create", "confirmation", key, tuple(sorted(fields.items())), parent=order)
