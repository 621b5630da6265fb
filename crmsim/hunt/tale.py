"""How is a small run told in a few lines?

What led to the event that shows the finding, cause by cause, and what befell sites and lines on the
way; the rest of the history is left out.
"""

import re

from crmsim.hunt.case import Case
from crmsim.hunt.finding import Finding, finder
from crmsim.lab.scenario import Result
from crmsim.trace.journal import Event
from crmsim.trace.kinds import Level
from crmsim.units import SECOND_NS, show_moment

__all__ = ["tell_case"]

BEFORE = ("crashed", "restarted", "paused", "resumed", "struck", "lifted", "administered")
"""Kinds of events that are told wherever they occur: they may have long consequences."""
DURING = ("lost", "duplicated", "held", "broken", "rejected", "failed")
"""Kinds of events that are told from the first cause on."""
STEPS = (
    *("saved", "committed", "checked", "promised", "booked", "shipped"),
    *("replicated", "confirmed", "imported", "parked"),
)
"""Kinds of events that are the steps of an order."""
UNTOLD = {"guid", "serial", "attempt"}
"""Details that say nothing to a reader."""
LEFT_OUT = {"delivered", "flowed", "begun", "ended", "cleared", "distributed", "fired", "handed"}
"""Kinds of events that say nothing new to somebody who sees the others."""
MOST_LINES = 40
EVENT = re.compile(r"event (\d+)")


def tell_case(case: Case, finding: Finding) -> list[str]:
    """Return a line for each step on the way to the finding, those that show it marked with >."""
    result = case.run(Level.MESSAGES)
    bad = _bad_events(result, finding)
    numbers = {cause.number for number in bad for cause in result.journal.causes(number)}
    if not bad:  # only the final state shows it
        numbers = _events_of_orders(result, finding)
    until = max(bad, default=len(result.journal))
    first = min(numbers, default=1)
    numbers |= {event.number for event in result.journal.select(*BEFORE) if event.number <= until}
    numbers |= {e.number for e in result.journal.select(*DURING) if first <= e.number <= until}
    told = [
        (event, _told(event))
        for event in result.journal
        if event.number in numbers and (event.kind not in LEFT_OUT or event.number in bad)
    ]
    return [
        f"{_clock(event.time_ns)} {'>' if event.number in bad else ' '} {text}"
        for event, text in told[-MOST_LINES:]
    ]


def _clock(time_ns: int) -> str:
    return show_moment(time_ns - time_ns % SECOND_NS)


def _bad_events(result: Result, finding: Finding) -> set[int]:
    """Return the events that show the finding: the one that evidence names, and those it cites."""
    found = finder(result)
    for check, verdict in result.verdicts:
        for evidence in verdict.evidence:
            if found(check.name, evidence.text).is_like(finding):
                cited = {int(number) for number in EVENT.findall(evidence.text)}
                return {number for number in (evidence.event, *cited) if number}
    return set()


def _events_of_orders(result: Result, finding: Finding) -> set[int]:
    """Return what became of the orders that a finding names."""
    named = set(finding.text.replace(":", " ").split())
    saved = [event for event in result.journal.select("saved") if event.subject in named]
    guids = {event.detail["guid"] for event in saved}
    about = result.journal.select(*STEPS)
    return {event.number for event in about if event.detail.get("guid") in guids}


def _told(event: Event) -> str:
    detail = dict(event.detail)
    if event.kind == "sent":
        again = ", again" if int(str(detail["attempt"])) else ""
        return f"{event.actor} -> {detail['to']}: {detail['message']} {event.subject}{again}"
    more = " ".join(f"{name}={value}" for name, value in detail.items() if name not in UNTOLD)
    return " ".join(f"{event.actor} {event.kind} {event.subject} {more}".split())
