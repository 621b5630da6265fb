"""What reps do to visits and orders while programs of CRM are broken, and names are used twice."""

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.middleware.flow import Breakage, Context
from crmsim.mobile.rep import DiaryEntry
from crmsim.units import Share, days, hours, minutes

from .test_complaints import LAPTOPS, TEA, V1, VISIT, at, everywhere, fields, run, shown, times

FREE = OrderItem("tea", 5, Decimal(0))
ORDER = SalesOrder("", "A", "1", "C1", (TEA,))
PRICED = OrderEdit("A", items=((1, (("unit_price", Decimal(3)),)),))
NEW_CUSTOMER = ("0d 06:00", "change", "customer", "C2", {"parent": "T", "name": "Smith"})


def broken(context: Context, day: int, *, operator_h: float | None = None) -> dict[str, object]:
    """Return a CRM in which a program does not work on the evening of a day."""
    begins_ns = days(day) + hours(17.5)
    operator = None if operator_h is None else Constant(operator_h * 3_600)
    breakage = Breakage(context, begins_ns, begins_ns + hours(1))
    return {"breakages": (breakage,), "operator_s": operator}


def writes(hour: float, what) -> DiaryEntry:
    return DiaryEntry(hours(hour), what)


def note(hour: float, key: str, parent: str) -> DiaryEntry:
    return writes(hour, RecordEdit("create", "note", key, (("text", "x"),), parent))


@pytest.mark.parametrize("more", [(), (("change", {"subject": "mine"}),), (("delete", {}),)])
def test_who_uses_the_name_of_what_is_not_his_does_not_get_it(more):
    """Visit V9 belongs to a territory of somebody else; rep 1 calls one of his own like that."""
    story = [
        ("0d 06:00", "change", "territory", "U", {"rep": "9"}),
        ("0d 06:05", "change", "customer", "D1", {"parent": "U", "name": "Jones"}),
        ("0d 06:10", "change", "activity", "V9", {"parent": "D1", **VISIT}),
    ]
    diary = [at(9, "create", "V9", "C1", **VISIT)]
    diary += [at(10, what, "V9", **values) for what, values in more]
    result = run(*diary, story=story)
    assert result.held, result.findings
    assert len(times(result, "rejected")) == len(diary)
    assert fields(result, "crm", "V9") == VISIT
    assert [shown(result, laptop, "V9") for laptop in LAPTOPS] == [None, None]


def test_the_office_does_not_raise_what_has_been_deleted():
    story = [("1d 12:00", "change", *V1, {"parent": "C1", **VISIT})]
    result = run(at(9, "delete", "V1"), story=story)
    assert everywhere(result, "V1") is None
    [told] = result.journal.select("forbidden")
    assert told.detail["reason"] == "it has been deleted"


def test_an_order_goes_to_the_erp_once_though_an_older_save_of_it_is_passed_on_later():
    """The save with errors ends in the error list, the next one is booked, then comes the first."""
    story = [("0d 19:00", "change_order", PRICED, {})]
    with_errors = evolve(ORDER, items=(FREE,))
    crm = broken(Context.MO1, 0, operator_h=10)
    result = run(writes(9, with_errors), story=story, crm=crm)
    assert result.held, result.findings
    assert times(result, "administered", action="reprocess")
    transfers = [
        e.subject
        for e in result.journal.select("enqueued", actor="crm")
        if str(e.detail["queue"]).startswith("R3AU_SALESDO")
    ]
    assert len(transfers) == 1


@pytest.mark.parametrize("operator_h", [None, 2.0, 40.0])
def test_what_never_came_to_the_cdb_can_be_deleted(operator_h):
    crm = broken(Context.SO1, 0, operator_h=operator_h)
    result = run(at(9, "create", "V2", "C1", **VISIT), at(33, "delete", "V2"), crm=crm)
    assert everywhere(result, "V2") is None


@pytest.mark.parametrize("operator_h", [2.0, 40.0])
def test_a_note_that_never_came_to_the_cdb_goes_with_its_visit(operator_h):
    """Rep 2 writes it; rep 1 deletes the visit; what was broken is processed again afterwards."""
    crm = broken(Context.SO1, 1, operator_h=operator_h)
    diary = (at(9, "create", "V2", "C1", **VISIT), at(57, "delete", "V2"))
    result = run(*diary, other=(note(33, "N1", "V2"),), crm=crm)
    assert everywhere(result, "V2") is None
    for site in ("crm", *LAPTOPS):
        assert result.simulation.store(site).get("records", ("note", "N1")) is None
    assert ("note", "N1") not in result.simulation.store("crm").table("cdb records")


def test_a_refusal_is_not_forgotten_because_an_older_change_comes_through_later():
    """The creation waits in the error list, so the change of it is refused before it counts."""
    crm = broken(Context.SI0, 0, operator_h=30)
    change = OrderEdit("A", items=((1, (("quantity", 7),)),))
    result = run(writes(9, ORDER), writes(33, change), crm=crm)
    assert result.held, result.findings
    assert times(result, "rejected") < times(result, "confirmed")
    assert len(result.simulation.store("crm").table("refused")) == 1
    assert [one.name for one in result.quiet.documents_aside] == ["A"]


def test_what_is_made_anew_after_a_refusal_is_not_taken_for_a_leftover():
    crm = broken(Context.SI0, 1)
    result = run(writes(9, evolve(ORDER, items=())), writes(33, ORDER), crm=crm)
    assert result.held, result.findings
    assert len(times(result, "rejected")) == 1


def test_what_depends_on_a_visit_moves_with_it_to_the_queue_of_another_customer():
    story = [NEW_CUSTOMER, ("1d 12:00", "change", *V1, {"parent": "C2"})]
    result = run(note(9, "N1", "V1"), at(57, "delete", "V1"), story=story)
    assert everywhere(result, "V1") is None
    assert result.simulation.store("crm").get("deleted", ("note", "N1")) == 2


# --- whatever happens ---

NAMES = st.sampled_from(("V1", "V2", "V3"))
WORDS = st.sampled_from(("x", "y", "z"))


@st.composite
def entries(draw) -> DiaryEntry:
    hour = draw(st.integers(1, 85)) + draw(st.sampled_from((0.0, 0.25, 0.5)))
    sort = draw(st.sampled_from(("create", "change", "delete", "note", "order", "edit")))
    name, word = draw(NAMES), draw(WORDS)
    if sort == "create":
        return at(hour, "create", name, "C1", type="visit", subject=word)
    if sort == "change":
        return at(hour, "change", name, **{draw(st.sampled_from(("subject", "place"))): word})
    if sort == "delete":
        return at(hour, "delete", name)
    if sort == "note":
        return note(hour, f"N{draw(st.integers(1, 2))}", name)
    if sort == "order":
        items = draw(st.sampled_from(((TEA,), (FREE,), ())))
        return writes(hour, evolve(ORDER, items=items))
    quantity = draw(st.integers(1, 9))
    return writes(hour, OrderEdit("A", items=((1, (("quantity", quantity),)),)))


diaries = st.lists(entries(), max_size=10).map(
    lambda found: sorted(found, key=lambda entry: entry.time_ns)
)
office = st.one_of(
    st.tuples(NAMES, WORDS).map(
        lambda two: ("change", "activity", two[0], {"parent": "C1", "subject": two[1], **KIND})
    ),
    st.sampled_from(("1", "9")).map(lambda rep: ("change", "territory", "T", {"rep": rep})),
    st.sampled_from(LAPTOPS).map(lambda laptop: ("extract", laptop, {})),
    st.sampled_from(("crm", *LAPTOPS)).map(lambda site: ("crash", site, {"down": minutes(20)})),
    st.just(("change_order", PRICED, {})),
    NAMES.map(lambda name: ("delete", "activity", name, {})),
    st.sampled_from(("N1", "N2")).map(lambda name: ("delete", "note", name, {})),
)
KIND = {"type": "visit"}
CONTEXTS = st.sampled_from((Context.SI0, Context.MO1, Context.SO1))


@settings(max_examples=40, deadline=None)
@given(
    diaries,
    diaries,
    st.lists(st.tuples(st.integers(1, 90), office), max_size=5),
    CONTEXTS,
    st.integers(0, 3),
    st.sampled_from((None, 2.0, 30.0)),
    st.sampled_from((0.0, 0.3)),
)
def test_whatever_they_do_it_ends_well(mine, others, told, context, day, operator_h, share):
    story = [(hours(hour), *what) for hour, what in told]
    others = [entry for entry in others if not isinstance(entry.what, SalesOrder)]
    line = {"loss": Share(share), "duplicate": Share(share)}
    crm = broken(context, day, operator_h=operator_h)
    result = run(*mine, other=others, story=story, line=line, crm=crm)
    assert result.held, result.findings
