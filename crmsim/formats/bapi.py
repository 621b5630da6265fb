"""What do CRM and the ERP exchange about orders and master data?

BAPI structures (business application programming interface): flat records that know nothing of
BDocs, laptops or reps' diaries. Sources: CONTRIBUTING.md, S37, S69.
"""

import attrs

from crmsim.business.fulfilment import Progress
from crmsim.business.sales import OrderItem
from crmsim.business.schedule import Confirmed

__all__ = [
    "BapiMasters",
    "BapiOrder",
    "BapiRecord",
    "BapiRecordStored",
    "BapiResult",
    "BapiStatus",
]


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
    text: str = ""
    contract: str = ""
    """The contract that it draws on."""
    schedule: tuple[Confirmed, ...] = ()
    """Which of its pieces are confirmed for which day; empty when nobody has checked that."""


@attrs.frozen
class BapiResult:
    """The order was booked or refused. ERP to CRM."""

    number: str
    version: int
    is_booked: bool
    reason: str = ""


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
