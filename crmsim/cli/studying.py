"""What do `crmsim study` and `crmsim compare` do?"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from crmsim.cli.output import (
    FAILED,
    HELD,
    busy,
    console,
    json_option,
    must_be_writable,
    progress,
    read_level,
    read_pairs,
    set_option,
    settings_option,
    show_option,
    trace_option,
    write,
)
from crmsim.errors import BadInput, BadValue
from crmsim.trace.kinds import Level
from crmsim.units import Duration, parse_duration, seconds, show_duration

if TYPE_CHECKING:
    from rich.console import Console

    from crmsim.study.paired import Comparison
    from crmsim.study.store import Store
    from crmsim.study.study import Plan, StudyResult

__all__ = ["compare", "study"]

repeat_option = click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=10,
    help="Replications: runs of each cell, with seeds 1, 2, 3, ... (default: 10).",
)
first_seed_option = click.option(
    "--first-seed",
    type=click.IntRange(0, 2**62),
    default=1,
    help="Seed of replication 1 (default: 1).",
)
warm_up_option = click.option(
    "--warm-up", metavar="1d", help="What begins before this moment is judged, but not measured."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), default=None, help="Processes (default: all cores)."
)
executor_option = click.option(
    "--executor", default="", metavar="dask://HOST:PORT", help="Run on a Dask cluster instead."
)


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=V1,V2,...",
    help="Try each of these values; several --vary are combined.",
)
@repeat_option
@first_seed_option
@warm_up_option
@set_option
@settings_option
@trace_option
@jobs_option
@executor_option
@click.option(
    "--store",
    metavar="FILE",
    help="Where runs are kept; the same command goes on with it (default: SCENARIO.sqlite).",
)
@show_option
@click.option("--dry-run", is_flag=True, help="Say what would be run and how long it takes.")
@json_option
def study(
    scenario_name: str,
    vary: tuple[str, ...],
    repeat: int,
    first_seed: int,
    warm_up: str | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    trace: str | None,
    jobs: int | None,
    executor: str,
    store: str | None,
    show: str | None,
    dry_run: bool,
    json_file: str | None,
) -> int:
    """Run a scenario with many settings, each many times, and sum up with intervals.

    Each combination of values is a cell, run --repeat times. Replication i has the same seed in
    every cell, so that cells differ in their settings and not in their luck. Runs are kept in one
    file: interrupt the study, type the same command again, and it goes on; with a larger --repeat
    or more values it only runs what is missing.

    A settings file may have a table [vary]: loss = ["0%", "10%"].
    """
    from crmsim.lab.runs import load_scenario
    from crmsim.report.study import show_study, study_as_json
    from crmsim.study.design import grid, parse_vary
    from crmsim.study.study import Plan

    must_be_writable(json_file, "--json")
    scenario = load_scenario(scenario_name)
    fixed = read_pairs(pairs, settings_file)
    chosen = parse_vary(vary, fixed.pop("vary", {}))
    cells = tuple(grid(scenario.settings, chosen, fixed))
    plan = Plan(scenario, cells, repeat, first_seed, read_level(trace), _warm_up(warm_up))
    path = Path(store or f"{scenario.name}.sqlite")
    must_be_writable(str(path), "--store", device=False)
    processes = jobs or os.cpu_count() or 1
    if dry_run:
        return _tell(plan, path, processes)
    out = console(stderr=json_file == "-")
    result = _work(plan, path, processes, executor)
    metrics, unknown = _choose(show, result.metrics, result.telling())
    show_study(out, result, metrics)
    out.print(f"  kept in {path}", markup=False, soft_wrap=True)
    write(json_file, study_as_json(result))
    if unknown:
        raise unknown
    return HELD if result.held else FAILED


def _warm_up(text: str | None) -> Duration:
    try:
        return parse_duration(text or "0s")
    except BadValue as error:
        raise BadInput(f"--warm-up: {error}") from None


def _tell(plan: "Plan", path: Path, processes: int) -> int:
    """Say what would be run, and about how long it would take."""
    from crmsim.study.store import read_store
    from crmsim.study.work import packed

    done, times_s = 0, list[float]()
    if path.exists() and path.stat().st_size:
        with read_store(path) as store:
            store.must_suit(plan.origin(packed(plan.scenario)))
            numbers = store.identities()
            known = {numbers.get(cell.identity) for cell in plan.cells}
            done = sum(
                cell in known and replication <= plan.repeat for cell, replication in store.done()
            )
            times_s = store.wall_times_s()
    left = plan.runs - done
    click.echo(f"{len(plan.cells):,} cells by {plan.repeat:,} replications: {plan.runs:,} runs")
    for place, cell in enumerate(plan.cells[:12], 1):
        told = " ".join(f"{name}={text}" for name, text in cell.settings.items())
        click.echo(f"  {place:>4}  {told or 'defaults'}")
    if len(plan.cells) > 12:
        click.echo(f"  ... and {len(plan.cells) - 12:,} more")
    if done:
        click.echo(f"{done:,} of them are in {path} already")
    if not left:
        return HELD
    if not times_s:
        with busy("running the first and the last cell once"):
            times_s = [plan.pilot_s()]
    each_s = sum(times_s) / len(times_s)
    total = show_duration(seconds(round(each_s * left / min(processes, left), 1)))
    each = show_duration(seconds(round(each_s, 3)))
    click.echo(f"about {total} on {processes} processes ({each} a run); nothing was kept")
    return HELD


def _work(plan: "Plan", path: Path | None, processes: int, executor: str) -> "StudyResult":
    """Run what is missing; say at Ctrl-C what is kept."""
    from crmsim.study.store import open_store
    from crmsim.study.study import missing, result_of, work_off

    with open_store(path) as store:
        todo = missing(plan, store)
        done = work_off(todo, store, jobs=processes, address=executor)
        with _kept(store, path), progress(len(todo), "runs") as step, contextlib.closing(done):
            for _ in done:
                step()
        return result_of(store, plan)


@contextlib.contextmanager
def _kept(store: "Store", path: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        count = len(store.done())
        if count and path is not None:
            error.add_note(f"{count} runs are in {path}; the same command goes on with them")
        raise


def _choose(
    show: str | None, metrics: list[str], telling: list[str]
) -> tuple[list[str], BadInput | None]:
    """Read which metrics are to be shown.

    A wrong name is told in the end, so that what took long to compute is shown all the same.
    """
    from crmsim.study.study import chosen_metrics

    if show is None:
        return telling, None
    try:
        return chosen_metrics(show, metrics), None
    except BadInput as error:
        return telling, BadInput(f"--show {show}: {error}")


@click.command()
@click.argument("first", metavar="STORE|SCENARIO")
@click.argument("second", metavar="[STORE]", required=False)
@set_option
@click.option(
    "--versus", multiple=True, metavar="KEY=VALUE", help="A setting of the other one; repeatable."
)
@settings_option
@repeat_option
@first_seed_option
@warm_up_option
@jobs_option
@executor_option
@click.option("--store", metavar="FILE", help="Keep the runs, to go on with them later.")
@show_option
@json_option
def compare(
    first: str,
    second: str | None,
    pairs: tuple[str, ...],
    versus: tuple[str, ...],
    settings_file: str | None,
    repeat: int,
    first_seed: int,
    warm_up: str | None,
    jobs: int | None,
    executor: str,
    store: str | None,
    show: str | None,
    json_file: str | None,
) -> int:
    """Say by how much two policies differ, with an interval.

    Either name two studies that were kept (FILE, or FILE#CELL), or a scenario and two sets of
    settings: crmsim compare scenarios/order_book.py --set loss=10% --versus loss=20%. Both meet the
    same luck, so their difference is known better than either of them.
    """
    from crmsim.report.study import comparison_as_json

    must_be_writable(json_file, "--json")
    must_be_writable(store, "--store", device=False)
    if second is not None:
        if pairs or versus or settings_file:
            raise BadInput("compare: settings go with one scenario, not with two studies")
        found = _compare_stores(first, second)
    elif pairs or versus:
        common = read_pairs((), settings_file)
        values = common | read_pairs(pairs), common | read_pairs(versus, option="--versus")
        plan = _pair_of(first, values, repeat, first_seed, _warm_up(warm_up))
        path = None if store is None else Path(store)
        found = [_compare_settings(plan, path, jobs or os.cpu_count() or 1, executor)]
    else:
        raise BadInput("compare: name two studies, or a scenario with --set and --versus")
    out = console(stderr=json_file == "-")
    unknown = [_show_comparison(out, one, show) for one in found]
    write(json_file, {"comparisons": [comparison_as_json(one) for one in found]})
    for error in filter(None, unknown):
        raise error
    return HELD if all(count == runs for one in found for count, runs in one.held) else FAILED


def _pair_of(
    name: str,
    values: tuple[dict[str, Any], dict[str, Any]],
    repeat: int,
    first_seed: int,
    warm_up: Duration,
) -> "Plan":
    from crmsim.lab.runs import load_scenario
    from crmsim.study.design import grid
    from crmsim.study.study import Plan

    scenario = load_scenario(name)
    [ours] = grid(scenario.settings, {}, values[0])
    [theirs] = grid(scenario.settings, {}, values[1], "--versus")
    if ours.identity == theirs.identity:
        raise BadInput("compare: --set and --versus say the same, so there is nothing to compare")
    return Plan(scenario, (ours, theirs), repeat, first_seed, Level.BUSINESS, warm_up)


def _compare_settings(
    plan: "Plan",
    path: Path | None,
    processes: int,
    executor: str,
) -> "Comparison":
    from crmsim.study.paired import compare_cells

    result = _work(plan, path, processes, executor)
    ours, theirs = result.cells
    titles = result.label(ours), result.label(theirs)
    return compare_cells(ours, theirs, titles, result.metrics)


def _compare_stores(first: str, second: str) -> "list[Comparison]":
    from crmsim.study.paired import compare_studies

    names = Path(first).name, Path(second).name
    if names[0] == names[1]:
        names = first, second
    return compare_studies(_read(first), _read(second), names)


def _read(text: str) -> "StudyResult":
    """Read a study, or one cell of it: ``FILE#CELL``."""
    from crmsim.study.study import read_study

    name, mark, cell = text.rpartition("#")
    if not mark or Path(text).exists():
        return read_study(Path(text))
    found = read_study(Path(name))
    chosen = tuple(one for one in found.cells if str(one.number) == cell)
    if not chosen:
        numbers = ", ".join(str(one.number) for one in found.cells)
        raise BadInput(f"{text}: there is no cell {cell!r} (there are {numbers})")
    return attrs.evolve(found, cells=chosen)


def _show_comparison(out: "Console", found: "Comparison", show: str | None) -> BadInput | None:
    from crmsim.report.study import show_comparison

    metrics, unknown = _choose(show, list(found.metrics), list(found.differing))
    show_comparison(out, found, metrics)
    if show is None:
        same = len(found.metrics) - len(metrics)
        told = (
            f"{same} metrics may not differ (0 is in their interval); --show METRIC,... prints any"
        )
        if found.is_one_pair:
            told = "one pair tells nothing of chance; --repeat 10 gives intervals"
        out.print(f"  {told}", style="dim", soft_wrap=True)
    return unknown
