"""How does the map of a landscape look?

From left to right stand the laptops, their stations, CRM Enterprise and what lies behind it. Sites
that are alike (the same kind, neighbours and lines) are drawn as one, so that a map of thousands of
laptops stays readable.
"""

from typing import TYPE_CHECKING

import attrs

from crmsim.chance import Constant
from crmsim.network.link import Link, LinkKind
from crmsim.network.topology import Topology
from crmsim.report.look import GREEN, GREY, ORANGE, PURPLE, RED, SKY, YELLOW, as_svg, new_axes
from crmsim.units import seconds, show_duration, show_rate, show_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_topology", "topology_svg"]

COLUMNS = {"mobile": 0, "station": 1, "crm": 2, "channel": 3, "erp": 3, "apo": 3}
COLOURS = {
    "mobile": SKY,
    "station": ORANGE,
    "crm": GREEN,
    "erp": PURPLE,
    "apo": YELLOW,
    "channel": RED,
}
WORDS = {"mobile": "laptop", "crm": "CRM Enterprise", "erp": "ERP", "apo": "APO"}
WIDTH_INCHES = 9
GROUP_FROM = 4
"""So many sites that are alike are drawn as one."""


@attrs.define
class _Spot:
    """One box of the map: a site, or several that are alike."""

    names: list[str]
    kind: str
    x: float = 0.0
    y: float = 0.0

    @property
    def label(self) -> str:
        """What stands in the box."""
        if len(self.names) == 1:
            name, word = self.names[0], WORDS.get(self.kind, self.kind)
            return name if name.lower() == word.lower() else f"{name}\n{word}"
        return f"{self.names[0]}\n... {self.names[-1]}\n({len(self.names):,})"


def draw_topology(topology: Topology, ax: "Axes | None" = None, *, title: str = "") -> "Axes":
    """Draw sites and lines onto axes (new ones of pyplot when none are given); return the axes."""
    if ax is None:
        ax = new_axes(WIDTH_INCHES, topology_height_inches(topology))
    spots = _spots(topology)
    place = {name: spot for spot in spots for name in spot.names}
    done: set[tuple[int, int]] = set()
    for source, target, link in topology.links():
        one, other = place[source], place[target]
        pair = (spots.index(one), spots.index(other))
        if pair not in done and pair[::-1] not in done:
            done.add(pair)
            ax.plot([one.x, other.x], [one.y, other.y], color="#777777", lw=1.2, zorder=1)
            told = _link_label(link)
            x, y = (0.57 * one.x + 0.43 * other.x), (0.57 * one.y + 0.43 * other.y)
            ax.text(x, y, told, fontsize=7, ha="center", va="center", zorder=2, in_layout=False,
                    bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"})  # fmt: skip
    for spot in spots:
        ax.text(spot.x, spot.y, spot.label, fontsize=9, ha="center", va="center", zorder=3,
                in_layout=False,  # the margins make room, or there would be none for the axes
                bbox={"boxstyle": "round,pad=0.5", "fc": COLOURS.get(spot.kind, GREY),
                      "ec": "#333333"})  # fmt: skip
    if title:
        ax.set_title(title, fontsize=10, loc="left", wrap=True)
    ax.margins(0.18, 0.25)
    ax.set_axis_off()
    return ax


def _spots(topology: Topology) -> list[_Spot]:
    """Return what is drawn, each with its place."""
    alike: dict[object, list[str]] = {}
    for name in topology.sites():
        near = [(other, topology.link(name, other)) for other in topology.graph.successors(name)]
        alike.setdefault((topology.kind(name), repr(near)), []).append(name)
    spots: list[_Spot] = []
    for names in alike.values():
        kind = topology.kind(names[0])
        if len(names) < GROUP_FROM:
            spots += [_Spot([name], kind) for name in names]
        else:
            spots.append(_Spot(names, kind))
    _arrange(spots)
    return spots


def _arrange(spots: list[_Spot]) -> None:
    columns: dict[int, list[_Spot]] = {}
    for index, spot in enumerate(spots):
        columns.setdefault(COLUMNS.get(spot.kind, index % 4), []).append(spot)
    for column, members in columns.items():
        for place, spot in enumerate(members):
            spot.x = float(column)
            spot.y = (len(members) - 1) / 2 - place


def _link_label(link: Link) -> str:
    told = [show_duration(seconds(link.latency.at(0.5)))]
    if link.rate is not None:
        told.append(show_rate(link.rate))
    if link.loss:
        told.append(f"{show_share(link.loss)} lost")
    if link.dial_up:
        told.append("dial-up")
    if link.kind is LinkKind.STREAM:
        told.append("stream")
    return "\n".join(told) if link.latency != Constant(0.0) or len(told) > 1 else ""


def topology_height_inches(topology: Topology) -> float:
    """Return how high a map has to be."""
    return 2.2 + 1.6 * max((abs(spot.y) for spot in _spots(topology)), default=0.0)


def topology_svg(topology: Topology, *, title: str = "") -> str:
    """Return the map as SVG."""
    height = topology_height_inches(topology)
    return as_svg(lambda ax: draw_topology(topology, ax, title=title), WIDTH_INCHES, height)
