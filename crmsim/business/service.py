"""What are service orders, confirmations, complaints and bills made of?

Each is a header and some items, and each item has a category: it decides what becomes of the item,
and in which system. All of them are kept as records (`crmsim.business.master`), an item as one
field, so that two people who change different items need not hurt each other.
Sources: CONTRIBUTING.md, S21, S23, S26.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from crmsim.errors import BadValue

__all__ = [
    "Category",
    "ServiceItem",
    "item_fields",
    "items_of",
    "value_of_items",
]

ITEM = "item "
"""How the names of fields begin that hold an item; its line follows."""


class Category(enum.Enum):
    """What an item is about. In brackets: what SAP calls it."""

    SALES = "sales"
    """Goods that the customer buys with the service."""
    SERVICE = "service"
    """Work; its quantity is in minutes."""
    PART = "part"
    """A spare part."""
    EXPENSE = "expense"
    RETURN_REQUEST = "return request"
    """The customer wants to send something back (REN)."""
    RETURN = "return"
    """He may (returns authorisation, RAIN)."""
    SUBSTITUTE = "substitute"
    """He gets another one, free of charge (TANN)."""
    CREDIT = "credit"
    """He gets money back, once somebody has approved it (credit memo request)."""
    DEBIT = "debit"
    """He owes more than he was billed, once somebody has approved it (debit memo request)."""
    REPAIR_IN = "for repair"
    """What he sends to be repaired (RSUB)."""
    REPAIR_OUT = "repaired"
    """What he gets back (RRET)."""
    LOAN = "loan"
    """What he gets meanwhile (LOAN)."""
    LOAN_BACK = "loan back"
    """What is fetched from him then (LRET)."""
    SCRAP = "scrap"
    """What cannot be repaired, and is thrown away."""


@attrs.frozen
class ServiceItem:
    """One line of a service order, a confirmation, a complaint or a bill."""

    line: str
    category: Category
    product: str
    quantity: int
    """Pieces; of work, minutes."""
    unit_price: Decimal = Decimal(0)
    """Of a piece; of work, of a minute."""
    of: str = ""
    """Of a return: which item of the order it is about, counted from 1."""

    def __attrs_post_init__(self) -> None:
        if self.quantity < 1:
            raise BadValue(f"item {self.line} is about {self.quantity}; write 1 or more")
        if not self.unit_price.is_finite() or self.unit_price < 0:
            raise BadValue(f"the price of item {self.line} is {self.unit_price}; write 0 or more")
        if not self.line or not self.product:
            raise BadValue(f"an item needs a line and a product: {self}")
        if len(self.product.splitlines()) > 1 or len(self.of.split()) > 1:
            raise BadValue(f"a product is one line of text, and what it is of one word: {self}")

    @property
    def value(self) -> Decimal:
        """What it is worth."""
        return self.quantity * self.unit_price

    @property
    def text(self) -> str:
        """How it stands in a record.

        >>> ServiceItem("10", Category.PART, "pump", 2, Decimal("30.50")).text
        'part: 2 pump at 30.50'
        """
        of = f" of {self.of}" if self.of else ""
        what = f"{self.quantity} {self.product} at {self.unit_price:f}"
        return f"{self.category.value}: {what}{of}"


_TEXT = re.compile(
    r"(?P<category>[a-z ]+): (?P<quantity>\d+) (?P<product>.+) at (?P<price>\d+\.?\d*|\.\d+)"
    r"( of (?P<of>\S+))?"
)


def _item_of(line: str, text: str) -> ServiceItem:
    """Return an item that stands in a record.

    Raises:
        BadValue: it is none.
    """
    found = _TEXT.fullmatch(text)
    categories = {one.value: one for one in Category}
    if found is None or found["category"] not in categories:
        raise BadValue(
            f"item {line} is {text!r}; write something like 'part: 2 pump at 30.50', with one of "
            f"these in front: {', '.join(categories)}"
        )
    quantity, price = int(found["quantity"]), Decimal(found["price"])
    category = categories[found["category"]]
    return ServiceItem(line, category, found["product"], quantity, price, found["of"] or "")


def item_fields(items: Iterable[ServiceItem]) -> dict[str, str]:
    """Return the fields of a record that hold some items.

    Raises:
        BadValue: two of them have the same line.
    """
    fields: dict[str, str] = {}
    for item in items:
        if f"{ITEM}{item.line}" in fields:
            raise BadValue(f"two items have the line {item.line!r}; number them otherwise")
        fields[f"{ITEM}{item.line}"] = item.text
    return fields


def items_of(fields: Mapping[str, str]) -> tuple[ServiceItem, ...]:
    """Return the items that stand in a record, in order of their lines.

    An empty field is an item that has been taken out.

    Raises:
        BadValue: something is no item.
    """
    found = [
        _item_of(name.removeprefix(ITEM), text)
        for name, text in fields.items()
        if name.startswith(ITEM) and text
    ]
    return tuple(sorted(found, key=lambda item: (len(item.line), item.line)))


def value_of_items(items: Iterable[ServiceItem]) -> Decimal:
    """Return what some items are worth together, exactly."""
    return sum((item.value for item in items), Decimal(0))
