"""When does what leave the warehouse, and when is it billed?

Nothing here acts: the warehouse and the billing of the ERP ask what is due.
Sources: CONTRIBUTING.md, S05; hours, shares and spans are assumed.
"""

import enum
from collections.abc import Mapping
from decimal import Decimal

import attrs

from crmsim.business.fulfilment import ErpDocument, PostedItem, Progress, progress_of
from crmsim.business.sales import OrderItem
from crmsim.errors import BadValue
from crmsim.units import Duration, Share, days, hours

__all__ = [
    "SHIPPING_HOUR_NS",
    "Billing",
    "BillingRun",
    "Logistics",
    "Stock",
    "billable",
    "deliverable",
    "ship_time_ns",
    "value_of",
]

SHIPPING_HOUR_NS = hours(16)
"""When the lorry leaves (assumed)."""


class Billing(enum.Enum):
    """What is billed."""

    NONE = "nothing"
    DELIVERIES = "what has left"
    ORDERS = "what was ordered"
    """At once, whether or not anything has left."""


@attrs.frozen
class Stock:
    """How much there is of each product, and how it is filled up again."""

    pieces: int
    """Of each product at the beginning."""
    refill: int
    """How many pieces of a product come, when some are missing."""
    refill_after: Duration = days(1)
    """How long after the lack was noticed."""

    def __attrs_post_init__(self) -> None:
        if self.pieces < 0 or self.refill < 1 or self.refill_after <= 0:
            raise BadValue("a stock has 0 pieces or more, and is refilled by 1 or more, later")


@attrs.frozen
class BillingRun:
    """Bills are written in a run, not each by itself: what is due waits for the next one."""

    begins: Duration = hours(22)
    """At which time of the day (assumed)."""
    lasts: Duration = hours(1)
    """Each bill is written at some moment of the run."""
    every_days: int = 1
    """On the last of each so many days of the run: 1 for every night, 30 for a month's end."""

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.begins < days(1) or self.every_days < 1:
            raise BadValue("a billing run begins at a time of the day, every 1 or more days")
        if not 0 < self.lasts <= days(self.every_days):
            raise BadValue("a billing run lasts longer than nothing and is over before the next")

    def bill_ns(self, due_ns: int, u: float) -> int:
        """Return when a bill is written: in the first run that begins when it is due, or later.

        Args:
            due_ns: From when on it can be written.
            u: Where in the run, from 0 to 1.

        >>> BillingRun(hours(22), hours(1), 7).bill_ns(days(2), 0.5) == days(6) + hours(22.5)
        True
        """
        first_ns = days(self.every_days - 1) + self.begins
        number = max(-((first_ns - due_ns) // days(self.every_days)), 0)
        return first_ns + number * days(self.every_days) + int(self.lasts * u)


@attrs.frozen
class Logistics:
    """How the back end delivers and bills."""

    lead: Duration | None = None
    """How long after its booking an order leaves for which the warehouse has no plan; None when it
    never does."""
    picking: Duration = Duration(0)
    """How long goods take from the delivery document to the ramp, and as long again to leave."""
    partial: Share = Share(0.0)
    """Share of orders of more than one piece that leave in two deliveries."""
    rest_after: Duration = days(1)
    """How long after the first delivery the rest leaves."""
    billing: Billing = Billing.NONE
    bill_after: Duration = hours(2)
    """How long after the goods, or the order, the bill is written."""
    billing_run: BillingRun | None = None
    """When bills are written that are due; None for each when it is due."""
    stock: Stock | None = None
    """None when there is always enough."""


def ship_time_ns(planned_day: int, now_ns: int) -> int:
    """Return when an order that is ready now is shipped: on its planned day, or at once if later.

    >>> ship_time_ns(2, days(1)) == days(2) + hours(16)
    True
    """
    return max(days(planned_day) + SHIPPING_HOUR_NS, now_ns)


def value_of(item: OrderItem, quantity: int) -> Decimal:
    """Return what so many pieces of an item are worth, exactly."""
    return item.unit_price * quantity * (1 - item.discount)


def deliverable(
    items: tuple[OrderItem, ...],
    progress: Mapping[str, Progress],
    stock: Mapping[str, int] | None,
    *,
    only_first_part: bool,
) -> tuple[PostedItem, ...]:
    """Return what can be put into a delivery now.

    Args:
        items: The items of the order.
        progress: Line -> how far it has got.
        stock: Product -> pieces that are there; None for enough of everything.
        only_first_part: Leave about half of it for another delivery.
    """
    left = None if stock is None else dict(stock)
    found = []
    for item in items:
        open_ = item.quantity - progress.get(item.line, Progress(item.line)).delivered
        if only_first_part and item.quantity > 1:
            open_ = min(open_, (item.quantity + 1) // 2)
        if left is not None:
            open_ = min(open_, left.get(item.product, 0))
            left[item.product] = left.get(item.product, 0) - max(open_, 0)
        if open_ > 0:
            found.append(PostedItem(item.line, open_, value_of(item, open_)))
    return tuple(found)


def billable(
    items: tuple[OrderItem, ...], documents: tuple[ErpDocument, ...], billing: Billing
) -> tuple[PostedItem, ...]:
    """Return what can be billed now: what has left, or was ordered, and is on no bill yet."""
    progress = {one.line: one for one in progress_of(documents)}
    found = []
    for item in items:
        known = progress.get(item.line, Progress(item.line))
        due = item.quantity if billing is Billing.ORDERS else known.issued
        open_ = due - known.billed
        if open_ > 0 and billing is not Billing.NONE:
            found.append(PostedItem(item.line, open_, value_of(item, open_)))
    return tuple(found)
