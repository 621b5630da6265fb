"""What survives a crash?

A store is the disk of a site: tables of frozen values. It is changed only by commits. A commit is
all or nothing: what is stored, what is written into the journal and what is sent leave together.
Writing takes virtual time, so a commit has a middle. Until the write is done the change can be seen
inside the site (as in a database with group commit) but nothing of it has left the site; a crash in
the middle undoes it as if it had never been.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import attrs

__all__ = ["Change", "CrashPoint", "Store"]

_ABSENT = object()


class CrashPoint(enum.Enum):
    """Where in the life of a change a site can be made to crash."""

    BEFORE_COMMIT = "before commit"
    IN_COMMIT = "in the middle of a commit"
    AFTER_COMMIT = "after commit, before the receipt"
    RECEIPT_UNDER_WAY = "receipt on its way"
    DURING_IMPORT = "during import"


class _Site(Protocol):
    """What a change needs of the site whose store it changes."""

    def commit(self, change: "Change") -> None: ...


@attrs.define(eq=False)
class Change:
    """One commit in the making; used as ``with self.commit() as change``.

    Leaving the block without an error commits; leaving it with one forgets the change.
    """

    _site: _Site
    actor: Any
    cause: int
    writes: list[tuple[str, Any, Any]] = attrs.Factory(list)
    sends: list[tuple[Any, Any, int | None, bool]] = attrs.Factory(list)
    notes: list[tuple[Any, str, dict[str, object]]] = attrs.Factory(list)
    afterwards: list[Callable[[], None]] = attrs.Factory(list)
    undo: list[tuple[dict[Any, Any], Any, Any]] = attrs.Factory(list)

    def put(self, table: str, key: Any, value: Any) -> None:
        """Store a frozen value under a key of a table, in place of what was there."""
        self.writes.append((table, key, value))

    def delete(self, table: str, key: Any) -> None:
        """Remove a key of a table; it need not be there."""
        self.writes.append((table, key, _ABSENT))

    def send(
        self, to: Any, message: Any, *, attempt: int | None = None, if_open: bool = False
    ) -> None:
        """Send a message once the change is durable.

        Args:
            to: An address of the actor.
            message: A message that the receiver declares.
            attempt: Which try at the same thing this is; counted when not given.
            if_open: Do not send when the line has been hung up by then.
        """
        self.sends.append((to, message, attempt, if_open))

    def note(self, kind: Any, subject: str, **detail: object) -> None:
        """Write an event into the journal at the moment the change is durable."""
        self.notes.append((kind, subject, detail))

    def then(self, do: Callable[[], None]) -> None:
        """Call `do` once the change is durable and what it sends has left."""
        self.afterwards.append(do)

    def __enter__(self) -> "Change":
        """Begin the change."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Commit, unless the block failed."""
        if kind is None:
            self._site.commit(self)


class Store:
    """The durable tables of one site."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Any, Any]] = {}
        self._unsafe: deque[Change] = deque()

    def table(self, name: str) -> Mapping[Any, Any]:
        """Return a read-only view of a table, in order of first insertion."""
        return MappingProxyType(self._tables.setdefault(name, {}))

    def get(self, table: str, key: Any, default: Any = None) -> Any:
        """Return the value under a key, or `default`."""
        rows = self._tables.get(table)
        return default if rows is None else rows.get(key, default)

    def apply(self, change: Change) -> None:
        """Make a change visible, remembering how to undo it."""
        for name, key, value in change.writes:
            rows = self._tables.setdefault(name, {})
            change.undo.append((rows, key, rows.get(key, _ABSENT)))
            if value is _ABSENT:
                rows.pop(key, None)
            else:
                rows[key] = value
        self._unsafe.append(change)

    def harden(self, change: Change) -> None:
        """Take a change as written; changes become durable in the order they were applied."""
        first = self._unsafe.popleft()
        assert first is change, "commits of one site become durable in order"
        change.undo.clear()

    def lose_unsafe(self) -> int:
        """Undo every change that is not durable yet; return how many there were."""
        count = len(self._unsafe)
        while self._unsafe:
            for rows, key, before in reversed(self._unsafe.pop().undo):
                if before is _ABSENT:
                    rows.pop(key, None)
                else:
                    rows[key] = before
        return count

    def snapshot(self) -> tuple[tuple[str, tuple[tuple[Any, Any], ...]], ...]:
        """Return all tables as one frozen value, for comparing states."""
        return tuple(
            (name, tuple(rows.items())) for name, rows in sorted(self._tables.items()) if rows
        )

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the tables."""
        return iter(self._tables)
