"""How is a history written to disk, read back, and compared with another one?

A recording is a history with its draws. Two recordings are the same up to some event; behind it,
the one that differs first, the chains of causes and the first draw that differs say why.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from crmsim.errors import BadInput
from crmsim.trace.journal import Draw, Event

__all__ = ["Difference", "Recording", "difference", "read_recording", "write_recording"]

EVENTS_FILE, DRAWS_FILE = "journal.jsonl.gz", "draws.jsonl.gz"


@attrs.frozen
class Recording:
    """A history, apart from the run that made it."""

    events: Sequence[Event]
    draws: Sequence[Draw]

    def until(self, time_ns: int) -> "Recording":
        """Return the part up to a moment, with what happened at it."""
        return Recording(
            [event for event in self.events if event.time_ns <= time_ns],
            [draw for draw in self.draws if draw.time_ns <= time_ns],
        )

    def causes(self, event: Event) -> list[Event]:
        """Return the chain of events that led to an event, oldest first, itself last."""
        chain = [event]
        while chain[-1].cause:
            chain.append(self.events[chain[-1].cause - 1])
        return chain[::-1]


@attrs.frozen
class Difference:
    """Where and how two histories part."""

    event_index: int | None
    """Index of the first event that differs; None when all are equal."""
    draw_index: int | None
    """Index of the first draw that differs; None when all are equal, or none were kept."""
    events_apart: tuple[int, int]
    """How many events only the one, and only the other history has."""
    draws_apart: tuple[int, int]
    """How many draws only the one, and only the other run made."""
    subjects: tuple[str, ...]
    """What the events that differ are about, in order of their first difference."""

    @property
    def is_none(self) -> bool:
        """Whether the histories are the same."""
        return self.event_index is None and self.draw_index is None


def difference(ours: Recording, theirs: Recording) -> Difference:
    """Compare two histories.

    The numbers of events shift behind the first difference, so from there on events count as equal
    when moment, actor, kind, subject and details are. Luck is keyed, so draws of two runs with one
    seed are the same wherever both make them; they are aligned by what they are for.
    """
    only_ours, only_theirs = _apart(map(_told, ours.events), map(_told, theirs.events))
    draws_ours, draws_theirs = _apart(map(_purpose, ours.draws), map(_purpose, theirs.draws))
    return Difference(
        _first(ours.events, theirs.events),
        _first(list(map(_purpose, ours.draws)), list(map(_purpose, theirs.draws))),
        (len(only_ours), len(only_theirs)),
        (len(draws_ours), len(draws_theirs)),
        _subjects(only_ours, only_theirs),
    )


def _first(ours: Sequence[Any], theirs: Sequence[Any]) -> int | None:
    for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return index
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def _told(event: Event) -> tuple[Any, ...]:
    return event.time_ns, event.subject, event.actor, event.kind, _json(dict(event.detail))


def _json(value: Any) -> str:
    """Return a detail as it is written to disk, where a Decimal or a tuple loses its type."""
    return json.dumps(value, separators=(",", ":"), default=str)


def _purpose(draw: Draw) -> tuple[Any, ...]:
    return draw[2:]


def _apart(
    ours: Iterable[tuple[Any, ...]], theirs: Iterable[tuple[Any, ...]]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return what only the one and only the other has, counting repetitions."""
    balance: dict[tuple[Any, ...], int] = {}
    for thing in ours:
        balance[thing] = balance.get(thing, 0) + 1
    for thing in theirs:
        balance[thing] = balance.get(thing, 0) - 1
    only_ours = [thing for thing, count in balance.items() for _ in range(count)]
    only_theirs = [thing for thing, count in balance.items() for _ in range(-count)]
    return only_ours, only_theirs


def _subjects(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> tuple[str, ...]:
    moments: dict[str, int] = {}
    for time_ns, subject, *_ in (*ours, *theirs):
        moments[subject] = min(time_ns, moments.get(subject, time_ns))
    return tuple(sorted((s for s in moments if s), key=lambda subject: (moments[subject], subject)))


def write_recording(folder: Path, events: Iterable[Event], draws: Iterable[Draw]) -> None:
    """Write a history into a folder; the same history gives the same bytes."""
    rows = ([*event[:6], dict(event.detail)] for event in events)
    _write(folder / EVENTS_FILE, rows)
    _write(folder / DRAWS_FILE, (list(draw) for draw in draws))


def _write(path: Path, rows: Iterable[list[Any]]) -> None:
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        for row in rows:
            packed.write(_json(row).encode() + b"\n")


def read_recording(folder: Path) -> Recording:
    """Read what `write_recording` wrote.

    Raises:
        BadInput: the folder holds no such files, or they are damaged.
    """
    events = [_event(*row) for row in _read(folder / EVENTS_FILE, 7)]
    return Recording(events, [Draw(*row) for row in _read(folder / DRAWS_FILE, 7)])


def _read(path: Path, width: int) -> list[list[Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BadInput(f"{path}: no history of a run ({error}); save one with --save") from error
    if any(not isinstance(row, list) or len(row) != width for row in rows):
        raise BadInput(f"{path}: no history of a run (a line has not {width} fields)")
    return rows


def _event(
    number: int, time_ns: int, actor: str, kind: str, subject: str, cause: int, detail: Any
) -> Event:
    told = {key: _frozen(value) for key, value in dict(detail).items()}
    return Event(number, time_ns, actor, kind, subject, cause, told)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
