"""What does a communication station do?

It is the gateway between laptops and CRM Enterprise: it takes the calls of the laptops, knows its
users, and passes requests on to CRM and answers back. It keeps a durable log of sessions. It
answers a laptop only while that laptop holds the line open and only within the session that the
laptop began: nothing is ever pushed. Sources: CONTRIBUTING.md, S50, S53.
"""

from collections.abc import Collection

import attrs

from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address
from crmsim.mobile.calls import Admitted, Dial, Fetch, Package, Upload, UploadReceipt
from crmsim.units import Duration, milliseconds

__all__ = ["SessionLog", "Station"]

Answer = Admitted | UploadReceipt | Package
RELAY: Duration = milliseconds(40)
"""How long a package of changes is being passed on to CRM (assumed)."""


@attrs.frozen
class SessionLog:
    """What the station remembers of the latest session of a laptop."""

    session: int
    relayed: int
    """Answers passed on to the laptop so far."""


class Station(Actor):
    """A communication station.

    Args:
        crm: The name of the actor of CRM Enterprise.
        users: The laptops that may call; may grow while the landscape is built.
    """

    def __init__(self, crm: str, users: Collection[str]) -> None:
        self._crm = crm
        self._users = users

    @handles(Dial)
    def dialled(self, message: Dial, sender: Address[Admitted]) -> None:
        """Take a call: note the session durably, then ask CRM to admit the laptop."""
        if message.site not in self._users:
            return
        log: SessionLog | None = self.store.get("sessions", message.site)
        with self.commit() as change:
            if log is None or log.session < message.session:
                change.put("sessions", message.site, SessionLog(message.session, 0))
            change.send(self.address(self._crm), message, attempt=message.attempt)

    @handles(Upload, Fetch)
    def requested(self, message: Upload | Fetch, sender: Address[Answer]) -> None:
        """Pass a request on to CRM."""
        if isinstance(message, Upload):
            self.working(RELAY, f"{message.site} session {message.session}")
        self.send(self.address(self._crm), message, attempt=message.attempt)

    @handles(Admitted, UploadReceipt, Package)
    def answered(self, message: Answer, sender: Address[Dial]) -> None:
        """Pass an answer back, if the laptop is still there and still in that session."""
        log: SessionLog | None = self.store.get("sessions", message.site)
        laptop = self.address(message.site)
        if log is None or log.session != message.session or laptop.line.is_down:
            return
        with self.commit() as change:
            change.put("sessions", message.site, attrs.evolve(log, relayed=log.relayed + 1))
            change.send(laptop, message, attempt=message.attempt, if_open=True)
