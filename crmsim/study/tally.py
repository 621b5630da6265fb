"""With how many seeds does a world of one's own hold?

The question of a lesson or of an exercise: a rule that holds with one seed may break with the next.
"""

from collections.abc import Callable, Iterable

import attrs

from crmsim.checks.check import Check, Verdict, judge
from crmsim.kernel.simulation import Simulation

__all__ = ["Tally", "judge_seeds"]


@attrs.frozen(repr=False)
class Tally:
    """What a check said of many runs."""

    check: str
    runs: int
    failed: tuple[tuple[int, Verdict], ...]
    """(seed, verdict) of every run in which it was violated or had nothing to judge."""

    @property
    def held(self) -> bool:
        """Whether it held in every run."""
        return self.runs > 0 and not self.failed

    def __repr__(self) -> str:
        """Say it in a line or two."""
        if self.held:
            return f"held in all {self.runs} runs: {self.check}"
        seed, verdict = self.failed[0] if self.failed else (0, None)
        text = f"FAILED in {len(self.failed)} of {self.runs} runs: {self.check}"
        return text if verdict is None else f"{text}\n  first with seed {seed}: {verdict}"

    def _repr_html_(self) -> str:
        """Show it in a notebook, green or red."""
        import html

        colour = "#009e73" if self.held else "#d55e00"
        lines = "<br>".join(html.escape(line) for line in repr(self).splitlines())
        return f'<div style="border-left:6px solid {colour};padding:4px 10px">{lines}</div>'


def judge_seeds(
    build: Callable[[int], Simulation], check: Check, seeds: Iterable[int] = range(1, 101)
) -> Tally:
    """Build and run a world with every seed, and judge each run.

    Args:
        build: Takes a seed, returns a simulation that has not run yet.
        check: What is judged.
        seeds: Which seeds.
    """
    failed = []
    runs = 0
    for seed in seeds:
        world = build(seed)
        world.run()
        verdict = judge(world, check)
        runs += 1
        if not verdict.held:
            failed.append((seed, verdict))
    return Tally(check.name, runs, tuple(failed))
