"""What is in a real order book?

A folder with two files of comma-separated values. ``orders.csv`` has one row per order with the
columns ``orderID, customerID, employeeID, orderDate, shippedDate``; ``order-details.csv`` has one
row per item with ``orderID, productID, unitPrice, quantity, discount``. Other columns may be there
and are not read. Dates are ``1996-07-04``, with or without a time of day; ``shippedDate`` may be
``NULL`` or empty for an order that was never shipped. A row is never skipped: whatever cannot be
read ends the reading with the file, the row and what would be right.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import attrs

from crmsim.applications.pricing import exact_sum, net_value
from crmsim.business.sales import OrderItem
from crmsim.errors import BadInput, BadValue

__all__ = ["BookOrder", "OrderBook", "read_order_book"]

ORDERS_FILE = "orders.csv"
ITEMS_FILE = "order-details.csv"
DAYS_MOST = 36_525
"""A hundred years: longer order books are taken for a slip of the pen."""
QUANTITY_MOST = 10**9
DIGITS_MOST = 18
"""Digits of a price or discount, before and after the point together."""
ORDER_COLUMNS = ("orderID", "customerID", "employeeID", "orderDate", "shippedDate")
ITEM_COLUMNS = ("orderID", "productID", "unitPrice", "quantity", "discount")


@attrs.frozen
class BookOrder:
    """One order of the book."""

    reference: str
    customer: str
    rep: str
    day: int
    """Day on which it was written, counted from the first day of the book."""
    ship_day: int | None
    """Day on which it was shipped; None for never."""
    items: tuple[OrderItem, ...]


@attrs.frozen
class OrderBook:
    """All orders, in the order of the file."""

    orders: tuple[BookOrder, ...]
    first_weekday: int
    """Which weekday day 0 is; 0 is Monday."""
    name: str
    """Where it comes from."""

    @property
    def reps(self) -> tuple[str, ...]:
        """Everybody who wrote an order, in order of name."""
        return tuple(sorted({order.rep for order in self.orders}, key=_natural))

    @property
    def last_day_written(self) -> int:
        """The last day on which anything is written."""
        return max(order.day for order in self.orders)

    @property
    def last_day(self) -> int:
        """The last day on which anything is written or shipped."""
        return max(max(order.day, order.ship_day or 0) for order in self.orders)

    @property
    def value(self) -> Decimal:
        """What all orders are worth, exactly."""
        return exact_sum(net_value(order.items) for order in self.orders)

    @property
    def item_count(self) -> int:
        """How many items all orders have together."""
        return sum(len(order.items) for order in self.orders)


def _natural(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdigit() else (1, 0, name)


def read_order_book(folder: Path) -> OrderBook:
    """Read an order book.

    Raises:
        BadInput: a file is missing or malformed; the message names file and row.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise BadInput(
            f"orders={folder}: {what}; name a folder that holds {ORDERS_FILE} and {ITEMS_FILE}"
        )
    headers = _read_orders(folder / ORDERS_FILE)
    items = _read_items(folder / ITEMS_FILE, headers)
    for reference, (row, *_) in headers.items():
        if not items[reference]:
            raise BadInput(
                f"{folder / ORDERS_FILE}, row {row}: order {reference} has no item in "
                f"{ITEMS_FILE}; every order needs one or more"
            )
    first = min(ordered for _, _, _, ordered, _ in headers.values())
    for row, _, _, ordered, shipped in headers.values():
        if (max(ordered, shipped or ordered) - first).days > DAYS_MOST:
            raise BadInput(
                f"{folder / ORDERS_FILE}, row {row}: more than {DAYS_MOST:,} days after the first "
                f"order ({first}); is a year mistyped?"
            )
    orders = tuple(
        BookOrder(
            reference,
            customer,
            rep,
            (ordered - first).days,
            None if shipped is None else max((shipped - first).days, 0),
            tuple(items[reference]),
        )
        for reference, (_, customer, rep, ordered, shipped) in headers.items()
    )
    return OrderBook(orders, first.weekday(), str(folder))


Header = tuple[int, str, str, date, date | None]
"""(row, customer, rep, day ordered, day shipped)"""


def _read_orders(path: Path) -> dict[str, Header]:
    headers: dict[str, Header] = {}
    for row, values in _rows(path, ORDER_COLUMNS):
        place = f"{path}, row {row}"
        reference = _word(place, "orderID", values["orderID"])
        if reference in headers:
            raise BadInput(
                f"{place}: order {reference} stands in row {headers[reference][0]} already; "
                "an orderID is used once"
            )
        shipped = values["shippedDate"].strip()
        headers[reference] = (
            row,
            _word(place, "customerID", values["customerID"]),
            _word(place, "employeeID", values["employeeID"]),
            _date(place, "orderDate", values["orderDate"]),
            None if shipped in ("", "NULL") else _date(place, "shippedDate", shipped),
        )
    if not headers:
        raise BadInput(f"{path}: no order in it; write one row per order below the header")
    return headers


def _read_items(path: Path, headers: dict[str, Header]) -> dict[str, list[OrderItem]]:
    items: dict[str, list[OrderItem]] = {reference: [] for reference in headers}
    for row, values in _rows(path, ITEM_COLUMNS):
        place = f"{path}, row {row}"
        reference = _word(place, "orderID", values["orderID"])
        if reference not in items:
            raise BadInput(f"{place}: order {reference} is not in {ORDERS_FILE}")
        product = _word(place, "productID", values["productID"])
        quantity = _number(place, "quantity", values["quantity"])
        if quantity > QUANTITY_MOST:
            raise BadInput(f"{place}: quantity is {quantity}; at most {QUANTITY_MOST:,} make sense")
        if quantity != quantity.to_integral_value():
            raise BadInput(f"{place}: quantity is {quantity}; write a whole number from 1 up")
        try:
            item = OrderItem(
                product,
                int(quantity),
                _number(place, "unitPrice", values["unitPrice"]),
                _number(place, "discount", values["discount"]),
            )
        except BadValue as error:
            raise BadInput(f"{place}: {error}") from None
        items[reference].append(item)
    return items


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row in the file, its values) of a file with a header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(
            f"{path}: no such file; an order book has {ORDERS_FILE} and {ITEMS_FILE}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text ({error})") from None
    if "\0" in text:
        raise BadInput(f"{path}: holds binary data; write comma-separated UTF-8 text")
    if not text.strip():
        raise BadInput(f"{path}: is empty; its first row names the columns {', '.join(columns)}")
    reader = csv.reader(io.StringIO(text.rstrip("\r\n ") + "\n", newline=""), strict=True)
    try:
        names = [name.strip() for name in next(reader)]
        doubled = [name for name in columns if names.count(name) > 1]
        if doubled:
            raise BadInput(f"{path}, row 1: column {doubled[0]} stands there twice")
        missing = [name for name in columns if name not in names]
        if missing:
            raise BadInput(
                f"{path}, row 1: no column {', '.join(missing)}; the columns are "
                f"{', '.join(names)}; needed are {', '.join(columns)}"
            )
        for values in reader:
            if not values:
                raise BadInput(f"{path}, row {reader.line_num}: the row is empty; remove it")
            if len(values) != len(names):
                raise BadInput(
                    f"{path}, row {reader.line_num}: {len(values)} fields, but the header has "
                    f"{len(names)}; put a text with a comma in double quotes"
                )
            yield reader.line_num, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise BadInput(f"{path}, row {reader.line_num}: {error}") from None


def _word(place: str, column: str, text: str) -> str:
    if not text.strip() or text.strip() == "NULL":
        raise BadInput(f"{place}: {column} is empty")
    return text.strip()


def _date(place: str, column: str, text: str) -> date:
    day, _, _ = text.strip().replace("T", " ").partition(" ")
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise BadInput(
            f"{place}: {column} is {text!r}, no date; write it like 1996-07-04"
        ) from None


def _number(place: str, column: str, text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise BadInput(f"{place}: {column} is {text!r}, no number; write it like 12.50") from None
    if not number.is_finite():
        raise BadInput(f"{place}: {column} is {text!r}, no finite number")
    _, digits, exponent = number.as_tuple()
    if len(digits) > DIGITS_MOST or abs(int(exponent)) > DIGITS_MOST:
        raise BadInput(f"{place}: {column} is {text!r}; write {DIGITS_MOST} digits at most")
    return number
