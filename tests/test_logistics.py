"""What leaves the warehouse, what is billed, what may still change then, and who knows of it."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.applications.changes import (
    MAY_CHANGE,
    ItemChange,
    ItemStatus,
    item_status,
    why_not_change,
    why_not_change_items,
)
from crmsim.applications.logistics import (
    Billing,
    BillingRun,
    Logistics,
    Stock,
    billable,
    deliverable,
)
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.fulfilment import (
    ErpDocument,
    How,
    PostedItem,
    Posting,
    Progress,
    how_far,
    progress_of,
)
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.checks.erp import logistics as checks
from crmsim.errors import BadValue
from crmsim.network.faults import Partition
from crmsim.units import Duration, Share, days, hours, seconds

from .stories import rejudge
from .telling import do, tell

TEA = OrderItem("tea", 6, Decimal(20), line="a")
CUP = OrderItem("cup", 2, Decimal(5), line="b")
ORDER = SalesOrder("", "A", "1", "C1", (TEA, CUP))
ALL = Logistics(lead=hours(20), picking=hours(1), billing=Billing.DELIVERIES, bill_after=hours(2))


def posted(told, sort: str) -> list[tuple[float, int]]:
    """(hour, pieces) of each document of a sort."""
    return [
        (event.time_ns / hours(1), sum(quantity for _, quantity, _ in event.detail["items"]))
        for event in told.result.journal.select("posted")
        if event.detail["document"] == sort
    ]


def story(*steps, logistics: Logistics = ALL, order: SalesOrder = ORDER, **more):
    return tell(*steps, diaries={1: ((9, order),)}, erp={"logistics": logistics, **more})


# --- the documents ---


def test_an_order_goes_through_all_documents_and_the_laptop_sees_how_far_it_is():
    told = story()
    assert told.result.held, told.result.findings
    sorts = [str(e.detail["document"]) for e in told.result.journal.select("posted")]
    assert sorts == [posting.value for posting in Posting]
    numbers = [str(e.detail["number"]) for e in told.result.journal.select("posted")]
    before = [str(e.detail["preceding"]) for e in told.result.journal.select("posted")]
    assert before[1:] == numbers[:-1], "each follows the one before"
    [(issue, pieces)] = posted(told, "goods issue")
    [(delivery, _)], [(bill, _)] = posted(told, "delivery"), posted(told, "billing document")
    assert pieces == 8
    assert (issue - delivery, bill - issue) == (pytest.approx(2), pytest.approx(2))
    [local] = told.result.simulation.store("laptop-1").table("orders").values()
    assert (local.document.goods_issue, local.document.billing) == (How.FULL, How.FULL)
    assert local.document.fate is Fate.SHIPPED
    assert sum(one.billed_value for one in local.document.progress) == Decimal(130)


def test_two_deliveries_are_billed_each():
    told = story(logistics=attrs.evolve(ALL, partial=Share(1.0), rest_after=days(1)))
    assert told.result.held, told.result.findings
    assert [pieces for _, pieces in posted(told, "delivery")] == [4, 4]
    first, second = (hour for hour, _ in posted(told, "delivery"))
    assert second - first == pytest.approx(24)
    assert [pieces for _, pieces in posted(told, "billing document")] == [4, 4]


def test_what_is_not_there_leaves_when_the_stock_is_filled_up():
    stock = Stock(pieces=4, refill=1, refill_after=hours(10))
    told = story(logistics=attrs.evolve(ALL, stock=stock))
    assert told.result.held, told.result.findings
    assert [pieces for _, pieces in posted(told, "delivery")] == [6, 1, 1], "4 tea and 2 cups, ..."
    left = dict(told.result.simulation.store("erp").table("stock"))
    assert left == {"tea": 0, "cup": 2}


def test_the_second_of_two_deliveries_keeps_its_distance_also_after_a_wait_for_stock():
    stock = Stock(pieces=0, refill=100, refill_after=hours(10))
    logistics = attrs.evolve(ALL, partial=Share(1.0), rest_after=days(1), stock=stock)
    told = story(logistics=logistics)
    assert told.result.held, told.result.findings
    (first, one), (second, other) = posted(told, "delivery")
    assert (one, other) == (4, 4)
    assert second - first == pytest.approx(24)


def test_orders_can_be_billed_before_anything_leaves():
    told = story(logistics=attrs.evolve(ALL, billing=Billing.ORDERS, lead=days(2)))
    assert told.result.held, told.result.findings
    [(bill, pieces)], [(delivery, _)] = posted(told, "billing document"), posted(told, "delivery")
    assert (pieces, bill < delivery) == (8, True)


RUN = BillingRun(hours(22), hours(1))


def test_bills_wait_for_the_next_run():
    told = story(logistics=attrs.evolve(ALL, billing_run=RUN))
    assert told.result.held, told.result.findings
    [(issue, _)], [(bill, pieces)] = posted(told, "goods issue"), posted(told, "billing document")
    assert (24 + 14 < issue < 24 + 20, pieces) == (True, 8)
    assert 24 + 22 <= bill < 24 + 23, "the same evening"


def test_what_leaves_too_late_is_in_the_run_after():
    late = attrs.evolve(ALL, billing_run=RUN, bill_after=hours(12))
    [(bill, _)] = posted(story(logistics=late), "billing document")
    assert 48 + 22 <= bill < 48 + 23


def test_two_deliveries_are_billed_in_two_runs_and_a_crash_in_one_of_them_forgets_none():
    logistics = attrs.evolve(ALL, billing_run=RUN, partial=Share(1.0))
    told = story(do(45.9, "crash", "erp", down=hours(3)), logistics=logistics)
    assert told.result.held, told.result.findings
    (first, one), (second, other) = posted(told, "billing document")
    assert (one, other) == (4, 4)
    assert first == pytest.approx(48.9, abs=0.01), "as soon as the ERP is back"
    assert 72 - 2 <= second < 72 - 1


@given(
    st.integers(0, 40 * 86_400),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 86_399),
    st.integers(1, 31),
)
def test_a_run_is_the_first_that_begins_when_the_bill_is_due(due, u, begins, every):
    run = BillingRun(seconds(begins), hours(1), every)
    begin_ns = run.bill_ns(seconds(due), 0.0)
    assert seconds(due) <= begin_ns
    assert begin_ns - days(every) < seconds(due) or begin_ns < days(every)
    assert (begin_ns // days(1) + 1) % every == 0, "on the last day of each period"
    assert begin_ns % days(1) == seconds(begins)
    assert 0 <= run.bill_ns(seconds(due), u) - begin_ns < hours(1)


@pytest.mark.parametrize(
    "named",
    [
        {"begins": days(1)},
        {"every_days": 0},
        {"lasts": Duration(0)},
        {"lasts": hours(25)},
    ],
)
def test_a_billing_run_that_makes_no_sense_is_refused(named):
    with pytest.raises(BadValue, match="a billing run"):
        BillingRun(**named)


def test_a_crash_of_the_erp_posts_nothing_twice():
    steps = [do(hour, "crash", "erp", down=hours(0.5)) for hour in range(37, 46)]
    told = story(*steps, logistics=attrs.evolve(ALL, partial=Share(1.0), rest_after=hours(4)))
    assert told.result.held, told.result.findings
    for posting in Posting:
        assert sum(pieces for _, pieces in posted(told, posting.value)) == 8


def test_nothing_leaves_that_nobody_has_planned():
    told = story(logistics=Logistics(billing=Billing.DELIVERIES))
    assert told.result.held, told.result.findings
    assert not list(told.result.journal.select("posted"))


def test_without_more_ado_everything_leaves_at_once_on_the_planned_day():
    told = story(logistics=Logistics(), ship_days={"A": 2})
    assert told.result.held, told.result.findings
    for sort in ("delivery", "picking", "goods issue"):
        assert posted(told, sort) == [(pytest.approx(64, abs=0.01), 8)], "four in the afternoon"


def test_a_stock_that_makes_no_sense_is_refused():
    with pytest.raises(BadValue, match="refilled by 1 or more"):
        Stock(pieces=5, refill=0)


# --- what may still change ---

STATUSES = {
    ItemStatus.OPEN: Progress("b", delivered=1),  # another line: the order is known to the ERP
    ItemStatus.PARTLY: Progress("a", delivered=3),
    ItemStatus.DELIVERED: Progress("a", delivered=6),
    ItemStatus.BILLED: Progress("a", delivered=6, issued=6, billed=6),
}
CHANGES = {
    ItemChange.QUANTITY: (attrs.evolve(TEA, quantity=7),),
    ItemChange.PRICE: (attrs.evolve(TEA, unit_price=Decimal(19)),),
    ItemChange.PRODUCT: (attrs.evolve(TEA, product="coffee"),),
    ItemChange.TEXT: (attrs.evolve(TEA, text="soon"),),
    ItemChange.ADD: (TEA, attrs.evolve(CUP, line="c")),
    ItemChange.DELETE: (),
}


def test_the_table_of_what_may_change_is_complete():
    assert set(MAY_CHANGE) == {(status, change) for status in ItemStatus for change in ItemChange}


@pytest.mark.parametrize(("status", "change"), MAY_CHANGE)
def test_each_cell_of_what_may_change(status, change):
    progress = STATUSES[status]
    if status is not ItemStatus.OPEN:
        assert item_status(TEA, progress) is status
    reason = why_not_change_items("1", (TEA,), CHANGES[change], (progress,))
    assert (reason is None) == MAY_CHANGE[status, change], reason
    if reason is not None:
        assert status.value in reason
        assert change.value in reason


def test_a_quantity_never_falls_below_what_is_delivered():
    progress = (STATUSES[ItemStatus.PARTLY],)
    fewer = attrs.evolve(TEA, quantity=2)
    assert "3 of tea are delivered" in why_not_change_items("1", (TEA,), (fewer,), progress)
    assert why_not_change_items("1", (TEA,), (attrs.evolve(TEA, quantity=3),), progress) is None


def test_of_an_order_as_a_whole_only_its_text_stays_free():
    document = OrderDocument(ORDER, "1", progress=(STATUSES[ItemStatus.PARTLY],))
    assert why_not_change(document, attrs.evolve(ORDER, text="soon")) is None
    assert "its customer is final" in why_not_change(document, attrs.evolve(ORDER, customer="C2"))
    free = attrs.evolve(document, progress=())
    assert why_not_change(free, attrs.evolve(ORDER, customer="C2")) is None


def test_crm_refuses_what_it_knows_to_be_final_and_the_erp_what_crm_does_not_know_yet():
    more = OrderEdit("A", items=((1, (("quantity", 9),)),))
    told = story(do(72, "change_order", more))
    assert told.result.held, told.result.findings
    assert "its quantity is final" in told.forbidden[0][1]
    late = story(
        do(37, "fault", Partition("crm", "erp", under_way="hold"), for_=hours(8)),
        do(40, "change_order", more),
    )
    assert late.result.held, late.result.findings
    assert late.erp["A"].items[0].quantity == 6
    assert late.crm["A"].items[0].quantity == 9
    assert "the ERP refused it" in late.aside["A"]


# --- pure rules ---

pairs = st.tuples(st.integers(1, 9), st.integers(0, 20))
lines = st.lists(pairs, min_size=1, max_size=4).map(
    lambda rows: [
        (OrderItem(f"p{place}", quantity, Decimal(2), line=f"{place}"), stock)
        for place, (quantity, stock) in enumerate(rows)
    ]
)
"""(an item, how many pieces of its product there are) for an order."""


@given(lines, st.booleans())
def test_deliveries_add_up_to_the_order_and_never_exceed_the_stock(rows, is_split):
    items = tuple(item for item, _ in rows)
    stock = {item.product: pieces for item, pieces in rows}
    documents: list[ErpDocument] = []
    for number in range(10):
        progress = {one.line: one for one in progress_of(documents)}
        found = deliverable(items, progress, stock, only_first_part=is_split and not documents)
        for item, one in ((i, p) for i in items for p in found if p.line == i.line):
            assert 0 < one.quantity <= stock[item.product]
            stock[item.product] -= one.quantity
        if found:
            documents.append(ErpDocument(f"{number}", Posting.DELIVERY, "1", "1", found, 0))
        stock = {product: pieces + 5 for product, pieces in stock.items()}
    delivered = {one.line: one.delivered for one in progress_of(documents)}
    assert delivered == {item.line: item.quantity for item in items}
    assert how_far(items, delivered) is How.FULL


@given(lines)
def test_what_has_left_is_billed_once(rows):
    items = tuple(item for item, _ in rows)
    part = tuple(PostedItem(i.line, max(i.quantity // 2, 1), Decimal(0)) for i in items)
    issue = ErpDocument("1", Posting.GOODS_ISSUE, "1", "1", part, 0)
    bill = billable(items, (issue,), Billing.DELIVERIES)
    assert [(one.line, one.quantity) for one in bill] == [(p.line, p.quantity) for p in part]
    billed = ErpDocument("2", Posting.BILLING, "1", "1", bill, 0)
    assert billable(items, (issue, billed), Billing.DELIVERIES) == ()
    assert billable(items, (issue,), Billing.NONE) == ()


def test_late_news_take_nothing_back():
    document = OrderDocument(ORDER, "1", progress=(Progress("a", 6, 6, 2),))
    assert document.after((Progress("a", 3, 3, 0),)) == document
    assert document.after((Progress("b", 1),)).goods_issue is How.PARTIAL


# --- the checks ---


@pytest.fixture(scope="module")
def good():
    return story(logistics=attrs.evolve(ALL, partial=Share(1.0))).result


def verdict(check, good, change):
    """Judge a history in which some events are told otherwise; None leaves one out."""
    events = [change(event) for event in good.journal]
    return rejudge(check, [e for e in events if e is not None], is_quiet=False)


def more_pieces(sort: str):
    def change(event):
        if event.kind != "posted" or event.detail["document"] != sort:
            return event
        items = tuple((line, pieces + 9, value) for line, pieces, value in event.detail["items"])
        return event._replace(detail={**event.detail, "items": items})

    return change


@pytest.mark.fires(checks.QUANTITIES_FIT)
@pytest.mark.parametrize("posting", Posting)
def test_more_than_the_document_before_allows_is_blamed(good, posting):
    assert verdict(checks.QUANTITIES_FIT, good, lambda event: event).held
    assert not verdict(checks.QUANTITIES_FIT, good, more_pieces(posting.value)).held


@pytest.mark.fires(checks.QUANTITIES_FIT)
def test_a_document_that_follows_nothing_is_blamed(good):
    def change(event):
        if event.kind != "posted":
            return event
        return event._replace(detail={**event.detail, "preceding": "nobody knows"})

    assert "no document of order" in str(verdict(checks.QUANTITIES_FIT, good, change))


@pytest.mark.fires(checks.PROGRESS_IS_TRUE)
def test_progress_that_runs_ahead_or_goes_back_is_blamed(good):
    assert verdict(checks.PROGRESS_IS_TRUE, good, lambda event: event).outcome.value != "violated"

    def ahead(event):
        is_delivery = event.kind == "posted" and event.detail["document"] == "delivery"
        return None if is_delivery else event

    assert "the ERP has posted 0" in str(verdict(checks.PROGRESS_IS_TRUE, good, ahead))
    shown = [e.number for e in good.journal.select("progressed")]

    def back(event):
        if event.number != shown[-1]:
            return event
        lines = tuple((line, 0, 0, 0) for line, *_ in event.detail["lines"])
        return event._replace(detail={"guid": event.detail["guid"], "lines": lines})

    assert "than before" in str(verdict(checks.PROGRESS_IS_TRUE, good, back))


@pytest.mark.fires(checks.PROGRESS_IS_TRUE)
def test_what_crm_never_heard_of_is_blamed_when_all_is_quiet(good):
    stores = {name: site.store for name, site in good.simulation.sites.items()}
    crm = stores["crm"]
    [(number, record)] = crm.table("orders").items()
    document = attrs.evolve(record.document, progress=record.document.progress[:1])
    rows = {number: attrs.evolve(record, document=document)}

    class Forgetful:
        def table(self, name):
            return rows if name == "orders" else crm.table(name)

        def get(self, table, row, default=None):
            return self.table(table).get(row, default)

    found = rejudge(
        checks.PROGRESS_IS_TRUE, list(good.journal), stores={**stores, "crm": Forgetful()}
    )
    assert "does not show" in str(found)


@pytest.mark.fires(checks.FINAL_STAYS)
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((("a", 6, "20 -0", "tea"),), "taken out"),
        ((("a", 6, "20 -0", "coffee"), ("b", 2, "5 -0", "cup")), "became coffee"),
        ((("a", 2, "20 -0", "tea"), ("b", 2, "5 -0", "cup")), "6 pieces are delivered"),
        ((("a", 9, "20 -0", "tea"), ("b", 2, "5 -0", "cup")), "all 6 pieces were delivered"),
        ((("a", 6, "19 -0", "tea"), ("b", 2, "5 -0", "cup")), "price changed after it was billed"),
    ],
)
def test_a_change_of_what_is_final_is_blamed(good, lines, words):
    booked = next(good.journal.select("booked"))
    names = [line for line, *_ in booked.detail["lines"]]
    lines = tuple((names["ab".index(line)], *rest) for line, *rest in lines)
    late = booked._replace(
        number=len(good.journal) + 1, detail={**booked.detail, "lines": lines, "version": 2}
    )
    found = rejudge(checks.FINAL_STAYS, [*good.journal, late], is_quiet=False)
    assert words in str(found)
    assert rejudge(checks.FINAL_STAYS, [*good.journal, booked], is_quiet=False).held
