"""Small stories that went wrong once: all checks hold, and the outcome is the right one."""

from decimal import Decimal
from typing import Any

import pytest

from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind
from crmsim.chance import Constant
from crmsim.errors import BadValue
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.queue import QueueKey
from crmsim.network.faults import Outage
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.partner import Poison
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.outflow import CdbOnError
from crmsim.systems.setup import Policies
from crmsim.units import hours, minutes

from .telling import FREE, TEA, VISIT, do, drop, edit, order, rewrite, tell, visit

TWO_VISITS = {("activity", key): {"parent": "C1", **VISIT} for key in ("V1", "V2")}
OPERATOR: dict[str, Any] = {"operator_s": Constant(1_800.0)}
TAKEN = "there is an order of that name already"
AGAIN = "it is being distributed; try again later"
GONE = "it has been deleted"


# What cannot be shown, or cannot be read


def test_an_order_with_errors_that_an_old_client_gave_back_is_not_sent_again_as_data():
    """The demon died of it: there was no content that a laptop may see."""
    told = tell(
        do(8, "change_format", "order", release=2),
        do(33, "update_client", "laptop-1", release=2),
        diaries={1: ((9, order("A", "C1", FREE)),)},
        crm=OPERATOR,
    )
    assert told.errors("A") == ("tea has no price",)
    assert told.laptop(1)["A"].items[0].unit_price == 0
    assert told.aside == {"A": "it contains errors: tea has no price"}
    assert not told.erp


def test_the_answer_that_an_old_client_cannot_read_does_not_keep_what_was_taken_away():
    """The customer stayed on the laptop for good: only its answer would have let it go."""
    told = tell(
        do(20, "subscribe", "all", "territory", ("laptop-1",), rep="2"),
        do(22, "change_format", "customer", release=2),
        do(55, "update_client", "laptop-2", release=2),
        diaries={2: ((21, rewrite("customer", "C2", city="x")),)},
        laptops=2,
        crm=OPERATOR,
    )
    assert told.record("crm", "customer", "C2")["city"] == "x"
    assert told.sites_of("customer", "C2") == ["cdb", "crm", "erp"]
    assert not told.aside


@pytest.mark.parametrize("customer", ["C1", "C3"])
@pytest.mark.parametrize("policy", list(CdbOnError))
def test_a_quotation_with_errors_waits_in_crm_and_nobody_is_accused(policy, customer):
    told = tell(
        diaries={2: ((9, order("Q", customer, FREE, kind=SalesKind.QUOTATION)),)},
        laptops=2,
        crm={"policies": Policies(cdb_on_error=policy)},
    )
    assert told.aside == {"Q": "it contains errors: tea has no price"}
    assert list(told.laptop(2)) == ["Q"]
    assert not told.laptop(1)


# Orders that were not born on a laptop have a name too


def test_an_order_of_the_shop_that_a_laptop_cannot_read_is_set_aside_by_its_name():
    told = tell(do(8, "change_format", "order", release=2), diaries={"shop": ((10, order("S")),)})
    assert told.aside == {"S": "laptop-1 could not read it, its programs are too old"}
    assert list(told.crm) == list(told.erp) == ["S"]
    assert not told.laptop(1)


@pytest.mark.parametrize("where", ["office", "shop"])
def test_an_order_of_others_that_an_operator_took_out_is_set_aside_by_its_name(where):
    """The checks knew the names of orders of laptops only."""
    told = tell(
        *([do(10, "create_order", order("X"))] if where == "office" else []),
        diaries={"shop": ((10, order("X")),)} if where == "shop" else {},
        crm=OPERATOR,
        erp={"poisons": (Poison("X", "delete LUW"),), **OPERATOR},
    )
    assert told.aside == {"X": "an operator of erp took it out of its queue"}
    assert list(told.crm) == list(told.laptop(1)) == ["X"]
    assert not told.erp


def test_an_order_of_the_office_whose_bdoc_nobody_looks_after_is_set_aside_by_its_name():
    told = tell(
        do(10, "create_order", order("X")),
        crm={"breakages": (Breakage(Context.MO1, hours(9), hours(12)),)},
    )
    assert told.aside == {"X": "its BDoc is in the error list of crm, and nobody looks after it"}
    assert list(told.crm) == ["X"]
    assert not told.laptop(1)
    assert not told.erp


# What goes to the ERP, and in which order


def test_two_bdocs_processed_again_late_send_the_newest_version_once():
    """Both read the order as it stood by then, so version 2 was sent twice."""
    told = tell(
        do(25, "change_order", OrderEdit("A", items=((1, (("unit_price", Decimal(3)),)),))),
        diaries={1: ((16, order("A", "C1", FREE)),)},
        crm={
            "operator_s": Constant(36_000.0),
            "breakages": (Breakage(Context.MO1, hours(17), hours(24)),),
        },
    )
    queued = [e for e in told.result.journal.select("enqueued") if e.actor == "crm"]
    to_erp = [e.subject for e in queued if str(e.detail["queue"]).startswith("R3AU_")]
    assert to_erp == ["order 0005000000 v2"]
    assert told.erp["A"].items[0].unit_price == told.laptop(1)["A"].items[0].unit_price == 3


@pytest.mark.parametrize("where", ["office", "shop"])
def test_two_changes_of_an_order_that_is_being_distributed_keep_their_order(where):
    """The first was put off longer than the second, and overwrote it."""
    wishes = (10, order("S")), (10.02, edit("S", text="old")), (10.15, edit("S", text="NEW"))
    verbs = ("create_order", "change_order", "change_order")
    office = [do(wish[0], verb, wish[1]) for wish, verb in zip(wishes, verbs, strict=True)]
    told = tell(
        do(9.5, "fault", Outage("erp", under_way="hold"), for_=minutes(36)),
        *(office if where == "office" else []),
        diaries={"shop": wishes} if where == "shop" else {},
    )
    assert told.forbidden == [("S", AGAIN)]
    assert [held["S"].text for held in (told.crm, told.erp, told.laptop(1))] == ["NEW"] * 3
    assert told.crm["S"].version == 3


def test_a_channel_gives_up_to_change_what_waits_for_a_person():
    """It asked for ever, and quiet was never reached."""
    told = tell(
        diaries={1: ((9, order("A")),), "phone": ((33, edit("A", text="x")),)},
        crm=OPERATOR,
        erp={"poisons": (Poison("A", "delete LUW"),), **OPERATOR},
    )
    assert told.forbidden == [("A", AGAIN)]
    assert told.crm["A"].text == ""
    assert list(told.aside) == ["A"]


def test_an_order_that_becomes_provisional_after_it_was_booked_is_not_shipped():
    told = tell(
        diaries={1: ((9, order("A")), (33, edit("A", is_provisional=True)))},
        erp={"ship_days": {"A": 2}},
    )
    assert told.erp["A"].delivery_block
    assert not list(told.result.journal.select("shipped"))
    assert told.crm["A"].is_provisional


# References and prices


def test_the_office_cannot_write_two_orders_of_one_name():
    """The second got the identity of the first, and a number of its own."""
    milk = OrderItem("milk", 1, Decimal(1))
    told = tell(do(9, "create_order", order("A")), do(10, "create_order", order("A", "C2", milk)))
    assert told.forbidden == [("A", TAKEN)]
    assert [i.product for i in told.crm["A"].items] == ["tea"]
    assert len(told.result.simulation.store("crm").table("orders")) == 1


def test_an_order_of_a_channel_whose_name_is_taken_is_forbidden_aloud():
    """It vanished without a word."""
    told = tell(diaries={"shop": ((9, order("A")),), "phone": ((33, order("A", "C2")),)})
    assert told.forbidden == [("A", TAKEN)]
    assert told.crm["A"].customer == told.erp["A"].customer == "C1"


def test_a_list_price_that_is_no_number_is_refused_when_it_is_published():
    """A laptop died of it a day later, when a rep wrote an order at list prices."""
    with pytest.raises(BadValue, match="the price of 'tea' is 'cheap'; write a number"):
        tell(
            do(9, "publish_in_erp", "prices", {"tea": "cheap"}),
            diaries={1: ((33, order("A", at_list_prices=True)),)},
        )


# What moved, and what goes with it


def test_a_note_that_moved_to_another_visit_is_deleted_with_that_one():
    told = tell(
        do(10, "change", "note", "N", parent="V1"),
        diaries={2: ((33, drop("V1")),)},
        records={**TWO_VISITS, ("note", "N"): {"parent": "V2", "text": "n"}},
        laptops=2,
    )
    assert told.sites_of("note", "N") == told.sites_of("activity", "V1") == []
    assert told.sites_of("activity", "V2") == ["cdb", "crm", "laptop-1", "laptop-2"]


def test_a_note_that_moved_away_does_not_die_with_its_former_visit():
    told = tell(
        do(10, "change", "note", "N", parent="V1"),
        diaries={2: ((33, drop("V2")),)},
        records={**TWO_VISITS, ("note", "N"): {"parent": "V2", "text": "n"}},
        laptops=2,
    )
    assert told.sites_of("activity", "V2") == []
    assert told.sites_of("note", "N") == ["cdb", "crm", "laptop-1", "laptop-2"]
    assert told.record("laptop-2", "note", "N") == {"parent": "V1", "text": "n"}


def test_a_note_that_is_deleted_after_its_visit_moved_does_not_rise_in_the_cdb():
    """Its end overtook its beginning, which still waited in the queue of the former customer."""
    told = tell(
        *(do(16, "change", "contact", f"K{n}", parent="C1", name="x") for n in (1, 2, 3)),
        do(16.05, "change", "note", "N", parent="V1", text="n"),
        do(16.1, "change", "activity", "V1", parent="C2"),
        diaries={1: ((12, drop("V1")),)},
        records=TWO_VISITS,
        crm={"distribution_s": Constant(3_600.0), "work_processes": 4},
    )
    assert told.sites_of("note", "N") == told.sites_of("activity", "V1") == []
    assert told.sites_of("contact", "K3") == ["cdb", "crm", "laptop-1"]


def test_a_contract_that_moved_is_drawn_on_by_its_new_customer_alone():
    told = tell(
        do(10, "change", "contract", "K1", parent="C2"),
        diaries={1: ((33, order("A", "C1")), (33.5, order("B", "C2")))},
        records={("contract", "K1"): {"parent": "C1", "products": "tea"}},
    )
    assert {name: one.contract for name, one in told.crm.items()} == {"A": "", "B": "K1"}
    assert {name: one.contract for name, one in told.erp.items()} == {"A": "", "B": ""}, "plain"


def test_an_order_that_had_to_choose_is_not_accused_when_a_contract_moves_away():
    contract = {"parent": "C1", "products": "tea"}
    told = tell(
        do(33, "change", "contract", "K1", parent="C2", status="closed"),
        diaries={1: ((9, order("A")),)},
        records={("contract", "K1"): contract, ("contract", "K2"): contract},
    )
    assert told.errors("A") == ("several contracts fit: K1, K2",)
    assert not told.erp


def test_an_order_that_names_no_contract_of_its_customer_contains_an_error():
    told = tell(
        diaries={1: ((9, order("A", contract="nonsense")),)},
        records={("contract", "K2"): {"parent": "C1", "products": "tea"}},
    )
    assert told.errors("A") == ("contract nonsense is not open, or not the customer's",)
    assert not told.erp


# What is refused, and what the office must not do


def test_who_wants_to_create_what_others_have_is_not_shown_theirs():
    """The before-image brought somebody else's customer to the laptop, for good."""
    told = tell(
        diaries={2: ((9, RecordEdit("create", "customer", "C3", (("name", "x"),), "T")),)},
        laptops=2,
    )
    assert told.inbox(2) == [("customer C3", "there is a customer C3 already, another")]
    assert told.sites_of("customer", "C3") == ["cdb", "crm", "erp", "laptop-1"]
    assert told.record("crm", "customer", "C3")["name"] == "name of C3"


def test_a_creation_that_was_refused_because_it_is_there_leaves_what_is_there():
    told = tell(
        do(8.5, "change", "activity", "V3", parent="C1", type="visit", subject="office"),
        diaries={1: ((9, visit("V3")),)},
    )
    assert told.inbox(1) == [("activity V3", "there is an activity V3 already, another")]
    assert told.record("laptop-1", "activity", "V3")["subject"] == "office"


def test_two_changes_of_what_somebody_has_deleted_are_both_in_the_inbox():
    """The first refusal took the second change away, and its author heard nothing of it."""
    told = tell(
        do(8.9, "deactivate_site", "laptop-2"),
        do(25, "activate_site", "laptop-2"),
        diaries={
            1: ((9, drop("V1")),),
            2: (
                (9, rewrite("activity", "V1", subject="b")),
                (9.5, rewrite("activity", "V1", reason="c")),
            ),
        },
        records=TWO_VISITS,
        laptops=2,
    )
    assert told.inbox(2) == [("activity V1", GONE)] * 2
    assert told.sites_of("activity", "V1") == []


@pytest.mark.parametrize("fields", [{"subject": "new"}, {"subject": "new", "parent": "C1"}])
def test_the_office_cannot_raise_the_dead(fields):
    """The visit rose again as its own first version, or the run ended with an exception."""
    told = tell(
        do(33, "change", "activity", "V1", **fields),
        diaries={1: ((9, drop("V1")),)},
        records=TWO_VISITS,
    )
    assert told.forbidden == [("activity V1", GONE)]
    assert told.sites_of("activity", "V1") == []


def test_the_office_cannot_change_the_type_of_an_activity_either():
    told = tell(do(33, "change", "activity", "V1", type="call"), records=TWO_VISITS)
    reason = "the type of an activity cannot change once it has been transferred"
    assert told.forbidden == [("activity V1", reason)]
    assert told.record("laptop-1", "activity", "V1")["type"] == "visit"


def test_the_office_cannot_hang_a_note_on_a_visit_that_crm_does_not_know():
    """When the visit came, the work about the note went into another queue."""
    told = tell(
        do(20.94, "change", "note", "N", parent="V1", text="x"),
        diaries={1: ((20.76, visit("V1")), (62.5, drop("V1")))},
    )
    assert told.forbidden == [("note N", "CRM knows no activity V1")]
    assert told.sites_of("note", "N") == told.sites_of("activity", "V1") == []


@pytest.mark.parametrize(
    "step",
    [
        do(15, "change", "activity", "V1", parent="C2"),
        do(20.5, "extract", "laptop-2"),
    ],
    ids=["moved", "extracted"],
)
def test_what_a_rep_has_deleted_does_not_come_back_with_an_older_save(step):
    """It was still on its way to him when his deletion was confirmed, and stayed for good."""
    told = tell(
        step,
        diaries={2: ((12, drop("V1")),)},
        records=TWO_VISITS,
        laptops=2,
        crm={"distribution_s": Constant(18_000.0)},
    )
    assert told.sites_of("activity", "V1") == []
    assert not told.inbox(2)


# What the checks used to accuse wrongly


def test_own_fields_are_gone_when_an_opportunity_has_left_and_comes_back():
    told = tell(
        do(33, "change", "customer", "C1", parent="U"),
        do(57, "change", "customer", "C1", parent="T"),
        diaries={2: ((9, rewrite("opportunity", "O", authority="boss")),)},
        records={("opportunity", "O"): {"parent": "C1", "phase": "first"}},
        laptops=2,
    )
    assert told.record("laptop-2", "opportunity", "O") == {"parent": "C1", "phase": "first"}
    assert "authority" not in told.record("crm", "opportunity", "O")


def test_a_release_by_the_clerk_is_no_change_that_a_rep_could_have_overwritten():
    told = tell(
        do(17.05, "create_order", order("X")),
        diaries={1: ((20, edit("X", text="x")),)},
        crm={
            "clerk": ClerkHabits(opens=hours(1), working_days=7),
            "policies": Policies(conflict=ConflictPolicy.DOCUMENT),
        },
    )
    assert told.crm["X"].text == told.erp["X"].text == told.laptop(1)["X"].text == "x"
    assert not told.inbox(1)


def test_a_line_taken_out_on_top_of_a_refused_change_is_refused_too():
    """The line that was taken out was missed in what the laptop shows after the first refusal."""
    coffee = OrderItem("coffee", 6, Decimal(1))
    told = tell(
        do(33, "change_order", OrderEdit("B", items=((2, (("quantity", 9),)),))),
        diaries={
            2: (
                (9.1, order("B", "C1", TEA, coffee)),
                (34, OrderEdit("B", items=((2, (("quantity", 5),)),))),
                (34.5, OrderEdit("B", removed=(2,))),
            )
        },
        laptops=2,
    )
    assert told.inbox(2) == [("B", "somebody else has changed all of it meanwhile")] * 2
    assert [i.quantity for i in told.laptop(2)["B"].items] == [5, 9]
    assert told.laptop(2)["B"].items == told.erp["B"].items


def test_on_a_new_disk_an_order_may_follow_a_customer_that_was_written_there():
    created = RecordEdit("create", "customer", "NC", (("name", "a"),), "T")
    told = tell(
        do(33, "crash", "laptop-2", down=hours(1), wipe=True),
        diaries={1: ((9, order("A", "NC")),), 2: ((57, created),)},
        laptops=2,
    )
    assert told.sites_of("customer", "NC") == ["cdb", "crm", "erp", "laptop-1", "laptop-2"]
    assert list(told.laptop(2)) == list(told.erp) == ["A"]


def test_somebody_else_may_use_the_key_of_a_private_appointment():
    told = tell(
        diaries={1: ((9, visit("V1", is_private=True)),), 2: ((9, visit("V1", "C2")),)},
        laptops=2,
    )
    assert told.record("crm", "activity", "V1")["parent"] == "C2"
    saves = told.result.journal.select("saved")
    assert [e.actor for e in saves] == ["laptop-2"]


def test_with_a_queue_for_each_customer_an_order_may_change_and_then_move():
    """The ERP still knew the former customer when the move came to it in the queue of the new."""
    per_customer = {"queue_key": QueueKey.PER_PARENT}
    told = tell(
        diaries={1: ((9, order("A")), (33, edit("A", text="x")), (57, edit("A", customer="C2")))},
        crm=per_customer,
        erp=per_customer,
    )
    queued = [e for e in told.result.journal.select("enqueued") if e.actor == "erp"]
    queues = [e.detail["queue"] for e in queued if str(e.detail["queue"]).startswith("R3AU_SALES")]
    assert queues == ["R3AU_SALESDO_C1", "R3AU_SALESDO_C1", "R3AU_SALESDO_C2"]
    assert (told.erp["A"].customer, told.erp["A"].text) == ("C2", "x")


@pytest.mark.parametrize("fields", [{"phase": "first"}, {"worth": ""}])
def test_who_writes_in_the_office_what_is_there_already_has_changed_nothing(fields):
    """A change that a rep made meanwhile was taken over, which is right, and CRM was accused."""
    (name,) = fields
    told = tell(
        do(14, "change", "opportunity", "O", **fields),
        diaries={1: ((11, rewrite("opportunity", "O", **{name: "x"})),)},
        records={("opportunity", "O"): {"parent": "C1", "phase": "first"}},
    )
    assert told.record("crm", "opportunity", "O")[name] == "x"
    assert not told.inbox(1)


def test_a_rep_who_empties_what_is_empty_has_changed_nothing():
    told = tell(
        do(13, "lock_user", "laptop-1"),
        do(25, "unlock_user", "laptop-1"),
        diaries={
            1: ((12, rewrite("opportunity", "O", worth="x")),),
            2: ((9, rewrite("opportunity", "O", worth="")),),
        },
        records={("opportunity", "O"): {"parent": "C1", "phase": "first"}},
        laptops=2,
    )
    assert told.record("laptop-2", "opportunity", "O")["worth"] == "x"
    assert not told.inbox(1)


def test_a_note_is_deleted_after_its_visit_went_to_another_customer():
    """Its end lay in the queue of the new customer, as it should, and was taken for a mix-up."""
    written = RecordEdit("create", "note", "N", (("name", "n"), ("text", "t")), "V1")
    told = tell(
        do(33, "change", "activity", "V1", parent="C2"),
        diaries={1: ((9, written), (57, RecordEdit("delete", "note", "N")))},
        records=TWO_VISITS,
    )
    assert told.sites_of("note", "N") == []
    assert told.record("laptop-1", "activity", "V1")["parent"] == "C2"


def test_a_visit_that_was_deleted_before_it_came_to_the_cdb_never_comes_there():
    """Its first BDoc, processed again late, found nothing to pass on, and was right to end so."""
    told = tell(
        diaries={1: ((9, visit("V1")), (20, drop("V1")))},
        crm={"breakages": (Breakage(Context.MO1, hours(17), hours(34)),), **OPERATOR},
    )
    assert told.sites_of("activity", "V1") == []
    assert told.result.simulation.store("crm").get("cdb records", ("activity", "V1")) is None
