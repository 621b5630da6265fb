"""What does `crmsim validate` do?"""

import os

import attrs
import click

from crmsim.cli.output import FAILED, HELD, console, json_option, must_be_writable, progress, write

__all__ = ["validate"]


@click.command()
@click.option("--full", is_flag=True, help="Spend minutes instead of seconds; finds small errors.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="The seed (default: 1).")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes (default: all).")
@json_option
def validate(full: bool, seed: int, jobs: int | None, json_file: str | None) -> int:
    """Compare the simulator with theorems, standards and textbooks.

    Each line is a quantity whose true value is known. It agrees when the truth lies within the
    interval around what was measured; a right simulator is accused once in 16,000 lines.
    """
    must_be_writable(json_file, "--json")
    from crmsim.report.agreement import show_case, show_sum
    from crmsim.truths.campaign import ALL_CASES
    from crmsim.truths.campaign import validate as judge_all
    from crmsim.truths.case import Agreement

    out = console(stderr=json_file == "-")
    found: list[Agreement] = []
    with progress(len(ALL_CASES), "cases") as step:
        for case, agreements in judge_all(full=full, seed=seed, jobs=jobs or os.cpu_count() or 1):
            found += agreements
            step()
            show_case(out, case, agreements)
    show_sum(out, found)
    write(json_file, [attrs.asdict(one) for one in found])
    return HELD if all(one.held for one in found) else FAILED
