"""How does a result look inside a notebook: a few lines, a table, a picture?"""

from collections.abc import Mapping, Sequence

from crmsim.checks.check import Outcome
from crmsim.lab.scenario import Result
from crmsim.report.curves import draw_study
from crmsim.report.look import as_svg
from crmsim.report.page.page import metric_rows, template
from crmsim.report.study import show_difference_of, show_estimate, show_value
from crmsim.report.text import named_metric
from crmsim.report.timeline import draw_timeline
from crmsim.study.paired import Comparison
from crmsim.study.study import StudyResult
from crmsim.trace.kinds import ENQUEUED
from crmsim.units import show_duration

__all__ = ["comparison_fragment", "result_fragment", "study_fragment"]

FINDINGS_SHOWN = 5
METRICS_SHOWN = 16


def _fragment(
    title: str,
    verdict: str,
    *,
    held: bool,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    findings: Sequence[str] = (),
    note: str = "",
    svg: str = "",
) -> str:
    told = {"title": title, "verdict": verdict, "held": held, "heads": heads, "rows": rows}
    return template("fragment.html").render(**told, findings=findings, note=note, svg=svg)


def result_fragment(result: Result) -> str:
    """Return a run: whether it held, what was measured, its time line."""
    outcomes = [verdict.outcome for _, verdict in (*result.verdicts, *result.expectations)]
    judged = sum(outcome is not Outcome.NOT_JUDGED for outcome in outcomes)
    verdict = f"held: {judged} rules were judged" if result.held else "it did not hold:"
    plain = {k: v for k, v in result.metrics.items() if not isinstance(v, Mapping)}
    rows = metric_rows(plain)
    note = f"{len(rows) - METRICS_SHOWN} more in .metrics" if len(rows) > METRICS_SHOWN else ""
    can_draw = result.journal.keeps(ENQUEUED) and result.simulation.now_ns > 0
    return _fragment(
        f"{result.scenario}, seed {result.seed}",
        f"{verdict} {show_duration(result.simulation.now_ns)} of virtual time, "
        f"{len(result.journal):,} events",
        held=result.held,
        heads=("", ""),
        rows=rows[:METRICS_SHOWN],
        findings=result.findings[:FINDINGS_SHOWN],
        note=note,
        svg=as_svg(lambda ax: draw_timeline(result.simulation, ax), 9, 3) if can_draw else "",
    )


def study_fragment(study: StudyResult) -> str:
    """Return a study: a line for each cell, and a curve of what says most."""
    metrics = study.telling(4)
    runs = sum(len(cell.rows) for cell in study.cells)
    bad = sum(len(cell.rows) - cell.held for cell in study.cells)
    svg = ""
    if metrics and study.varied:
        svg = as_svg(lambda ax: draw_study(study, metrics[-1], ax), 7, 3.5)
    return _fragment(
        study.origin.question or study.origin.scenario,
        f"{runs:,} runs, {'all held' if not bad else f'{bad:,} did not hold'}",
        held=study.held,
        heads=(*study.varied, "held", *map(named_metric, metrics), "not ended"),
        rows=[
            (
                *(study.text(cell, name) for name in study.varied),
                f"{cell.held}/{len(cell.rows)}",
                *(show_estimate(metric, cell.estimate(metric)) for metric in metrics),
                f"{cell.censored:,}",
            )
            for cell in study.cells
        ],
        note="mean ± half of the 95 % interval",
        svg=svg,
    )


def comparison_fragment(found: Comparison) -> str:
    """Return two policies side by side: what differs, with intervals."""
    rows = [
        (
            named_metric(metric),
            show_value(metric, one.first.mean),
            show_value(metric, one.second.mean),
            show_difference_of(metric, one),
            "-" if one.variance_reduction is None else f"{one.variance_reduction:,.1f} times",
        )
        for metric, one in found.differing.items()
    ]
    held = all(count == runs for count, runs in found.held)
    return _fragment(
        f"{found.first} or {found.second}?",
        "" if rows else "no difference is shown",
        held=held,
        heads=("", found.first, found.second, "difference (paired, 95 %)", "variance reduction"),
        rows=rows,
        note="both met the same luck",
    )
