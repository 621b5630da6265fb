"""Where do parts lie, and how many of them?

A stock is a record of its own ("van-T1/pump"), which the ERP, CRM and the technician's laptop all
have. Only the ERP changes it, with each goods movement, and CRM is told in the same commit. What is
in a delivery lies there until it leaves, but nobody else gets it. Where nobody keeps a stock there
is always enough. Source: CONTRIBUTING.md, S28; the rest is assumed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from crmsim.business.master import Record
from crmsim.kernel.durable import Change

__all__ = ["FIRST_STOCK", "MAIN", "STOCK", "Warehouse", "stock_key"]

STOCK = "stock"
"""The kind of record that a stock is."""
FIRST_STOCK = "first stock"
"""Key of a stock -> pieces at the beginning of the run."""
IN_DELIVERIES = "in deliveries"
"""Product -> pieces of the main stock that are in deliveries and have not left."""
MAIN = "main"
"""The place from which customers are served, and to which things come back."""


def stock_key(place: str, product: str) -> str:
    """Return the key of a stock.

    >>> stock_key("van-T1", "pump")
    'van-T1/pump'
    """
    return f"{place}/{product}"


class Warehouse:
    """The stocks of an ERP.

    Args:
        change_fields: Changes fields of a record as part of a commit, and tells CRM.
    """

    def __init__(
        self, change_fields: Callable[[Change, str, str, Mapping[str, str]], None]
    ) -> None:
        self._change_fields = change_fields

    @staticmethod
    def pieces(get: Callable[..., Any], place: str, product: str) -> int | None:
        """Return how many there are, by a store or a commit; None where nobody keeps a stock."""
        record: Record | None = get("records", (STOCK, stock_key(place, product)))
        return None if record is None else int(dict(record.fields)["pieces"])

    def has(self, get: Callable[..., Any], place: str, product: str, wanted: int) -> bool:
        """Say whether as many are there as are wanted, besides those in deliveries."""
        return self.free(get, place, product, wanted) >= wanted

    def free(self, get: Callable[..., Any], place: str, product: str, wanted: int) -> int:
        """Return how many of what is wanted are there and in no delivery."""
        there = self.pieces(get, place, product)
        if there is None:
            return wanted
        is_main = place == MAIN
        return min(there - int(get(IN_DELIVERIES, product, 0)) if is_main else there, wanted)

    def set_apart(self, change: Change, product: str, pieces: int) -> None:
        """Put pieces of the main stock into a delivery; a negative number leaves one."""
        known = int(change.get(IN_DELIVERIES, product, 0))
        change.put(IN_DELIVERIES, product, known + pieces)

    def move(self, change: Change, place: str, product: str, pieces: int) -> None:
        """Put pieces into a stock, or take some out that are there."""
        there = self.pieces(change.get, place, product)
        if there is None:
            return
        assert there + pieces >= 0, "nobody takes what is not there"
        fields = {"pieces": str(there + pieces)}
        self._change_fields(change, STOCK, stock_key(place, product), fields)
