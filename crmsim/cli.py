"""The door: what `crmsim` does when it is typed.

Exit codes: 0 all held; 1 a check failed, quiet was not reached, or the scenario's own code raised;
2 the command line, a setting, a scenario file or an input was wrong; 3 the same seed gave two
histories; 70 a defect of crmsim; 130 Ctrl-C.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from crmsim import __version__
from crmsim.errors import BadInput, CrmsimError, InternalError, ModelError
from crmsim.trace.kinds import Level

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["main"]

HELD, FAILED, BAD_INPUT, NOT_REPEATABLE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 70, 130


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line; return the exit code."""
    try:
        code = commands.main(args=arguments, prog_name="crmsim", standalone_mode=False)
        return int(code or HELD)
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt) as error:
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        click.echo(f"crmsim: interrupted{notes}; nothing was written", err=True)
        return INTERRUPTED
    except (ModelError, BadInput) as error:
        click.echo(f"crmsim: {error}", err=True)
        return BAD_INPUT
    except CrmsimError as error:
        click.echo(f"crmsim: {type(error).__name__}: {error}", err=True)
        return DEFECT if isinstance(error, InternalError) else FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return HELD


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crmsim")
def commands() -> None:
    """Simulate how a CRM landscape exchanges its data, and judge whether it does so correctly.

    SCENARIO is a Python file, such as scenarios/order_book.py, or the name of an installed
    scenario. A scenario file is code: it is executed. Run only files that you trust.
    """


set_option = click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated."
)
settings_option = click.option(
    "--settings", "settings_file", metavar="FILE.toml", help="Read settings from a TOML file."
)


@commands.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--seed", type=click.IntRange(min=0), help="The seed of the run (default: 1).")
@click.option("--seeds", metavar="1-50", help="Run with many seeds and sum up.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes for --seeds.")
@set_option
@settings_option
@click.option(
    "--trace",
    type=click.Choice([level.name.lower() for level in Level]),
    default="business",
    help="How much of what happens is written down (default: business).",
)
@click.option("--save", metavar="DIR", help="Save the run, to be replayed later.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write the result as JSON.")
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
    trace: str,
    save: str | None,
    json_file: str | None,
    strict: bool,
) -> int:
    """Run a scenario and judge it."""
    if seed is not None and seeds is not None:
        raise BadInput("--seed and --seeds: name one of them")
    values = _values(pairs, settings_file)
    _must_be_writable(json_file, "--json")
    _must_be_writable(save, "--save", folder=True)
    level = Level[trace.upper()]
    if seeds is not None:
        if save is not None:
            raise BadInput("--save goes with one seed; use --seed")
        return _run_many(scenario_name, seeds, jobs, values, level, json_file, strict)
    return _run_one(
        scenario_name, 1 if seed is None else seed, values, level, save, json_file, strict
    )


def _run_one(
    scenario_name: str,
    seed: int,
    values: dict[str, Any],
    level: Level,
    save: str | None,
    json_file: str | None,
    strict: bool,
) -> int:
    from crmsim.lab.runs import load_scenario, run_as_json, save_run
    from crmsim.lab.settings import read_settings
    from crmsim.report.text import show_run

    scenario = load_scenario(scenario_name)
    settings = read_settings(scenario.settings, values, "settings")
    with _busy(f"running {scenario.name}, seed {seed}"):
        began = perf_counter()
        result = scenario.run_with(settings, seed=seed, level=level)
        wall_s = perf_counter() - began
    told = run_as_json(result, wall_s)
    if json_file != "-":
        show_run(_console(), result, wall_s, _again(scenario_name, seed, values, level))
    _write(json_file, told)
    if save is not None:
        save_run(Path(save), scenario_name, result, told)
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
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import read_settings
    from crmsim.report.text import show_seeds
    from crmsim.study.seeds import Job, parse_seeds, run_seeds, sum_tables

    numbers = parse_seeds(seeds)
    read_settings(load_scenario(scenario_name).settings, values, "settings")
    console = _console(stderr=json_file == "-")
    runs: list[dict[str, Any]] = []
    job = Job(scenario_name, values, level)
    with _progress(len(numbers)) as step:
        for told in run_seeds(job, numbers, jobs or os.cpu_count() or 1):
            runs.append(told)
            step()
            if not told["held"] or (strict and _is_loose(told)):
                again = _again(scenario_name, told["seed"], values, level)
                finding = (told["findings"] or ["strict: something was not judged"])[0]
                console.print(f"seed {told['seed']}: {finding}\n    {again}", soft_wrap=True)
    runs.sort(key=lambda told: int(told["seed"]))
    names = ("sessions_broken", "crashes")
    sums = {
        name: sum_tables([told["metrics"][name] for told in runs])
        for name in names
        if all(name in told["metrics"] for told in runs)
    }
    show_seeds(console, runs, sums)
    _write(json_file, {"runs": runs, "sums": sums})
    bad = [told for told in runs if not told["held"] or (strict and _is_loose(told))]
    return FAILED if bad else HELD


def _is_loose(told: dict[str, Any]) -> bool:
    """Say whether a run that held is not good enough for `--strict`."""
    judged = (*told["checks"], *told["expectations"])
    idle = any(one["verdict"] == "not judged" for one in judged)
    return idle or bool(told["raw_turns"])


@commands.command("list")
@click.argument("folder", default="scenarios")
def list_scenarios(folder: str) -> int:
    """List the scenarios of a folder, and those installed, with their questions.

    The files of the folder are read, not executed.
    """
    import importlib.metadata

    from crmsim.lab.runs import ENTRY_POINTS, load_scenario, question_of

    path = Path(folder)
    if not path.is_dir():
        raise BadInput(f"{folder}: no such folder")
    found = {str(file): question_of(file) for file in sorted(path.glob("*.py"))}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found[entry.name] = load_scenario(entry.name).question
    shown = {name: question for name, question in found.items() if question is not None}
    if not shown:
        raise BadInput(f"{folder}: holds no scenario file")
    for name, question in shown.items():
        click.echo(f"{name}\n    {question}")
    return HELD


@commands.command()
@click.argument("scenario_name", metavar="SCENARIO")
def describe(scenario_name: str) -> int:
    """Show what a scenario asks, what can be set, and what is judged."""
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import describe as describe_settings

    scenario = load_scenario(scenario_name)
    click.echo(scenario.doc)
    click.echo("\nSettings (change one with --set NAME=VALUE):\n")
    for name, default, wanted, meaning in describe_settings(scenario.settings):
        click.echo(f"  {name + '=' + default:<28} {meaning}")
        click.echo(f"  {'':<28} write {wanted}")
    click.echo("\nChecks:\n")
    for check in scenario.checks:
        click.echo(f"  {check.name} ({check.mood.value}; {', '.join(check.invariants)})")
    return HELD


@commands.command()
@click.option("--json", "json_file", metavar="FILE|-", help="Write the list as JSON.")
def checks(json_file: str | None) -> int:
    """List every check: its sentence, its mood, and what exactly it judges."""
    import textwrap

    from crmsim.checks import ALL_CHECKS

    _must_be_writable(json_file, "--json")
    told = [
        {"name": c.name, "mood": c.mood.value, "invariants": list(c.invariants)} for c in ALL_CHECKS
    ]
    if json_file != "-":
        for check in ALL_CHECKS:
            click.echo(f"{check.name}  ({check.mood.value})")
            click.echo(textwrap.indent(textwrap.fill(check.explanation, 92), "    "))
    _write(json_file, told)
    return HELD


@commands.command()
@click.argument("folder", metavar="RUN")
@click.option("--until", metavar="TIME", help="Compare only up to this moment, e.g. '3d 10:00'.")
def replay(folder: str, until: str | None) -> int:
    """Run a saved run again and compare the two histories."""
    from crmsim.lab.runs import load_scenario, read_run, scenario_changed
    from crmsim.lab.settings import read_settings
    from crmsim.report.text import show_event
    from crmsim.trace.journal import first_difference
    from crmsim.units import parse_moment

    saved = read_run(Path(folder))
    end_ns = None if until is None else parse_moment(until)
    scenario = load_scenario(saved.scenario)
    settings = read_settings(scenario.settings, saved.settings, f"{folder}/run.json")
    with _busy(f"running {scenario.name}, seed {saved.seed}"):
        result = scenario.run_with(settings, seed=saved.seed, level=Level[saved.level.upper()])
    if end_ns is None and str(result.fingerprint) == saved.fingerprint:
        click.echo(f"same history: {saved.fingerprint}, {len(result.journal):,} events")
        return HELD
    old = [event for event in saved.events() if end_ns is None or event.time_ns <= end_ns]
    new = [event for event in result.journal if end_ns is None or event.time_ns <= end_ns]
    index = first_difference(old, new)
    if index is None and end_ns is not None:
        click.echo(f"same history up to {until}: {len(new):,} events")
        return HELD
    _tell_difference(saved, scenario_changed(saved))
    if index is None:
        click.echo("every event is the same; the difference lies in the random draws alone")
        return NOT_REPEATABLE
    for name, events in (("saved", old), ("now", new)):
        shown = show_event(events[index]) if index < len(events) else "nothing more"
        click.echo(f"{name:>6}: {shown}")
    return NOT_REPEATABLE


def _tell_difference(saved: Any, changed: bool) -> None:
    click.echo("another history than the saved one")
    if changed:
        click.echo(f"{saved.scenario} has changed since the run was saved")
    if saved.version != __version__:
        click.echo(f"saved by crmsim {saved.version}; this is {__version__}")


def _values(pairs: tuple[str, ...], settings_file: str | None) -> dict[str, Any]:
    from crmsim.lab.settings import read_settings_file

    values = {} if settings_file is None else read_settings_file(Path(settings_file))
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadInput(f"--set {pair}: write NAME=VALUE")
        values[name] = text
    return values


def _must_be_writable(target: str | None, option: str, *, folder: bool = False) -> None:
    """Refuse a target before the run rather than after it."""
    if target is None or (target == "-" and not folder):
        return
    path = Path(target)
    parent = path.parent
    if not parent.is_dir():
        raise BadInput(f"{option} {target}: the folder {parent} does not exist")
    if not os.access(parent, os.W_OK):
        raise BadInput(f"{option} {target}: the folder {parent} cannot be written to")
    if not folder and path.is_dir():
        raise BadInput(f"{option} {target}: is a folder; name a file")
    if not folder and path.exists() and not os.access(path, os.W_OK):
        raise BadInput(f"{option} {target}: the file cannot be written to")
    if folder and path.exists() and not (path / "run.json").is_file() and _has_content(path):
        raise BadInput(
            f"{option} {target}: holds something that is no saved run; name a new folder"
        )


def _has_content(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


def _write(json_file: str | None, content: object) -> None:
    from crmsim.lab.runs import write_json

    if json_file == "-":
        click.echo(json.dumps(content, indent=2))
    elif json_file is not None:
        try:
            write_json(Path(json_file), content)
        except OSError as error:
            raise BadInput(f"--json {json_file}: cannot be written ({error.strerror})") from None


def _again(scenario_name: str, seed: int, values: dict[str, Any], level: Level) -> str:
    """Return the command that repeats a run."""
    import shlex

    words = ["crmsim", "run", scenario_name, "--seed", str(seed)]
    for name, value in values.items():
        text = ("on" if value else "off") if isinstance(value, bool) else value
        words += ["--set", f"{name}={text}"]
    if level is not Level.BUSINESS:
        words += ["--trace", level.name.lower()]
    return shlex.join(words)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on."""
    if not sys.stderr.isatty():
        yield
        return
    with _console(stderr=True).status(what):
        yield


@contextmanager
def _progress(count: int) -> Iterator[Any]:
    """Show on a terminal how many runs are done."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs", total=count)
        yield lambda: bar.advance(task)
