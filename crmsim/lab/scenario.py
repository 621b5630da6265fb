"""What is a scenario, and what does one run of it give?

A scenario is a Python file with a docstring (the question and what one expects), a frozen class of
settings, and one async function that builds a landscape and tells its story::

    @scenario(Settings, checks=ALL_CHECKS, metrics=order_metrics)
    async def order_book(land: Landscape, settings: Settings) -> None: ...

The same file serves the command line (`crmsim run`), a notebook (`order_book.run(seed=7)`, a plain
call) and pytest.
"""

import inspect
import os
import shlex
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from crmsim.checks.check import Check, Jury, Outcome, Verdict
from crmsim.errors import BadValue, CrmsimError, Finding, StoryError
from crmsim.kernel.schedule import Strategy
from crmsim.kernel.simulation import Simulation
from crmsim.kernel.watch import Statistics, single
from crmsim.lab.landscape import Built, Landscape
from crmsim.lab.settings import must_be_setting, read_settings, settings_as_text
from crmsim.lab.trouble import NO_TROUBLE, Trouble
from crmsim.measure.expect import Expectation
from crmsim.network.topology import CRM_CHANNELS, Topology
from crmsim.quiet.settle import Quiet
from crmsim.trace.journal import Event, Fingerprint, Journal, show_event
from crmsim.trace.kinds import Level

__all__ = ["Result", "Scenario", "scenario"]

Metrics = Callable[..., Mapping[str, object]]
"""Takes a `Result`; and `warm_up_ns`, if it can leave out what began before that moment."""
WARM_UP = "warm_up_ns"
Story = Callable[[Landscape, Any], Awaitable[None]]


@attrs.frozen
class Result:
    """What one run gives."""

    scenario: str
    settings: Any
    seed: int
    command: str = attrs.field(repr=False)
    """What repeats this run: a command line, or a call where the scenario is in no file."""
    simulation: Simulation = attrs.field(repr=False)
    verdicts: tuple[tuple[Check, Verdict], ...]
    expectations: tuple[tuple[Expectation, Verdict], ...]
    """What the story expected with `land.expect`, and what became of it."""
    quiet: Quiet | None
    """What `settle` found; None when the story never settled."""
    error: BaseException | None = None
    """What the story or an actor raised, if anything."""
    metrics: Mapping[str, object] = attrs.field(factory=dict, repr=False)
    """What the scenario measures, by name."""

    @property
    def journal(self) -> Journal:
        """The history."""
        return self.simulation.journal

    @property
    def fingerprint(self) -> Fingerprint:
        """The short name of the history."""
        return self.journal.fingerprint

    @property
    def findings(self) -> list[str]:
        """One sentence for everything that did not hold; empty when all held."""
        found = [
            f"{check.name}: {verdict.evidence[0].text}"
            for check, verdict in self.verdicts
            if verdict.outcome is Outcome.VIOLATED
        ]
        found += [
            f"expected that {expectation.sentence}: {verdict.evidence[0].text}"
            for expectation, verdict in self.expectations
            if verdict.outcome is Outcome.VIOLATED
        ]
        return [*found, *self.troubles]

    @property
    def troubles(self) -> list[str]:
        """One sentence for everything that went wrong beside checks and expectations."""
        found = []
        if self.quiet is not None and not self.quiet.is_quiet:
            found.append("quiet was not reached: " + "; ".join(self.quiet.still_moving[:5]))
        if self.error is not None:
            found.append(f"the run ended early: {told(self.error)}")
        return found

    @property
    def held(self) -> bool:
        """Whether everything held."""
        return not self.findings

    @property
    def raw_turns(self) -> list[tuple[str, ...]]:
        """Tasks of the story whose order was left to trio; such a run may not be repeatable."""
        return self.simulation.raw_turns

    @property
    def statistics(self) -> Statistics:
        """How the machine itself fared."""
        return self.simulation.statistics()

    def must_hold(self) -> "Result":
        """Return the result itself, for the end of a test.

        Raises:
            Finding: something did not hold.
        """
        __tracebackhide__ = True  # pytest shows the line of the caller
        if not self.held:
            told = "\n".join(f"  {finding}" for finding in self.findings)
            event = self.first_bad_event
            bad = "" if event is None else f"\n  first bad event: {show_event(event)}"
            raise Finding(
                f"seed {self.seed} of {self.scenario}\n{told}{bad}\n  replay: {self.command}",
                0 if event is None else event.number,
            ) from self.error
        return self

    @property
    def first_bad_event(self) -> Event | None:
        """The earliest event that a violated check or expectation shows; None if there is none."""
        judged = [verdict for _, verdict in (*self.verdicts, *self.expectations)]
        number = min((v.first_event for v in judged if v.first_event), default=0)
        return self.journal.event(number) if number else None


def told(error: BaseException) -> str:
    """Return what went wrong in a run, and where in the user's own code."""
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    own = [frame for frame in frames if not _is_machinery(frame.filename)]
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    what = str(error) if isinstance(error, StoryError) else f"{type(error).__name__}: {error}"
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return what + where + notes


def _shown_path(path: Path) -> str:
    """Return a path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and here in path.parents else str(path)


def _is_machinery(filename: str) -> bool:
    return any(f"{os.sep}{name}{os.sep}" in filename for name in ("trio", "crmsim", "outcome"))


@attrs.frozen
class Scenario:
    """A story that can be run with different settings and seeds."""

    name: str
    doc: str
    settings: type
    story: Story
    checks: tuple[Check, ...]
    metrics: Metrics | None = None
    seed: int = 1
    """The seed of a run for which none is given."""

    @property
    def file(self) -> Path | None:
        """The file it stands in; None when it was defined in a notebook or at a prompt."""
        path = Path(self.story.__code__.co_filename)
        return path if path.suffix == ".py" and path.is_file() else None

    def command(self, settings: Any, seed: int, level: Level) -> str:
        """Return what repeats a run of this scenario: a command line, or a Python call."""
        texts = settings_as_text(settings)
        if self.file is None:
            given = "".join(f", {name}={text!r}" for name, text in texts.items())
            return f"{self.name}.run(seed={seed}{given})"
        words = ["crmsim", "run", _shown_path(self.file), "--seed", str(seed)]
        for name, text in texts.items():
            words += ["--set", f"{name}={text}"]
        if level is not Level.BUSINESS:
            words += ["--trace", level.name.lower()]
        return shlex.join(words)

    @property
    def question(self) -> str:
        """The first line of its docstring."""
        return self.doc.strip().splitlines()[0] if self.doc.strip() else ""

    def run(
        self,
        *,
        seed: int | None = None,
        level: Level = Level.BUSINESS,
        strategy: Strategy | None = None,
        **settings: Any,
    ) -> Result:
        """Run it: a plain call in a script, a notebook cell or a test.

        Args:
            seed: The seed of the run; None for that of the scenario.
            level: What the journal keeps.
            strategy: Who chooses among pending actions; None for the timed order.
            settings: Settings by name; a text is read as on the command line (`loss="10%"`).

        Raises:
            BadInput: a setting does not exist or makes no sense.
            ModelError: the landscape makes no sense.
        """
        seed = self.seed if seed is None else seed
        return self.run_with(self.ready(settings), seed=seed, level=level, strategy=strategy)

    def ready(self, settings: Mapping[str, Any]) -> Any:
        """Make a settings object; a text is read as on the command line.

        Raises:
            BadInput: a setting does not exist or makes no sense.
        """
        texts = {name: value for name, value in settings.items() if isinstance(value, str)}
        others = {name: value for name, value in settings.items() if name not in texts}
        for name in others:
            must_be_setting(self.settings, name, "settings")
        return attrs.evolve(read_settings(self.settings, texts, "settings"), **others)

    def build(self, settings: Any, *, seed: int = 1) -> Topology:
        """Build the landscape and return its map, without telling the story.

        Raises:
            ModelError: the landscape makes no sense.
        """
        simulation = Simulation(Topology(CRM_CHANNELS), seed=seed, level=Level.OFF)
        land = Landscape(simulation, NO_TROUBLE, only_build=True)

        async def up_to_the_first_verb(_: Simulation) -> None:
            try:
                await self.story(land, settings)
            except BaseException as error:
                if not isinstance(single(error), Built):
                    raise

        simulation.tell(up_to_the_first_verb)
        return simulation.topology

    def run_with(
        self,
        settings: Any,
        *,
        seed: int,
        level: Level = Level.BUSINESS,
        strategy: Strategy | None = None,
        log_draws: bool = False,
        trouble: Trouble = NO_TROUBLE,
        make_land: Callable[[Simulation, Trouble], Landscape] = Landscape,
        warm_up_ns: int = 0,
    ) -> Result:
        """Run it with a ready-made settings object; see `run`.

        With `log_draws`, the journal keeps what every random draw was for. `trouble` comes on top
        of what the story tells; then the run settles at its end, if the story did not. `make_land`
        makes the landscape that the story is told to, for somebody who wants to listen. What began
        before `warm_up_ns` is judged, but not measured.

        Raises:
            BadValue: there is a warm-up, and what is measured cannot leave anything out.
        """
        if warm_up_ns:
            self.must_know_warm_up()
        simulation = Simulation(
            Topology(CRM_CHANNELS),
            seed=seed,
            level=level,
            strategy=strategy,
            detached=_is_detached(settings),
            log_draws=log_draws,
        )
        jury = Jury(simulation, self.checks)
        land = make_land(simulation, trouble)
        story = _and_settle(self.story) if trouble.deviations else self.story
        error = _tell(simulation, story, land, settings)
        return self._result(simulation, land, settings, jury, error, warm_up_ns)

    def must_know_warm_up(self) -> None:
        """Refuse a warm-up where the whole story is measured.

        Raises:
            BadValue: the function that measures cannot leave anything out.
        """
        if self.metrics is None or WARM_UP not in inspect.signature(self.metrics).parameters:
            raise BadValue(
                f"{self.name} measures its whole story; for a warm-up, the function that measures "
                f"needs an argument {WARM_UP}"
            )

    def _result(
        self,
        simulation: Simulation,
        land: Landscape,
        settings: Any,
        jury: Jury,
        error: BaseException | None,
        warm_up_ns: int,
    ) -> Result:
        is_quiet = error is None and land.quiet is not None and land.quiet.is_quiet
        aside = land.quiet.aside if land.quiet else ()
        waiting = {one.name for one in aside if not one.is_partial}
        verdicts = jury.verdicts(
            is_quiet=is_quiet,
            set_aside=frozenset(one.name for one in aside),
            partial=frozenset(one.name for one in aside if one.name not in waiting),
        )
        result = Result(
            self.name,
            settings,
            simulation.seed,
            self.command(settings, simulation.seed, simulation.journal.level),
            simulation,
            tuple(verdicts),
            tuple(land.expect.found),
            land.quiet,
            error or jury.failure,
        )
        if self.metrics is None:
            return result
        try:
            named = {WARM_UP: warm_up_ns} if warm_up_ns else {}
            return attrs.evolve(result, metrics=dict(self.metrics(result, **named)))
        except (Exception, SystemExit) as failure:
            return attrs.evolve(result, error=result.error or failure)


def _and_settle(story: Any) -> Any:
    """Return a story that settles at its end, if it did not do so itself."""

    async def settled(land: Landscape, settings: Any) -> None:
        await story(land, settings)
        if land.quiet is None:
            await land.settle()

    return settled


def _is_detached(settings: Any) -> bool:
    """Read the setting `actors`, where a scenario has it."""
    actors = getattr(settings, "actors", None)
    return actors is None or getattr(actors, "value", actors) != "attached"


def _tell(
    simulation: Simulation, story: Story, land: Landscape, settings: Any
) -> BaseException | None:
    """Tell the story; what goes wrong inside it is part of the result."""
    try:
        simulation.tell(lambda _: story(land, settings))
    except StoryError as error:
        return error
    except CrmsimError:
        raise
    except (Exception, SystemExit) as error:
        return error
    return None


def scenario(
    settings: type,
    *,
    checks: tuple[Check, ...] = (),
    metrics: Metrics | None = None,
    seed: int = 1,
) -> Callable[[Story], Scenario]:
    """Make an async function the story of a scenario.

    Args:
        settings: A frozen attrs class with a default for every field.
        checks: What is judged.
        metrics: What is measured.
        seed: The seed of a run for which none is given; 1, unless the story is about one seed.

    Raises:
        BadValue: a field has no default, or the function is not async.
    """
    if not attrs.has(settings):
        raise BadValue(f"{settings.__name__} is no settings class; put @attrs.frozen above it")
    for field in attrs.fields(settings):
        if field.default is attrs.NOTHING:
            raise BadValue(f"{settings.__name__}.{field.name} needs a default")

    def decorate(story: Story) -> Scenario:
        if not inspect.iscoroutinefunction(story):
            raise BadValue(f"{story.__name__} must be an async function: async def ...")
        module = inspect.getmodule(story)
        doc = story.__doc__ or (module.__doc__ if module else "") or ""
        doc = inspect.cleandoc(doc)
        return Scenario(story.__name__, doc, settings, story, checks, metrics, seed)

    return decorate
