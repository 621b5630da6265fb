"""What crashes together?

A site is a place with one disk and one or more actors. When it crashes, everything that is not in
its store is gone: memory, timers, mailboxes, questions asked, and every change that was not yet
written to the end.
"""

from typing import TYPE_CHECKING, Any

import attrs

from crmsim.errors import BadValue
from crmsim.kernel.durable import Change, CrashPoint, Store
from crmsim.trace.kinds import CRASHED, PAUSED, RESTARTED, RESUMED
from crmsim.units import Duration

if TYPE_CHECKING:
    from crmsim.kernel.seat import Seat
    from crmsim.kernel.simulation import Simulation

__all__ = ["CrashAt", "Site", "SiteCrashed"]

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
        self.seats: list[Seat] = []
        self.is_up = True
        self.is_paused = False
        self.late: list[Any] = []
        """Timers that ran out while the site was paused."""
        self.write_ns = 0
        """How long a commit takes."""
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
        schedule.push(schedule.now_ns + delay_ns, self._fall_later, crash)

    def _fall_later(self, action: Any) -> None:
        self.simulation.other_count += 1
        if self.is_up:
            self._fall(action[3])
        else:
            self.crashes.append(action[3])  # it lies on the floor already: try again later

    def _fall(self, crash: CrashAt) -> None:
        self.crash(crash.point)
        schedule = self.simulation.schedule
        schedule.push(schedule.now_ns + crash.down, self._rise)

    def _rise(self, action: Any) -> None:
        self.simulation.other_count += 1
        self.restart()

    def crash(self, point: CrashPoint | None = None) -> None:
        """Lose everything that is not durable; a site that is down stays down."""
        if not self.is_up:
            return
        self.is_up = False
        self.is_paused = False
        self.late.clear()
        lost_count = self.store.lose_unsafe()
        where = "" if point is None else point.value
        simulation = self.simulation
        detail = {"site_kind": self.kind, "point": where, "undone": lost_count}
        cause = simulation.note_for(self.name, CRASHED, "", 0, detail)
        for seat in self.seats:
            seat.crash(cause)
        for address in self.open_lines:
            address.line.close()
            address.reply.line.close()
        self.open_lines.clear()
        simulation.break_streams(self.name)

    def restart(self) -> None:
        """Start every actor anew on the durable state; a site that is up stays up."""
        if self.is_up:
            return
        self.is_up = True
        cause = self.simulation.note_for(self.name, RESTARTED, "", 0, {"site_kind": self.kind})
        for seat in self.seats:
            seat.start(cause)

    def pause(self) -> None:
        """Stop working but keep the memory: messages pile up, timers ring late."""
        if self.is_paused or not self.is_up:
            return
        self.is_paused = True
        self.simulation.note_for(self.name, PAUSED, "", 0, {})
        for seat in self.seats:
            seat.rest()

    def resume(self) -> None:
        """Go on after a pause: first the timers that rang meanwhile, then the mailboxes."""
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
        if not seat.alive:
            self.simulation.drop(change.actor, "commit")
            return
        self.strike(CrashPoint.BEFORE_COMMIT)
        self.store.apply(change)
        if self.write_ns == 0:
            self._harden(change)
            return
        schedule = self.simulation.schedule
        self.strike(CrashPoint.IN_COMMIT, self.write_ns // 2)
        incarnation = seat.incarnation
        schedule.push(schedule.now_ns + self.write_ns, self._written, change, None, 0, incarnation)

    def _written(self, action: Any) -> None:
        self.simulation.other_count += 1
        change: Change = action[3]
        seat: Seat = change.actor._seat
        if seat.alive and seat.incarnation == action[6]:
            self._harden(change)

    def _harden(self, change: Change) -> None:
        seat: Seat = change.actor._seat
        self.store.harden(change)
        before, seat.cause = seat.cause, change.cause
        for kind, subject, detail in change.notes:
            seat.cause = seat.note(kind, subject, detail)
        sends = [send for send in change.sends if not (send[3] and send[0].line.is_down)]
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
