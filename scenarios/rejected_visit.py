"""A rep notes down visits, offline. CRM refuses some of them. When does he know, and what then?

A visit needs a subject, and its customer must not be blocked. A laptop does not check the first and
often does not know of the second, so CRM finds out when the visit is sent. If CRM is busy, its
answer is not ready while the laptop is still on the line; it lies there for the next call. Then the
visit is gone from the laptop, and with it the note that hung on it; what was written can be
restored from the inbox of refusals.

The rep reads the inbox some time after the import. Visits that only lacked a subject he completes
and sends again; those of blocked customers he lets be. Notes have to be written anew, and nobody
does that here.

Hypothesis: a busy CRM answers most changes only in the call after, a quick one in the same call;
more calls a day mean that a rep knows sooner. That most of what was refused counts in the end needs
somebody who reads the inbox.

Runs in: 2 s.
"""

from collections import Counter
from collections.abc import Mapping

from attrs import frozen

from crmsim.business.master import RecordEdit
from crmsim.chance import Exponential, word_of
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.trace.journal import Journal
from crmsim.units import Share, days, hours, minutes, to_seconds

DAYS = 5
CUSTOMERS = 10
"""Of each rep."""


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    reps: int = setting(10, "reps", low=1, high=1_000)
    visits: int = setting(6, "visits of each rep on a day", low=1, high=100)
    calls: int = setting(2, "calls of each rep on a day", low=1, high=24)
    incomplete: Share = setting(Share(0.1), "share of the visits that lack a subject")
    blocked: int = setting(1, "customers of each rep that are blocked on Tuesday", low=0, high=10)
    validation_s: int = setting(5, "seconds that CRM needs for a change", low=1, high=3_600)
    reads_inbox: bool = setting(True, "the reps read the inbox, twenty minutes after an import")
    notes: Share = setting(Share(0.3), "share of the visits with a note")


def refusal_metrics(result: Result) -> Mapping[str, object]:
    """Return what was refused, when the reps knew, and what became of it."""
    journal = result.journal
    refused = Counter(_sort_of(str(e.detail["reason"])) for e in journal.select("rejected"))
    born = [e for e in journal.select("saved") if e.detail["object"] == "activity"]
    calls, known_s = _until_known(journal)
    restored = [e.subject for e in journal.select("restored")]
    held = result.simulation.store("crm").table("records")
    return {
        "visits": len(born),
        "refused": sum(refused.values()),
        "refused_because": dict(sorted(refused.items())),
        "restored": len(restored),
        "restored_and_stored": sum(
            ("activity", name.partition(" ")[2]) in held for name in restored
        ),
        "notes_gone": refused["of the visit"],
        "answer_in_the_same_call": calls[0],
        "answer_in_the_next_call": calls[1],
        "answer_later": sum(calls.values()) - calls[0] - calls[1],
        "until_the_answer_s_p50": quantile(known_s, 0.5),
        "until_the_answer_s_p95": quantile(known_s, 0.95),
    }


def _sort_of(reason: str) -> str:
    for words, sort in (
        ("needs a", "incomplete"),
        ("blocked", "blocked"),
        ("CRM knows no activity", "of the visit"),
    ):
        if words in reason:
            return sort
    return reason


def _until_known(journal: Journal) -> tuple[Counter[int], list[float]]:
    """Return in the how-manieth call after the upload answers came, and how long after the save."""
    calls: Counter[str] = Counter()
    saved: dict[str, int] = {}
    sent: dict[str, tuple[str, int]] = {}
    found: Counter[int] = Counter()
    known_s = []
    for event in journal.select("saved", "entered", "received", "imported"):
        if event.kind == "entered":
            calls[event.actor] += event.detail["phase"] == "AUTH"
        elif event.kind == "saved":
            saved[str(event.detail["message"])] = event.time_ns
            sent[str(event.detail["message"])] = event.actor, 0
        elif event.kind == "received" and event.subject in sent:
            laptop, _ = sent[event.subject]
            sent[event.subject] = laptop, calls[laptop]
        elif event.detail.get("answers"):
            message = str(event.detail["answers"])
            found[calls[event.actor] - sent[message][1]] += 1
            known_s.append(to_seconds(event.time_ns - saved[message]))
    return found, known_s


@scenario(Settings, checks=ALL_CHECKS, metrics=refusal_metrics)
async def rejected_visit(land: Landscape, settings: Settings) -> None:
    land.replicate(FIELD_SALES)
    land.add_crm(service_s=Exponential(float(settings.validation_s)))
    land.add_erp(wan())
    land.add_station("station", wan())
    reads = minutes(20) if settings.reads_inbox else None
    habits = Habits(times=Habits.spread_evenly(settings.calls).times, corrects_after=reads)
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary(land, settings, rep),
            habits=habits,
            station="station",
        )
        land.add_subscription(f"rep {rep}", "territory", (f"laptop-{rep}",), rep=f"{rep}")
    for rep in range(1, settings.reps + 1):
        land.add_record("territory", f"T{rep}", rep=f"{rep}")
        for number in range(CUSTOMERS):
            land.add_record("customer", f"{rep}-{number}", parent=f"T{rep}")
    land.check()
    for rep in range(1, settings.reps + 1):
        for number in range(settings.blocked):
            moment = days(1) + hours(9) + minutes(rep % 60)
            land.at(moment, land.change, "customer", f"{rep}-{number}", blocked="yes")
    await land.run_until("5d 12:00")
    await land.settle()


def diary(land: Landscape, settings: Settings, rep: int) -> tuple[DiaryEntry, ...]:
    """Return the visits of a rep, and the notes that hang on some of them."""
    luck = land.simulation.luck.stream("visits", f"rep {rep}")
    entries = []
    for day in range(DAYS):
        for number in range(settings.visits):
            key = word_of(f"{day} {number}")
            time_ns = days(day) + hours(9) + luck.below(hours(8), key, 0)
            fields: tuple[tuple[str, str], ...] = (("type", "visit"),)
            if not luck.happens(settings.incomplete, key, 1):
                fields += (("subject", "spring"),)
            name, customer = f"{rep}.{day}.{number}", f"{rep}-{luck.below(CUSTOMERS, key, 2)}"
            visit = RecordEdit("create", "activity", name, fields, customer)
            entries.append(DiaryEntry(time_ns, visit))
            if luck.happens(settings.notes, key, 3):
                note = RecordEdit("create", "note", f"{name} note", (("text", "was busy"),), name)
                entries.append(DiaryEntry(time_ns + 1, note))
    return tuple(sorted(entries, key=lambda entry: entry.time_ns))
