"""What do CRM and the ERP exchange about orders and master data?

BAPI structures (business application programming interface): flat records that know nothing of
BDocs, laptops or reps' diaries. Sources: CONTRIBUTING.md, S37, S69.
"""

import attrs

from crmsim.business.document import Owner
from crmsim.business.fulfilment import Progress
from crmsim.business.sales import OrderItem, SalesKind, SalesOrder
from crmsim.business.schedule import Confirmed

__all__ = [
    "BapiChange",
    "BapiContract",
    "BapiMasters",
    "BapiOrder",
    "BapiRecord",
    "BapiRecordStored",
    "BapiResult",
    "BapiStatus",
    "News",
    "bapi_order",
    "name_of_change",
]


@attrs.frozen
class BapiOrder:
    """An order. CRM to ERP: create it, or change it to this."""

    number: str
    guid: str
    reference: str
    rep: str
    customer: str
    items: tuple[OrderItem, ...]
    version: int
    delivery_block: bool
    """Do not ship yet: a quantity is still to be confirmed."""
    text: str = ""
    contract: str = ""
    """The contract of the ERP that it draws on; the ERP never hears of one of CRM."""
    kind: SalesKind = SalesKind.ORDER
    preceding: str = ""
    """The reference of the quotation that it follows."""
    epoch: int = 0
    """The lock in the ERP under which it was changed; 0 for none."""
    known_changes: int = 0
    """How many of the changes that people at the ERP made whoever wrote this had seen."""
    schedule: tuple[Confirmed, ...] = ()
    """Which of its pieces are confirmed for which day; empty when nobody has checked that."""

    def as_sales_order(self) -> SalesOrder:
        """Return what people call an order: without what only the two systems say to each other."""
        return SalesOrder(
            self.guid,
            self.reference,
            self.rep,
            self.customer,
            self.items,
            self.version,
            self.delivery_block,
            self.kind,
            self.text,
            self.contract,
            is_released=self.kind is SalesKind.QUOTATION,  # no other quotation comes to the ERP
            preceding=self.preceding,
        )


def bapi_order(
    order: SalesOrder,
    number: str,
    epoch: int = 0,
    known_changes: int = 0,
    schedule: tuple[Confirmed, ...] = (),
) -> BapiOrder:
    """Convert an order to the structure that CRM and the ERP exchange."""
    return BapiOrder(
        number,
        order.guid,
        order.reference,
        order.rep,
        order.customer,
        order.items,
        order.version,
        order.is_provisional,
        order.text,
        order.contract,
        order.kind,
        order.preceding,
        epoch,
        known_changes,
        schedule,
    )


@attrs.frozen
class BapiChange:
    """Somebody at the ERP has created or changed an order. ERP to CRM."""

    order: BapiOrder
    """As the ERP has it now."""
    before: BapiOrder | None
    """As it was; None for one that was born in the ERP."""
    change: int
    """The how-manieth change that people at the ERP made of it, from 1; creating it is one."""
    owner: Owner
    """Whose it is by now."""

    @property
    def number(self) -> str:
        """The number of the order."""
        return self.order.number


def name_of_change(number: str, change: int) -> str:
    """Return what a change that people at the ERP made of an order is called."""
    return f"erp change {change} of order {number}"


@attrs.frozen
class BapiResult:
    """The order was booked or refused. ERP to CRM."""

    number: str
    version: int
    is_booked: bool
    reason: str = ""
    is_mendable: bool = False
    """Refused, but somebody can put right what is missing, and send it again."""


@attrs.frozen
class BapiStatus:
    """How far an order has got: what is delivered, has left, is billed. ERP to CRM.

    Each one says all that is known by then, so the later one of two counts, whichever comes first.
    """

    number: str
    progress: tuple[Progress, ...]
    shipped_day: int | None
    """Day of the run on which the last of the goods left; None while some have not."""


@attrs.frozen
class BapiRecord:
    """A record that both systems keep: a customer. Either way."""

    object: str
    key: str
    fields: tuple[tuple[str, str], ...]
    """CRM to ERP: all of it. ERP to CRM: (name, new value) of what was changed there."""
    version: int
    """The version in CRM Online; from the ERP, the one that it knew of when it made the change."""
    number: int = 0
    """ERP to CRM: the how-manieth change of the record there this is, from 1."""


@attrs.frozen
class BapiRecordStored:
    """The ERP holds a version of a record. ERP to CRM."""

    object: str
    key: str
    version: int


@attrs.frozen
class BapiMasters:
    """Master data for everybody was changed: materials, prices. ERP to CRM."""

    publication: str
    values: tuple[tuple[str, str], ...]
    """(key, new value)."""
    number: int
    """The how-manieth change of the publication in the ERP this is, from 1."""


@attrs.frozen
class BapiContract:
    """A contract of the ERP as it is now, with all that is called off it. ERP to CRM."""

    key: str
    """Its number, the same in both systems (S19)."""
    customer: str
    target: tuple[tuple[str, int], ...]
    """(product, pieces) that can be called off it."""
    calls: tuple[tuple[str, str, int], ...]
    """(number of an order that is booked, product, pieces)."""
    valid_to: int | None
    """Last day of the run on which something can be called off; None when there is none."""
    status: str
    """``open`` or ``closed``."""
    number: int
    """The how-manieth state of it in the ERP this is, from 1: of two, the later one counts."""


News = (
    BapiResult
    | BapiStatus
    | BapiChange
    | BapiRecord
    | BapiRecordStored
    | BapiMasters
    | BapiContract
)
"""What the ERP tells CRM."""
