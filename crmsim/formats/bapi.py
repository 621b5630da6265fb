"""What do CRM and the ERP exchange about an order?

BAPI structures (business application programming interface): flat records that know nothing of
BDocs, laptops or reps' diaries. Sources: CONTRIBUTING.md, S37, S69.
"""

import attrs

from crmsim.business.sales import OrderItem

__all__ = ["BapiDelivery", "BapiOrder", "BapiResult"]


@attrs.frozen
class BapiOrder:
    """Create or change this order. CRM to ERP."""

    number: str
    guid: str
    reference: str
    rep: str
    customer: str
    items: tuple[OrderItem, ...]
    version: int
    delivery_block: bool
    """Do not ship yet: a quantity is still to be confirmed."""


@attrs.frozen
class BapiResult:
    """The order was booked or refused. ERP to CRM."""

    number: str
    version: int
    is_booked: bool
    reason: str = ""


@attrs.frozen
class BapiDelivery:
    """The goods of an order left the warehouse. ERP to CRM."""

    number: str
    shipped_day: int
