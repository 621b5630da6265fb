"""What becomes of a change when somebody else has changed the same document meanwhile?

A laptop changes what it has a copy of, and says which save of CRM Online that copy was. CRM knows
of each field in which save it was changed last, and by whom. A field that somebody else has changed
since is in conflict; what the author changed himself never is. CRM is the leading system: by
default its value stays, the other fields of the change are taken over, and the author is told what
became of his. Sources: CONTRIBUTING.md, S01 (who leads), S30; how a conflict is found and settled
is assumed.
"""

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from crmsim.business.master import Record
from crmsim.formats.answer import Overruled
from crmsim.formats.bdoc import Segment, Task, Thing

__all__ = ["ConflictPolicy", "FieldKey", "Resolution", "Stamp", "resolve", "stamped"]

FieldKey = tuple[str, str, str]
"""(segment, its key, field); the field of a whole item that was deleted is empty."""


class ConflictPolicy(enum.Enum):
    """How a conflict is settled."""

    FIELD_MERGE = "field merge, server wins"
    """Field by field: what only one of the two changed counts; where both did, the server's."""
    DOCUMENT = "document, server wins"
    """Any change of the document by somebody else in between: all of it is refused."""
    LAST_WRITER = "last writer wins"
    """Whatever comes last counts; whose value it replaces is not told."""


@attrs.frozen
class Stamp:
    """Who changed a field last, and in which save of the document in CRM Online."""

    save: int
    site: str


@attrs.frozen
class Resolution:
    """What becomes of a change."""

    segments: tuple[Segment, ...] = ()
    """What of it is taken over."""
    overruled: tuple[Overruled, ...] = ()
    """What of it is not, field by field."""
    reason: str | None = None
    """Why all of it is refused; None when it is not."""


def resolve(
    policy: ConflictPolicy,
    thing: Thing,
    stamps: Mapping[FieldKey, Stamp],
    base: int,
    site: str,
    segments: tuple[Segment, ...],
    older: Mapping[FieldKey, int] = MappingProxyType({}),
) -> Resolution:
    """Settle the conflicts of a change.

    Args:
        policy: How.
        thing: What CRM Online holds.
        stamps: Who changed which field last; a field that is not there is as it was created.
        base: The save that the laptop had when it made the change.
        site: The laptop.
        segments: The change.
        older: Fields of which the author still saw an older save -> that save.
    """
    theirs = {
        key for key, one in stamps.items() if one.save > older.get(key, base) and one.site != site
    }
    if not theirs:
        return _as_it_fits(thing, segments)
    if policy is ConflictPolicy.LAST_WRITER:
        theirs = {key for key in theirs if not key[2]}  # only what is not there any more
    is_deletion = any(one.name == "header" and one.task is Task.DELETE for one in segments)
    if policy is ConflictPolicy.DOCUMENT or (is_deletion and theirs):
        return Resolution(reason="somebody else has changed it meanwhile")
    taken: list[Segment] = []
    lost: list[Overruled] = []
    for segment in segments:
        kept, overruled = _merged(segment, thing, theirs)
        lost += overruled
        if kept is not None:
            taken.append(kept)
    if lost and not taken:
        return Resolution((), tuple(lost), "somebody else has changed all of it meanwhile")
    fitting = _as_it_fits(thing, tuple(taken))
    return attrs.evolve(fitting, overruled=tuple(lost))


def _merged(
    segment: Segment, thing: Thing, theirs: set[FieldKey]
) -> tuple[Segment | None, list[Overruled]]:
    """Return what is left of a segment, and what the server overrules."""
    part = segment.name, segment.key
    if segment.task is Task.INSERT:
        return segment, []
    if (*part, "") in theirs:  # somebody has taken it out
        lost = [Overruled(*part, name, str(value), None) for name, value in segment.fields]
        return (segment if segment.task is Task.DELETE else None), lost
    now = _values(thing, segment)
    if segment.task is Task.DELETE:
        changed = [name for name in now if (*part, name) in theirs]
        lost = [Overruled(*part, name, None, str(now[name])) for name in changed]
        return (None if lost else segment), lost
    lost = [
        Overruled(*part, name, str(value), str(now[name]))
        for name, value in segment.fields
        if (*part, name) in theirs and now.get(name) != value
    ]
    names = {one.field for one in lost}
    fields = tuple(pair for pair in segment.fields if pair[0] not in names)
    return (attrs.evolve(segment, fields=fields) if fields else None), lost


def _values(thing: Thing, segment: Segment) -> dict[str, object]:
    """Return the fields that a segment is about, as the server has them."""
    if isinstance(thing, Record):
        has = dict(thing.fields)
        return {name: has.get(name, "") for name, _ in segment.fields}
    if segment.name == "header":
        return {name: getattr(thing, name) for name, _ in segment.fields}
    for item in thing.items:
        if item.line == segment.key:
            return {one.name: getattr(item, one.name) for one in attrs.fields(type(item))}
    return {}


def _as_it_fits(thing: Thing, segments: tuple[Segment, ...]) -> Resolution:
    """Return a change as it is, unless it is about items that the order never had."""
    lines = set() if isinstance(thing, Record) else {item.line for item in thing.items}
    for segment in segments:
        if segment.name == "item" and segment.task is Task.UPDATE and segment.key not in lines:
            reason = f"item {segment.key} is unknown; an earlier change has not come through"
            return Resolution(reason=reason)
    return Resolution(segments)


def stamped(
    stamps: Iterable[tuple[FieldKey, Stamp]],
    thing: Thing,
    segments: tuple[Segment, ...],
    stamp: Stamp,
) -> tuple[tuple[FieldKey, Stamp], ...]:
    """Return who changed which field last, after one more change.

    Who writes what is there already has changed nothing: the stamp stays whose it was.

    Args:
        stamps: Who changed which field last, before.
        thing: What CRM Online held before.
        segments: What of the change is taken over.
        stamp: Who made it, and which save it became.
    """
    known = dict(stamps)
    for segment in segments:
        part = segment.name, segment.key
        now = _values(thing, segment)
        if segment.task is Task.DELETE and now:
            known[(*part, "")] = stamp
        for name, value in segment.fields:
            if segment.task is Task.INSERT or now.get(name) != value:
                known[(*part, name)] = stamp
    return tuple(known.items())
