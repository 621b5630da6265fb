"""Who judges a run, and when does which judge speak?

A jury seats one judge per check. It feeds them with what has happened already and with everything
that happens from then on, so it may be called before a run or after it. A judge that raises accuses
itself, never the world: its check judged nothing.
"""

from collections.abc import Callable, Sequence

from crmsim.checks.check import Check, Ending, Judge, Outcome, Scene, Verdict
from crmsim.kernel.simulation import Simulation
from crmsim.trace.journal import Event
from crmsim.trace.kinds import KINDS

__all__ = ["Jury", "judge"]

NO_VERDICT = Verdict(Outcome.NOT_JUDGED, 0)


class Jury:
    """The judges of one run.

    Args:
        simulation: The run.
        checks: What is judged.
    """

    def __init__(self, simulation: Simulation, checks: Sequence[Check]) -> None:
        self._simulation = simulation
        scene = Scene(simulation.topology, lambda actor: simulation.seat_of(actor).site.name)
        self.judges: list[tuple[Check, Judge]] = [(check, check.judge(scene)) for check in checks]
        journal = simulation.journal
        feeds: dict[str, list[Callable[[Event], None]]] = {}
        for _, judge in self.judges:
            for kind, feed in judge.feeds().items():
                feeds.setdefault(kind, []).append(_guarded(judge, feed))
                journal.watch(kind, feeds[kind][-1])
        for event in journal.select(*feeds) if feeds else ():
            for feed in feeds[event.kind]:
                feed(event)

    def verdicts(
        self, *, is_quiet: bool, set_aside: frozenset[str] = frozenset()
    ) -> list[tuple[Check, Verdict]]:
        """Let every judge look at the final states and speak.

        Args:
            is_quiet: Whether all is at rest, so that final states may be compared.
            set_aside: Names of documents and messages that are not judged.
        """
        simulation = self._simulation
        stores = {name: site.store for name, site in simulation.sites.items()}
        end_ns = simulation.statistics().end_ns
        ending = Ending(simulation.journal, stores, is_quiet, set_aside, end_ns)
        return [(check, _verdict(judge, ending)) for check, judge in self.judges]

    @property
    def failure(self) -> Exception | None:
        """What the first judge that failed raised, with the name of its check; None if none did."""
        for check, judge in self.judges:
            if judge.failure is not None:
                note = f"the check {check.name!r} raised this; it judged nothing"
                if note not in getattr(judge.failure, "__notes__", ()):
                    judge.failure.add_note(note)
                return judge.failure
        return None


def _guarded(judge: Judge, feed: Callable[[Event], None]) -> Callable[[Event], None]:
    """Keep an error inside a judge from hurting the world that it judges."""

    def fed(event: Event) -> None:
        try:
            feed(event)
        except Exception as failure:
            judge.failure = judge.failure or failure

    return fed


def _verdict(judge: Judge, ending: Ending) -> Verdict:
    """Let a judge speak, unless it failed or the journal kept less than it needs to see."""
    if any(not ending.journal.keeps(KINDS[kind]) for kind in judge.feeds()):
        return NO_VERDICT
    if judge.failure is None:
        try:
            return judge.finish(ending)
        except Exception as failure:
            judge.failure = failure
    return NO_VERDICT


def judge(simulation: Simulation, check: Check) -> Verdict:
    """Judge a run of actors of any kind: a plain call, when the run is over.

    All counts as quiet when nothing is due any more.

    Raises:
        Exception: whatever the check itself raised.
    """
    jury = Jury(simulation, (check,))
    [(_, verdict)] = jury.verdicts(is_quiet=len(simulation.schedule) == 0)
    if jury.failure is not None:
        raise jury.failure
    return verdict
