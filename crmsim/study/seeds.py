"""What do runs of one scenario with many seeds say?

Runs are spread over processes. Each hands back plain values, so a failing run is a row among
others, and the sum over all runs is a row too.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from crmsim.errors import BadInput, StoryError
from crmsim.lab.runs import load_scenario
from crmsim.lab.settings import read_settings
from crmsim.study.executors import spread, workers
from crmsim.study.work import Job, lost_row, packed, run_told
from crmsim.trace.kinds import Level

__all__ = ["parse_seeds", "run_seeds", "sum_tables"]

_SPAN = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")


def parse_seeds(text: str) -> list[int]:
    """Read seeds such as ``1-50`` or ``3,7,10-12``.

    Raises:
        BadInput: the text names no seeds.

    >>> parse_seeds("3,7,10-12")
    [3, 7, 10, 11, 12]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise BadInput(f"--seeds {text}: write numbers and spans, such as 1-50 or 3,7,10-12")
        seeds.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return seeds


def run_seeds(
    scenario_name: str, values: Mapping[str, Any], level: Level, seeds: list[int], jobs: int
) -> Iterator[dict[str, Any]]:
    """Yield each run as plain values, as it is done.

    Raises:
        BadInput: there is no such scenario, or a setting does not exist or makes no sense.
        StoryError: a run took the process that executed it with it.
    """
    scenario = load_scenario(scenario_name)
    settings = read_settings(scenario.settings, values, "settings")
    parcel = packed(scenario)
    tasks = ((seed, Job(parcel, values, seed, level)) for seed in seeds)
    with workers(jobs, len(seeds)) as crew:
        for seed, told in spread(crew, run_told, tasks, _lost):
            yield {**told, "command": scenario.command(settings, seed, level)}


def _lost(job: Job) -> dict[str, Any]:
    raise StoryError(f"seed {job.seed}: {lost_row(job)['error']}")


def sum_tables(tables: list[Any]) -> Any:
    """Add up numbers, and tables of numbers name by name.

    >>> sum_tables([{"a": 1}, {"a": 2, "b": 5}])
    {'a': 3, 'b': 5}
    """
    if not all(isinstance(table, dict) for table in tables):
        return sum(tables)
    names = list(dict.fromkeys(name for table in tables for name in table))
    return {name: sum_tables([table[name] for table in tables if name in table]) for name in names}
