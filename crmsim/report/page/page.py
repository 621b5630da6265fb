"""How is a page put together?

One HTML file that needs no network: pictures are SVG in the page, events are data in it, and a
little script draws them. Every text is escaped where it is put in.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from crmsim.checks.check import Outcome, Verdict
from crmsim.errors import BadValue
from crmsim.lab.scenario import Result
from crmsim.lab.settings import describe, settings_as_text
from crmsim.report.curves import differences_height_inches, draw_differences, draw_study
from crmsim.report.distribution import draw_times, sync_lags
from crmsim.report.look import as_svg
from crmsim.report.page.events import events_as_json
from crmsim.report.study import command_of, show_estimate, show_value, study_command
from crmsim.report.text import named_metric
from crmsim.report.timeline import draw_timeline
from crmsim.report.topology import topology_svg
from crmsim.study.study import StudyResult
from crmsim.trace.kinds import DELIVERED, ENQUEUED
from crmsim.units import show_duration

if TYPE_CHECKING:
    from jinja2 import Environment, Template

__all__ = ["metric_rows", "run_page", "study_page", "template"]

EVIDENCE_SHOWN = 3
STUDY_CURVES = 4
"""How many metrics of a study are drawn."""


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined)


def _text(name: str) -> str:
    """Return a file that stands beside this one."""
    return (files("crmsim.report.page") / name).read_text(encoding="utf-8")


def template(name: str) -> "Template":
    """Return a template that stands beside this file."""
    return _environment().get_template(name)


def run_page(result: Result, doc: str, version: str) -> str:
    """Return the page of a run.

    Args:
        result: The run.
        doc: What the scenario says of itself: its question, then the rest.
        version: Of crmsim.
    """
    question, _, rest = doc.strip().partition("\n")
    data = None
    if result.journal.keeps(DELIVERED):
        data = json.dumps(events_as_json(result), separators=(",", ":"))
    return template("run.html").render(
        title=f"{result.scenario}, seed {result.seed}",
        question=question,
        doc=rest.strip(),
        result=result,
        virtual=show_duration(result.simulation.now_ns),
        version=version,
        settings=_settings(result.settings),
        metrics=metric_rows(result.metrics),
        tables=[
            (named_metric(name), metric_rows(value, name))
            for name, value in result.metrics.items()
            if isinstance(value, Mapping) and value
        ],
        faults=[(one.name, one.touched) for one in result.simulation.fabric.faults],
        pictures=_pictures(result),
        checks=[
            _judged_row(check.name, verdict, check.explanation, ", ".join(check.invariants))
            for check, verdict in result.verdicts
        ],
        expectations=[
            _judged_row(one.sentence, verdict, "", one.family)
            for one, verdict in result.expectations
        ],
        findings=_findings(result),
        style=_text("page.css"),
        script=_text("sequence.js"),
        data=None if data is None else _safe(data),
    )


def _safe(data: str) -> str:
    """Return JSON that can stand in a page: nothing in it can end the script element."""
    return data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _settings(settings: Any) -> list[dict[str, Any]]:
    changed = settings_as_text(settings)
    return [
        {
            "name": name,
            "value": changed.get(name) or default,
            "set": name in changed,
            "meaning": meaning,
        }
        for name, default, _, meaning in describe(type(settings))
    ]


def metric_rows(metrics: Mapping[str, Any], table: str = "") -> list[tuple[str, str]]:
    """Return (name, value) of metrics; tables within them are shown apart.

    Args:
        metrics: What was measured.
        table: The name of the table that they are the parts of.
    """
    return [
        (str(name) if table else named_metric(name), _metric(table or name, value))
        for name, value in metrics.items()
        if table or not isinstance(value, Mapping)
    ]


def _metric(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{part}: {_metric(name, inner)}" for part, inner in value.items())
    if isinstance(value, int | float) or value is None:
        return show_value(name, value)
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _pictures(result: Result) -> list[tuple[str, str]]:
    """Return (caption, SVG) of what can be drawn of a run."""
    found = [("The landscape: its sites and lines", topology_svg(result.simulation.topology))]
    if result.journal.keeps(ENQUEUED) and result.simulation.now_ns:
        svg = as_svg(lambda ax: draw_timeline(result.simulation, ax), 10, 4)
        found.append(("What waited where, and what was out of order meanwhile", svg))
    times = sync_lags(result.journal)
    if times.ended_s:
        try:
            svg = as_svg(lambda ax: draw_times({"orders": times}, ax), 8, 4)
        except BadValue:
            return found  # all of them took no time at all
        found.append(("How long orders took from the laptop to the ERP", svg))
    return found


def _judged_row(name: str, verdict: Verdict, explanation: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "outcome": verdict.outcome.value,
        "judged": verdict.judged,
        "explanation": explanation,
        "invariants": kind,
    }


def _findings(result: Result) -> list[dict[str, Any]]:
    """Return what did not hold: each rule with how often, and the first events that show it."""
    judged = [(check.name, verdict) for check, verdict in result.verdicts]
    judged += [(f"expected: {one.sentence}", verdict) for one, verdict in result.expectations]
    rows: list[dict[str, Any]] = [
        {"name": name, "times": verdict.violations, "evidence": verdict.evidence[:EVIDENCE_SHOWN]}
        for name, verdict in judged
        if verdict.outcome is Outcome.VIOLATED
    ]
    rows += [{"name": told, "times": 1, "evidence": ()} for told in result.troubles]
    return rows


def study_page(study: StudyResult, metrics: Sequence[str]) -> str:
    """Return the page of a study.

    Args:
        study: What was found.
        metrics: Which metrics are in its table; the first ones are drawn as well.
    """
    rows = [
        {
            "number": cell.number,
            "settings": [study.text(cell, name) for name in study.varied],
            "held": f"{cell.held}/{len(cell.rows)}",
            "is_bad": cell.held < len(cell.rows),
            "estimates": [
                show_estimate(metric, cell.estimate(metric), len(cell.rows)) for metric in metrics
            ],
            "censored": cell.censored,
        }
        for cell in study.cells
    ]
    bad = [
        {
            "label": study.label(cell),
            "seed": row.seed,
            "text": row.findings[0] if row.findings else "it did not hold",
            "command": command_of(study, cell.settings, row.seed),
        }
        for cell in study.cells
        for row in cell.rows
        if not row.held
    ]
    return template("study.html").render(
        title=f"study of {study.origin.scenario}",
        study=study,
        runs=sum(len(cell.rows) for cell in study.cells),
        varied=study.varied,
        metrics=[named_metric(metric) for metric in metrics],
        rows=rows,
        bad=bad,
        pictures=_study_pictures(study, metrics[:STUDY_CURVES]),
        fixed=_fixed(study),
        has_censored=any(cell.censored for cell in study.cells),
        command=study_command(study),
        style=_text("page.css"),
    )


def _study_pictures(study: StudyResult, metrics: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not study.varied:
        return found
    height = differences_height_inches(study)
    for metric in metrics:
        name = named_metric(metric)
        # bound now: a lambda in a loop would see the last metric
        curve = as_svg(lambda ax, m=metric: draw_study(study, m, ax), 7, 4)  # type: ignore[misc]
        apart = as_svg(
            lambda ax, m=metric: draw_differences(study, m, ax),  # type: ignore[misc]
            7,
            height,
        )
        found += [(f"{name}, with 95 % intervals", curve)]
        found += [(f"{name}: differences to the first cell, met by the same luck", apart)]
    return found


def _fixed(study: StudyResult) -> dict[str, str]:
    """Return the settings that are the same in all cells."""
    known = dict(study.defaults)
    for cell in study.cells:
        known |= {name: text for name, text in cell.settings.items() if name not in study.varied}
    return {name: text for name, text in known.items() if name not in study.varied}
