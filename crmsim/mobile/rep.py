"""What does a rep write, and when does he call?

A rep has a diary (what is written when) and habits (when the laptop is taken to the telephone). All
luck is keyed by day and hour of the day, so that a broken or added session moves no other one.
"""

import attrs

from crmsim.business.enquiry import Enquiry
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, SalesOrder
from crmsim.chance import Stream
from crmsim.errors import BadValue
from crmsim.sync.session import Phase
from crmsim.units import Duration, Share, days, hours, milliseconds, minutes

__all__ = ["DiaryEntry", "Habits"]

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
    """Something that a rep writes, or looks up."""

    time_ns: int
    what: SalesOrder | OrderEdit | RecordEdit | Enquiry
    """An order as it is to be saved, whose GUID is made by the laptop; what is changed of one that
    is there, whoever wrote it; what is done to anything else: a visit, an opportunity; or what a
    customer wants to know."""


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
