"""What does the ERP know of an order?"""

from decimal import Decimal

import attrs

from crmsim.applications.pricing import net_value
from crmsim.formats.bapi import BapiOrder

__all__ = ["ErpOrder"]


@attrs.frozen
class ErpOrder:
    """An order as the ERP holds it."""

    order: BapiOrder
    booked_ns: int
    """When it was booked first."""
    shipped_day: int | None = None
    """Day of the run on which the last of its goods left."""

    @property
    def net_value(self) -> Decimal:
        """What the booked items are worth."""
        return net_value(self.order.items)
