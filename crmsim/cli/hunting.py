"""What does `crmsim hunt` do?"""

import math
import os
import shlex
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from crmsim.cli.output import (
    BUDGET_ENDED,
    FAILED,
    HELD,
    console,
    json_option,
    must_be_writable,
    progress,
    read_pairs,
    set_option,
    settings_option,
    write,
)
from crmsim.errors import BadInput
from crmsim.units import parse_duration, to_seconds

__all__ = ["hunt"]

PROFILES = ("calm", "flaky_mobile", "bad_office", "disaster", "swarm")


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--seeds", "count", type=click.IntRange(min=1), help="How many runs (default: 200).")
@click.option("--first-seed", type=click.IntRange(min=0), default=1, help="The first (default: 1).")
@click.option("--budget", metavar="5min", help="Real time after which no further run begins.")
@click.option(
    "--faults",
    type=click.Choice(PROFILES),
    default="swarm",
    help="How much of which trouble (default: swarm, a random half in each run).",
)
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes (default: all).")
@set_option
@settings_option
@click.option("--resume", metavar="FILE", help="Write runs here, and go on with those in it.")
@json_option
def hunt(
    scenario_name: str,
    count: int | None,
    first_seed: int,
    budget: str | None,
    faults: str,
    jobs: int | None,
    pairs: tuple[str, ...],
    settings_file: str | None,
    resume: str | None,
    json_file: str | None,
) -> int:
    """Run a scenario with many seeds and much trouble, and see whether it still holds.

    Trouble is drawn for each seed: lines that break, sites that crash or stand still, clocks that
    are wrong, people who make mistakes. All checks are on, and in the end all has to come to rest.
    """
    from crmsim.hunt.hunting import Hunt, append_run, read_runs
    from crmsim.hunt.hunting import hunt as run_hunt
    from crmsim.hunt.profiles import Profile
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import read_settings
    from crmsim.report.hunting import hunt_as_json, show_finding, show_hunt

    budget_s = math.inf if budget is None else to_seconds(parse_duration(budget))
    values = read_pairs(pairs, settings_file)
    must_be_writable(json_file, "--json")
    must_be_writable(resume, "--resume", device=False)
    read_settings(load_scenario(scenario_name).settings, values, "settings")
    what = Hunt(scenario_name, values, Profile(faults))
    file = None if resume is None else Path(resume)
    runs = [] if file is None else read_runs(file, what)
    seeds = _seeds(first_seed, count, budget, {run.seed for run in runs})
    out = console(stderr=json_file == "-")
    began_s = perf_counter()
    with progress(len(seeds), "runs") as step:
        for run in run_hunt(what, seeds, jobs=jobs or os.cpu_count() or 1, budget_s=budget_s):
            runs.append(run)
            step()
            if file is not None:
                append_run(file, what, run)
            if run.findings:
                show_finding(out, run, _command(what, values, run.seed))
    runs.sort(key=lambda run: run.seed)
    wall_s = perf_counter() - began_s
    show_hunt(out, runs, wall_s)
    write(json_file, hunt_as_json(runs, wall_s))
    if any(run.findings for run in runs):
        return FAILED
    is_short = not runs or (count is not None and len(runs) < count)
    return BUDGET_ENDED if is_short else HELD


def _seeds(first: int, count: int | None, budget: str | None, done: set[int]) -> list[int]:
    """Return the seeds that are still to be run."""
    if count is None:
        count = 200 if budget is None else 1_000_000
    if first + count > 2**63:
        raise BadInput("--first-seed is too large")
    return [seed for seed in range(first, first + count) if seed not in done]


def _command(what: Any, values: dict[str, Any], seed: int) -> str:
    """Return the command that repeats one hunted run."""
    settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    words = ["crmsim", "hunt", what.scenario, "--faults", what.profile.value, *settings]
    return shlex.join([*words, "--first-seed", str(seed), "--seeds", "1"])
