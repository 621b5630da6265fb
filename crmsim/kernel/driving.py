"""How is a run driven: by the tasks of its story, or action by action from outside?

A story is one or more trio tasks. They wait for moments of the schedule (`Turns`), so that their
order among all that is due at an instant is the schedule's.

From outside, the simulation runs in a thread of its own and stops before every action until it is
told to go on. Virtual time does not notice. So a debugger, a test or a notebook can step, look, and
step again, also across cells::

    steps = simulation.stepping().open()
    steps.step()
    steps.run_until(days(1))
    steps.close()
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import attrs
import trio

from crmsim.errors import BadValue
from crmsim.kernel.schedule import Action

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

__all__ = ["Steps", "Turn", "Turns", "run_in_thread"]

R = TypeVar("R")


@attrs.define(eq=False)
class Turn:
    """A moment of the schedule that a task of the story waits for."""

    task: trio.lowlevel.Task | None = None
    """Who waits; None before and after."""
    action: Action | None = None
    """The pending action that will give the turn; None once it was given."""


class Turns:
    """Hands out turns to the tasks of a story."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._end_waiters: list[trio.lowlevel.Task] = []
        self.end_awaited_since: int | None = None
        """How many actions there had been when a task began to wait for the end; None: none does.
        """

    def plan(self, time_ns: int, *, last: bool = False) -> Turn:
        """Plan a turn for a moment; with `last`, behind all that is and will be due at it."""
        turn = Turn()
        schedule = self._simulation.schedule
        push = schedule.push_last if last else schedule.push
        turn.action = push(time_ns, self._come, turn)
        return turn

    def _come(self, action: Action) -> None:
        self._simulation.other_count += 1
        turn: Turn = action[3]
        turn.action = None
        self._wake(turn)

    def give(self, turn: Turn) -> None:
        """Give a turn before its moment."""
        self.drop(turn)
        self._wake(turn)

    def drop(self, turn: Turn) -> None:
        """Take a turn back that nobody waits for any more; nothing if it was given."""
        if turn.action is not None:
            self._simulation.schedule.remove(turn.action)
            turn.action = None

    def _wake(self, turn: Turn) -> None:
        if turn.task is not None:
            self._reschedule(turn.task)
            turn.task = None
            self._simulation.hand_over()

    def _reschedule(self, task: trio.lowlevel.Task) -> None:
        trio.lowlevel.reschedule(task)
        self._simulation.watch.expect(task)

    async def take(self, turn: Turn) -> None:
        """Wait, as a task of the story, until the turn is given."""

        def abort(raise_cancel: object) -> trio.lowlevel.Abort:
            turn.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        turn.task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def wait_for_end(self) -> None:
        """Wait until nothing is due any more."""
        task = trio.lowlevel.current_task()

        def abort(raise_cancel: object) -> trio.lowlevel.Abort:
            self._end_waiters.remove(task)
            self._mark_end()
            return trio.lowlevel.Abort.SUCCEEDED

        self._end_waiters.append(task)
        self._mark_end()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def end(self) -> bool:
        """Wake the first task that waits for the end; False when none does."""
        if not self._end_waiters:
            return False
        self._reschedule(self._end_waiters.pop(0))
        self._mark_end()
        return True

    def _mark_end(self) -> None:
        is_awaited = bool(self._end_waiters)
        self.end_awaited_since = self._simulation.clock.action_count if is_awaited else None


class Steps:
    """A hand on the crank of one simulation."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._steps_left = 0
        self._until_ns: int | None = None
        self._next_ns = 0
        """When what comes next is due."""
        self._is_closing = False
        self.is_done = False
        """Whether nothing is due any more or the run failed."""

    def open(self) -> Self:
        """Start the run and stop before its first action."""
        self._simulation.clock.pause_point = self._pause
        self._thread = threading.Thread(target=self._work, name="crmsim steps", daemon=True)
        self._thread.start()
        self._wait()
        return self

    def _work(self) -> None:
        try:
            self._simulation._run_trio(_until_told)
        except BaseException as error:
            self._error = error
        self.is_done = True
        self._stopped.release()

    def _pause(self, due_ns: int) -> None:
        """Stop, in the run's thread, before whatever comes next at `due_ns`."""
        if self._is_closing:
            self._simulation.stop()
            return
        if self._until_ns is not None:
            if due_ns <= self._until_ns:
                return
        elif self._steps_left > 0:
            self._steps_left -= 1
            return
        self._next_ns = due_ns
        self._stopped.release()
        self._go.acquire()
        if self._is_closing:
            self._simulation.stop()
        elif self._until_ns is None:
            self._steps_left -= 1

    def _wait(self) -> None:
        self._stopped.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def step(self, count: int = 1) -> int:
        """Perform the next actions; return virtual time in nanoseconds.

        Raises:
            BadValue: the steps are not open, or fewer than one is asked for.
        """
        self._must_be_open()
        if count < 1:
            raise BadValue(f"step({count}): one step or more")
        if not self.is_done:
            self._until_ns = None
            self._steps_left = count
            self._go.release()
            self._wait()
        return self._simulation.now_ns

    def run_until(self, until_ns: int) -> int:
        """Perform all that is due up to a moment, with what is due at it; return virtual time."""
        self._must_be_open()
        if not self.is_done and self._next_ns <= until_ns:
            self._until_ns = until_ns
            self._go.release()
            self._wait()
            self._until_ns = None
        schedule = self._simulation.schedule
        schedule.now_ns = max(schedule.now_ns, until_ns)
        return schedule.now_ns

    def _must_be_open(self) -> None:
        if self._thread is None:
            raise BadValue("the steps are not open; use `with simulation.stepping() as steps:`")

    def close(self) -> None:
        """End the run where it stands; harmless when it is over."""
        if self._thread is None:
            return
        self._is_closing = True
        self._go.release()
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        """Open."""
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


async def _until_told(simulation: "Simulation") -> None:
    await simulation.run_until(None)


def run_in_thread(simulation: "Simulation", run: Callable[[], R]) -> R:
    """Run in a thread of its own, because trio refuses to run inside trio."""
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(run())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    done = threading.Event()  # an interrupted Thread.join may not be repeated
    threading.Thread(target=work, name="crmsim", daemon=True).start()
    try:
        done.wait()
    except KeyboardInterrupt as error:
        simulation.clock.interruption = error
        done.wait()
    if errors:
        raise errors[0]
    return results[0]
