"""Was the history of any actors consistent, CRM or not?

For actors of one's own. They say in the journal what they did, with `NOTED` and one of four words;
the checks know nothing else about them::

    self.note(NOTED, "cake 7", what="asked")    somebody wants something done, once
    self.note(NOTED, "cake 7", what="did")      it was done
    self.note(NOTED, "price list", what="wrote", version=3, base=2, session="shop")
    self.note(NOTED, "price list", what="read", version=3, session="shop")

`version` is the number that whoever decides gave to what was stored: 1, 2, 3, ... for each object;
0 was there before. `base` is the version that the writer had before its eyes. `session` is on whose
behalf; without it, the actor itself. A write that keeps what both had changed says ``merged=True``.
`number` counts the writes of a session as it issued them, where they can overtake each other. What
a session says, it says in the order in which it did it: causal order takes it by its word.

The versions are told, not guessed, so each check is one pass over the history.
Sources: Terry and others 1994 (session guarantees), Ahamad and others 1995 (causal order).
"""

from typing import ClassVar

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.errors import BadValue
from crmsim.trace.journal import Event
from crmsim.units import Duration, show_duration

__all__ = [
    "CAUSAL_ORDER",
    "EXACTLY_ONCE",
    "HISTORY_CHECKS",
    "MONOTONIC_READS",
    "MONOTONIC_WRITES",
    "NO_LOST_UPDATE",
    "READ_YOUR_WRITES",
    "WRITES_FOLLOW_READS",
    "bounded_staleness",
]

WORDS = ("asked", "did", "wrote", "read")
Versions = dict[str, int]
"""Object -> version."""


class _Noted(Judge):
    """Hears the four words, and calls the method of the same name."""

    def on_noted(self, event: Event) -> None:
        what = event.detail.get("what")
        if what in WORDS:
            getattr(self, f"_{what}")(event)

    def _asked(self, event: Event) -> None: ...

    def _did(self, event: Event) -> None: ...

    def _wrote(self, event: Event) -> None: ...

    def _read(self, event: Event) -> None: ...


def _session(event: Event) -> str:
    return str(event.detail.get("session", event.actor))


def _number(event: Event, name: str) -> int:
    value = event.detail.get(name)
    if not isinstance(value, int):
        raise BadValue(f"event {event.number} of {event.actor!r}: {name} is {value!r}, no number")
    return value


class _ExactlyOnce(_Noted):
    """What was asked for is done, once; nothing is done that nobody asked for."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._wanted: dict[str, Event] = {}
        self._done: dict[str, Event] = {}

    def _asked(self, event: Event) -> None:
        self._wanted.setdefault(event.subject, event)

    def _did(self, event: Event) -> None:
        self.judged += 1
        first = self._done.setdefault(event.subject, event)
        if first is not event:
            self.blame(f"{event.subject} was done twice (first: event {first.number})", event)
        elif event.subject not in self._wanted:
            self.blame(f"{event.subject} was done, but nobody had asked for it", event)

    def end(self, ending: Ending) -> None:
        for subject, event in self._wanted.items() if ending.is_quiet else ():
            self.judged += 1
            if subject not in self._done:
                self.blame(f"{subject} was asked for, but never done", event)


class _NoLostUpdate(_Noted):
    """Who writes has the newest version before its eyes, or keeps what both had changed."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._newest: Versions = {}

    def _wrote(self, event: Event) -> None:
        self.judged += 1
        version, base = _number(event, "version"), _number(event, "base")
        newest = self._newest.get(event.subject, 0)
        if version <= newest or base > newest:
            self.blame(
                f"{_session(event)} stored version {version} of {event.subject}, made from version "
                f"{base}, while version {newest} was the newest",
                event,
            )
        elif base < newest and not event.detail.get("merged"):
            self.blame(
                f"{_session(event)} changed version {base} of {event.subject}, "
                f"and with it overwrote version {newest} unseen",
                event,
            )
        self._newest[event.subject] = max(newest, version)


class _ReadYourWrites(_Noted):
    """Nobody reads an older version than the last one it wrote itself."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._own: dict[tuple[str, str], int] = {}

    def _wrote(self, event: Event) -> None:
        key = _session(event), event.subject
        self._own[key] = max(self._own.get(key, 0), _number(event, "version"))

    def _read(self, event: Event) -> None:
        own = self._own.get((_session(event), event.subject))
        if own is None:
            return
        self.judged += 1
        version = _number(event, "version")
        if version < own:
            self.blame(
                f"{_session(event)} read version {version} of {event.subject}, "
                f"though it had written version {own}",
                event,
            )


class _MonotonicReads(_Noted):
    """Nobody reads an older version than one it has read before."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: dict[tuple[str, str], int] = {}

    def _read(self, event: Event) -> None:
        self.judged += 1
        key, version = (_session(event), event.subject), _number(event, "version")
        seen = self._seen.get(key, 0)
        if version < seen:
            self.blame(
                f"{key[0]} read version {version} of {event.subject} after version {seen}", event
            )
        self._seen[key] = max(seen, version)


class _MonotonicWrites(_Noted):
    """What a session writes is stored in the order in which it was issued."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._last: Versions = {}

    def _wrote(self, event: Event) -> None:
        if "number" not in event.detail:
            return
        self.judged += 1
        session, number = _session(event), _number(event, "number")
        last = self._last.get(session, 0)
        if number < last:
            self.blame(f"write {number} of {session} was stored after its write {last}", event)
        self._last[session] = max(last, number)


class _WritesFollowReads(_Noted):
    """What is written after something was read is stored as a newer version than that."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: dict[tuple[str, str], int] = {}

    def _read(self, event: Event) -> None:
        key = _session(event), event.subject
        self._seen[key] = max(self._seen.get(key, 0), _number(event, "version"))

    def _wrote(self, event: Event) -> None:
        seen = self._seen.get((_session(event), event.subject))
        if seen is None:
            return
        self.judged += 1
        version = _number(event, "version")
        if version <= seen:
            self.blame(
                f"{_session(event)} had read version {seen} of {event.subject}, "
                f"but what it wrote then was stored as version {version}",
                event,
            )


class _CausalOrder(_Noted):
    """Who has read something has read, for every other object, what its writer knew by then."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._known: dict[str, Versions] = {}
        """Session -> the newest version of each object that it knows, or knows of."""
        self._behind: dict[tuple[str, int], Versions] = {}
        """(object, version) -> what its writer knew."""

    def _wrote(self, event: Event) -> None:
        known = self._known.setdefault(_session(event), {})
        version, base = _number(event, "version"), event.detail.get("base", 0)
        if isinstance(base, int) and base:  # it had that before its eyes
            self._learn(known, event.subject, base)
        self._behind[event.subject, version] = dict(known)
        known[event.subject] = max(known.get(event.subject, 0), version)

    def _learn(self, known: Versions, name: str, version: int) -> None:
        """Let a session know a version, and what its writer knew."""
        for other, seen in (*self._behind.get((name, version), {}).items(), (name, version)):
            known[other] = max(known.get(other, 0), seen)

    def _read(self, event: Event) -> None:
        self.judged += 1
        session, version = _session(event), _number(event, "version")
        known = self._known.setdefault(session, {})
        wanted = known.get(event.subject, 0)
        if version < wanted:
            self.blame(
                f"{session} read version {version} of {event.subject}, "
                f"but knows of things that came after version {wanted}",
                event,
            )
        self._learn(known, event.subject, version)


class _BoundedStaleness(_Noted):
    """Nobody reads a version that was replaced longer ago than is permitted."""

    within: ClassVar[Duration]

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._written_ns: dict[str, dict[int, int]] = {}
        """Object -> version -> when it was stored."""

    def _wrote(self, event: Event) -> None:
        written = self._written_ns.setdefault(event.subject, {})
        written.setdefault(_number(event, "version"), event.time_ns)

    def _read(self, event: Event) -> None:
        self.judged += 1
        version = _number(event, "version")
        written = self._written_ns.get(event.subject, {})
        replaced_ns = written.get(version + 1)
        if replaced_ns is not None and event.time_ns - replaced_ns > self.within:
            old = show_duration(event.time_ns - replaced_ns)
            self.blame(
                f"{_session(event)} read version {version} of {event.subject}, "
                f"which had been replaced {old} ago",
                event,
            )


def bounded_staleness(within: Duration) -> Check:
    """Return a check that nobody reads what was replaced longer ago than `within`."""
    judge = type("_BoundedStalenessWithin", (_BoundedStaleness,), {"within": within})
    judge.__doc__ = _BoundedStaleness.__doc__
    name = f"nobody reads what was replaced more than {show_duration(within)} ago"
    return Check(name, Mood.ALWAYS, ("history",), judge)


def _always(name: str, judge: type[Judge]) -> Check:
    return Check(name, Mood.ALWAYS, ("history",), judge)


EXACTLY_ONCE = Check(
    "what is asked for is done exactly once", Mood.EVENTUALLY, ("history",), _ExactlyOnce
)
NO_LOST_UPDATE = _always("no update overwrites another one unseen", _NoLostUpdate)
READ_YOUR_WRITES = _always("everybody reads what it wrote", _ReadYourWrites)
MONOTONIC_READS = _always("nobody reads backwards", _MonotonicReads)
MONOTONIC_WRITES = _always("writes are stored in the order they were issued", _MonotonicWrites)
WRITES_FOLLOW_READS = _always("a write comes after what its writer had read", _WritesFollowReads)
CAUSAL_ORDER = _always("nobody sees an effect before its cause", _CausalOrder)

HISTORY_CHECKS: tuple[Check, ...] = (
    EXACTLY_ONCE,
    NO_LOST_UPDATE,
    READ_YOUR_WRITES,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    WRITES_FOLLOW_READS,
    CAUSAL_ORDER,
)
"""All of them but bounded staleness, which needs a bound."""
