"""What does a communication station do?

It is the gateway between laptops and CRM Enterprise: it takes the calls of the laptops, knows its
users, and passes requests on to CRM and answers back. It keeps a durable log of sessions. It
answers a laptop only while that laptop holds the line open and only within the session that the
laptop began: nothing is ever pushed.

It may have a limited number of connections. Which session holds one it keeps in memory: it takes
the connection back when the line ends, and if it is not told of that, when it has heard nothing for
a while. Sources: CONTRIBUTING.md, S50, S53; that connections are limited is assumed.
"""

from collections.abc import Callable, Collection
from typing import Any

import attrs

from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address, LineEnded, message
from crmsim.mobile.calls import (
    Admitted,
    Busy,
    Dial,
    Fetch,
    Package,
    Refused,
    Upload,
    UploadReceipt,
)
from crmsim.mobile.dialling import BUSY
from crmsim.trace.kinds import CONNECTED, REFUSED, RELEASED
from crmsim.units import Duration, milliseconds, minutes

__all__ = ["SessionLog", "Station"]

Answer = Admitted | Refused | UploadReceipt | Package
RELAY: Duration = milliseconds(40)
"""How long a package of changes is being passed on to CRM (assumed)."""
IDLE: Duration = minutes(5)
"""After how long without a request a station takes a connection back (assumed; longer than a
laptop waits before it repeats a request)."""


@attrs.frozen
class SessionLog:
    """What the station remembers of the latest session of a laptop."""

    session: int
    relayed: int
    """Answers passed on to the laptop so far."""


@attrs.define
class Connection:
    """A connection in use; not durable."""

    session: int
    number: int
    """The how-manieth connection of this station since it was started."""
    heard_ns: int
    """When the laptop last asked for something."""


@message(about=("site", "number"))
class IdleDue:
    """It is time to see whether a connection is still used."""

    site: str
    number: int


class Station(Actor):
    """A communication station.

    Args:
        crm: The name of the actor of CRM Enterprise.
        users: The laptops that may call; may grow while the landscape is built.
        connections: How many laptops it serves at the same time; None for any number.
    """

    def __init__(self, crm: str, users: Collection[str], connections: int | None = None) -> None:
        self._crm = crm
        self._users = users
        self._limit = connections
        self._in_use: dict[str, Connection] = {}
        self._count = 0

    # --- users ---

    def set_locked(self, user: str, *, is_locked: bool, done: Callable[[], None]) -> None:
        """Lock a user, or unlock one; `done` is called when that is durable."""
        with self.commit() as change:
            if is_locked:
                change.put("locked users", user, True)
            else:
                change.delete("locked users", user)
            change.then(done)

    def _why_refused(self, user: str) -> str:
        if user not in self._users:
            return "user unknown"
        return "user locked" if self.store.get("locked users", user, False) else ""

    # --- connections ---

    def _has_connection(self, call: Dial | Upload | Fetch) -> bool:
        """Say whether a laptop has a connection, or can have one now; else tell it that none is."""
        if self._limit is None:
            return True
        used = self._in_use.get(call.site)
        if used is not None:
            used.session, used.heard_ns = call.session, self.now_ns
            return True
        line = self.address(call.site).line
        if line.is_down:
            return False  # nobody is there any more
        subject = f"{call.site} session {call.session}"
        if len(self._in_use) == self._limit:
            self.note(REFUSED, subject, laptop=call.site, reason=BUSY)
            step = 0 if isinstance(call, Dial) else call.step
            self._reply(call, Busy(call.site, call.session, step, call.attempt))
            return False
        self._count += 1
        self._in_use[call.site] = Connection(call.session, self._count, self.now_ns)
        self.note(CONNECTED, subject, laptop=call.site, in_use=len(self._in_use))
        self.after(IDLE, IdleDue(call.site, self._count))
        return True

    def _reply(self, call: Dial | Upload | Fetch, answer: Any) -> None:
        with self.commit() as change:
            laptop: Address[Any] = self.address(call.site)
            change.send(laptop, answer, attempt=call.attempt, if_open=True)

    def _release(self, site: str, reason: str) -> None:
        used = self._in_use.pop(site)
        self.note(RELEASED, f"{site} session {used.session}", laptop=site, reason=reason)

    @handles(LineEnded)
    def line_ended(self, message: LineEnded, sender: object) -> None:
        """Take a connection back from a laptop that has hung up, or whose line broke."""
        if message.site in self._in_use:
            self._release(message.site, "the line ended")

    @handles(IdleDue)
    def looked_after(self, message: IdleDue, sender: object) -> None:
        """Take a connection back of which nothing was heard: its end may have been missed."""
        used = self._in_use.get(message.site)
        if used is None or used.number != message.number:
            return
        quiet_ns = self.now_ns - used.heard_ns
        if quiet_ns >= IDLE:
            self._release(message.site, "nothing was heard")
        else:
            self.after(IDLE - quiet_ns, message)

    # --- calls ---

    @handles(Dial)
    def dialled(self, message: Dial, sender: Address[Admitted]) -> None:
        """Take a call: note the session durably, then ask CRM to admit the laptop."""
        reason = self._why_refused(message.site)
        if reason:
            self.note(
                REFUSED,
                f"{message.site} session {message.session}",
                laptop=message.site,
                reason=reason,
            )
            answer = Refused(message.site, message.session, message.attempt, reason)
            self._reply(message, answer)
            return
        if not self._has_connection(message):
            return
        log: SessionLog | None = self.store.get("sessions", message.site)
        with self.commit() as change:
            if log is None or log.session < message.session:
                change.put("sessions", message.site, SessionLog(message.session, 0))
            change.send(self.address(self._crm), message, attempt=message.attempt)

    @handles(Upload, Fetch)
    def requested(self, message: Upload | Fetch, sender: Address[Answer]) -> None:
        """Pass a request on to CRM."""
        if not self._has_connection(message):
            return
        if isinstance(message, Upload):
            self.working(RELAY, f"{message.site} session {message.session}")
        self.send(self.address(self._crm), message, attempt=message.attempt)

    @handles(Admitted, Refused, UploadReceipt, Package)
    def answered(self, message: Answer, sender: Address[Dial]) -> None:
        """Pass an answer back, if the laptop is still there and still in that session."""
        log: SessionLog | None = self.store.get("sessions", message.site)
        laptop = self.address(message.site)
        if log is None or log.session != message.session or laptop.line.is_down:
            return
        if self._limit is not None and message.site not in self._in_use:
            return  # it has lost its connection meanwhile
        with self.commit() as change:
            change.put("sessions", message.site, attrs.evolve(log, relayed=log.relayed + 1))
            change.send(laptop, message, attempt=message.attempt, if_open=True)
