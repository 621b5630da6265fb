"""What do all pictures have in common: colours, units on axes, one way to become SVG?"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from crmsim.errors import BadInput
from crmsim.lab.runs import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "LINES",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "YELLOW",
    "as_svg",
    "new_axes",
    "save_text",
    "tidy",
    "time_unit",
]

ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, RED, PURPLE, BLACK = "#0072b2", "#d55e00", "#cc79a7", "#000000"
"""Okabe and Ito 2008: colours that colour-blind readers can tell apart."""
GREY = "#bbbbbb"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK)
"""In this order for lines of the same picture."""
LINES = ("-", "--", ":", "-.")
"""Lines differ in more than their colour."""
UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"), (0.001, "ms"))


def time_unit(span_s: float) -> tuple[float, str]:
    """Return the seconds of a unit in which a span is a handsome number, and its name.

    >>> time_unit(7_200)
    (3600, 'hours')
    """
    return next((one for one in UNITS if span_s >= one[0]), UNITS[-1])


def new_axes(width_inches: float = 8.0, height_inches: float = 4.0) -> "Axes":
    """Return new axes of pyplot, which a notebook shows."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(width_inches, height_inches), layout="constrained")
    return ax


def tidy(ax: "Axes", *, title: str = "") -> "Axes":
    """Take away what says nothing, and write the title where reading begins."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if title:
        ax.set_title(title, fontsize=10, loc="left", wrap=True)
    return ax


def as_svg(
    draw: "Callable[[Axes], object]", width_inches: float = 8.0, height_inches: float = 4.0
) -> str:
    """Return what is drawn as SVG; the same picture gives the same text on the same machine."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    fixed = {"svg.hashsalt": "crmsim", "svg.fonttype": "none", "font.family": "DejaVu Sans"}
    with mpl.rc_context(fixed):  # type: ignore[arg-type]
        figure: Figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        draw(figure.subplots())
        told = io.StringIO()
        figure.savefig(told, format="svg", metadata={"Date": None, "Creator": None})
    return told.getvalue()


def save_text(text: str, path: Path) -> None:
    """Write a picture, a page or a table in one go: the file is either whole or not there.

    Raises:
        BadInput: the file cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None
