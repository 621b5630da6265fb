"""Do customers, products and prices stay the same in CRM, the ERP and on the laptops?"""

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.chance import Constant, Exponential
from crmsim.checks import bdocs, distribution
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.replication import FIELD_SALES, Framework, Kind, Model, ReplicationObject
from crmsim.mobile.rep import Habits
from crmsim.network.faults import Partition
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.people import Worklist
from crmsim.units import Share, days, hours, minutes

from .stories import fired
from .test_replication import judged

LAPTOPS = ("laptop-1", "laptop-2")
BULK = tuple(one.name for one in FIELD_SALES.objects if one.kind is Kind.BULK)
CUSTOMER = ("customer", "C1")


@frozen
class NoSettings:
    pass


def build(land: Landscape, framework: Framework = Framework.NEW, **crm) -> None:
    """Two reps with a territory each, a customer and a contact in each, and master data."""
    land.replicate(FIELD_SALES, framework)
    land.add_crm(**crm)
    land.add_erp(wan())
    land.add_station("station", wan())
    for rep, laptop in enumerate(LAPTOPS, 1):
        line = gprs(dial_up=True)
        land.add_laptop(laptop, line, rep=f"{rep}", diary=(), habits=Habits(), station="station")
        land.add_subscription(f"rep {rep}", "territory", (laptop,), rep=f"{rep}")
    for name in BULK:
        land.add_subscription(name, name, LAPTOPS)
    for rep in (1, 2):
        land.add_record("territory", f"T{rep}", rep=f"{rep}")
        land.add_record("customer", f"C{rep}", parent=f"T{rep}", name="old", phone="old")
        land.add_record("contact", f"K{rep}", parent=f"C{rep}", name="somebody")
    land.check()


def told(tell, **more) -> Result:
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What does everybody know?"""
        build(land, **more)
        await tell(land)
        await land.settle()

    return story.run()


def must_agree(result: Result) -> None:
    assert result.findings == []
    assert result.quiet.is_quiet, result.quiet.still_moving


def fields(result: Result, site: str, key=CUSTOMER) -> dict[str, str]:
    return dict(result.simulation.store(site).get("records", key).fields)


def test_a_change_in_crm_goes_to_the_erp_and_the_laptop():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="new")
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    for site in ("crm", "erp", "laptop-1"):
        assert fields(result, site) == {"name": "new", "phone": "old"}, site
    assert [e.detail["by"] for e in result.journal.select("maintained")] == ["crm"]


def test_a_change_in_the_erp_goes_to_crm_and_the_laptop_and_not_back():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", phone="new")
        land.at("0d 11:00", land.change_in_erp, "customer", "C1", name="newer", phone="newer")
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    for site in ("crm", "erp", "laptop-1"):
        assert fields(result, site) == {"name": "newer", "phone": "newer"}, site
    assert [e.detail["by"] for e in result.journal.select("maintained")] == ["erp", "erp"]


def test_where_two_changes_cross_the_one_in_crm_counts_field_by_field():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="of CRM")
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", name="of ERP", phone="of ERP")
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    for site in ("crm", "erp", "laptop-1"):
        assert fields(result, site) == {"name": "of CRM", "phone": "of ERP"}, site


def test_a_customer_is_born_in_either_system():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change_in_erp, "customer", "C8", name="of ERP")
        land.at("0d 10:00", land.change, "customer", "C9", parent="T1", name="of CRM")
        await land.run_until("1d")
        land.change("customer", "C8", parent="T2")
        await land.run_until("3d")

    result = told(tell)
    must_agree(result)
    assert fields(result, "laptop-2", ("customer", "C8")) == {"name": "of ERP"}
    assert fields(result, "erp", ("customer", "C9")) == {"name": "of CRM"}


def test_prices_come_from_the_erp_and_customizing_from_crm():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.publish_in_erp, "prices", {"tea": "2.50", "milk": "1"})
        land.at("0d 10:00", land.publish, "customizing", {"order type": "TA"})
        land.at("0d 11:00", land.publish_in_erp, "prices", {"tea": "2.60"})
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    for laptop in LAPTOPS:
        masters = result.simulation.store(laptop).table("masters")
        assert {key: one.value for key, one in masters.items()} == {
            ("prices", "tea"): "2.60",
            ("prices", "milk"): "1",
            ("customizing", "order type"): "TA",
        }
    assert not result.simulation.store("erp").get("masters", ("customizing", "order type"))


@pytest.mark.parametrize("framework", Framework)
def test_a_territory_that_changes_hands_takes_customers_and_contacts_along(framework):
    """A chain of three: territory, customer, contact. Parents come first, and go last."""

    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "territory", "T1", rep="2")
        await land.run_until("2d")

    result = told(tell, framework=framework)
    must_agree(result)
    assert not result.simulation.store("laptop-1").table("records")
    queued = [e.detail for e in result.journal.select("enqueued") if "what" in e.detail]
    moved = [d["guid"] for d in queued if d["what"] == "insert"]
    gone = [d["guid"] for d in queued if d["what"] == "delete"]
    assert moved == gone[::-1] == ["territory T1", "customer C1", "contact K1"]


@pytest.mark.parametrize("worklist", Worklist)
def test_news_of_the_erp_that_is_processed_again_late_undoes_nothing(worklist):
    """Its first news meets a program that does not work, and is processed again hours later."""

    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", name="first", phone="first")
        land.at("0d 10:00", land.publish_in_erp, "prices", {"tea": "1", "milk": "1"})
        land.at("0d 10:30", land.change_in_erp, "customer", "C1", name="second")
        land.at("0d 10:30", land.publish_in_erp, "prices", {"tea": "2"})
        await land.run_until("3d")

    broken = Breakage(Context.MI0, hours(10), hours(10) + minutes(20), Share(1.0))
    operator = Exponential(7_200.0)
    result = told(tell, breakages=(broken,), operator_s=operator, worklist=worklist)
    must_agree(result)
    if worklist is not Worklist.TICK_OFF:
        prices = result.simulation.store("crm").table("masters")
        assert [one.value for one in prices.values()].count("2") == 1
    if worklist in (Worklist.OLDEST_FIRST, Worklist.NEWEST_FIRST):
        assert fields(result, "crm") == {"name": "second", "phone": "first"}


OPS = st.lists(
    st.tuples(
        st.integers(0, 3 * 24 * 60),
        st.one_of(
            st.tuples(
                st.sampled_from(("crm", "erp")),
                st.sampled_from(("C1", "C2")),
                st.sampled_from(("name", "phone")),
            ),
            st.tuples(st.just("prices"), st.sampled_from(("tea", "milk")), st.just("")),
            st.tuples(st.just("move"), st.sampled_from(("T1", "T2")), st.sampled_from("12")),
            st.tuples(
                st.just("crash"), st.sampled_from(("crm", "erp", "station", *LAPTOPS)), st.just("")
            ),
            st.tuples(st.just("lose"), st.sampled_from(LAPTOPS), st.just("")),
        ),
    ),
    max_size=12,
)


def do(land: Landscape, op: tuple[str, str, str], last: dict) -> None:
    said = f"{op[0]} at {land.now_ns}"
    match op:
        case ("crm", key, field):
            land.change("customer", key, **{field: said})
            last.setdefault((key, field), {})["crm"] = said
        case ("erp", key, field):
            land.change_in_erp("customer", key, **{field: said})
            last.setdefault((key, field), {})["erp"] = said
        case ("prices", key, _):
            land.publish_in_erp("prices", {key: str(land.now_ns)})
        case ("move", key, rep):
            land.change("territory", key, rep=rep)
        case ("crash", site, _):
            land.crash(site, down=minutes(7))
        case ("lose", site, _):
            land.crash(site, down=minutes(70), wipe=True)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPS, st.booleans())
def test_whatever_both_systems_change_they_end_with_the_same(ops, at_once):
    last: dict[tuple[str, str], dict[str, str]] = {}

    async def tell(land: Landscape) -> None:
        for minute, op in ops:
            due_ns = minutes(minute % 3 if at_once and op[0] in ("crm", "erp") else minute)
            land.at(due_ns, do, land, op, last)
        await land.run_until("4d")

    result = told(tell)
    must_agree(result)
    for (key, field), by_system in last.items():
        held = fields(result, "crm", ("customer", key))[field]
        assert held in by_system.values()
        if len(by_system) == 1:
            assert [held] == list(by_system.values()), "what one system changes, last, counts"


CUT = Partition("crm", "erp", under_way="drop")
"""The line between CRM and the ERP is down."""


def test_what_only_the_erp_changes_counts_though_another_field_crosses():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="of CRM")
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", phone="first")
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", phone="second")
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    assert fields(result, "erp") == {"name": "of CRM", "phone": "second"}


def test_a_change_of_the_territory_alone_crosses_too():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:59", CUT, for_="1h")
        land.at("0d 11:00", land.change, "customer", "C1", parent="T2")
        land.at("0d 11:30", land.change_in_erp, "customer", "C1", phone="new")
        await land.run_until("2d")

    result = told(tell)
    must_agree(result)
    assert fields(result, "laptop-2") == {"name": "old", "phone": "new"}


BROKEN = {
    "breakages": (Breakage(Context.MO1, hours(10), hours(10) + minutes(5), Share(1.0)),),
    "operator_s": Constant(7_200.0),
}
"""What goes out of CRM fails for five minutes; somebody deals with it two hours later."""


@pytest.mark.parametrize("worklist", Worklist)
def test_what_is_sent_to_the_erp_late_does_not_undo_what_is_under_way_there(worklist):
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="of CRM")
        for hour, number in (("10:30", "first"), ("10:40", "second"), ("11:00", "third")):
            land.at(f"0d {hour}", land.change_in_erp, "customer", "C1", phone=number)
        land.at("0d 10:50", CUT, for_="12h")
        await land.run_until("3d")

    result = told(tell, **BROKEN, worklist=worklist)
    must_agree(result)
    assert fields(result, "crm") == fields(result, "erp") == {"name": "of CRM", "phone": "third"}


@pytest.mark.parametrize("worklist", Worklist)
def test_two_changes_that_are_both_processed_again_are_sent_to_the_erp_once(worklist):
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="one")
        land.at("0d 10:01", land.change, "customer", "C1", phone="two")
        await land.run_until("3d")

    result = told(tell, **BROKEN, worklist=worklist)
    must_agree(result)
    has_it = fields(result, "erp") == {"name": "one", "phone": "two"}
    assert has_it is (worklist is not Worklist.TICK_OFF)


def test_a_bdoc_of_a_customer_that_a_person_has_ended_is_left_aside():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="one")
        await land.run_until("3d")

    broken = Breakage(Context.MI0, hours(10), hours(10) + minutes(5), Share(1.0))
    operator = {"operator_s": Constant(7_200.0), "worklist": Worklist.TICK_OFF}
    result = told(tell, breakages=(broken,), **operator)
    must_agree(result)
    assert "customer C1" in {one.name for one in result.quiet.aside}


def test_what_was_made_good_is_judged_again():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.change, "customer", "C1", name="one")
        land.at("0d 15:00", land.change, "customer", "C1", name="two")
        await land.run_until("3d")

    broken = Breakage(Context.SO1, hours(10), hours(10) + minutes(5), Share(1.0))
    operator = {"operator_s": Constant(7_200.0), "worklist": Worklist.TICK_OFF}
    result = told(tell, breakages=(broken,), **operator)
    must_agree(result)
    assert result.quiet.aside == ()


@pytest.mark.fires(bdocs.NEWEST_STAYS)
def test_an_older_change_of_the_erp_over_a_newer_one_is_found():
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What does a missing rule do?"""
        land.guarantees = Guarantees(newest_stays=False)
        broken = Breakage(Context.MI0, hours(10), hours(11), Share(1.0))
        build(land, breakages=(broken,), operator_s=Constant(36_000.0))
        land.at("0d 10:00", land.change_in_erp, "customer", "C1", phone="older")
        land.at("0d 11:30", land.change_in_erp, "customer", "C1", phone="newer")
        await land.run_until("3d")
        await land.settle()

    found = story.run().findings
    text = "phone of customer C1 went back to change 1 of the ERP after change 2"
    assert any(text in one for one in found)


@pytest.mark.fires(distribution.MASTER_DATA_AGREES)
def test_master_data_that_differs_is_found():
    async def tell(land: Landscape) -> None:
        land.at("0d 10:00", land.publish_in_erp, "prices", {"tea": "2.50"})
        await land.run_until("2d")

    result, check = told(tell), distribution.MASTER_DATA_AGREES
    assert judged(check, result, "erp", "records", lambda rows: None).held
    assert fired(judged(check, result, "erp", "records", dict.clear), "has not got customer C1")
    price = ("prices", "tea")
    other = judged(check, result, "erp", "masters", lambda rows: rows.update({price: "3"}))
    assert fired(other, "prices tea is not the same in CRM Online and in the ERP")


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (lambda land: land.publish("prices", {"tea": "1"}), "'prices' comes from the ERP"),
        (lambda land: land.publish_in_erp("customizing", {"x": "1"}), "does not come from the ERP"),
        (lambda land: land.publish_in_erp("customer", {"x": "1"}), "does not come from the ERP"),
        (lambda land: land.change_in_erp("contact", "K1", name="x"), "the ERP knows no contact"),
        (lambda land: land.change_in_erp("customer", "C1"), "say what of customer 'C1' is changed"),
        (
            lambda land: land.change_in_erp("customer", "C1", parent="T2"),
            "the ERP knows nothing that a customer depends on",
        ),
        (lambda land: land.change_in_erp("customer", 1, name="x"), "the key of a customer is a"),
        (lambda land: land.change("customer", "", name="x"), "the key of a customer is a text"),
        (lambda land: land.publish("customizing", {}), "is no table"),
        (lambda land: land.publish_in_erp("prices", ("tea",)), "is no table"),
        (lambda land: land.publish_in_erp("prices", {"tea": 2.5}), "are texts"),
        (lambda land: land.change_in_erp("customer", "C1", erp="crm", name="x"), "'crm' is no ERP"),
        (lambda land: land.change("customer", "C1", crm="erp"), "'erp' is no CRM Enterprise"),
    ],
)
def test_who_may_change_what_is_told(verb, text):
    async def tell(land: Landscape) -> None:
        verb(land)

    with pytest.raises(BadValue, match=text):
        told(tell)


def test_what_the_erp_has_too_is_added_after_it():
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Too early."""
        land.replicate(FIELD_SALES)
        land.add_crm()
        land.add_record("territory", "T1")
        land.add_record("customer", "C1", parent="T1")

    with pytest.raises(BadValue, match="the ERP has each customer too; add the ERP before"):
        story.run()


def test_orders_are_no_master_data():
    with pytest.raises(BadValue, match="orders go to the ERP anyway"):
        Model((ReplicationObject("order", Kind.INTELLIGENT, ("rep",), in_erp=True),))


def test_the_change_of_a_territory_costs_as_much_as_there_is_in_it():
    """Question 48: the deeper the family, the more messages."""

    async def tell(land: Landscape) -> None:
        for number in range(5):
            land.change("contact", f"K1-{number}", parent="C1")
        await land.run_until("1d 12:00")
        land.change("territory", "T1", rep="2")
        await land.run_until("3d")

    result = told(tell)
    must_agree(result)
    late = [e for e in result.journal.select("enqueued") if e.time_ns > days(1) + hours(12)]
    assert sum(e.detail.get("what") == "delete" for e in late) == 1 + 1 + 6
