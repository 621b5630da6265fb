"""The door: what `crmsim` does when it is typed.

Exit codes: 0 all held; 1 a check or an expectation failed, quiet was not reached, a figure did not
agree, or the scenario's own code raised; 2 the command line, a setting, a scenario file or an input
was wrong; 3 the same seed gave two histories; 4 the budget of a hunt ended before anything was
judged, or before all was; 70 a defect of crmsim; 130 Ctrl-C.
"""

import os
import sys

import click

from crmsim import __version__
from crmsim.cli.comparing import diff, replay
from crmsim.cli.drawing import draw
from crmsim.cli.hunting import hunt
from crmsim.cli.linting import lint_files
from crmsim.cli.looking import checks, describe, list_scenarios, topology
from crmsim.cli.output import BAD_INPUT, DEFECT, FAILED, HELD, INTERRUPTED
from crmsim.cli.reporting import report
from crmsim.cli.running import run
from crmsim.cli.studying import compare, study
from crmsim.cli.validating import validate
from crmsim.errors import BadInput, CrmsimError, InternalError, ModelError

__all__ = ["main", "run_command"]


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
        first = error.__cause__ or error  # click wraps it
        notes = "".join(f"; {note}" for note in getattr(first, "__notes__", ()))
        kept = "" if " runs are in " in notes else "; nothing was written"
        click.echo(f"crmsim: interrupted{notes}{kept}", err=True)
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


for _command in (
    *(run, study, compare, hunt, describe, list_scenarios, checks, topology, replay, diff),
    *(report, draw, validate, lint_files),
):
    commands.add_command(_command)
