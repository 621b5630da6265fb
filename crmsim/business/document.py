"""What do people know about an order besides what was ordered?"""

import enum

import attrs

from crmsim.business.fulfilment import How, Progress, how_far
from crmsim.business.sales import SalesOrder
from crmsim.business.schedule import Confirmed

__all__ = ["Fate", "OrderDocument", "Owner"]


class Owner(enum.Enum):
    """Which system may change an order that is in both; the other one only shows it."""

    CRM = "CRM"
    ERP = "the ERP"
    BOTH = "CRM and the ERP"


class Fate(enum.Enum):
    """What became of an order, as far as one knows."""

    WRITTEN = "written"
    ACCEPTED = "accepted by CRM"
    BOOKED = "booked in the ERP"
    REFUSED = "refused by the ERP"
    SHIPPED = "shipped"
    CANCELLED = "cancelled in CRM"
    """Nobody could check whether there is enough."""


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
    progress: tuple[Progress, ...] = ()
    """How far its lines have got in the back end, as far as one knows."""
    owner: Owner = Owner.CRM
    unchecked: tuple[str, ...] = ()
    """Lines of which nobody has checked yet whether there is enough: all of them or none."""
    schedule: tuple[Confirmed, ...] = ()
    """What was confirmed at the last check."""

    def after(self, news: tuple[Progress, ...]) -> "OrderDocument":
        """Return it with what else is known of how far it has got; late news take nothing back."""
        known = {one.line: one for one in self.progress}
        for one in news:
            known[one.line] = known.get(one.line, Progress(one.line)).at_least(one)
        return attrs.evolve(self, progress=tuple(known.values()))

    @property
    def goods_issue(self) -> How:
        """How much of it has left the warehouse."""
        return how_far(self.order.items, {one.line: one.issued for one in self.progress})

    @property
    def billing(self) -> How:
        """How much of it is billed."""
        return how_far(self.order.items, {one.line: one.billed for one in self.progress})

    @property
    def is_unchecked(self) -> bool:
        """Whether it waits in CRM until somebody has checked whether there is enough."""
        return bool(self.unchecked)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.errors
