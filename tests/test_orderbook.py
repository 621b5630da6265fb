"""An order book is read as it is, or refused with file, row and remedy."""

import csv
import os
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.applications.pricing import net_value
from crmsim.chance import Luck
from crmsim.errors import BadInput, BadValue
from crmsim.lab.orderbook import read_order_book
from crmsim.lab.workload import diaries, made_up_book
from crmsim.units import days, hours

ORDERS = """\
orderID,customerID,employeeID,orderDate,requiredDate,shippedDate,shipName
1,ALFKI,5,1997-03-06 00:00:00.000,1997-04-01,1997-03-10 00:00:00.000,"Müller, Söhne"
2,BONAP,12,1997-03-07,1997-04-01,NULL,Bon app'
"""
ITEMS = """\
orderID,productID,unitPrice,quantity,discount
1,11,14.00,12,0
1,42,9.80,10,0.15
2,72,34.80,5,0.05
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "order-details.csv").write_text(ITEMS, encoding="utf-8")
    return tmp_path


def test_a_book_is_read(folder):
    book = read_order_book(folder)
    first, second = book.orders
    assert (first.reference, first.customer, first.rep, first.day, first.ship_day) == (
        "1",
        "ALFKI",
        "5",
        0,
        4,
    )
    assert (second.day, second.ship_day) == (1, None)
    assert book.reps == ("5", "12"), "in the order of numbers, not of texts"
    assert book.first_weekday == date(1997, 3, 6).weekday()
    assert net_value(first.items) == Decimal("251.3000")
    assert (book.item_count, book.last_day, book.last_day_written) == (3, 4, 1)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(folder, newline, bom):
    (folder / "orders.csv").write_text(bom + ORDERS.replace("\n", newline), "utf-8", newline="")
    assert len(read_order_book(folder).orders) == 2


def break_it(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("orders.csv", "employeeID", "employee", ["row 1", "no column employeeID", "needed are"]),
        ("order-details.csv", "quantity", "qty", ["row 1", "no column quantity"]),
        ("order-details.csv", "2,72", "3,72", ["row 4", "order 3 is not in orders.csv"]),
        ("order-details.csv", ",12,0", ",-12,0", ["row 2", "quantity is -12"]),
        ("order-details.csv", ",12,0", ",0,0", ["row 2", "quantity is 0"]),
        ("order-details.csv", ",12,0", ",1.5,0", ["row 2", "whole number"]),
        ("order-details.csv", ",12,0", ",twelve,0", ["row 2", "'twelve', no number"]),
        ("order-details.csv", "14.00", "-14.00", ["row 2", "unit price is -14.00"]),
        ("order-details.csv", "14.00", "NaN", ["row 2", "no finite number"]),
        ("order-details.csv", "0.15", "15", ["row 3", "discount is 15"]),
        ("order-details.csv", "1,42,9.80,10,0.15", "1,42,9.80,10", ["row 3", "4 fields", "5"]),
        ("order-details.csv", "10,0.15", "10,0.15,extra", ["row 3", "6 fields"]),
        ("orders.csv", "1997-03-07", "1997-02-30", ["row 3", "orderDate", "no date"]),
        ("orders.csv", "1997-03-10", "soon", ["row 2", "shippedDate", "no date"]),
        ("orders.csv", "1997-03-07", "9999-03-07", ["row 3", "mistyped"]),
        ("orders.csv", "shipName", "orderDate", ["row 1", "orderDate stands there twice"]),
        ("order-details.csv", ",12,0", ",1e12,0", ["row 2", "quantity"]),
        ("order-details.csv", "14.00", "1e-99999", ["row 2", "18 digits"]),
        ("orders.csv", "\n2,BONAP", "\n1,BONAP", ["row 3", "order 1 stands in row 2 already"]),
        ("orders.csv", "ALFKI", "", ["row 2", "customerID is empty"]),
        ("orders.csv", '"Müller, Söhne"', "Müller, Söhne", ["row 2", "8 fields", "double quotes"]),
        ("orders.csv", '"Müller, Söhne"', '"Müller" x', ["row 2"]),
        ("orders.csv", "\n2,", "\n\n2,", ["row 3", "empty"]),
        ("order-details.csv", "2,72,34.80,5,0.05\n", "", ["orders.csv, row 3", "no item"]),
    ],
)
def test_a_broken_row_is_never_skipped(folder, file, old, new, says):
    break_it(folder, file, old, new)
    with pytest.raises(BadInput) as caught:
        read_order_book(folder)
    for word in (str(folder), *says):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x00\x01\x02,\n", "binary"),
        (b"\xff\xfe\x00O", "UTF-8"),
        (ORDERS.splitlines()[0].encode(), "no order in it"),
    ],
)
@pytest.mark.parametrize("file", ["orders.csv"])
def test_a_file_that_is_no_book_is_refused(folder, file, content, says):
    (folder / file).write_bytes(content)
    with pytest.raises(BadInput, match=says):
        read_order_book(folder)


def test_a_missing_file_or_folder_is_named(folder):
    with pytest.raises(BadInput, match="does not exist"):
        read_order_book(folder / "nowhere")
    with pytest.raises(BadInput, match=r"orders\.csv: is a file"):
        read_order_book(folder / "orders.csv")
    (folder / "order-details.csv").unlink()
    with pytest.raises(BadInput, match=r"order-details\.csv: no such file"):
        read_order_book(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(folder, data):
    file = data.draw(st.sampled_from(["orders.csv", "order-details.csv"]))
    text = (ORDERS if file == "orders.csv" else ITEMS).encode()
    place = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.binary(max_size=8))
    (folder / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (folder / "order-details.csv").write_text(ITEMS, encoding="utf-8")
    (folder / file).write_bytes(text[:place] + junk + text[place:])
    said = str(folder)
    try:
        book = read_order_book(folder)
        assert book.item_count == sum(len(order.items) for order in book.orders)
    except BadInput as error:
        said = str(error)
    assert str(folder) in said


# --- made-up books and diaries ---


def test_a_made_up_book_is_the_same_for_the_same_seed():
    one, same, other = (made_up_book(Luck(seed), 4, 50, 30) for seed in (1, 1, 2))
    assert one == same != other
    assert len(one.orders) == 50
    assert set(one.reps) <= {"1", "2", "3", "4"}
    assert all(order.day % 7 < 5 and order.day < 30 for order in one.orders)
    assert 2 < one.item_count / 50 < 3.5


def test_one_order_more_leaves_the_others_as_they_were():
    few = {order.reference: order for order in made_up_book(Luck(1), 4, 50, 30).orders}
    more = {order.reference: order for order in made_up_book(Luck(1), 4, 51, 30).orders}
    assert all(more[reference] == order for reference, order in few.items())


def test_a_book_needs_somebody_who_writes():
    with pytest.raises(BadValue):
        made_up_book(Luck(1), 0, 5, 5)


def test_orders_are_written_on_their_day_in_working_hours():
    book = made_up_book(Luck(3), 4, 300, 60)
    written = diaries(book, Luck(3))
    entries = [entry for diary in written.values() for entry in diary]
    days_of = {order.reference: order.day for order in book.orders}
    firsts = [entry for entry in entries if entry.what.version == 1]
    assert len(firsts) == 300
    for entry in firsts:
        day, time = divmod(entry.time_ns, days(1))
        assert day == days_of[entry.what.reference]
        assert hours(8.5) <= time <= hours(17.5)


def test_one_order_in_ten_is_corrected_before_or_after_its_upload():
    book = made_up_book(Luck(3), 4, 1000, 60)
    entries = [entry for diary in diaries(book, Luck(3)).values() for entry in diary]
    unsure = {e.what.reference: e for e in entries if e.what.is_provisional}
    fixed = {e.what.reference: e for e in entries if e.what.version == 2}
    assert unsure.keys() == fixed.keys()
    assert 70 < len(unsure) < 130
    final = {order.reference: order.items for order in book.orders}
    waits = []
    for reference, entry in fixed.items():
        assert entry.what.items == final[reference] != unsure[reference].what.items
        waits.append(entry.time_ns - unsure[reference].time_ns)
    assert min(waits) < hours(1)
    assert max(waits) >= days(1)


# --- the real book ---

REAL = os.environ.get("CRMSIM_ORDER_BOOK")
if REAL:

    def test_the_real_book_is_read_as_it_is():
        book = read_order_book(Path(REAL))
        assert len(book.orders) == 830
        assert book.item_count == 2155
        assert len(book.reps) == 9
        total = sum((net_value(order.items) for order in book.orders), Decimal(0))
        assert total == Decimal("1265793.0395")

    def test_the_real_book_has_the_dates_of_its_file(tmp_path):
        shutil.copytree(REAL, tmp_path / "book")
        book = read_order_book(tmp_path / "book")
        with (Path(REAL) / "orders.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        start = date.fromisoformat(rows[0]["orderDate"][:10])
        for row, order in zip(rows, book.orders, strict=True):
            assert (start + timedelta(order.day)).isoformat() == row["orderDate"][:10]
            never = row["shippedDate"] == "NULL"
            assert (order.ship_day is None) == never
