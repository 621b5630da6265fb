"""Which number does a document get?

The order gets its number when it reaches CRM; until then the laptop shows a temporary one. CRM's
internal number range is the ERP's external one, so both know the order by the same number.
Sources: CONTRIBUTING.md, S18 (number at transfer), S21 (matching ranges), S68 (ten digits).
"""

__all__ = ["FIRST_ORDER_NUMBER", "order_number", "temporary_number"]

FIRST_ORDER_NUMBER = 5_000_000
"""Where the number range of orders begins (assumed)."""


def order_number(count: int) -> str:
    """Return the number of the order that is the `count`-th of CRM, counted from 0.

    >>> order_number(7)
    '0005000007'
    """
    return f"{FIRST_ORDER_NUMBER + count:010}"


def temporary_number(site: str, count: int) -> str:
    """Return what a laptop calls an order that has no number yet."""
    return f"${site}-{count}"
