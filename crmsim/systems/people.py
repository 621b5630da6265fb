"""What do the people do who look after a system?

An operator looks after the queues and the error list of one system. A queue that is stuck waits for
the operator's reaction; then it is activated, and if the same unit of work gets stuck again, taken
out. BDocs in the error list are worked off together, one after the other. Sources: CONTRIBUTING.md,
S41, S43; reaction and speed are assumed.
"""

import enum

from crmsim.chance import Distribution
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import message
from crmsim.online.recovery import BDocAlert, Recovery
from crmsim.qrfc.wire import Action, Alert
from crmsim.replication.returned import ReturnAlert, SendAgain
from crmsim.units import Duration, days, minutes

__all__ = ["Operator", "Worklist"]

HANDLING: Duration = minutes(1)
"""How long an operator needs for one BDoc of the error list (assumed)."""
GIVE_UP_COUNT = 10
"""How often a BDoc may come into the error list before it is set to processed (assumed)."""
TRY_AGAIN: Duration = minutes(10)
"""After how long the office tries again what a system that was down did not do (assumed)."""
PATIENCE: Duration = days(1)
"""Up to which wait an operator doubles it each time that a BDoc comes back (assumed)."""


@message(about=("queue", "luw", "what"))
class ActionDue:
    """The operator has got round to a stuck queue."""

    queue: str
    luw: str
    what: str


class Worklist(enum.Enum):
    """In which way an operator works off the error list."""

    OLDEST_FIRST = "oldest first"
    NEWEST_FIRST = "newest first"
    NEWEST_ONLY = "newest only"
    """Of each document the newest BDoc is processed again, the others are set to processed."""
    TICK_OFF = "tick off"
    """All are set to processed; the next change of the document may put things right."""


@message(about=("round",))
class RoundDue:
    """The operator has got round to the error list."""

    round: int


@message(about=("site",))
class SendingDue:
    """The operator has got round to what a laptop gave back."""

    site: str


class Operator(Actor):
    """Looks after the queues and the error list of one system.

    Args:
        system: The name of the system's actor.
        reaction_s: How long it takes until somebody looks at what is stuck, in seconds.
        last_resort: What is done when activating did not help: ``delete LUW`` or ``park``.
        worklist: In which way the error list is worked off.
    """

    def __init__(
        self,
        system: str,
        reaction_s: Distribution,
        last_resort: str,
        worklist: Worklist = Worklist.OLDEST_FIRST,
    ) -> None:
        self._system = system
        self._reaction_s = reaction_s
        self._last_resort = last_resort
        self._worklist = worklist
        self._errors: dict[str, BDocAlert] = {}
        """BDocs that the operator has heard of and not dealt with yet."""
        self._rounds = 0

    def _reaction_ns(self, *key: int) -> int:
        return int(self._reaction_s.at(self.luck("reaction time").uniform(*key)) * 1e9)

    @handles(Alert)
    def alerted(self, message: Alert, sender: object) -> None:
        """Take notice, and act some time later."""
        what = "activate" if message.count <= 1 else self._last_resort
        reaction_ns = self._reaction_ns(message.__identity__())  # type: ignore[attr-defined]
        self.after(reaction_ns, ActionDue(message.queue, message.luw, what))

    @handles(ActionDue)
    def act(self, message: ActionDue, sender: object) -> None:
        """Do something about the queue."""
        action = Action(message.queue, message.luw, message.what)
        self.send(self.address(self._system), action)

    @handles(ReturnAlert)
    def told_of_returns(self, message: ReturnAlert, sender: object) -> None:
        """Take notice of messages that a laptop gave back, and have them sent again later."""
        reaction_ns = self._reaction_ns(message.__identity__())  # type: ignore[attr-defined]
        self.after(reaction_ns, SendingDue(message.site))

    @handles(SendingDue)
    def send_again(self, message: SendingDue, sender: object) -> None:
        """Have a laptop sent again what it gave back."""
        self.send(self.address(self._system), SendAgain(message.site))

    @handles(BDocAlert)
    def told_of_error(self, message: BDocAlert, sender: object) -> None:
        """Take notice; the first one brings about a round through the list."""
        is_first = not self._errors
        self._errors[message.bdoc] = message
        if is_first:
            self._rounds += 1
            self.after(self._wait_ns(message), RoundDue(self._rounds))

    def _wait_ns(self, alert: BDocAlert) -> int:
        """Return when the next round begins: later, if what was tried has not helped."""
        reaction_ns = self._reaction_ns(alert.__identity__())  # type: ignore[attr-defined]
        longer_ns = reaction_ns << (alert.count - 1)
        return max(reaction_ns, min(longer_ns, PATIENCE))

    @handles(RoundDue)
    async def work_off(self, message: RoundDue, sender: object) -> None:
        """Work off the list as it is now, one BDoc after the other."""
        errors, self._errors = sorted(self._errors.values(), key=_age), {}
        newest = {alert.guid: alert.bdoc for alert in errors}
        if self._worklist is Worklist.NEWEST_FIRST:
            errors.reverse()
        for alert in errors:
            await self.sleep(HANDLING)
            is_old = newest[alert.guid] != alert.bdoc and self._worklist is Worklist.NEWEST_ONLY
            is_written_off = self._worklist is Worklist.TICK_OFF or alert.count >= GIVE_UP_COUNT
            what = "set processed" if is_old or is_written_off else "reprocess"
            self.send(self.address(self._system), Recovery(alert.bdoc, what))


def _age(alert: BDocAlert) -> int:
    return alert.since_ns
