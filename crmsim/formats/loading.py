"""What do CRM and the ERP exchange when things are loaded or compared, many at once?

Sources: CONTRIBUTING.md, S37, S63; the form of the blocks is assumed.
"""

from typing import Any

import attrs

from crmsim.business.sales import SalesOrder
from crmsim.formats.bapi import (
    BapiChange,
    BapiContract,
    BapiMasters,
    BapiOrder,
    BapiRecord,
    BapiRecordStored,
    BapiResult,
    BapiStatus,
)

__all__ = [
    "BapiRemoval",
    "BapiValue",
    "CompareAnswer",
    "CompareQuestion",
    "FilterSet",
    "LoadBlock",
    "LoadEnd",
    "LoadRequest",
    "Row",
    "Wish",
    "contract_facts",
    "contract_row",
    "keys_in",
    "order_row",
]

Row = tuple[tuple[str, str], ...]
"""(field, value) of one thing, in order of the names; empty where only its key counts."""


@attrs.frozen
class LoadRequest:
    """Send all that passes the filter, or what is asked for. CRM to the ERP."""

    load: str
    about: str
    queue: str
    """The queue in which the blocks are to come."""
    block: int
    """Records of a block."""
    is_initial: bool
    """From now on every change is to be told too."""
    keys: tuple[str, ...] = ()
    """What is asked for; of an initial load none, which means all."""


@attrs.frozen
class LoadEnd:
    """Somebody has aborted a load: send nothing more of it. CRM to the ERP."""

    load: str


@attrs.frozen
class FilterSet:
    """What of an object is exchanged from now on. CRM to the ERP."""

    about: str
    values: Row


@attrs.frozen
class BapiValue:
    """One record of what everybody gets. ERP to CRM, in a block."""

    key: str
    value: str


@attrs.frozen
class LoadBlock:
    """A block of a load. ERP to CRM."""

    load: str
    about: str
    number: int
    """The how-manieth block of the load this is, from 1."""
    is_last: bool
    records: tuple[BapiRecord, ...] = ()
    """Each with all its fields, and the number of its newest change in the ERP."""
    values: tuple[BapiValue, ...] = ()
    change: int = 0
    """The number of the newest change of the whole publication that `values` are of."""
    contracts: tuple[BapiContract, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all that is in it."""
        rows = (self.records, self.values, self.contracts)
        return tuple(one.key for group in rows for one in group)


@attrs.frozen
class CompareQuestion:
    """What is there? CRM to the ERP, or to itself about the CDB."""

    comparison: str
    about: str
    number: int
    """The how-manieth question of the comparison this is, from 1."""
    is_detailed: bool
    """Whether fields are wanted, or only keys."""
    after: str
    """Say what follows this key."""
    count: int
    """How many things at most."""
    keys: tuple[str, ...] = ()
    """Say how these stand, instead: the second look."""


@attrs.frozen
class CompareAnswer:
    """This is there. ERP to CRM."""

    question: CompareQuestion
    rows: tuple[tuple[str, Row], ...]
    """(key, fields); only keys, if only these were wanted."""
    is_last: bool
    moving: tuple[str, ...]
    """Keys of what lies in a queue here."""


@attrs.frozen
class BapiRemoval:
    """CRM leads, and has no such record: it is to be taken out. CRM to the ERP."""

    object: str
    key: str


Wish = LoadRequest | LoadEnd | FilterSet | CompareQuestion
"""What CRM asks of the ERP."""


def contract_facts(contract: Any) -> dict[str, str]:
    """Return the fields of a contract that a filter can look at."""
    return {"customer": contract.customer, "status": contract.status}


def keys_in(body: object, about: str) -> tuple[str, ...]:
    """Return the keys of what a unit of work between CRM and the ERP says about an object."""
    if isinstance(body, BapiMasters):
        return tuple(key for key, _ in body.values) if body.publication == about else ()
    if isinstance(body, BapiContract):
        return (body.key,) if about == "contract" else ()
    if isinstance(body, LoadBlock):
        return body.keys if body.about == about else ()
    if isinstance(body, BapiOrder | BapiResult | BapiStatus | BapiChange):
        return (body.number,) if about == "order" else ()
    if isinstance(body, BapiRecord | BapiRecordStored | BapiRemoval):
        return (body.key,) if body.object == about else ()
    return ()


def order_row(order: SalesOrder) -> Row:
    """Return all that is exchanged of an order, for a comparison.

    Not its contract: the ERP knows none of CRM.
    """
    said = {
        "reference": order.reference,
        "customer": order.customer,
        "kind": order.kind.value,
        "text": order.text,
    }
    for item in order.items:
        price = f"{item.unit_price} -{item.discount}"
        which = f"{item.product} {item.configuration}".rstrip()
        said[f"item {item.line}"] = f"{item.quantity} {which} at {price} {item.text}".rstrip()
    return tuple(sorted(said.items()))


def contract_row(contract: BapiContract) -> Row:
    """Return all that is exchanged of a contract, for a comparison."""
    said = {
        "customer": contract.customer,
        "target": str(sorted(contract.target)),
        "calls": str(sorted(contract.calls)),
        "valid_to": str(contract.valid_to),
        "status": contract.status,
    }
    return tuple(sorted(said.items()))
