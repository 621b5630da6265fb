"""How does one see what became of each message?

A sequence diagram: one life line per actor, time running downwards, one arrow per message. A lost
message ends in a cross. The second copy of a doubled one is dashed. A repetition is orange. A site
that is down has a grey life line; a laptop that is on no line has a dotted one. It needs a trace of
level ``messages`` or more.
"""

import bisect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from crmsim.errors import BadValue
from crmsim.measure.spans import online_spans
from crmsim.report.look import BLUE, GREEN, GREY, ORANGE, RED, new_axes, time_unit
from crmsim.trace.journal import Event, Journal
from crmsim.trace.kinds import DELIVERED
from crmsim.units import SECOND_NS, show_moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_sequence", "sequence_height_inches"]

ON_TIME, AGAIN, LOST, DOWN = BLUE, ORANGE, RED, GREY
LIFE = "#444444"
LOST_SHARE = 0.55
"""How far along its way the cross of a lost message is drawn."""
MOST_LABELS = 40
MS_NS = 1_000_000
MOST_MESSAGES = 200
"""More than that nobody can read."""


@attrs.frozen
class _Arrow:
    """One way of one copy of a message; `end_ns` is None when it never arrived."""

    source: str
    target: str
    label: str
    begin_ns: int
    end_ns: int | None
    lost_ns: int
    is_copy: bool
    is_repetition: bool

    def seen_until_ns(self, usual_ns: int) -> int:
        """Return when the arrow ends, on paper.

        One that was lost at once slopes as if it had been on its way for a while.
        """
        if self.end_ns is not None:
            return self.end_ns
        return max(self.lost_ns, self.begin_ns + int(LOST_SHARE * usual_ns))


def draw_sequence(
    journal: Journal,
    ax: "Axes | None" = None,
    *,
    actors: Sequence[str] | None = None,
    begin_ns: int = 0,
    end_ns: int | None = None,
    marks: Iterable[str] = ("noted",),
    even: bool = False,
) -> "Axes":
    """Draw messages onto axes (new ones of pyplot when none are given); return the axes.

    Args:
        journal: What happened.
        ax: Where to draw.
        actors: Whose life lines, from left to right; all that sent or got something if None.
        begin_ns: Leave out what was sent before.
        end_ns: Leave out what was sent later; None for no end.
        marks: Kinds of events that are marked on the life lines, with their subject.
        even: Put everything that happens at the same distance from what happened before, and write
            the moment beside it. So a picture of days stays readable whose messages take seconds.

    Raises:
        BadValue: the trace keeps no deliveries, or there is nothing or too much to draw.
    """
    chosen, arrows = _chosen(journal, actors, begin_ns, end_ns)
    if ax is None:
        ax = new_axes(8, _height_inches(arrows))
    last_ns = _last_ns(journal, end_ns)
    usual_ns = _usual_delay_ns(arrows)
    events = _events(journal, marks, chosen, begin_ns, last_ns)
    ends_ns = [arrow.seen_until_ns(usual_ns) for arrow in arrows]
    span = begin_ns, max(*ends_ns, *(event.time_ns for event in events), begin_ns + 1)
    online = online_spans(journal, span[1])
    scale: _Even | _True
    if even:
        ends = [(arrow.begin_ns, arrow.seen_until_ns(usual_ns)) for arrow in arrows]
        scale = _Even([*(ns for pair in ends for ns in pair), *(e.time_ns for e in events)])
    else:
        seconds, unit = time_unit((span[1] - span[0]) / SECOND_NS)
        scale = _True(seconds * SECOND_NS, unit)
    places = {name: float(x) for x, name in enumerate(chosen)}
    _Drawing(ax, places, scale, usual_ns).draw(arrows, events, online, span)
    scale.label(ax)
    return ax


def sequence_height_inches(
    journal: Journal,
    *,
    actors: Sequence[str] | None = None,
    begin_ns: int = 0,
    end_ns: int | None = None,
) -> float:
    """Return how high a sequence diagram has to be; for the arguments see `draw_sequence`."""
    _, arrows = _chosen(journal, actors, begin_ns, end_ns)
    return _height_inches(arrows)


def _height_inches(arrows: Sequence[_Arrow]) -> float:
    return min(3 + 0.25 * len(arrows), 14)


def _last_ns(journal: Journal, end_ns: int | None) -> int:
    return end_ns if end_ns is not None else max((e.time_ns for e in journal), default=0)


def _chosen(
    journal: Journal, actors: Sequence[str] | None, begin_ns: int, end_ns: int | None
) -> tuple[list[str], list[_Arrow]]:
    """Return whose life lines are drawn, and which arrows."""
    if not journal.keeps(DELIVERED):
        raise BadValue(
            f"a trace of level {journal.level.name.lower()} keeps no deliveries; run with "
            "level=Level.MESSAGES (crmsim run --trace messages)"
        )
    arrows = _arrows(journal, begin_ns, _last_ns(journal, end_ns))
    names = list(dict.fromkeys(n for a in arrows for n in (a.source, a.target)))
    chosen = names if actors is None else list(actors)
    arrows = [arrow for arrow in arrows if arrow.source in chosen and arrow.target in chosen]
    if not 0 < len(arrows) <= MOST_MESSAGES:
        raise BadValue(
            f"there are {len(arrows):,} messages to draw; choose actors and a span of time "
            "(--actors, --from, --until; in Python actors, begin_ns, end_ns) so that there are 1 "
            f"to {MOST_MESSAGES}"
        )
    return chosen, arrows


@attrs.frozen
class _True:
    """A time axis on which a second is as long as any other."""

    unit_ns: float
    unit: str

    def y(self, time_ns: int) -> float:
        """Return where a moment is."""
        return time_ns / self.unit_ns

    def label(self, ax: "Axes") -> None:
        """Say what the numbers are."""
        ax.set_ylabel(f"virtual time in {self.unit}")


class _Even:
    """A time axis on which moments at which something happens are one step apart."""

    def __init__(self, moments_ns: Iterable[int]) -> None:
        self._moments_ns = sorted(dict.fromkeys(moments_ns))

    def y(self, time_ns: int) -> float:
        """Return where a moment is; between two steps, in proportion."""
        moments = self._moments_ns
        place = bisect.bisect_left(moments, time_ns)
        if place == len(moments) or place == 0:
            return float(min(place, len(moments) - 1))
        before, after = moments[place - 1], moments[place]
        return place - 1 + (time_ns - before) / (after - before)

    def label(self, ax: "Axes") -> None:
        """Write moments beside the axis, as many as there is room for."""
        every = max(len(self._moments_ns) // MOST_LABELS, 1)
        places = range(0, len(self._moments_ns), every)
        told = [show_moment(self._moments_ns[n] // MS_NS * MS_NS) for n in places]
        ax.set_yticks(list(places), told, fontsize=7)
        ax.set_ylabel("virtual time, not to scale")


def _usual_delay_ns(arrows: Sequence[_Arrow]) -> int:
    delays_ns = [arrow.end_ns - arrow.begin_ns for arrow in arrows if arrow.end_ns is not None]
    return sum(delays_ns) // len(delays_ns) if delays_ns else SECOND_NS


def _arrows(journal: Journal, begin_ns: int, end_ns: int) -> list[_Arrow]:
    fates: dict[int, list[Event]] = {}
    """Number of a sending -> what became of its copies; what stays inside a site has none."""
    sent: list[Event] = []
    sent_by_delivery: dict[int, int] = {}
    for event in journal.select("sent", "delivered", "lost"):
        if event.kind == "sent":
            fates[event.number] = []
            if begin_ns <= event.time_ns <= end_ns:
                sent.append(event)
        elif event.cause in fates:
            fates[event.cause].append(event)
            if event.kind == "delivered":
                sent_by_delivery[event.number] = event.cause
        elif event.kind == "lost" and event.cause in sent_by_delivery:
            # it arrived, and found no place in the mailbox
            copies = fates[sent_by_delivery[event.cause]]
            copies[[fate.number for fate in copies].index(event.cause)] = event
    return [arrow for event in sent for arrow in _copies(event, fates[event.number])]


def _copies(event: Event, fates: list[Event]) -> list[_Arrow]:
    to, label = str(event.detail["to"]), f"{event.detail['message']} {event.subject}".strip()
    again = int(str(event.detail["attempt"])) > 0
    return [
        _Arrow(
            event.actor,
            to,
            label,
            event.time_ns,
            fate.time_ns if fate.kind == "delivered" else None,
            fate.time_ns,
            place > 0,
            again,
        )
        for place, fate in enumerate(fates)
    ]


def _events(
    journal: Journal, marks: Iterable[str], actors: list[str], begin_ns: int, end_ns: int
) -> list[Event]:
    kinds = ("crashed", "restarted", *marks)
    return [
        event
        for event in journal.select(*kinds)
        if event.actor in actors and begin_ns <= event.time_ns <= end_ns
    ]


class _Drawing:
    """Puts arrows and marks onto axes.

    Args:
        ax: The axes.
        places: Actor -> x.
        scale: Where moments are.
        usual_ns: How long messages take on average.
    """

    def __init__(
        self, ax: "Axes", places: dict[str, float], scale: "_Even | _True", usual_ns: int
    ) -> None:
        self._ax = ax
        self._places = places
        self._y = scale.y
        self._usual_ns = usual_ns

    def draw(
        self,
        arrows: list[_Arrow],
        events: list[Event],
        online: dict[str, list[tuple[int, int]]],
        span: tuple[int, int],
    ) -> None:
        """Draw everything."""
        ax = self._ax
        begin_ns, end_ns = span
        top, bottom = self._y(begin_ns), self._y(end_ns)
        for name, x in self._places.items():
            self._line(x, online.get(name), begin_ns, end_ns)
            ax.annotate(
                name,
                (x, top),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize=10,
                bbox={"boxstyle": "round,pad=0.3", "fc": "#eeeeee", "ec": "#444444"},
            )
        self._life(events, end_ns)
        for arrow in arrows:
            self._arrow(arrow)
        ax.set_xlim(-0.5, len(self._places) - 0.3)
        ax.set_ylim(bottom + (bottom - top) * 0.04, top - (bottom - top) * 0.02)
        ax.set_xticks([])
        for side in ("top", "right", "bottom"):
            ax.spines[side].set_visible(False)

    def _line(self, x: float, online: list[tuple[int, int]] | None, begin: int, end: int) -> None:
        """Draw a life line: dotted while its owner is on no line."""
        style = "-" if online is None else (0, (1, 3))
        y = [self._y(begin), self._y(end)]
        self._ax.plot([x, x], y, color=LIFE, lw=1.5, ls=style, zorder=1)
        for since_ns, until_ns in online or ():
            shown = max(since_ns, begin), min(until_ns, end)
            if shown[0] < shown[1]:
                y = [self._y(moment) for moment in shown]
                self._ax.plot([x, x], y, color=LIFE, lw=2.5, zorder=1)

    def _life(self, events: list[Event], end_ns: int) -> None:
        """Mark what happened to and at the actors."""
        down: dict[str, int] = {}
        for event in events:
            x, y = self._places[event.actor], self._y(event.time_ns)
            if event.kind == "crashed":
                down[event.actor] = event.time_ns
                self._ax.plot([x], [y], "x", color=LOST, ms=9, mew=2.5, zorder=4)
            elif event.kind == "restarted":
                self._grey(x, down.pop(event.actor, event.time_ns), event.time_ns)
            else:
                what = str(event.detail.get("what", event.kind))
                self._ax.plot([x], [y], "o", color=GREEN, ms=6, zorder=4)
                self._ax.annotate(
                    f"{what}: {event.subject}",
                    (x, y),
                    xytext=(7, -3),
                    textcoords="offset points",
                    fontsize=8,
                    color="#00664b",
                )
        for actor, since_ns in down.items():
            self._grey(self._places[actor], since_ns, end_ns)

    def _grey(self, x: float, since_ns: int, until_ns: int) -> None:
        span = [self._y(since_ns), self._y(until_ns)]
        self._ax.plot([x, x], span, color=DOWN, lw=6, zorder=2, solid_capstyle="butt")

    def _arrow(self, arrow: _Arrow) -> None:
        x, y = self._places[arrow.source], self._y(arrow.begin_ns)
        to_x = self._places[arrow.target]
        to_y = self._y(arrow.seen_until_ns(self._usual_ns))
        is_partial = arrow.end_ns is None
        if is_partial:
            to_x = x + LOST_SHARE * (to_x - x)
            self._ax.plot([to_x], [to_y], "x", color=LOST, ms=8, mew=2, zorder=4)
        colour = AGAIN if arrow.is_repetition else ON_TIME
        self._ax.annotate(
            "",
            (to_x, to_y),
            xytext=(x, y),
            arrowprops={
                "arrowstyle": "-" if is_partial else "-|>",
                "color": colour,
                "linestyle": "--" if arrow.is_copy else "-",
                "lw": 1.4,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        share = 0.7 if arrow.is_copy else 0.35
        self._ax.annotate(
            arrow.label,
            (x + share * (to_x - x), y + share * (to_y - y)),
            xytext=(0, 1),
            textcoords="offset points",
            fontsize=7.5,
            color=colour,
            zorder=5,  # above the arrows of later messages
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none"},
        )
