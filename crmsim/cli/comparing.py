"""What do `crmsim replay` and `crmsim diff` say of two histories?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crmsim import __version__
from crmsim.cli.output import (
    HELD,
    NOT_REPEATABLE,
    busy,
    console,
    read_level,
    read_pairs,
    run_named,
    set_option,
    trace_option,
)
from crmsim.errors import BadInput
from crmsim.trace.kinds import Level

if TYPE_CHECKING:
    from crmsim.lab.runs import SavedRun
    from crmsim.lab.scenario import Result
    from crmsim.trace.record import Recording

__all__ = ["diff", "replay"]


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--until", metavar="TIME", help="Compare only up to this moment, e.g. '3d 10:00'.")
def replay(folder: str, until: str | None) -> int:
    """Run a saved run again and compare the two histories."""
    from crmsim.lab.runs import read_run
    from crmsim.report.difference import show_difference
    from crmsim.trace.record import difference
    from crmsim.units import parse_moment

    saved = read_run(Path(folder))
    end_ns = None if until is None else parse_moment(until)
    result = _run_again(saved)
    if end_ns is None and str(result.fingerprint) == saved.fingerprint:
        click.echo(f"same history: {saved.fingerprint}, {len(result.journal):,} events")
        return HELD
    old, new = saved.recording(), _recording(result)
    if end_ns is not None:
        old, new = old.until(end_ns), new.until(end_ns)
    found = difference(old, new)
    if found.is_none and end_ns is not None:
        click.echo(f"same history up to {until}: {len(new.events):,} events")
        return HELD
    _tell_origin(saved)
    show_difference(console(), ("saved", old), ("now", new), found)
    return NOT_REPEATABLE


def _run_again(saved: "SavedRun") -> "Result":
    from crmsim.lab.runs import load_scenario

    scenario, place = load_scenario(saved.scenario), f"{saved.folder}/run.json"
    level = read_level(saved.level)
    return run_named(scenario, saved.settings, saved.seed, level, place, log_draws=True)


def _recording(result: "Result") -> "Recording":
    from crmsim.trace.record import Recording

    return Recording(list(result.journal), result.journal.draw_log)


def _tell_origin(saved: "SavedRun") -> None:
    from crmsim.lab.runs import scenario_changed

    click.echo("another history than the saved one")
    if scenario_changed(saved):
        click.echo(f"{saved.scenario} has changed since the run was saved")
    if saved.version != __version__:
        click.echo(f"saved by crmsim {saved.version}; this is {__version__}")


@click.command()
@click.argument("first", metavar="RUN|SCENARIO")
@click.argument("second", metavar="[RUN]", required=False)
@set_option
@click.option(
    "--versus", multiple=True, metavar="KEY=VALUE", help="A setting of the other run; repeatable."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, help="The seed (default: 1).")
@trace_option
def diff(
    first: str,
    second: str | None,
    pairs: tuple[str, ...],
    versus: tuple[str, ...],
    seed: int,
    trace: str | None,
) -> int:
    """Say where two histories part, and why.

    Either name two runs that were saved with --save, or name a scenario and two sets of settings:
    crmsim diff scenarios/order_book.py --set loss=10% --versus loss=20%. Both runs then have the
    same seed, and the same luck wherever they do the same thing.
    """
    if second is not None:
        if pairs or versus:
            raise BadInput("diff: --set and --versus go with one scenario, not with two saved runs")
        return _diff_runs(Path(first), Path(second))
    if read_level(trace) is Level.OFF:
        raise BadInput("diff: --trace off writes no events, so there is nothing to compare")
    if not (pairs or versus):
        raise BadInput("diff: name two saved runs, or a scenario with --set and --versus")
    values = read_pairs(pairs), read_pairs(versus, option="--versus")
    return _diff_settings(first, values, seed, read_level(trace))


def _diff_runs(one: Path, other: Path) -> int:
    from crmsim.lab.runs import read_run
    from crmsim.report.difference import show_difference, show_same
    from crmsim.trace.record import difference

    ours, theirs = read_run(one), read_run(other)
    if ours.level != theirs.level:
        raise BadInput(
            f"diff: {one} was saved with --trace {ours.level}, {other} with {theirs.level}; "
            "save both with the same"
        )
    ours_told, theirs_told = ours.recording(), theirs.recording()
    found = difference(ours_told, theirs_told)
    if found.is_none:
        show_same(console(), ours_told)
        return HELD
    show_difference(console(), (str(one), ours_told), (str(other), theirs_told), found)
    if ours.origin == theirs.origin:
        click.echo("both have the same scenario, settings, seed and version: this must not happen")
        return NOT_REPEATABLE
    return HELD


def _diff_settings(
    name: str, values: tuple[dict[str, str], dict[str, str]], seed: int, level: Level
) -> int:
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import read_settings
    from crmsim.report.difference import show_difference, show_metrics_apart, show_same
    from crmsim.trace.record import difference

    scenario = load_scenario(name)
    both = [
        read_settings(scenario.settings, chosen, option)
        for chosen, option in zip(values, ("--set", "--versus"), strict=True)
    ]
    with busy(f"running {scenario.name} twice, seed {seed}"):
        ours, theirs = (
            scenario.run_with(settings, seed=seed, level=level, log_draws=True) for settings in both
        )
    recordings = _recording(ours), _recording(theirs)
    found = difference(*recordings)
    if found.is_none:
        show_same(console(), recordings[0])
        return HELD
    titles = [_title(chosen) for chosen in values]
    one, other = zip(titles, recordings, strict=True)
    show_difference(console(), one, other, found)
    show_metrics_apart(console(), titles, ours.metrics, theirs.metrics)
    return HELD


def _title(values: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items()) or "defaults"
