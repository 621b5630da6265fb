"""When was a laptop on a line, a site down, a fault at work?"""

from collections.abc import Iterable

import attrs

from crmsim.sync.session import Phase
from crmsim.trace.journal import Event, Journal

__all__ = ["Span", "down_spans", "fault_spans", "online_spans"]

Pairs = dict[str, list[tuple[int, int]]]
"""Who -> (from, until) in nanoseconds of virtual time."""


@attrs.frozen
class Span:
    """Something that lasted."""

    name: str
    begin_ns: int
    end_ns: int


def online_spans(journal: Journal, end_ns: int) -> Pairs:
    """Return laptop -> when it was on a line: from the beginning of a call until it hung up.

    Who never began a session is not in it.
    """
    since: dict[str, int] = {}
    found: Pairs = {}
    for event in journal.select("entered", "broken", "finished", "crashed"):
        is_phase = event.kind == "entered"
        if is_phase:
            found.setdefault(event.actor, [])
        if is_phase and Phase(event.detail["phase"]).is_on_line:
            since.setdefault(event.actor, event.time_ns)
        elif event.actor in since:
            found[event.actor].append((since.pop(event.actor), event.time_ns))
    for actor, begin_ns in since.items():
        found[actor].append((begin_ns, end_ns))
    return found


def down_spans(journal: Journal, sites: Iterable[str], end_ns: int) -> list[Span]:
    """Return when sites were down or paused."""
    wanted = frozenset(sites)
    return _spans(journal, ("crashed", "paused"), ("restarted", "resumed"), "actor", wanted, end_ns)


def fault_spans(journal: Journal, end_ns: int) -> list[Span]:
    """Return when faults of the network were at work."""
    return _spans(journal, ("struck",), ("lifted",), "subject", None, end_ns)


def _spans(
    journal: Journal,
    begins: tuple[str, ...],
    ends: tuple[str, ...],
    whose: str,
    wanted: frozenset[str] | None,
    end_ns: int,
) -> list[Span]:
    since: dict[str, Event] = {}
    found: list[Span] = []
    for event in journal.select(*begins, *ends):
        name: str = getattr(event, whose)
        if wanted is not None and name not in wanted:
            continue
        if event.kind in begins:
            since.setdefault(name, event)
        elif name in since:
            found.append(Span(name, since.pop(name).time_ns, event.time_ns))
    found += [Span(name, event.time_ns, end_ns) for name, event in since.items()]
    return sorted(found, key=lambda span: (span.begin_ns, span.name))
