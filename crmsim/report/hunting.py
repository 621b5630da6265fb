"""How is a hunt told?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from crmsim.hunt.corpus import Found, Replayed
from crmsim.hunt.finding import Finding
from crmsim.hunt.hunting import HuntedRun, interval

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["hunt_as_json", "show_finding", "show_found", "show_hunt"]


def show_finding(console: "Console", run: HuntedRun, command: str) -> None:
    """Tell of a run that did not hold, when it is found."""
    for finding in run.findings[:3]:
        text = f"seed {run.seed}: {finding.check}: {finding.text}"
        console.print(text, soft_wrap=True, markup=False)
    console.print(f"    {command}", soft_wrap=True, markup=False)


def families(runs: list[HuntedRun]) -> list[dict[str, object]]:
    """Return a row per family of trouble: how often runs failed with it and without it."""
    names = list(dict.fromkeys(name for run in runs for name in run.families))
    rows: list[dict[str, object]] = []
    for name in sorted(names):
        row: dict[str, object] = {"family": name}
        for title, wanted in (("with", True), ("without", False)):
            some = [run for run in runs if (name in run.families) is wanted]
            failed = sum(bool(run.findings) for run in some)
            low, high = interval(failed, len(some))
            row[title] = {"runs": len(some), "failed": failed, "low": low, "high": high}
        catches = [one for run in runs for one in run.catches if one.family == name]
        row["deviations"] = len(catches)
        row["bit"] = sum(one.touched > 0 for one in catches)
        rows.append(row)
    return rows


def checks(runs: list[HuntedRun]) -> dict[str, list[int]]:
    """Return check -> the seeds with which it did not hold."""
    found: dict[str, list[int]] = {}
    for run in runs:
        for name in dict.fromkeys(finding.check for finding in run.findings):
            found.setdefault(name, []).append(run.seed)
    return found


def show_hunt(console: "Console", runs: list[HuntedRun], wall_s: float) -> None:
    """Sum a hunt up."""
    failed = sum(bool(run.findings) for run in runs)
    events = sum(run.events for run in runs)
    console.print(
        f"{len(runs):,} runs, {events:,} events, {failed:,} with findings; "
        f"{len(runs) / max(wall_s, 1e-9):.1f} runs a second",
        markup=False,
    )
    for name, seeds in checks(runs).items():
        some = ", ".join(map(str, seeds[:8])) + (" ..." if len(seeds) > 8 else "")
        console.print(f"  {len(seeds):>6,} x {name} (seeds {some})", soft_wrap=True, markup=False)
    rows = families(runs)
    if not rows:
        console.print("  no trouble at all", markup=False)
        return
    console.print("\n  trouble           failed with it      failed without it   did something")
    for row in rows:
        told = f"  {row['family']!s:<12}"
        for title in ("with", "without"):
            told += _rate(row[title])
        console.print(f"{told}  {row['bit']} of {row['deviations']}", markup=False)


def _rate(cell: object) -> str:
    assert isinstance(cell, dict)
    share = cell["failed"] / cell["runs"] if cell["runs"] else 0.0
    return f"  {share:>5.1%} [{cell['low']:>5.1%}, {cell['high']:>5.1%}]"


def show_found(console: "Console", found: Found, path: Path | None) -> None:
    """Tell what a finding was cut down to."""
    console.print(f"\n{found.check}: {found.text}", soft_wrap=True, markup=False)
    if found.why_not:
        console.print(f"  no script: {found.why_not}", soft_wrap=True, markup=False)
    if not found.runs:
        return
    size = f"laptops: {found.clients}, orders: {found.orders}, and"
    size = "" if found.clients is None else size
    console.print(f"  cut down in {found.runs} runs to {size}", markup=False)
    for deviation in found.deviations:
        console.print(f"  - {deviation}", soft_wrap=True, markup=False)
    is_shown = (
        "without any one of these, this does not happen" if found.is_minimal else "not yet minimal"
    )
    console.print(f"  ({is_shown if found.deviations else 'no trouble at all'})", markup=False)
    for line in found.tale:
        console.print(f"    {line}", soft_wrap=True, markup=False)
    if path is not None:
        console.print(f"  crmsim run {path}", soft_wrap=True, markup=False)


def _finding_as_json(
    runs: Sequence[HuntedRun],
    seed: int,
    finding: Finding,
    found: Found | None,
    files: Mapping[str, str],
) -> dict[str, object]:
    like = [run.seed for run in runs if any(one.is_like(finding) for one in run.findings)]
    catches = next(len(run.catches) for run in runs if run.seed == seed)
    row: dict[str, object] = {
        "check": finding.check,
        "text": finding.text,
        "seed": seed,
        "seeds": like,
        "deviations": catches,
        "clients": None,
        "orders": None,
        "minimal": False,
        "candidates": 0,
        "script": None,
        "why_not": "not asked for",
    }
    if found is not None:
        row["why_not"] = found.why_not or None
    if found is not None and found.runs:
        shown = next((one.text for one in found.also if one.is_like(finding)), found.text)
        row |= {
            "text": shown,
            "deviations": len(found.deviations),
            "clients": found.clients,
            "orders": found.orders,
            "minimal": found.is_minimal and found.check == finding.check,
            "candidates": found.runs,
            "script": files.get(found.name),
        }
    return row


def _shown_by(finding: Finding, seed: int, cut: Sequence[Found]) -> Found | None:
    """Return the small case that shows a finding, or why there is none."""
    return next(
        (
            found
            for found in cut
            if any(finding.is_like(other) for other in found.also)
            or (found.seed, found.check) == (seed, finding.check)
        ),
        None,
    )


def hunt_as_json(
    runs: list[HuntedRun],
    wall_s: float,
    different: Sequence[tuple[int, Finding]],
    cut: Sequence[Found],
    files: Mapping[str, str],
    replayed: Sequence[Replayed],
) -> dict[str, object]:
    """Return a hunt as plain values for `--json`; field names are a contract.

    Args:
        runs: The runs.
        wall_s: How long they took.
        different: (seed, finding) of each different finding.
        cut: What the first of them were cut down to.
        files: Name of a case -> its script.
        replayed: The cases of the corpus.
    """
    return {
        "runs": len(runs),
        "events": sum(run.events for run in runs),
        "wall_s": wall_s,
        "findings": [
            _finding_as_json(runs, seed, finding, _shown_by(finding, seed, cut), files)
            for seed, finding in different
        ],
        "corpus": [
            {
                "file": str(case.path),
                "held": not case.findings,
                "findings": [attrs.asdict(finding) for finding in case.findings],
            }
            for case in replayed
        ],
        "strategies": {
            "timed": {"runs": len(runs), "failed": sum(bool(run.findings) for run in runs)}
        },
        "faults": {str(row["family"]): row for row in families(runs)},
        "idle": [
            {"seed": run.seed, "what": catch.what}
            for run in runs
            for catch in run.catches
            if not catch.touched
        ],
    }
