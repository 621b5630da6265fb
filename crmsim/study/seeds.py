"""What do runs of one scenario with many seeds say?

Runs are spread over processes. Each hands back plain values, so a failing run is a row among
others, and the sum over all runs is a row too.
"""

import gc
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from time import perf_counter
from typing import Any

import attrs

from crmsim.errors import BadInput
from crmsim.lab.runs import load_scenario, run_as_json
from crmsim.lab.settings import read_settings
from crmsim.trace.kinds import Level

__all__ = ["Job", "parse_seeds", "run_seeds", "sum_tables"]

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


@attrs.frozen
class Job:
    """What all runs have in common."""

    scenario: str
    settings: dict[str, Any]
    level: Level


def _one(job: Job, seed: int) -> dict[str, Any]:
    """Run one seed, in a process of the pool."""
    scenario = load_scenario(job.scenario)
    settings = read_settings(scenario.settings, job.settings, "settings")
    began = perf_counter()
    result = scenario.run_with(settings, seed=seed, level=job.level)
    told = run_as_json(result, perf_counter() - began)
    told["findings"] = result.findings
    gc.collect()
    return told


def run_seeds(job: Job, seeds: list[int], jobs: int) -> Iterator[dict[str, Any]]:
    """Yield each run as plain values, as it is done."""
    if jobs == 1 or len(seeds) == 1:
        for seed in seeds:
            yield _one(job, seed)
        return
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(_one, job, seed) for seed in seeds]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def sum_tables(tables: list[Any]) -> Any:
    """Add up numbers, and tables of numbers name by name.

    >>> sum_tables([{"a": 1}, {"a": 2, "b": 5}])
    {'a': 3, 'b': 5}
    """
    if not all(isinstance(table, dict) for table in tables):
        return sum(tables)
    names = list(dict.fromkeys(name for table in tables for name in table))
    return {name: sum_tables([table[name] for table in tables if name in table]) for name in names}
