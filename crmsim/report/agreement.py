"""How is it told whether the simulator agrees with what is known?"""

from rich.console import Console
from rich.text import Text

from crmsim.truths.case import Agreement, Case

__all__ = ["show_case", "show_sum"]


def show_case(console: Console, case: Case, agreements: list[Agreement]) -> None:
    """Print a case with its source, and each of its figures."""
    first = agreements[0]
    console.print(
        Text(case.name, style="bold")
        + Text(f"  ({case.source})", style="dim")
        + Text(
            f"  {first.replications} x {first.size:,}, {first.events:,} events, "
            f"{first.fingerprint}",
            style="dim",
        ),
        soft_wrap=True,
    )
    for figure, one in zip(case.figures, agreements, strict=True):
        mark, style = ("agrees", "green") if one.held else ("DIFFERS", "bold red")
        interval = "exactly" if figure.exact else f"{_number(one.low)} to {_number(one.high)}"
        console.print(
            Text(f"  {mark:<8}", style=style)
            + Text(
                f"{figure.meaning:<52} expected {_number(one.expected):>10}, "
                f"measured {_number(one.measured):>10} ({interval})"
            ),
            soft_wrap=True,
        )


def show_sum(console: Console, agreements: list[Agreement]) -> None:
    """Print how many figures agree."""
    held = sum(one.held for one in agreements)
    style = "green" if held == len(agreements) else "bold red"
    told = f"{len(agreements)} figures: {held} agree, {len(agreements) - held} differ"
    console.print(Text(told, style=style))


def _number(value: float) -> str:
    return f"{value:.5g}"
