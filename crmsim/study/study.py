"""What do many runs of one scenario say of its settings?

A study runs every cell of a grid so many times, each time with another seed, and sums up what was
measured: means with intervals, how many runs held, what never arrived.
"""

import difflib
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import attrs

from crmsim.errors import BadInput
from crmsim.lab.runs import VERSION
from crmsim.lab.scenario import Scenario
from crmsim.lab.settings import describe
from crmsim.study.design import Cell, grid
from crmsim.study.estimates import Estimate, estimate, named_in
from crmsim.study.executors import spread, workers
from crmsim.study.provenance import digest_of, digest_of_code
from crmsim.study.store import Origin, Row, Store, open_store, read_store
from crmsim.study.work import Job, Packed, lost_row, packed, run_row
from crmsim.trace.kinds import Level
from crmsim.units import Duration, exact_duration

__all__ = [
    "CellResult",
    "Plan",
    "StudyResult",
    "chosen_metrics",
    "missing",
    "must_be_metric",
    "read_study",
    "result_of",
    "run_study",
    "work_off",
]

CENSORED = "censored"
"""How the name of a metric ends that counts what had not ended."""


@attrs.frozen
class Plan:
    """Everything that is to be run."""

    scenario: Scenario
    cells: tuple[Cell, ...]
    repeat: int
    """Replications of each cell."""
    first_seed: int = 1
    """The seed of replication 1; the next ones count on."""
    level: Level = Level.BUSINESS
    warm_up: Duration = Duration(0)

    def __attrs_post_init__(self) -> None:
        if self.repeat < 1:
            raise BadInput(f"repeat is {self.repeat}; a cell is run once or more")
        if self.warm_up:
            self.scenario.must_know_warm_up()

    @property
    def runs(self) -> int:
        """How many runs there are in all."""
        return len(self.cells) * self.repeat

    def origin(self, parcel: Packed) -> Origin:
        """Return what all runs have in common."""
        return Origin(
            self.scenario.name,
            self.scenario.question,
            digest_of(self.scenario, parcel.source),
            digest_of_code(),
            VERSION,
            self.level.name.lower(),
            exact_duration(self.warm_up),
            str(self.first_seed),
            parcel.path,
        )

    def job(self, parcel: Packed, cell: Cell, replication: int) -> Job:
        """Return one run."""
        seed = self.first_seed + replication - 1
        return Job(parcel, cell.settings, seed, self.level, self.warm_up)

    def pilot_s(self) -> float:
        """Run the first and the last cell once, keep nothing; return how long a run takes."""
        parcel = packed(self.scenario)
        pilots = dict.fromkeys((self.cells[0], self.cells[-1]))
        return fmean(run_row(self.job(parcel, cell, 1))["wall_s"] for cell in pilots)


Missing = dict[tuple[int, int], Job]
"""(cell, replication) -> what is to be run."""


def missing(plan: Plan, store: Store) -> Missing:
    """Return what a store does not hold of a plan; its cells have their numbers then.

    Raises:
        BadInput: the store holds runs with another origin.
    """
    parcel = packed(plan.scenario)
    defaults = {name: default for name, default, *_ in describe(plan.scenario.settings)}
    store.claim(plan.origin(parcel), defaults)
    numbers = store.add_cells(plan.cells)
    done = store.done()
    return {
        (number, replication): plan.job(parcel, cell, replication)
        for replication in range(1, plan.repeat + 1)
        for number, cell in zip(numbers, plan.cells, strict=True)
        if (number, replication) not in done
    }


def work_off(
    todo: Missing, store: Store, *, jobs: int | None = None, address: str = ""
) -> Generator[Row, None, None]:
    """Run what is missing, and yield each run once it is kept.

    Args:
        todo: What is to be run.
        store: Where runs are kept.
        jobs: Processes; None for one for each core.
        address: ``dask://HOST:PORT`` instead of processes of this machine.

    Raises:
        BadInput: no cluster answers.
    """
    if not todo:
        return
    with workers(jobs or os.cpu_count() or 1, len(todo), address) as crew:
        for key, told in spread(crew, run_row, todo.items(), lost_row):
            row = _row(*key, todo[key].seed, told)
            store.add(row, told["wall_s"])
            yield row


def _row(cell: int, replication: int, seed: int, told: Mapping[str, Any]) -> Row:
    fingerprint = told["fingerprint"]
    return Row(
        cell,
        replication,
        seed,
        told["held"],
        told["events"],
        told["virtual_s"],
        None if fingerprint is None else f"{fingerprint['level']}:{fingerprint['value']}",
        told["error"],
        tuple(told["findings"]),
        told["metrics"],
    )


@attrs.frozen
class CellResult:
    """What the runs of one cell say."""

    number: int
    settings: Mapping[str, str]
    """Setting -> text, for each that differs from its default."""
    rows: tuple[Row, ...]

    @property
    def held(self) -> int:
        """How many of the runs held."""
        return sum(row.held for row in self.rows)

    @cached_property
    def numbers(self) -> list[dict[str, float | None]]:
        """The metrics of each run, tables within them name by name; None for what is no number."""
        return [named_in(row.metrics) for row in self.rows]

    def values(self, metric: str) -> dict[int, float]:
        """Return replication -> what was measured, where there was a number.

        A table names only what there was; what it does not name was 0.
        """
        table = metric.partition(".")[0]
        found: dict[int, float] = {}
        for row, numbers in zip(self.rows, self.numbers, strict=True):
            is_part = metric != table and isinstance(row.metrics.get(table), Mapping)
            value = numbers.get(metric, 0.0 if is_part else None)
            if value is not None:
                found[row.replication] = value
        return found

    def estimate(self, metric: str) -> Estimate:
        """Return the mean of a metric with its interval."""
        return estimate(list(self.values(metric).values()))

    @property
    def censored(self) -> int:
        """How many things had not ended when their run did; no mean or quantile counts them."""
        counts = [
            value
            for numbers in self.numbers
            for name, value in numbers.items()
            if name.endswith(CENSORED) and value is not None
        ]
        return int(sum(counts))


@attrs.frozen
class StudyResult:
    """What a study says, as far as it has come."""

    origin: Origin
    cells: tuple[CellResult, ...]
    defaults: Mapping[str, str] = attrs.field(factory=dict)
    """Setting -> text of its default."""

    @property
    def varied(self) -> list[str]:
        """The settings in which cells differ; the one that changes fastest comes last."""
        names = dict.fromkeys(name for cell in self.cells for name in cell.settings)
        changes = {name: self._first_change(name) for name in names}
        return sorted((name for name in names if changes[name]), key=lambda name: -changes[name])

    def _first_change(self, name: str) -> int:
        """Return the first cell in which a setting is another than in cell 0; 0 for none."""
        texts = [self.text(cell, name) for cell in self.cells]
        return next((place for place, text in enumerate(texts) if text != texts[0]), 0)

    def text(self, cell: CellResult, name: str) -> str:
        """Return what a setting is in a cell."""
        return cell.settings.get(name, self.defaults.get(name, ""))

    def label(self, cell: CellResult) -> str:
        """Return in what a cell differs from others, such as ``loss=10% jitter=off``."""
        return " ".join(f"{name}={self.text(cell, name)}" for name in self.varied) or "all runs"

    @cached_property
    def metrics(self) -> list[str]:
        """The names of all metrics that are numbers."""
        runs = [numbers for cell in self.cells for numbers in cell.numbers]
        named = (name for run in runs for name, value in run.items() if value is not None)
        return list(dict.fromkeys(named))

    def telling(self, most: int = 5) -> list[str]:
        """Return the metrics that say most about what was varied.

        These are the ones whose means differ most from cell to cell, measured by what replications
        of the same cell differ in; the first ones, if none differs. Parts of tables are not among
        them.
        """
        spread = {metric: self._spread(metric) for metric in self.metrics if "." not in metric}
        chosen = sorted((one for one in spread if spread[one] > 0), key=lambda one: -spread[one])
        first = (chosen or list(spread))[:most]
        return [metric for metric in self.metrics if metric in first]

    def _spread(self, metric: str) -> float:
        """Return the variance between cells over that within them."""
        if metric.endswith(CENSORED):
            return 0.0
        samples = [list(cell.values(metric).values()) for cell in self.cells]
        means = [fmean(values) for values in samples if values]
        if len(means) < 2:
            return float(len(means))
        between = variance(means)
        within = fmean([variance(values) for values in samples if len(values) > 1] or [0.0])
        return between / (within + 1e-12 * (between + 1e-300))

    @property
    def held(self) -> bool:
        """Whether every run held."""
        return all(row.held for cell in self.cells for row in cell.rows)


def chosen_metrics(names: str, metrics: Sequence[str]) -> list[str]:
    """Return the metrics that somebody names, with commas between; a name may hold one itself.

    Raises:
        BadInput: there is no such metric.
    """
    each = [names] if names in metrics else [name for name in names.split(",") if name]
    return [must_be_metric(name, metrics) for name in each]


def must_be_metric(name: str, metrics: Sequence[str]) -> str:
    """Return the name of a metric, if there is one of that name.

    Raises:
        BadInput: there is none; a similar name is told.
    """
    if name in metrics:
        return name
    near = difflib.get_close_matches(name, metrics, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    there = ", ".join(dict.fromkeys(metric.partition(".")[0] for metric in metrics))
    raise BadInput(f"there is no metric {name!r}{hint} (there are {there or 'none'})")


def result_of(store: Store, plan: Plan | None = None) -> StudyResult:
    """Return what a store says: of the cells of a plan, or of all that have been run.

    Raises:
        BadInput: it holds no runs.
    """
    origin = store.origin()
    rows: dict[int, list[Row]] = {}
    for row in store.rows() if origin else ():
        rows.setdefault(row.cell, []).append(row)
    if origin is None or not rows:
        raise BadInput(f"{store.name}: holds no runs")
    held = store.cells()
    numbers = sorted(rows) if plan is None else store.add_cells(plan.cells)
    cells = [CellResult(n, held[n], tuple(rows.get(n, ()))) for n in numbers]
    return StudyResult(origin, tuple(cells), store.defaults())


def read_study(path: Path) -> StudyResult:
    """Return what the study in a file says.

    Raises:
        BadInput: the file is missing or is no study.
    """
    with read_store(path) as store:
        return result_of(store)


def run_study(
    scenario: Scenario,
    vary: Mapping[str, Sequence[Any]],
    *,
    repeat: int = 10,
    store: str | Path | None = None,
    jobs: int | None = None,
    warm_up: Duration = Duration(0),
    level: Level = Level.BUSINESS,
    **fixed: Any,
) -> StudyResult:
    """Run a study in a script or a notebook: a plain call.

    Args:
        scenario: Which one; it may be defined in the notebook itself.
        vary: Setting -> the values to try, as texts (``{"loss": ["0%", "10%"]}``) or numbers.
        repeat: Replications of each cell.
        store: A file in which runs are kept and from which the study goes on; None for none.
        jobs: Processes; None for one for each core, 1 for this very process.
        warm_up: What begins before is not measured.
        level: What the journals keep.
        fixed: Settings that are the same in all cells.

    Raises:
        BadInput: a setting does not exist or makes no sense, or the store is of another study.
    """
    cells = tuple(grid(scenario.settings, vary, fixed))
    plan = Plan(scenario, cells, repeat, level=level, warm_up=warm_up)
    with open_store(None if store is None else Path(store)) as opened:
        with closing(work_off(missing(plan, opened), opened, jobs=jobs)) as done:
            for _ in done:
                pass
        return result_of(opened, plan)
