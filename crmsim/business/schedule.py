"""Which pieces of an order are wanted, which are confirmed, and for which day?

Whoever plans the stock says of each line how much can leave, and when. What he says nothing of is
not confirmed: it leaves when there happens to be enough. Sources: CONTRIBUTING.md, S21.
"""

from collections.abc import Iterable

import attrs

from crmsim.business.sales import OrderItem, SalesOrder

__all__ = ["Confirmed", "Wanted", "last_day", "unconfirmed", "wanted_by"]


@attrs.frozen
class Wanted:
    """So many pieces of a product are wanted for a line of an order."""

    line: str
    product: str
    pieces: int


@attrs.frozen
class Confirmed:
    """So many pieces of a line can leave on a day (SAP: a schedule line)."""

    line: str
    """The identity of the line of the order."""
    pieces: int
    day: int
    """Day of the run from which on they are there."""


def wanted_by(order: SalesOrder) -> tuple[Wanted, ...]:
    """Return what has to be there for an order."""
    return tuple(Wanted(item.line, item.product, item.quantity) for item in order.items)


def last_day(schedule: Iterable[Confirmed]) -> int:
    """Return the day on which all that is confirmed can leave; -1 when nothing is confirmed."""
    return max((one.day for one in schedule), default=-1)


def unconfirmed(items: Iterable[OrderItem], schedule: Iterable[Confirmed]) -> int:
    """Return how many pieces of some items nobody has confirmed."""
    left = {item.line: item.quantity for item in items}
    for one in schedule:
        left[one.line] = left.get(one.line, 0) - one.pieces
    return sum(pieces for pieces in left.values() if pieces > 0)
