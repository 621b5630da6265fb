"""Service orders, confirmations, complaints and bills: who changes them, what they lead to."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.applications import service as rules
from crmsim.applications.logistics import Logistics, Stock
from crmsim.applications.service import Effect
from crmsim.applications.status import Distribution
from crmsim.business.master import Record, RecordEdit
from crmsim.business.sales import OrderItem
from crmsim.business.service import Category, ServiceItem, item_fields, items_of
from crmsim.chance import Constant
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Ending, Scene
from crmsim.checks.distribution import LOCK_IS_KEPT, TRANSFERABLE_ONLY
from crmsim.checks.erp import service as checks
from crmsim.errors import BadValue
from crmsim.kernel.durable import Change, Store
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import scenario
from crmsim.middleware.flow import OnLock
from crmsim.middleware.replication import FIELD_SERVICE
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.online.atp import OnApoDown
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.setup import Policies
from crmsim.units import Share, days, hours, minutes, seconds

from .stories import event, fired, rejudge
from .telling import Nothing, Told, do, order, plan

K = "0008000001"
WORK = ServiceItem("10", Category.SERVICE, "repair", 60, Decimal("1.50"))
PUMP = ServiceItem("20", Category.PART, "pump", 2, Decimal(40))
PARKING = ServiceItem("30", Category.EXPENSE, "parking", 1, Decimal("4.50"))
CLEANER = ServiceItem("40", Category.SALES, "cleaner", 3, Decimal(12))
MACHINE = ServiceItem("10", Category.RETURN, "tea", 1, Decimal(2), of="1")
EAGER = ClerkHabits(working_days=7, handling_s=Constant(60.0))
LOGISTICS = Logistics(lead=hours(10), picking=hours(1))


def give(hour: float, key: str = K, *items: ServiceItem, **fields: str):
    """The office gives out a service order, or changes one."""
    return do(hour, "change", "service_order", key, **fields, **item_fields(items))


def given_out(hour: float, *items: ServiceItem, technician: str = "1", key: str = K):
    return give(hour, key, *items, technician=technician, customer="C1", status="released")


def confirm(key: str, *items: ServiceItem, parent: str = K, **fields: str) -> RecordEdit:
    """What a technician writes."""
    told = {"technician": "1", "place": "van-1", **fields, **item_fields(items)}
    return RecordEdit("create", "confirmation", key, tuple(sorted(told.items())), parent=parent)


def complain(hour: float, *items: ServiceItem, key: str = "0009000001", **fields: str):
    told = {"parent": "C1", "status": "released", **fields, **item_fields(items)}
    return do(hour, "change", "complaint", key, **told)


def day_of_service(
    *steps,
    diary=(),
    laptops=2,
    crm=None,
    erp=None,
    apo=None,
    stock=5,
    main=(),
    dedup=True,
    counts_parts=True,
    holds=True,
    until=120,
):
    """Technicians 1 and 2, each with a van of pumps; customers C1 and C2.

    `main` says of what the main stock holds how much.
    """

    @scenario(Nothing, checks=ALL_CHECKS)
    async def story(land: Landscape, settings: Nothing) -> None:
        land.guarantees = Guarantees(dedup=dedup)
        land.replicate(FIELD_SERVICE)
        land.add_crm(**{"service_clerk": EAGER, **(crm or {})})
        land.add_erp(wan(), **{"logistics": LOGISTICS, **(erp or {})})
        if apo:
            land.add_apo(wan(), **apo)
        land.add_station("station", wan())
        names = [f"laptop-{number}" for number in range(1, laptops + 1)]
        for number, name in enumerate(names, 1):
            land.add_laptop(
                name,
                gprs(dial_up=True),
                rep=str(number),
                station="station",
                habits=Habits(working_days=7),
                diary=tuple(DiaryEntry(hours(h), w) for h, w in diary) if number == 1 else (),
                counts_parts=counts_parts,
            )
        for number, name in enumerate(names, 1):
            named = {"technician": str(number)}
            land.add_subscription(f"orders {number}", "service_order", (name,), **named)
            land.add_subscription(f"van {number}", "stock", (name,), **named)
        land.add_subscription("all", "customer", names, region="N")
        for customer in ("C1", "C2"):
            land.add_record("customer", customer, region="N")
        for number in range(1, laptops + 1):
            land.add_stock(f"van-{number}", "pump", stock, technician=str(number))
        for product, count in main:
            land.add_stock("main", product, count)
        land.check()
        plan(land, steps)
        await land.run(hours(until))
        await land.settle()

    result = story.run(seed=1)
    if isinstance(result.error, BadValue):
        raise result.error
    assert result.held or not holds, result.findings
    assert result.quiet is not None
    assert result.quiet.is_quiet
    return Told(result)


def postings(told: Told, name: str) -> list[tuple[str, str, int]]:
    """(sort, line, pieces) of all that was posted for something, in order."""
    found = told.result.journal.select("recorded")
    return [
        (str(e.detail["document"]), str(e.detail["line"]), int(str(e.detail["pieces"])))
        for e in found
        if e.subject == name
    ]


def pieces(told: Told, site: str, key: str) -> int:
    return int(told.record(site, "stock", key)["pieces"])


# --- items ---


def test_items_are_fields_and_fields_are_items():
    items = (WORK, PUMP, MACHINE)
    assert items_of(item_fields((WORK, PUMP))) == (WORK, PUMP)
    assert items_of(item_fields([MACHINE])) == (MACHINE,)
    assert items_of({"item 10": "", "status": "open"}) == (), "an empty one is taken out"
    assert sum(item.value for item in items) == Decimal("172.00")


names = st.text("abc at of:1", min_size=1).filter(lambda name: name == name.strip())


@given(
    st.sampled_from(Category),
    names,
    st.integers(1, 10**6),
    st.decimals(0, 10**4, places=2),
    st.sampled_from(["", "1", "12"]),
)
def test_what_is_written_is_read(category, product, quantity, price, of):
    item = ServiceItem("10", category, product, quantity, price, of)
    assert items_of(item_fields([item])) == (item,)


@pytest.mark.parametrize(
    "text",
    [
        "pump",
        "part: pump at 3",
        "part: 0 pump at 3",
        "thing: 1 pump at 3",
        "part: 1 pump at -3",
        "part: 1 pump at 1.2.3",
        "part: 1 pump at .",
    ],
)
def test_what_is_no_item_is_refused(text):
    with pytest.raises(BadValue, match="item 10"):
        items_of({"item 10": text})


def test_a_round_price_is_read_as_it_was_meant():
    pump = ServiceItem("10", Category.PART, "pump", 1, Decimal("1E+3"))
    assert pump.text == "part: 1 pump at 1000"
    assert items_of(item_fields([pump])) == (pump,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit_price": Decimal("NaN")},
        {"unit_price": Decimal("Infinity")},
        {"product": "two\nlines"},
        {"of": "1 2"},
    ],
)
def test_what_could_not_be_read_again_is_no_item(wrong):
    with pytest.raises(BadValue):
        ServiceItem(
            **{"line": "1", "category": Category.PART, "product": "x", "quantity": 1} | wrong
        )


def test_no_two_items_have_the_same_line():
    with pytest.raises(BadValue, match="two items have the line '20'"):
        item_fields([WORK, PUMP, ServiceItem("20", Category.EXPENSE, "toll", 1)])


@pytest.mark.parametrize(
    ("object_", "fields", "words"),
    [
        ("service_order", {"status": "relased"}, "it is open, released, completed"),
        ("confirmation", {"status": "released"}, "is never 'released'"),
        ("confirmation", item_fields([CLEANER]), "no confirmation has an item of the category"),
        ("complaint", {"transfer": "distributed"}, "only CRM itself fills the field 'transfer'"),
        ("complaint", {"approved": "Yes"}, "write 'yes' or 'no'"),
    ],
)
def test_what_nobody_can_want_is_refused_before_the_story_begins(object_, fields, words):
    with pytest.raises(BadValue, match=words):
        day_of_service(do(1, "change", object_, "x", **fields))
    written = RecordEdit("create", object_, "x", tuple(fields.items()), parent="C1")
    with pytest.raises(BadValue, match=words):
        day_of_service(diary=((9, written),))


def test_other_things_may_have_fields_that_look_like_items():
    told = day_of_service(do(1, "change", "customer", "C1", **{"item 1": "likes tea"}))
    assert told.record("crm", "customer", "C1")["item 1"] == "likes tea"


def test_a_diary_and_an_office_with_what_is_no_item_are_refused():
    with pytest.raises(BadValue, match="write something like"):
        day_of_service(do(1, "change", "service_order", K, **{"item 10": "a pump"}))
    wrong = RecordEdit("create", "confirmation", "c", (("item 1", "?"),), parent=K)
    with pytest.raises(BadValue, match="write something like"):
        day_of_service(diary=((9, wrong),))


# --- the table ---


PAIRS = list(itertools.product(rules.SERVICE_OBJECTS, Category))


@pytest.mark.parametrize(("object_", "category"), PAIRS)
def test_every_pair_leads_to_something_or_cannot_be(object_, category):
    """The table of what leads to what, once more in other words."""
    item = ServiceItem("10", category, "x", 1)
    cost = {"sales", "service", "part", "expense"}
    wanted = {
        "service_order": {
            **{key: {Effect.COSTS} for key in cost},
            "sales": {Effect.COSTS, Effect.CHECK, Effect.DELIVERY},
        },
        "confirmation": {
            "part": {Effect.GOODS_ISSUE, Effect.COST_POSTING},
            "service": {Effect.TIME_RECORD, Effect.COST_POSTING},
            "expense": {Effect.COST_POSTING},
        },
        "complaint": {
            **{key: {Effect.RECEIPT} for key in ["return request", "return"]},
            **{key: {Effect.RECEIPT} for key in ["for repair", "loan back"]},
            **{key: {Effect.DELIVERY} for key in ["substitute", "repaired", "loan"]},
            "credit": set(),
            "debit": set(),
            "scrap": {Effect.SCRAPPING},
            "part": {Effect.RESERVATION},
        },
        "bill": {key: {Effect.POSTING} for key in [*cost, "credit", "debit"]},
    }
    expected = wanted[object_].get(category.value)
    assert set(rules.routed(object_, item)) == (expected or set())
    assert ((object_, category) in rules.ROUTES) is (expected is not None)
    record = Record(object_, "1", tuple(item_fields([item]).items()))
    reason = rules.why_not_changed(None, record, by_laptop=False)
    known = ("status", "open")
    record = Record(object_, "1", (known, *record.fields))
    if expected is None:
        assert "category" in str(reason) or object_ == "bill"
    assert rules.why_not_sent(record) is not None, "what is open stays in CRM"


def test_every_row_of_the_complaints_is_used_by_a_scenario():
    module = load_scenario("scenarios/return_of_goods.py").story.__globals__
    cases = (*module["CASES"], "too much")
    used = {
        item.category for case in cases for part in module["items_of_case"](case) for item in part
    }
    assert used == {category for object_, category in rules.ROUTES if object_ == "complaint"}


# --- who may change what ---


def record(object_: str, *items: ServiceItem, **fields: str) -> Record:
    return Record(object_, "1", tuple(sorted({**fields, **item_fields(items)}.items())))


TO_BE, DONE = {"transfer": Distribution.TO_BE.value}, {"transfer": Distribution.DONE.value}
REFUSED = {"transfer": Distribution.ERROR.value}


@pytest.mark.parametrize(
    ("before", "after", "by_laptop", "reason"),
    [
        (None, record("confirmation", PUMP), True, None),
        (None, record("confirmation", PUMP, status="completed"), True, "for the office"),
        (None, record("confirmation", PUMP, status="completed"), False, None),
        (None, record("confirmation", PUMP, status="won"), False, "never 'won'"),
        (None, record("confirmation", CLEANER), True, "no confirmation has an item"),
        (None, record("service_order", **TO_BE), True, "only CRM itself"),
        (None, record("service_order", **{"done 10": "1 / 1"}), False, "only CRM itself"),
        (record("service_order", **TO_BE), record("service_order", a="b", **TO_BE), False, "being"),
        (record("bill"), record("bill", status="completed"), False, "never changed"),
        (
            record("confirmation", status="completed"),
            record("confirmation", status="completed", a="b"),
            False,
            "reverses it",
        ),
        (
            record("service_order", CLEANER, **DONE, **{"done 40": "1 / 0"}),
            record("service_order", **DONE, **{"done 40": "1 / 0"}),
            False,
            "delivered already",
        ),
        (
            record("service_order", CLEANER, WORK, status="released", **DONE),
            record("service_order", WORK, status="released", **DONE),
            False,
            None,
        ),
        (
            record("service_order", CLEANER, status="released", **DONE),
            record("service_order", status="released", **DONE),
            False,
            "would not hear of this change: it has no item",
        ),
        (
            record("service_order", WORK, status="released", **DONE),
            record("service_order", WORK, status="open", **DONE),
            False,
            "would not hear of this change: it is open",
        ),
        (
            record("service_order", CLEANER, **REFUSED, **{"done 40": "1 / 0"}),
            record("service_order", **REFUSED, **{"done 40": "1 / 0"}),
            False,
            "delivered already",
        ),
        (
            record("service_order", PUMP, **DONE),
            record("service_order", ServiceItem("20", Category.EXPENSE, "pump", 2), **DONE),
            False,
            "category of item 20",
        ),
        (
            record("service_order", PUMP),
            record("service_order", ServiceItem("20", Category.EXPENSE, "pump", 2)),
            False,
            None,
        ),
        (record("customer"), record("customer", transfer="x"), True, None),
    ],
)
def test_who_may_make_what_of_a_document(before, after, by_laptop, reason):
    found = rules.why_not_changed(before, after, by_laptop=by_laptop)
    assert (found is None) if reason is None else (reason in found)


@pytest.mark.parametrize(
    ("document", "goes"),
    [
        (record("service_order", WORK, status="released"), True),
        (record("service_order", WORK), False),
        (record("service_order", status="released"), False),
        (record("service_order", WORK, status="released", unchecked="yes"), False),
        (record("confirmation", PUMP), False),
        (record("confirmation", PUMP, status="completed"), True),
        (record("confirmation", PUMP, status="cancelled"), False),
        (record("complaint", MACHINE, status="released"), True),
        (
            record("complaint", ServiceItem("1", Category.CREDIT, "tea", 1), status="released"),
            False,
        ),
        (record("bill", WORK, status="completed"), True),
    ],
)
def test_what_goes_to_the_erp(document, goes):
    assert (rules.why_not_sent(document) is None) is goes


def test_late_news_take_nothing_back():
    known = record("service_order", **{"done 10": "3 / 2"})
    assert rules.done_fields(known, {"10": (2, 3), "20": (1, 0)}) == {
        "done 10": "3 / 3",
        "done 20": "1 / 0",
    }


# --- the way of a service order and of what is confirmed ---


@pytest.fixture(scope="module")
def whole():
    return day_of_service(
        given_out(8, WORK, PUMP, CLEANER),
        diary=((30, confirm("a", WORK, PUMP, PARKING)),),
        apo={"stock": Stock(50, 50)},
    )


def test_a_service_order_comes_to_the_technician_and_leads_to_one_sales_document(whole):
    assert whole.sites_of("service_order", K) == ["cdb", "crm", "laptop-1"]
    stored = [e for e in whole.result.journal.select("stored") if e.subject == f"service_order {K}"]
    assert {e.detail["name"] for e in stored} == {f"service_order {K}"}
    assert stored[-1].detail["sold"] == ("40",)
    assert postings(whole, f"service_order {K}") == [
        ("internal order", "", 1),
        ("delivery", "40", 3),
        ("goods issue", "40", 3),
    ]
    for site in ("crm", "laptop-1"):
        shown = whole.record(site, "service_order", K)
        assert shown["transfer"] == "distributed"
        assert shown["done 40"] == "3 / 3"
        assert shown["promised 40"].startswith("3 on day")


def test_a_confirmation_is_open_until_the_office_completes_it(whole):
    saved = next(e for e in whole.result.journal.select("saved") if e.subject == "confirmation a")
    changes = [e for e in whole.result.journal.select("changed") if e.subject == "confirmation a"]
    first, completed = changes[0], changes[1]
    assert first.detail["message"] == saved.detail["message"]
    assert ("header status", "completed") in completed.detail["values"]
    assert completed.time_ns - first.time_ns >= minutes(1), "somebody has looked at it"
    assert postings(whole, "confirmation a") == [
        ("time record", "10", 60),
        ("cost posting", "10", 60),
        ("goods issue", "20", 2),
        ("cost posting", "20", 2),
        ("cost posting", "30", 1),
    ]
    for site in ("crm", "laptop-1"):
        shown = whole.record(site, "confirmation", "a")
        assert (shown["status"], shown["transfer"]) == ("completed", "distributed")


def test_stock_goes_down_everywhere(whole):
    assert {pieces(whole, site, "van-1/pump") for site in ("erp", "crm", "laptop-1")} == {3}
    assert pieces(whole, "crm", "van-2/pump") == 5
    assert whole.record("laptop-2", "stock", "van-1/pump") is None


def test_what_was_posted_is_billed_once(whole):
    assert postings(whole, "bill confirmation/a") == [("receivable", "", 1), ("revenue", "", 1)]
    values = {
        e.detail["value"]
        for e in whole.result.journal.select("recorded")
        if e.subject == "bill confirmation/a"
    }
    assert values == {"174.50"}
    assert whole.sites_of("bill", "confirmation/a") == ["cdb", "crm"], "bills are for the office"


def test_without_an_office_nothing_is_posted():
    told = day_of_service(
        given_out(8, WORK), diary=((30, confirm("a", WORK)),), crm={"service_clerk": None}
    )
    assert postings(told, "confirmation a") == []
    assert told.record("crm", "confirmation", "a").get("status", "open") == "open"


def test_what_is_taken_back_is_reversed_line_by_line_and_credited():
    told = day_of_service(
        given_out(8, WORK, PUMP),
        diary=((30, confirm("a", WORK, PUMP)), (60, confirm("b", WORK, PUMP, reverses="a"))),
    )
    assert pieces(told, "erp", "van-1/pump") == pieces(told, "laptop-1", "van-1/pump") == 5
    assert postings(told, "confirmation b") == [
        (sort, line, -count) for sort, line, count in postings(told, "confirmation a")
    ]
    assert told.record("laptop-1", "confirmation", "a")["status"] == "cancelled"
    values = [
        Decimal(str(e.detail["value"]))
        for e in told.result.journal.select("recorded")
        if e.detail["document"] == "receivable"
    ]
    assert values == [Decimal(170), Decimal(-170)]


def test_nothing_is_taken_back_twice_or_before_it_was_posted():
    told = day_of_service(
        given_out(8, WORK, PUMP),
        diary=(
            (30, confirm("a", PUMP)),
            (31, confirm("b", PUMP, reverses="a")),
            (60, confirm("c", PUMP, reverses="a")),
            (84, confirm("d", PUMP, reverses="a")),
        ),
    )
    refused = dict(told.inbox(1))
    assert "not posted" in refused["confirmation b"]
    assert postings(told, "confirmation d") == []
    assert "reversed already" in told.record("crm", "confirmation", "d")["refusal"]
    assert pieces(told, "erp", "van-1/pump") == 5


def test_a_part_that_is_not_there_is_not_posted_but_the_rest_is_and_a_refill_helps():
    told = day_of_service(
        given_out(8, WORK),
        do(40, "receive_goods", "van-1", "pump", 7),
        diary=((30, confirm("a", WORK, PUMP, PARKING, place="van-2")),),
        stock=1,
        crm={"service_clerk": ClerkHabits(working_days=7, every=hours(2))},
        holds=False,
    )
    assert postings(told, "confirmation a")[:2] == [
        ("time record", "10", 60),
        ("cost posting", "10", 60),
    ]
    assert "too few pump" in told.record("crm", "confirmation", "a")["refusal"]
    assert not [row for row in postings(told, "confirmation a") if row[1] == "20"]
    helped = day_of_service(
        given_out(8, WORK),
        do(40, "receive_goods", "van-2", "pump", 7),
        diary=((30, confirm("a", WORK, PUMP, PARKING, place="van-2")),),
        stock=1,
        crm={"service_clerk": ClerkHabits(working_days=7, every=hours(2))},
    )
    rows = postings(helped, "confirmation a")
    assert len(rows) == len(dict.fromkeys(rows)) == 5, "each line once, however often it was sent"
    assert pieces(helped, "erp", "van-2/pump") == 6


@pytest.mark.parametrize(("counts", "shown"), [(True, 1), (False, 0)])
def test_a_laptop_that_counts_along_says_when_parts_are_used_up(counts, shown):
    told = day_of_service(
        given_out(8, WORK),
        diary=((30, confirm("a", PUMP)), (31, confirm("b", PUMP))),
        stock=3,
        counts_parts=counts,
        crm={"service_clerk": ClerkHabits(working_days=7, handling_s=Constant(60.0))},
    )
    assert sum(why == "there are 1 pump in van-1, not 2" for _, why in told.forbidden) == shown
    in_vain = told.record("crm", "confirmation", "b")
    assert (in_vain is None) is counts
    if not counts:
        assert "too few pump" in in_vain["refusal"]


def test_an_order_that_gets_another_technician_moves_with_all_that_was_confirmed():
    told = day_of_service(
        given_out(8, WORK),
        give(60, technician="2"),
        diary=((30, confirm("a", WORK)),),
    )
    assert told.sites_of("service_order", K) == ["cdb", "crm", "laptop-2"]
    assert told.sites_of("confirmation", "a") == ["cdb", "crm", "laptop-2"]
    assert postings(told, "confirmation a")


def test_technicians_create_and_change_orders_too():
    born = {"customer": "C1", "technician": "1", "status": "released", **item_fields([WORK])}
    create = RecordEdit("create", "service_order", "0008000009", tuple(sorted(born.items())))
    more = RecordEdit(
        "change", "service_order", "0008000009", tuple(item_fields([CLEANER]).items())
    )
    told = day_of_service(diary=((9, create), (33, more)))
    assert told.record("crm", "service_order", "0008000009")["transfer"] == "distributed"
    stored = [e for e in told.result.journal.select("stored") if "0008000009" in e.subject]
    assert [len(e.detail["items"]) for e in stored] == [1, 2]


def test_what_is_delivered_of_an_order_stays_in_crm_and_in_the_erp():
    more = ServiceItem("40", Category.SALES, "cleaner", 9, Decimal(12))
    told = day_of_service(given_out(8, CLEANER), give(50, K, more))
    assert ("service_order " + K, "item 40 is delivered already, in part or as a whole") in (
        told.forbidden
    )
    # CRM cannot know yet: the delivery is on its way to it when somebody changes the item.
    crossed = day_of_service(
        given_out(8, CLEANER),
        do(17.5, "fault", Outage("erp", under_way="drop"), for_="5h"),
        give(18.5, K, more),
    )
    shown = crossed.record("crm", "service_order", K)
    assert "delivered already" in shown["refusal"]
    assert crossed.aside[f"service_order {K}"].startswith("the ERP refused it")


def test_people_at_the_erp_leave_service_orders_alone():
    from .telling import edit

    told = day_of_service(
        given_out(8, CLEANER), do(12, "change_order_in_erp", edit(f"service_order {K}", text="x"))
    )
    assert (f"service_order {K}", "it is a service transaction, and only CRM changes it") in (
        told.forbidden
    )


@pytest.mark.parametrize("policy", OnLock)
def test_a_technicians_change_of_what_is_being_distributed(policy):
    """It waits aside, is tried again, or is refused; nothing is lost without a word."""
    change = RecordEdit("change", "service_order", K, (("note", "bring a ladder"),))
    told = day_of_service(
        given_out(8, WORK),
        do(40.5, "fault", Outage("erp", under_way="drop"), for_="3h"),
        give(40.7, K, PARKING),
        diary=((34, change),),
        crm={"policies": Policies(on_lock=policy)},
    )
    has = "note" in told.record("crm", "service_order", K)
    assert has is (policy is not OnLock.REJECT)
    assert bool(told.inbox(1)) is (policy is OnLock.REJECT)


@pytest.mark.parametrize(
    ("policy", "transfer"),
    [
        (OnApoDown.WAIT, "distributed"),
        (OnApoDown.ACCEPT, "distributed"),
        (OnApoDown.REFUSE, None),
    ],
)
def test_what_becomes_of_an_order_that_nobody_can_check(policy, transfer):
    told = day_of_service(
        do(7, "fault", Outage("apo", under_way="drop"), for_="30h"),
        given_out(8, CLEANER),
        apo={"stock": Stock(50, 50)},
        crm={"policies": Policies(on_apo_down=policy)},
    )
    shown = told.record("crm", "service_order", K)
    assert shown.get("transfer") == transfer
    assert ("promised 40" in shown) is (policy is OnApoDown.WAIT)
    if transfer is None:
        assert shown["status"] == "open"
        assert "nobody could check" in shown["refusal"]


def test_only_what_is_sold_is_checked_and_again_only_when_it_changes():
    told = day_of_service(
        given_out(8, WORK, CLEANER),
        give(9, K, PARKING),
        give(10, K, ServiceItem("40", Category.SALES, "cleaner", 4, Decimal(12))),
        given_out(8, WORK, key="0008000002"),
        apo={"stock": Stock(50, 50)},
    )
    asked = list(told.result.journal.select("promised"))
    assert [e.detail["products"][0][:3] for e in asked] == [("cleaner", 3, 3), ("cleaner", 4, 4)]


def test_what_the_erp_refuses_for_lack_of_data_is_sent_again():
    told = day_of_service(
        *(given_out(8, WORK, key=f"000800000{n}") for n in range(6)),
        erp={"refuses": Share(0.4)},
    )
    errors = [e for e in told.result.journal.select("distributed") if e.detail["status"] == "ERROR"]
    assert errors
    shown = [told.record("crm", "service_order", f"000800000{n}") for n in range(6)]
    assert {one["transfer"] for one in shown} == {"distributed"}


def test_the_report_sends_again_what_never_got_through():
    """An operator takes the transfer of a confirmation out of its queue; then somebody looks."""
    queue = "R3AU_confirmation a"
    steps = (
        given_out(8, WORK, PUMP),
        do(50, "administer", "erp", "lock", queue),
        do(62, "administer", "erp", "delete queue", queue),
        do(62.1, "administer", "erp", "unlock", queue),
    )
    told = day_of_service(*steps, diary=((40, confirm("a", PUMP)),), holds=False)
    assert told.record("crm", "confirmation", "a")["transfer"] == Distribution.TO_BE.value
    assert "confirmation a" in told.aside
    told = day_of_service(
        *steps, do(70, "check_distribution"), diary=((40, confirm("a", PUMP)),), holds=False
    )
    assert told.record("crm", "confirmation", "a")["transfer"] == "distributed"
    assert pieces(told, "erp", "van-1/pump") == 3


def test_an_answer_that_comes_after_the_transfer_was_given_up_counts():
    """The transfer still stands in a queue of the ERP when the report gives it up."""
    queue = f"R3AU_service_order {K}"
    told = day_of_service(
        do(7, "administer", "erp", "lock", queue),
        given_out(8, WORK),
        do(9, "check_distribution"),
        do(10, "administer", "erp", "unlock", queue),
        crm={"service_clerk": None},
    )
    statuses = [e.detail["status"] for e in told.result.journal.select("distributed")]
    assert statuses == ["TO_BE", "ERROR", "DONE"]
    assert told.record("crm", "service_order", K)["transfer"] == "distributed"
    assert postings(told, f"service_order {K}") == [("internal order", "", 1)]


def test_a_blocked_customer_gets_no_service():
    told = day_of_service(
        do(7, "change_in_erp", "customer", "C1", blocked="yes"),
        given_out(8, WORK),
        crm={"service_clerk": None},
    )
    assert "blocked" in told.record("crm", "service_order", K)["refusal"]


def test_costs_need_an_internal_order_to_be_collected_on():
    """What is not released never comes to the ERP, so nothing can be confirmed there for it."""
    steps = (give(8, K, WORK, technician="1", customer="C1"),)
    diary = ((30, confirm("a", WORK)),)
    told = day_of_service(*steps, diary=diary, until=60)
    assert "no internal order" in told.record("crm", "confirmation", "a")["refusal"]
    assert postings(told, "confirmation a") == []
    seldom = {"service_clerk": ClerkHabits(working_days=7, every=hours(2))}
    told = day_of_service(*steps, give(57, status="released"), diary=diary, crm=seldom)
    assert [sort for sort, _, _ in postings(told, "confirmation a")] == [
        "time record",
        "cost posting",
    ]


def test_the_office_tries_again_what_it_cannot_change_just_now():
    told = day_of_service(
        do(7.9, "fault", Outage("erp", under_way="drop"), for_="2h"),
        given_out(8, WORK),
        give(8.5, K, PARKING),
        give(8.6, note="ring twice"),
    )
    shown = told.record("crm", "service_order", K)
    assert (shown["note"], "item 30" in shown) == ("ring twice", True)
    assert told.forbidden
    assert {why for _, why in told.forbidden} == {
        "it is being distributed to the ERP; try again later"
    }


# --- complaints ---


def sold(told_hour: float = 2):
    return do(told_hour, "create_order", order("R1", "C1", OrderItem("tea", 1, Decimal(2))))


def test_a_return_brings_the_goods_and_then_the_money_back():
    credit = ServiceItem("30", Category.CREDIT, "tea", 1, Decimal(2))
    told = day_of_service(
        sold(),
        complain(30, MACHINE, credit, order="R1"),
        do(31, "change", "complaint", "0009000001", parent="C1", approved="yes"),
    )
    rows = [(e.detail["document"], e.time_ns) for e in told.result.journal.select("recorded")]
    sorts = [sort for sort, _ in rows]
    assert sorts == ["returns delivery", "goods receipt", "receivable", "revenue"]
    assert told.record("laptop-1", "complaint", "0009000001")["done 10"] == "1 / 1"


@pytest.mark.parametrize(("status", "count"), [("open", 0), ("released", 2)])
def test_no_money_is_given_back_for_a_complaint_that_is_open(status, count):
    credit = ServiceItem("30", Category.CREDIT, "tea", 1, Decimal(2))
    told = day_of_service(complain(30, credit, status=status, approved="yes"))
    assert len(list(told.result.journal.select("recorded"))) == count


def test_money_is_not_given_back_before_somebody_has_approved_it():
    credit = ServiceItem("30", Category.CREDIT, "tea", 1, Decimal(2))
    told = day_of_service(sold(), complain(30, credit, order="R1"))
    assert not list(told.result.journal.select("recorded"))
    assert not [
        e
        for e in told.result.journal.select("enqueued")
        if "R3AU_complaint" in str(e.detail["queue"])
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_comes_back_than_has_left(count):
    """One piece has left; one more complaint about it is one too many."""
    told = day_of_service(
        sold(),
        *(complain(30 + n, MACHINE, key=f"000900000{n}", order="R1") for n in range(count)),
        crm={"service_clerk": None},
    )
    refused = [
        n
        for n in range(count)
        if "cannot come back" in told.record("crm", "complaint", f"000900000{n}").get("refusal", "")
    ]
    assert refused == list(range(1, count))


def test_what_has_not_left_cannot_come_back():
    told = day_of_service(
        sold(30),
        complain(31, MACHINE, order="R1"),
        complain(32, MACHINE, key="2", order="none"),
        crm={"service_clerk": None},
    )
    for key in ("0009000001", "2"):
        assert "0 have left" in told.record("crm", "complaint", key)["refusal"]


def test_what_is_repaired_leaves_only_after_it_has_come_and_a_loan_likewise():
    repair = ServiceItem("10", Category.REPAIR_IN, "kettle", 2)
    out = ServiceItem("20", Category.REPAIR_OUT, "kettle", 1)
    scrap = ServiceItem("30", Category.SCRAP, "kettle", 1)
    back = ServiceItem("40", Category.LOAN_BACK, "kettle", 1)
    loan = ServiceItem("50", Category.LOAN, "kettle", 1)
    told = day_of_service(complain(10, back, out, repair, loan), complain(60, scrap))
    rows = postings(told, "complaint 0009000001")
    order_of = {row[:2]: place for place, row in enumerate(rows)}
    assert order_of["goods receipt", "10"] < order_of["delivery", "20"]
    assert order_of["goods issue", "50"] < order_of["returns delivery", "40"]
    assert order_of["goods issue", "20"] < order_of["scrapping", "30"]
    assert sum(count for sort, line, count in rows if line == "10" and "receipt" in sort) == 2


def test_what_has_not_come_is_not_thrown_away():
    scrap = ServiceItem("30", Category.SCRAP, "kettle", 1)
    told = day_of_service(complain(10, scrap), crm={"service_clerk": None})
    assert "has not come yet" in told.record("crm", "complaint", "0009000001")["refusal"]
    assert postings(told, "complaint 0009000001") == []


# --- what random stories have found ---


def substitute(line: str, count: int, product: str = "pump"):
    return ServiceItem(line, Category.SUBSTITUTE, product, count)


def times(told: Told, name: str, sort: str) -> list[tuple[str, int, int]]:
    """(line, pieces, when) of what of a sort was posted for something."""
    return [
        (str(e.detail["line"]), int(str(e.detail["pieces"])), e.time_ns)
        for e in told.result.journal.select("recorded")
        if e.subject == name and e.detail["document"] == sort
    ]


def test_two_items_do_not_get_the_same_pieces():
    told = day_of_service(
        complain(10, substitute("10", 3), substitute("20", 3)),
        do(60, "receive_goods", "main", "pump", 5),
        main=(("pump", 4),),
    )
    early = [
        row for row in times(told, "complaint 0009000001", "goods issue") if row[2] < hours(60)
    ]
    assert [row[:2] for row in early] == [("10", 3), ("20", 1)]
    assert pieces(told, "erp", "main/pump") == 3


def test_one_machine_that_has_come_to_be_repaired_leaves_once():
    kettles = [
        ServiceItem("10", Category.REPAIR_IN, "kettle", 1),
        ServiceItem("20", Category.REPAIR_OUT, "kettle", 1),
        ServiceItem("30", Category.REPAIR_OUT, "kettle", 1),
    ]
    told = day_of_service(complain(10, *kettles))
    assert [row[0] for row in times(told, "complaint 0009000001", "goods issue")] == ["20"]


def test_what_customers_send_to_be_repaired_is_given_to_nobody_else():
    told = day_of_service(
        complain(10, ServiceItem("10", Category.REPAIR_IN, "kettle", 1)),
        complain(30, substitute("10", 1, "kettle"), key="2"),
        complain(60, ServiceItem("20", Category.REPAIR_OUT, "kettle", 1)),
        main=(("kettle", 0),),
    )
    assert not postings(told, "complaint 2")
    assert times(told, "complaint 0009000001", "goods issue")
    assert pieces(told, "erp", "main/kettle") == 0


def test_goods_that_come_back_are_for_whoever_has_waited_for_them():
    told = day_of_service(
        sold(),
        complain(10, substitute("10", 1, "tea"), key="2"),
        complain(30, MACHINE, order="R1"),
        main=(("tea", 0),),
    )
    ((_, _, came_ns),) = times(told, "complaint 0009000001", "goods receipt")
    ((_, _, left_ns),) = times(told, "complaint 2", "goods issue")
    assert came_ns < left_ns < hours(120)


def test_parts_that_are_taken_back_are_for_whoever_has_waited_for_them():
    told = day_of_service(
        given_out(8, WORK),
        complain(40, substitute("10", 2)),
        diary=(
            (30, confirm("a", PUMP, place="main")),
            (60, confirm("b", PUMP, place="main", reverses="a")),
        ),
        main=(("pump", 2),),
    )
    ((_, count, left_ns),) = times(told, "complaint 0009000001", "goods issue")
    assert count == 2
    assert hours(60) < left_ns < hours(120)


def test_nobody_takes_what_is_in_a_delivery():
    told = day_of_service(
        given_out(8, WORK),
        complain(20, substitute("10", 2)),
        diary=((30, confirm("a", PUMP, place="main")),),
        erp={"logistics": Logistics(lead=hours(10), picking=hours(40))},
        main=(("pump", 2),),
    )
    assert "too few pump in main" in told.record("crm", "confirmation", "a")["refusal"]
    assert times(told, "complaint 0009000001", "goods issue")
    assert pieces(told, "erp", "main/pump") == 0


def test_what_is_promised_for_later_does_not_leave_because_something_else_has():
    late = ServiceItem("50", Category.SALES, "filter", 9, Decimal(1))
    told = day_of_service(
        given_out(8, CLEANER),
        give(40, K, late),
        apo={"stock": Stock(5, 5, refill_after=days(5))},
    )
    day = int(told.record("crm", "service_order", K)["promised 50"].rpartition(" ")[2])
    assert day >= 6
    assert {row[2] >= days(day) for row in times(told, f"service_order {K}", "delivery")[1:]} == {
        True
    }


def test_reservations_follow_the_part_that_they_are_for():
    seal = ServiceItem("20", Category.PART, "seal", 1, Decimal(5))
    name = "complaint 0009000001"
    told = day_of_service(
        complain(10, substitute("10", 1), seal),
        complain(20, ServiceItem("20", Category.PART, "seal", 3, Decimal(5))),
        do(30, "change", "complaint", "0009000001", **{"item 20": ""}),
    )
    assert [row[:2] for row in times(told, name, "reservation")] == [
        ("20", 1),
        ("20", 2),
        ("20", -3),
    ]


def test_what_is_thrown_away_stays_as_it_is():
    kettle = ServiceItem("10", Category.REPAIR_IN, "kettle", 2)
    told = day_of_service(
        complain(10, kettle),
        complain(40, ServiceItem("20", Category.SCRAP, "kettle", 1)),
        complain(50, ServiceItem("20", Category.SCRAP, "kettle", 2)),
    )
    assert "thrown away already" in told.record("crm", "complaint", "0009000001")["refusal"]
    assert len(times(told, "complaint 0009000001", "scrapping")) == 1


def test_what_the_office_holds_back_after_a_refusal_is_held_back():
    """The service office completed it by itself, as if it were a confirmation."""
    told = day_of_service(
        do(7, "change_in_erp", "customer", "C1", blocked="yes"),
        given_out(8, WORK, CLEANER),
        give(9, status="open"),
        do(20, "change_in_erp", "customer", "C1", blocked="no"),
        crm={"service_clerk": ClerkHabits(working_days=7, every=hours(4))},
    )
    shown = told.record("crm", "service_order", K)
    assert (shown["status"], shown["transfer"]) == ("open", Distribution.ERROR.value)
    assert not postings(told, f"service_order {K}")


def test_the_office_does_not_try_for_ever_to_send_what_has_no_items_any_more():
    told = day_of_service(
        do(7, "change_in_erp", "customer", "C1", blocked="yes"),
        given_out(8, WORK),
        give(9, **{"item 10": ""}),
        crm={"service_clerk": ClerkHabits(working_days=7, every=hours(4))},
    )
    versions = [e for e in told.result.journal.select("changed") if K in e.subject]
    assert len(versions) < 10


@pytest.mark.parametrize(
    ("fields", "why"), [({"item 10": ""}, "it has no item"), ({"status": "open"}, "it is open")]
)
def test_nothing_becomes_different_in_crm_without_a_word_to_the_erp(fields, why):
    told = day_of_service(given_out(8, WORK), give(20, **fields))
    ((_, reason),) = told.forbidden
    assert reason.startswith(f"the ERP has it, and would not hear of this change: {why}")


def test_what_was_changed_too_late_can_be_put_back():
    more = ServiceItem("40", Category.SALES, "cleaner", 9, Decimal(12))
    told = day_of_service(
        given_out(8, CLEANER),
        do(17.5, "fault", Outage("erp", under_way="drop"), for_="5h"),
        give(18.5, K, more),
        give(40, K, ServiceItem("40", Category.SALES, "cleaner", 8, Decimal(12))),
        give(41, K, CLEANER),
    )
    shown = told.record("crm", "service_order", K)
    assert (shown["item 40"], shown["transfer"]) == (CLEANER.text, "distributed")
    assert [why for _, why in told.forbidden] == [
        "item 40 is delivered already, in part or as a whole"
    ]


MANY = ServiceItem("40", Category.SALES, "cleaner", 9, Decimal(12))


def asked(told: Told) -> list[int]:
    """How many pieces of its first product each answer of the planning system is about."""
    return [int(e.detail["products"][0][1]) for e in told.result.journal.select("promised")]


def test_what_was_changed_while_it_was_being_checked_is_checked_again():
    """The answer about three pieces was taken for one about nine."""
    told = day_of_service(
        do(7, "fault", Outage("apo", under_way="drop"), for_="3h"),
        given_out(8, CLEANER),
        give(8.5, K, MANY, status="open"),
        give(20, status="released"),
        apo={"stock": Stock(50, 50)},
        crm={"policies": Policies(on_apo_down=OnApoDown.WAIT)},
    )
    assert asked(told) == [3, 9]
    assert told.record("crm", "service_order", K)["promised 40"].startswith("9 on day")


@pytest.mark.parametrize("policy", OnApoDown)
def test_an_order_without_goods_does_not_wait_for_a_check(policy):
    told = day_of_service(
        do(7.99, "fault", Outage("apo", under_way="drop"), for_="30h"),
        given_out(8, WORK, CLEANER),
        give(8.01, **{"item 40": ""}),
        apo={"stock": Stock(50, 50)},
        crm={"policies": Policies(on_apo_down=policy)},
    )
    assert told.record("crm", "service_order", K)["status"] == "released"
    ((_, _, at_ns),) = times(told, f"service_order {K}", "internal order")
    assert at_ns < hours(9)


def test_what_is_not_wanted_any_more_is_free_again_in_the_planning_system():
    told = day_of_service(
        given_out(8, WORK, CLEANER), give(9, **{"item 40": ""}), apo={"stock": Stock(50, 50)}
    )
    assert asked(told) == [3, 0]
    assert told.record("crm", "service_order", K)["promised 40"] == ""


def test_an_order_that_the_erp_has_is_not_opened_because_nobody_can_check_it():
    told = day_of_service(
        given_out(8, CLEANER),
        do(9, "fault", Outage("apo", under_way="drop"), for_="4h"),
        give(10, K, MANY),
        apo={"stock": Stock(50, 50)},
        crm={"policies": Policies(on_apo_down=OnApoDown.REFUSE)},
    )
    shown = told.record("crm", "service_order", K)
    assert (shown["status"], shown["transfer"]) == ("released", "distributed")
    assert asked(told) == [3, 9]


def test_what_takes_back_is_about_the_same_and_is_not_taken_back_itself():
    other = "0008000002"
    told = day_of_service(
        given_out(8, WORK),
        given_out(8.1, WORK, key=other),
        diary=(
            (30, confirm("a", PUMP)),
            (60, confirm("b", WORK, reverses="a")),
            (61, confirm("c", PUMP, parent=other, reverses="a")),
            (62, confirm("d", PUMP, reverses="a")),
            (90, confirm("e", PUMP, reverses="d")),
        ),
    )
    reasons = dict(told.inbox(1))
    assert set(reasons) == {"confirmation b", "confirmation c", "confirmation e"}
    assert "the items of confirmation a" in reasons["confirmation b"]
    assert "the order and" in reasons["confirmation c"]
    assert "takes back another one itself" in reasons["confirmation e"]
    assert pieces(told, "erp", "van-1/pump") == 5


def test_parts_of_two_items_are_counted_together():
    again = ServiceItem("21", Category.PART, "pump", 2)
    told = day_of_service(given_out(8, WORK), diary=((30, confirm("a", PUMP, again)),), stock=3)
    assert told.forbidden == [("confirmation a", "there are 3 pump in van-1, not 4")]


def test_nobody_confirms_for_an_order_that_is_not_there():
    told = day_of_service(
        do(9, "change", "confirmation", "a", parent="none", **item_fields([WORK])), holds=False
    )
    assert told.record("crm", "confirmation", "a") is None
    assert told.forbidden == [("confirmation a", "CRM knows no service_order none")]


def test_a_memo_that_is_billed_does_not_change():
    """The customer would never have got the rest, and nobody would have known."""
    credit = ServiceItem("30", Category.CREDIT, "tea", 1, Decimal(2))
    more = ServiceItem("30", Category.CREDIT, "tea", 5, Decimal(2))
    told = day_of_service(
        complain(30, credit, approved="yes"), complain(40, more), complain(41, note="thank you")
    )
    assert [why for _, why in told.forbidden] == [
        "its memos are billed already; write another complaint"
    ]
    assert told.record("crm", "complaint", "0009000001")["note"] == "thank you"


# --- bad input ---


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (do(1, "receive_goods", "van-1", "pump", 0), "write 1 or more"),
        (do(1, "receive_goods", "van-9", "pump", 1), "nobody keeps"),
        (do(1, "change_in_erp", "stock", "van-1/pump", pieces="3"), "receive_goods"),
        (do(1, "add_stock", "van-1", "pump", -1), "write 0 or more"),
    ],
)
def test_what_cannot_be_told_is_refused(step, words):
    with pytest.raises(BadValue, match=words):
        day_of_service(step)


def test_a_round_of_the_office_is_no_longer_than_its_day():
    with pytest.raises(BadValue, match="every so often"):
        ClerkHabits(every=hours(12))
    habits = ClerkHabits(every=hours(2), working_days=7)
    moments = [habits.next_moment_ns(hours(hour)) for hour in (0, 8, 8.1, 10, 16.5, 17)]
    wanted = [8, 8, 10, 10, 24 + 8, 24 + 8]
    assert moments == [hours(hour) for hour in wanted]


def test_nobody_in_crm_writes_bills_or_moves_goods():
    told = day_of_service(
        do(1, "change", "bill", "x", status="completed"),
        do(2, "change", "stock", "van-1/pump", pieces="99"),
    )
    assert dict(told.forbidden) == {
        "bill x": "bills are written by CRM itself",
        "stock van-1/pump": "only the ERP moves goods",
    }


# --- the checks fire ---


def stored(object_="confirmation", key="a", items=(("20", "part", "pump", 2, ""),), **more):
    subject = f"{object_} {key}"
    detail = {"name": subject, "order": "", "sold": (), **more}
    found = event("stored", actor="erp", subject=subject, object=object_, items=items)
    return found._replace(detail={**found.detail, **detail})


def recorded(sort="goods issue", line="20", count=2, subject="confirmation a", **more):
    detail = {"place": "", "product": "pump", "name": subject, **more}
    return event(
        "recorded", actor="erp", subject=subject, document=sort, line=line, pieces=count, **detail
    )


def completed(subject="confirmation a"):
    values = (("header status", "completed"),)
    return event("changed", subject=subject, guid=subject, values=values, version=2)


@pytest.mark.fires(checks.POSTED_ONCE)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([completed(), stored(), recorded(), recorded()], "posted 2 times"),
        ([stored(), recorded()], "nobody has completed"),
        ([completed(), stored(), recorded(count=1)], "is about 1 of it"),
        ([completed(), stored(), recorded(line="21")], "is about 2 of it"),
    ],
)
def test_what_is_posted_twice_early_or_in_part_is_found(events, words):
    assert fired(rejudge(checks.POSTED_ONCE, events, is_quiet=False), words)
    good = [completed(), stored(), recorded(), recorded("cost posting")]
    assert rejudge(checks.POSTED_ONCE, good, is_quiet=False).held


ORDER = {"object_": "service_order", "key": "k", "items": (("40", "sales", "x", 3, ""),)}


@pytest.mark.fires(checks.ONE_SALES_DOCUMENT)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([stored(**ORDER, sold=("40",)), stored(**ORDER, sold=("40",), name="b")], "a second"),
        ([stored(**ORDER)], "has (), not ('40',)"),
        (
            [
                stored(**ORDER, sold=("40",)),
                recorded("delivery", "40", 1, "service_order k"),
                stored(**{**ORDER, "items": (("40", "sales", "x", 4, ""),)}, sold=("40",)),
            ],
            "after its delivery",
        ),
        (
            [stored(**ORDER, sold=("40",)), recorded("delivery", "40", 4, "service_order k")],
            "3 at most",
        ),
        (
            [stored(**ORDER, sold=("40",)), recorded("goods issue", "40", 1, "service_order k")],
            "0 at most",
        ),
        ([recorded("internal order", "", 1, "service_order k")] * 2, "1 at most"),
    ],
)
def test_a_service_order_that_is_not_one_document_is_found(events, words):
    assert fired(rejudge(checks.ONE_SALES_DOCUMENT, events), words)


def test_a_good_service_order_is_not_blamed():
    good = [
        stored(**ORDER, sold=("40",)),
        recorded("delivery", "40", 3, "service_order k"),
        recorded("goods issue", "40", 3, "service_order k"),
    ]
    assert rejudge(checks.ONE_SALES_DOCUMENT, good).held


RETURNED = {"object_": "complaint", "key": "k", "items": (("1", "return", "x", 3, "1"),)}


@pytest.mark.fires(checks.MEMOS_STAY_IN_CRM)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([stored("complaint", "k", (("1", "credit", "x", 1, ""),))], "which is a memo"),
        ([stored(**RETURNED), recorded("goods issue", "1", 1, "complaint k")], "led to a goods"),
        ([recorded("goods receipt", "1", 1, "complaint k")], "led to a goods receipt"),
        ([recorded("receivable", "", 1, "bill b")] * 2, "2 times as receivable"),
    ],
)
def test_a_memo_that_moves_something_is_found(events, words):
    assert fired(rejudge(checks.MEMOS_STAY_IN_CRM, events), words)
    good = [stored(**RETURNED), recorded("goods receipt", "1", 1, "complaint k")]
    assert rejudge(checks.MEMOS_STAY_IN_CRM, good).held


@pytest.mark.fires(checks.RETURNED_AS_DELIVERED)
def test_more_that_comes_back_than_has_left_is_found():
    lines = (("a", 2, "1", "x"),)
    booked = event("booked", actor="erp", subject="R", lines=lines)
    left = event("posted", actor="erp", subject="R", document="goods issue", items=(("a", 2, "2"),))
    back = recorded("goods receipt", "1", 2, "complaint k")
    about = stored(**RETURNED, order="R")
    check = checks.RETURNED_AS_DELIVERED
    assert rejudge(check, [booked, left, about, back]).held
    assert fired(rejudge(check, [booked, about, back]), "and 0 had left")
    assert fired(rejudge(check, [booked, left, about, back, back]), "4 pieces of item 1 of order R")


def judged(told: Told, check, *hurt):
    """Judge a finished story in which rows of a table were changed: (site, table, key, row)."""
    simulation = told.result.simulation
    scene = Scene(simulation.topology, lambda actor: simulation.seat_of(actor).site.name)
    stores = {name: site.store for name, site in simulation.sites.items()}
    for site, table, key, row in hurt:
        copy, edit = Store(), Change(None, None, 0)
        for name, rows in stores[site].snapshot():
            for one, value in dict(rows).items():
                edit.put(name, one, value)
        if row is None:
            edit.delete(table, key)
        else:
            edit.put(table, key, row)
        copy.apply(edit)
        stores[site] = copy
    judge = check.judge(scene)
    for one in told.result.journal:
        feed = judge.feeds().get(one.kind)
        if feed is not None:
            feed(one)
    return judge.finish(Ending(told.result.journal, stores, is_quiet=True))


VAN = ("stock", "van-1/pump")


@pytest.mark.fires(checks.STOCKS_ADD_UP)
def test_a_stock_that_does_not_add_up_is_found(whole):
    check = checks.STOCKS_ADD_UP
    assert judged(whole, check).held
    fields = (("pieces", "4"), ("place", "van-1"), ("product", "pump"))
    wrong = Record(*VAN, fields)
    assert fired(judged(whole, check, ("erp", "records", VAN, wrong)), "3 should be there")
    shows = judged(whole, check, ("laptop-1", "records", VAN, wrong))
    assert fired(shows, "laptop-1 shows 4 of van-1/pump, the ERP has 3")


@pytest.mark.fires(checks.SERVICE_IS_KNOWN)
def test_what_crm_calls_distributed_and_the_erp_has_otherwise_is_found(whole):
    check, key = checks.SERVICE_IS_KNOWN, ("service_order", K)
    name = f"service_order {K}"
    assert judged(whole, check).held
    held = whole.result.simulation.store("crm").get("records", key)
    there = dict(held.fields)

    def with_fields(**fields):
        return Record(*key, tuple(sorted({**there, **fields}.items())), version=held.version)

    hurt = ("crm", "records", key)
    assert fired(judged(whole, check, (*hurt, with_fields(**TO_BE))), "still being distributed")
    assert fired(judged(whole, check, ("erp", "service", name, None)), "has not got it")
    other = {"item 10": PARKING.text}
    assert fired(judged(whole, check, (*hurt, with_fields(**other))), "is not the same")
    done = {"done 40": "1 / 1"}
    assert fired(judged(whole, check, (*hurt, with_fields(**done))), "CRM shows")


@pytest.mark.fires(checks.POSTED_ONCE)
def test_what_crm_calls_posted_and_is_not_is_found(whole):
    record_ = whole.result.simulation.store("crm").get("records", ("confirmation", "a"))
    more = ServiceItem("50", Category.EXPENSE, "toll", 1)
    fields = tuple(sorted({**dict(record_.fields), **item_fields([more])}.items()))
    hurt = "crm", "records", ("confirmation", "a"), Record("confirmation", "a", fields, K)
    assert fired(judged(whole, checks.POSTED_ONCE, hurt), "cost posting of line 50", "missing")


@pytest.mark.fires(TRANSFERABLE_ONLY)
def test_an_open_confirmation_on_its_way_to_the_erp_is_found():
    name = "confirmation a"
    saved = event("changed", subject=name, guid=name, values=())
    sent = event("enqueued", subject=name, queue=f"R3AU_{name}", guid=name)
    assert fired(rejudge(TRANSFERABLE_ONLY, [saved, sent]), "nobody completed it")
    assert rejudge(TRANSFERABLE_ONLY, [saved, completed(), sent]).held


@pytest.mark.fires(LOCK_IS_KEPT)
def test_a_service_order_that_changes_while_it_is_being_distributed_is_found():
    begun = event("distributed", subject="s", guid="s", status="TO_BE", version=2)

    def saved(version: int, number: int):
        detail = {"version": version, "number": number}
        return event("changed", subject="s")._replace(detail=detail)

    with_it, later, news = saved(2, 0), saved(3, 0), saved(3, 1)
    assert rejudge(LOCK_IS_KEPT, [begun, with_it, news], is_quiet=False).held
    assert fired(rejudge(LOCK_IS_KEPT, [begun, with_it, later]), "while it was being distributed")


# --- the scenarios ---


@pytest.mark.parametrize(
    ("name", "check"),
    [("service_day", checks.POSTED_ONCE), ("return_of_goods", checks.MEMOS_STAY_IN_CRM)],
)
def test_without_memory_work_is_done_twice_and_the_checks_say_so(name, check):
    story = load_scenario(f"scenarios/{name}.py")
    result = story.run(seed=2, dedup=False)
    assert check in {one for one, verdict in result.verdicts if verdict.violations}
    assert story.run(seed=2).must_hold().held


def test_the_day_of_service_says_what_became_of_the_work():
    result = load_scenario("scenarios/service_day.py").run(seed=2)
    metrics = result.metrics
    assert metrics["not_posted_censored"] == metrics["posted_twice"] == 0
    sorts = metrics["documents"]
    assert sorts["time record"] == metrics["confirmations"] == sorts["receivable"]
    assert sorts["cost posting"] == 3 * metrics["confirmations"]
    assert metrics["realigned"] == 2


def test_the_returns_say_what_moved():
    metrics = load_scenario("scenarios/return_of_goods.py").run(seed=2).metrics
    assert (metrics["complaints"], metrics["refused"], metrics["too_late"]) == (26, 2, 4)
    assert metrics["receivable"] == "-692"
    assert metrics["documents"]["scrapping"] == metrics["documents"]["reservation"] == 4


def test_a_setting_out_of_range_is_told_as_it_is_written():
    story = load_scenario("scenarios/service_day.py")
    with pytest.raises(BadValue, match="approval is 1s; write 1min to 9h"):
        story.run(approval=seconds(1))
