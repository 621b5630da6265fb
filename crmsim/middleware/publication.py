"""How is what everybody gets kept for those who have not fetched it yet?

Once, however many sites receive it: as a list that only grows, in which each site has its place. A
site that was away for a month has a place further back, and no list of its own. Source: assumed;
real servers write an entry for each site, which means the same and costs the product of both.
"""

from collections.abc import Iterable

import attrs
from pyrsistent import PVector, pvector

from crmsim.business.master import MasterRecord

__all__ = ["Publication"]


@attrs.frozen
class Publication:
    """Everything that was ever published under a name, in order."""

    records: PVector[MasterRecord] = attrs.field(factory=pvector)

    @property
    def last(self) -> int:
        """The position of the newest record; positions begin with 1."""
        return len(self.records)

    def extended(self, records: Iterable[MasterRecord]) -> "Publication":
        """Return the publication with more records at its end."""
        return Publication(self.records.extend(records))

    def behind(self, position: int, count: int) -> tuple[MasterRecord, ...]:
        """Return up to `count` records that follow a position."""
        return tuple(self.records[position : position + count])
