"""Loads: nothing is lost that changes meanwhile, whatever breaks, and nothing is brought twice."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.chance import Constant
from crmsim.checks import distribution
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Outcome
from crmsim.checks.erp import loads
from crmsim.erp.extraction import Extraction
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result, scenario
from crmsim.loads.loads import Loads
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.load import LoadStatus
from crmsim.middleware.queue import QueueStatus
from crmsim.middleware.replication import Kind, Model, ReplicationObject
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.inbound import InboundQueues
from crmsim.systems.erp_news import ErpNews
from crmsim.systems.setup import Policies
from crmsim.units import hours, milliseconds, minutes, seconds

from .configurations import configuration
from .stories import fired

MODEL = Model(
    (
        ReplicationObject("prices", Kind.BULK, in_erp=True),
        ReplicationObject("customer", Kind.INTELLIGENT, ("region",), in_erp=True),
        ReplicationObject("contact", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("contract", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("order", Kind.DEPENDENT, parent="customer"),
    )
)
KEYS = tuple(f"C{number}" for number in range(1, 10))
SLOW = Policies(per_record=seconds(10), parallel_requests=2)
"""A block of three takes half a minute, so there is time to do something meanwhile."""


@frozen
class NoSettings:
    pass


def told(tell: Callable[[Landscape], Any], *, are_loaded: bool = False, **crm: Any) -> Result:
    """Tell a story of nine customers that the ERP has, and CRM perhaps has not."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What does CRM have in the end?"""
        land.replicate(MODEL)
        land.add_crm(**{"policies": SLOW, **crm})
        land.add_erp(wan(), per_record=seconds(1))
        land.add_station("station", wan())
        line = gprs(dial_up=True)
        land.add_laptop("laptop", line, rep="1", station="station", habits=Habits(), diary=())
        land.add_subscription("north", "customer", ("laptop",), region="north")
        land.add_subscription("prices", "prices", ("laptop",))
        add = land.add_record if are_loaded else land.add_record_in_erp
        for number, key in enumerate(KEYS):
            add("customer", key, name=key, region=("north", "south")[number % 2], phone="old")
        land.check()
        await land.run_until("0d 08:00")
        tell(land)
        await land.run_until("2d")
        await land.settle()

    result = story.run()
    if isinstance(result.error, BadValue):
        raise result.error
    return result


def must_agree(result: Result) -> None:
    assert result.findings == []
    assert result.quiet.is_quiet, result.quiet.still_moving


def phones(result: Result, site: str = "crm") -> dict[str, str]:
    rows = result.simulation.store(site).table("records").items()
    return {key: dict(one.fields)["phone"] for (name, key), one in rows if name == "customer"}


def verdict(result: Result, check: Any) -> Any:
    return next(verdict for one, verdict in result.verdicts if one is check)


def statuses(result: Result, about: str) -> list[str]:
    return [
        str(event.detail["status"])
        for event in result.journal.select("loaded")
        if event.detail["about"] == about
    ]


def blocks(result: Result) -> list[int]:
    return [int(str(event.detail["count"])) for event in result.journal.select("unpacked")]


# --- the initial load ---


def test_before_the_load_nothing_flows_then_all_of_it_in_blocks():
    def tell(land: Landscape) -> None:
        land.change_in_erp("customer", "C1", phone="before")
        land.at("0d 09:00", land.load, "customer", block=4)
        land.at("0d 12:00", land.change_in_erp, "customer", "C2", phone="after")

    result = told(tell)
    must_agree(result)
    assert phones(result) == {**dict.fromkeys(KEYS, "old"), "C1": "before", "C2": "after"}
    assert phones(result, "laptop") == {k: v for k, v in phones(result).items() if k in KEYS[::2]}
    assert blocks(result) == [4, 4, 1]
    assert statuses(result, "customer") == ["waiting", "running", "done"]
    sent = [e for e in result.journal.select("enqueued", actor="erp") if "R3AD" in str(e.detail)]
    assert [e.time_ns // hours(1) for e in sent] == [12]


def test_without_a_load_crm_has_nothing_and_nobody_is_accused_of_that():
    result = told(lambda land: land.change_in_erp("customer", "C1", phone="new"))
    must_agree(result)
    assert phones(result) == {}


def test_single_changes_wait_meanwhile_and_go_on_afterwards():
    rows: list[Any] = []

    def tell(land: Landscape) -> None:
        land.load("customer", block=3)
        land.at("0d 08:00:30", land.change_in_erp, "customer", "C1", phone="new")
        land.at("0d 08:01", lambda: rows.extend(land.monitor("crm")))

    result = told(tell)
    must_agree(result)
    held = [row for row in rows if row.queue == "R3AD_customer C1"]
    assert [row.status for row in held] == [QueueStatus.WAITSTOP]
    assert phones(result)["C1"] == "new"
    assert verdict(result, loads.DELTAS_WAIT).outcome is Outcome.HELD


def test_a_queue_that_a_person_has_locked_stays_locked_when_the_load_is_over():
    def tell(land: Landscape) -> None:
        land.administer("crm", "lock", "R3AD_customer C1")
        land.load("customer", block=3)
        for key in ("C1", "C2"):
            land.at("0d 08:01", land.change_in_erp, "customer", key, phone="new")

    result = told(tell)
    must_agree(result)
    assert (phones(result)["C1"], phones(result)["C2"]) == ("old", "new")
    assert [row.status for row in result.simulation.actor("crm").monitor()] == [QueueStatus.STOP]


@pytest.mark.parametrize("second", range(0, 200, 25))
@pytest.mark.parametrize("site", ["crm", "erp"])
def test_a_crash_in_the_middle_costs_nothing(site, second):
    def tell(land: Landscape) -> None:
        land.load("customer", block=2)
        land.at(hours(8) + seconds(second), land.crash, site, down=seconds(40))
        for number, key in enumerate(KEYS):
            land.at(hours(8) + seconds(20 * number), land.change_in_erp, "customer", key, phone=key)

    result = told(tell)
    must_agree(result)
    assert phones(result) == {key: key for key in KEYS}


def test_a_load_that_is_aborted_releases_what_waited():
    def tell(land: Landscape) -> None:
        land.load("customer", block=2)
        land.at("0d 08:00:10", land.change_in_erp, "customer", "C9", phone="new")
        land.at("0d 08:00:30", land.abort_load, "customer")
        land.at("0d 09:00", land.abort_load, "customer")
        land.at("0d 10:00", land.change_in_erp, "customer", "C8", phone="new")

    result = told(tell)
    must_agree(result)
    assert statuses(result, "customer") == ["waiting", "running", "aborted"]
    assert phones(result) == {"C1": "old", "C2": "old", "C9": "new", "C8": "new"}
    assert "being loaded" in str(next(result.journal.select("forbidden")).detail["reason"])


def test_after_an_abort_the_next_load_brings_the_rest():
    def tell(land: Landscape) -> None:
        land.load("customer", block=2)
        land.at("0d 08:00:30", land.abort_load, "customer")
        land.at("0d 08:01", land.load, "customer", block=5)

    result = told(tell)
    must_agree(result)
    assert phones(result) == dict.fromkeys(KEYS, "old")


def test_the_same_thing_is_not_loaded_twice_at_once():
    def tell(land: Landscape) -> None:
        land.load("customer", block=2)
        land.load("customer", block=2)

    result = told(tell)
    must_agree(result)
    [forbidden] = result.journal.select("forbidden")
    assert "is under way" in str(forbidden.detail["reason"])


def test_a_second_load_changes_nothing():
    def tell(land: Landscape) -> None:
        land.load("customer")
        land.at("0d 12:00", land.load, "customer")
        land.at("0d 13:00", land.request_load, "customer", KEYS)

    result = told(tell)
    must_agree(result)
    assert len(list(result.journal.select("changed"))) == len(KEYS)
    assert blocks(result) == [9, 9, 9]


def test_what_depends_on_another_thing_waits_until_that_is_loaded():
    def tell(land: Landscape) -> None:
        land.add_contract_in_erp("K", customer="C1", target={"tea": 5})
        land.load("contract")
        land.at("0d 10:00", land.load, "customer", block=4)

    result = told(tell)
    must_agree(result)
    order = [(e.detail["about"], e.detail["status"]) for e in result.journal.select("loaded")]
    done = order.index(("customer", "done"))
    assert order.index(("contract", "waiting")) < done < order.index(("contract", "running"))
    assert result.simulation.store("laptop").get("records", ("contract", "K")) is not None


def test_what_everybody_gets_is_loaded_too():
    def tell(land: Landscape) -> None:
        for key in ("tea", "milk", "cup"):
            land.add_record_in_erp("prices", key, value="1")
        land.load("prices", block=2)
        land.at("0d 08:00:01", land.publish_in_erp, "prices", {"tea": "2"})
        land.at("0d 10:00", land.publish_in_erp, "prices", {"milk": "3"})

    result = told(tell)
    must_agree(result)
    held = result.simulation.store("laptop").table("masters")
    assert {key[1]: one.value for key, one in held.items()} == {"tea": "2", "milk": "3", "cup": "1"}


def test_a_block_that_cannot_be_processed_waits_for_a_person_and_the_load_goes_on():
    def tell(land: Landscape) -> None:
        land.load("customer", block=3)
        land.at("0d 08:00:50", land.change_in_erp, "customer", "C5", phone="new")

    broken = Breakage(Context.MI0, hours(8) + seconds(50), hours(8) + seconds(80))
    result = told(tell, breakages=(broken,), operator_s=Constant(3_600.0))
    must_agree(result)
    assert statuses(result, "customer")[-1] == "done"
    ended = [e for e in result.journal.select("loaded") if e.detail["status"] == "done"]
    assert [e.detail["missing"] for e in ended] == [1]
    assert phones(result) == {**dict.fromkeys(KEYS, "old"), "C5": "new"}


@pytest.mark.parametrize(("site", "queue"), [("crm", "R3AI_CUSTOMER"), ("erp", "CR_CUSTOMER")])
def test_a_load_of_which_an_administrator_deletes_a_part_waits_for_a_person(site, queue):
    """Nobody is accused: what is not loaded is named, and so is what waits for the end of it."""

    def tell(land: Landscape) -> None:
        land.administer(site, "lock", queue)
        land.load("customer", block=20)
        land.at("0d 08:10", land.set_delta, "customer", is_active=True)
        land.at("0d 08:20", land.change_in_erp, "customer", "C1", phone="new")
        land.at("0d 09:00", land.administer, site, "delete queue", queue)
        land.at("0d 09:00", land.administer, site, "unlock", queue)

    result = told(tell)
    must_agree(result)
    named = {one.name: one.reason for one in result.quiet.aside}
    assert "took it out of its queue" in named["publication customer"]
    assert "waits for a load" in named["customer C1"]
    assert phones(result) == {}


def test_such_a_load_is_aborted_and_begun_anew():
    def tell(land: Landscape) -> None:
        land.administer("crm", "lock", "R3AI_CUSTOMER")
        land.load("customer", block=20)
        land.at("0d 08:20", land.change_in_erp, "customer", "C1", phone="new")
        land.at("0d 09:00", land.administer, "crm", "delete queue", "R3AI_CUSTOMER")
        land.at("0d 09:00", land.administer, "crm", "unlock", "R3AI_CUSTOMER")
        land.at("0d 10:00", land.abort_load, "customer")
        land.at("0d 11:00", land.load, "customer")

    result = told(tell)
    must_agree(result)
    assert phones(result) == {**dict.fromkeys(KEYS, "old"), "C1": "new"}


# --- requests ---


def test_of_several_requests_so_many_run_at_once_as_are_allowed():
    def tell(land: Landscape) -> None:
        land.load("customer")
        for key in KEYS[:6]:
            land.at("0d 12:00", land.request_load, "customer", (key,))

    result = told(tell)
    must_agree(result)
    running, most = 0, 0
    for event in result.journal.select("loaded"):
        if event.detail["load_kind"] == "request load":
            running += {"running": 1, "done": -1}.get(str(event.detail["status"]), 0)
            most = max(most, running)
    assert (running, most) == (0, 2)


def test_a_block_that_is_older_than_a_change_leaves_it_alone():
    """The block stands in a locked queue while a newer change goes by."""

    def tell(land: Landscape) -> None:
        land.administer("crm", "lock", "R3AR_CUSTOMER_1")
        land.request_load("customer", KEYS)
        land.at("0d 09:00", land.change_in_erp, "customer", "C1", phone="newer")
        land.at("0d 10:00", land.administer, "crm", "unlock", "R3AR_CUSTOMER_1")

    result = told(tell, are_loaded=True)
    must_agree(result)
    assert phones(result)["C1"] == "newer"


def test_a_change_that_is_older_than_a_block_has_nothing_to_say():
    def tell(land: Landscape) -> None:
        land.administer("crm", "lock", "R3AD_customer C1")
        land.change_in_erp("customer", "C1", phone="first")
        land.at("0d 09:00", land.change_in_erp, "customer", "C1", phone="second")
        land.at("0d 10:00", land.request_load, "customer", ("C1",))
        land.at("0d 11:00", land.administer, "crm", "unlock", "R3AD_customer C1")

    result = told(tell, are_loaded=True)
    must_agree(result)
    fields = [e.detail for e in result.journal.select("changed")]
    assert next((e["number"], "load" in e) for e in fields) == (2, True)
    assert phones(result)["C1"] == "second"


def test_what_crm_has_changed_meanwhile_counts_against_a_load():
    def tell(land: Landscape) -> None:
        land.administer("erp", "lock", "R3AU_customer C1")
        land.change("customer", "C1", phone="of CRM")
        land.at("0d 09:00", land.request_load, "customer", ("C1",))
        land.at("0d 12:00", land.administer, "erp", "unlock", "R3AU_customer C1")

    result = told(tell, are_loaded=True)
    must_agree(result)
    assert phones(result)["C1"] == phones(result, "erp")["C1"] == "of CRM"


# --- filters, the delta ---


def test_a_filter_holds_back_what_does_not_pass_it_and_sends_whole_what_does_from_now_on():
    def tell(land: Landscape) -> None:
        land.set_filter("customer", region="north")
        land.load("customer")
        land.at("0d 12:00", land.change_in_erp, "customer", "C2", phone="not told")
        land.at("0d 13:00", land.change_in_erp, "customer", "C4", region="north")

    result = told(tell)
    must_agree(result)
    assert phones(result) == dict.fromkeys((*KEYS[::2], "C4"), "old")
    held = result.simulation.store("crm").get("records", ("customer", "C4"))
    assert dict(held.fields) == {"name": "C4", "phone": "old", "region": "north"}


@pytest.mark.fires(loads.LOADED_AGREES, configuration("the delta load is switched off"))
def test_a_delta_that_was_off_for_a_while_shows():
    def tell(land: Landscape) -> None:
        land.set_delta("customer", is_active=False)
        land.at("0d 09:00", land.change_in_erp, "customer", "C1", phone="untold")
        land.at("0d 09:00", land.change_in_erp, "customer", "C10", phone="untold")
        land.at("0d 10:00", land.set_delta, "customer", is_active=True)

    result = told(tell, are_loaded=True)
    for check in (loads.LOADED_AGREES, distribution.MASTER_DATA_AGREES):
        assert fired(verdict(result, check), "customer C1 is not the same", "customer C10")


@pytest.mark.fires(configuration("a filter is changed"))
def test_a_filter_that_was_changed_shows():
    def tell(land: Landscape) -> None:
        land.set_filter("customer", region="north")
        land.load("customer")
        land.at("0d 12:00", land.set_filter, "customer", region="south")

    found = verdict(told(tell), loads.LOADED_AGREES)
    assert fired(found, "customer C1 is in CRM")
    assert found.violations == len(KEYS)


# --- to the CDB ---


def test_what_never_went_to_the_cdb_is_loaded_into_it():
    def tell(land: Landscape) -> None:
        land.set_bridge("customer", is_on=False)
        land.at("0d 08:10", land.change, "customer", "C1", phone="new")
        land.at("0d 08:10", land.change, "customer", "C11", region="north", phone="new")
        land.at("0d 09:00", land.set_bridge, "customer", is_on=True)
        land.at("0d 09:10", land.load, "customer", target="cdb", block=4)
        land.at("0d 09:10:30", land.change, "customer", "C2", phone="meanwhile")

    result = told(tell, are_loaded=True)
    must_agree(result)
    assert phones(result, "laptop")["C1"] == phones(result, "laptop")["C11"] == "new"
    assert len([e for e in result.journal.select("begun") if "CDB_CUSTOMER" in str(e)]) == 3


@pytest.mark.parametrize("operator_s", [None, Constant(3_600.0)])
def test_a_block_for_the_cdb_whose_program_breaks_off_waits_for_a_person(operator_s):
    """The load goes on without it; a person has it processed again, or it is named."""

    def tell(land: Landscape) -> None:
        land.set_bridge("customer", is_on=False)
        for key in KEYS:
            land.at("0d 08:10", land.change, "customer", key, phone="new")
        land.at("0d 09:00", land.set_bridge, "customer", is_on=True)
        land.at("0d 09:10", land.load, "customer", target="cdb", block=3)

    begins = hours(9) + minutes(10) + seconds(40)
    broken = (Breakage(Context.MO3, begins, begins + seconds(25)),)
    result = told(tell, are_loaded=True, breakages=broken, operator_s=operator_s)
    must_agree(result)
    flowed = [e for e in result.journal.select("flowed") if e.detail["context"] == "MO3"]
    assert [e.detail["states"][-1] for e in flowed].count("E06") == 1
    in_cdb = {
        key: dict(one.fields)["phone"]
        for (_, key), one in result.simulation.store("crm").table("cdb records").items()
    }
    late = [key for key, phone in in_cdb.items() if phone == "old"]
    assert len(late) == (3 if operator_s is None else 0)
    assert ("publication customer" in {one.name for one in result.quiet.aside}) is bool(late)


@pytest.mark.parametrize("site", ["crm", "erp"])
@pytest.mark.parametrize("second", [5, 45, 90])
def test_a_load_into_the_cdb_survives_a_crash(site, second):
    def tell(land: Landscape) -> None:
        land.set_bridge("customer", is_on=False)
        for key in KEYS:
            land.at("0d 08:10", land.change, "customer", key, phone="new")
        land.at("0d 09:00", land.set_bridge, "customer", is_on=True)
        land.at("0d 09:10", land.load, "customer", target="cdb", block=3)
        land.at(hours(9) + minutes(10) + seconds(second), land.crash, site, down=seconds(30))

    result = told(tell, are_loaded=True)
    must_agree(result)
    assert set(phones(result, "laptop").values()) == {"new"}


def test_without_the_bridge_the_cdb_is_behind_and_a_check_says_so_once_it_is_on_again():
    def tell(land: Landscape) -> None:
        land.set_bridge("customer", is_on=False)
        land.at("0d 08:10", land.change, "customer", "C1", phone="new")
        land.at("0d 09:00", land.set_bridge, "customer", is_on=True)

    result = told(tell, are_loaded=True)
    assert fired(verdict(result, distribution.CDB_HOLDS), "customer C1 is not the same")
    assert phones(result, "laptop")["C1"] == "old"


def test_prices_go_from_the_erp_past_crm_online_or_only_what_differs_is_spread():
    def tell(land: Landscape) -> None:
        land.publish_in_erp("prices", {"tea": "1", "milk": "1", "cup": "1"})
        land.at("0d 09:00", land.set_bridge, "prices", is_on=False)
        land.at("0d 09:10", land.publish_in_erp, "prices", {"tea": "2"})
        land.at("0d 10:00", land.set_bridge, "prices", is_on=True)
        land.at("0d 11:00", land.synchronise, "prices", block=2)
        land.at("0d 12:00", land.synchronise, "prices", block=2)
        land.at("0d 13:00", land.load, "prices", target="cdb", source="erp", block=2)
        land.at("0d 14:00", land.load, "prices", target="cdb", block=2)

    result = told(tell, are_loaded=True)
    must_agree(result)
    spread = [
        (e.time_ns // hours(1), int(str(e.detail["last"])) - int(str(e.detail["first"])) + 1)
        for e in result.journal.select("spread")
    ]
    assert spread == [(8, 3), (11, 1), (13, 2), (13, 1), (14, 2), (14, 1)]
    assert len(list(result.journal.select("published"))) == 2


# --- what can be wrong ---


@pytest.mark.parametrize(
    ("verb", "arguments", "named", "words"),
    [
        ("load", ("customer",), {"block": 0}, "one record or more"),
        ("load", ("contact",), {}, "the ERP has no contact"),
        ("load", ("order",), {"target": "cdb"}, "orders are not loaded"),
        ("load", ("customer",), {"target": "laptop"}, "nothing is loaded"),
        ("load", ("customer",), {"target": "cdb", "source": "erp"}, "only what is bulk"),
        ("load", ("visit",), {}, "not replicated"),
        ("request_load", ("customer", ()), {}, "name one or more"),
        ("request_load", ("customer", "C1"), {}, "in a tuple"),
        ("synchronise", ("customer",), {}, "not bulk"),
        ("set_filter", ("contact",), {}, "the ERP has no contact"),
        ("set_delta", ("contact",), {"is_active": False}, "the ERP has no contact"),
        ("compare", ("contact",), {}, "the ERP has no contact"),
        ("compare", ("customer",), {"against": "laptop"}, "'erp' or the 'cdb'"),
        ("repair", ("order",), {"against": "cdb"}, "no order is repaired by a load"),
        ("repair", ("customer",), {"leading": "laptop"}, "leads"),
        ("repair", ("prices",), {"leading": "crm"}, "there the ERP leads"),
        ("add_record_in_erp", ("contact", "K"), {"name": "x"}, "the ERP has no contact"),
        ("add_record_in_erp", ("contract", "K"), {"name": "x"}, "add_contract_in_erp"),
        ("add_record_in_erp", ("customer", "C1"), {"name": "x"}, "already"),
        ("add_record_in_erp", ("prices", "tea"), {"name": "x"}, "only a value"),
    ],
)
def test_what_makes_no_sense_is_refused(verb, arguments, named, words):
    with pytest.raises(BadValue, match=words):
        told(lambda land: getattr(land, verb)(*arguments, **named))


@pytest.mark.fires(loads.DELTAS_WAIT)
def test_a_change_that_begins_while_its_object_is_loaded(monkeypatch):
    monkeypatch.setattr(InboundQueues, "_is_suspended", lambda *_: False)

    def tell(land: Landscape) -> None:
        land.load("customer", block=3)
        land.at("0d 08:01", land.change_in_erp, "customer", "C1", phone="new")

    assert fired(verdict(told(tell), loads.DELTAS_WAIT), "began, though initial load 1")


@pytest.mark.fires(loads.SUPERIORS_FIRST)
def test_a_load_that_does_not_wait_for_its_superior(monkeypatch):
    monkeypatch.setattr(Loads, "_may_begin", lambda *_: True)

    def tell(land: Landscape) -> None:
        land.add_contract_in_erp("K", customer="C1", target={"tea": 5})
        land.load("customer", block=2)
        land.load("contract")

    assert fired(verdict(told(tell), loads.SUPERIORS_FIRST), "went on before initial load 1")


@pytest.mark.fires(loads.LOADS_ARE_REPEATABLE)
def test_a_load_that_saves_what_is_there_already(monkeypatch):
    plain = ErpNews.take_record

    def take_record(self: Any, change: Any, news: Any, load: str = "", ours: Any = None) -> None:
        key = news.object, news.key
        if load and self._actor.store.get("records", key) is not None:
            fields = dict(news.fields)
            self._online.change_record(change, key, fields, "", "erp", load=load)
        else:
            plain(self, change, news, load, ours)

    monkeypatch.setattr(ErpNews, "take_record", take_record)
    result = told(lambda land: land.request_load("customer", ("C1",)), are_loaded=True)
    assert fired(verdict(result, loads.LOADS_ARE_REPEATABLE), "saved customer C1 as it was")


def of_crm(number: int) -> dict[str, str]:
    """All fields: what CRM does not know yet it has to create as a whole."""
    return {"name": f"{number}", "region": "north", "phone": f"{number}"}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.one_of(
            st.tuples(st.just("change"), st.sampled_from(KEYS)),
            st.tuples(st.just("crash"), st.sampled_from(("crm", "erp"))),
            st.tuples(st.just("load"), st.sampled_from((1, 2, 5))),
            st.tuples(st.just("request"), st.sampled_from(KEYS)),
            st.tuples(st.just("in crm"), st.sampled_from(KEYS)),
            st.tuples(st.just("abort"), st.just("")),
        ),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_while_it_is_loaded_both_end_with_the_same(steps):
    def tell(land: Landscape) -> None:
        land.load("customer", block=2)
        for number, (second, (what, which)) in enumerate(steps):
            at_ns = hours(8) + seconds(second) + milliseconds(number)
            if what == "change":
                land.at(at_ns, land.change_in_erp, "customer", which, phone=f"{number}")
            elif what == "in crm":
                land.at(at_ns, land.change, "customer", which, **of_crm(number))
            elif what == "crash":
                land.at(at_ns, land.crash, which, down=seconds(30))
            elif what == "load":
                land.at(at_ns, land.load, "customer", block=which)
            elif what == "request":
                land.at(at_ns, land.request_load, "customer", (which,))
            else:
                land.at(at_ns, land.abort_load, "customer")
        land.at("1d 00:00", land.load, "customer")

    result = told(tell)
    must_agree(result)
    assert phones(result) == phones(result, "erp")


def test_a_load_is_over_in_the_history_as_the_table_has_it():
    result = told(lambda land: land.load("customer", block=2))
    assert statuses(result, "customer")[-1] == LoadStatus.DONE.value


# --- the scenario ---


def test_nothing_is_lost_at_the_go_live_though_hundreds_change_meanwhile():
    path = "scenarios/go_live.py"
    metrics = load_scenario(path).run().metrics
    assert metrics["customers_lost"] == 0
    assert metrics["changed_while_loading"] >= 200
    assert metrics["changed_under_way"] >= 50


def test_a_careless_migration_loses_what_changes_under_way(monkeypatch):
    """Blocks that overwrite whatever is there, and changes that nobody keeps back: it is seen."""
    monkeypatch.setattr(Extraction, "is_told", lambda *_: False)
    small = {"customers": 60, "changes": 40, "block": 20, "reps": 1}
    result = load_scenario("scenarios/go_live.py").run(**small)
    assert result.metrics["customers_lost"] > 0
    assert fired(verdict(result, loads.LOADED_AGREES), "is not the same")
