"""What do all commands share: exit codes, options, where output goes, how progress is shown?"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crmsim.errors import BadInput
from crmsim.trace.kinds import Level

if TYPE_CHECKING:
    from rich.console import Console

    from crmsim.lab.scenario import Result, Scenario

__all__ = [
    "BAD_INPUT",
    "BUDGET_ENDED",
    "DEFECT",
    "FAILED",
    "HELD",
    "INTERRUPTED",
    "NOT_REPEATABLE",
    "busy",
    "console",
    "json_option",
    "must_be_writable",
    "progress",
    "read_level",
    "read_pairs",
    "run_named",
    "set_option",
    "settings_option",
    "show_option",
    "trace_option",
    "write",
]

HELD, FAILED, BAD_INPUT, NOT_REPEATABLE, BUDGET_ENDED = 0, 1, 2, 3, 4
DEFECT, INTERRUPTED = 70, 130
WIDE = 160

set_option = click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated."
)
settings_option = click.option(
    "--settings", "settings_file", metavar="FILE.toml", help="Read settings from a TOML file."
)
trace_option = click.option(
    "--trace",
    type=click.Choice([level.name.lower() for level in Level]),
    default=None,
    help="How much of what happens is written down (default: business).",
)
show_option = click.option(
    "--show", metavar="METRIC,...", help="Which metrics are shown (default: the most telling)."
)
json_option = click.option(
    "--json", "json_file", metavar="FILE|-", help="Write the result as JSON; - is standard output."
)


def read_level(trace: str | None, default: Level = Level.BUSINESS) -> Level:
    """Return the trace level that was asked for."""
    return default if trace is None else Level[trace.upper()]


def read_pairs(
    pairs: tuple[str, ...], settings_file: str | None = None, option: str = "--set"
) -> dict[str, Any]:
    """Read settings from NAME=VALUE pairs, on top of those of a file."""
    from crmsim.lab.settings import read_settings_file

    values = {} if settings_file is None else read_settings_file(Path(settings_file))
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadInput(f"{option} {pair}: write NAME=VALUE")
        values[name] = text
    return values


def run_named(
    scenario: "Scenario",
    values: Mapping[str, Any],
    seed: int | None,
    level: Level,
    place: str = "settings",
    *,
    log_draws: bool = False,
) -> "Result":
    """Run a scenario once, and show on a terminal that this is going on.

    Args:
        scenario: Which one.
        values: Setting -> what a user wrote.
        seed: The seed; None for that of the scenario.
        level: What the journal keeps.
        place: Where the settings were written, for messages.
        log_draws: Whether the journal keeps what every random draw was for.

    Raises:
        BadInput: a setting does not exist or makes no sense.
    """
    from crmsim.lab.settings import read_settings

    settings = read_settings(scenario.settings, values, place)
    seed = scenario.seed if seed is None else seed
    with busy(f"running {scenario.name}, seed {seed}"):
        return scenario.run_with(settings, seed=seed, level=level, log_draws=log_draws)


def must_be_writable(
    target: str | None, option: str, *, folder: bool = False, device: bool = True
) -> None:
    """Refuse a target before the run rather than after it.

    Args:
        target: What the user named; None for nothing, ``-`` for standard output.
        option: The option that named it, for messages.
        folder: Whether it is to be a folder.
        device: Whether standard output will do.
    """
    if target is None or (target == "-" and device and not folder):
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


def write(json_file: str | None, content: object) -> None:
    """Write a result for other programs, if anybody asked for it."""
    from crmsim.lab.runs import write_json

    if json_file == "-":
        click.echo(json.dumps(content, indent=2))
    elif json_file is not None:
        try:
            write_json(Path(json_file), content)
        except OSError as error:
            raise BadInput(f"--json {json_file}: cannot be written ({error.strerror})") from None


def console(*, stderr: bool = False) -> "Console":
    """Return where texts for people go; in a file, lines are as long as tables need."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on."""
    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(what):
        yield


@contextmanager
def progress(count: int, what: str) -> Iterator[Any]:
    """Show on a terminal how much is done."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=count)
        yield lambda: bar.advance(task)
