"""How does one see how long things took, all of them and not just on average?

Each curve says which share took at most so long. It ends below 100 % by the share of what had not
ended when the run did: nobody knows how long that takes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from crmsim.errors import BadValue
from crmsim.lab.metrics import sync_lags_s
from crmsim.measure.latency import quantile
from crmsim.report.look import COLOURS, GREY, LINES, new_axes, tidy, time_unit
from crmsim.trace.journal import Journal
from crmsim.units import seconds, show_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Times", "draw_times", "sync_lags"]


@attrs.frozen
class Times:
    """How long things took."""

    ended_s: tuple[float, ...]
    unended: int = 0
    """How many had not ended."""


def sync_lags(journal: Journal) -> Times:
    """Return how long orders took from the laptop to the ERP."""
    lags_s, unended = sync_lags_s(journal)
    return Times(tuple(sorted(lags_s)), unended)


def draw_times(
    times: Mapping[str, Times],
    ax: "Axes | None" = None,
    *,
    title: str = "",
    what: str = "from written to booked",
) -> "Axes":
    """Draw how long things took onto axes (new ones when none are given); return the axes.

    Args:
        times: Name of a curve -> its times.
        ax: Where to draw.
        title: What is written above.
        what: What took so long, for the axis.

    Raises:
        BadValue: nothing has ended.
    """
    longest_s = max((time for one in times.values() for time in one.ended_s), default=0.0)
    if longest_s <= 0:
        raise BadValue("nothing has ended, so there are no times to draw")
    ax = new_axes(7, 4) if ax is None else ax
    scale, unit = time_unit(longest_s)
    for place, (name, one) in enumerate(times.items()):
        count = len(one.ended_s) + one.unended
        x = [0.0, *(time / scale for time in sorted(one.ended_s)), longest_s * 1.05 / scale]
        y = [100 * n / count for n in range(len(one.ended_s) + 1)]
        colour, style = COLOURS[place % len(COLOURS)], LINES[place % len(LINES)]
        label = f"{name}: {_told(one)}"
        ax.step(x, [*y, y[-1]], where="post", color=colour, ls=style, lw=1.6, label=label)
    for share in (50, 95):
        ax.axhline(share, color=GREY, lw=0.8, zorder=0)
        ax.text(0, share + 1, f"{share} %", fontsize=7, color="#777777")
    ax.set_xlim(0, longest_s * 1.05 / scale)
    ax.set_ylim(0, 102)
    ax.set_xlabel(f"{what}, in {unit}")
    ax.set_ylabel("share that took at most so long, in %")
    ax.legend(fontsize=8, loc="lower right", frameon=False)
    return tidy(ax, title=title)


def _told(times: Times) -> str:
    quantiles = [quantile(times.ended_s, share) for share in (0.5, 0.95)]
    half, most = (show_duration(seconds(value or 0)) for value in quantiles)
    told = f"half within {half}, 95 % within {most}"
    return f"{told}; {times.unended} never" if times.unended else told
