"""How is a hunt told?"""

from typing import TYPE_CHECKING

from crmsim.hunt.hunting import HuntedRun, interval

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["hunt_as_json", "show_finding", "show_hunt"]


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


def hunt_as_json(runs: list[HuntedRun], wall_s: float) -> dict[str, object]:
    """Return a hunt as plain values for `--json`; field names are a contract."""
    return {
        "runs": len(runs),
        "events": sum(run.events for run in runs),
        "wall_s": wall_s,
        "findings": [
            {
                "seed": run.seed,
                "check": finding.check,
                "text": finding.text,
                "deviations": len(run.catches),
            }
            for run in runs
            for finding in run.findings
        ],
        "faults": {str(row["family"]): row for row in families(runs)},
        "idle": [
            {"seed": run.seed, "what": catch.what}
            for run in runs
            for catch in run.catches
            if not catch.touched
        ],
    }
