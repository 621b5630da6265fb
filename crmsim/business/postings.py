"""What does the back end write down for a service transaction?

Sources: CONTRIBUTING.md, S21 to S26.
"""

import enum
from collections.abc import Iterable
from decimal import Decimal

import attrs

__all__ = ["ServicePosting", "Sort", "pieces_by_line"]


class Sort(enum.Enum):
    """What sort of document it is."""

    INTERNAL_ORDER = "internal order"
    """Collects the costs of a service order (CO)."""
    DELIVERY = "delivery"
    GOODS_ISSUE = "goods issue"
    RETURNS_DELIVERY = "returns delivery"
    GOODS_RECEIPT = "goods receipt"
    TIME_RECORD = "time record"
    COST_POSTING = "cost posting"
    RESERVATION = "reservation"
    SCRAPPING = "scrapping"
    RECEIVABLE = "receivable"
    """What the customer owes; negative when he gets money back (FI)."""
    REVENUE = "revenue"
    """The same, as what has been earned (CO)."""


@attrs.frozen
class ServicePosting:
    """A line of a posted document; once posted it is never changed, only reversed by another."""

    sort: Sort
    number: str
    """The number of the document."""
    line: str
    """The line of the transaction; empty for the transaction as a whole."""
    product: str
    pieces: int
    """Negative when it takes another one back."""
    value: Decimal
    place: str
    """The stock that it changes; empty for none."""
    posted_ns: int


def pieces_by_line(postings: Iterable[ServicePosting], *sorts: Sort) -> dict[str, int]:
    """Return line -> pieces in documents of some sorts."""
    found: dict[str, int] = {}
    for one in postings:
        if one.sort in sorts:
            found[one.line] = found.get(one.line, 0) + one.pieces
    return found
