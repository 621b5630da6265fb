"""Which number does a document get?

The order gets its number when it reaches CRM; until then the laptop shows a temporary one. CRM's
internal number range is the ERP's external one, so both know the order by the same number.
Or each laptop has a range of its own, out of which it numbers its orders at once; when that is used
up far from any network, a temporary number has to do again.
Sources: CONTRIBUTING.md, S18 (number at transfer), S21 (matching ranges), S68 (ten digits).
"""

import enum

import attrs

__all__ = [
    "FIRST_ERP_NUMBER",
    "FIRST_LAPTOP_NUMBER",
    "FIRST_ORDER_NUMBER",
    "NumberRange",
    "Numbering",
    "erp_number",
    "order_number",
    "range_number",
    "temporary_number",
]

FIRST_ORDER_NUMBER = 5_000_000
"""Where the number range of orders begins (assumed)."""


FIRST_LAPTOP_NUMBER = 7_000_000
"""Where the ranges of the laptops begin (assumed)."""


FIRST_ERP_NUMBER = 60_000_000
"""Where the range begins out of which the ERP numbers its own orders (assumed)."""


class Numbering(enum.Enum):
    """When an order gets its number."""

    AT_TRANSFER = "at transfer"
    """When it comes to CRM."""
    CLIENT_RANGES = "on laptops"
    """At once, out of a range of the laptop's own."""


@attrs.frozen
class NumberRange:
    """Numbers that one laptop may use, and nobody else."""

    first: int
    """The first of them, counted from the beginning of all ranges."""
    count: int

    def number(self, used: int) -> str | None:
        """Return the number that comes after so many; None when all are used up.

        >>> NumberRange(200, 100).number(3)
        '0007000203'
        """
        return range_number(self.first + used) if used < self.count else None


def range_number(count: int) -> str:
    """Return the number that is the `count`-th of all ranges, counted from 0."""
    return f"{FIRST_LAPTOP_NUMBER + count:010}"


def order_number(count: int) -> str:
    """Return the number of the order that is the `count`-th of CRM, counted from 0.

    >>> order_number(7)
    '0005000007'
    """
    return f"{FIRST_ORDER_NUMBER + count:010}"


def erp_number(count: int) -> str:
    """Return the number that the ERP gives to its `count`-th own order, counted from 0."""
    return f"{FIRST_ERP_NUMBER + count:010}"


def temporary_number(site: str, count: int) -> str:
    """Return what a laptop calls an order that has no number yet."""
    return f"${site}-{count}"
