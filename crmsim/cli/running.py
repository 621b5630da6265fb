"""What does `crmsim run` do?"""

import os
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from crmsim import __version__
from crmsim.cli.output import (
    FAILED,
    HELD,
    console,
    json_option,
    must_be_writable,
    progress,
    read_level,
    read_pairs,
    run_named,
    set_option,
    settings_option,
    trace_option,
    write,
)
from crmsim.errors import BadInput
from crmsim.trace.kinds import Level

__all__ = ["run"]


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--seed", type=click.IntRange(min=0), help="The seed of the run (default: 1).")
@click.option("--seeds", metavar="1-50", help="Run with many seeds and sum up.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes for --seeds.")
@set_option
@settings_option
@trace_option
@click.option("--save", metavar="DIR", help="Save the run, to be replayed later.")
@json_option
@click.option("--report", metavar="FILE.html", help="Write the run as a page, for a browser.")
@click.option(
    "--strict", is_flag=True, help="Fail also when a check or an expectation judged nothing."
)
def run(
    scenario_name: str,
    seed: int | None,
    seeds: str | None,
    jobs: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    trace: str | None,
    save: str | None,
    json_file: str | None,
    report: str | None,
    strict: bool,
) -> int:
    """Run a scenario and judge it.

    For a page (--report), every message is written down (--trace messages), unless --trace says
    otherwise.
    """
    if seed is not None and seeds is not None:
        raise BadInput("--seed and --seeds: name one of them")
    values = read_pairs(pairs, settings_file)
    must_be_writable(json_file, "--json")
    must_be_writable(save, "--save", folder=True)
    must_be_writable(report, "--report", device=False)
    level = read_level(trace, Level.BUSINESS if report is None else Level.MESSAGES)
    if seeds is not None:
        if save is not None or report is not None:
            option = "--save" if save is not None else "--report"
            raise BadInput(f"{option} goes with one seed; use --seed")
        return _run_many(scenario_name, seeds, jobs, values, level, json_file, strict)
    return _run_one(scenario_name, seed, values, level, save, json_file, report, strict)


def _run_one(
    scenario_name: str,
    seed: int | None,
    values: dict[str, Any],
    level: Level,
    save: str | None,
    json_file: str | None,
    report: str | None,
    strict: bool,
) -> int:
    from crmsim.lab.runs import load_scenario, run_as_json, save_run
    from crmsim.report.text import show_run

    scenario = load_scenario(scenario_name)
    began = perf_counter()
    result = run_named(scenario, values, seed, level, log_draws=save is not None)
    wall_s = perf_counter() - began
    told = run_as_json(result, wall_s)
    if json_file != "-":
        show_run(console(), result, wall_s)
    write(json_file, told)
    if save is not None:
        save_run(Path(save), scenario_name, result, told)
    if report is not None:
        from crmsim.report.look import save_text
        from crmsim.report.page.page import run_page

        save_text(run_page(result, scenario.doc, __version__), Path(report))
    return FAILED if result.findings or (strict and _is_loose(told)) else HELD


def _run_many(
    scenario_name: str,
    seeds: str,
    jobs: int | None,
    values: dict[str, Any],
    level: Level,
    json_file: str | None,
    strict: bool,
) -> int:
    from crmsim.report.text import show_seeds
    from crmsim.study.seeds import parse_seeds, run_seeds, sum_tables

    numbers = parse_seeds(seeds)
    out = console(stderr=json_file == "-")
    runs: list[dict[str, Any]] = []
    processes = jobs or os.cpu_count() or 1
    with progress(len(numbers), "runs") as step:
        for told in run_seeds(scenario_name, values, level, numbers, processes):
            runs.append(told)
            step()
            if not told["held"] or (strict and _is_loose(told)):
                finding = (told["findings"] or ["strict: something was not judged"])[0]
                text = f"seed {told['seed']}: {finding}\n    {told['command']}"
                out.print(text, soft_wrap=True, markup=False)
    runs.sort(key=lambda told: int(told["seed"]))
    names = ("sessions_broken", "crashes")
    sums = {
        name: sum_tables([told["metrics"][name] for told in runs])
        for name in names
        if all(name in told["metrics"] for told in runs)
    }
    show_seeds(out, runs, sums)
    write(json_file, {"runs": runs, "sums": sums})
    bad = [told for told in runs if not told["held"] or (strict and _is_loose(told))]
    return FAILED if bad else HELD


def _is_loose(told: dict[str, Any]) -> bool:
    """Say whether a run that held is not good enough for `--strict`."""
    judged = (*told["checks"], *told["expectations"])
    idle = any(one["verdict"] == "not judged" for one in judged)
    return idle or bool(told["raw_turns"])
