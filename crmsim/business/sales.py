"""What is a sales order?"""

import enum
from decimal import Decimal
from typing import Any

import attrs

from crmsim.chance import Stream, word_of
from crmsim.errors import BadValue

__all__ = [
    "CallOff",
    "OrderEdit",
    "OrderItem",
    "SalesKind",
    "SalesOrder",
    "identified",
    "new_guid",
    "with_lines",
]


@attrs.frozen
class OrderItem:
    """One line of an order: so many of a product, at a price, less a discount."""

    product: str
    quantity: int = attrs.field()
    unit_price: Decimal = attrs.field()
    discount: Decimal = attrs.field(default=Decimal(0))
    """Share of the price that is taken off, 0 to 1."""
    line: str = ""
    """The technical identity of the line in its order, made where it is written."""
    text: str = ""
    """A remark for the warehouse or the customer."""
    configuration: str = ""
    """Which variant of the product it is, if there are several."""

    @quantity.validator
    def _some(self, attribute: object, value: int) -> None:
        if value < 1:
            raise BadValue(f"quantity is {value}; an order item is about one piece or more")

    @unit_price.validator
    def _not_negative(self, attribute: object, value: Decimal) -> None:
        if value < 0:
            raise BadValue(f"unit price is {value}; a price is not negative")

    @discount.validator
    def _share(self, attribute: object, value: Decimal) -> None:
        if not 0 <= value <= 1:
            raise BadValue(f"discount is {value}; it is a share from 0 to 1")


class SalesKind(enum.Enum):
    """What sort of sales transaction it is."""

    ORDER = "order"
    QUOTATION = "quotation"
    """An offer: nothing is delivered."""


@attrs.frozen
class SalesOrder:
    """What a customer orders, or is offered, and somebody writes down."""

    guid: str
    """The technical identity, made where the order is born and never changed."""
    reference: str
    """The number in the customer's or the rep's own order book."""
    rep: str
    customer: str
    items: tuple[OrderItem, ...]
    version: int = 1
    """1 as first written, 2 after the first change, ...; what counts is what CRM counts."""
    is_provisional: bool = False
    """A quantity is still to be confirmed; nothing is shipped until it is."""
    kind: SalesKind = SalesKind.ORDER
    text: str = ""
    contract: str = ""
    """The key of the contract that it draws on; empty when on none."""
    at_list_prices: bool = False
    """Its prices are those of the price list; CRM puts in its own when it takes it over."""
    is_released: bool = False
    """A quotation: it is final, and may go to the ERP, where quotations go there."""
    preceding: str = ""
    """The reference of the quotation that it follows; empty when it follows none."""


@attrs.frozen
class CallOff:
    """What a rep calls off a contract: what he wants, but no more than his laptop shows as left."""

    order: SalesOrder
    """It names the contract."""

    def __attrs_post_init__(self) -> None:
        if not self.order.contract:
            raise BadValue(f"order {self.order.reference!r} names no contract to call it off")

    @property
    def reference(self) -> str:
        """The reference of the order that comes of it."""
        return self.order.reference


def with_lines(order: SalesOrder, before: SalesOrder | None, prefix: str) -> SalesOrder:
    """Return an order whose items all have identities: those that they have, or new ones.

    Args:
        order: What somebody wrote, item after item.
        before: The order as it was, if items without an identity are the ones at their place
            there; None when they are new.
        prefix: What no other save begins a line with.
    """
    known = () if before is None else tuple(item.line for item in before.items)
    items = []
    for place, item in enumerate(order.items):
        line = known[place] if place < len(known) else f"{prefix}.{place + 1}"
        items.append(attrs.evolve(item, line=item.line or line))
    return attrs.evolve(order, items=tuple(items))


def new_guid(luck: Stream, key: int) -> str:
    """Return the technical identity of something that is born; the same for the same key."""
    return f"{luck.word(key):016X}{luck.word(key, 1):016X}"


def identified(order: SalesOrder, luck: Stream, by: str) -> SalesOrder:
    """Return an order that is born in CRM or the ERP, with identities made from its reference.

    Args:
        order: Without a GUID.
        luck: Of the system in which it is born.
        by: Who writes it.
    """
    guid = new_guid(luck, word_of(order.reference))
    return with_lines(attrs.evolve(order, guid=guid), None, f"{by} {order.reference}")


EDITABLE = ("product", "quantity", "unit_price", "discount", "text", "configuration")
"""Fields of an item that an edit can change."""
EDITABLE_HEADER = ("customer", "is_provisional", "text", "contract", "is_released")
"""Fields of the order itself that an edit can change."""
_ANY_ITEM = OrderItem("", 1, Decimal(0))


@attrs.frozen
class OrderEdit:
    """What somebody changes of an order that is there: some fields, and nothing else."""

    reference: str
    items: tuple[tuple[int, tuple[tuple[str, Any], ...]], ...] = ()
    """(position from 1, (field, new value), ...) of items that are changed."""
    header: tuple[tuple[str, Any], ...] = ()
    """(field, new value) of the order itself."""
    added: tuple[OrderItem, ...] = ()
    """Items that are added at the end."""
    removed: tuple[int, ...] = ()
    """Positions, from 1, of items that are taken out."""

    def __attrs_post_init__(self) -> None:
        for name, _ in self.header:
            if name not in EDITABLE_HEADER:
                raise BadValue(f"{name!r} of an order cannot be edited; its customer and text can")
        for _, fields in self.items:
            for name, _ in fields:
                if name not in EDITABLE:
                    raise BadValue(f"an item has no {name!r} that can be edited")
            attrs.evolve(_ANY_ITEM, **dict(fields))  # refuses what no item can have
        if any(place < 1 for place in (*self.removed, *dict(self.items))):
            raise BadValue("positions of items begin with 1")

    def applied(self, order: SalesOrder) -> SalesOrder:
        """Return an order after the change; what is about an item that is not there is left out."""
        changes = dict(self.items)
        items = [
            attrs.evolve(item, **dict(changes.get(place, ())))
            for place, item in enumerate(order.items, 1)
            if place not in self.removed
        ]
        return attrs.evolve(order, items=(*items, *self.added), **dict(self.header))
