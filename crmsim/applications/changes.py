"""What of an order may still change, once the back end has begun to work on it?

One table says it, item by item; CRM asks it with what it knows of the deliveries and bills, and the
ERP asks it again with what it knows itself, which may be more.
Sources: CONTRIBUTING.md, S07 and S11; what they do not say is assumed.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from crmsim.business.document import Fate, OrderDocument
from crmsim.business.fulfilment import Progress
from crmsim.business.sales import OrderItem, SalesOrder

__all__ = [
    "MAY_CHANGE",
    "ItemChange",
    "ItemStatus",
    "item_status",
    "why_not_change",
    "why_not_change_items",
]


class ItemStatus(enum.Enum):
    """How far an item has got in the back end."""

    OPEN = "not delivered"
    PARTLY = "partly delivered"
    DELIVERED = "fully delivered"
    BILLED = "billed"


class ItemChange(enum.Enum):
    """What is changed of an item."""

    QUANTITY = "quantity"
    PRICE = "price"
    PRODUCT = "product"
    TEXT = "text"
    ADD = "items"
    """Another item; what counts is how far the whole order has got."""
    DELETE = "place in the order"


_S, _C = ItemStatus, ItemChange
MAY_CHANGE: Mapping[tuple[ItemStatus, ItemChange], bool] = MappingProxyType(
    {
        (_S.OPEN, _C.QUANTITY): True,
        (_S.OPEN, _C.PRICE): True,
        (_S.OPEN, _C.PRODUCT): True,
        (_S.OPEN, _C.TEXT): True,
        (_S.OPEN, _C.ADD): True,
        (_S.OPEN, _C.DELETE): True,
        (_S.PARTLY, _C.QUANTITY): True,  # but not below what is delivered
        (_S.PARTLY, _C.PRICE): False,
        (_S.PARTLY, _C.PRODUCT): False,
        (_S.PARTLY, _C.TEXT): False,
        (_S.PARTLY, _C.ADD): True,
        (_S.PARTLY, _C.DELETE): False,
        (_S.DELIVERED, _C.QUANTITY): False,
        (_S.DELIVERED, _C.PRICE): True,  # until it is billed
        (_S.DELIVERED, _C.PRODUCT): False,
        (_S.DELIVERED, _C.TEXT): False,
        (_S.DELIVERED, _C.ADD): False,  # assumed: that is another order
        (_S.DELIVERED, _C.DELETE): False,
        (_S.BILLED, _C.QUANTITY): False,
        (_S.BILLED, _C.PRICE): False,
        (_S.BILLED, _C.PRODUCT): False,
        (_S.BILLED, _C.TEXT): False,
        (_S.BILLED, _C.ADD): False,
        (_S.BILLED, _C.DELETE): False,
    }
)
"""(how far an item has got, what is changed) -> whether it may."""
FREE_HEADER = frozenset({"text"})
"""Fields of an order as a whole that may change whatever has been delivered."""
HEADER = ("customer", "text", "contract", "is_provisional", "kind", "is_released")
"""Fields of an order as a whole that somebody can change."""


def item_status(item: OrderItem, progress: Progress | None) -> ItemStatus:
    """Return how far an item has got."""
    if progress is None or not progress.delivered:
        return ItemStatus.BILLED if progress and progress.billed else ItemStatus.OPEN
    if progress.billed:
        return ItemStatus.BILLED
    is_all = progress.delivered >= item.quantity
    return ItemStatus.DELIVERED if is_all else ItemStatus.PARTLY


def why_not_change(document: OrderDocument, wanted: SalesOrder) -> str | None:
    """Return why an order may not become another one, or None.

    Args:
        document: The order as it is, with how far it has got.
        wanted: As it is to be.
    """
    order = document.order
    if document.fate is Fate.CANCELLED:
        return f"order {document.number} was cancelled; write another one"
    changed = {name for name in HEADER if getattr(order, name) != getattr(wanted, name)}
    if changed - FREE_HEADER and any(one.delivered or one.billed for one in document.progress):
        return f"order {document.number} is delivered in part; its {min(changed)} is final"
    return why_not_change_items(document.number, order.items, wanted.items, document.progress)


def why_not_change_items(
    number: str,
    before: tuple[OrderItem, ...],
    after: tuple[OrderItem, ...],
    progress: Iterable[Progress],
) -> str | None:
    """Return why the items of an order may not become others, or None.

    Args:
        number: The number of the order.
        before: The items as they are.
        after: As they are to be.
        progress: How far they have got.
    """
    known = {one.line: one for one in progress}
    if not known:
        return None
    statuses = {item.line: item_status(item, known.get(item.line)) for item in before}
    for item, change, wanted in _changes(before, after):
        status = _of_all(statuses.values()) if item is None else statuses[item.line]
        what = "order" if item is None else item.product
        if not MAY_CHANGE[status, change]:
            return f"order {number}: {what} is {status.value}; its {change.value} is final"
        done = 0 if item is None else known.get(item.line, Progress(item.line)).delivered
        if item is not None and wanted is not None and wanted.quantity < done:
            return f"order {number}: {done} of {what} are delivered; it cannot be fewer"
    return None


def _of_all(statuses: Iterable[ItemStatus]) -> ItemStatus:
    """Return how far an order has got: as far as the item that has got least far."""
    order = list(ItemStatus)
    return min(statuses, key=order.index, default=ItemStatus.OPEN)


def _changes(
    before: tuple[OrderItem, ...], after: tuple[OrderItem, ...]
) -> Iterator[tuple[OrderItem | None, ItemChange, OrderItem | None]]:
    """Yield each change: of which item (None for a new one), what, and the item as it is to be."""
    wanted = {item.line: item for item in after}
    for item in before:
        new = wanted.pop(item.line, None)
        if new is None:
            yield item, ItemChange.DELETE, None
            continue
        if new.quantity != item.quantity:
            yield item, ItemChange.QUANTITY, new
        if (new.unit_price, new.discount) != (item.unit_price, item.discount):
            yield item, ItemChange.PRICE, new
        if (new.product, new.configuration) != (item.product, item.configuration):
            yield item, ItemChange.PRODUCT, new
        if new.text != item.text:
            yield item, ItemChange.TEXT, new
    for new in wanted.values():
        yield None, ItemChange.ADD, new
