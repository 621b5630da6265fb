"""How did the machine itself fare, and what went wrong with a run, in words?

Did trio have to decide an order that the schedule should have decided? Tasks of a story may use raw
trio (`trio.sleep`, nurseries). When two of them become runnable in one turn of trio's loop, trio
runs them in random order. An instrument sees it and names them, so that a run that is not
repeatable says so instead of being a riddle.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from crmsim.errors import ActorFailed
from crmsim.kernel.mailbox import MailboxStatistics
from crmsim.kernel.message import Address
from crmsim.kernel.schedule import Action

if TYPE_CHECKING:
    from crmsim.kernel.seat import Seat
    from crmsim.kernel.simulation import Simulation

__all__ = [
    "Statistics",
    "TurnWatch",
    "call_unprotected",
    "doer_of",
    "explained",
    "gets_nowhere",
    "loop_of",
    "single",
    "stuck_actors",
]

LIVELOCK_COUNT = 1_000_000
"""Actions at one instant of virtual time after which a run counts as stuck."""
ENDLESS_COUNT = 5_000_000
"""Actions after which a run that is to go on until nothing is due counts as endless."""


@attrs.frozen
class Statistics:
    """How the machine itself fared."""

    end_ns: int
    """How far virtual time got."""
    actors: int
    actions: int
    """Actions performed by the schedule."""
    handled_directly: int
    """Messages and timers handled by a plain call, without the actor's coroutine."""
    resumed_by_send: int
    """How often a detached coroutine was resumed by the schedule."""
    resumed_by_trio: int
    """How often an attached actor was resumed by trio."""
    lost: int
    dropped: int
    """What crashed actors tried to do."""
    stale: int
    """Timers and timeouts that came due for nobody."""
    late_answers: int
    mailboxes: dict[str, MailboxStatistics]
    """Of those actors whose mailbox ever held something."""

    @classmethod
    def of(cls, simulation: "Simulation") -> "Statistics":
        """Collect the statistics of a simulation."""
        seats = [simulation.seat_of(name) for name in simulation.actors]
        now_ns = simulation.now_ns
        handled = simulation.clock.action_count - simulation.other_count - simulation.stale_count
        return cls(
            end_ns=now_ns,
            actors=len(seats),
            actions=simulation.clock.action_count,
            handled_directly=max(handled, 0) if simulation.is_detached else 0,
            resumed_by_send=simulation.resumed_by_send_count,
            resumed_by_trio=simulation.resumed_by_trio_count,
            lost=simulation.lost_count,
            dropped=simulation.dropped_count,
            stale=simulation.stale_count,
            late_answers=simulation.late_answer_count,
            mailboxes={s.name: s.mailbox.statistics(now_ns) for s in seats if s.mailbox.most},
        )


class TurnWatch(trio.abc.Instrument):
    """Watches which tasks become runnable together."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._woken: dict[trio.lowlevel.Task, None] = {}
        self.found: list[tuple[str, ...]] = []
        """Names of tasks that were runnable together, once each."""
        self.is_watching = False
        """From the first step of the story to its end."""

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Take no notice of what becomes runnable inside the block."""
        before, self.is_watching = self.is_watching, False
        try:
            yield
        finally:
            self.is_watching = before

    def expect(self, task: trio.lowlevel.Task) -> None:
        """The schedule woke this task: nothing to decide."""
        self._woken.pop(task, None)

    @trio.lowlevel.enable_ki_protection  # trio would keep Ctrl-C to itself, and go on
    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Remember a task that became runnable."""
        if self.is_watching and self._is_of_story(task):
            self._woken[task] = None

    @trio.lowlevel.enable_ki_protection
    def before_io_wait(self, timeout: float) -> None:
        """Judge the turn that ended."""
        if len(self._woken) > 1:
            names = tuple(sorted(task.name for task in self._woken))
            if self.is_watching and names not in self.found:
                self.found.append(names)
        self._woken.clear()

    def _is_of_story(self, task: trio.lowlevel.Task) -> bool:
        return task.parent_nursery is not None and not self._simulation.is_at_home(task.name)


@trio.lowlevel.disable_ki_protection
def call_unprotected(do: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Call a function of the user's, which Ctrl-C may interrupt."""
    do(*arguments)


def explained(hint: str, where: str, error: BaseException) -> BaseException:
    """Return the error that ends a run because of an error in an actor."""
    error = single(error)
    if isinstance(error, KeyboardInterrupt):
        error.add_note(f"interrupted in {where}")
        return error
    text = hint or f"{type(error).__name__}: {error}"
    failure = ActorFailed(f"{text} (in {where})")
    failure.__cause__ = error
    return failure


def single(error: BaseException) -> BaseException:
    """Return the one error inside a group of one, however deep."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def doer_of(action: Action) -> tuple[str, str]:
    """Return whose action it is and what it does; empty when it is no actor's."""
    what, whom = action[3], action[4]
    if isinstance(whom, Address):
        return whom.target.name, f" handling {type(what).__name__}"
    if hasattr(what, "address"):
        return what.address.target.name, f" handling {type(what.message).__name__}"
    doer: Any = getattr(action[2], "__self__", None)
    if hasattr(doer, "doing"):
        return doer.name, doer.doing
    return "", ""


def loop_of(actions: Iterable[Action]) -> str:
    """Return what a number of pending actions are, once each."""
    names = dict.fromkeys(_name(action) for action in actions)
    return ", ".join(names) or "the actions of one handler"


def _name(action: Action) -> str:
    who, doing = doer_of(action)
    return f"{who!r}{doing}" if who else getattr(action[2], "__qualname__", repr(action[2]))


def gets_nowhere(still_count: int, waited_count: int) -> str:
    """Return why a run gets nowhere; empty when it does not look so.

    Args:
        still_count: Actions performed at the present instant.
        waited_count: Actions performed since the story began to wait for the end of all actions.
    """
    if still_count >= LIVELOCK_COUNT:
        return f"more than {still_count:,} actions and time stands still"
    if waited_count >= ENDLESS_COUNT:
        return (
            f"more than {waited_count:,} actions and the end does not come; say until when to run, "
            "as in run(until=days(2))"
        )
    return ""


def stuck_actors(seats: "Iterable[Seat]") -> list[str]:
    """Return who waits for something that cannot come any more, now that nothing is due."""
    return [
        f"{seat.name!r} waits in {seat.waits_for}"
        for seat in seats
        if seat.alive
        and (
            seat.waits_for.startswith("answer")
            or (seat.waits_for == "receive" and not seat.actor.serves)
        )
    ]
