"""Who may change what CRM and the ERP both have, and how they keep out of each other's way."""

from decimal import Decimal

import attrs
import pytest

from crmsim.applications.exchange import Numbers, OnErpDown, SalesExchange, SalesScenario
from crmsim.applications.logistics import Logistics
from crmsim.business.document import Fate, Owner
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind
from crmsim.chance import Constant
from crmsim.checks.distribution import LOCK_IS_KEPT, TRANSFERABLE_ONLY
from crmsim.checks.erp import exchange as checks
from crmsim.erp import editing as erp_editing
from crmsim.erp.locks import Locks
from crmsim.errors import BadValue
from crmsim.kernel.durable import CrashPoint
from crmsim.middleware.flow import Breakage, Context
from crmsim.network.faults import Outage, Partition
from crmsim.online import orders
from crmsim.online.clerk import ClerkHabits
from crmsim.online.erp_orders import ErpOrders
from crmsim.online.opening import NOT_NEEDED
from crmsim.systems import outflow
from crmsim.systems.editing import Editing
from crmsim.systems.people import Worklist
from crmsim.systems.setup import Policies
from crmsim.units import Share, days, hours, minutes, seconds

from .telling import Told, do, edit, order, tell

EACH, EITHER, TAKES = (SalesExchange(scenario) for scenario in SalesScenario)
CUP = OrderItem("cup", 2, Decimal(5))


def quantity(reference: str, pieces: int, place: int = 1) -> OrderEdit:
    return OrderEdit(reference, items=((place, (("quantity", pieces),)),))


def document(told: Told, reference: str, site: str = "crm"):
    rows = told.result.simulation.store(site).table("orders").values()
    return next(r.document for r in rows if r.document.order.reference == reference)


def at(told: Told, kind: str, **wanted: object) -> list[float]:
    """The hours of the events of a kind with some details."""
    return [
        event.time_ns / hours(1)
        for event in told.result.journal.select(kind)
        if all(event.detail.get(name) == value for name, value in wanted.items())
    ]


# --- orders that are born in the ERP ---


@pytest.mark.parametrize("exchange", [None, EACH, TAKES])
def test_an_order_of_the_erp_is_shown_in_crm_and_on_laptops_and_nobody_there_changes_it(exchange):
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        do(10, "change_order", edit("E", text="mine")),
        do(11, "change_order_in_erp", quantity("E", 7)),
        diaries={1: ((35, edit("E", text="mine too")),)},
        exchange=exchange,
    )
    why = "it belongs to the ERP; here it is only shown"
    assert told.forbidden == [("E", why)]
    assert len(at(told, "forbidden")) == 2, "in CRM, and on the laptop"
    assert document(told, "E", "laptop-1").order == told.erp["E"].as_sales_order()
    assert told.laptop(1)["E"].items[0].quantity == 7
    assert document(told, "E").owner is Owner.ERP
    assert document(told, "E").number == told.erp["E"].number


def test_what_comes_late_of_the_erp_changes_nothing():
    """The first change of two breaks off in CRM and is processed again after the second."""
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        do(10, "change_order_in_erp", quantity("E", 7)),
        do(12, "change_order_in_erp", quantity("E", 8)),
        do(9.9, "fault", Partition(("crm",), ("erp",), under_way="drop"), for_=hours(4)),
        exchange=EACH,
    )
    assert told.crm["E"].items[0].quantity == 8


@pytest.mark.parametrize("site", ["crm", "erp"])
def test_a_crash_loses_no_order_of_the_erp(site):
    told = tell(
        do(8.99, "crash", site, down=minutes(30), point=CrashPoint.BEFORE_COMMIT),
        do(9, "create_order_in_erp", order("E")),
        do(10, "crash", site, down=minutes(30)),
        do(10.2, "change_order_in_erp", quantity("E", 7)),
        exchange=EACH,
    )
    assert told.crm["E"].items[0].quantity == told.erp["E"].items[0].quantity == 7


def test_news_of_an_order_that_crm_has_not_taken_over_yet_wait_for_it():
    """What tells of the order breaks off in CRM; what tells of its delivery comes first."""
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        crm={
            "breakages": (Breakage(Context.MI0, hours(9), hours(9.5)),),
            "operator_s": Constant(20_000.0),
        },
        exchange=EACH,
        erp={"logistics": Logistics(lead=hours(2))},
    )
    assert document(told, "E", "laptop-1").fate is Fate.SHIPPED
    failed = [e for e in told.result.journal.select("flowed") if "E04" in e.detail["states"]]
    assert len(failed) >= 2


def test_a_system_that_stood_still_does_not_save_under_a_lock_that_is_over():
    told = tell(
        do(30, "change_order", edit("A", text="ours"), lasts=minutes(10)),
        do(30.1, "pause", "crm", lasts=hours(1)),
        do(30.7, "change_order_in_erp", quantity("A", 7), lasts=minutes(2)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
    )
    assert ("A", "it was open for too long; try again") in told.forbidden
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (7, "ours")


def test_what_cannot_be_is_not_written_in_the_erp():
    told = tell(
        do(8, "change_in_erp", "customer", "C2", blocked="yes"),
        do(9, "create_order_in_erp", order("E")),
        do(10, "create_order_in_erp", order("E")),
        do(11, "create_order_in_erp", order("F", "C2")),
        do(12, "change_order_in_erp", OrderEdit("E", removed=(1,))),
        do(13, "change_order_in_erp", edit("E", customer="C2")),
        do(14, "change_order_in_erp", quantity("X", 3)),
        exchange=EACH,
    )
    assert told.forbidden == [
        ("E", "there is an order of that name already"),
        ("F", "its customer is blocked"),
        ("E", "an order needs an item"),
        ("E", "its customer is blocked"),
        ("X", "the ERP knows no such order"),
    ]
    assert list(told.erp) == list(told.crm) == ["E"]


def test_what_is_delivered_nobody_changes_in_the_erp_either():
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        do(12, "change_order_in_erp", quantity("E", 7)),
        do(13, "change_order_in_erp", edit("E", customer="C2")),
        do(14, "change_order_in_erp", edit("E", text="thanks")),
        exchange=EACH,
        erp={"logistics": Logistics(lead=hours(1))},
    )
    assert [why.partition(";")[0] for _, why in told.forbidden] == [
        f"order {told.erp['E'].number}: tea is fully delivered",
        f"order {told.erp['E'].number} is delivered in part",
    ]
    assert told.crm["E"].text == "thanks"


# --- each its own ---


def test_what_the_erp_changes_of_an_order_of_crm_stays_there_until_crm_writes_over_it():
    told = tell(
        do(24, "change_order_in_erp", quantity("A", 7)),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
    )
    assert told.crm["A"].items[0].quantity == 5
    assert told.erp["A"].items[0].quantity == 7
    assert told.aside == {"A": "it was changed in erp, and CRM is not told of that"}
    told = tell(
        do(24, "change_order_in_erp", quantity("A", 7)),
        do(30, "change_order", edit("A", text="urgent")),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
    )
    assert (told.erp["A"].items[0].quantity, told.erp["A"].text) == (5, "urgent")
    assert len(at(told, "overwritten", of="erp")) == 1
    assert told.aside == {}


# --- either ---


def test_either_system_changes_an_order_and_tells_the_other():
    told = tell(
        do(24, "change_order_in_erp", quantity("A", 7)),
        do(30, "change_order", edit("A", text="urgent")),
        do(33, "create_order_in_erp", order("E")),
        do(34, "change_order", edit("E", text="ours too")),
        diaries={1: ((9, order("A")), (60, edit("E", text="mine as well")))},
        exchange=EITHER,
    )
    for name in ("A", "E"):
        assert told.crm[name] == told.erp[name].as_sales_order() == told.laptop(1)[name]
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (7, "urgent")
    assert told.crm["E"].text == "mine as well"
    assert at(told, "overwritten") == []


def test_without_locks_changes_cross_and_where_both_changed_the_same_crm_counts():
    told = tell(
        do(30, "change_order_in_erp", quantity("A", 7), lasts=minutes(2)),
        do(30, "change_order_in_erp", edit("A", text="from the ERP"), lasts=minutes(2)),
        do(30.03, "change_order", quantity("A", 9), lasts=minutes(2)),
        do(30.0, "fault", Partition(("crm",), ("erp",), under_way="drop"), for_=hours(1)),
        diaries={1: ((9, order("A")),)},
        exchange=attrs.evolve(EITHER, locks=False),
    )
    assert told.crm["A"] == told.erp["A"].as_sales_order() == told.laptop(1)["A"]
    assert told.crm["A"].items[0].quantity == 9, "both changed it"
    assert told.crm["A"].text == "from the ERP", "CRM did not"
    assert at(told, "overwritten")


def test_a_change_that_crosses_one_of_the_erp_after_the_lease_is_refused_and_merged():
    """CRM saves under its lock; the line fails, the lease ends, and the ERP changes it first."""
    told = tell(
        do(30, "change_order", quantity("A", 9), lasts=minutes(2)),
        do(30.02, "fault", Partition(("crm",), ("erp",), under_way="drop"), for_=hours(3)),
        do(31, "change_order_in_erp", edit("A", text="from the ERP"), lasts=minutes(2)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
    )
    versions = [e.detail["version"] for e in told.result.journal.select("booked")]
    assert versions == [1, 2, 3], "2 is the ERP's; CRM's own 2 was refused there"
    assert at(told, "overwritten") == []
    assert told.crm["A"] == told.erp["A"].as_sales_order() == told.laptop(1)["A"]
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (9, "from the ERP")


def test_the_refusal_of_what_was_merged_meanwhile_ends_nothing():
    """It comes when the merged order is stored already, and has not been sent yet."""
    told = tell(
        do(29.9, "change_order", quantity("A", 9), lasts=minutes(10)),
        do(30, "fault", Outage("erp", under_way="drop"), for_=hours(1)),
        do(30, "change_order_in_erp", edit("A", text="from the ERP"), lasts=seconds(1)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
        crm={"distribution_s": Constant(5.0)},
    )
    assert document(told, "A").fate is Fate.BOOKED
    assert told.crm["A"] == told.erp["A"].as_sales_order() == told.laptop(1)["A"]
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (9, "from the ERP")


# --- the ERP once it has ---


def test_an_order_becomes_the_erps_with_its_first_change_there():
    told = tell(
        do(20, "change_order", edit("A", text="still ours")),
        do(24, "change_order_in_erp", quantity("A", 7)),
        do(30, "change_order", edit("A", text="too late")),
        do(32, "change_order_in_erp", quantity("A", 8)),
        diaries={1: ((9, order("A")), (60, edit("A", text="too late as well")))},
        exchange=TAKES,
    )
    assert told.crm["A"] == told.erp["A"].as_sales_order() == told.laptop(1)["A"]
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (8, "still ours")
    assert document(told, "A").owner is Owner.ERP
    assert [name for name, _ in told.forbidden] == ["A"]


def test_what_a_laptop_changes_of_an_order_that_has_become_the_erps_is_refused():
    told = tell(
        do(34, "change_order_in_erp", quantity("A", 7)),
        diaries={1: ((9, order("A")), (33.5, edit("A", text="not sent yet")))},
        exchange=TAKES,
    )
    assert told.inbox(1) == [("A", "it belongs to the ERP; here it is only shown")]
    assert told.laptop(1)["A"] == told.crm["A"] == told.erp["A"].as_sales_order()


def test_a_change_of_crm_that_comes_after_the_erps_first_one_is_void():
    told = tell(
        do(30, "change_order", quantity("A", 9), lasts=minutes(2)),
        do(30.02, "fault", Partition(("crm",), ("erp",), under_way="drop"), for_=hours(3)),
        do(31, "change_order_in_erp", edit("A", text="ours now"), lasts=minutes(2)),
        diaries={1: ((9, order("A")),)},
        exchange=TAKES,
    )
    assert told.crm["A"] == told.erp["A"].as_sales_order() == told.laptop(1)["A"]
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (5, "ours now")


# --- locks ---


def test_an_order_is_locked_in_the_erp_while_somebody_in_crm_has_it_open():
    told = tell(
        do(30, "change_order", edit("A", text="ours"), lasts=minutes(5)),
        do(30.05, "change_order_in_erp", quantity("A", 7), lasts=minutes(2)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
    )
    assert ("A", "somebody in CRM is changing it; try again later") in told.forbidden
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (7, "ours")
    [begun], [over] = (at(told, kind, holder="erp") for kind in ("locked", "unlocked"))
    assert begun > at(told, "unlocked", holder="crm", why="saved")[0]
    assert over - begun == pytest.approx(2 / 60, abs=0.01)


def test_nobody_in_crm_opens_what_somebody_at_the_erp_has_open():
    told = tell(
        do(30, "change_order_in_erp", quantity("A", 7), lasts=minutes(15)),
        do(30.05, "change_order", edit("A", text="ours")),
        diaries={1: ((9, order("A")), (29, OrderEdit("A", added=(CUP,))))},
        exchange=EITHER,
    )
    assert ("A", "somebody at the ERP is working on it; try again later") in told.forbidden
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (7, "ours")
    assert len(told.crm["A"].items) == 2, "the change of the laptop came later"


def test_what_the_erp_has_is_not_changed_in_crm_while_it_cannot_be_asked_but_new_orders_are_taken():
    told = tell(
        do(30, "fault", Outage("erp", under_way="drop"), for_=hours(3)),
        do(31, "change_order", edit("A", text="urgent")),
        do(31, "create_order", order("B")),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
    )
    assert ("A", "the ERP cannot be asked now; try again later") in told.forbidden
    written = [e for e in told.result.journal.select("committed") if e.subject == "A"]
    assert written[-1].time_ns > hours(33)
    assert told.erp["A"].text == "urgent"
    born = next(e for e in told.result.journal.select("committed") if e.subject == "B")
    assert born.time_ns < hours(31.1)


@pytest.mark.parametrize("policy", OnErpDown)
def test_a_change_of_a_laptop_waits_for_the_erp_or_is_refused(policy):
    told = tell(
        do(31, "fault", Outage("erp", under_way="drop"), for_=hours(20)),
        diaries={1: ((9, order("A")), (32, edit("A", text="urgent")), (32.1, order("B")))},
        exchange=attrs.evolve(EACH, on_erp_down=policy),
        crm={"policies": Policies(park_limit=days(1))},
    )
    new = next(e for e in told.result.journal.select("committed") if e.subject == "B")
    assert new.time_ns < hours(51), "new orders are taken"
    if policy is OnErpDown.REJECT:
        assert told.inbox(1) == [("A", "the ERP cannot be asked now; try again later")]
        assert told.crm["A"].text == told.erp["A"].text == ""
    else:
        assert told.crm["A"].text == told.erp["A"].text == "urgent"
        assert at(told, "confirmed", site="laptop-1")[-1] > 51


def test_what_is_open_in_crm_is_neither_delivered_nor_billed():
    told = tell(
        do(30, "change_order", edit("A", text="wait"), lasts=minutes(20)),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
        erp={"logistics": Logistics(lead=hours(11.4))},
    )
    posted = at(told, "posted")
    assert posted
    assert min(posted) > at(told, "unlocked", holder="crm", why="saved")[0]


def test_a_lock_that_is_never_given_back_ends_with_its_lease():
    told = tell(
        do(30, "change_order", edit("A", text="lost"), lasts=minutes(5)),
        do(30.04, "crash", "crm", down=hours(2)),
        do(30.1, "change_order_in_erp", quantity("A", 7)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
    )
    assert at(told, "unlocked", why="lease over")
    assert (told.crm["A"].items[0].quantity, told.crm["A"].text) == (7, "lost")


def test_nobody_can_have_an_order_open_for_longer_than_the_lease():
    with pytest.raises(BadValue, match="its lock lasts 2min"):
        tell(
            do(30, "change_order", edit("A", text="slow"), lasts=minutes(3)),
            exchange=attrs.evolve(EACH, lease=minutes(2)),
        )


def test_what_is_open_when_the_answer_took_too_long_is_opened_again():
    told = tell(
        do(30, "change_order", edit("A", text="slow"), lasts=minutes(1.9)),
        do(29.99, "fault", Outage("erp", under_way="hold"), for_=seconds(36 + 15)),
        diaries={1: ((9, order("A")),)},
        exchange=attrs.evolve(EACH, lease=minutes(2)),
    )
    assert ("A", "it was open for too long; try again") in told.forbidden
    assert told.crm["A"].text == told.erp["A"].text == "slow"


def test_a_crash_of_the_erp_frees_what_people_there_had_open_and_keeps_the_locks_of_crm():
    told = tell(
        do(30, "change_order_in_erp", quantity("A", 7), lasts=minutes(20)),
        do(30.1, "crash", "erp", down=minutes(10)),
        do(31, "change_order", edit("B", text="ours"), lasts=minutes(10)),
        do(31.05, "crash", "erp", down=minutes(1)),
        diaries={1: ((9, order("A")), (9.1, order("B")))},
        exchange=EITHER,
    )
    assert at(told, "unlocked", why="crash")
    assert told.erp["A"].items[0].quantity == 7
    assert told.erp["B"].text == "ours"


def test_a_lease_is_no_shorter_than_a_minute():
    with pytest.raises(BadValue, match="a minute or more"):
        SalesExchange(lease=seconds(30))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scenario": "A"}, "scenario is 'A'; write one of SalesScenario.DEFAULT"),
        ({"on_erp_down": "wait"}, "write one of OnErpDown.PARK, OnErpDown.REJECT"),
        ({"numbers": None}, "write one of Numbers.MATCH"),
    ],
)
def test_what_is_no_way_to_share_orders_is_refused(wrong, words):
    with pytest.raises(BadValue, match=words):
        SalesExchange(**wrong)


def test_an_erp_refuses_a_share_of_orders():
    with pytest.raises(BadValue, match="a share from 0 to 1"):
        tell(erp={"refuses": Share(2.0)})


def test_how_orders_are_shared_is_said_before_the_systems_are_added():
    with pytest.raises(BadValue, match="before they are added"):
        tell(do(1, "exchange", EACH))


# --- refusals of the ERP, and who mends them ---

ALWAYS = ClerkHabits(releases=False, opens=hours(0), closes=days(1), working_days=7)


def test_what_the_erp_refuses_is_sent_again_by_the_clerk_until_it_is_taken():
    told = tell(
        diaries={1: tuple((9 + n / 100, order(f"A{n}")) for n in range(20))},
        erp={"refuses": Share(0.5)},
        crm={"clerk": ALWAYS},
    )
    reasons = [
        e.detail["reason"]
        for e in told.result.journal.select("distributed")
        if "reason" in e.detail
    ]
    assert set(reasons) == {"the ERP lacks master data for it"}
    assert len(reasons) > 5
    assert len(told.erp) + len(told.aside) == 20
    assert len(told.aside) <= 1, "2 to the power of -6"
    assert all(one.items == told.crm[name].items for name, one in told.erp.items())


def test_an_order_that_the_erp_refused_goes_there_with_the_next_save_even_if_nothing_changes():
    told = tell(
        do(24, "create_order", order("B", "C2")),
        do(23, "change_in_erp", "customer", "C2", blocked="yes"),
        do(23, "administer", "crm", "lock", "R3AD_customer C2"),
        do(40, "administer", "crm", "unlock", "R3AD_customer C2"),
        do(41, "change_in_erp", "customer", "C2", blocked="no"),
        do(50, "change_order", OrderEdit("B")),
    )
    [refused] = [e for e in told.result.journal.select("distributed") if "reason" in e.detail]
    assert refused.detail["reason"] == "its customer is blocked"
    assert told.erp["B"].version == told.crm["B"].version == 2


# --- orders that are stuck on their way ---


def test_the_report_sets_right_what_is_stuck_although_the_erp_has_it():
    """The answer of the ERP breaks off in CRM, and the operator ticks it off unread."""
    broken = Breakage(Context.MI0, hours(8), hours(20))
    steps = [
        do(30, "change_order", edit("A", text="blocked")),
        do(50, "check_distribution"),
    ]
    more = {"breakages": (broken,), "operator_s": Constant(60.0), "worklist": Worklist.TICK_OFF}
    told = tell(*steps, diaries={1: ((9, order("A")),)}, crm=more, exchange=EACH)
    assert ("A", "it is being distributed; try again later") in told.forbidden
    assert told.crm["A"].text == told.erp["A"].text == "blocked"
    written = [e for e in told.result.journal.select("committed") if e.subject == "A"]
    assert written[-1].time_ns > hours(50)


def test_the_report_lets_go_what_never_came_to_the_erp_and_the_clerk_sends_it_again():
    """The unit of work is deleted in the ERP, unread."""
    told = tell(
        do(8, "administer", "erp", "lock", "R3AU_SALESDO0005000000"),
        do(30, "administer", "erp", "delete queue", "R3AU_SALESDO0005000000"),
        do(31, "administer", "erp", "unlock", "R3AU_SALESDO0005000000"),
        do(29, "check_distribution"),
        do(40, "check_distribution"),
        diaries={1: ((9, order("A")),)},
        crm={"clerk": ALWAYS},
    )
    [lost] = [e for e in told.result.journal.select("distributed") if "reason" in e.detail]
    assert lost.detail["reason"] == "its transfer never came to an end"
    assert lost.time_ns > hours(40), "before, it stood in a queue of the ERP"
    assert told.erp["A"].items == told.crm["A"].items


# --- quotations ---


def offer(reference: str, **more: object):
    return order(reference, kind=SalesKind.QUOTATION, **more)


@pytest.mark.parametrize("is_on", [False, True])
def test_a_quotation_goes_to_the_erp_once_it_is_released_if_quotations_go_there(is_on):
    told = tell(
        do(30, "change_order", edit("Q", is_released=True)),
        diaries={1: ((9, offer("Q")),)},
        exchange=attrs.evolve(EACH, quotations=is_on),
        erp={"logistics": Logistics(lead=hours(1))},
    )
    booked = at(told, "booked", object="quotation")
    assert [hour > 30 for hour in booked] == [True] * is_on
    assert at(told, "posted") == [], "an offer is not delivered"
    assert document(told, "Q", "laptop-1").fate is (Fate.BOOKED if is_on else Fate.ACCEPTED)


@pytest.mark.parametrize("is_on", [False, True])
def test_what_follows_a_quotation_is_made_where_that_has_gone(is_on):
    told = tell(
        do(33, "create_order", order("F", preceding="Q")),
        do(34, "create_order_in_erp", order("G", preceding="Q")),
        diaries={1: ((9, offer("Q", is_released=True)), (35, order("H", preceding="Q")))},
        exchange=attrs.evolve(EACH, quotations=is_on),
    )
    why = "the quotation has gone to the ERP; what follows it is made there"
    assert ("F" in told.crm, "H" in told.crm) == (not is_on, not is_on)
    assert told.forbidden == [("F", why)] * is_on
    assert told.inbox(1) == [("H", why)] * is_on
    assert told.crm["G"].preceding == "Q"


def test_what_follows_a_quotation_of_the_erp_may_be_made_in_crm():
    told = tell(
        do(9, "create_order_in_erp", offer("Q")),
        do(10, "create_order", order("F", preceding="Q")),
        do(11, "create_order", order("N", preceding="nothing")),
        exchange=attrs.evolve(EACH, quotations=True),
    )
    assert told.erp["F"].preceding == "Q"
    assert told.forbidden == [("N", "CRM knows no such quotation")]


def test_nothing_follows_a_quotation_that_is_being_distributed():
    told = tell(
        do(30, "fault", Outage("erp", under_way="drop"), for_=hours(2)),
        do(30.1, "create_order", offer("Q", is_released=True)),
        do(31, "create_order", order("F", preceding="Q")),
        exchange=attrs.evolve(EACH, quotations=True),
    )
    assert told.forbidden == [("F", "the quotation is being distributed; try again later")]


# --- numbers ---


def test_numbers_outside_of_the_erps_range_are_refused():
    told = tell(
        diaries={1: ((9, order("A")),)}, exchange=attrs.evolve(EACH, numbers=Numbers.OUTSIDE)
    )
    assert told.erp == {}
    assert list(told.aside) == ["A"]


def test_numbers_that_the_erp_gives_itself_are_found():
    told = tell(
        diaries={1: ((9, order("A")),)},
        exchange=attrs.evolve(EACH, numbers=Numbers.RENUMBERED),
        erp={"logistics": Logistics(lead=hours(1))},
        holds=False,
    )
    assert any("number differs" in str(one) for one in told.result.findings)
    assert document(told, "A").fate is Fate.SHIPPED, "the two still understand each other"


@pytest.mark.parametrize("is_cut", [False, True])
def test_an_order_whose_number_the_other_system_has_given_too_stays_where_it_is(is_cut):
    cut = Partition(("crm",), ("erp",), under_way="drop")
    told = tell(
        *[do(8.9, "fault", cut, for_=hours(1))] * is_cut,
        do(9, "create_order", order("A")),
        do(9.01, "create_order_in_erp", order("E")),
        do(12, "create_order", order("B")),
        exchange=attrs.evolve(EACH, numbers=Numbers.OVERLAP),
        holds=not is_cut,
    )
    both = {"A", "B", "E"}
    assert (set(told.crm), set(told.erp)) == (
        (both - {"E"}, both - {"A"}) if is_cut else (both, both)
    )
    assert set(told.aside) == ({"A", "E"} if is_cut else set())
    assert any("that of two documents" in str(one) for one in told.result.findings) is is_cut


# --- each check fires ---


def findings(told: Told, check) -> list[str]:
    return [str(one) for one in told.result.findings if check.name in str(one)]


@pytest.mark.fires(checks.ERP_CHANGES_STAY)
def test_a_change_of_the_erp_that_comes_to_crm_though_each_changes_its_own_is_found(monkeypatch):
    monkeypatch.setattr(SalesExchange, "returns", lambda self, owner: True)
    told = tell(
        do(24, "change_order_in_erp", quantity("A", 7)),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
        holds=False,
    )
    assert findings(told, checks.ERP_CHANGES_STAY)


@pytest.mark.fires(checks.SHOWN_ONLY)
def test_a_change_in_crm_of_what_belongs_to_the_erp_is_found(monkeypatch):
    monkeypatch.setattr(orders, "why_only_shown", lambda document: None)
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        do(10, "change_order", edit("E", text="mine")),
        exchange=EACH,
        holds=False,
    )
    found = findings(told, checks.SHOWN_ONLY)
    assert any("was changed in CRM" in one for one in found)
    assert told.crm["E"].text == "mine"


@pytest.mark.fires(checks.SHOWN_ONLY)
def test_what_crm_does_not_show_as_the_erp_has_it_is_found(monkeypatch):
    monkeypatch.setattr(ErpOrders, "_change", lambda self, change, news, record: None)
    told = tell(
        do(9, "create_order_in_erp", order("E")),
        do(10, "change_order_in_erp", quantity("E", 7)),
        exchange=EACH,
        holds=False,
    )
    assert any("as the ERP has it" in one for one in findings(told, checks.SHOWN_ONLY))


@pytest.mark.fires(checks.ONE_SWITCH)
def test_an_order_that_changes_hands_twice_is_found(monkeypatch):
    owners = iter([Owner.ERP, Owner.CRM])
    monkeypatch.setattr(SalesExchange, "owner_after", lambda self, owner: next(owners))
    told = tell(
        do(24, "change_order_in_erp", quantity("A", 7)),
        do(26, "change_order_in_erp", quantity("A", 8)),
        diaries={1: ((9, order("A")),)},
        exchange=TAKES,
        holds=False,
    )
    assert findings(told, checks.ONE_SWITCH)


@pytest.mark.fires(checks.LOCKED_BEFORE_CHANGED)
def test_a_change_in_crm_without_a_lock_of_the_erp_is_found(monkeypatch):
    def save_at_once(self, reference, by, save, lasts_ns=0):
        save(NOT_NEEDED)

    monkeypatch.setattr(Editing, "_when_open", save_at_once)
    told = tell(
        do(30, "fault", Outage("erp", under_way="drop"), for_=hours(3)),
        do(31, "change_order", edit("A", text="urgent")),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
        holds=False,
    )
    assert findings(told, checks.LOCKED_BEFORE_CHANGED)


@pytest.mark.fires(checks.LOCKS_APART)
def test_an_order_that_is_open_on_both_sides_is_found(monkeypatch):
    monkeypatch.setattr(erp_editing.Editing, "_is_taken", lambda self, key: False)
    told = tell(
        do(30, "change_order", edit("A", text="ours"), lasts=minutes(5)),
        do(30.05, "change_order_in_erp", quantity("A", 7), lasts=minutes(10)),
        diaries={1: ((9, order("A")),)},
        exchange=EITHER,
        holds=False,
    )
    assert any("is open in" in one for one in findings(told, checks.LOCKS_APART))


@pytest.mark.fires(checks.LOCKS_APART)
def test_a_delivery_of_what_is_open_in_crm_is_found(monkeypatch):
    monkeypatch.setattr(Locks, "holder", lambda self, key: "")
    told = tell(
        do(30, "change_order", edit("A", text="wait"), lasts=minutes(20)),
        diaries={1: ((9, order("A")),)},
        exchange=EACH,
        erp={"logistics": Logistics(lead=hours(11.4))},
        holds=False,
    )
    assert any("went on in the ERP" in one for one in findings(told, checks.LOCKS_APART))


@pytest.mark.fires(checks.FOLLOW_UPS_IN_PLACE)
def test_what_follows_in_crm_a_quotation_that_has_gone_to_the_erp_is_found(monkeypatch):
    monkeypatch.setattr(orders, "why_not_follow", lambda quotation: None)
    told = tell(
        do(9, "create_order", offer("Q", is_released=True)),
        do(10, "create_order", order("F", preceding="Q")),
        exchange=attrs.evolve(EACH, quotations=True),
        holds=False,
    )
    assert findings(told, checks.FOLLOW_UPS_IN_PLACE)


@pytest.mark.fires(LOCK_IS_KEPT)
def test_what_follows_a_quotation_that_is_being_distributed_is_found(monkeypatch):
    monkeypatch.setattr(orders, "why_not_follow", lambda quotation: None)
    told = tell(
        do(30, "fault", Outage("erp", under_way="drop"), for_=hours(2)),
        do(30.1, "create_order", offer("Q", is_released=True)),
        do(31, "create_order", order("F", preceding="Q")),
        exchange=attrs.evolve(EACH, quotations=True),
        holds=False,
    )
    assert any("follows what was being" in one for one in findings(told, LOCK_IS_KEPT))


@pytest.mark.fires(TRANSFERABLE_ONLY)
def test_a_quotation_on_its_way_to_an_erp_that_takes_none_is_found(monkeypatch):
    for module in (orders, outflow):
        monkeypatch.setattr(module, "why_not_transfer", lambda document, quotations: None)
    told = tell(do(9, "create_order", offer("Q", is_released=True)), exchange=EACH, holds=False)
    assert any("none goes to the ERP" in one for one in findings(told, TRANSFERABLE_ONLY))
