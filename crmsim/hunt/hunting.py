"""What do many runs with drawn trouble find?

The seed of a run decides its trouble; eight neighbours share the luck of everything else, so that
one calm run tells for all of them when something goes on that trouble can meet. All checks of the
scenario are on, and quiet is asked for at the end.

A run hands back plain values, so runs can be spread over processes, written down and gone on with
later.
"""

import gc
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

from crmsim.chance import Luck
from crmsim.errors import BadInput, StoryError
from crmsim.hunt.corpus import Found, cut_down
from crmsim.hunt.finding import Finding, findings_of
from crmsim.hunt.profiles import Facts, Profile, draw, facts_of
from crmsim.hunt.script import in_code
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import told
from crmsim.lab.settings import read_settings
from crmsim.lab.trouble import Trouble

__all__ = [
    "Catch",
    "Hunt",
    "HuntedRun",
    "append_run",
    "cut_all_down",
    "different",
    "hunt",
    "interval",
    "read_runs",
    "text_of",
    "trouble_of",
]

SHARE = 8
"""How many neighbouring seeds share the luck of the scenario, and the calm run."""
Z = 1.96
"""For intervals of 95 %."""


@attrs.frozen
class Hunt:
    """What all runs of a hunt have in common."""

    scenario: str
    """A file, or the name of an installed scenario."""
    settings: dict[str, Any]
    """Settings as texts."""
    profile: Profile = Profile.SWARM


@attrs.frozen
class Catch:
    """What became of one deviation: its family, itself in words, and how often it touched."""

    family: str
    what: str
    touched: int


@attrs.frozen
class HuntedRun:
    """One run of a hunt, as plain values."""

    seed: int
    events: int
    findings: tuple[Finding, ...]
    catches: tuple[Catch, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The families of trouble that were on."""
        return tuple(dict.fromkeys(catch.family for catch in self.catches))


def trouble_of(profile: Profile, facts: Facts, seed: int) -> Trouble:
    """Return the trouble that a seed means."""
    luck = Luck(seed)
    return draw(profile, facts, lambda purpose: luck.stream("hunt", purpose))


class _Runner:
    """Runs seeds of one hunt."""

    def __init__(self, hunt: Hunt) -> None:
        self._hunt = hunt
        self._scenario = attrs.evolve(load_scenario(hunt.scenario), metrics=None)
        self._settings = read_settings(self._scenario.settings, hunt.settings, "settings")
        self._facts: dict[int, Facts] = {}
        gc.collect()
        gc.freeze()  # what is there before the first run need not be looked through again

    def facts(self, luck_seed: int) -> Facts:
        """Return what a calm run tells, as far as it gets.

        Raises:
            BadInput: the story itself raises; what an actor raises is a finding.
        """
        if luck_seed not in self._facts:
            gc.collect()  # each run leaves its world in cycles
            calm = self._scenario.run_with(self._settings, seed=luck_seed)
            if calm.error is not None and not isinstance(calm.error, StoryError):
                name, why = self._hunt.scenario, told(calm.error)
                raise BadInput(f"{name}: ends early even without trouble (seed {luck_seed}): {why}")
            self._facts = {luck_seed: facts_of(calm)}
        return self._facts[luck_seed]

    def run(self, seed: int) -> HuntedRun:
        """Run one seed."""
        luck_seed = seed // SHARE
        trouble = trouble_of(self._hunt.profile, self.facts(luck_seed), seed)
        result = self._scenario.run_with(self._settings, seed=luck_seed, trouble=trouble)
        catches = tuple(
            Catch(one.family, in_code(one), one.touched(result.simulation))
            for one in trouble.deviations
        )
        return HuntedRun(seed, len(result.journal), findings_of(result), catches)

    def cut_down(self, seed: int, finding: Finding, until_s: float) -> Found:
        """Cut a finding of a seed down."""
        luck_seed = seed // SHARE
        trouble = trouble_of(self._hunt.profile, self.facts(luck_seed), seed)
        return cut_down(self._scenario, self._settings, luck_seed, trouble, seed, finding, until_s)


_RUNNER: list[_Runner] = []


def _begin(hunt: Hunt) -> None:
    """Set a process of the pool up."""
    _RUNNER[:] = [_Runner(hunt)]


def _one(seed: int) -> HuntedRun:
    return _RUNNER[0].run(seed)


def hunt(
    what: Hunt, seeds: Iterable[int], *, jobs: int = 1, budget_s: float = math.inf
) -> Iterator[HuntedRun]:
    """Yield each run as it is done, until the seeds or the time are used up.

    Args:
        what: What to hunt in.
        seeds: Which runs.
        jobs: Processes.
        budget_s: Real seconds after which no further run is begun.

    Raises:
        BadInput: the story raises even without trouble.
    """
    began_s = perf_counter()
    if jobs == 1:
        runner = _Runner(what)
        for seed in seeds:
            if perf_counter() - began_s >= budget_s:
                return
            yield runner.run(seed)
        return
    coming = iter(seeds)
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(what,)) as pool:
        under_way: set[Future[HuntedRun]] = set()
        while True:
            is_time = perf_counter() - began_s < budget_s
            for seed in coming if is_time else ():
                under_way.add(pool.submit(_one, seed))
                if len(under_way) >= 2 * jobs:
                    break
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def different(runs: Iterable[HuntedRun]) -> list[tuple[int, Finding]]:
    """Return (seed, finding) for each different finding, from the run with the least trouble."""
    least: dict[tuple[str, str], tuple[int, int, Finding]] = {}
    for run in runs:
        for finding in run.findings:
            key = finding.check, finding.kind
            row = len(run.catches), run.seed, finding
            if key not in least or row[:2] < least[key][:2]:
                least[key] = row
    return [(seed, finding) for _, seed, finding in least.values()]


def cut_all_down(
    what: Hunt, wanted: Sequence[tuple[int, Finding]], most: int, budget_s: float = math.inf
) -> Iterator[Found]:
    """Cut findings down, but those that the case of an earlier one shows too.

    Args:
        what: In which hunt they were found.
        wanted: (seed, finding).
        most: How many are cut down at most.
        budget_s: Real seconds after which no further candidate is run.
    """
    until_s = perf_counter() + budget_s
    runner = _Runner(what)
    shown: list[Finding] = []
    for seed, finding in wanted:
        is_time = perf_counter() < until_s
        if most and is_time and not any(finding.is_like(other) for other in shown):
            found = runner.cut_down(seed, finding, until_s)
            shown += found.also
            most -= 1
            yield found


# --- written down, to go on later ---


def read_runs(file: Path, what: Hunt) -> list[HuntedRun]:
    """Read the runs of a hunt that was interrupted; an empty list when the file is not there.

    Raises:
        BadInput: the file is of another hunt, or no such file.
    """
    if not file.exists():
        return []
    try:
        text = file.read_text(encoding="utf-8")
        lines = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        head, *rest = (json.loads(line) for line in lines)  # a line cut off was no whole run
        runs = [_run_from(row) for row in rest]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file}: not what a hunt wrote ({error})") from error
    if head != _head(what):
        raise BadInput(f"{file}: holds another hunt (other scenario, settings or faults)")
    return runs


def append_run(file: Path, what: Hunt, run: HuntedRun) -> None:
    """Write a run behind the others of its hunt."""
    is_new = not file.exists()
    with file.open("a", encoding="utf-8") as out:
        if is_new:
            out.write(json.dumps(_head(what)) + "\n")
        out.write(json.dumps(attrs.asdict(run)) + "\n")


def _head(what: Hunt) -> dict[str, Any]:
    settings = {name: text_of(value) for name, value in what.settings.items()}
    return {"scenario": what.scenario, "settings": settings, "faults": what.profile.value}


def text_of(value: object) -> str:
    """Return a value of a setting as one would type it."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _run_from(row: dict[str, Any]) -> HuntedRun:
    findings = tuple(Finding(**one) for one in row.pop("findings"))
    catches = tuple(Catch(**one) for one in row.pop("catches"))
    return HuntedRun(**row, findings=findings, catches=catches)


# --- summing up ---


def interval(failures: int, runs: int) -> tuple[float, float]:
    """Return Wilson's interval (95 %) of a failure rate.

    >>> interval(0, 0)
    (0.0, 1.0)
    """
    if runs == 0:
        return 0.0, 1.0
    share, square = failures / runs, Z * Z
    middle = (share + square / (2 * runs)) / (1 + square / runs)
    half = Z * math.sqrt(share * (1 - share) / runs + square / (4 * runs * runs))
    half /= 1 + square / runs
    return max(middle - half, 0.0), min(middle + half, 1.0)
