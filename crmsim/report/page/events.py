"""What of a history goes into a page, and in which form?

A page holds at most so many events; of a longer history, those of documents that were wrong, and
around the first thing that was, or the first ones. Texts that occur often stand once in a table and
are named by their place.
"""

import re
from collections.abc import Iterable
from typing import Any

from crmsim.lab.scenario import Result
from crmsim.measure.spans import online_spans
from crmsim.report.topology import COLUMNS
from crmsim.trace.journal import Event, Journal

__all__ = ["MOST_EVENTS", "events_as_json"]

MOST_EVENTS = 20_000
"""More than that, and a page is slow to open and too large for a mail."""
HIDDEN = frozenset({"guid", "to", "message", "from", "attempt"})
"""Details that a row tells in another way."""


class _Table:
    """Texts by their place."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    @property
    def texts(self) -> list[str]:
        return list(self._places)


def chosen_events(result: Result, most: int, names: dict[str, str]) -> list[Event]:
    """Return the events of a page, in order.

    A history that is too long loses what is far from what was wrong: kept are the documents that a
    finding names, each with what led to it, and then what happened around the first bad event.
    """
    journal = result.journal
    if len(journal) <= most:
        return list(journal)
    told = set(re.findall(r"[^\s,;:]+", " ".join(result.findings)))
    guids = {guid for guid, name in names.items() if name in told}
    kept: dict[int, None] = {}
    for event in journal:
        if guids and event.detail.get("guid") in guids and len(kept) < most:
            kept |= dict.fromkeys(one.number for one in journal.causes(event.number))
    bad = result.first_bad_event
    middle = bad.number if bad is not None else min(kept, default=0)
    room = max(most - len(kept), 0)
    first = max(min(middle - room // 2, len(journal) - room), 1)
    numbers = sorted({*kept, *range(first, first + room)})
    return [journal.event(number) for number in numbers[:most]]


def events_as_json(result: Result, most: int = MOST_EVENTS) -> dict[str, Any]:
    """Return what the script of a page needs to draw a sequence diagram.

    `events` holds rows of number, time in ns, actor, kind, subject, cause, document, to, attempt
    and detail; actor, kind, subject, document and to are places in the tables, or -1.
    """
    names = _references(result.journal)
    events = chosen_events(result, most, names)
    actors, kinds, subjects, documents = _Table(), _Table(), _Table(), _Table()
    topology = result.simulation.topology
    for name in sorted(topology.sites(), key=lambda name: COLUMNS.get(topology.kind(name), 0)):
        actors.place(name)  # from the laptops to the ERP, as on the map
    rows = [
        [
            event.number,
            event.time_ns,
            actors.place(event.actor),
            kinds.place(event.kind),
            subjects.place(event.subject),
            event.cause,
            _document(event, names, documents),
            actors.place(str(event.detail["to"])) if "to" in event.detail else -1,
            int(str(event.detail.get("attempt", 0))),
            _told(event),
        ]
        for event in events
    ]
    end_ns = result.simulation.now_ns
    online = online_spans(result.journal, end_ns)
    return {
        "total": len(result.journal),
        "events": rows,
        "actors": actors.texts,
        "kinds": kinds.texts,
        "subjects": subjects.texts,
        "documents": documents.texts,
        "online": {name: spans for name, spans in online.items() if spans},
    }


def _references(journal: Journal) -> dict[str, str]:
    """Return GUID -> what people call the document."""
    return {
        str(event.detail["guid"]): event.subject
        for event in journal.select("saved", "booked")
        if event.detail.get("guid")
    }


def _document(event: Event, names: dict[str, str], documents: _Table) -> int:
    guid = str(event.detail.get("guid", ""))
    return documents.place(names.get(guid, guid)) if guid else -1


def _told(event: Event) -> str:
    """Return what else there is to say of an event."""
    message = event.detail.get("message")
    more = [str(message)] if event.kind in ("sent", "delivered", "lost") and message else []
    told = (f"{name}={_short(value)}" for name, value in _plain(event.detail.items()))
    return " ".join((*more, *told))


def _plain(items: Iterable[tuple[str, object]]) -> Iterable[tuple[str, object]]:
    return ((name, value) for name, value in items if name not in HIDDEN and value not in ("", ()))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
