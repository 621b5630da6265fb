"""What is an order worth? Exactly, in decimals, never rounded on the way."""

from collections.abc import Iterable
from decimal import Decimal

from crmsim.business.sales import OrderItem

__all__ = ["net_value"]


def net_value(items: Iterable[OrderItem]) -> Decimal:
    """Return the sum of price times quantity less discount.

    >>> net_value([OrderItem("tea", 3, Decimal("2.50"), Decimal("0.1"))])
    Decimal('6.750')
    """
    lines = (item.unit_price * item.quantity * (1 - item.discount) for item in items)
    return sum(lines, Decimal(0))
