"""Has a history moved since it was last looked at, and what of it?

A golden file keeps the fingerprint of a run and what it is made of: how many events of each kind,
and a short name for each ingredient (kinds, times, actors, subjects, details, draws). When the
fingerprint changes, the ingredients say what moved: times alone, or the draws too?
"""

import json
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crmsim.errors import BadInput
from crmsim.trace.journal import Event, Journal

__all__ = ["moved", "portrait", "read_golden", "write_golden"]

INGREDIENTS = {
    "kinds": lambda event: event.kind,
    "times": lambda event: event.time_ns,
    "actors": lambda event: event.actor,
    "subjects": lambda event: event.subject,
    "details": lambda event: sorted(event.detail.items()),
}


def portrait(journal: Journal) -> dict[str, Any]:
    """Return what a golden file keeps of a history."""
    hashes = {name: blake2b(digest_size=6) for name in INGREDIENTS}
    last: Event | None = None
    for event in journal:
        last = event
        for name, take in INGREDIENTS.items():
            hashes[name].update(f"{take(event)!r}\n".encode())  # type: ignore[no-untyped-call]
    ingredients = {name: digest.hexdigest() for name, digest in hashes.items()}
    return {
        "fingerprint": str(journal.fingerprint),
        "last_event_ns": 0 if last is None else last.time_ns,
        "events": dict(sorted(Counter(journal.kind_names()).items())),
        "ingredients": {**ingredients, "draws": journal.draw_digest},
    }


def moved(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what moved between two portraits, in words; nothing when they are the same."""
    if old == new:
        return []
    names = [
        name
        for name in new["ingredients"]
        if old["ingredients"].get(name) != new["ingredients"][name]
    ]
    told = [f"moved: {', '.join(names) or 'nothing but the fingerprint'}"]
    kinds = dict.fromkeys([*old["events"], *new["events"]])
    counts = [(kind, old["events"].get(kind, 0), new["events"].get(kind, 0)) for kind in kinds]
    changes = [f"{kind} {a:,} -> {b:,}" for kind, a, b in counts if a != b]
    if changes:
        told.append(f"events: {', '.join(changes)}")
    if old["last_event_ns"] != new["last_event_ns"]:
        told.append(f"last event: {old['last_event_ns']} ns -> {new['last_event_ns']} ns")
    told.append(f"fingerprint: {old['fingerprint']} -> {new['fingerprint']}")
    return told


def read_golden(path: Path) -> dict[str, Any] | None:
    """Read a golden file; None when there is none yet.

    Raises:
        BadInput: the file is damaged.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no golden file ({error}); delete it to make it anew") from None
    return told


def write_golden(path: Path, content: dict[str, Any]) -> None:
    """Write a golden file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
