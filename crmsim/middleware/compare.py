"""What differs between two systems, and what only seems to, because it is still under way?

A comparison (SAP: the data integrity manager, DIMa) asks the other system block by block. Whatever
differs is looked at a second time: what lies in a queue then, or has changed between the looks, is
under way and no difference. A header comparison sees which keys there are, a detail comparison
their fields too. Sources: CONTRIBUTING.md, S63; the second look is assumed.
"""

import enum
from collections.abc import Mapping

import attrs

__all__ = ["Comparison", "Difference", "Report", "Sides", "differences", "judged_twice"]

Row = tuple[tuple[str, str], ...]
"""(field, value) of one thing, in order of the names; empty where only its key counts."""


class Difference(enum.Enum):
    """How two systems differ about one thing."""

    ONLY_HERE = "only in CRM"
    ONLY_THERE = "only in the other system"
    DIFFERENT = "not the same"
    IN_FLIGHT = "under way"


@attrs.frozen
class Sides:
    """One thing in both systems; None where it is not there."""

    here: Row | None
    there: Row | None

    @property
    def difference(self) -> Difference | None:
        """How they differ; None when they do not."""
        if self.here == self.there:
            return None
        if self.there is None:
            return Difference.ONLY_HERE
        return Difference.ONLY_THERE if self.here is None else Difference.DIFFERENT


def differences(here: Mapping[str, Row], there: Mapping[str, Row]) -> dict[str, Sides]:
    """Return key -> both sides of whatever is not the same, in order of the keys."""
    both = {key: Sides(here.get(key), there.get(key)) for key in sorted({*here, *there})}
    return {key: sides for key, sides in both.items() if sides.difference is not None}


def judged_twice(first: Sides, second: Sides, *, is_moving: bool) -> Difference | None:
    """Return what becomes of something that seemed to differ, after a second look.

    Args:
        first: Both sides at the first look.
        second: Both sides at the second look.
        is_moving: Whether something about it lay in a queue then.
    """
    if second.difference is None:
        return None
    return Difference.IN_FLIGHT if is_moving or first != second else second.difference


@attrs.frozen
class Report:
    """What a comparison has found."""

    comparison: str
    about: str
    against: str
    """``erp`` or ``cdb``."""
    is_detailed: bool
    """Whether fields were compared too."""
    compared: int
    """How many things were looked at."""
    only_here: tuple[str, ...] = ()
    """Keys of what only CRM has."""
    only_there: tuple[str, ...] = ()
    """Keys of what only the other system has."""
    different: tuple[str, ...] = ()
    """Keys of what is not the same."""
    in_flight: tuple[str, ...] = ()
    """Keys of what seemed to differ, but is still under way."""
    versions: tuple[tuple[str, int], ...] = ()
    """(key, version in CRM) of what differs and CRM has."""
    questions: int = 0
    """How often the other system was asked."""

    @property
    def differing(self) -> tuple[str, ...]:
        """Keys of all that differs."""
        return tuple(sorted((*self.only_here, *self.only_there, *self.different)))


@attrs.frozen
class Comparison:
    """A comparison that goes on."""

    name: str
    about: str
    against: str
    is_detailed: bool
    block: int
    """For how many things one question asks at most."""
    began_ns: int
    after: str | None = ""
    """The last key that was compared; None when all have been."""
    suspects: tuple[tuple[str, Sides], ...] = ()
    """(key, both sides) of what seemed to differ at the first look."""
    looked_at: int = 0
    """How many suspects were looked at a second time."""
    compared: int = 0
    questions: int = 0
    found: tuple[tuple[str, Difference], ...] = ()
    versions: tuple[tuple[str, int], ...] = ()

    @property
    def report(self) -> Report:
        """What it has found by now."""
        found = {kind: tuple(key for key, one in self.found if one is kind) for kind in Difference}
        return Report(
            self.name,
            self.about,
            self.against,
            self.is_detailed,
            self.compared,
            found[Difference.ONLY_HERE],
            found[Difference.ONLY_THERE],
            found[Difference.DIFFERENT],
            found[Difference.IN_FLIGHT],
            self.versions,
            self.questions,
        )
