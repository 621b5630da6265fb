"""Contracts of CRM and of the ERP: who changes them, who sees what is left, who draws on them."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmsim.applications import contracts as rules
from crmsim.applications.exchange import SalesExchange, SalesScenario
from crmsim.business.master import Record
from crmsim.business.sales import CallOff, OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.chance import Constant
from crmsim.checks.backend import AGREEMENT
from crmsim.checks.check import Ending, Scene
from crmsim.checks.erp import contracts as checks
from crmsim.errors import BadValue
from crmsim.formats.bapi import BapiOrder
from crmsim.kernel.durable import Change, Store
from crmsim.lab.runs import load_scenario
from crmsim.middleware.flow import Breakage, Context
from crmsim.network.faults import NthMessage, Partition
from crmsim.online.clerk import ClerkHabits
from crmsim.online.contracts import NUMBER_TAKEN
from crmsim.units import Share, hours, minutes, seconds

from .stories import event, fired, rejudge
from .telling import Told, do, edit, order, tell

K = {"K": {"target": {"tea": 100}}}
"""A contract of the ERP."""
N = {("contract", "N"): {"parent": "C1", "products": "tea, coffee", "target": "tea 100"}}
"""A contract of CRM."""


def tea(pieces: int) -> OrderItem:
    return OrderItem("tea", pieces, Decimal(2))


def on(reference: str, contract: str, pieces: int, **more) -> SalesOrder:
    """An order of tea on a contract."""
    return order(reference, "C1", tea(pieces), contract=contract, **more)


def pieces(reference: str, count: int) -> OrderEdit:
    return OrderEdit(reference, items=((1, (("quantity", count),)),))


def write(hour: float, written: SalesOrder):
    return do(hour, "create_order", written)


def shown(told: Told, key: str, site: str = "crm") -> tuple[str, str]:
    """What a site shows as released and as remaining."""
    record = told.record(site, "contract", key)
    return record["released"], record["remaining"]


def drawn(told: Told) -> dict[str, str]:
    """Order -> the contract that it is booked with."""
    return {name: one.contract for name, one in told.erp.items()}


# --- pure rules ---


def test_pieces_are_written_as_text_and_read_again():
    assert rules.pieces_of(rules.text_of({"tea": 3, "green tea": 0, "cup": -2})) == {
        "tea": 3,
        "green tea": 0,
        "cup": -2,
    }
    assert rules.pieces_of("") == {}
    with pytest.raises(BadValue, match="write such as 'coffee 50, tea 100'"):
        rules.pieces_of("100")


@pytest.mark.parametrize(
    ("wanted", "before", "left", "closed", "reason"),
    [
        ({"tea": 20}, None, {"tea": 20}, None, None),
        ({"tea": 21}, None, {"tea": 20}, None, "contract K has only 20 tea left"),
        ({"tea": 1}, None, {"tea": 0}, None, "contract K has no tea left"),
        ({"tea": 1}, None, {"tea": -5}, None, "contract K has no tea left"),
        ({"milk": 9}, None, {"tea": 0}, None, None),
        ({"tea": 1}, None, {"tea": 9}, "closed", "contract K is closed"),
        ({"tea": 1}, None, {"tea": 9}, "expired", "contract K is expired"),
        ({}, None, {"tea": 9}, "closed", "contract K is closed"),
        ({"tea": 5}, {"tea": 5}, {"tea": 0}, "closed", None),
        ({"tea": 4}, {"tea": 5}, {"tea": -9}, None, None),
        ({"tea": 6}, {"tea": 5}, {"tea": 5}, None, "contract K has only 5 tea left"),
        ({"tea": 6}, {"tea": 5}, {"tea": 9}, "expired", "contract K is expired"),
        ({"cup": 2, "tea": 9}, {"cup": 2}, {"cup": 0, "tea": 9}, None, None),
    ],
)
def test_what_an_order_may_draw(wanted, before, left, closed, reason):
    assert rules.why_not_draw("K", wanted, before, left, closed) == reason


def test_a_contract_is_open_until_the_end_of_its_last_day():
    contract = Record("contract", "K", (("status", "open"), ("valid_to", "3")))
    assert [rules.why_not_open(contract, day) for day in (3, 4)] == [None, "expired"]
    closed = attrs.evolve(contract, fields=(("status", "closed"),))
    assert rules.why_not_open(closed, 0) == "closed"


def test_a_rep_orders_no_more_than_he_sees_left():
    fields = (("products", "tea, milk"), ("remaining", "tea 10"), ("target", "tea 40"))
    contract = Record("contract", "K", fields)
    mine = (on("A", "K", 4), on("B", "other", 5))
    items = (tea(4), tea(9), OrderItem("milk", 7, Decimal(1)), OrderItem("cup", 1, Decimal(1)))
    found = rules.still_there(contract, items, mine)
    assert [(one.product, one.quantity) for one in found] == [("tea", 4), ("tea", 2), ("milk", 7)]
    twice = (items[2], items[2])
    assert [one.quantity for one in rules.still_there(contract, twice, ())] == [7, 7], "no limit"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "100"}, "no number of pieces"),
        ({"target": "tea 0"}, "one piece of 'tea' or more"),
        ({"released": "tea 5"}, "follows from the orders"),
        ({"remaining": "tea 5"}, "follows from the orders"),
        ({"system": "erp"}, "add_contract_in_erp"),
        ({"status": "done"}, "'open' or 'closed'"),
        ({"valid_to": "soon"}, "a day of the run"),
    ],
)
def test_a_contract_of_crm_that_makes_no_sense_is_refused(fields, words):
    with pytest.raises(BadValue, match=words):
        tell(records={("contract", "N"): {"parent": "C1", **fields}})
    with pytest.raises(BadValue, match=words):
        tell(do(9, "change", "contract", "N", **fields), records=N)


@pytest.mark.parametrize(
    ("contracts", "words"),
    [
        ({"K": {"target": {}}}, "is a table"),
        ({"K": {"target": {"tea": 0}}}, "one piece of 'tea' or more"),
        ({"K": {"target": {"tea, cup": 1}}}, "no name of a product"),
        ({"K": {"target": {"tea": 1}, "customer": "C9"}}, "add that before"),
        ({"N": {"target": {"tea": 1}}}, "one of CRM"),
    ],
)
def test_a_contract_of_the_erp_that_makes_no_sense_is_refused(contracts, words):
    with pytest.raises(BadValue, match=words):
        tell(contracts=contracts, records=N)


@pytest.mark.parametrize(
    ("key", "wanted", "words"),
    [
        ("K", {}, "say what of contract"),
        ("K", {"target": {"tea": -1}}, "one piece"),
        ("K", {"status": "done"}, "'open' or 'closed'"),
        ("N", {"status": "closed"}, "one of CRM"),
    ],
)
def test_a_change_at_the_erp_that_makes_no_sense_is_refused(key, wanted, words):
    with pytest.raises(BadValue, match=words):
        tell(do(9, "change_contract_in_erp", key, **wanted), contracts=K, records=N)
    with pytest.raises(BadValue, match="one record or more"):
        tell(do(9, "load", "contract", block=0))
    with pytest.raises(BadValue, match="names no contract"):
        CallOff(order("A"))


# --- contracts of CRM: made here, shown on laptops, never in the ERP ---


def test_a_contract_of_crm_goes_to_laptops_and_its_orders_to_the_erp_without_it():
    told = tell(
        do(30, "change", "contract", "M", parent="C2", products="cup", target="cup 5"),
        do(31, "change", "contract", "M", target="cup 7"),
        diaries={
            1: ((9, on("A", "", 30)), (33, order("B", "C2", OrderItem("cup", 2, Decimal(1)))))
        },
        records=N,
    )
    assert {name: one.contract for name, one in told.crm.items()} == {"A": "N", "B": "M"}
    assert drawn(told) == {"A": "", "B": ""}, "plain orders"
    for site in ("crm", "laptop-1"):
        assert shown(told, "N", site) == ("tea 30", "tea 70")
        assert shown(told, "M", site) == ("cup 2", "cup 5")
    assert not told.result.simulation.store("erp").table("contracts")
    assert not [
        e for e in told.result.journal.select("enqueued") if "CONTRACT" in e.detail["queue"]
    ]


def test_what_is_released_follows_the_orders_as_they_are():
    told = tell(
        write(9, on("A", "N", 30)),
        write(10, on("B", "N", 20)),
        do(11, "change_order", pieces("A", 50)),
        do(12, "change_order", edit("B", contract="M")),
        records={**N, ("contract", "M"): {"parent": "C1", "products": "cup"}},
    )
    assert shown(told, "N") == ("tea 50", "tea 50")
    assert told.crm["B"].contract == "M", "which has no target, so it says nothing"
    assert "released" not in told.record("crm", "contract", "M")


def test_without_a_target_there_is_no_limit():
    contract = {("contract", "N"): {"parent": "C1", "products": "tea"}}
    told = tell(write(9, on("A", "", 10**6)), records=contract)
    assert told.crm["A"].contract == "N"


def test_a_target_is_not_lowered_below_what_is_released():
    told = tell(
        write(9, on("A", "N", 30)),
        do(10, "change", "contract", "N", target="tea 29"),
        do(11, "change", "contract", "N", target="tea 30, coffee 5"),
        records=N,
    )
    assert told.forbidden == [("contract N", "30 tea are called off contract N already")]
    assert shown(told, "N") == ("coffee 0, tea 30", "coffee 5, tea 0")


@pytest.mark.parametrize("change", [{"status": "closed"}, {"valid_to": "0"}])
def test_what_an_order_draws_on_a_contract_of_crm_it_keeps_when_that_ends(change):
    told = tell(
        write(9, on("A", "N", 30)),
        do(10, "change", "contract", "N", **change),
        do(33, "change_order", edit("A", text="soon")),
        do(34, "change_order", pieces("A", 31)),
        write(35, on("B", "", 1)),
        write(36, on("C", "N", 1)),
        records=N,
    )
    why = (f"contract N is {'closed' if 'status' in change else 'expired'}",)
    assert (told.errors("A"), told.errors("B"), told.errors("C")) == (why, (), why)
    assert told.crm["B"].contract == "", "a plain order"
    assert told.erp["A"].items[0].quantity == 30
    assert shown(told, "N") == ("tea 30", "tea 70"), "what contains errors changes nothing"


# --- too little left ---

BOTH = [{"contracts": {"N": K["K"]}}, {"records": N}]
"""A contract with 100 tea: one of the ERP, one of CRM."""


@pytest.mark.parametrize("world", BOTH, ids=["ERP", "CRM"])
def test_who_calls_off_more_than_is_left_has_to_wait_for_somebody(world):
    told = tell(diaries={1: ((9, on("A", "N", 80)), (10, on("B", "N", 30)))}, **world)
    assert told.errors("B") == ("contract N has only 20 tea left",)
    assert list(told.erp) == ["A"]
    assert "only 20 tea left" in told.aside["B"]
    assert shown(told, "N", "laptop-1") == ("tea 80", "tea 20")


@pytest.mark.parametrize("world", BOTH, ids=["ERP", "CRM"])
def test_a_clerk_takes_an_overcall_off_the_contract(world):
    told = tell(
        diaries={1: ((9, on("A", "N", 80)), (10, on("B", "N", 30)))},
        crm={"clerk": ClerkHabits(handling_s=Constant(60.0), releases=False)},
        **world,
    )
    assert (told.crm["A"].contract, told.crm["B"].contract, told.errors("B")) == ("N", "", ())
    assert told.erp["B"].items[0].quantity == 30
    assert shown(told, "N", "laptop-1") == ("tea 80", "tea 20")


@pytest.mark.parametrize("world", BOTH, ids=["ERP", "CRM"])
def test_nobody_is_put_on_a_contract_with_too_little_left(world):
    told = tell(*(write(9 + n, on(f"A{n}", "", 40)) for n in range(4)), **world)
    contracts = [told.crm[f"A{n}"].contract for n in range(4)]
    assert contracts == ["N", "N", "", ""], "the others are plain orders, without an error"
    assert len(told.erp) == 4


def test_of_two_contracts_the_one_with_enough_left_is_drawn_on():
    told = tell(write(9, on("A", "N", 90)), write(10, on("B", "", 40)), records=N, contracts=K)
    assert told.crm["B"].contract == "K"
    both = tell(write(9, on("A", "", 10)), records=N, contracts=K)
    assert both.errors("A") == ("several contracts fit: N, K",)


@pytest.mark.parametrize("world", BOTH, ids=["ERP", "CRM"])
def test_a_larger_order_is_an_overcall_and_what_it_had_it_keeps(world):
    told = tell(
        write(9, on("A", "N", 60)),
        write(10, on("B", "N", 30)),
        do(11, "change_order", pieces("A", 80)),
        write(12, on("C", "N", 20)),
        do(13, "change_order", pieces("A", 70)),
        **world,
    )
    assert told.errors("C") == ("contract N has only 10 tea left",)
    assert (told.errors("A"), told.erp["A"].items[0].quantity) == ((), 70)
    assert shown(told, "N") == ("tea 100", "tea 0")


def test_a_quotation_draws_nothing():
    told = tell(
        write(9, on("Q", "K", 70, kind=SalesKind.QUOTATION)),
        write(10, on("A", "K", 70)),
        contracts=K,
    )
    assert told.errors("A") == told.errors("Q") == ()
    assert shown(told, "K") == ("tea 70", "tea 30")


# --- contracts of the ERP: the initial load, then every change ---


def test_before_the_load_nothing_flows_then_all_of_it_in_blocks():
    told = tell(
        do(9, "change_contract_in_erp", "L", customer="C1", target={"tea": 5}),
        do(10, "change_contract_in_erp", "L", target={"tea": 6}, valid_to=50),
        do(11, "change_contract_in_erp", "M", customer="C2", target={"cup": 1}),
        do(12, "change_contract_in_erp", "O", customer="C3", target={"cup": 1}),
        do(20, "load", "contract", block=2),
        do(34, "change_contract_in_erp", "M", status="closed"),
        do(35, "change_contract_in_erp", "P", customer="C1", target={"milk": 4}),
    )
    sent = [
        (e.detail["queue"], e.time_ns // hours(1))
        for e in told.result.journal.select("enqueued", actor="erp")
        if "CONTRACT" in e.detail["queue"] and not e.subject.startswith("begin of")
    ]
    assert sent == [
        ("R3AI_CONTRACT", 20),
        ("R3AI_CONTRACT", 20),
        ("R3AD_CONTRACTM", 34),
        ("R3AD_CONTRACTP", 35),
    ]
    assert told.record("laptop-1", "contract", "L") == {
        "parent": "C1",
        "products": "tea",
        "released": "tea 0",
        "remaining": "tea 6",
        "status": "open",
        "system": "erp",
        "target": "tea 6",
        "valid_to": "50",
    }
    assert told.record("laptop-1", "contract", "M")["status"] == "closed"
    assert told.sites_of("contract", "P") == ["cdb", "crm", "laptop-1"]


def test_what_changes_while_the_load_runs_ends_up_right():
    """The news of what has changed since wait until the block has been taken over."""
    told = tell(
        do(0.5, "administer", "crm", "lock", "R3AI_CONTRACT"),
        do(1, "load", "contract"),
        do(2, "change_contract_in_erp", "K", target={"tea": 150}),
        do(3, "change_contract_in_erp", "L", target={"tea": 40}),
        do(30, "administer", "crm", "unlock", "R3AI_CONTRACT"),
        do(0.1, "change_contract_in_erp", "K", customer="C1", target={"tea": 100}),
        do(0.1, "change_contract_in_erp", "L", customer="C1", target={"tea": 20}),
        do(0.1, "change_contract_in_erp", "M", customer="C1", target={"tea": 30}),
    )
    told_of = [
        (e.subject, e.detail["number"], e.time_ns // hours(1))
        for e in told.result.journal.select("changed")
    ]
    assert told_of[:3] == [(f"contract {key}", 1, 30) for key in "KLM"]
    assert sorted(told_of[3:]) == [("contract K", 2, 30), ("contract L", 2, 30)]
    assert [told.record("crm", "contract", key)["target"] for key in "KLM"] == [
        "tea 150",
        "tea 40",
        "tea 30",
    ]


def test_a_second_load_changes_nothing():
    told = tell(write(9, on("A", "K", 30)), do(20, "load", "contract"), contracts=K)
    assert len(list(told.result.journal.select("changed"))) == 2
    assert shown(told, "K") == ("tea 30", "tea 70")


def test_a_contract_of_the_erp_is_only_shown_in_crm():
    told = tell(
        do(9, "change", "contract", "K", target="tea 900"),
        do(10, "change", "contract", "K", parent="C2"),
        contracts=K,
    )
    why = "it is a contract of the ERP, and only shown in CRM"
    assert told.forbidden == [("contract K", why)]
    assert told.record("crm", "contract", "K")["target"] == "tea 100"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"target": {"tea": 29}}, "30 tea are called off contract K already"),
        ({"target": {"cup": 90}}, "30 tea are called off contract K already"),
        ({"customer": "C2"}, "a contract stays with its customer"),
    ],
)
def test_what_is_called_off_stays_called_off(wanted, reason):
    told = tell(
        write(9, on("A", "K", 30)), do(10, "change_contract_in_erp", "K", **wanted), contracts=K
    )
    assert told.forbidden == [("contract K", reason)]
    assert shown(told, "K") == ("tea 30", "tea 70")


def test_a_new_contract_needs_a_customer_whom_the_erp_knows():
    told = tell(
        do(9, "change_contract_in_erp", "L", customer="C1"),
        do(9.5, "change_contract_in_erp", "L", customer="C9", target={"tea": 1}),
    )
    assert [why for _, why in told.forbidden] == [
        "a new contract needs a customer and a target",
        "the ERP knows no customer C9",
    ]


def test_a_contract_whose_customer_comes_later_is_shown_all_the_same():
    told = tell(
        do(9, "change_in_erp", "customer", "C9", name="new"),
        do(9, "change_contract_in_erp", "L", customer="C9", target={"tea": 1}),
        do(12, "change", "customer", "C9", parent="T"),
        contracts=K,
    )
    assert told.sites_of("contract", "L") == ["cdb", "crm", "laptop-1"]


def test_a_number_that_crm_has_given_away_is_not_taken_over():
    told = tell(
        do(9, "change_contract_in_erp", "N", customer="C1", target={"tea": 7}),
        do(10, "change", "contract", "N", parent="C1", products="tea", target="tea 9"),
        do(11, "load", "contract"),
    )
    assert ("contract N", NUMBER_TAKEN) in told.forbidden
    assert told.record("crm", "contract", "N")["target"] == "tea 9"


# --- orders on contracts of the ERP ---


def test_what_is_called_off_follows_the_orders_that_are_booked():
    told = tell(
        write(9, on("A", "K", 30)),
        write(10, on("B", "K", 20)),
        do(11, "change_order", pieces("A", 50)),
        do(12, "change_order", edit("B", contract="L")),
        do(13, "change_order", OrderEdit("A", added=(OrderItem("cup", 3, Decimal(1)),))),
        contracts={"K": {"target": {"tea": 100, "cup": 9}}, "L": {"target": {"tea": 20}}},
    )
    assert drawn(told) == {"A": "K", "B": "L"}
    for site in ("crm", "laptop-1"):
        assert shown(told, "K", site) == ("cup 3, tea 50", "cup 6, tea 50")
        assert shown(told, "L", site) == ("tea 20", "tea 0")
    states = [e.detail["number"] for e in told.result.journal.select("called")]
    assert states == [2, 3, 4, 5, 2, 6]


CUT = do(8, "fault", Partition("crm", "erp", under_way="hold"), for_=hours(20))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"target": {"tea": 20}}, "contract K has only 20 tea left"),
        ({"status": "closed"}, "contract K is closed"),
        ({"valid_to": 0}, "contract K is expired"),
    ],
)
def test_the_erp_refuses_what_crm_could_not_know(change, reason):
    """It is booked as soon as the line is there again, on the day after."""
    told = tell(
        CUT,
        write(9, on("A", "K", 30)),
        do(10, "change_contract_in_erp", "K", **change),
        contracts=K,
    )
    assert not told.erp
    assert "the ERP refused it" in told.aside["A"]
    found = told.result.simulation.actor("erp").contracts.why_not("1", bapi("K", 30))
    assert found == reason
    assert shown(told, "K")[0] == "tea 0"


def bapi(contract: str, count: int, customer: str = "C1") -> BapiOrder:
    return BapiOrder("1", "G", "A", "1", customer, (tea(count),), 1, False, contract=contract)


def test_the_erp_refuses_a_contract_that_it_does_not_have_for_this_customer():
    book = tell(contracts=K).result.simulation.actor("erp").contracts
    assert book.why_not("1", bapi("", 1)) is None
    assert book.why_not("1", bapi("K", 100)) is None
    for order_ in (bapi("nothing", 1), bapi("K", 1, "C2")):
        reason = f"contract {order_.contract} is not known, or not the customer's"
        assert book.why_not("1", order_) == reason


def test_what_the_erp_refused_does_not_count_in_crm():
    told = tell(
        CUT,
        write(9, on("A", "K", 90)),
        do(10, "change_contract_in_erp", "K", target={"tea": 50}),
        write(40, on("B", "K", 50)),
        contracts=K,
    )
    assert (told.errors("B"), drawn(told)) == ((), {"B": "K"})


def test_an_order_that_leaves_a_contract_frees_it_when_the_erp_knows():
    told = tell(
        write(7, on("A", "K", 80)),
        CUT,
        do(9, "change_order", edit("A", contract="L")),
        write(10, on("B", "K", 30)),
        write(31, on("C", "K", 90)),
        contracts={**K, "L": {"target": {"tea": 100}}},
    )
    assert told.errors("B") == ("contract K has only 20 tea left",), "the ERP has not freed it"
    assert drawn(told) == {"A": "L", "C": "K"}


def test_an_order_that_draws_less_frees_the_rest_when_the_erp_knows():
    told = tell(
        write(7, on("A", "K", 80)),
        CUT,
        do(9, "change_order", pieces("A", 30)),
        write(10, on("B", "K", 60)),
        write(31, on("C", "K", 70)),
        contracts=K,
    )
    assert told.errors("B") == ("contract K has only 20 tea left",)
    assert (drawn(told), shown(told, "K")[1]) == ({"A": "K", "C": "K"}, "tea 0")


# --- trouble ---

CALLS = (
    *(write(9 + n / 20, on(f"A{n}", "K", 10 + n)) for n in range(5)),
    *(do(9.5 + n / 20, "change_order", pieces(f"A{n}", 12 + n)) for n in range(5)),
    do(9.6, "change_contract_in_erp", "K", target={"tea": 200}, valid_to=3),
)


@pytest.mark.parametrize("site", ["crm", "erp"])
def test_crashes_in_the_middle_neither_lose_nor_double_what_is_called_off(site):
    crashes = (do(9 + n / 30, "crash", site, down=hours(0.01)) for n in range(25))
    told = tell(*CALLS, *crashes, contracts=K)
    assert shown(told, "K", "laptop-1") == ("tea 70", "tea 130")
    assert told.record("crm", "contract", "K")["valid_to"] == "3"


def test_what_comes_twice_counts_once():
    told = tell(
        do(8, "strike", NthMessage("Transfer", range(1, 200), "double", seconds(40))),
        do(8, "strike", NthMessage("Receipt", range(1, 100, 3))),
        *CALLS,
        contracts=K,
    )
    assert shown(told, "K", "laptop-1") == ("tea 70", "tea 130")


def test_news_that_are_processed_late_do_not_go_back():
    """A program of CRM is broken; what it failed on is processed a day later, behind newer news."""
    told = tell(
        do(9, "change_contract_in_erp", "K", target={"tea": 120}),
        do(12, "change_contract_in_erp", "K", target={"tea": 150}),
        crm={
            "breakages": (Breakage(Context.MI0, hours(9), hours(10), Share(1.0)),),
            "operator_s": Constant(100_000.0),
        },
        contracts=K,
    )
    [late] = [
        e for e in told.result.journal.select("administered") if e.detail["action"] == "reprocess"
    ]
    assert late.time_ns > hours(30)
    assert shown(told, "K", "laptop-1") == ("tea 0", "tea 150")


# --- from both sides ---


def test_both_systems_call_off_the_same_contract():
    told = tell(
        do(9, "create_order", on("A", "K", 60)),
        do(10, "create_order_in_erp", on("E", "K", 30)),
        do(11, "create_order_in_erp", on("F", "K", 20)),
        do(12, "change_order_in_erp", pieces("E", 40)),
        do(13, "change_order_in_erp", pieces("E", 50)),
        contracts=K,
    )
    assert shown(told, "K", "laptop-1") == ("tea 100", "tea 0")
    assert [name for name, why in told.forbidden if why.startswith("contract K has only")] == [
        "F",
        "E",
    ]


def test_who_comes_second_of_two_that_call_at_the_same_time_is_refused_and_becomes_plain():
    """CRM and the ERP each give away the last pieces before they hear of each other."""
    told = tell(
        do(9, "fault", Partition("crm", "erp", under_way="drop"), for_=hours(1)),
        do(9.1, "create_order", on("A", "K", 70)),
        do(9.2, "create_order_in_erp", on("E", "K", 70)),
        crm={"clerk": ClerkHabits(releases=False, working_days=7)},
        contracts=K,
    )
    [refused] = [e for e in told.result.journal.select("distributed") if "reason" in e.detail]
    assert refused.detail["reason"] == "contract K has only 30 tea left"
    assert (told.crm["A"].contract, told.erp["A"].contract) == ("", "")
    assert told.erp["E"].contract == "K"
    assert shown(told, "K", "laptop-1") == ("tea 70", "tea 30")


def test_a_change_of_the_erp_leaves_an_order_on_the_contract_of_crm():
    told = tell(
        do(9, "create_order", on("A", "N", 30)),
        do(12, "change_order_in_erp", pieces("A", 40)),
        records=N,
        exchange=SalesExchange(SalesScenario.A),
    )
    assert (told.crm["A"].contract, told.erp["A"].contract) == ("N", "")
    assert shown(told, "N", "laptop-1") == ("tea 40", "tea 60")


# --- random stories ---

LOT = ("K", "N", "")
actions = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(LOT), st.integers(1, 60)),
    st.tuples(st.just("pieces"), st.integers(0, 5), st.integers(1, 60)),
    st.tuples(st.just("contract"), st.integers(0, 5), st.sampled_from(LOT)),
    st.tuples(st.just("target"), st.sampled_from(LOT[:2]), st.integers(1, 150)),
    st.tuples(st.just("status"), st.sampled_from(LOT[:2]), st.sampled_from(("open", "closed"))),
)
stories = st.lists(actions, max_size=14)
of_both = st.one_of(
    actions,
    st.tuples(st.just("in the ERP"), st.sampled_from(LOT), st.integers(1, 60)),
    st.tuples(st.just("pieces there"), st.integers(0, 9), st.integers(1, 60)),
)
"""Also what people at the ERP write."""


class Oracle:
    """What must come of actions that each wait until all that came before is settled."""

    def __init__(self) -> None:
        self.target = {"K": 100, "N": 100}
        self.is_open = {"K": True, "N": True}
        self.orders: list[tuple[str, int]] = []
        """(contract, pieces) of each order in CRM."""
        self.sound: dict[int, tuple[str, int]] = {}
        """The same, as it was saved last without an error; the ERP has that."""

    def called(self, key: str, but: int = -1) -> int:
        return sum(n for i, (on_, n) in self.sound.items() if on_ == key and i != but)

    def may(self, i: int, key: str, count: int) -> bool:
        held = self.sound.get(i, ("", 0))
        has_before = held[0] == key
        if has_before and count <= held[1]:
            return True
        return self.is_open[key] and count <= self.target[key] - self.called(key, i)

    def save(self, i: int, key: str, count: int) -> None:
        is_sound = not key or self.may(i, key, count)
        if not key:
            fitting = [one for one in ("N", "K") if self.fits(i, one, count)]
            key, is_sound = fitting[0] if len(fitting) == 1 else "", len(fitting) < 2
        self.orders[i : i + 1] = [(key, count)]
        if is_sound:
            self.sound[i] = key, count

    def fits(self, i: int, key: str, count: int) -> bool:
        return self.is_open[key] and self.may(i, key, count)

    def do(self, what: str, which, value) -> None:
        if what == "order":
            self.orders.append(("", 0))
            self.save(len(self.orders) - 1, which, value)
        elif what in ("pieces", "contract") and self.orders:
            i = which % len(self.orders)
            key, count = self.orders[i]
            wanted = (key, value) if what == "pieces" else (value, count)
            if wanted != self.orders[i]:
                self.save(i, *wanted)
        elif what == "target" and value >= self.called(which):
            self.target[which] = value
        elif what == "status":
            self.is_open[which] = value == "open"


def steps(story, gap: float):
    """The same as the office and the people at the ERP do it."""
    count = 0
    for place, (what, which, value) in enumerate(story):
        hour = 9 + place * gap
        if what == "order":
            yield write(hour, on(f"A{count}", which, value))
            count += 1
        elif what == "pieces" and count:
            yield do(hour, "change_order", pieces(f"A{which % count}", value))
        elif what == "contract" and count:
            yield do(hour, "change_order", edit(f"A{which % count}", contract=value))
        elif what == "in the ERP":
            yield do(hour, "create_order_in_erp", on(f"E{place}", which, value))
        elif what == "pieces there":
            name = f"A{which}" if which % 2 else f"E{which}"
            yield do(hour, "change_order_in_erp", pieces(name, value), lasts=minutes(0.1))
        elif what in ("target", "status") and which == "K":
            wanted = {"tea": value} if what == "target" else value
            yield do(hour, "change_contract_in_erp", "K", **{what: wanted})
        elif what in ("target", "status"):
            text = f"tea {value}" if what == "target" else value
            yield do(hour, "change", "contract", "N", **{what: text})


@settings(max_examples=40, deadline=None)
@given(stories)
@example([("order", "K", 60), ("order", "", 60), ("status", "N", "closed"), ("pieces", 1, 61)])
def test_one_after_the_other_everything_comes_as_a_simple_model_says(story):
    told = tell(*steps(story, 1.0), records=N, contracts=K, until=9 + len(story) + 1)
    oracle = Oracle()
    for one in story:
        oracle.do(*one)
    crm = [
        (told.crm[f"A{i}"].contract, told.crm[f"A{i}"].items[0].quantity)
        for i in range(len(told.crm))
    ]
    assert crm == oracle.orders
    booked = {
        int(name[1:]): (one.contract, one.items[0].quantity) for name, one in told.erp.items()
    }
    plain = {i: ("" if key == "N" else key, n) for i, (key, n) in oracle.sound.items()}
    assert booked == plain
    for key in "KN":
        called = oracle.called(key)
        wanted = {"tea": called}, {"tea": oracle.target[key] - called}
        found = tuple(rules.pieces_of(text) for text in shown(told, key))
        assert tuple({"tea": one["tea"]} for one in found) == wanted


TROUBLE = (
    do(9.1, "fault", Partition("crm", "erp", under_way="hold"), for_=hours(0.3)),
    do(9.5, "crash", "erp", down=hours(0.05)),
    do(9.7, "fault", Partition("erp", "crm", under_way="drop", one_way=True), for_=hours(0.2)),
    do(9.8, "crash", "crm", down=hours(0.02)),
    do(8, "strike", NthMessage("Transfer", range(1, 60, 2), "double", seconds(90))),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(of_both, max_size=14),
    st.sampled_from((0.003, 0.02, 0.08)),
    st.sets(st.integers(0, len(TROUBLE) - 1)),
    st.sampled_from((None, *map(SalesExchange, SalesScenario))),
)
def test_all_at_once_and_in_trouble_nothing_is_given_away_twice(story, gap, trouble, exchange):
    """What holds is judged by the checks; `tell` asserts them."""
    chosen = [TROUBLE[place] for place in sorted(trouble)]
    told = tell(*steps(story, gap), *chosen, records=N, contracts=K, until=12, exchange=exchange)
    for key in "KN":
        left = rules.pieces_of(told.record("laptop-1", "contract", key)["remaining"])
        assert min(left.values()) >= 0


# --- call-offs on a laptop ---


def test_a_rep_calls_off_what_he_sees_and_two_who_see_the_same_overcall():
    wish = CallOff(on("A", "K", 70))
    other = CallOff(
        on(
            "B",
            "K",
            70,
        )
    )
    told = tell(
        diaries={
            1: ((33, wish), (34, CallOff(on("C", "K", 70))), (35, CallOff(on("D", "K", 70)))),
            2: ((33, other),),
        },
        laptops=2,
        contracts=K,
    )
    quantities = {name: one.items[0].quantity for name, one in told.crm.items()}
    assert quantities == {"A": 70, "B": 70, "C": 30}, "D would have been for nothing"
    assert [subject for subject, _ in told.forbidden] == ["D"]
    assert len([name for name in told.crm if told.errors(name)]) >= 1
    assert rules.pieces_of(shown(told, "K")[0])["tea"] <= 100


def test_nothing_is_called_off_a_contract_that_is_not_there():
    told = tell(diaries={1: ((9, CallOff(on("A", "K", 70))),)}, records=N)
    why = "contract K has nothing left of it, as far as one knows here"
    assert told.forbidden == [("A", why)]


# --- the checks ---


@pytest.mark.fires(checks.CONTRACTS_STAY)
def test_a_contract_that_changes_where_it_must_not_is_blamed():
    def changed(number: int, subject: str = "contract K", place: int = 1):
        return event("changed", subject=subject, number=place)._replace(detail={"number": number})

    good = [changed(3), changed(4), changed(0, "contract N"), changed(0, "contract N")]
    assert rejudge(checks.CONTRACTS_STAY, good).held
    assert fired(rejudge(checks.CONTRACTS_STAY, [changed(3), changed(0)]), "changed in CRM")
    saved = event("saved", actor="laptop-1", subject="contract K", object="contract")
    assert fired(rejudge(checks.CONTRACTS_STAY, [saved]), "laptop-1 saved contract K")


def booking(number: str, count: int, contract: str = "K"):
    lines = (("a", count, "2 -0", "tea"), ("b", 1, "2 -0", "milk"))
    detail = {"number": number, "lines": lines, "contract": contract}
    return event("booked", actor="erp", subject=number)._replace(detail=detail)


def state(*calls: tuple[str, str, int], target: int = 100):
    detail = {"number": 2, "target": (("tea", target),), "calls": calls}
    return event("called", actor="erp", subject="contract K")._replace(detail=detail)


@pytest.mark.fires(checks.CALLS_ADD_UP)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([booking("1", 5), state()], "is called off; booked is"),
        ([booking("1", 5), state(("1", "tea", 5), ("1", "tea", 5))], "is called off; booked is"),
        ([state(("1", "tea", 5))], "is called off; booked is"),
        ([booking("1", 5), booking("1", 5, "L"), state(("1", "tea", 5))], "booked is []"),
        ([booking("1", 5), state(("1", "tea", 5), target=4)], "1 tea too many"),
    ],
)
def test_calls_that_do_not_add_up_are_blamed(events, words):
    assert fired(rejudge(checks.CALLS_ADD_UP, events), words)
    good = [booking("1", 9), booking("1", 5), booking("2", 4, "L"), state(("1", "tea", 5))]
    assert rejudge(checks.CALLS_ADD_UP, good).held


@pytest.fixture(scope="module")
def both():
    return tell(
        diaries={1: ((9, on("A", "K", 30)), (10, on("B", "N", 40)))}, contracts=K, records=N
    ).result


def judged(result, *hurt, check=checks.CONTRACTS_AGREE):
    """Judge final states in which rows of a table were changed."""
    simulation = result.simulation
    scene = Scene(simulation.topology, lambda actor: simulation.seat_of(actor).site.name)
    stores = {name: site.store for name, site in simulation.sites.items()}
    for site, table, change in hurt:
        copy, edit_ = Store(), Change(None, None, 0)
        for name, rows in stores[site].snapshot():
            for key, value in dict(rows).items():
                edit_.put(name, key, change(value) if name == table else value)
        copy.apply(edit_)
        stores[site] = copy
    judge = check.judge(scene)
    return judge.finish(Ending(result.journal, stores, is_quiet=True))


def says_else(record):
    fields = {**dict(record.fields), "remaining": "tea 7"}
    return attrs.evolve(record, fields=tuple(sorted(fields.items())))


def of_other(key: str):
    """Let an order draw on another contract, or more than it does."""

    def change(row):
        if isinstance(row, tuple):
            return tuple((number, (("tea", 200),)) for number, _ in row)
        if hasattr(row, "document"):
            moved = attrs.evolve(row.document.order, contract=key)
            return attrs.evolve(row, document=attrs.evolve(row.document, order=moved))
        return attrs.evolve(row, order=attrs.evolve(row.order, contract=key))

    return change


@pytest.mark.fires(checks.CONTRACTS_AGREE)
@pytest.mark.parametrize(
    ("hurt", "words"),
    [
        (("crm", "records", says_else), "CRM shows of contract K"),
        (("crm", "cdb records", says_else), "the CDB shows of contract K"),
        (("laptop-1", "records", says_else), "laptop-1 shows of contract K"),
        (("erp", "orders", of_other("")), "CRM shows of contract K"),
        (("crm", "records", says_else), "contract N says"),
        (("crm", "orders", of_other("N")), "draws {'tea': 30} on contract N, not {}"),
        (("crm", "orders", of_other("K")), "draws {} on contract N, not {'tea': 40}"),
        (("crm", "drawn", of_other("")), "more is called off contract N than its target"),
    ],
)
def test_who_shows_something_else_is_blamed(both, hurt, words):
    assert judged(both).held
    assert fired(judged(both, hurt), words)


@pytest.mark.parametrize(
    ("key", "words"), [("N", "ERP: N, which is of CRM"), ("L", "contract differs"), ("", "ERP: )")]
)
def test_an_order_that_the_erp_has_on_another_contract_is_blamed(both, key, words):
    """Order A draws on a contract of the ERP, order B on one of CRM, unknown to the ERP."""
    assert judged(both, check=AGREEMENT).held
    assert fired(judged(both, ("erp", "orders", of_other(key)), check=AGREEMENT), words)


# --- the scenario ---


def overcall(seed: int, **more):
    story = load_scenario("scenarios/contract_overcall.py")
    return story.run(seed=seed, **more).must_hold().metrics


def test_without_a_clerk_overcalls_stay_and_nothing_is_released_beyond_the_target():
    metrics = overcall(1, clerk=False, calls=1)
    assert metrics["unresolved_censored"] == metrics["overcalls"] > 20
    assert metrics["share_of_the_target"] <= 1
    assert overcall(1, calls=1)["unresolved_censored"] == 0
