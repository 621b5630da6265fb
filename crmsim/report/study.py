"""How are a study and a comparison told on a terminal?"""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crmsim.report.text import is_in_seconds
from crmsim.study.estimates import Estimate, PairedEstimate
from crmsim.study.paired import Comparison, is_shown
from crmsim.study.study import StudyResult
from crmsim.trace.kinds import Level
from crmsim.units import seconds, show_duration

__all__ = [
    "command_of",
    "comparison_as_json",
    "show_comparison",
    "show_estimate",
    "show_study",
    "show_value",
    "study_as_json",
    "study_command",
]

FINDINGS_SHOWN = 5


def show_value(metric: str, value: float | None) -> str:
    """Return a number of a metric: a span of time with its unit, anything else as it is."""
    if value is None:
        return "-"
    if is_in_seconds(metric):
        sign = "-" if value < 0 else ""
        return f"{sign}{show_duration(seconds(abs(value)))}"
    is_whole = value == round(value) and abs(value) >= 1
    return f"{value:,.0f}" if is_whole or abs(value) >= 1_000 else f"{value:,.4g}"


def show_estimate(metric: str, found: Estimate, runs: int | None = None) -> str:
    """Return a mean with its interval, such as ``5.53h ± 12min``.

    With the number of `runs`, it is said how many of them gave a number, unless all did.

    >>> show_estimate("lag_s_max", Estimate(2, 60.0, 6.0), 3)
    '1min ± 6s (2 of 3)'
    """
    told = show_value(metric, found.mean)
    if found.half_width:
        told += f" ± {show_value(metric, found.half_width)}"
    if runs is not None and 0 < found.count < runs:
        told += f" ({found.count} of {runs})"
    return told


def show_study(console: Console, study: StudyResult, metrics: Sequence[str]) -> None:
    """Print a study: a line for each cell with its means, and what did not hold."""
    runs = sum(len(cell.rows) for cell in study.cells)
    _line(console, f"{study.origin.scenario}: {study.origin.question}", "bold")
    _line(console, f"  {len(study.cells)} cells, {runs:,} runs; mean ± half of the 95 % interval")
    table = Table(box=None, pad_edge=False, header_style="dim")
    names = study.varied
    has_censored = any(cell.censored for cell in study.cells)
    heads = "cell", *names, "held", *metrics, *["not ended"] * has_censored
    for head in heads:
        table.add_column(Text(head), justify="right", overflow="fold")
    for cell in study.cells:
        runs = len(cell.rows)
        told = [show_estimate(metric, cell.estimate(metric), runs) for metric in metrics]
        more = [f"{cell.censored:,}"] * has_censored
        texts = [study.text(cell, name) for name in names]
        row = str(cell.number), *texts, f"{cell.held}/{runs}", *told, *more
        table.add_row(*map(Text, row))
    console.print(table)
    if any(
        cell.estimate(metric).count < len(cell.rows) for cell in study.cells for metric in metrics
    ):
        _line(console, "  (8 of 10): in the other runs there was nothing to measure.")
    if has_censored:
        _line(console, "  What had not ended when its run did is in no mean and no quantile.")
    _show_findings(console, study)


def _show_findings(console: Console, study: StudyResult) -> None:
    bad = [(cell, row) for cell in study.cells for row in cell.rows if not row.held]
    if not bad:
        return
    _line(console, f"\n{len(bad)} runs did not hold:", "bold red")
    for cell, row in bad[:FINDINGS_SHOWN]:
        first = row.findings[0] if row.findings else "it did not hold"
        _line(console, f"  {study.label(cell)}, seed {row.seed}: {first}", "red")
        if study.origin.path:
            _line(console, f"    {command_of(study, cell.settings, row.seed)}", "dim")
    if len(bad) > FINDINGS_SHOWN:
        _line(console, f"  ... and {len(bad) - FINDINGS_SHOWN} more", "dim")


def command_of(study: StudyResult, settings: Mapping[str, str], seed: int) -> str:
    """Return the command that repeats one run of a study."""
    words = ["crmsim", "run", study.origin.path, "--seed", str(seed)]
    for name, text in settings.items():
        words += ["--set", f"{name}={text}"]
    if study.origin.level != Level.BUSINESS.name.lower():
        words += ["--trace", study.origin.level]
    return shlex.join(words)


def study_command(study: StudyResult) -> str:
    """Return the command that repeats a study, or goes on with it; empty without a file."""
    if not study.origin.path:
        return ""
    words = ["crmsim", "study", study.origin.path]
    for name in study.varied:
        texts = dict.fromkeys(study.text(cell, name) for cell in study.cells)
        words += ["--vary", f"{name}={','.join(texts)}"]
    fixed = study.cells[0].settings if study.cells else {}
    for name, text in fixed.items():
        words += [] if name in study.varied else ["--set", f"{name}={text}"]
    words += ["--repeat", str(max((len(cell.rows) for cell in study.cells), default=1))]
    if study.origin.first_seed != "1":
        words += ["--first-seed", study.origin.first_seed]
    if study.origin.warm_up != "0s":
        words += ["--warm-up", study.origin.warm_up]
    if study.origin.level != Level.BUSINESS.name.lower():
        words += ["--trace", study.origin.level]
    return shlex.join(words)


def show_comparison(console: Console, found: Comparison, metrics: Iterable[str]) -> None:
    """Print two policies side by side, with the difference pair by pair."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", overflow="fold")
    heads = found.first, found.second, "difference (paired, 95 %)", "pairs", "variance reduction"
    for head in heads:
        table.add_column(Text(head), justify="right", overflow="fold")
    held = [f"{count} of {runs}" for count, runs in found.held]
    table.add_row("runs that held", *held)
    if any(found.censored):
        table.add_row("not ended", *(f"{count:,}" for count in found.censored))
    for metric in metrics:
        one = found.metrics[metric]
        means = (show_value(metric, each.mean) for each in (one.first, one.second))
        told = Text(show_difference_of(metric, one), style="bold" if is_shown(one) else "dim")
        reduction = one.variance_reduction
        less = "-" if reduction is None else f"{reduction:,.1f} times"
        name = Text(metric)
        table.add_row(name, *means, told, str(one.difference.count), less)
    console.print(table)
    _line(
        console,
        "  Both met the same luck. Variance reduction 7.2: without that, 7 times as many runs "
        "would be needed; 1: nothing is gained.",
        "dim",
    )


def show_difference_of(metric: str, one: PairedEstimate) -> str:
    """Return a difference with its interval, such as ``+3.7min [+3.1min, +4.3min]``."""
    found = one.difference
    if found.mean == 0 and not found.half_width:
        return "none"
    mean = _signed(metric, found.mean)
    if found.half_width is None:
        return mean
    return f"{mean} [{_signed(metric, found.low)}, {_signed(metric, found.high)}]"


def _signed(metric: str, value: float | None) -> str:
    plus = "+" if value is not None and value > 0 else ""
    return f"{plus}{show_value(metric, value)}"


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def _estimate_as_json(found: Estimate) -> dict[str, float | int | None]:
    return {
        "count": found.count,
        "mean": found.mean,
        "half_width": found.half_width,
        "low": found.low,
        "high": found.high,
    }


def study_as_json(study: StudyResult) -> dict[str, object]:
    """Return a study as plain values for `--json`."""
    return {
        "scenario": study.origin.scenario,
        "question": study.origin.question,
        "version": study.origin.version,
        "varied": study.varied,
        "held": study.held,
        "cells": [
            {
                "cell": cell.number,
                "settings": dict(cell.settings),
                "runs": len(cell.rows),
                "held": cell.held,
                "censored": cell.censored,
                "metrics": {name: _estimate_as_json(cell.estimate(name)) for name in study.metrics},
            }
            for cell in study.cells
        ],
    }


def comparison_as_json(found: Comparison) -> dict[str, object]:
    """Return a comparison as plain values for `--json`."""
    return {
        "first": found.first,
        "second": found.second,
        "held": [list(one) for one in found.held],
        "censored": list(found.censored),
        "metrics": {
            name: {
                "first": _estimate_as_json(one.first),
                "second": _estimate_as_json(one.second),
                "difference": _estimate_as_json(one.difference),
                "variance_reduction": one.variance_reduction,
            }
            for name, one in found.metrics.items()
        },
    }
