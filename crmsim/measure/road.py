"""Where did a document spend its time, and which events are about the same thing?

A document is always somewhere: waiting offline on a laptop or for one, queued, under way on a line,
in service, or at rest because nothing is to be done about it. The latest event about it says where;
the sessions of its laptop say when waiting offline became being under way.
"""

import enum
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator

import attrs

from crmsim.middleware.queue import laptop_of
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event, Journal

__all__ = ["KEYS", "ROAD_KINDS", "Names", "Part", "Road", "Stay"]


class Part(enum.Enum):
    """Where a document is."""

    OFFLINE = "offline"
    """On a laptop that is on no line, or ready for one."""
    QUEUED = "queued"
    UNDER_WAY = "under way"
    """On a line, with all that its repetitions cost."""
    IN_SERVICE = "in service"
    """A work process works on it."""
    AT_REST = "at rest"
    """Nothing is to be done about it for now."""


@attrs.frozen
class Stay:
    """A span of time that a document spent in one place."""

    part: Part
    begin_ns: int
    end_ns: int


_LIVELINESS = {
    Part.AT_REST: 0,
    Part.OFFLINE: 1,
    Part.QUEUED: 2,
    Part.UNDER_WAY: 3,
    Part.IN_SERVICE: 4,
}
"""Which of several places counts: the liveliest."""
ROAD_KINDS = (
    *("saved", "received", "parked", "failed", "effected", "imported", "enqueued", "begun"),
    *("ended", "administered"),
    *("entered", "broken", "finished", "crashed"),
)
"""The kinds of events that tell where a document is."""
_OWN_WORK = ("CSA_", "RELEASED_")
"""Queues whose work a system does itself: nobody sends it, so nobody receives it."""
Place = tuple[Part, str]
"""Where something is, and, if it is offline, on or for which laptop."""
NOWHERE: Place = (Part.AT_REST, "")


class Road:
    """The ways of all documents of a run, read from its journal.

    A document travels as several things at once: the change on its way to the ERP, the news of it
    for the laptop. It is where the liveliest of them is, in service before under way, queued and
    offline. What a sender does about a LUW that its target holds already (another try) moves
    nothing.
    """

    def __init__(self, journal: Journal) -> None:
        self._stations: dict[str, list[tuple[int, Place]]] = {}
        """GUID -> (since when, where) in order of time."""
        self._things: dict[str, dict[str, Place]] = {}
        """GUID -> message, LUW or news that is still to take effect -> where it is."""
        self._on_line: dict[str, list[int]] = {}
        """Laptop -> moments at which it went on line, hung up, went on line, ..."""
        self._held_by: dict[str, str] = {}
        """LUW -> the system that received it."""
        for event in journal.select(*ROAD_KINDS):
            if event.kind in ("entered", "broken", "finished", "crashed"):
                self._follow_line(event)
            elif event.detail.get("guid"):
                self._follow(event, str(event.detail["guid"]))
        del self._things

    def _follow(self, event: Event, guid: str) -> None:
        things = self._things.setdefault(guid, {})
        thing = str(event.detail["message"]) if event.kind == "saved" else event.subject
        place = self._place(event, thing)
        if place is None:
            return
        if place == NOWHERE:
            things.pop(thing, None)
        else:
            things[thing] = place
        self._note(guid, event.time_ns)

    def _note(self, guid: str, time_ns: int) -> None:
        places = (*self._things[guid].values(), NOWHERE)
        liveliest = max(places, key=lambda place: _LIVELINESS[place[0]])
        self._stations.setdefault(guid, []).append((time_ns, liveliest))

    def _place(self, event: Event, thing: str) -> Place | None:
        """Return where an event puts a thing; None when it leaves it where it is."""
        if event.kind in ("effected", "imported"):
            return NOWHERE
        if event.kind == "administered":
            is_gone = "serial" in event.detail or event.detail["action"] == "set processed"
            return NOWHERE if is_gone else None
        if event.kind == "ended":  # without an effect: it waits for a person
            place = self._things[str(event.detail["guid"])].get(thing, NOWHERE)
            is_here = self._held_by.get(thing) == event.actor
            return (Part.QUEUED, "") if is_here and place[0] is Part.IN_SERVICE else None
        if event.detail.get("reason") == "EXECUTED":
            return None  # it had taken effect before
        if event.kind == "saved":
            return Part.OFFLINE, event.actor
        if event.kind == "received":
            self._held_by[thing] = event.actor
        elif event.kind == "enqueued" and str(event.detail["queue"]).endswith(" out"):
            return Part.OFFLINE, laptop_of(str(event.detail["queue"]))
        elif event.kind == "enqueued" and str(event.detail["queue"]).startswith(_OWN_WORK):
            self._held_by[thing] = event.actor
        elif event.kind in ("begun", "failed"):
            holder = self._held_by.get(thing)
            if holder is not None and holder != event.actor:
                return None
            if event.kind == "begun":
                return (Part.UNDER_WAY if holder is None else Part.IN_SERVICE), ""
        return Part.QUEUED, ""

    def _follow_line(self, event: Event) -> None:
        if event.kind == "crashed":
            self._drop_work(event)
        moments = self._on_line.setdefault(event.actor, [])
        is_on_line = event.kind == "entered" and Phase(event.detail["phase"]).is_on_line
        if is_on_line != bool(len(moments) % 2):
            moments.append(event.time_ns)

    def _drop_work(self, crash: Event) -> None:
        """Put what a crashed system had in hand back into its queue."""
        for guid, things in self._things.items():
            for thing, (part, _) in things.items():
                if part is Part.IN_SERVICE and self._held_by.get(thing) == crash.actor:
                    things[thing] = (Part.QUEUED, "")
                    self._note(guid, crash.time_ns)

    def stays(self, guid: str, begin_ns: int, end_ns: int) -> Iterator[Stay]:
        """Yield where a document was within a span of time, without gaps."""
        stations = self._stations.get(guid, [])
        index = bisect_right(stations, begin_ns, key=lambda station: station[0]) - 1
        place = stations[index][1] if index >= 0 else NOWHERE
        at_ns = begin_ns
        for since_ns, next_place in stations[index + 1 :]:
            if since_ns >= end_ns:
                break
            yield from self._split(place, at_ns, since_ns)
            at_ns, place = since_ns, next_place
        yield from self._split(place, at_ns, end_ns)

    def _split(self, place: Place, begin_ns: int, end_ns: int) -> Iterator[Stay]:
        """Cut a wait for a laptop at the moments when the laptop went on or off line."""
        part, laptop = place
        if part is not Part.OFFLINE:
            if end_ns > begin_ns:
                yield Stay(part, begin_ns, end_ns)
            return
        moments = self._on_line.get(laptop, [])
        index = bisect_right(moments, begin_ns)
        while begin_ns < end_ns:
            until_ns = min(moments[index], end_ns) if index < len(moments) else end_ns
            if until_ns > begin_ns:
                yield Stay(Part.UNDER_WAY if index % 2 else Part.OFFLINE, begin_ns, until_ns)
            begin_ns = until_ns
            index += 1

    def spent_ns(self, guid: str, begin_ns: int, end_ns: int) -> dict[Part, int]:
        """Return how long a document was where within a span; the parts add up to the span."""
        found = dict.fromkeys(Part, 0)
        for stay in self.stays(guid, begin_ns, end_ns):
            found[stay.part] += stay.end_ns - stay.begin_ns
        return found


class Names:
    """Who wrote a document, and what people call it."""

    def __init__(self, journal: Journal) -> None:
        self.references: dict[str, str] = {}
        """GUID -> reference."""
        self.authors: dict[str, str] = {}
        """GUID -> the laptop it was written on first."""
        for event in journal.select("saved"):
            guid = event.detail.get("guid")
            if guid:
                self.references.setdefault(str(guid), event.subject)
                self.authors.setdefault(str(guid), event.actor)

    def show(self, key: Hashable) -> str:
        """Return what people call the thing behind a key."""
        if isinstance(key, tuple):
            return " version ".join(self.show(part) for part in key)
        return self.references.get(str(key), str(key))


Key = Callable[[Event, Names], Hashable | None]


def _guid(event: Event, names: Names) -> Hashable | None:
    guid = event.detail.get("guid")
    return str(guid) if guid else None


def _version(event: Event, names: Names) -> Hashable | None:
    if "guid" not in event.detail or "version" not in event.detail:
        return None
    return str(event.detail["guid"]), str(event.detail["version"])


def _rep(event: Event, names: Names) -> Hashable | None:
    guid = event.detail.get("guid")
    return names.authors.get(str(guid)) if guid else None


def _queue(event: Event, names: Names) -> Hashable | None:
    queue = event.detail.get("queue")
    return None if queue is None else f"{queue} of {event.actor}"


KEYS: dict[str, Key] = {
    "document": _guid,
    "version": _version,
    "rep": _rep,
    "queue": _queue,
    "actor": lambda event, names: event.actor,
    "subject": lambda event, names: event.subject,
}
"""What events can have in common -> what an event says of it; None when it says nothing."""
