"""What is an order worth? Exactly, in decimals, never rounded on the way."""

from collections.abc import Callable, Iterable
from decimal import Context, Decimal, Inexact, localcontext
from typing import Any

from crmsim.business.master import MasterRecord
from crmsim.business.sales import OrderItem

__all__ = ["exact_sum", "list_price", "net_value"]

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


def list_price(get: Callable[..., Any], product: str) -> Decimal | None:
    """Return the price of a product on the list that a system holds; None when it is on none.

    Args:
        get: Table, key -> row of the system's store.
        product: Which product.
    """
    row: MasterRecord | None = get("masters", ("prices", product))
    return None if row is None else Decimal(row.value)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of amounts of money, exactly."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))
