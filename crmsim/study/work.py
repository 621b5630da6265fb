"""How does a run get to where it is executed, and what comes back?

A run may be executed in another process or on another machine. What is sent there is complete: the
text of the scenario file as it was when the study began, or the scenario itself where it was
defined in a notebook. What comes back are plain values.
"""

import gc
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

from crmsim.errors import CrmsimError
from crmsim.lab.runs import load_source, run_as_json
from crmsim.lab.scenario import Scenario
from crmsim.lab.settings import read_settings
from crmsim.trace.kinds import Level

__all__ = ["Job", "Packed", "packed", "run_row", "run_told"]


@attrs.frozen
class Packed:
    """A scenario on its way to another process."""

    path: str = ""
    """Its file; empty when it is in none."""
    source: str = ""
    """The text of its file."""
    pickle: bytes = b""
    """The scenario itself, when it is in no file."""


def packed(scenario: Scenario) -> Packed:
    """Make a scenario ready to be sent."""
    if scenario.file is not None and _is_scenario_file(scenario):
        return Packed(str(scenario.file), scenario.file.read_text(encoding="utf-8"))
    import cloudpickle

    return Packed(pickle=cloudpickle.dumps(scenario))


def _is_scenario_file(scenario: Scenario) -> bool:
    """Say whether it was read by `load_scenario`: a script that starts a study is another thing."""
    name = scenario.story.__module__
    module = sys.modules.get(name)
    return name != "__main__" and module is not None and module.__spec__ is None


@lru_cache(maxsize=4)
def unpacked(parcel: Packed) -> Scenario:
    """Return the scenario that was sent."""
    if parcel.source:
        return load_source(Path(parcel.path), parcel.source)
    import cloudpickle

    found: Scenario = cloudpickle.loads(parcel.pickle)
    return found


@attrs.frozen
class Job:
    """One run that is to be executed."""

    scenario: Packed
    settings: Mapping[str, Any] = attrs.field(hash=False)
    """Setting -> text, or a value that needs no unit."""
    seed: int
    level: Level
    warm_up_ns: int = 0
    """From which moment on things are measured."""


def run_told(job: Job) -> dict[str, Any]:
    """Execute a run; return it as plain values, as `--json` tells it, with `findings`.

    Raises:
        BadInput: a setting does not exist or makes no sense.
        ModelError: the landscape makes no sense.
    """
    scenario = unpacked(job.scenario)
    settings = read_settings(scenario.settings, job.settings, "settings")
    began = perf_counter()
    result = scenario.run_with(settings, seed=job.seed, level=job.level, warm_up_ns=job.warm_up_ns)
    told = run_as_json(result, perf_counter() - began)
    told["findings"] = result.findings
    gc.collect()
    return told


def run_row(job: Job) -> dict[str, Any]:
    """Execute a run; what cannot be run is a row too, with what is wrong as its `error`."""
    try:
        return run_told(job)
    except CrmsimError as error:
        told = dict.fromkeys(("events", "virtual_s", "wall_s"), 0)
        nothing = {"held": False, "metrics": {}, "fingerprint": None}
        return {**told, **nothing, "error": str(error), "findings": [str(error)]}
