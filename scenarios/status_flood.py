"""The last day of the month: the ERP bills everything at once. Can CRM digest the news?

What has left the warehouse in the period is billed in one run. Of every bill the ERP tells CRM, and
CRM tells the laptop of the rep; so a run of some minutes becomes a flood of small news. In CRM they
are worked off by the same work processes that take over what laptops send in. If the run falls into
the hour in which reps call, both wait for each other.

A real month end has ten times as many bills. Here each piece of work in CRM is ten times as heavy
instead (`work`), which makes the same load in a tenth of the events.

Hypothesis: CRM is the bottleneck, not the ERP: bills are written faster than CRM takes their news.
The news lie in CRM's queues for the ERP's news (R3AD), and uploads of laptops stand behind them. A
run at night, or one that is spread over hours, costs the reps nothing: they hear of a bill with
their next call in any case.

Runs in: 5 s.
"""

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.applications.logistics import Billing, BillingRun, Logistics
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Lognormal
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.measure.waits import busy_share, deepest, lying_in, uploads
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import umts, wan
from crmsim.units import Duration, days, hours, minutes, seconds, to_seconds

DAYS = 5
"""The period: five working days; the run is on the last one."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    begins: Duration = setting(hours(18), "when the run begins, on the last day", low=hours(12))
    lasts: Duration = setting(minutes(6), "over which time its bills are written", low=1)
    nightly: bool = setting(False, "one run each day instead of one for all")
    reps: int = setting(12, "reps, each with a laptop", low=1, high=500)
    orders: int = setting(10, "orders that each rep writes a day", low=1, high=1_000)
    work: Duration = setting(seconds(2), "how long CRM works on news or an upload (mean)", low=1)
    work_processes: int = setting(2, "how many of them CRM works on at once", low=1, high=100)


def flood_metrics(result: Result) -> Mapping[str, object]:
    """Return how deep the news stood, and who waited because of them.

    `depth_most`: news of the ERP that lay in CRM at once, in the afternoon and night of the last
    day; `depth_in_erp_most`: that lay in the ERP's own queues. `flood_s`: from the beginning of the
    run until CRM had taken the news of its last bill; `crm_busy`, `erp_busy`: share of that time
    that the work processes of each worked, which writing bills is no work of. `to_crm_s`: from a
    bill to CRM; `to_laptop_s`: to the laptop of the rep. `upload_s`: from the receipt of a new
    order in CRM until it was stored; in the three hours around six o'clock of the last day, and of
    the day before.
    """
    assert isinstance(result.settings, Settings)
    journal, settings = result.journal, result.settings
    begin_ns = days(DAYS - 1) + settings.begins
    news = lying_in(journal, "crm", "R3AD_")
    day = days(DAYS - 1) + hours(12), days(DAYS) + hours(8)
    to_crm_s, to_laptop_s, last_ns = _times(result, (begin_ns, begin_ns + settings.lasts))
    flood = begin_ns, last_ns
    ours = ("CRM_SITE_", "CSA_", "R3AD_", "RELEASED_")
    return {
        "orders": len({event.subject for event in journal.select("booked")}),
        "bills_in_the_run": len(to_crm_s),
        "crm_busy": busy_share(journal, "crm", ours, settings.work_processes, flood),
        "erp_busy": busy_share(journal, "erp", ("R3AU_",), 2, flood),
        "depth_most": deepest(news, *day),
        "depth_in_erp_most": deepest(lying_in(journal, "erp", "R3AD_"), *day),
        "flood_s": to_seconds(last_ns - begin_ns) if to_crm_s else None,
        "to_crm_s_p50": quantile(to_crm_s, 0.5),
        "to_crm_s_p95": quantile(to_crm_s, 0.95),
        "to_laptop_s_p50": quantile(to_laptop_s, 0.5),
        "to_laptop_s_p95": quantile(to_laptop_s, 0.95),
        **_uploads(result, "meanwhile", DAYS - 1),
        **_uploads(result, "before", DAYS - 2),
    }


def _times(result: Result, run: tuple[int, int]) -> tuple[list[float], list[float], int]:
    """Return how long the bills of the last run took to CRM and to laptops; when CRM had all."""
    billed: dict[object, int] = {}
    waiting: dict[object, int] = {}
    to_crm_s, to_laptop_s, last_ns = [], [], run[0]
    for event in result.journal.select("posted", "progressed", "imported"):
        guid = event.detail.get("guid")
        is_bill = event.detail.get("document") == "billing document"
        if event.kind == "posted" and is_bill and run[0] <= event.time_ns < run[1]:
            billed.setdefault(guid, event.time_ns)
        elif event.kind == "progressed" and guid in billed and guid not in waiting:
            waiting[guid] = billed[guid]
            to_crm_s.append(to_seconds(event.time_ns - billed[guid]))
            last_ns = max(last_ns, event.time_ns)
        elif event.kind == "imported" and guid in waiting and event.detail["what"] == "update":
            to_laptop_s.append(to_seconds(event.time_ns - waiting.pop(guid)))
            del billed[guid]
    return to_crm_s, to_laptop_s, last_ns


def _uploads(result: Result, when: str, day: int) -> dict[str, object]:
    """Return how long uploads waited in CRM in the hours in which reps call on a day."""
    begin_ns = days(day) + hours(16.5)
    waits_s = [
        to_seconds(one.committed_ns - one.received_ns)
        for one in uploads(result.journal)
        if begin_ns <= one.received_ns < begin_ns + hours(3)
    ]
    return {
        f"upload_s_p50_{when}": quantile(waits_s, 0.5),
        f"upload_s_p95_{when}": quantile(waits_s, 0.95),
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=flood_metrics)
async def status_flood(land: Landscape, settings: Settings) -> None:
    every_days = 1 if settings.nightly else DAYS
    logistics = Logistics(
        lead=hours(3),
        picking=hours(1),
        billing=Billing.DELIVERIES,
        bill_after=Duration(0),
        billing_run=BillingRun(settings.begins, settings.lasts, every_days),
    )
    land.add_crm(
        work_processes=settings.work_processes,
        service_s=Lognormal.of_mean(to_seconds(settings.work), 0.6),
    )
    land.add_erp(wan(), logistics=logistics)
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            umts(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits(times=((hours(8), minutes(45)), (hours(18), minutes(20)))),
            diary=diary(land, settings, rep),
        )
    land.check()
    await land.run_until(days(DAYS))
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return the orders that a rep writes, all over the working hours."""
    luck = land.simulation.luck.stream("orders", f"rep {rep}")
    entries = []
    for day in range(DAYS):
        for number in range(settings.orders):
            time_ns = days(day) + hours(9) + luck.below(hours(8), day, number)
            item = OrderItem("tea", 1 + number % 9, Decimal(20))
            order = SalesOrder("", f"{rep}-{day}-{number}", f"{rep}", f"C{rep}", (item,))
            entries.append(DiaryEntry(time_ns, order))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
