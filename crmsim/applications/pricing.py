"""What is an order worth? Exactly, in decimals, never rounded on the way."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, localcontext

from crmsim.business.sales import OrderItem

__all__ = ["exact_sum", "net_value"]

EXACT = Context(prec=200, traps=[Inexact])
"""Two hundred digits, and an error instead of a rounding."""


def net_value(items: Iterable[OrderItem]) -> Decimal:
    """Return the sum of price times quantity less discount.

    >>> net_value([OrderItem("tea", 3, Decimal("2.50"), Decimal("0.1"))])
    Decimal('6.750')
    """
    with localcontext(EXACT):
        lines = (item.unit_price * item.quantity * (1 - item.discount) for item in items)
        return sum(lines, Decimal(0))


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of amounts of money, exactly."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))
