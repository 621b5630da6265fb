"""What do the people do, and when?

A rep has a diary (what is written when) and habits (when the laptop is taken to the telephone). All
luck is keyed by day and hour of the day, so that a broken or added session moves no other one.

An operator looks after the queues and the error list of one system. A queue that is stuck waits for
the operator's reaction; then it is activated, and if the same unit of work gets stuck again, taken
out. BDocs in the error list are worked off together, one after the other.
"""

import enum

import attrs

from crmsim.business.sales import SalesOrder
from crmsim.chance import Distribution, Stream
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import message
from crmsim.qrfc.wire import Action, Alert
from crmsim.sync.session import Phase
from crmsim.systems.recovery import BDocAlert, Recovery
from crmsim.units import Duration, Share, days, hours, milliseconds, minutes

__all__ = ["DiaryEntry", "Habits", "Operator", "Worklist"]

HANDLING: Duration = minutes(1)
"""How long an operator needs for one BDoc of the error list (assumed)."""
GIVE_UP_COUNT = 10
"""How often a BDoc may come into the error list before it is set to processed (assumed)."""
PATIENCE: Duration = days(1)
"""Up to which wait an operator doubles it each time that a BDoc comes back (assumed)."""

BREAK_WEIGHTS: dict[Phase, float] = {
    Phase.INIT: 0.08,
    Phase.AUTH: 0.08,
    Phase.SEND: 0.08,
    Phase.RECEIVE: 0.60,
    Phase.IMPORT: 0.08,
    Phase.FINAL: 0.08,
}
"""In which phase a session breaks off: 60 % in RECEIVE, the rest alike (assumed)."""
BREAK_WAIT: dict[Phase, Duration] = {
    Phase.INIT: milliseconds(400),
    Phase.AUTH: milliseconds(600),
    Phase.SEND: milliseconds(600),
    Phase.RECEIVE: milliseconds(600),
    Phase.IMPORT: milliseconds(40),
    Phase.FINAL: milliseconds(400),
}
"""How long into its phase a break comes at the latest (assumed; shorter than the phase lasts)."""


@attrs.frozen
class DiaryEntry:
    """Something that a rep writes."""

    time_ns: int
    order: SalesOrder
    """The order as it is to be saved; its GUID is made by the laptop."""


@attrs.frozen
class Habits:
    """When a rep starts sessions: near certain times of each working day."""

    first_weekday: int = 0
    """Which weekday day 0 is; 0 is Monday."""
    times: tuple[tuple[Duration, Duration], ...] = (
        (hours(8), minutes(45)),
        (hours(18), minutes(60)),
    )
    """(time of day, how much earlier or later); usually once or twice a day (S27)."""
    working_days: int = 5
    break_off: Share = Share(0.0)
    """Share of sessions in which the line breaks off."""

    def __attrs_post_init__(self) -> None:
        if not self.times or not 1 <= self.working_days <= 7:
            raise BadValue("a rep has one session a day or more, on 1 to 7 days a week")

    @classmethod
    def spread_evenly(cls, calls: int) -> "Habits":
        """Return habits with so many sessions a day, from 8:00 to 18:00; a single one at 18:00."""
        gap_ns = hours(10) // max(calls - 1, 1)
        spread = Duration(min(minutes(20), gap_ns // 4))
        times = [Duration(hours(18) - gap_ns * place) for place in reversed(range(calls))]
        return cls(times=tuple((time_ns, spread) for time_ns in times))

    def next_session(self, luck: Stream, now_ns: int) -> tuple[int, int]:
        """Return when the next session after now begins, and its number.

        The number is the slot (day, time of day) it belongs to, so it never depends on how many
        sessions there were.
        """
        day = now_ns // days(1)
        while True:
            if (day + self.first_weekday) % 7 < self.working_days:
                for slot, (time_ns, spread_ns) in enumerate(self.times):
                    number = day * len(self.times) + slot + 1
                    shift_ns = int((2 * luck.uniform(number) - 1) * spread_ns)
                    begin_ns = days(day) + time_ns + shift_ns
                    if begin_ns > now_ns:
                        return begin_ns, number
            day += 1

    def break_phase(self, luck: Stream, session: int) -> Phase | None:
        """Return the phase in which the line of a session breaks off; None for most sessions."""
        if not luck.happens(self.break_off, session):
            return None
        u = luck.uniform(session, 1) * sum(BREAK_WEIGHTS.values())
        for phase, weight in BREAK_WEIGHTS.items():
            u -= weight
            if u < 0:
                return phase
        return Phase.FINAL

    def break_wait_ns(self, luck: Stream, session: int, phase: Phase) -> int:
        """Return how long into its phase the break comes."""
        return int(luck.uniform(session) * BREAK_WAIT[phase])


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
