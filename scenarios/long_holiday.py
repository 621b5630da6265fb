"""A rep is away for days or weeks. What waits for him, and what of his own work still counts?

Several reps look after the same customers. One of them leaves on a Monday evening and does not call
for a while: because he is on holiday, or because he works where there is no network. The others go
on, and so does the office. Everything that concerns him lies ready in his queue.

When he is back, his laptop sends first, then fetches all of it. If he has worked meanwhile, he has
changed what others have changed too, without knowing: these are conflicts, and CRM decides.

Hypothesis: what waits grows with each day, and the first call takes longer; of one's own changes
the larger a part is in conflict the longer one was away, up to nearly all of them.

Runs in: 2 s.
"""

from collections.abc import Mapping
from itertools import chain

from attrs import frozen

from crmsim.business.master import RecordEdit
from crmsim.chance import word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import line_times_s
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.setup import Policies
from crmsim.units import days, hours

FIELDS = ("telephone", "remark", "mood", "terms", "season", "contact person")
"""What is known of a customer, and changes."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    away: int = setting(5, "days that rep 1 does not call", low=1, high=60)
    works: bool = setting(True, "rep 1 works while he is away; else he is on holiday")
    team: int = setting(3, "reps who look after the same customers", low=2, high=50)
    customers: int = setting(20, "customers that they share", low=1, high=1_000)
    changes: int = setting(6, "changes of each rep on a day", low=0, high=200)
    policy: ConflictPolicy = setting(
        ConflictPolicy.FIELD_MERGE, "what becomes of a change of what somebody else has changed"
    )


def holiday_metrics(result: Result) -> Mapping[str, object]:
    """Return what waited for rep 1, how long his first call took, and what of his work counts."""
    journal, settings = result.journal, result.settings
    back_ns = days(1 + settings.away)
    mine = [
        event
        for event in journal.select("saved")
        if event.actor == "laptop-1" and days(1) <= event.time_ns < back_ns
    ]
    messages = {str(event.detail["message"]) for event in mine}
    lost = {e.subject for e in chain(journal.select("overruled"), journal.select("rejected"))}
    waiting = [
        event
        for event in journal.select("imported")
        if event.actor == "laptop-1" and back_ns <= event.time_ns < back_ns + days(1)
    ]
    begun = {
        event.subject: event.time_ns
        for event in journal.select("entered")
        if event.detail["phase"] == "AUTH" and event.actor == "laptop-1"
    }
    calls = dict(
        zip(begun, (s for who, s in line_times_s(journal) if who == "laptop-1"), strict=False)
    )
    first = next((name for name, time_ns in begun.items() if time_ns >= back_ns), None)
    return {
        "changes_while_away": len(mine),
        "of_these_in_conflict": len(messages & lost),
        "share_in_conflict": len(messages & lost) / len(mine) if mine else None,
        "waited_for_him": len(waiting),
        "first_call_s": calls.get(first) if first else None,
        "usual_call_s": sorted(calls.values())[len(calls) // 2] if calls else None,
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=holiday_metrics)
async def long_holiday(land: Landscape, settings: Settings) -> None:
    land.replicate(FIELD_SALES)
    land.add_crm(policies=Policies(conflict=settings.policy))
    land.add_erp(wan())
    land.add_station("station", wan())
    laptops = [f"laptop-{rep}" for rep in range(1, settings.team + 1)]
    for rep, laptop in enumerate(laptops, 1):
        gone = ((1, settings.away),) if rep == 1 else ()
        land.add_laptop(
            laptop,
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary(land, settings, rep),
            habits=Habits(working_days=7, holidays=gone),
            station="station",
        )
    land.add_subscription("the team", "territory", laptops, rep="the team")
    land.add_record("territory", "T", rep="the team")
    for number in range(settings.customers):
        fields = dict.fromkeys((name.replace(" ", "_") for name in FIELDS), "unknown")
        land.add_record("customer", f"C{number}", parent="T", **fields)
    land.check()
    await land.run_until(days(settings.away + 3))
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return what a rep changes of the customers, on each day at any time."""
    luck = land.simulation.luck.stream("changes", f"rep {rep}")
    entries = []
    for day in range(settings.away + 2):
        if rep == 1 and not settings.works and 1 <= day <= settings.away:
            continue
        for number in range(settings.changes):
            key = word_of(f"{day} {number}")
            time_ns = days(day) + hours(9) + luck.below(hours(8), key, 0)
            name = FIELDS[luck.below(len(FIELDS), key, 1)].replace(" ", "_")
            customer = f"C{luck.below(settings.customers, key, 2)}"
            fields = ((name, f"as rep {rep} says on day {day}, {number}"),)
            entries.append(DiaryEntry(time_ns, RecordEdit("change", "customer", customer, fields)))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
