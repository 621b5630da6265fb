"""How does one see what a study says: means with intervals, and differences pair by pair?"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crmsim.errors import BadInput
from crmsim.report.look import BLUE, COLOURS, GREY, LINES, RED, new_axes, tidy, time_unit
from crmsim.report.text import is_in_seconds, named_metric
from crmsim.study.paired import compare_cells, is_shown
from crmsim.study.study import CellResult, StudyResult, must_be_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["differences_height_inches", "draw_differences", "draw_study"]

MARKERS = "os^Dv<>"
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def draw_study(
    study: StudyResult, metric: str, ax: "Axes | None" = None, *, x: str = "", title: str = ""
) -> "Axes":
    """Draw the mean of a metric with its 95 % interval over what was varied; return the axes.

    Args:
        study: What was found.
        metric: What is on the upright axis.
        ax: Where to draw; new axes when none are given.
        x: The setting on the level axis; the first that was varied if empty. Every combination of
            the others is a line of its own.
        title: What is written above.

    Raises:
        BadInput: there is no such metric, or no such setting was varied.
    """
    must_be_metric(metric, study.metrics)
    x = x or next(iter(study.varied), "")
    if x not in study.varied:
        raise BadInput(f"{x!r} was not varied (varied were {', '.join(study.varied) or 'none'})")
    ax = new_axes(7, 4) if ax is None else ax
    texts = list(dict.fromkeys(study.text(cell, x) for cell in study.cells))
    places = _places(texts)
    scale, unit = _unit(metric, [_mean(cell, metric) for cell in study.cells])
    groups: dict[str, list[CellResult]] = {}
    for cell in study.cells:
        others = [f"{name}={study.text(cell, name)}" for name in study.varied if name != x]
        groups.setdefault(" ".join(others), []).append(cell)
    for number, (label, cells) in enumerate(groups.items()):
        known = [(cell, cell.estimate(metric)) for cell in cells]
        known = [(cell, found) for cell, found in known if found.mean is not None]
        ax.errorbar(
            [places[study.text(cell, x)] for cell, _ in known],
            [(found.mean or 0) / scale for _, found in known],
            yerr=[(found.half_width or 0) / scale for _, found in known],
            color=COLOURS[number % len(COLOURS)],
            ls=LINES[number % len(LINES)],
            marker=MARKERS[number % len(MARKERS)],
            capsize=4,
            lw=1.5,
            label=label,
        )
    ax.set_xticks([places[text] for text in texts], texts)
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(f"{named_metric(metric)}{unit}")
    runs = max((len(cell.rows) for cell in study.cells), default=0)
    _note(ax, f"mean and 95 % interval of {runs} runs each")
    if list(groups) != [""]:
        ax.legend(fontsize=8, frameon=False)
    return tidy(ax, title=title)


def draw_differences(
    study: StudyResult,
    metric: str,
    ax: "Axes | None" = None,
    *,
    base: int = 0,
    title: str = "",
) -> "Axes":
    """Draw by how much each cell differs from one of them, pair by pair; return the axes.

    Args:
        study: What was found.
        metric: What is compared.
        ax: Where to draw; new axes when none are given.
        base: The place of the cell that the others are compared with, from 0.
        title: What is written above.

    Raises:
        BadInput: there is no such metric, or there is only one cell.
    """
    must_be_metric(metric, study.metrics)
    if not 0 <= base < len(study.cells) or len(study.cells) < 2:
        raise BadInput("differences need two cells or more, and one of them as base")
    first = study.cells[base]
    others = [cell for cell in study.cells if cell is not first]
    ax = new_axes(7, differences_height_inches(study)) if ax is None else ax
    name = study.label(first)
    found = [
        compare_cells(first, cell, (name, study.label(cell)), [metric]).metrics[metric]
        for cell in others
    ]
    scale, unit = _unit(metric, [one.difference.mean for one in found])
    for place, one in enumerate(found):
        colour = (RED if (one.difference.mean or 0) > 0 else BLUE) if is_shown(one) else GREY
        ax.errorbar(
            [(one.difference.mean or 0) / scale],
            [place],
            xerr=[(one.difference.half_width or 0) / scale],
            fmt="o",
            color=colour,
            capsize=4,
            lw=1.8,
        )
    ax.axvline(0, color="#444444", lw=1)
    ax.set_yticks(range(len(others)), [study.label(cell) for cell in others])
    ax.set_ylim(len(others) - 0.5, -0.5)
    ax.set_xlabel(f"{named_metric(metric)}: difference to {name}{unit}")
    _note(ax, "paired, 95 %; grey: may be none")
    return tidy(ax, title=title)


def differences_height_inches(study: StudyResult) -> float:
    """Return how high a picture of differences has to be."""
    return 1.2 + 0.45 * len(study.cells)


def _mean(cell: CellResult, metric: str) -> float | None:
    return cell.estimate(metric).mean


def _unit(metric: str, values: Sequence[float | None]) -> tuple[float, str]:
    """Return what to divide by, and the unit for the axis."""
    if not is_in_seconds(metric):
        return 1.0, ""
    scale, name = time_unit(max((abs(value) for value in values if value is not None), default=1.0))
    return scale, f", in {name}"


def _places(texts: Sequence[str]) -> dict[str, float]:
    """Return where each value stands: to scale if all are numbers of one unit, else side by side.

    >>> _places(["0%", "10%", "30%"])
    {'0%': 0.0, '10%': 10.0, '30%': 30.0}
    """
    found = [(_NUMBER.match(text), text) for text in texts]
    units = {text[match.end() :] for match, text in found if match}
    if all(match for match, _ in found) and len(units) == 1:
        return {text: float(match.group()) for match, text in found if match}
    return {text: float(place) for place, text in enumerate(texts)}


def _note(ax: "Axes", text: str) -> None:
    ax.text(1.0, 1.01, text, transform=ax.transAxes, ha="right", fontsize=7, color="#777777")
