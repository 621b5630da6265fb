"""How does one see what went wrong when, and what piled up meanwhile?

A time line: how much lies in the queues of each place, over virtual time. Behind the lines, bands
say when a system was down and when a fault of the network was at work.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from crmsim.errors import BadValue
from crmsim.kernel.simulation import Simulation
from crmsim.measure.depths import depths
from crmsim.measure.spans import Span, down_spans, fault_spans
from crmsim.report.look import COLOURS, GREY, LINES, ORANGE, RED, new_axes, tidy, time_unit
from crmsim.trace.kinds import ENQUEUED
from crmsim.units import SECOND_NS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_timeline"]

SERVERS = ("station", "crm", "erp", "apo")
LEAST_WIDTH = 1 / 400
"""Share of the picture that a band is wide at least, or nobody would see it."""


def draw_timeline(
    simulation: Simulation,
    ax: "Axes | None" = None,
    *,
    begin_ns: int = 0,
    end_ns: int | None = None,
    title: str = "",
) -> "Axes":
    """Draw queues and faults over time onto axes (new ones when none are given); return the axes.

    Args:
        simulation: A run that is over.
        ax: Where to draw.
        begin_ns: The left edge.
        end_ns: The right edge; None for the end of the run.
        title: What is written above.

    Raises:
        BadValue: the trace keeps no queues, or the edges are no span.
    """
    journal = simulation.journal
    if not journal.keeps(ENQUEUED):
        raise BadValue(
            f"a trace of level {journal.level.name.lower()} keeps no queues; run with "
            "--trace business or more"
        )
    last_ns = simulation.now_ns if end_ns is None else end_ns
    if last_ns <= begin_ns:
        raise BadValue("a time line has a beginning before its end")
    ax = new_axes(9, 4) if ax is None else ax
    scale, unit = time_unit((last_ns - begin_ns) / SECOND_NS)
    unit_ns = scale * SECOND_NS
    edges = begin_ns / unit_ns, last_ns / unit_ns
    topology = simulation.topology
    kinds = {name: topology.kind(name) for name in topology.sites()}
    servers = [name for name, kind in kinds.items() if kind in SERVERS]
    _bands(ax, down_spans(journal, servers, last_ns), unit_ns, edges, RED, "down: ")
    faults = [attrs.evolve(one, name=_plain(one.name)) for one in fault_spans(journal, last_ns)]
    _bands(ax, faults, unit_ns, edges, ORANGE, "fault: ")
    most = 0
    drawn = 0
    for place, steps in depths(journal, kinds).items():
        if max(depth for _, depth in steps) == 0:
            continue
        x = [time_ns / unit_ns for time_ns, _ in steps] + [edges[1]]
        y = [depth for _, depth in steps] + [steps[-1][1]]
        most = max(most, *y)
        style = LINES[drawn % len(LINES)]
        colour = COLOURS[drawn % len(COLOURS)]
        ax.step(x, y, where="post", label=place, color=colour, ls=style, lw=1.3, zorder=3)
        drawn += 1
    ax.set_xlim(*edges)
    ax.set_ylim(0, most * 1.05 + 1)
    ax.set_xlabel(f"virtual time in {unit}")
    ax.set_ylabel("waiting, number")
    if drawn:
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return tidy(ax, title=title)


def _plain(fault: str) -> str:
    """Return the name of a fault in words.

    >>> _plain("Outage(site='erp', under_way='drop')")
    'Outage erp drop'
    """
    kind, _, rest = fault.partition("(")
    return " ".join([kind, *re.findall(r"'([^']*)'", rest)])


def _bands(
    ax: "Axes",
    spans: Sequence[Span],
    unit_ns: float,
    edges: tuple[float, float],
    colour: str,
    word: str,
) -> None:
    """Draw a band for each span; equal names share one line of the legend."""
    names = list(dict.fromkeys(span.name for span in spans))
    least = (edges[1] - edges[0]) * LEAST_WIDTH
    for span in spans:
        begin = span.begin_ns / unit_ns
        end = max(span.end_ns / unit_ns, begin + least)
        if end < edges[0] or begin > edges[1]:
            continue
        place = names.index(span.name)
        hatch = ("", "//", "..", "\\\\", "xx")[place % 5]
        label = f"{word}{span.name}" if span.name in names[:4] else "_more"
        ax.axvspan(begin, end, fc=colour, ec=GREY, alpha=0.25, lw=0.5, hatch=hatch, zorder=1)
        if not any(handle.get_label() == label for handle in ax.patches):
            ax.patches[-1].set_label(label)
