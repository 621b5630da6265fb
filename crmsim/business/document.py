"""What do people know about an order besides what was ordered?"""

import enum

import attrs

from crmsim.business.sales import SalesOrder

__all__ = ["Fate", "OrderDocument"]


class Fate(enum.Enum):
    """What became of an order, as far as one knows."""

    WRITTEN = "written"
    ACCEPTED = "accepted by CRM"
    BOOKED = "booked in the ERP"
    REFUSED = "refused by the ERP"
    SHIPPED = "shipped"


@attrs.frozen
class OrderDocument:
    """An order with its number and its fate."""

    order: SalesOrder
    number: str
    fate: Fate = Fate.WRITTEN
    shipped_day: int | None = None
    """Day of the run on which the goods left."""
    errors: tuple[str, ...] = ()
    """What CRM finds wrong with it (SAP: it contains errors); until that is put right it is kept,
    but goes neither to the ERP nor to other laptops."""
    is_locked: bool = False
    """Somebody in the office has to release it first (SAP: a distribution lock)."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.errors
