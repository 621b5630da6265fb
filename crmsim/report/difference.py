"""How is it told where two histories part?"""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from crmsim.trace.journal import Draw, Event, show_event
from crmsim.trace.record import Difference, Recording
from crmsim.units import show_moment

__all__ = ["show_difference", "show_metrics_apart", "show_same"]

CAUSES_SHOWN = 6
SUBJECTS_SHOWN = 8
Titled = tuple[str, Recording]


def show_same(console: Console, recording: Recording) -> None:
    """Say that two histories are the same."""
    events, draws = len(recording.events), len(recording.draws)
    console.print(f"same history: {events:,} events, {draws:,} draws", highlight=False)


def show_difference(console: Console, ours: Titled, theirs: Titled, found: Difference) -> None:
    """Print the first event and the first draw that differ, and how far the difference reaches."""
    _line(console, "first event that differs", "bold")
    if found.event_index is None:
        _line(console, "  none: every event is the same, only draws differ")
    else:
        _line(console, f"  {found.event_index:,} events before it are the same")
        for title, recording in (ours, theirs):
            _show_event_of(console, title, recording, found.event_index)
    _show_draws(console, ours, theirs, found)
    _line(console, "how far it reaches", "bold")
    for (title, _), events, draws in zip(
        (ours, theirs), found.events_apart, found.draws_apart, strict=True
    ):
        _line(console, f"  only in {title}: {events:,} events, {draws:,} draws")
    shown = ", ".join(found.subjects[:SUBJECTS_SHOWN])
    more = len(found.subjects) - SUBJECTS_SHOWN
    tail = f" and {more:,} more" if more > 0 else ""
    _line(console, f"  what they are about: {shown}{tail}")


def _show_event_of(console: Console, title: str, recording: Recording, index: int) -> None:
    _line(console, f"  {title}:", "cyan")
    if index >= len(recording.events):
        _line(console, "    nothing more")
        return
    chain = recording.causes(recording.events[index])
    if len(chain) > CAUSES_SHOWN:
        _line(console, f"    ... {len(chain) - CAUSES_SHOWN} earlier causes", "dim")
    for event in chain[-CAUSES_SHOWN:-1]:
        _line(console, f"    {show_event(event)}", "dim")
    _line(console, f"  > {show_event(chain[-1])}")


def _show_draws(console: Console, ours: Titled, theirs: Titled, found: Difference) -> None:
    _line(console, "first draw that differs", "bold")
    if found.draw_index is None:
        _line(console, f"  none: all {len(ours[1].draws):,} draws are the same")
        return
    _line(console, f"  {found.draw_index:,} draws before it are the same")
    for title, recording in (ours, theirs):
        draws = recording.draws
        drawn = draws[found.draw_index] if found.draw_index < len(draws) else None
        _line(console, f"  {title}: {_draw(drawn, recording.events)}")


def _draw(draw: Draw | None, events: Sequence[Event]) -> str:
    if draw is None:
        return "nothing more"
    told = f"{draw.purpose} of {draw.component}" if draw.component else draw.purpose
    after = f", after event {draw.after}" if draw.after else ""
    if 0 < draw.after <= len(events):
        after = f", after event #{draw.after} ({events[draw.after - 1].kind})"
    tried = f", attempt {draw.attempt}" if draw.attempt else ""
    return f"{told}{tried} at {show_moment(draw.time_ns)}{after}"


def show_metrics_apart(
    console: Console,
    titles: Sequence[str],
    ours: Mapping[str, object],
    theirs: Mapping[str, object],
) -> None:
    """Print the metrics that differ, side by side."""
    both = dict.fromkeys([*ours, *theirs])
    names = [name for name in both if _value(ours.get(name)) != _value(theirs.get(name))]
    if not names:
        _line(console, "no metric differs", "bold")
        return
    _line(console, f"metrics that differ ({titles[0]} | {titles[1]})", "bold")
    for name in names:
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            for part in dict.fromkeys([*one, *other]):
                if one.get(part) != other.get(part):
                    _show_pair(console, f"{name}[{part}]", one.get(part), other.get(part))
        else:
            _show_pair(console, name, one, other)


def _show_pair(console: Console, name: str, one: object, other: object) -> None:
    _line(console, f"  {name:<44} {_value(one):>18} | {_value(other)}")


def _value(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
