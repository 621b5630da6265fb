"""What does `crmsim report` do?"""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crmsim import __version__
from crmsim.cli.output import HELD, console, must_be_writable, run_named, show_option
from crmsim.errors import BadInput
from crmsim.trace.kinds import Level

if TYPE_CHECKING:
    from crmsim.lab.scenario import Result, Scenario
    from crmsim.study.study import StudyResult

__all__ = ["report"]


@click.command()
@click.argument("source", metavar="STORE|RUN")
@click.option(
    "--format",
    "form",
    type=click.Choice(("html", "text", "csv")),
    default="html",
    help="A page for a browser, a text, or a table with a line for each run (default: html).",
)
@click.option("-o", "--output", metavar="FILE", help="Where it is written (default: report.html).")
@show_option
def report(source: str, form: str, output: str | None, show: str | None) -> int:
    """Make a page of a study, or of one run.

    STORE is the file of a study. RUN is a folder written by `crmsim run --save`, or one run of a
    study: STORE#CELL,REPLICATION. A run is run again for its page, with every message written down;
    the same seed gives the same history.
    """
    must_be_writable(output, "-o", device=form != "html")
    name, mark, which = source.partition("#")
    if mark or Path(source).is_dir():
        if form != "html":
            raise BadInput(f"--format {form}: goes with a study; a run is told by crmsim run")
        _write_page(_page_of_run(name, which), output)
        return HELD
    return _report_study(Path(name), form, output, show)


def _write_page(page: str, output: str | None) -> None:
    from crmsim.report.look import save_text

    path = Path(output or "report.html")
    save_text(page, path)
    click.echo(f"written to {path}")


def _page_of_run(source: str, which: str) -> str:
    from crmsim.report.page.page import run_page

    scenario, result = _run_of_study(source, which) if which else _saved_run(source)
    return run_page(result, scenario.doc, __version__)


def _saved_run(folder: str) -> "tuple[Scenario, Result]":
    from crmsim.lab.runs import load_scenario, read_run, scenario_changed

    saved = read_run(Path(folder))
    if scenario_changed(saved):
        raise BadInput(
            f"{folder}: {saved.scenario} has changed since; its history cannot be had again"
        )
    scenario = load_scenario(saved.scenario)
    return scenario, run_named(scenario, saved.settings, saved.seed, Level.MESSAGES)


def _run_of_study(source: str, which: str) -> "tuple[Scenario, Result]":
    from crmsim.lab.runs import load_scenario
    from crmsim.study.study import read_study

    study = read_study(Path(source))
    for cell in study.cells:
        for row in cell.rows:
            if which == f"{cell.number},{row.replication}":
                if not study.origin.path:
                    raise BadInput(f"{source}: its scenario stands in no file; run it again there")
                scenario = load_scenario(study.origin.path)
                return scenario, run_named(scenario, cell.settings, row.seed, Level.MESSAGES)
    cells = ", ".join(str(cell.number) for cell in study.cells)
    raise BadInput(
        f"{source}#{which}: no such run; write #CELL,REPLICATION, such as #1,1 (cells: {cells})"
    )


def _report_study(path: Path, form: str, output: str | None, show: str | None) -> int:
    from crmsim.report.page.page import study_page
    from crmsim.report.study import show_study
    from crmsim.study.study import chosen_metrics, read_study

    study = read_study(path)
    metrics = study.telling() if show is None else chosen_metrics(show, study.metrics)
    if form == "html":
        _write_page(study_page(study, metrics), output)
    elif form == "csv":
        _write_text(_as_csv(study), output)
    elif output is None:
        show_study(console(), study, metrics)
    else:
        from rich.console import Console

        told = io.StringIO()
        show_study(Console(file=told, width=160), study, metrics)
        _write_text(told.getvalue(), output)
    return HELD


def _write_text(text: str, output: str | None) -> None:
    from crmsim.report.look import save_text

    if output is None or output == "-":
        click.echo(text, nl=False)
    else:
        save_text(text, Path(output))


def _as_csv(study: "StudyResult") -> str:
    """Return a line for each run: its cell, its settings, whether it held, what was measured."""
    told = io.StringIO()
    names = list(study.varied)
    table = csv.writer(told, lineterminator="\n")
    table.writerow(["cell", *names, "replication", "seed", "held", *study.metrics])
    for cell in study.cells:
        for row, numbers in zip(cell.rows, cell.numbers, strict=True):
            texts = [study.text(cell, name) for name in names]
            values = [numbers.get(metric) for metric in study.metrics]
            table.writerow([cell.number, *texts, row.replication, row.seed, int(row.held), *values])
    return told.getvalue()
