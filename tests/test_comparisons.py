"""Comparisons find exactly what differs, and a repair mends it from the leading system."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.applications.exchange import Numbers
from crmsim.business.master import Record
from crmsim.chance import Constant
from crmsim.checks.erp import loads
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result
from crmsim.loads import comparing
from crmsim.middleware.compare import Report
from crmsim.middleware.flow import Breakage, Context
from crmsim.network.faults import Partition
from crmsim.systems.outflow import Outflow
from crmsim.units import hours, milliseconds, seconds

from .stories import fired
from .telling import do, edit, order, tell
from .test_loads import KEYS, must_agree, phones, told, verdict


def compared(
    tell: Callable[[Landscape], Any], *, then: Callable[[Landscape], Any] | None = None, **more: Any
) -> tuple[Report, Result]:
    """Tell a story, compare at noon, go on with it; return what was found then."""
    named = {name: more.pop(name) for name in ("against", "is_detailed") if name in more}
    found: list[Report] = []

    def story(land: Landscape) -> None:
        tell(land)
        land.at("0d 12:00", land.compare, "customer", block=4, **named)
        against = named.get("against", "erp")
        land.at("0d 13:00", lambda: found.append(land.report("customer", against=against)))
        if then is not None:
            then(land)

    result = told(story, are_loaded=True, **more)
    return found[0], result


def lose(land: Landscape) -> None:
    """One thing of each sort: changed or created in the ERP, changed or created in CRM."""
    land.set_delta("customer", is_active=False)
    land.at("0d 09:00", land.change_in_erp, "customer", "C1", phone="untold")
    land.at("0d 09:00", land.change_in_erp, "customer", "E1", name="E1", phone="untold")
    land.at("0d 10:00", land.set_delta, "customer", is_active=True)
    for key in ("C5", "N1"):
        queue = f"R3AU_customer {key}"
        land.administer("erp", "lock", queue)
        land.at("0d 09:00", land.change, "customer", key, name=key, region="north", phone="lost")
        land.at("0d 10:00", land.administer, "erp", "delete queue", queue)
        land.at("0d 10:01", land.administer, "erp", "unlock", queue)


def test_a_comparison_says_exactly_what_differs_and_how():
    report, _ = compared(lose)
    assert report.only_here == ("N1",)
    assert report.only_there == ("E1",)
    assert report.different == ("C1", "C5")
    assert report.in_flight == ()
    assert (report.compared, report.questions) == (11, 4)


def test_comparing_only_keys_overlooks_what_is_there_with_another_content():
    report, _ = compared(lose, is_detailed=False)
    assert report.differing == ("E1", "N1")


def test_systems_that_agree_differ_in_nothing():
    report, result = compared(lambda land: land.change("customer", "C1", phone="new"))
    must_agree(result)
    assert report.differing == report.in_flight == ()


@pytest.mark.parametrize(
    ("site", "queue", "verb"),
    [
        ("crm", "R3AD_customer C1", "change_in_erp"),
        ("erp", "R3AU_customer C1", "change"),
        ("crm", "CSA_SALESDO_C1", "change"),
    ],
)
def test_what_lies_in_a_queue_is_under_way_and_no_difference(site, queue, verb):
    def tell(land: Landscape) -> None:
        land.administer(site, "lock", queue)
        land.at("0d 09:00", getattr(land, verb), "customer", "C1", phone="new")
        land.at("0d 14:00", land.administer, site, "unlock", queue)

    report, result = compared(tell)
    must_agree(result)
    assert (report.differing, report.in_flight) == ((), ("C1",))


def test_what_changes_between_the_two_looks_is_under_way():
    """A change of CRM that never arrives, made again just before the second look."""

    def tell(land: Landscape) -> None:
        lose(land)
        for number in range(60):
            at_ns = hours(12) + seconds(number * 2) + milliseconds(500)
            land.at(at_ns, land.change_in_erp, "customer", "C1", name=f"{number}")

    report, _ = compared(tell)
    assert "C1" not in report.differing


def test_a_repair_from_the_erp_leaves_it_as_it_is():
    before: list[Any] = []

    def then(land: Landscape) -> None:
        land.at("0d 14:00", lambda: before.append(land.simulation.store("erp").snapshot()))
        land.at("0d 14:00", land.repair, "customer", block=1)
        land.at("0d 16:00", land.compare, "customer")

    _, result = compared(lose, then=then)
    must_agree(result)
    assert (
        phones(result)
        == phones(result, "erp")
        == {
            **dict.fromkeys(KEYS, "old"),
            "C1": "untold",
            "E1": "untold",
        }
    )
    assert (
        result.simulation.actor("crm").console.comparing.report("customer", "erp").differing == ()
    )
    tables = dict(before[0])
    assert dict(tables["records"]) == dict(result.simulation.store("erp").table("records"))
    assert "N1" not in phones(result, "laptop")


def test_a_repair_from_crm_sends_what_it_has_and_takes_out_what_it_has_not():
    before: list[Any] = []

    def contents(land: Landscape) -> dict[Any, Any]:
        rows = land.simulation.store("crm").table("records").items()
        return {key: one.fields for key, one in rows}

    def then(land: Landscape) -> None:
        land.at("0d 14:00", lambda: before.append(contents(land)))
        land.at("0d 14:00", land.repair, "customer", leading="crm")
        land.at("0d 16:00", land.compare, "customer")
        land.at("0d 18:00", lambda: before.append(contents(land)))

    _, result = compared(lose, then=then)
    must_agree(result)
    assert (
        phones(result)
        == phones(result, "erp")
        == {
            **dict.fromkeys(KEYS, "old"),
            "C5": "lost",
            "N1": "lost",
        }
    )
    assert before[0] == before[1]


def test_what_is_changed_between_comparison_and_repair_is_not_undone():
    def then(land: Landscape) -> None:
        land.at("0d 13:30", land.change, "customer", "C1", name="newer")
        land.at("0d 13:30", land.change, "customer", "N1", name="newer")
        land.at("0d 14:00", land.repair, "customer")

    _, result = compared(lose, then=then)
    must_agree(result)
    for site in ("crm", "erp"):
        rows = result.simulation.store(site).table("records")
        assert dict(rows["customer", "C1"].fields)["name"] == "newer"
        assert dict(rows["customer", "N1"].fields)["name"] == "newer"
    [repaired] = result.journal.select("repaired")
    assert repaired.detail["kept"] == ("N1",)


def test_what_other_things_depend_on_is_not_taken_out():
    def then(land: Landscape) -> None:
        land.at("0d 11:00", land.change, "contact", "K1", parent="N1", name="somebody")
        land.at("0d 14:00", land.repair, "customer")

    _, result = compared(lose, then=then)
    [repaired] = result.journal.select("repaired")
    assert repaired.detail["kept"] == ("N1",)
    assert "N1" in phones(result)


def test_a_repair_waits_for_the_comparison_that_goes_on():
    def then(land: Landscape) -> None:
        land.at("0d 12:00:01", land.repair, "customer")
        land.at("0d 16:00", land.compare, "customer")

    report, result = compared(lose, then=then)
    must_agree(result)
    [repaired] = result.journal.select("repaired")
    assert repaired.detail["keys"] == report.differing == ("C1", "C5", "E1", "N1")


def test_a_change_that_is_processed_again_after_the_repair_undoes_nothing():
    """The ERP's change waits in the error list, CRM changes the same, both agree, then it comes."""

    def tell(land: Landscape) -> None:
        land.at("0d 09:00", land.change_in_erp, "customer", "C1", phone="first")
        land.at("0d 12:10", land.change, "customer", "C1", phone="second")
        land.at("0d 14:00", land.repair, "customer")

    broken = Breakage(Context.MI0, hours(8.5), hours(9.5))
    late = {"breakages": (broken,), "operator_s": Constant(30_000.0)}
    report, result = compared(tell, **late)
    must_agree(result)
    assert report.different == ("C1",)
    assert phones(result)["C1"] == phones(result, "erp")["C1"] == "second"


def test_nothing_is_repaired_that_nobody_has_compared():
    result = told(lambda land: land.repair("customer"), are_loaded=True)
    [forbidden] = result.journal.select("forbidden")
    assert "nobody has compared" in str(forbidden.detail["reason"])


def test_what_was_taken_out_comes_again_when_it_passes_the_filter_again():
    def tell(land: Landscape) -> None:
        land.set_filter("customer", region="south")
        land.at("0d 09:00", land.compare, "customer")
        land.at("0d 10:00", land.repair, "customer")
        land.at("0d 11:00", land.set_filter, "customer")
        land.at("0d 12:00", land.load, "customer")

    result = told(tell, are_loaded=True)
    must_agree(result)
    assert len(list(result.journal.select("deleted"))) == 5
    assert phones(result) == dict.fromkeys(KEYS, "old")
    assert set(phones(result, "laptop")) == set(KEYS[::2])


@pytest.mark.parametrize("second", range(0, 24, 3))
@pytest.mark.parametrize("site", ["crm", "erp"])
def test_a_crash_in_the_middle_of_a_comparison_changes_nothing_of_what_it_says(site, second):
    def tell(land: Landscape) -> None:
        lose(land)
        land.at(hours(12) + seconds(10 * second), land.crash, site, down=seconds(30))

    report, _ = compared(tell)
    assert (report.differing, report.in_flight) == (("C1", "C5", "E1", "N1"), ())


# --- against the CDB ---


def unbridge(land: Landscape) -> None:
    land.set_bridge("customer", is_on=False)
    land.at("0d 09:00", land.change, "customer", "C1", phone="new")
    land.at("0d 09:00", land.change, "customer", "N1", region="north", phone="new")
    land.at("0d 10:00", land.set_bridge, "customer", is_on=True)


def test_the_cdb_is_compared_and_repaired_from_crm_online():
    def then(land: Landscape) -> None:
        land.at("0d 14:00", land.repair, "customer", against="cdb", block=1)

    report, result = compared(unbridge, then=then, against="cdb")
    must_agree(result)
    assert (report.only_here, report.different) == (("N1",), ("C1",))
    assert phones(result, "laptop")["C1"] == phones(result, "laptop")["N1"] == "new"


def test_what_waits_for_the_erp_is_a_difference_to_the_cdb_all_the_same():
    def tell(land: Landscape) -> None:
        unbridge(land)
        land.at("0d 08:30", Partition("crm", "erp", under_way="drop"), for_=hours(12))

    report, _ = compared(tell, against="cdb")
    assert (report.differing, report.in_flight) == (("C1", "N1"), ())


def test_what_only_the_cdb_has_is_taken_out_of_it():
    def tell(land: Landscape) -> None:
        record = Record("customer", "X", (("region", "north"),))
        land.simulation.store("crm").load("cdb records", {("customer", "X"): record})
        land.simulation.store("crm").load("lookup", {("customer", "X"): ("laptop",)})
        land.simulation.store("laptop").load("records", {("customer", "X"): record})

    def then(land: Landscape) -> None:
        land.at("0d 14:00", land.repair, "customer", against="cdb")
        land.at("0d 16:00", land.compare, "customer", against="cdb")

    report, result = compared(tell, then=then, against="cdb")
    assert report.only_there == ("X",)
    assert result.quiet.is_quiet
    assert result.simulation.store("laptop").get("records", ("customer", "X")) is None
    assert result.simulation.store("crm").get("cdb records", ("customer", "X")) is None


def test_prices_are_compared_and_fetched_again():
    def tell(land: Landscape) -> None:
        land.publish_in_erp("prices", {"tea": "1", "milk": "1", "cup": "1"})
        land.at("0d 09:00", land.set_delta, "prices", is_active=False)
        land.at("0d 10:00", land.publish_in_erp, "prices", {"tea": "2", "soap": "2"})
        land.at("0d 11:00", land.set_delta, "prices", is_active=True)
        land.at("0d 12:00", land.compare, "prices", block=2)
        land.at("0d 14:00", land.repair, "prices")
        land.at("0d 16:00", land.compare, "prices")

    result = told(tell, are_loaded=True)
    must_agree(result)
    first, last = result.journal.select("compared")
    assert (first.detail["only_there"], first.detail["different"]) == (("soap",), ("tea",))
    assert last.detail["only_there"] == last.detail["different"] == ()
    assert len(result.simulation.store("laptop").table("masters")) == 4


def test_contracts_are_compared_and_fetched_again():
    def tell(land: Landscape) -> None:
        land.add_contract_in_erp("K", customer="C1", target={"tea": 5})
        land.add_contract_in_erp("L", customer="C1", target={"tea": 5})
        land.load("contract")
        land.at("0d 09:00", land.set_delta, "contract", is_active=False)
        land.at("0d 10:00", land.change_contract_in_erp, "K", target={"tea": 9})
        land.at("0d 11:00", land.set_delta, "contract", is_active=True)
        land.at("0d 12:00", land.compare, "contract")
        land.at("0d 14:00", land.repair, "contract")
        land.at("0d 16:00", land.compare, "contract")

    result = told(tell, are_loaded=True)
    must_agree(result)
    first, last = result.journal.select("compared")
    assert (first.detail["different"], last.detail["different"]) == (("K",), ())
    held = result.simulation.store("laptop").get("records", ("contract", "K"))
    assert dict(held.fields)["target"] == "tea 9"


# --- any set of differences ---


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from((*KEYS, "X1", "X2", "X3")), st.sampled_from(["erp", "crm"])),
    st.sampled_from(("erp", "crm")),
)
def test_whatever_differs_is_found_and_mended(where, leading):
    """Something stands in one system that nobody has ever told the other: found, then mended."""
    found: list[Any] = []

    def tell(land: Landscape) -> None:
        for key, site in where.items():
            row, store = ("customer", key), land.simulation.store(site)
            plain = Record(*row, (("name", key), ("phone", "old"), ("region", "north")))
            other = attrs.evolve(store.get("records", row, plain), fields=(("phone", "other"),))
            store.load("records", {row: other})
        land.at("0d 12:00", land.compare, "customer", block=3)
        land.at("0d 13:00", lambda: found.append(land.report("customer")))
        land.at("0d 14:00", land.repair, "customer", leading=leading, block=2)
        land.at("0d 16:00", land.compare, "customer", block=5)
        land.at("0d 18:00", lambda: found.append(land.report("customer")))

    result = told(tell, are_loaded=True)
    first, second = found
    assert first.differing == tuple(sorted(where))
    assert first.only_there == tuple(sorted(k for k, s in where.items() if k > "D" and s == "erp"))
    assert first.only_here == tuple(sorted(k for k, s in where.items() if k > "D" and s == "crm"))
    assert second.differing == second.in_flight == ()
    changed = {key for key, site in where.items() if site == leading}
    assert phones(result) == phones(result, "erp")
    assert {key for key, phone in phones(result).items() if phone == "other"} == changed
    for check in (loads.COMPARISONS_ARE_TRUE, loads.LOADED_AGREES):
        assert not verdict(result, check).violations


@pytest.mark.fires(loads.COMPARISONS_ARE_TRUE)
def test_a_comparison_that_overlooks_something(monkeypatch):
    plain = comparing.differences

    def careless(here: Any, there: Any) -> Any:
        return {key: sides for key, sides in plain(here, there).items() if sides.here is not None}

    monkeypatch.setattr(comparing, "differences", careless)
    _, result = compared(lose)
    assert fired(verdict(result, loads.COMPARISONS_ARE_TRUE), "true is ('C1', 'C5', 'E1', 'N1')")


def test_a_repair_that_changes_the_system_that_leads(monkeypatch):
    plain = Outflow._transfer_record

    def transfer(self: Any, change: Any, bdoc: Any) -> Any:
        return plain(self, change, attrs.evolve(bdoc, origin="office"))

    monkeypatch.setattr(Outflow, "_transfer_record", transfer)
    _, result = compared(lose, then=lambda land: land.at("0d 14:00", land.repair, "customer"))
    assert fired(verdict(result, loads.COMPARISONS_ARE_TRUE), "and it went back")


# --- the scenarios ---


def test_exactly_what_was_lost_is_found_and_nothing_is_left_of_it():
    metrics = load_scenario("scenarios/find_the_difference.py").run().metrics
    assert metrics["reported"] == metrics["injected"] > 0
    assert metrics["overlooked"] == metrics["false_alarms"] == metrics["left_after_repair"] == 0
    assert metrics["in_flight"] > 0
    assert metrics["reported_cdb"] == metrics["injected_cdb"] > 0
    assert metrics["left_after_repair_cdb"] == 0


def test_a_changed_filter_is_found_and_put_right_or_accused():
    story = load_scenario("scenarios/filter_changed.py")
    small = {"north": 20, "south": 15, "moves": 3, "touched": 2}
    result = story.run(**small)
    must_agree(result)
    assert (result.metrics["missing"], result.metrics["surplus"]) == (10, 23)
    assert result.metrics["left_after_repair"] == 0
    found = verdict(story.run(**small, repaired=False), loads.LOADED_AGREES)
    assert found.violations == 33


# --- orders ---


def reported(story, against: str):
    return story.result.simulation.store("crm").get("reports", ("order", against))


def numbers(story, *references: str) -> tuple[str, ...]:
    rows = story.result.simulation.store("crm").table("orders").values()
    of = {row.document.order.reference: row.document.number for row in rows}
    return tuple(sorted(of[one] for one in references))


def sold(hour: float, reference: str, customer: str = "C1"):
    return do(hour, "create_order", order(reference, customer))


@pytest.mark.parametrize("is_detailed", [True, False])
def test_orders_that_the_erp_lacks_or_has_otherwise_are_found(is_detailed):
    """One was refused, one was deleted on its way, one was changed there without a word to CRM."""
    queue = "R3AU_SALESDO0005000002"
    story = tell(
        sold(8, "good"),
        do(8.5, "set_numbers_in_erp", Numbers.OUTSIDE),
        sold(9, "refused"),
        do(9.2, "set_numbers_in_erp", Numbers.MATCH),
        do(9.5, "administer", "erp", "lock", queue),
        sold(10, "deleted"),
        do(11, "administer", "erp", "delete queue", queue),
        do(11.1, "administer", "erp", "unlock", queue),
        sold(12, "changed"),
        do(14, "change_order_in_erp", edit("changed", text="by the ERP alone")),
        do(30, "compare", "order", is_detailed=is_detailed, block=2),
    )
    report = reported(story, "erp")
    assert report.only_here == numbers(story, "refused", "deleted")
    assert report.different == (numbers(story, "changed") if is_detailed else ())
    assert (report.only_there, report.in_flight, report.compared) == ((), (), 4)
    assert report.questions == (3 if is_detailed else 2), "two by two, and a second look"


def test_an_order_on_its_way_is_no_difference():
    story = tell(
        sold(8, "there"),
        do(9, "administer", "erp", "lock", "R3AU_SALESDO0005000001"),
        sold(10, "on its way"),
        do(11, "compare", "order"),
        do(12, "administer", "erp", "unlock", "R3AU_SALESDO0005000001"),
        do(30, "compare", "order"),
    )
    first, last = (
        event.detail
        for event in story.result.journal.select("compared")
        if event.detail["about"] == "order"
    )
    assert first["in_flight"] == numbers(story, "on its way")
    assert (first["only_here"], last["only_here"], last["in_flight"]) == ((), (), ())


def test_orders_that_never_came_to_the_cdb_are_found():
    broken = (Breakage(Context.SO1, hours(8.5), hours(9.5)),)
    story = tell(
        sold(8, "there"),
        sold(9, "lost"),
        do(30, "compare", "order", against="cdb"),
        crm={"breakages": broken},
    )
    report = reported(story, "cdb")
    assert (report.only_here, report.compared) == (numbers(story, "lost"), 2)


@pytest.mark.fires(loads.COMPARISONS_ARE_TRUE)
def test_a_comparison_of_orders_that_overlooks_one_is_found(monkeypatch):
    monkeypatch.setattr("crmsim.loads.comparing.order_row", lambda order: ())
    monkeypatch.setattr("crmsim.erp.extraction.order_row", lambda order: ())
    story = tell(
        sold(12, "changed"),
        do(14, "change_order_in_erp", edit("changed", text="by the ERP alone")),
        do(30, "compare", "order"),
        holds=False,
    )
    [violated] = [check for check, verdict in story.result.verdicts if verdict.violations]
    assert violated is loads.COMPARISONS_ARE_TRUE
