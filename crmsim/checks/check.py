"""What is a check?

A check has a sentence for a name, a mood, and makes a judge for each run. The judge is fed with the
events it asked for, one pass, and at the end says what it found and how much it judged. A check
that judged nothing says so: a green line means that something was looked at.

A jury seats one judge per check. It feeds them with what has happened already and with everything
that happens from then on, so it may be called before a run or after it. A judge that raises accuses
itself, never the world: its check judged nothing.
"""

import difflib
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from crmsim.errors import BadValue, Finding
from crmsim.kernel.durable import Store
from crmsim.kernel.simulation import Simulation
from crmsim.network.topology import Topology
from crmsim.trace.journal import Event, Journal
from crmsim.trace.kinds import KINDS

__all__ = [
    "Check",
    "Ending",
    "Evidence",
    "Judge",
    "Jury",
    "Mood",
    "Outcome",
    "Scene",
    "Verdict",
    "forget",
    "is_order",
    "judge",
]

EVIDENCE_KEPT = 5
"""Violations that are told in full; the others are counted."""


class Mood(enum.Enum):
    """When a check must hold."""

    ALWAYS = "always"
    """At every moment; it fires at the first bad event."""
    EVENTUALLY = "eventually"
    """Once all is quiet."""
    SOMETIMES = "sometimes"
    """In at least one of many runs."""


class Outcome(enum.Enum):
    """What a judge says."""

    HELD = "held"
    VIOLATED = "violated"
    NOT_JUDGED = "not judged"


@attrs.frozen
class Evidence:
    """One violation."""

    text: str
    event: int = 0
    """The number of the event that shows it; 0 when only the final state does."""


@attrs.frozen
class Verdict:
    """What a judge found."""

    outcome: Outcome
    judged: int
    """How many things were looked at."""
    evidence: tuple[Evidence, ...] = ()
    violations: int = 0
    """How many violations there were; `evidence` tells the first few."""

    @property
    def held(self) -> bool:
        """Whether something was judged and nothing was wrong."""
        return self.outcome is Outcome.HELD

    @property
    def first_event(self) -> int:
        """The number of the earliest event that shows a violation; 0 when none does."""
        return min((one.event for one in self.evidence if one.event), default=0)

    def must_hold(self) -> None:
        """Raise unless something was judged and nothing was wrong.

        Raises:
            Finding: with the first violations, or because nothing was judged.
        """
        __tracebackhide__ = True  # pytest shows the line of the caller
        if not self.held:
            raise Finding(str(self), self.first_event)

    def __str__(self) -> str:
        """Say it in a line."""
        told = f"{self.outcome.value}, {self.judged:,} judged"
        if not self.violations:
            return told
        more = f" and {self.violations - 1:,} more" if self.violations > 1 else ""
        return f"{told}: {self.evidence[0].text}{more}"


@attrs.frozen
class Scene:
    """What a judge may know before the run."""

    topology: Topology
    site_of: Callable[[str], str]
    """Actor -> site."""

    def kind_of(self, actor: str) -> str:
        """Return the kind of site an actor is at: ``crm``, ``erp``, ``mobile``."""
        return self.topology.kind(self.site_of(actor))


@attrs.frozen
class Ending:
    """What a judge may know after the run."""

    journal: Journal
    stores: Mapping[str, Store]
    is_quiet: bool
    set_aside: frozenset[str] = frozenset()
    """Documents and messages that wait for a person or for a laptop that is kept still; final
    states are not judged by them."""
    partial: frozenset[str] = frozenset()
    """Those of them of which a change was lost or refused, and that wait for nobody else: what
    there is of them must be where it belongs."""
    end_ns: int = 0
    """How far the run got; later than the last event when nothing happened any more."""

    @property
    def waiting(self) -> frozenset[str]:
        """Names of what waits for somebody: nothing at all is said of that."""
        return self.set_aside - self.partial


class Judge:
    """Judges one run. Subclasses add `on_<kind>` methods for the kinds they ask for."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.judged = 0
        self.evidence: list[Evidence] = []
        self.violations = 0
        self.failure: Exception | None = None
        """What the judge itself raised, if anything; then it judges nothing."""

    def blame(self, text: str, event: Event | None = None) -> None:
        """Record a violation."""
        self.violations += 1
        if len(self.evidence) < EVIDENCE_KEPT:
            self.evidence.append(Evidence(text, 0 if event is None else event.number))

    def feeds(self) -> dict[str, Callable[[Event], None]]:
        """Return kind -> method for every `on_<kind>` method.

        Raises:
            BadValue: there is no such kind of event.
        """
        kinds = [name[3:] for name in dir(type(self)) if name.startswith("on_")]
        for kind in kinds:
            if kind not in KINDS:
                near = difflib.get_close_matches(kind, KINDS, 1)
                hint = f"; did you mean on_{near[0]}?" if near else ""
                raise BadValue(f"{type(self).__name__}.on_{kind}: no event is {kind!r}{hint}")
        return {kind: getattr(self, f"on_{kind}") for kind in kinds}

    def end(self, ending: Ending) -> None:
        """Look at the final states; the default looks at nothing."""

    def finish(self, ending: Ending) -> Verdict:
        """Return the verdict."""
        self.end(ending)
        if self.violations:
            outcome = Outcome.VIOLATED
        else:
            outcome = Outcome.HELD if self.judged else Outcome.NOT_JUDGED
        return Verdict(outcome, self.judged, tuple(self.evidence), self.violations)


def is_order(event: Event) -> bool:
    """Say whether a save is one of an order that is to be delivered, and not of anything else."""
    return "object" not in event.detail


def forget(rows: dict[tuple[str, str], Any], laptop: str) -> None:
    """Drop all rows of a laptop from what a judge remembers by (laptop, something)."""
    for key in [key for key in rows if key[0] == laptop]:
        del rows[key]


@attrs.frozen
class Check:
    """A property of histories."""

    name: str
    """A sentence."""
    mood: Mood
    invariants: tuple[str, ...]
    """Numbers of the invariants it stands for; CONTRIBUTING.md tells them in full."""
    judge: type[Judge]
    """Makes the judge of one run."""

    @property
    def explanation(self) -> str:
        """What exactly is judged."""
        return " ".join((self.judge.__doc__ or "").split())


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
            if any(not journal.keeps(KINDS[kind]) for kind in judge.feeds()):
                continue  # it would see too little to say anything
            for kind, feed in judge.feeds().items():
                feeds.setdefault(kind, []).append(_guarded(judge, feed))
                journal.watch(kind, feeds[kind][-1])
        for event in journal.select(*feeds) if feeds else ():
            for feed in feeds[event.kind]:
                feed(event)

    def verdicts(
        self,
        *,
        is_quiet: bool,
        set_aside: frozenset[str] = frozenset(),
        partial: frozenset[str] = frozenset(),
    ) -> list[tuple[Check, Verdict]]:
        """Let every judge look at the final states and speak.

        Args:
            is_quiet: Whether all is at rest, so that final states may be compared.
            set_aside: Names of documents and messages that are not judged.
            partial: Those of them that are judged by what there is of them.
        """
        simulation = self._simulation
        stores = {name: site.store for name, site in simulation.sites.items()}
        end_ns = simulation.statistics().end_ns
        ending = Ending(simulation.journal, stores, is_quiet, set_aside, partial, end_ns)
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
