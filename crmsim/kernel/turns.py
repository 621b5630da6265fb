"""Did trio have to decide an order that the schedule should have decided?

Tasks of a story may use raw trio (`trio.sleep`, nurseries). When two of them become runnable in one
turn of trio's loop, trio runs them in random order. This instrument sees it and names them, so that
a run that is not repeatable says so instead of being a riddle.
"""

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

__all__ = ["TurnWatch"]


class TurnWatch(trio.abc.Instrument):
    """Watches which tasks become runnable together."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._woken: dict[trio.lowlevel.Task, None] = {}
        self.found: list[tuple[str, ...]] = []
        """Names of tasks that were runnable together, once each."""
        self.is_watching = False
        """From the first step of the story to its end."""

    def expect(self, task: trio.lowlevel.Task) -> None:
        """The schedule woke this task: nothing to decide."""
        self._woken.pop(task, None)

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Remember a task that became runnable."""
        if self.is_watching and self._is_of_story(task):
            self._woken[task] = None

    def before_io_wait(self, timeout: float) -> None:
        """Judge the turn that ended."""
        if len(self._woken) > 1:
            names = tuple(sorted(task.name for task in self._woken))
            if self.is_watching and names not in self.found:
                self.found.append(names)
        self._woken.clear()

    def _is_of_story(self, task: trio.lowlevel.Task) -> bool:
        return task.parent_nursery is not None and not self._simulation.is_at_home(task.name)
