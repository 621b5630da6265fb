"""How does virtual time become trio's time?

trio asks its clock how long to sleep exactly when no task can run. That is the moment in which this
clock performs due actions: it takes the next one off the schedule, moves virtual time to it and
calls it, until a trio task can run again, or a slice of a few milliseconds of real time is over so
that Ctrl-C gets its turn.

Time is a whole number of nanoseconds. trio's deadlines are floats; the conversion is exact integer
arithmetic, because rounding a deadline down by one nanosecond would make trio ask for ever.
"""

import contextvars
import gc
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from time import perf_counter
from typing import Any

import trio

from crmsim.kernel.durable import SiteCrashed
from crmsim.kernel.schedule import LAST, Action, Schedule
from crmsim.network.link import LinkKind

__all__ = ["VirtualClock", "collector_off", "to_ns"]

SLICE_S = 0.005
"""Real seconds after which trio gets its turn for Ctrl-C and real input and output."""
WORLDLESS_WAIT_S = 0.05
"""Real seconds that trio may wait for a thread or a socket while no world lives."""
_NEVER_NS = 1 << 200


def to_ns(deadline_s: float) -> int:
    """Return the first nanosecond that is not before a float deadline in seconds."""
    if deadline_s <= 0:
        return 0
    return math.ceil(Fraction(deadline_s) * 1_000_000_000)


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the cycle collector from walking the whole model again and again.

    It would also finalise forgotten async generators at moments that depend on allocation counts.
    What the run leaves in cycles is freed afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _nothing(action: Action) -> None:
    """Stand in for the action of an error that no action raised."""


def _heads_of_streams(actions: list[Action]) -> list[Action]:
    """Leave out what stands behind another message of its stream: streams keep their order."""
    seen: dict[str, None] = {}
    heads = []
    for action in actions:
        line = getattr(action[4], "line", None)
        if line is not None and line.link.kind is LinkKind.STREAM:
            name = f"{line.source}>{line.target}"
            if name in seen:
                continue
            seen[name] = None
        heads.append(action)
    return heads


class VirtualClock(trio.abc.Clock):
    """A trio clock that performs what is due instead of sleeping.

    Args:
        schedule: What is due.
        on_error: Called with an action and what it raised.
        on_idle: Called when nothing is due and no deadline is set; True when it woke somebody.
        on_slice: Called after a slice with the number of actions performed at the present instant.
    """

    def __init__(
        self,
        schedule: Schedule,
        on_error: Callable[[Action, BaseException], None],
        on_idle: Callable[[], None],
        on_slice: Callable[[int], None],
    ) -> None:
        self.schedule = schedule
        self.urgent: deque[Callable[[], None]] = deque()
        """What must happen before any due action: coroutines that trio wants to cancel."""
        self.pause_point: Callable[[int], None] | None = None
        """Called with its moment before every action, and before a jump to a deadline of trio's,
        while the run is driven step by step."""
        self.interruption: KeyboardInterrupt | None = None
        """A Ctrl-C that reached the caller's thread while the run goes on in another one."""
        self.is_running = False
        """Whether the world lives. Before and after, nothing due is performed: trio's deadlines
        come at once, and threads and sockets get real time."""
        self.action_count = 0
        self._on_error = on_error
        self._on_idle = on_idle
        self._on_slice = on_slice
        self._budget = 256
        self._still_count = 0
        self._context = contextvars.copy_context()

    def start_clock(self) -> None:
        """Start at midnight of day 0."""

    def current_time(self) -> float:
        """Return virtual time in seconds."""
        return self.schedule.now_ns / 1_000_000_000

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Perform what is due up to trio's next deadline; never sleep."""
        if self.interruption is not None:
            interruption, self.interruption = self.interruption, None
            self._on_error((self.schedule.now_ns, 0, _nothing, None, None, 0, 0), interruption)
        if self.urgent:
            while self.urgent:
                self._context.run(self.urgent.popleft())
            return 0
        limit_ns = _NEVER_NS if deadline == math.inf else to_ns(deadline)
        if not self.is_running:
            return self._jump(limit_ns)
        self._context.run(self._slice, limit_ns)
        return 0

    def _jump(self, limit_ns: int) -> float:
        """Go to a deadline of trio's without performing anything."""
        if limit_ns == _NEVER_NS:
            return WORLDLESS_WAIT_S
        self.schedule.now_ns = max(self.schedule.now_ns, limit_ns)
        return 0

    def _slice(self, limit_ns: int) -> None:
        schedule = self.schedule
        schedule.limit_ns = limit_ns
        began_ns, began_s = schedule.now_ns, perf_counter()
        performed_count = self._perform(schedule)
        self.action_count += performed_count
        self._watch_instant(began_ns, performed_count)
        if schedule.limit_ns < 0:
            return
        if performed_count == self._budget:
            self._fit_budget(perf_counter() - began_s)
        elif limit_ns != _NEVER_NS:
            if self.pause_point is not None:
                self.pause_point(limit_ns)
            schedule.now_ns = max(schedule.now_ns, limit_ns)
        elif schedule.next_due_ns() is None:
            self._on_idle()

    def _perform(self, schedule: Schedule) -> int:
        """Perform due actions in order until the limit, the budget or an error ends it.

        The hot loop of the kernel. It walks the bucket with one list iterator, which sees what is
        inserted ahead of it; the position is written back only when the walk ends.
        """
        if schedule.strategy is not None or self.pause_point is not None:
            return self._perform_carefully(schedule)
        left = self._budget
        while left > 0:
            bucket = schedule.current
            turn: Any = iter(bucket)
            turn.__setstate__(schedule.position)
            began = schedule.position
            try:
                for action in islice(turn, left):
                    if action[0] > schedule.limit_ns:
                        schedule.position = len(bucket) - turn.__length_hint__() - 1
                        return self._budget - left + schedule.position - began
                    schedule.now_ns = action[0]
                    if action[2] is None:  # a message: the road of nearly every action
                        address = action[4]
                        if action[6] == address.epoch:
                            seat = address.target
                            handler = seat.direct.get(type(action[3]))
                            if handler is not None:
                                handler(seat.actor, action[3], address.reply)
                                continue
                        address.deliver(action)
                    else:
                        action[2](action)
            except BaseException as error:
                schedule.position = len(bucket) - turn.__length_hint__()
                if not isinstance(error, SiteCrashed):
                    self._on_error(action, error)
                return self._budget - left + schedule.position - began
            schedule.position = len(bucket) - turn.__length_hint__()
            left -= schedule.position - began
            if schedule.position == len(bucket) and not schedule.advance():
                break
        return self._budget - left

    def _perform_carefully(self, schedule: Schedule) -> int:
        """Perform actions one by one: chosen by a strategy, or stopping at each for a debugger."""
        for count in range(self._budget):
            due_ns = schedule.next_due_ns()
            if due_ns is None or due_ns > schedule.limit_ns:
                return count
            if self.pause_point is not None:
                self.pause_point(due_ns)
                if schedule.limit_ns < 0:
                    return count
            action = self._next(schedule)
            schedule.now_ns = max(schedule.now_ns, action[0])
            try:
                (action[2] or action[4].deliver)(action)
            except SiteCrashed:
                pass
            except BaseException as error:
                self._on_error(action, error)
                return count
        return self._budget

    def _next(self, schedule: Schedule) -> Action:
        """Take the next action off the schedule, by the strategy if there is one."""
        if schedule.strategy is None:
            action = schedule.current[schedule.position]
            schedule.position += 1
            return action
        enabled = schedule.pending()
        horizon_ns = min([schedule.limit_ns, *(a[0] for a in enabled if a[1] >= LAST)])
        open_now = [a for a in enabled if a[1] < LAST and a[0] <= horizon_ns]
        open_now = _heads_of_streams(open_now)
        action = schedule.strategy.choose(open_now) if open_now else enabled[0]
        schedule.remove(action)
        return action

    def _fit_budget(self, lasted_s: float) -> None:
        """Fit the number of actions of a slice to the time it may last."""
        factor = min(max(SLICE_S / max(lasted_s, 1e-6), 0.5), 2.0)
        self._budget = int(min(max(self._budget * factor, 32), 100_000))

    def _watch_instant(self, began_ns: int, performed_count: int) -> None:
        """Notice when time stands still."""
        if self.schedule.now_ns != began_ns:
            self._still_count = 0
        self._still_count += performed_count
        if self._still_count:
            self._on_slice(self._still_count)
