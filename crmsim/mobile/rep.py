"""What does a rep write, and when does he call?

A rep has a diary (what is written when) and habits (when the laptop calls). Three things begin a
session: the rep, at certain times of the day; the laptop, every so often while it is on; or a
network that comes within reach. All luck is keyed by day and hour of the day, so that a broken or
added session moves no other one. Sources: CONTRIBUTING.md, S27, S51.
"""

import heapq
from collections.abc import Iterator

import attrs

from crmsim.business.enquiry import Enquiry
from crmsim.business.master import RecordEdit
from crmsim.business.sales import CallOff, OrderEdit, SalesOrder
from crmsim.chance import Stream
from crmsim.errors import BadValue
from crmsim.middleware.replication import Kind, Model
from crmsim.sync.session import Phase
from crmsim.units import Duration, Share, days, hours, milliseconds, minutes

__all__ = ["DiaryEntry", "Habits", "Interval", "Window", "Wish", "why_not_in_diary"]

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


Wish = SalesOrder | CallOff | OrderEdit | RecordEdit | Enquiry
"""What can stand in a diary."""


@attrs.frozen
class DiaryEntry:
    """Something that a rep writes, or looks up."""

    time_ns: int
    what: Wish
    """An order as it is to be saved, whose GUID is made by the laptop; what is changed of one that
    is there, whoever wrote it; what is done to anything else: a visit, an opportunity; or what a
    customer wants to know. A call-off becomes an order of what the laptop shows as left."""


@attrs.frozen
class Interval:
    """The laptop begins a session every so often, in the working hours (S27, S51)."""

    every: Duration = hours(1)
    opens: Duration = hours(8)
    """When the working hours begin; the first session follows within one interval."""
    closes: Duration = hours(18)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= days(1):
            raise BadValue("an Interval opens before it closes, both within one day")
        if not 0 < self.every <= self.closes - self.opens:
            raise BadValue("the sessions of an Interval are some time apart, and fit into its day")

    @property
    def count(self) -> int:
        """How many sessions there are in a day."""
        return int((self.closes - self.opens) // self.every)


@attrs.frozen
class Window:
    """A network is within reach for a while; the laptop begins a session when it appears (S51).

    When it is gone, the line of that session breaks off.
    """

    opens: Duration
    """Near which time of the day it appears."""
    lasts: Duration
    spread: Duration = minutes(30)
    """How much earlier or later it appears at most."""

    def __attrs_post_init__(self) -> None:
        if self.lasts <= 0 or self.spread < 0 or not 0 <= self.opens <= days(1):
            raise BadValue("a Window opens within a day and lasts longer than nothing")


@attrs.frozen
class _Slot:
    """A session that is due on some day."""

    begins_ns: int
    number: int
    gone_ns: int | None = None
    """When the network that it was begun with is gone; None if it was begun otherwise."""


@attrs.frozen
class Habits:
    """When sessions begin, each working day: by the rep, at an interval, or with a network."""

    first_weekday: int = 0
    """Which weekday day 0 is; 0 is Monday."""
    times: tuple[tuple[Duration, Duration], ...] = (
        (hours(8), minutes(45)),
        (hours(18), minutes(60)),
    )
    """Begun by the rep: (time of day, how much earlier or later); usually once or twice a day
    (S27)."""
    interval: Interval | None = None
    """Begun by the laptop while it is on; None for never."""
    coverage: tuple[Window, ...] = ()
    """Begun by the laptop when a network appears."""
    working_days: int = 5
    holidays: tuple[tuple[int, int], ...] = ()
    """(first day, last day) of the run on which the laptop stays in its bag."""
    break_off: Share = Share(0.0)
    """Share of sessions in which the line breaks off."""
    corrects_after: Duration | None = None
    """How long after an import the rep deals with the refusals in it; None when he never does."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.coverage, Window):
            raise BadValue(f"coverage is {self.coverage}; write a tuple: ({self.coverage},)")
        if any(first > last for first, last in self.holidays):
            raise BadValue(f"holidays end before they begin: {self.holidays}")
        if self.corrects_after is not None and self.corrects_after <= 0:
            raise BadValue("corrects_after is how long a rep takes; leave it out if he never does")
        if not self._per_day or not 1 <= self.working_days <= 7:
            raise BadValue("a rep has one session a day or more, on 1 to 7 days a week")

    @classmethod
    def spread_evenly(cls, calls: int) -> "Habits":
        """Return habits with so many sessions a day, from 8:00 to 18:00; a single one at 18:00."""
        gap_ns = hours(10) // max(calls - 1, 1)
        spread = Duration(min(minutes(20), gap_ns // 4))
        times = [Duration(hours(18) - gap_ns * place) for place in reversed(range(calls))]
        return cls(times=tuple((time_ns, spread) for time_ns in times))

    @property
    def _per_day(self) -> int:
        """How many sessions are due on a working day."""
        by_itself = 0 if self.interval is None else self.interval.count
        return len(self.times) + by_itself + len(self.coverage)

    def next_session(self, luck: Stream, now_ns: int) -> tuple[int, int]:
        """Return when the next session after now begins, and its number.

        The number is the slot (day, place in the day) it belongs to, so it never depends on how
        many sessions there were.
        """
        day = now_ns // days(1)
        while True:
            for slot in self._slots(luck, day):
                if slot.begins_ns > now_ns:
                    return slot.begins_ns, slot.number
            day += 1

    def network_gone_ns(self, luck: Stream, session: int) -> int | None:
        """Return when the network of a session is gone; None if no network began the session."""
        if not self.coverage:
            return None
        day = (session - 1) // self._per_day
        return next(s.gone_ns for s in self._slots(luck, day) if s.number == session)

    def _slots(self, luck: Stream, day: int) -> Iterator[_Slot]:
        """Yield what is due on a day, in order of time."""
        is_free = (day + self.first_weekday) % 7 >= self.working_days
        if is_free or any(first <= day <= last for first, last in self.holidays):
            return
        due = heapq.merge(
            self._by_rep(luck, day),
            self._by_itself(luck, day),
            self._by_network(luck, day),
            key=lambda one: one[0],
        )
        for number, (begins_ns, gone_ns) in enumerate(due, day * self._per_day + 1):
            yield _Slot(begins_ns, number, gone_ns)

    def _by_rep(self, luck: Stream, day: int) -> Iterator[tuple[int, int | None]]:
        for place, (time_ns, spread_ns) in enumerate(self.times):
            u = luck.uniform(day * len(self.times) + place + 1)
            yield days(day) + time_ns + int((2 * u - 1) * spread_ns), None

    def _by_itself(self, luck: Stream, day: int) -> Iterator[tuple[int, int | None]]:
        if self.interval is not None:
            first_ns = self.interval.opens + int(luck.uniform(day, 1) * self.interval.every)
            for place in range(self.interval.count):
                yield days(day) + first_ns + place * self.interval.every, None

    def _by_network(self, luck: Stream, day: int) -> Iterator[tuple[int, int | None]]:
        for place, window in enumerate(self.coverage):
            shift_ns = int((2 * luck.uniform(day, 2 + place) - 1) * window.spread)
            begins_ns = days(day) + window.opens + shift_ns
            yield begins_ns, begins_ns + window.lasts

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


def why_not_in_diary(model: Model, what: Wish) -> str | None:
    """Return why a rep cannot have something in his diary, or None.

    Args:
        model: What the landscape replicates.
        what: What he wants to write, or to look up.
    """
    kinds = {one.name: one.kind for one in model.objects}
    object_ = what.object if isinstance(what, RecordEdit) else "order"
    kept = (Kind.INTELLIGENT, Kind.DEPENDENT)
    if kinds.get(object_) not in kept:
        names = ", ".join(name for name, kind in kinds.items() if kind in kept) or "nothing"
        return f"writes about {object_!r}, but only these are kept in step: {names}"
    above = model.of(object_).parent
    if isinstance(what, RecordEdit) and what.what == "create" and above and not what.parent:
        return f"creates {what.reference} without the {above} that it is for"
    return None
