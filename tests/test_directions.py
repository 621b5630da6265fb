"""Which way may what go? One allowed and one forbidden way for each kind of document of laptops.

What is forbidden is refused twice: the laptop does not save it, and CRM does not take it, should it
come all the same.
"""

from decimal import Decimal

import pytest
from attrs import frozen

from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.formats.bdoc import Segment, Task
from crmsim.lab import building
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile import writing
from crmsim.mobile.holdings import local_of
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.mobile.writing import Writing
from crmsim.network.profiles import gprs, wan
from crmsim.units import hours

LAPTOPS = ("laptop-1", "laptop-2")
TEA = OrderItem("tea", 5, Decimal(20))
VISIT = {"type": "visit", "subject": "spring order"}


@frozen
class Nothing:
    """No settings."""


def at(hour: float, what: str, object_: str, key: str, parent: str = "", **more) -> DiaryEntry:
    return DiaryEntry(hours(hour), RecordEdit(what, object_, key, tuple(more.items()), parent))


def run(*diary: DiaryEntry, other: tuple[DiaryEntry, ...] = (), story=()) -> Result:
    """Two reps share a territory with a customer, its contact, its contract, and customizing."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def two(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        for name, entries in zip(LAPTOPS, (diary, other), strict=True):
            land.add_laptop(
                name,
                gprs(dial_up=True),
                rep=name[-1],
                station="station",
                habits=Habits(working_days=7),
                diary=entries,
            )
        land.add_subscription("both", "territory", LAPTOPS, rep="1")
        land.add_subscription("customizing", "customizing", LAPTOPS)
        land.add_record("territory", "T", rep="1")
        land.add_record("customer", "C1", parent="T", name="Miller")
        land.add_record("contact", "K1", parent="C1", name="Eve")
        land.add_record("contract", "S1", parent="C1", terms="100")
        land.check()
        for moment, verb, *arguments, named in story:
            land.at(moment, getattr(land, verb), *arguments, **named)
        await land.run(hours(96))
        await land.settle()

    return two.run(seed=1)


def fields(result: Result, site: str, object_: str, key: str) -> dict[str, str] | None:
    record = result.simulation.store(site).get("records", (object_, key))
    return None if record is None else dict(record.fields)


def must_hold(result: Result) -> None:
    """Nothing is blamed, but for a laptop that was made to save a contract: that must not be."""
    assert result.error is None
    assert all("laptop-1 saved contract" in one for one in result.findings), result.findings


def everywhere(result: Result, object_: str, key: str, *more: str) -> dict[str, str] | None:
    """Return a record, after a look whether it is the same in CRM Online and on all laptops."""
    must_hold(result)
    online = fields(result, "crm", object_, key)
    for site in (*LAPTOPS, *more):
        assert fields(result, site, object_, key) == online, site
    return online


def order_at(result: Result, site: str, reference: str) -> SalesOrder | None:
    rows = result.simulation.store(site).table("orders").values()
    found = [row.order if site == "erp" else row.document.order for row in rows]
    return next((order for order in found if order.reference == reference), None)


def reasons(result: Result, kind: str) -> list[str]:
    return [str(event.detail["reason"]) for event in result.journal.select(kind)]


def queued_to_erp(result: Result) -> list[str]:
    return [
        event.subject
        for event in result.journal.select("enqueued", actor="crm")
        if str(event.detail["queue"]).startswith("R3AU_")
    ]


def sends_everything(monkeypatch) -> None:
    """Let laptops save whatever their reps want."""
    monkeypatch.setattr(writing, "why_not_from_laptop", lambda object_, task: None)


def must_be_undone(result: Result, *rejected: str) -> None:
    """CRM has refused all that came, and the laptop is as it was."""
    must_hold(result)
    assert reasons(result, "rejected") == list(rejected)
    assert not list(result.journal.select("changed", "deleted", "committed"))
    laptop = result.simulation.store("laptop-1")
    assert not laptop.table("outbox")
    assert all(not local.pending for local in laptop.table("overlays").values())
    assert [entry.reason for entry in laptop.table("rejections").values()] == list(rejected)


# --- activities ---


def test_activities_go_both_ways_and_are_created_changed_and_deleted():
    result = run(
        at(9, "create", "activity", "V1", "C1", **VISIT),
        at(10, "create", "activity", "V2", "C1", **VISIT),
        at(33, "change", "activity", "V3", subject="from the laptop"),
        at(57, "delete", "activity", "V3"),
        other=(
            at(33, "change", "activity", "V1", subject="done"),
            at(34, "delete", "activity", "V2"),
        ),
        story=[
            ("0d 12:00", "change", "activity", "V3", {"parent": "C1", **VISIT}),
            ("0d 12:00", "change", "activity", "V4", {"parent": "C1", **VISIT}),
            ("1d 12:00", "change", "activity", "V4", {"subject": "moved"}),
        ],
    )
    assert everywhere(result, "activity", "V1") == {**VISIT, "subject": "done"}
    assert everywhere(result, "activity", "V2") is None
    assert everywhere(result, "activity", "V3") is None
    assert everywhere(result, "activity", "V4") == {**VISIT, "subject": "moved"}
    assert not list(result.journal.select("rejected", "forbidden"))


def test_no_activity_goes_to_the_erp_and_an_invalid_one_nowhere():
    result = run(at(9, "create", "activity", "V1", "C1", type="visit"))
    must_be_undone(result, "an activity needs a subject")
    assert everywhere(result, "activity", "V1") is None
    assert queued_to_erp(result) == []


def test_the_office_deletes_a_visit_with_its_notes_and_laptops_lose_them_too():
    result = run(
        at(9, "create", "activity", "V1", "C1", **VISIT),
        at(10, "create", "note", "N1", "V1", text="x"),
        at(33, "create", "activity", "V2", "C1", **VISIT),
        story=[
            (hours(32), "delete", "activity", "V1", {}),
            (hours(32), "delete", "activity", "V9", {}),
        ],
    )
    assert everywhere(result, "activity", "V1") is None
    assert everywhere(result, "note", "N1") is None
    assert everywhere(result, "activity", "V2") == VISIT
    assert [event.subject for event in result.journal.select("deleted")] == [
        "note N1",
        "activity V1",
    ]
    assert reasons(result, "forbidden") == ["there is none"]


def test_a_change_of_what_the_office_has_deleted_is_refused():
    result = run(
        at(9, "create", "activity", "V1", "C1", **VISIT),
        at(36, "change", "activity", "V1", subject="mine"),
        story=[(hours(35), "delete", "activity", "V1", {})],
    )
    assert everywhere(result, "activity", "V1") is None
    assert reasons(result, "rejected") == ["it has been deleted"]


@pytest.mark.parametrize("object_", ["customer", "opportunity", "contract", "territory"])
def test_the_office_deletes_nothing_else(object_):
    with pytest.raises(BadValue, match=f"nobody deletes an? {object_}; a customer is blocked"):
        run(story=[(hours(32), "delete", object_, "C1", {})])


# --- opportunities ---


def test_opportunities_are_created_and_changed_both_ways_also_incomplete():
    result = run(
        at(9, "create", "opportunity", "O1", "C1", phase="first"),
        at(33, "change", "opportunity", "O2", closes="June"),
        other=(at(33, "change", "opportunity", "O1", chance="30"),),
        story=[
            ("0d 12:00", "change", "opportunity", "O2", {"parent": "C1", "phase": "second"}),
            ("2d 12:00", "change", "opportunity", "O1", {"chance": "40"}),
        ],
    )
    assert everywhere(result, "opportunity", "O1") == {"phase": "first", "chance": "40"}
    assert everywhere(result, "opportunity", "O2") == {"phase": "second", "closes": "June"}
    lacks = [
        result.simulation.store(site).get("records", ("opportunity", "O1")).lacks
        for site in ("crm", *LAPTOPS)
    ]
    assert lacks == [("closes",)] * 3
    assert queued_to_erp(result) == []


DELETES = (
    at(9, "delete", "contact", "K1"),
    at(9, "delete", "customer", "C1"),
    at(9, "delete", "territory", "T"),
)


def test_no_laptop_deletes_an_opportunity(monkeypatch):
    diary = (
        at(9, "create", "opportunity", "O1", "C1", phase="first"),
        at(33, "delete", "opportunity", "O1"),
    )
    result = run(*diary)
    assert reasons(result, "forbidden") == ["no laptop can delete an opportunity"]
    assert everywhere(result, "opportunity", "O1") == {"phase": "first"}
    sends_everything(monkeypatch)
    result = run(*diary)
    assert reasons(result, "rejected") == ["no laptop can delete an opportunity"]
    assert everywhere(result, "opportunity", "O1") == {"phase": "first"}


# --- quotations and orders ---


@pytest.mark.parametrize("kind", SalesKind)
def test_orders_and_quotations_are_created_and_changed_both_ways(kind):
    change = OrderEdit("A", items=((1, (("quantity", 7),)),))
    result = run(
        DiaryEntry(hours(9), SalesOrder("", "A", "1", "C1", (TEA,), kind=kind)),
        DiaryEntry(hours(57), OrderEdit("B", header=(("text", "from the laptop"),))),
        other=(DiaryEntry(hours(57), change),),
        story=[
            ("1d 12:00", "create_order", SalesOrder("", "B", "1", "C1", (TEA,), kind=kind), {}),
            ("1d 13:00", "change_order", OrderEdit("A", header=(("text", "from CRM"),)), {}),
        ],
    )
    assert result.held, result.findings
    for site in ("crm", *LAPTOPS):
        one, other = order_at(result, site, "A"), order_at(result, site, "B")
        assert (one.items[0].quantity, one.text, other.text) == (7, "from CRM", "from the laptop")
    in_erp = [order_at(result, "erp", name) is not None for name in "AB"]
    assert in_erp == [kind is SalesKind.ORDER] * 2, "the transfer of quotations is switched off"
    assert bool(queued_to_erp(result)) is (kind is SalesKind.ORDER)


@pytest.mark.parametrize("kind", SalesKind)
def test_with_errors_they_go_up_and_not_down(kind):
    free = OrderItem("tea", 5, Decimal(0))
    result = run(DiaryEntry(hours(9), SalesOrder("", "A", "1", "C1", (free,), kind=kind)))
    assert result.held, result.findings
    assert order_at(result, "crm", "A") is not None
    assert order_at(result, "laptop-2", "A") is None
    assert queued_to_erp(result) == []


@pytest.mark.parametrize("kind", SalesKind)
def test_no_laptop_deletes_an_order_or_a_quotation(kind, monkeypatch):
    diary = (
        DiaryEntry(hours(9), SalesOrder("", "A", "1", "C1", (TEA,), kind=kind)),
        at(57, "delete", "order", "A"),
    )
    result = run(*diary)
    assert result.held, result.findings
    assert reasons(result, "forbidden") == ["no laptop can delete an order"]

    def delete(self, change, edit):
        guid = self._store.get("references", edit.key)
        local = local_of(self._store.get, "order", guid)
        self._save(change, local, Task.DELETE, None, (Segment("header", "", Task.DELETE),))

    monkeypatch.setattr(Writing, "edit", delete)
    result = run(*diary)
    assert reasons(result, "rejected") == ["no laptop can delete an order"]
    assert result.held, result.findings
    for site in ("crm", *LAPTOPS):
        assert order_at(result, site, "A").items[0].quantity == 5


@pytest.mark.parametrize("what", ["create", "change"])
def test_nobody_writes_an_order_as_if_it_were_a_record(what):
    with pytest.raises(BadValue, match="is written as a SalesOrder"):
        at(9, what, "order", "A", text="urgent")


# --- contracts ---


def test_contracts_come_down_and_nothing_of_them_goes_back(monkeypatch):
    diary = (
        at(33, "change", "contract", "S1", terms="200"),
        at(33, "create", "contract", "S3", "C1", terms="1"),
        at(34, "delete", "contract", "S1"),
    )
    shown = "a contract is only shown on laptops"
    result = run(
        *diary,
        story=[
            ("0d 12:00", "change", "contract", "S1", {"terms": "90"}),
            ("0d 12:00", "change", "contract", "S2", {"parent": "C1", "terms": "5"}),
        ],
    )
    assert everywhere(result, "contract", "S1") == {"terms": "90"}
    assert everywhere(result, "contract", "S2") == {"terms": "5"}
    assert reasons(result, "forbidden") == [shown] * 3
    assert queued_to_erp(result) == [], "I-63"

    sends_everything(monkeypatch)
    result = run(*diary)
    must_be_undone(result, shown, shown, shown)
    assert everywhere(result, "contract", "S1") == {"terms": "100"}
    assert everywhere(result, "contract", "S3") is None


# --- master data and customizing ---


def test_customers_and_contacts_are_created_and_changed_both_ways():
    result = run(
        at(9, "create", "customer", "C2", "T", name="Smith"),
        at(10, "create", "contact", "K2", "C2", name="Adam"),
        at(33, "change", "contact", "K1", phone="1"),
        at(33, "change", "customer", "C1", city="Rome"),
        story=[
            ("2d 12:00", "change", "contact", "K2", {"phone": "2"}),
            ("2d 12:00", "change", "customer", "C2", {"city": "Bern"}),
            ("2d 12:00", "change_in_erp", "customer", "C1", {"limit": "9"}),
        ],
    )
    assert everywhere(result, "customer", "C1", "erp") == {
        "city": "Rome",
        "limit": "9",
        "name": "Miller",
    }
    assert everywhere(result, "customer", "C2", "erp") == {"city": "Bern", "name": "Smith"}
    assert everywhere(result, "contact", "K1") == {"name": "Eve", "phone": "1"}
    assert everywhere(result, "contact", "K2") == {"name": "Adam", "phone": "2"}
    assert all(subject.startswith("customer") for subject in queued_to_erp(result))


def test_no_laptop_deletes_master_data_or_writes_a_territory(monkeypatch):
    diary = (*DELETES, at(10, "change", "territory", "T", rep="2"))
    words = [
        "no laptop can delete a contact",
        "no laptop can delete a customer",
        "a territory is only shown on laptops",
        "a territory is only shown on laptops",
    ]
    result = run(*diary)
    assert reasons(result, "forbidden") == words
    assert not list(result.journal.select("saved"))

    sends_everything(monkeypatch)
    result = run(*diary)
    assert result.held, result.findings
    for one in (("territory", "T"), ("customer", "C1"), ("contact", "K1"), ("contract", "S1")):
        assert everywhere(result, *one) is not None, one
    assert sorted(set(reasons(result, "rejected"))) == sorted(set(words))


def test_customizing_goes_down_and_never_up(monkeypatch):
    entry = at(33, "create", "customizing", "types", value="all")
    with pytest.raises(BadValue, match="only these are kept in step"):
        run(entry)
    monkeypatch.setattr(building, "why_not_in_diary", lambda model, what: None)
    published = [("0d 12:00", "publish", "customizing", {"types": "visit, call"}, {})]
    result = run(entry, story=published)
    assert result.held, result.findings
    assert reasons(result, "forbidden") == ["a customizing is only shown on laptops"]

    sends_everything(monkeypatch)
    result = run(entry, story=published)
    must_be_undone(result, "a customizing is only shown on laptops")
    for site in ("crm", *LAPTOPS):
        row = result.simulation.store(site).get("masters", ("customizing", "types"))
        assert row.value == "visit, call"
