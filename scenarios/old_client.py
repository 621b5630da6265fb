"""CRM gets new programs over the weekend, but not every laptop does. What do the old ones miss?

From Saturday on, CRM sends orders in a new form. Laptops with old programs cannot read it. They do
not try for ever: such a message is put aside and given back with the next call, and the import goes
on with the rest. What the laptop sends itself is still understood. When it gets its new programs,
somebody in the office has everything sent again that it gave back.

Hypothesis: the share of laptops that are late, and how late they are, decide how much comes back;
after the update all is there within a day, if somebody looks after it, and never, if nobody does.

Runs in: 2 s.
"""

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Exponential, word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import Share, days, hours, to_seconds

TEAM = 2
"""Reps who share their customers."""
UPGRADE = "2d 12:00"
"""When CRM gets its new programs: Saturday noon; day 0 is a Thursday."""
DAYS = 12


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    reps: int = setting(20, "reps", low=2, high=2_000)
    late: Share = setting(Share(0.3), "share of the laptops that get their new programs late")
    days_late: int = setting(3, "days that they are late, counted from Monday", low=1, high=30)
    orders: int = setting(2, "orders of each rep on a day", low=0, high=100)
    somebody: bool = setting(True, "somebody in the office looks after what comes back")


def version_metrics(result: Result) -> Mapping[str, object]:
    """Return what could not be read, what came back, and when it was there after all."""
    journal = result.journal
    unread = [
        (event.actor, str(event.detail["guid"]), event.time_ns)
        for event in journal.select("unread")
    ]
    due: dict[tuple[str, str], int] = {}
    waits_s = []
    for event in journal.select("unread", "imported"):
        key = event.actor, str(event.detail.get("guid", ""))
        if event.kind == "unread":
            due.setdefault(key, event.time_ns)
        elif key in due and event.detail["what"] == "update":
            waits_s.append(to_seconds(event.time_ns - due.pop(key)))
    return {
        "unread": len(unread),
        "laptops_with_unread": len(dict.fromkeys(unread)),
        "given_back": sum(1 for _ in journal.select("returned")),
        "sent_again": sum(
            e.detail["action"] == "send again" for e in journal.select("administered")
        ),
        "there_after_all_s_p50": quantile(waits_s, 0.5),
        "there_after_all_s_max": max(waits_s, default=None),
        "never_there": len(due),
        "made_under_old": sum(
            "programs" in _names(e.detail["behind"]) for e in journal.select("outdated")
        ),
    }


def _names(behind: object) -> tuple[str, ...]:
    return behind if isinstance(behind, tuple) else ()


@scenario(Settings, checks=ALL_CHECKS, metrics=version_metrics)
async def old_client(land: Landscape, settings: Settings) -> None:
    land.replicate(BY_CUSTOMER)
    land.add_crm(operator_s=Exponential(3_600.0) if settings.somebody else None)
    land.add_erp(wan())
    land.add_station("station", wan())
    habits = Habits(first_weekday=3)
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary(land, settings, rep),
            habits=habits,
            station="station",
        )
    for first in range(1, settings.reps + 1, TEAM):
        team = range(first, min(first + TEAM, settings.reps + 1))
        sites = tuple(f"laptop-{rep}" for rep in team)
        land.add_subscription(f"team {first}", "customer", sites, region=f"{first}")
    for first in range(1, settings.reps + 1, TEAM):
        for number in range(5):
            land.add_record("customer", f"{first}-{number}", region=f"{first}")
    land.check()
    land.at(UPGRADE, land.change_format, "order", release=2)
    luck = land.simulation.luck.stream("late")
    for rep in range(1, settings.reps + 1):
        wait_ns = days(settings.days_late) if luck.happens(settings.late, rep) else 0
        moment = days(4) + hours(7) + wait_ns if wait_ns else days(3) + hours(12)
        land.at(moment, land.update_client, f"laptop-{rep}", release=2)
    await land.run_until(days(DAYS))
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return the orders of a rep on working days, each changed a day later."""
    luck = land.simulation.luck.stream("orders", f"rep {rep}")
    first = rep - (rep - 1) % TEAM
    entries = []
    for day in range(DAYS - 2):
        for number in range(settings.orders if (day + 3) % 7 < 5 else 0):
            key = word_of(f"{day} {number}")
            time_ns = days(day) + hours(9) + luck.below(hours(8), key, 0)
            item = OrderItem("tea", 1 + luck.below(20, key, 1), Decimal(20))
            customer = f"{first}-{luck.below(5, key, 2)}"
            name = f"{rep}-{day}-{number}"
            entries.append(DiaryEntry(time_ns, SalesOrder("", name, f"{rep}", customer, (item,))))
            edit = OrderEdit(name, items=((1, (("quantity", 1 + luck.below(20, key, 3)),)),))
            entries.append(DiaryEntry(time_ns + days(1), edit))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
