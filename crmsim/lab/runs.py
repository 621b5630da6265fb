"""How is a scenario found, and how is a run told to other programs, saved and repeated?

A saved run is a folder with ``run.json`` (what `--json` prints, plus the platform and what is
needed to run it again), ``journal.jsonl.gz`` (every event) and ``draws.jsonl.gz`` (every random
draw and what it was for).
"""

import ast
import enum
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import sys
import traceback
import types
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import attrs

import crmsim
from crmsim.checks.check import Evidence, Outcome, Verdict
from crmsim.errors import BadInput
from crmsim.lab.scenario import Result, Scenario, told
from crmsim.lab.settings import settings_as_json, settings_as_text
from crmsim.middleware.flow import BDocRecord
from crmsim.qrfc.partner import QueuePartner, QueueRow
from crmsim.quiet.settle import behind
from crmsim.trace.journal import Event
from crmsim.trace.kinds import Level
from crmsim.trace.record import Recording, read_recording, write_recording
from crmsim.units import to_seconds

__all__ = [
    "VERSION",
    "SavedRun",
    "as_plain",
    "load_scenario",
    "load_source",
    "question_of",
    "read_run",
    "run_as_json",
    "save_run",
    "write_json",
    "write_text",
]

ENTRY_POINTS = "crmsim.scenarios"
VERSION = crmsim.__version__


def load_scenario(name: str) -> Scenario:
    """Return the scenario in a file, or the installed one of this name.

    The file is code and is executed. Its assertions count even under `python -O`.

    Raises:
        BadInput: there is no such file or scenario, or the file has an error in it.
    """
    path = Path(name)
    if path.suffix == ".py" or path.exists() or os.sep in name:
        return _from_file(path)
    found = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    for entry in found:
        loaded = entry.load()
        if isinstance(loaded, Scenario):
            return loaded
        raise BadInput(f"{name}: the installed entry point is no scenario")
    raise BadInput(f"{name}: no such file and no installed scenario (see: crmsim list)")


def _from_file(path: Path) -> Scenario:
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a scenario file in it (see: crmsim list {path})")
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a Python file ({error})") from None
    return load_source(path, source)


def load_source(path: Path, source: str) -> Scenario:
    """Return the scenario of a file whose text is at hand; the text is executed.

    Raises:
        BadInput: the text has an error in it, or holds another number of scenarios than one.
    """
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module
    try:
        exec(compile(source, str(path), "exec", optimize=0), module.__dict__)
    except SyntaxError as error:
        raise BadInput(f"{path}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        line = _line_in(error, path)
        raise BadInput(f"{path}, line {line}: {type(error).__name__}: {error}") from error
    things = vars(module).values()
    own = [thing for thing in things if isinstance(thing, Scenario)]
    scenarios = [thing for thing in own if thing.story.__module__ == module.__name__]
    if len(scenarios) != 1:
        raise BadInput(
            f"{path}: holds {len(scenarios)} scenarios; a scenario file has exactly one function "
            "with @scenario(Settings, ...) above it"
        )
    return scenarios[0]


def _line_in(error: BaseException, path: Path) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else 0


def question_of(path: Path) -> str | None:
    """Return the question of a scenario file without executing it; None when it holds no scenario.

    Raises:
        BadInput: the file cannot be read as Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as Python ({error})") from None
    stories = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    marks = [ast.unparse(mark) for story in stories for mark in story.decorator_list]
    if not any(mark.split("(")[0].split(".")[-1] == "scenario" for mark in marks):
        return None
    doc = ast.get_docstring(tree) or ""
    return doc.splitlines()[0] if doc else "(no question in its docstring)"


def run_as_json(result: Result, wall_s: float) -> dict[str, object]:
    """Return a run as plain values for `--json`; field names are a contract."""
    return {
        "scenario": result.scenario,
        "settings": settings_as_json(result.settings),
        "seed": result.seed,
        "version": VERSION,
        "virtual_s": to_seconds(result.simulation.now_ns),
        "wall_s": wall_s,
        "events": len(result.journal),
        "fingerprint": attrs.asdict(result.fingerprint),
        "command": result.command,
        "held": result.held,
        "quiet": None if result.quiet is None else result.quiet.is_quiet,
        "still_moving": [] if result.quiet is None else list(result.quiet.still_moving),
        "kept_still": [] if result.quiet is None else list(result.quiet.kept_still),
        "set_aside": [
            {"name": one.name, "reason": one.reason}
            for one in (() if result.quiet is None else result.quiet.documents_aside)
        ],
        "error": None if result.error is None else told(result.error),
        "raw_turns": [list(names) for names in result.raw_turns],
        "metrics": as_plain(result.metrics),
        "faults": [
            {"name": active.name, "touched": active.touched}
            for active in result.simulation.fabric.faults
        ],
        "monitors": _monitors(result),
        "checks": [
            {
                "name": check.name,
                "mood": check.mood.value,
                "invariants": list(check.invariants),
                **_verdict_as_json(result, verdict),
            }
            for check, verdict in result.verdicts
        ],
        "expectations": [
            {
                "name": expectation.sentence,
                "family": expectation.family,
                **_verdict_as_json(result, verdict),
            }
            for expectation, verdict in result.expectations
        ],
    }


def as_plain(value: Any) -> Any:
    """Return what a scenario measured as JSON can hold it; what is not finite is no number: None.

    >>> from decimal import Decimal
    >>> as_plain({1: Decimal("2.50"), "never": math.inf, "spans": (1, 2)})
    {'1': '2.50', 'never': None, 'spans': [1, 2]}
    """
    if isinstance(value, enum.Enum):
        return as_plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): as_plain(one) for name, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(map(as_plain, value), key=str)
    return [*map(as_plain, value)] if isinstance(value, list | tuple) else str(value)


def _verdict_as_json(result: Result, verdict: Verdict) -> dict[str, object]:
    return {
        "verdict": verdict.outcome.value,
        "held": verdict.outcome is Outcome.HELD,
        "judged": verdict.judged,
        "violations": verdict.violations,
        "evidence": [_evidence_as_json(result, evidence) for evidence in verdict.evidence],
    }


def _evidence_as_json(result: Result, evidence: Evidence) -> dict[str, object]:
    chain = result.journal.causes(evidence.event) if evidence.event else []
    return {
        "text": evidence.text,
        "seed": result.seed,
        "event": evidence.event,
        "time_s": to_seconds(chain[-1].time_ns) if chain else None,
        "causes": [_event_as_json(event) for event in chain],
    }


def _event_as_json(event: Event) -> dict[str, object]:
    return {
        "number": event.number,
        "time_s": to_seconds(event.time_ns),
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject,
        "cause": event.cause,
        "detail": dict(event.detail),
    }


def _monitors(result: Result) -> dict[str, list[dict[str, object]]]:
    """Return what lies in queues, which BDocs are not done, and how the sites are, at the end."""
    queues: list[dict[str, object]] = []
    bdocs: list[dict[str, object]] = []
    sites: list[dict[str, object]] = []
    restarts = Counter(event.actor for event in result.journal.select("restarted"))
    for name, site in result.simulation.sites.items():
        actor = result.simulation.actor(name) if site.seats else None
        if isinstance(actor, QueuePartner):
            queues += [_queue_row(name, row) for row in actor.monitor()]
        for queue, luws in site.store.table("parked").items():
            queues.append({"site": name, "side": "parked", "queue": queue, "depth": len(luws)})
        for laptop, lying in site.store.table("site queues").items():
            depth = len(lying.contents)
            if depth:
                row = {"side": "fetch", "queue": laptop, "status": "NOSEND", "depth": depth}
                queues.append({"site": name, **row})
        for laptop, publication, depth in behind(result.simulation, site.store):
            row = {"side": "fetch", "queue": laptop, "publication": publication, "depth": depth}
            queues.append({"site": name, **row, "status": "NOSEND"})
        bdocs += [_bdoc_row(name, record) for record in site.store.table("bdocs").values()]
        for state, count in site.store.table("bdocs done").items():
            bdocs.append({"site": name, "state": state, "count": count})
        told = {"kind": site.kind, "up": site.is_up, "restarts": restarts[name]}
        sites.append({"site": name, **told})
    return {"queues": queues, "bdocs": bdocs, "sites": sites}


def _queue_row(site: str, row: QueueRow) -> dict[str, object]:
    return {
        "site": site,
        "side": row.side,
        "queue": row.queue,
        "status": row.status.value,
        "depth": row.depth,
        "head": row.head,
        "age_s": to_seconds(row.age_ns),
        "alert": row.is_alert,
    }


def _bdoc_row(site: str, record: BDocRecord) -> dict[str, object]:
    return {
        "site": site,
        "bdoc": record.bdoc,
        "state": record.state.value,
        "context": record.context.value,
        "guid": record.guid,
        "version": record.version,
        "open": list(record.open),
        "failed": list(record.failed),
    }


def write_json(path: Path, content: object) -> None:
    """Write JSON in one go: the file is either whole or not there."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in one go: the file is either whole or not there."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text, encoding="utf-8")  # a device or a link must stay what it is
        return
    scratch = path.with_name(path.name + ".part")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


@attrs.frozen
class SavedRun:
    """A run that was written to disk."""

    folder: Path
    scenario: str
    settings: dict[str, str]
    seed: int
    level: str
    fingerprint: str
    digest: str
    """SHA-256 of the scenario file when the run was saved."""
    version: str
    platform: str

    def recording(self) -> Recording:
        """Return its history."""
        return read_recording(self.folder)

    @property
    def origin(self) -> tuple[object, ...]:
        """What decides the history: two runs with the same origin must have the same one."""
        settings = tuple(sorted(self.settings.items()))
        return self.digest or self.scenario, settings, self.seed, self.level, self.version


def save_run(folder: Path, scenario_name: str, result: Result, content: dict[str, object]) -> None:
    """Write a run into a folder, in one go; an earlier run there is replaced."""
    scratch = folder.with_name(folder.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _save(scratch, folder, scenario_name, result, content)
    except OSError as error:
        raise BadInput(f"--save {folder}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _save(
    scratch: Path, folder: Path, scenario_name: str, result: Result, content: dict[str, object]
) -> None:
    scratch.mkdir(parents=True)
    path = Path(scenario_name)
    again = {
        "scenario_file": str(path.resolve()) if path.is_file() else scenario_name,
        "scenario_sha256": _digest(scenario_name),
        "settings": settings_as_text(result.settings),
        "level": result.journal.level.name.lower(),
        "platform": f"{platform.platform()} {platform.python_implementation()} "
        f"{platform.python_version()}",
    }
    write_json(scratch / "run.json", {**content, "again": again})
    write_recording(scratch, result.journal, result.journal.draw_log)
    if folder.exists():
        shutil.rmtree(folder)
    scratch.rename(folder)


def _digest(scenario_name: str) -> str:
    path = Path(scenario_name)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def scenario_changed(run: SavedRun) -> bool:
    """Say whether the scenario file is another one than when the run was saved."""
    return bool(run.digest) and _digest(run.scenario) != run.digest


def read_run(folder: Path) -> SavedRun:
    """Read a saved run.

    Raises:
        BadInput: the folder holds none.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        again = content["again"]
        return SavedRun(
            folder,
            again["scenario_file"],
            dict(again["settings"]),
            int(content["seed"]),
            Level[again["level"].upper()].name.lower(),
            f"{content['fingerprint']['level']}:{content['fingerprint']['value']}",
            again["scenario_sha256"],
            content["version"],
            again["platform"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder}: holds no saved run ({error}); save one with --save") from None
