"""Where is what happened written down, and how are two histories told apart?

A journal appends events, hands each to the checks that asked for its kind, and keeps a rolling
fingerprint over every field of every event and over every random draw. Moving one event by a
nanosecond, or leaving out one draw, changes the fingerprint.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import attrs

from crmsim.trace.kinds import DELIVERED, HANDED, KINDS, SENT, Kind, Level
from crmsim.units import show_moment

__all__ = ["Draw", "Event", "Fingerprint", "Journal", "show_event"]

_HASH_EVERY = 4096
"""Events between two updates of the fingerprint; the value does not depend on it."""

_CODES = {SENT.name: 1, DELIVERED.name: 2, HANDED.name: 3}
"""What a kind of passage counts as in the fingerprint."""
NO_DETAIL: Mapping[str, object] = {}


class Event(NamedTuple):
    """One thing that happened."""

    number: int
    """Its place in the history, from 1."""
    time_ns: int
    """Virtual time in nanoseconds since midnight of day 0."""
    actor: str
    """Who did it, or whom it befell."""
    kind: str
    """One of `crmsim.trace.kinds.KINDS`."""
    subject: str
    """What it is about: a document, a message, a LUW, a session."""
    cause: int
    """The number of the event that led to it; 0 for none."""
    detail: Mapping[str, object]
    """What else there is to say; plain numbers, texts and tuples."""


class Draw(NamedTuple):
    """One random draw, by what it was for."""

    after: int
    """The number of the last event before it."""
    time_ns: int
    purpose: str
    component: str
    identity: int
    attempt: int
    word: int
    """What was drawn: 64 bits."""


@attrs.frozen
class Fingerprint:
    """The short name of a history: equal histories have equal fingerprints."""

    level: str
    value: str

    def __str__(self) -> str:
        """Show it as level and value."""
        return f"{self.level}:{self.value}"


Feed = Callable[[Event], None]


class Way(Protocol):
    """The way of a message: what a journal needs of an address."""

    key: int
    owner: Any
    target: Any


Passage = tuple[int, Kind, Way, Any, int, int]
"""A message given to a line or taken off it: time, kind, way, message, cause, attempt.

Most events of a run are passages. They are kept as they are and told as an `Event` only when
somebody reads them, which makes a trace several times cheaper.
"""


class Journal:
    """The history of one run.

    Args:
        level: What is kept; kinds above it are not written down and their causes pass through.
    """

    def __init__(self, level: Level = Level.BUSINESS) -> None:
        self.level = level
        self.draws: list[int] = []
        self.draw_log: list[Draw] = []
        """Every draw with what it was for, if the run was asked to keep them."""
        self._rows: list[Event | Passage] = []
        self._feeds: dict[str, list[Feed]] = {}
        self._words: list[int] = []
        """Of every passage since the last `_absorb`, six words that say all of it."""
        self._hashes = {what: blake2b(digest_size=16) for what in ("events", "passages", "draws")}
        self._fresh: list[Event] = []
        """Events since the last `_absorb`."""

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Event]:
        """Yield all events in order."""
        return (_told(number, row) for number, row in enumerate(self._rows, 1))

    def event(self, number: int) -> Event:
        """Return the event with this number, counted from 1."""
        return _told(number, self._rows[number - 1])

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield time and cause of every event, without telling the rest."""
        for row in self._rows:
            yield (row.time_ns, row.cause) if isinstance(row, Event) else (row[0], row[4])

    def kind_names(self, since_ns: int = 0) -> Iterator[str]:
        """Yield the kind of every event from a moment on, without telling the rest."""
        for row in self._rows:
            if isinstance(row, Event):
                time_ns, kind = row.time_ns, row.kind
            else:
                time_ns, kind = row[0], row[1].name
            if time_ns >= since_ns:
                yield kind

    def keeps(self, kind: Kind) -> bool:
        """Say whether events of this kind are written down."""
        return kind.level <= self.level

    def watch(self, kind: str, feed: Feed) -> None:
        """Call `feed` with every event of this kind from now on.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of event; the kinds are {', '.join(KINDS)}")
        self._feeds.setdefault(kind, []).append(feed)

    def note(
        self,
        time_ns: int,
        actor: str,
        kind: Kind,
        subject: str,
        cause: int,
        detail: Mapping[str, object] = NO_DETAIL,
    ) -> int:
        """Write one event down and return its number; return `cause` when it is not kept."""
        if kind.level > self.level:
            return cause
        number = len(self._rows) + 1
        event = Event(number, time_ns, actor, kind.name, subject, cause, detail)
        self._fresh.append(event)
        self._rows.append(event)
        if number % _HASH_EVERY == 0:
            self._absorb()
        for feed in self._feeds.get(kind.name, ()):
            feed(event)
        return number

    def note_passage(
        self,
        time_ns: int,
        kind: Kind,
        way: Way,
        message: Any,
        cause: int,
        attempt: int,
        identity: int,
    ) -> int:
        """Write down that a message was sent, handed or delivered; return the event's number.

        Args:
            time_ns: Virtual time.
            kind: `SENT`, `HANDED` or `DELIVERED`.
            way: The address it goes to.
            message: The message itself; told only when somebody reads the event.
            cause: For a delivery, the sending: it says all that the message is.
            attempt: Which try this is.
            identity: The word of what the message is about; 0 for a delivery.
        """
        if kind.level > self.level:
            return cause
        rows = self._rows
        row = (time_ns, kind, way, message, cause, attempt)
        rows.append(row)
        number = len(rows)
        self._words += (4 * number + _CODES[kind.name], time_ns, way.key, identity, cause, attempt)
        if number % _HASH_EVERY == 0:
            self._absorb()
        if kind.name in self._feeds:
            event = _told(number, row)
            for feed in self._feeds[kind.name]:
                feed(event)
        return number

    def _absorb(self) -> None:
        told = "".join(map(tuple.__repr__, self._fresh))
        self._fresh.clear()
        self._hashes["events"].update(told.encode())
        self._hashes["passages"].update(array("Q", self._words).tobytes())
        self._words.clear()
        self._hashes["draws"].update(array("Q", self.draws).tobytes())
        self.draws.clear()

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of all that was written down so far."""
        self._absorb()
        digests = b"".join(one.digest() for one in self._hashes.values())
        return Fingerprint(self.level.name.lower(), blake2b(digests, digest_size=16).hexdigest())

    @property
    def draw_digest(self) -> str:
        """The short name of all random draws so far, in the order in which they were made."""
        self._absorb()
        return self._hashes["draws"].copy().hexdigest()[:12]

    def select(
        self, *kinds: str, subject: str | None = None, actor: str | None = None
    ) -> Iterator[Event]:
        """Yield the events of these kinds (all when none is named), in order."""
        wanted = frozenset(kinds)
        for number, row in enumerate(self._rows, 1):
            kind = row.kind if isinstance(row, Event) else row[1].name
            if wanted and kind not in wanted:
                continue
            event = _told(number, row)
            if (subject is None or event.subject == subject) and (
                actor is None or event.actor == actor
            ):
                yield event

    def causes(self, number: int) -> list[Event]:
        """Return the chain of events that led to event `number`, oldest first, itself last."""
        chain: list[Event] = []
        while number:
            event = self.event(number)
            chain.append(event)
            number = event.cause
        return chain[::-1]


def _told(number: int, row: "Event | Passage") -> Event:
    """Return a row of the journal as an event."""
    if isinstance(row, Event):
        return row
    time_ns, kind, way, message, cause, attempt = row
    name = type(message).__name__
    if kind is not DELIVERED:
        detail: dict[str, object] = {"to": way.target.name, "message": name, "attempt": attempt}
        return Event(number, time_ns, way.owner.name, kind.name, message.subject, cause, detail)
    detail = {"message": name, "from": way.owner.name}
    return Event(number, time_ns, way.target.name, kind.name, message.subject, cause, detail)


def show_event(event: Event) -> str:
    """Return one event as a line: number, moment, actor, kind, subject and details."""
    shown = {name: value for name, value in event.detail.items() if name != "guid"}
    detail = " ".join(f"{name}={value}" for name, value in shown.items())
    return (
        f"#{event.number:<7} {show_moment(event.time_ns):<24} {event.actor:<12} "
        f"{event.kind:<11} {event.subject} {detail}"
    ).rstrip()
