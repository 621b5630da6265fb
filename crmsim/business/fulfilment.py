"""What becomes of an order in the back end, item by item, and in which documents?

An order leads to deliveries, goods issues, billing documents and accounting documents, each with
items, quantities and a reference to the one before it. How far an item has got is the sum over
these. Sources: CONTRIBUTING.md, S05 (what the ERP tells CRM of a sales order).
"""

import enum
from collections.abc import Iterable
from decimal import Decimal

import attrs

from crmsim.business.sales import OrderItem

__all__ = ["ErpDocument", "How", "PostedItem", "Posting", "Progress", "how_far", "progress_of"]


class Posting(enum.Enum):
    """What sort of document the ERP posts for an order."""

    DELIVERY = "delivery"
    """So many pieces are to leave."""
    PICKING = "picking"
    """They lie on the ramp."""
    GOODS_ISSUE = "goods issue"
    """They have left; they are out of the stock."""
    BILLING = "billing document"
    """The customer is asked for the money."""
    ACCOUNTING = "accounting document"
    """The books know that he owes it."""


@attrs.frozen
class PostedItem:
    """One line of a posted document."""

    line: str
    """The identity of the line of the order."""
    quantity: int
    value: Decimal
    """What that many pieces are worth, less the discount."""


@attrs.frozen
class ErpDocument:
    """A document of the back end; once posted it is never changed."""

    number: str
    posting: Posting
    order: str
    """The number of the order."""
    preceding: str
    """The number of the document that it follows."""
    items: tuple[PostedItem, ...]
    posted_ns: int
    """When, in virtual time."""


@attrs.frozen
class Progress:
    """How far one line of an order has got in the back end."""

    line: str
    delivered: int = 0
    """Pieces in deliveries."""
    issued: int = 0
    """Pieces that have left."""
    billed: int = 0
    issued_value: Decimal = Decimal(0)
    billed_value: Decimal = Decimal(0)

    def at_least(self, other: "Progress") -> "Progress":
        """Return what is known from both; nothing ever goes back."""
        return Progress(
            self.line,
            max(self.delivered, other.delivered),
            max(self.issued, other.issued),
            max(self.billed, other.billed),
            max(self.issued_value, other.issued_value),
            max(self.billed_value, other.billed_value),
        )


class How(enum.Enum):
    """How much of something is done."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


def how_far(items: Iterable[OrderItem], done: dict[str, int]) -> How:
    """Return how much of an order is done.

    Args:
        items: The items of the order.
        done: Line -> pieces that are.
    """
    ordered = list(items)
    if all(done.get(item.line, 0) >= item.quantity for item in ordered):
        return How.FULL
    return How.PARTIAL if any(done.get(item.line, 0) for item in ordered) else How.NONE


_FIELDS = {
    Posting.DELIVERY: ("delivered", ""),
    Posting.GOODS_ISSUE: ("issued", "issued_value"),
    Posting.BILLING: ("billed", "billed_value"),
}
"""Document -> what it adds to: pieces, value."""


def progress_of(documents: Iterable[ErpDocument]) -> tuple[Progress, ...]:
    """Return how far the lines of an order have got, by its documents."""
    found: dict[str, Progress] = {}
    for document in documents:
        pieces, value = _FIELDS.get(document.posting, ("", ""))
        for item in document.items if pieces else ():
            before = found.get(item.line, Progress(item.line))
            more = {pieces: getattr(before, pieces) + item.quantity}
            if value:
                more[value] = getattr(before, value) + item.value
            found[item.line] = attrs.evolve(before, **more)
    return tuple(found.values())
