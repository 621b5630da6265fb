"""What survives a crash, and what crashes together?

A store is the disk of a site: tables of frozen values. It is changed only by commits. A commit is
all or nothing: what is stored, what is written into the journal and what is sent leave together.
Writing takes virtual time, so a commit has a middle. Until the write is done the change can be seen
inside the site (as in a database with group commit) but nothing of it has left the site; a crash in
the middle undoes it as if it had never been.

A site is a place with one disk and one or more actors: what crashes together. When it crashes,
everything that is not in its store is gone: memory, timers, mailboxes, questions asked.
"""

import enum
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import attrs

from crmsim.errors import BadValue, EscapedSimulation
from crmsim.kernel.message import Inside
from crmsim.trace.kinds import CRASHED, PAUSED, RESTARTED, RESUMED, WIPED
from crmsim.units import Duration

if TYPE_CHECKING:
    from crmsim.kernel.seat import Seat
    from crmsim.kernel.simulation import Simulation

__all__ = ["Change", "CrashAt", "CrashPoint", "Site", "SiteCrashed", "Store"]

_ABSENT = object()


class CrashPoint(enum.Enum):
    """Where in the life of a change a site can be made to crash."""

    BEFORE_COMMIT = "before commit"
    IN_COMMIT = "in the middle of a commit"
    AFTER_COMMIT = "after commit, before the receipt"
    RECEIPT_UNDER_WAY = "receipt on its way"
    DURING_IMPORT = "during import"


@attrs.define(eq=False)
class Change:
    """One commit in the making; used as ``with self.commit() as change``.

    Leaving the block without an error commits; leaving it with one forgets the change.
    """

    _site: "Site"
    actor: Any
    cause: int
    writes: list[tuple[str, Any, Any]] = attrs.Factory(list)
    sends: list[tuple[Any, Any, int | None, bool]] = attrs.Factory(list)
    notes: list[tuple[Any, str, dict[str, object]]] = attrs.Factory(list)
    afterwards: list[Callable[[], None]] = attrs.Factory(list)
    undo: list[tuple[str, Any, Any]] = attrs.Factory(list)
    """(table, key, what stood there) of every row that it changed, while it can be undone."""
    _newest: dict[tuple[str, Any], Any] = attrs.Factory(dict)
    """(table, key) -> what was written last, as far as somebody has asked."""
    _indexed: int = 0
    """How many writes are in there."""

    def put(self, table: str, key: Any, value: Any) -> None:
        """Store a frozen value under a key of a table, in place of what was there."""
        self.writes.append((table, key, value))

    def delete(self, table: str, key: Any) -> None:
        """Remove a key of a table; it need not be there."""
        self.writes.append((table, key, _ABSENT))

    def get(self, table: str, key: Any, default: Any = None) -> Any:
        """Return what will stand under a key once this change is made, or `default`."""
        newest = self._newest
        for name, changed, value in islice(self.writes, self._indexed, None):
            newest[name, changed] = value
        self._indexed = len(self.writes)
        if (table, key) not in newest:
            return self._site.store.get(table, key, default)
        value = newest[table, key]
        return default if value is _ABSENT else value

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

    def __enter__(self) -> Self:
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
        self._unsafe: list[Change] = []
        self._order: dict[str, list[Any]] = {}
        """Table -> its keys in order of insertion, deleted ones too: a deletion that is undone must
        bring a row back to its place. Kept from the first deletion on."""

    def table(self, name: str) -> Mapping[Any, Any]:
        """Return a read-only view of a table, in order of first insertion."""
        return MappingProxyType(self._tables.setdefault(name, {}))

    def get(self, table: str, key: Any, default: Any = None) -> Any:
        """Return the value under a key, or `default`."""
        rows = self._tables.get(table)
        return default if rows is None else rows.get(key, default)

    def load(self, table: str, rows: Mapping[Any, Any]) -> None:
        """Put rows in place that were there before the run began."""
        self._tables.setdefault(table, {}).update(rows)

    def apply(self, change: Change) -> None:
        """Make a change visible, remembering how to undo it."""
        for name, key, value in change.writes:
            rows = self._tables.setdefault(name, {})
            change.undo.append((name, key, rows.get(key, _ABSENT)))
            if value is _ABSENT:
                self._order.setdefault(name, list(rows))
                rows.pop(key, None)
            else:
                if name in self._order and key not in rows:
                    self._order[name].append(key)
                rows[key] = value
        self._unsafe.append(change)

    def harden(self, change: Change) -> None:
        """Take a change as written; changes become durable in the order they were applied."""
        first = self._unsafe.pop(0)
        assert first is change, "commits of one site become durable in order"
        change.undo.clear()
        if not self._unsafe:
            self._forget_deleted()

    def _forget_deleted(self) -> None:
        """Let go of the places of deleted rows, once they are most of what is kept."""
        for name, order in self._order.items():
            rows = self._tables[name]
            if len(order) > 2 * len(rows) + 64:
                order[:] = rows

    @property
    def is_writing(self) -> bool:
        """Whether a change is not durable yet."""
        return bool(self._unsafe)

    def lose_unsafe(self) -> int:
        """Undo every change that is not durable yet; return how many there were."""
        count = len(self._unsafe)
        touched: dict[str, None] = {}
        while self._unsafe:
            for name, key, before in reversed(self._unsafe.pop().undo):
                touched[name] = None
                if before is _ABSENT:
                    self._tables[name].pop(key, None)
                else:
                    self._tables[name][key] = before
        for name in touched:
            self._put_in_order(name)
        return count

    def _put_in_order(self, name: str) -> None:
        """Bring the rows of a table into the order of their insertion again."""
        if name in self._order:
            rows = self._tables[name]
            places = {key: place for place, key in enumerate(self._order[name])}
            ordered = sorted(rows.items(), key=lambda row: places[row[0]])
            rows.clear()
            rows.update(ordered)
            self._order[name] = list(rows)

    def snapshot(self) -> tuple[tuple[str, tuple[tuple[Any, Any], ...]], ...]:
        """Return all tables as one frozen value, for comparing states."""
        return tuple(
            (name, tuple(rows.items())) for name, rows in sorted(self._tables.items()) if rows
        )

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the tables."""
        return iter(self._tables)


RECEIPT_AGE_NS = 1_000
"""How long a receipt has been on its way when a crash aimed at it strikes."""


class SiteCrashed(BaseException):
    """Unwinds the code of an actor whose site crashed; never leaves the kernel."""


@attrs.frozen
class CrashAt:
    """A planned crash: at the first time a site passes `point` at or after `after`.

    A power cut during a write, a program killed between commit and receipt.
    """

    site: str
    point: CrashPoint
    after: int
    """Virtual time from which on the site crashes at this point."""
    down: Duration
    """How long until it restarts."""


class Site:
    """A place, its disk and its actors."""

    def __init__(self, simulation: "Simulation", name: str, kind: str) -> None:
        self.simulation = simulation
        self.name = name
        self.kind = kind
        self.store = Store()
        self.lost_disks: list[Store] = []
        """What was on the disks that it had before, for whoever asks what was lost."""
        self.kept_in_mind: tuple[tuple[str, Any], ...] = ()
        """(table, key) of rows that its people know by heart: they come to a new disk too."""
        self.inside = Inside()
        """The way between the actors of this site."""
        self.seats: list[Seat] = []
        self.is_up = True
        self.is_paused = False
        self.stays_paused = False
        """Whether it is paused for good: a restart does not set it to work again."""
        self.late: list[Any] = []
        """Timers that ran out while the site was paused."""
        self.restart_after_ns: int | None = None
        """Supervision: how long after an error in an actor the site restarts; None ends the run."""
        self.write_ns = 0
        """How long a commit takes."""
        self.clock_offset_ns = 0
        """How much the clock of this site is ahead of virtual time; behind when negative."""
        self.slowed: list[float] = []
        """For each thing that slows work down here: how many times as long it then takes."""
        self.crash_count = 0
        self._written_ns = 0
        """When the write that was begun last will be done."""
        self.crashes: list[CrashAt] = []
        """Planned crashes that have not happened yet."""
        self.open_lines: list[Any] = []
        """Addresses whose dial-up line this site holds open."""

    def plan(self, crash: CrashAt) -> None:
        """Arm a crash.

        Raises:
            BadValue: it would be down for no time.
        """
        if crash.down <= 0:
            raise BadValue(f"{crash}: a site is down for longer than zero")
        self.crashes.append(crash)

    def _armed(self, point: CrashPoint) -> CrashAt | None:
        if not self.crashes:
            return None
        now_ns = self.simulation.schedule.now_ns
        for crash in self.crashes:
            if crash.point is point and crash.after <= now_ns:
                return crash
        return None

    def strike(self, point: CrashPoint, delay_ns: int = 0) -> None:
        """Crash now, or a little later, if a crash is planned at this point.

        Raises:
            SiteCrashed: the site crashed now, so whoever called must not go on.
        """
        crash = self._armed(point)
        if crash is None:
            return
        self.crashes.remove(crash)
        if delay_ns == 0:
            self._fall(crash)
            raise SiteCrashed
        schedule = self.simulation.schedule
        due_ns = schedule.now_ns + delay_ns
        schedule.push(due_ns, self._fall_later, crash, None, 0, self.crash_count)

    def _fall_later(self, action: Any) -> None:
        self.simulation.other_count += 1
        if self.is_up and action[6] == self.crash_count:
            self._fall(action[3])
        else:
            self.crashes.append(action[3])  # it fell for another reason: try again later

    def _fall(self, crash: CrashAt) -> None:
        self.crash(crash.point.value)
        schedule = self.simulation.schedule
        due_ns = schedule.now_ns + crash.down
        schedule.push(due_ns, self._rise, None, None, 0, self.crash_count)

    def _rise(self, action: Any) -> None:
        self.simulation.other_count += 1
        if action[6] == self.crash_count:  # else it crashed again meanwhile
            self.restart()

    def supervise(self, error: BaseException) -> bool:
        """Crash and restart because of an error in an actor; False when nobody asked for that."""
        if self.restart_after_ns is None or isinstance(error, EscapedSimulation):
            return False  # nobody is helped by a restart of code that is wrong
        if not isinstance(error, Exception):
            return False
        self.crash(f"{type(error).__name__}: {error}")
        schedule = self.simulation.schedule
        due_ns = schedule.now_ns + self.restart_after_ns
        schedule.push(due_ns, self._rise, None, None, 0, self.crash_count)
        return True

    def crash(self, point: str = "", *, wipe: bool = False) -> None:
        """Lose everything that is not durable; a site that is down stays down.

        Args:
            point: Where in its work, or why, for the journal.
            wipe: Lose the disk too, even while it is down: it comes back as new.
        """
        if not self.is_up:
            if wipe:
                self.crash_count += 1  # whoever wanted to restart it had the old disk in mind
                self._change_disk(0)
            return
        self.is_up = False
        self.is_paused = False
        self.crash_count += 1
        self._written_ns = 0
        self.late.clear()
        lost_count = self.store.lose_unsafe()
        if wipe:
            point = point or "disk lost"
        simulation = self.simulation
        detail = {"site_kind": self.kind, "point": point, "undone": lost_count}
        cause = simulation.note_for(self.name, CRASHED, "", 0, detail)
        if wipe:
            self._change_disk(cause)
        self.inside.crash()
        for seat in self.seats:
            seat.crash(cause)
        for address in self.open_lines:
            address.owner.end_call(address)
        self.open_lines.clear()
        simulation.break_streams(self.name)

    @property
    def disk(self) -> int:
        """Which disk it has now: 0 for the first one."""
        return len(self.lost_disks)

    def _change_disk(self, cause: int) -> None:
        """Put an empty disk in place of the one that is lost."""
        lost = self.store
        self.lost_disks.append(lost)
        self.store = Store()
        for table, key in self.kept_in_mind:
            value = lost.get(table, key, _ABSENT)
            if value is not _ABSENT:
                self.store.load(table, {key: value})
        self.simulation.note_for(self.name, WIPED, "", cause, {"disk": self.disk})

    def restart(self) -> None:
        """Start every actor anew on the durable state; a site that is up stays up."""
        if self.is_up:
            return
        self.is_up = True
        cause = self.simulation.note_for(self.name, RESTARTED, "", 0, {"site_kind": self.kind})
        for seat in self.seats:
            seat.start(cause)
        if self.stays_paused:
            self.pause()

    def pause(self) -> None:
        """Stop working but keep the memory: messages pile up, timers ring late."""
        if self.is_paused or not self.is_up:
            return
        self.is_paused = True
        self.simulation.note_for(self.name, PAUSED, "", 0, {})
        for seat in self.seats:
            seat.rest()

    def resume(self) -> None:
        """Go on after a pause: the mailboxes in their order, with what rang meanwhile behind."""
        if not self.is_paused:
            return
        self.is_paused = False
        self.simulation.note_for(self.name, RESUMED, "", 0, {})
        schedule = self.simulation.schedule
        late, self.late = self.late, []
        for action in late:
            schedule.push(schedule.now_ns, *action[2:])
        for seat in self.seats:
            schedule.push(schedule.now_ns, seat.drain)

    def commit(self, change: Change) -> None:
        """Apply a change and begin to write it; what it says and sends waits for the disk."""
        seat: Seat = change.actor._seat
        if seat.is_dead:
            self.simulation.drop(change.actor, "commit")
            return
        self.strike(CrashPoint.BEFORE_COMMIT)
        self.store.apply(change)
        if self.write_ns == 0 and not self.store.is_writing:
            self._harden(change)
            return
        self.strike(CrashPoint.IN_COMMIT, self.write_ns // 2)
        schedule = self.simulation.schedule
        self._written_ns = max(schedule.now_ns + self.write_ns, self._written_ns)
        schedule.push(self._written_ns, self._written, change, None, 0, self.crash_count)

    def _written(self, action: Any) -> None:
        self.simulation.other_count += 1
        if action[6] != self.crash_count:
            return
        if self.is_paused:
            self.late.append(action)
        else:
            self._harden(action[3])

    def _harden(self, change: Change) -> None:
        seat: Seat = change.actor._seat
        self.store.harden(change)
        before, seat.cause = seat.cause, change.cause
        for kind, subject, detail in change.notes:
            seat.cause = seat.note(kind, subject, detail)
        sends = [send for send in change.sends if not (send[3] and send[0].line.turns_away())]
        gives_receipt = bool(change.writes) and any(s[0].target.site is not self for s in sends)
        if gives_receipt:
            self.strike(CrashPoint.AFTER_COMMIT)
        for to, message, attempt, _ in sends:
            seat.actor.send(to, message, attempt=attempt)
        if gives_receipt:
            self.strike(CrashPoint.RECEIPT_UNDER_WAY, RECEIPT_AGE_NS)
        for do in change.afterwards:
            do()
        seat.cause = before
