"""What does the ERP know of an order?"""

from decimal import Decimal

import attrs

from crmsim.applications.pricing import net_value
from crmsim.business.document import Owner
from crmsim.formats.bapi import BapiOrder

__all__ = ["ErpOrder"]


@attrs.frozen
class ErpOrder:
    """An order or a quotation as the ERP holds it."""

    order: BapiOrder
    booked_ns: int
    """When it was booked first."""
    shipped_day: int | None = None
    """Day of the run on which the last of its goods left."""
    number: str = ""
    """The number that the ERP has given it; that of `order` is CRM's, and usually the same."""
    owner: Owner = Owner.CRM
    changes: int = 0
    """How many changes of it people at the ERP made, its creation counted, of which CRM is told."""
    from_crm: BapiOrder | None = None
    """As CRM sent it last; None when it never did."""
    is_changed_here: bool = False
    """Whether people at the ERP have changed it without CRM being told."""

    @property
    def net_value(self) -> Decimal:
        """What the booked items are worth."""
        return net_value(self.order.items)
