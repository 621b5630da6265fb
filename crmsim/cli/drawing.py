"""What does `crmsim draw` draw?"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crmsim.cli.output import (
    HELD,
    must_be_writable,
    read_pairs,
    run_named,
    set_option,
    settings_option,
)
from crmsim.errors import BadInput
from crmsim.trace.kinds import Level
from crmsim.units import parse_moment

if TYPE_CHECKING:
    from crmsim.lab.scenario import Result
    from crmsim.study.study import StudyResult

__all__ = ["draw"]

Draw = Callable[[Any], Any]
"""Takes the axes to draw on."""

seed_option = click.option("--seed", type=click.IntRange(min=0), help="The seed of the run.")
svg_option = click.option("--svg", metavar="FILE", required=True, help="The SVG file to write.")
from_option = click.option("--from", "begin", metavar="TIME", help="From when, e.g. '0d 08:00'.")
until_option = click.option("--until", metavar="TIME", help="Until when, e.g. '0d 09:00'.")
metric_option = click.option("--metric", required=True, help="What is drawn, e.g. sync_lag_s_p95.")


@click.group()
def draw() -> None:
    """Draw a picture of a run or of a study, as SVG.

    The map of a landscape is drawn by `crmsim topology`.
    """


def _run(
    scenario_name: str,
    seed: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    level: Level,
) -> "Result":
    from crmsim.lab.runs import load_scenario

    values = read_pairs(pairs, settings_file)
    return run_named(load_scenario(scenario_name), values, seed, level)


def _save(picture: Draw, svg: str, width_inches: float, height_inches: float) -> int:
    from crmsim.report.look import as_svg, save_text

    save_text(as_svg(picture, width_inches, height_inches), Path(svg))
    click.echo(f"written to {svg}")
    return HELD


def _moment(text: str | None) -> int | None:
    return None if text is None else parse_moment(text)


@draw.command()
@click.argument("scenario_name", metavar="SCENARIO")
@seed_option
@set_option
@settings_option
@from_option
@until_option
@svg_option
def timeline(
    scenario_name: str,
    seed: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    begin: str | None,
    until: str | None,
    svg: str,
) -> int:
    """Draw what waited where over time, and what was out of order meanwhile."""
    from crmsim.report.timeline import draw_timeline

    must_be_writable(svg, "--svg", device=False)
    result = _run(scenario_name, seed, pairs, settings_file, Level.BUSINESS)
    begin_ns, end_ns = _moment(begin) or 0, _moment(until)

    def picture(ax: Any) -> None:
        draw_timeline(result.simulation, ax, begin_ns=begin_ns, end_ns=end_ns)

    return _save(picture, svg, 10, 4)


@draw.command()
@click.argument("scenario_name", metavar="SCENARIO")
@seed_option
@set_option
@settings_option
@from_option
@until_option
@click.option("--actors", metavar="A,B,...", help="Whose life lines, from left to right.")
@click.option("--even", is_flag=True, help="Equal distances instead of a scale of time.")
@svg_option
def sequence(
    scenario_name: str,
    seed: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    begin: str | None,
    until: str | None,
    actors: str | None,
    even: bool,
    svg: str,
) -> int:
    """Draw the messages of a while: who told whom what, and what was lost."""
    from crmsim.report.sequence import draw_sequence, sequence_height_inches

    must_be_writable(svg, "--svg", device=False)
    result = _run(scenario_name, seed, pairs, settings_file, Level.MESSAGES)
    named: dict[str, Any] = {
        "actors": None if actors is None else actors.split(","),
        "begin_ns": _moment(begin) or 0,
        "end_ns": _moment(until),
    }
    height = sequence_height_inches(result.journal, **named)
    return _save(lambda ax: draw_sequence(result.journal, ax, even=even, **named), svg, 8, height)


@draw.command()
@click.argument("scenario_name", metavar="SCENARIO")
@seed_option
@set_option
@settings_option
@svg_option
def times(
    scenario_name: str,
    seed: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    svg: str,
) -> int:
    """Draw how long orders took from the laptop to the ERP, all of them."""
    from crmsim.report.distribution import draw_times, sync_lags

    must_be_writable(svg, "--svg", device=False)
    result = _run(scenario_name, seed, pairs, settings_file, Level.BUSINESS)
    found = sync_lags(result.journal)
    return _save(lambda ax: draw_times({"orders": found}, ax), svg, 7, 4)


@draw.command()
@click.argument("store", metavar="STORE")
@metric_option
@click.option("--over", default="", metavar="SETTING", help="The level axis (default: the first).")
@svg_option
def curve(store: str, metric: str, over: str, svg: str) -> int:
    """Draw a metric of a study over what was varied, with intervals."""
    from crmsim.report.curves import draw_study

    found = _study(store, svg)
    return _save(lambda ax: draw_study(found, metric, ax, x=over), svg, 7, 4)


@draw.command()
@click.argument("store", metavar="STORE")
@metric_option
@click.option("--base", type=click.IntRange(min=1), default=1, help="The cell to compare with.")
@svg_option
def differences(store: str, metric: str, base: int, svg: str) -> int:
    """Draw by how much the cells of a study differ from one of them, pair by pair."""
    from crmsim.report.curves import differences_height_inches, draw_differences

    found = _study(store, svg)
    numbers = [cell.number for cell in found.cells]
    if base not in numbers:
        raise BadInput(f"--base {base}: no such cell (cells: {', '.join(map(str, numbers))})")
    place = numbers.index(base)
    height = differences_height_inches(found)
    return _save(lambda ax: draw_differences(found, metric, ax, base=place), svg, 7, height)


def _study(store: str, svg: str) -> "StudyResult":
    from crmsim.study.study import read_study

    must_be_writable(svg, "--svg", device=False)
    return read_study(Path(store))
