"""Does one seed give one history, in another process too?

Two fresh processes run the same thing: with different hash seeds, with heaps that look different,
and with nothing of a test framework that could change trio's order. Whatever depends on the order
of a set, on the address of an object, on the wall clock or on a global random number shows up as
two histories; the first event and the first draw that differ say where to look.

This file is also what those processes run: ``python -m crmsim.testing.repeat``.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmsim.errors import BadValue, NotRepeatable
from crmsim.kernel.simulation import Simulation
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result, Scenario
from crmsim.trace.journal import show_event
from crmsim.trace.kinds import Level
from crmsim.trace.record import Recording, difference, read_recording, write_recording

__all__ = ["assert_deterministic"]

WORLDS = (("0", False), ("4242", True))
"""(hash seed, whether the heap is perturbed) of the two processes."""
TOLD_FILE = "told.json"
"""Where a process says how it went: not on its output, where the world may print too."""


def assert_deterministic(
    what: Scenario | Callable[[int], Simulation | Result], *, seed: int = 1, **settings: Any
) -> str:
    """Run something in two different processes and compare the histories.

    Args:
        what: A scenario that stands in a file, or a function on the top level of a module that
            takes the seed and returns a simulation (run or not) or a result.
        seed: The seed of both runs.
        settings: For a scenario: its settings, as texts.

    Returns:
        The fingerprint.

    Raises:
        NotRepeatable: the histories differ, or trio had to decide an order.
        BadValue: the processes could not find what is to be run, or it raised.
    """
    __tracebackhide__ = True  # pytest shows the line of the caller
    order = _order(what, seed, settings)
    with tempfile.TemporaryDirectory(prefix="crmsim-") as scratch:
        told = []
        for number, (hash_seed, perturbed) in enumerate(WORLDS):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            told.append(_run_apart({**order, "folder": str(folder)}, hash_seed, perturbed))
        if told[0]["fingerprint"] != told[1]["fingerprint"]:
            ours, theirs = (read_recording(Path(scratch) / str(number)) for number in range(2))
            raise NotRepeatable(_explained(seed, ours, theirs))
    if told[0]["raw_turns"]:
        names = "; ".join(", ".join(turn) for turn in told[0]["raw_turns"])
        raise NotRepeatable(
            f"seed {seed}: trio had to decide the order of these tasks: {names}; "
            "use land.sleep, land.start_soon and land.at, which are ordered"
        )
    return str(told[0]["fingerprint"])


def _order(what: Any, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    if isinstance(what, Scenario):
        if what.file is None:
            raise BadValue(f"{what.name} stands in no file, so another process cannot run it")
        return {"scenario": str(what.file.resolve()), "seed": seed, "settings": settings}
    name = getattr(what, "__qualname__", "")
    if not name.isidentifier() or what.__module__ == "__main__":
        raise BadValue(
            f"{name or what} cannot be imported by another process; "
            "make it a function on the top level of a module"
        )
    return {"module": what.__module__, "function": what.__qualname__, "seed": seed}


def _run_apart(order: dict[str, Any], hash_seed: str, perturbed: bool) -> dict[str, Any]:
    """Run in a process of its own; return what it says."""
    paths = [str(Path.cwd()), *(path for path in sys.path if path)]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(paths),
        "HYPOTHESIS_NO_PLUGINS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "crmsim.testing.repeat"],
        input=json.dumps({**order, "perturbed": perturbed}),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BadValue(f"the run in another process failed:\n{done.stderr.strip()}")
    told: dict[str, Any] = json.loads((Path(order["folder"]) / TOLD_FILE).read_text())
    return told


def _explained(seed: int, ours: Recording, theirs: Recording) -> str:
    found = difference(ours, theirs)
    lines = [f"seed {seed} gave two histories in two processes (hash seeds {WORLDS[0][0]} and "
             f"{WORLDS[1][0]})"]  # fmt: skip
    if found.event_index is not None:
        for name, recording in (("one", ours), ("other", theirs)):
            events = recording.events
            is_there = found.event_index < len(events)
            shown = show_event(events[found.event_index]) if is_there else "nothing more"
            lines.append(f"  first event that differs, {name}: {shown}")
    if found.draw_index is not None:
        for name, recording in (("one", ours), ("other", theirs)):
            draws = recording.draws[found.draw_index : found.draw_index + 1]
            shown = f"{draws[0].purpose} of {draws[0].component}" if draws else "nothing more"
            lines.append(f"  first draw that differs, {name}: {shown}")
    lines.append(
        "  look for: iteration over a set, id() or hash(), the module random, the wall clock"
    )
    return "\n".join(lines)


def _perturb_heap() -> list[object]:
    """Return junk that makes addresses and allocations differ from those of a fresh process."""
    junk: list[object] = [bytearray(17 * size % 4_096) for size in range(5_000)]
    return [thing for number, thing in enumerate(junk) if number % 3]


def _main() -> None:
    order = json.load(sys.stdin)
    junk = _perturb_heap() if order["perturbed"] else []
    if "scenario" in order:
        scenario = load_scenario(order["scenario"])
        settings = scenario.ready(order["settings"])
        run: Any = scenario.run_with(settings, seed=order["seed"], log_draws=True)
    else:
        run = getattr(importlib.import_module(order["module"]), order["function"])(order["seed"])
    simulation: Simulation = run.simulation if isinstance(run, Result) else run
    if not simulation.was_run:
        simulation.run()
    journal = simulation.journal
    if journal.level is Level.OFF:
        raise BadValue("a run at Level.OFF writes no history, so there is nothing to compare")
    write_recording(Path(order["folder"]), journal, journal.draw_log)
    told = {"fingerprint": str(journal.fingerprint), "raw_turns": simulation.raw_turns}
    (Path(order["folder"]) / TOLD_FILE).write_text(json.dumps({**told, "junk": len(junk)}))


if __name__ == "__main__":
    _main()
