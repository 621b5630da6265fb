"""What does `crmsim hunt` do?"""

import math
import os
import shlex
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from rich.console import Console

    from crmsim.hunt.corpus import Found, Replayed
    from crmsim.hunt.hunting import Hunt, HuntedRun

__all__ = ["hunt"]

PROFILES = ("calm", "flaky_mobile", "bad_office", "disaster", "swarm")


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--seeds", "count", type=click.IntRange(min=1), help="How many runs (default: 200).")
@click.option("--first-seed", type=click.IntRange(min=0), default=1, help="The first (default: 1).")
@click.option(
    "--budget",
    metavar="5min",
    help="Real time after which no further run begins; cutting down may take as long again.",
)
@click.option(
    "--faults",
    type=click.Choice(PROFILES),
    default="swarm",
    help="How much of which trouble (default: swarm, a random half in each run).",
)
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes (default: all).")
@click.option(
    "--shrink",
    "cut_count",
    type=click.IntRange(min=0),
    default=5,
    help="How many different findings are cut down to the least that shows them (default: 5).",
)
@click.option(
    "--corpus",
    metavar="DIR",
    default="corpus",
    help="Cases that were found: run first; new ones are added (default: corpus).",
)
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
    cut_count: int,
    corpus: str,
    pairs: tuple[str, ...],
    settings_file: str | None,
    resume: str | None,
    json_file: str | None,
) -> int:
    """Run a scenario with many seeds and much trouble, and see whether it still holds.

    Trouble is drawn for each seed: lines that break, sites that crash or stand still, clocks that
    are wrong, people who make mistakes. All checks are on, and in the end all has to come to rest.

    What does not hold is cut down to the least that still shows it, and written into the corpus as
    a scenario file that runs by itself.
    """
    from crmsim.hunt.hunting import Hunt, cut_all_down, different, read_runs
    from crmsim.hunt.profiles import Profile
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import read_settings
    from crmsim.report.hunting import hunt_as_json, show_found, show_hunt

    budget_s = math.inf if budget is None else to_seconds(parse_duration(budget))
    values = read_pairs(pairs, settings_file)
    must_be_writable(json_file, "--json")
    must_be_writable(resume, "--resume", device=False)
    _must_be_folder(corpus)
    read_settings(load_scenario(scenario_name).settings, values, "settings")
    what = Hunt(scenario_name, values, Profile(faults))
    file = None if resume is None else Path(resume)
    runs = [] if file is None else read_runs(file, what)
    seeds = _seeds(first_seed, count, budget, {run.seed for run in runs})
    out = console(stderr=json_file == "-")
    processes = jobs or os.cpu_count() or 1
    folder = Path(corpus)
    replayed = _replay(out, folder)
    began_s = perf_counter()
    _run(out, what, runs, seeds, file, processes, budget_s)
    runs.sort(key=lambda run: run.seed)
    wall_s = perf_counter() - began_s
    show_hunt(out, runs, wall_s)
    found: list[Found] = []
    wanted = different(runs)
    with progress(min(len(wanted), cut_count), "findings cut down") as step:
        for one in cut_all_down(what, wanted, cut_count, budget_s):
            show_found(out, one, _stored(folder, one))
            found.append(one)
            step()
    files = {one.name: str(folder / f"{one.name}.py") for one in found if one.script}
    write(json_file, hunt_as_json(runs, wall_s, wanted, found, files, replayed))
    if any(run.findings for run in runs) or any(case.findings for case in replayed):
        return FAILED
    is_short = not runs or (count is not None and len(runs) < count)
    return BUDGET_ENDED if is_short else HELD


def _replay(out: "Console", folder: Path) -> "list[Replayed]":
    """Run the cases of the corpus; tell which of them still fail."""
    from crmsim.hunt.corpus import replay_corpus

    replayed = list(replay_corpus(folder))
    for case in replayed:
        for finding in case.findings[:1]:
            text = f"{case.path} still fails: {finding.check}: {finding.text}"
            out.print(text, soft_wrap=True, markup=False)
    if replayed:
        failed = sum(bool(case.findings) for case in replayed)
        out.print(f"{len(replayed):,} cases of the corpus, {failed:,} still fail", markup=False)
    return replayed


def _run(
    out: "Console",
    what: "Hunt",
    runs: "list[HuntedRun]",
    seeds: list[int],
    file: Path | None,
    processes: int,
    budget_s: float,
) -> None:
    """Run the seeds; write each run down, and tell of what does not hold at once."""
    from crmsim.hunt.hunting import append_run
    from crmsim.hunt.hunting import hunt as run_hunt
    from crmsim.report.hunting import show_finding

    try:
        with progress(len(seeds), "runs") as step:
            for run in run_hunt(what, seeds, jobs=processes, budget_s=budget_s):
                runs.append(run)
                step()
                if file is not None:
                    append_run(file, what, run)
                if run.findings:
                    show_finding(out, run, _command(what, run.seed))
    except KeyboardInterrupt as error:
        if file is not None:
            error.add_note(f"{len(runs)} runs are in {file}; the same command goes on with them")
        raise


def _must_be_folder(corpus: str) -> None:
    """Refuse a corpus that no folder can be.

    Raises:
        BadInput: something else is there.
    """
    for path in (Path(corpus), *Path(corpus).parents):
        if path.exists():
            if not path.is_dir() or not os.access(path, os.W_OK):
                raise BadInput(f"--corpus {corpus}: {path} is no folder that one can write into")
            return


def _stored(folder: Path, found: "Found") -> Path | None:
    from crmsim.hunt.corpus import store

    return store(folder, found) if found.script else None


def _seeds(first: int, count: int | None, budget: str | None, done: set[int]) -> list[int]:
    """Return the seeds that are still to be run."""
    if count is None:
        count = 200 if budget is None else 1_000_000
    if first + count > 2**63:
        raise BadInput("--first-seed is too large")
    return [seed for seed in range(first, first + count) if seed not in done]


def _command(what: Any, seed: int) -> str:
    """Return the command that repeats one hunted run."""
    from crmsim.hunt.hunting import text_of

    pairs = what.settings.items()
    texts = [f"{name}={text_of(value)}" for name, value in pairs]
    settings = [word for text in texts for word in ("--set", text)]
    words = ["crmsim", "hunt", what.scenario, "--faults", what.profile.value, *settings]
    return shlex.join([*words, "--first-seed", str(seed), "--seeds", "1"])
