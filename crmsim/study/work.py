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

from crmsim.errors import BadInput, CrmsimError
from crmsim.lab.runs import load_source, run_as_json
from crmsim.lab.scenario import Scenario, told
from crmsim.lab.settings import read_settings
from crmsim.study.provenance import digest_of_code
from crmsim.trace.kinds import Level

__all__ = ["Job", "Packed", "lost_row", "packed", "run_row", "run_told"]


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
    """Make a scenario ready to be sent.

    Raises:
        BadInput: it was defined in a notebook or a script, and uses what cannot be sent.
    """
    module = sys.modules.get(scenario.story.__module__)
    is_loose = module is not None and module.__spec__ is None  # executed, not imported
    if scenario.file is not None and is_loose and scenario.story.__module__ != "__main__":
        return Packed(str(scenario.file), scenario.file.read_text(encoding="utf-8"))
    import cloudpickle

    try:
        return Packed(pickle=cloudpickle.dumps(scenario))
    except Exception as error:  # whatever an object of somebody else's raises
        raise BadInput(
            f"{scenario.name} uses what cannot be sent to another process ({error}); put the "
            "scenario into a file of its own"
        ) from None


@lru_cache(maxsize=4)
def unpacked(parcel: Packed, code: str) -> Scenario:
    """Return the scenario that was sent.

    Raises:
        BadInput: it cannot be loaded here, or the programs of crmsim are others here.
    """
    if code != digest_of_code():
        raise BadInput("a worker has other programs of crmsim; install the same ones everywhere")
    if parcel.source:
        return load_source(Path(parcel.path), parcel.source)
    import cloudpickle

    try:
        found: Scenario = cloudpickle.loads(parcel.pickle)
    except Exception as error:  # whatever an import of somebody else's raises
        raise BadInput(
            f"the scenario cannot be loaded where it is to run ({type(error).__name__}: {error})"
        ) from None
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
    code: str = attrs.field(factory=digest_of_code)
    """The programs of crmsim with which it is to be run."""


def run_told(job: Job) -> dict[str, Any]:
    """Execute a run; return it as plain values, as `--json` tells it, with `findings`.

    Raises:
        BadInput: a setting does not exist or makes no sense, or the scenario cannot be loaded.
        ModelError: the landscape makes no sense.
    """
    scenario = unpacked(job.scenario, job.code)
    settings = read_settings(scenario.settings, job.settings, "settings")
    gc.freeze()  # what was there before is not walked through again after every run
    try:
        return _told(scenario, settings, job)
    finally:
        gc.collect()
        gc.unfreeze()


def _told(scenario: Scenario, settings: Any, job: Job) -> dict[str, Any]:
    began = perf_counter()
    result = scenario.run_with(settings, seed=job.seed, level=job.level, warm_up_ns=job.warm_up_ns)
    row = run_as_json(result, perf_counter() - began)
    return {**row, "findings": result.findings}


def run_row(job: Job) -> dict[str, Any]:
    """Execute a run; what cannot be run is a row too, with what is wrong as its `error`.

    Raises:
        BadInput: the scenario cannot be loaded here, so no run of it can be executed.
    """
    unpacked(job.scenario, job.code)
    try:
        return run_told(job)
    except KeyboardInterrupt:
        raise
    except CrmsimError as error:
        return _not_run(str(error))
    except BaseException as error:
        return _not_run(f"the run ended early: {told(error)}")


def lost_row(_: Job) -> dict[str, Any]:
    """Return what is told of a run that took the process that executed it with it."""
    return _not_run("the process that executed it died: too little memory, os._exit, or a crash")


def _not_run(why: str) -> dict[str, Any]:
    nothing = {"held": False, "metrics": {}, "fingerprint": None, "error": why, "findings": [why]}
    return {**dict.fromkeys(("events", "virtual_s", "wall_s"), 0), **nothing}
