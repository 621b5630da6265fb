"""Who checks whether there is enough, what is promised, and what if nobody answers?"""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.applications.atp import Promise, Supply, schedule_of, supply_at, under_promise
from crmsim.applications.exchange import SalesExchange, SalesScenario
from crmsim.applications.logistics import Logistics, Stock
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind
from crmsim.business.schedule import Confirmed, Wanted, last_day, unconfirmed
from crmsim.checks import backend, distribution
from crmsim.checks.erp import atp as checks
from crmsim.erp.orders import ErpOrder
from crmsim.errors import BadValue, ForbiddenLink
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.network.faults import NthMessage, Outage, Partition
from crmsim.online.atp import OnApoDown
from crmsim.online.orders import ConfirmAfter
from crmsim.systems.setup import Policies
from crmsim.units import days, hours, milliseconds, minutes, seconds

from .stories import event, fired, rejudge
from .telling import FREE, Told, do, edit, order, tell
from .test_document_checks import judged

STOCK = Stock(pieces=8, refill=10, refill_after=days(2))
ALL = {"logistics": Logistics(lead=hours(20), stock=STOCK)}
AWAY = do(8, "fault", Outage("apo", under_way="drop"), for_=hours(20))
MORE = OrderEdit("A", items=((1, (("quantity", 7),)),))
LESS = OrderEdit("A", items=((1, (("quantity", 2),)),))


def story(*steps, stock: Stock = STOCK, **more) -> Told:
    """Rep 1 writes order A of five pieces of tea, unless the story has other diaries."""
    more.setdefault("diaries", {1: ((9, order("A")),)})
    return tell(*steps, apo={"stock": stock}, erp=ALL, **more)


def under(policy: OnApoDown, *steps, **more) -> Told:
    return story(*steps, crm={"policies": Policies(on_apo_down=policy, **more)})


def rows(told: Told, kind: str, *names: str) -> list[tuple]:
    """(order, named details ...) of each event of a kind."""
    found = told.result.journal.select(kind)
    return [(one.subject, *(one.detail[name] for name in names)) for one in found]


def document(told: Told, reference: str, site: str = "crm") -> OrderDocument:
    found = told.result.simulation.store(site).table("orders").values()
    return next(r.document for r in found if r.document.order.reference == reference)


def promised(told: Told) -> dict[str, int]:
    """Number of an order -> pieces of tea that the planning system keeps for it in the end."""
    found = {}
    for number, held in told.result.simulation.store("apo").table("promises").items():
        found[number] = sum(one.pieces for one in dict(held).get("tea", ()))
    return {number: pieces for number, pieces in found.items() if pieces}


def booked(told: Told, reference: str) -> ErpOrder:
    rows_ = told.result.simulation.store("erp").table("orders").values()
    return next(row for row in rows_ if row.order.reference == reference)


def confirmed(told: Told, reference: str) -> list[tuple[int, int]]:
    """(pieces, day) in CRM, after a look whether the laptop and the ERP have the same."""
    schedule = document(told, reference).schedule
    assert booked(told, reference).order.schedule == schedule
    assert document(told, reference, "laptop-1").schedule == schedule
    return [(one.pieces, one.day) for one in schedule]


def sent(told: Told, name: str) -> int:
    return sum(one.detail["message"] == name for one in told.result.journal.select("sent"))


# --- the rule ---


def test_what_is_there_is_promised_for_today_and_the_rest_out_of_the_next_refill():
    supply, held = under_promise(Supply(3, 3), (), 5, STOCK, days(1))
    assert held == (Promise(3, days(1)), Promise(2, days(3)))
    assert supply == Supply(0, 13, coming=8, comes_ns=days(3))
    supply, other = under_promise(supply, (), 20, STOCK, days(2))
    assert other == (Promise(8, days(3)),), "what the next refill does not cover, nobody promises"
    supply, held = under_promise(supply, held, 4, STOCK, days(2))
    assert held == (Promise(3, days(1)), Promise(1, days(3))), "what comes last is given back first"
    assert supply_at(supply, days(3)) == Supply(1, 13)


def test_a_schedule_says_which_line_gets_what_and_when():
    items = (Wanted("a", "tea", 4), Wanted("b", "tea", 3), Wanted("c", "cup", 1))
    schedule = schedule_of(items, {"tea": (Promise(5, 0), Promise(1, days(2)))})
    assert schedule == (Confirmed("a", 4, 0), Confirmed("b", 1, 0), Confirmed("b", 1, 2))
    assert (last_day(schedule), last_day(())) == (2, -1)
    wanted = [OrderItem(one.product, one.pieces, Decimal(1), line=one.line) for one in items]
    assert unconfirmed(wanted, schedule) == 2


@given(
    st.integers(0, 20),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 40)), max_size=30),
)
def test_nothing_is_promised_that_is_not_there_and_nothing_gets_lost(pieces, refill, checks_made):
    stock = Stock(pieces, refill, hours(20))
    supply, held, now_ns = Supply(pieces, pieces), {}, 0
    for number, wanted, later in checks_made:
        now_ns += hours(later)
        before = held.get(number, ())
        supply, held[number] = under_promise(supply, before, wanted, stock, now_ns)
        mine = sum(one.pieces for one in held[number])
        assert mine <= wanted
        assert min(supply.there, supply.coming) >= 0
        all_of_them = sum(one.pieces for promises in held.values() for one in promises)
        assert all_of_them + supply.there + supply.coming == supply.ever
        assert mine == wanted or supply.there == supply.coming == 0, "no less than possible"
        assert all(one.from_ns <= now_ns + hours(20) for one in held[number])


# --- the way of an order ---


def test_an_order_is_checked_before_it_goes_to_the_erp_and_leaves_on_its_day():
    told = story(diaries={1: ((9, order("A")), (10, order("B")))})
    assert confirmed(told, "A") == [(5, 0)]
    assert confirmed(told, "B") == [(3, 0), (2, 2)]
    assert [row[1:] for row in rows(told, "shipped", "planned", "day")] == [(1, 1), (2, 2)]
    assert [row[1] for row in rows(told, "checked", "outcome")] == ["answered"] * 2
    assert rows(told, "checked", "version") == [("A", 1), ("B", 1)]


def test_two_orders_for_the_last_piece():
    told = story(
        stock=Stock(1, 1, days(2)),
        laptops=2,
        diaries={
            1: ((9, order("A", "C1", OrderItem("tea", 1, Decimal(2)))),),
            2: ((9, order("B", "C1", OrderItem("tea", 1, Decimal(2)))),),
        },
    )
    days_of = sorted(confirmed(told, name)[0] for name in "AB")
    assert [pieces for pieces, _ in days_of] == [1, 1]
    assert days_of[1][1] == days_of[0][1] + 2, "the second one gets that of the refill"


def test_without_a_planning_system_nobody_asks():
    told = tell(diaries={1: ((9, order("A")),)}, erp=ALL)
    assert sent(told, "AtpRequest") == 0
    assert not rows(told, "checked")
    assert document(told, "A").fate is Fate.SHIPPED


def test_quotations_and_what_contains_errors_are_not_asked_about():
    quotation = order("Q", kind=SalesKind.QUOTATION)
    told = story(diaries={1: ((9, quotation), (9, order("E", "C1", FREE)))})
    assert sent(told, "AtpRequest") == 0
    assert not promised(told)
    priced = OrderEdit("E", items=((1, (("unit_price", Decimal(3)),)),))
    told = story(do(30, "change_order", priced), diaries={1: ((9, order("E", "C1", FREE)),)})
    assert [row[0] for row in rows(told, "promised")] == ["E"]
    assert document(told, "E").fate is Fate.SHIPPED


def test_there_is_one_planning_system_and_it_needs_a_crm():
    land = load_scenario("scenarios/apo_outage.py")
    with pytest.raises(BadValue, match="asked by CRM alone"):
        tell(apo={"stock": STOCK, "crm": "other"})
    topology = land.build(land.settings())
    assert topology.sites("apo") == ["apo"]
    assert list(topology.graph.successors("apo")) == ["crm"]
    with pytest.raises(ForbiddenLink, match="one planning system or none"):
        topology.add_site("apo-2", "apo")


# --- the order changes ---


def test_a_changed_order_frees_what_it_does_not_want_any_more():
    told = story(
        do(20.5, "change_order", LESS),
        do(30, "create_order", order("B", "C1", OrderItem("tea", 6, Decimal(2)))),
    )
    assert confirmed(told, "A") == [(2, 0)]
    assert confirmed(told, "B") == [(6, 1)], "all of it is there"
    assert sorted(promised(told).values()) == [2, 6]


def test_who_wants_more_keeps_what_was_promised():
    told = story(do(20.5, "change_order", attrs.evolve(MORE, items=((1, (("quantity", 9),)),))))
    assert confirmed(told, "A") == [(8, 0), (1, 2)]


def test_a_change_of_words_is_not_checked_again():
    told = story(do(20.5, "change_order", edit("A", text="by the back door")))
    assert told.erp["A"].text == "by the back door"
    assert len(rows(told, "promised")) == 1
    assert confirmed(told, "A") == [(5, 0)]


def test_an_answer_about_an_older_version_is_ignored():
    slow = NthMessage("AtpAnswer", 1, verdict="delay", delay=hours(5))
    told = story(
        do(0, "fault", slow, for_=days(3)),
        do(9.01, "change_order", MORE),
        diaries={
            "shop": ((9, order("A")),),
            1: (),
        },
    )
    assert document(told, "A").order.items[0].quantity == 7
    versions = [version for _, version in rows(told, "checked", "version")]
    assert versions[-1] == 2
    assert sum(one.pieces for one in document(told, "A").schedule) == 7


def test_an_order_that_is_changed_while_nobody_answers_is_checked_as_it_is_by_then():
    told = story(AWAY, do(20, "change_order", LESS), do(21, "change_order", MORE))
    assert rows(told, "checked", "version", "outcome") == [("A", 3, "answered")]
    assert list(promised(told).values()) == [7]
    assert told.erp["A"].version == 3


def test_going_back_to_what_was_checked_before_is_checked_again():
    told = story(
        do(19.6, "fault", Partition("apo", "crm", one_way=True, under_way="drop"), for_=hours(2)),
        do(20, "change_order", LESS),
        do(21, "change_order", OrderEdit("A", items=((1, (("quantity", 5),)),))),
    )
    assert confirmed(told, "A") == [(5, 0)]
    assert list(promised(told).values()) == [5]


@pytest.mark.parametrize("scenario", SalesScenario)
@pytest.mark.parametrize("policy", OnApoDown)
def test_people_at_the_erp_change_an_order_that_waits_for_its_check(scenario, policy):
    """What CRM changed waits; what the ERP changes meanwhile is taken over or merged as agreed."""
    told = story(
        do(19.5, "fault", Outage("apo", under_way="drop"), for_=hours(3)),
        do(20, "change_order", MORE),
        do(20.4, "change_order_in_erp", edit("A", text="ring twice")),
        do(44, "change_order_in_erp", OrderEdit("A", items=((1, (("quantity", 6),)),))),
        crm={"policies": Policies(on_apo_down=policy)},
        exchange=SalesExchange(scenario),
    )
    order_ = told.crm["A"]
    assert order_.text == ("" if scenario is SalesScenario.DEFAULT else "ring twice")
    assert document(told, "A").schedule == booked(told, "A").order.schedule
    assert not told.result.simulation.store("crm").table("checks")


# --- nobody answers ---


def test_an_order_waits_until_the_planning_system_is_back():
    told = under(OnApoDown.WAIT, AWAY)
    [checked] = told.result.journal.select("checked")
    assert hours(28) < checked.time_ns < hours(28) + minutes(16)
    assert document(told, "A").fate is Fate.SHIPPED
    assert not told.aside


def test_an_order_is_taken_over_without_a_check():
    told = under(OnApoDown.ACCEPT, AWAY)
    assert rows(told, "checked", "outcome") == [("A", "accepted without a check")]
    assert confirmed(told, "A") == []
    assert document(told, "A").fate is Fate.SHIPPED
    [checked] = told.result.journal.select("checked")
    [committed] = told.result.journal.select("committed")
    assert minutes(1) < checked.time_ns - committed.time_ns < minutes(4)


@pytest.mark.parametrize("confirm_after", ConfirmAfter)
def test_an_order_is_cancelled_and_its_rep_hears_of_it(confirm_after):
    told = under(
        OnApoDown.REFUSE,
        AWAY,
        do(40, "change_order", MORE),
        confirm_after=confirm_after,
    )
    assert rows(told, "checked", "outcome") == [("A", "cancelled")]
    assert not told.erp
    assert document(told, "A", "laptop-1").fate is Fate.CANCELLED
    assert "was cancelled" in told.aside["A"]
    assert [why for _, why in told.forbidden] == [
        "order 0005000000 was cancelled; write another one"
    ]
    assert not promised(told)


def test_a_cancelled_order_gives_back_what_it_was_promised_unheard():
    """The question came through, but no answer did."""
    deaf = Partition("apo", "crm", one_way=True, under_way="drop")
    told = under(OnApoDown.REFUSE, do(8, "fault", deaf, for_=hours(20)))
    assert [row[1:] for row in rows(told, "promised", "check")] == [(1,), (2,)]
    assert document(told, "A").fate is Fate.CANCELLED
    assert not promised(told)
    assert told.result.simulation.store("apo").get("supplies", "tea").there == 8


def test_a_change_of_what_the_erp_has_already_is_not_cancelled():
    away = do(20, "fault", Outage("apo", under_way="drop"), for_=hours(5))
    told = under(OnApoDown.REFUSE, away, do(20.5, "change_order", MORE))
    assert [row[1:] for row in rows(told, "checked", "version")] == [(1,), (2,)]
    assert told.erp["A"].items[0].quantity == 7
    assert document(told, "A").fate is Fate.SHIPPED


def test_a_cancelled_order_that_its_rep_changes_offline_is_refused_with_the_reason():
    told = story(
        AWAY,
        crm={"policies": Policies(on_apo_down=OnApoDown.REFUSE)},
        diaries={1: ((9, order("A")), (19.5, LESS))},
    )
    assert any("was cancelled" in reason for _, reason in told.inbox(1))
    assert not told.erp


# --- trouble ---


@pytest.mark.parametrize("policy", OnApoDown)
@pytest.mark.parametrize(
    ("site", "point"),
    [
        *(("crm", point) for point in (None, *CrashPoint)),
        *(("apo", point) for point in (None, *CrashPoint) if point is not CrashPoint.DURING_IMPORT),
    ],
    ids=str,
)
def test_a_crash_between_question_and_answer_promises_nothing_twice(policy, site, point):
    begin_ns = next(iter(story().result.journal.select("promised"))).time_ns
    if point is None:
        moments = (begin_ns - milliseconds(50), begin_ns + milliseconds(1))
        steps = [do(ns / hours(1), "crash", site, down=milliseconds(20)) for ns in moments]
    else:
        before = (begin_ns - seconds(0.15)) / hours(1)
        steps = [do(before, "crash", site, down=seconds(20), point=point)]
    told = under(policy, *steps)
    assert list(told.result.journal.select("crashed", actor=site))
    assert list(promised(told).values()) == [5]
    assert document(told, "A").fate is Fate.SHIPPED


@pytest.mark.parametrize("name", ["AtpRequest", "AtpAnswer"])
@pytest.mark.parametrize("verdict", ["drop", "double", "delay"])
def test_a_message_that_is_lost_doubled_or_late_promises_nothing_twice(name, verdict):
    delay = minutes(40) if verdict == "delay" else 0
    fault = NthMessage(name, 1, verdict=verdict, delay=delay)
    told = story(do(0, "fault", fault, for_=days(3)))
    assert confirmed(told, "A") == [(5, 0)]
    assert list(promised(told).values()) == [5]
    assert len(rows(told, "promised")) == len(rows(told, "checked")) == 1
    assert sent(told, "AtpRequest") == (1 if verdict == "double" else 2)


def test_an_order_that_nobody_has_checked_is_not_at_rest():
    from crmsim.quiet.settle import what_moves

    seen: list[str] = []

    def look(land: Landscape) -> None:
        seen.extend(what_moves(land.simulation))

    story_ = load_scenario("scenarios/apo_outage.py")
    plain = story_.story

    async def watched(land: Landscape, settings: object) -> None:
        land.at("1d 23:00", look, land)
        await plain(land, settings)

    attrs.evolve(story_, story=watched).run(seed=1)
    assert any("checks are open, first of order" in one for one in seen)


# --- the judges ---

ASKED = event("committed", guid="G", version=1, items=1, subject="A")


def promise(check: int = 1, *products: tuple, **more) -> object:
    detail = {"guid": "G", "version": 1, "order": "1", "check": check, **more}
    return event("promised", actor="apo", subject="A", number=9, products=products, **detail)


TEA = ("tea", 5, 5, 8, 8)


@pytest.mark.fires(checks.PROMISES_ARE_SOUND)
@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([ASKED, promise(1, ("tea", 5, 6, 8, 8))], "promised 6 tea, and wants 5"),
        ([ASKED, promise(1, ("tea", 5, 5, 4, 8))], "5 of them now; 4 were available"),
        ([ASKED, promise(1, TEA), promise(1, TEA)], "check 1 of order A was answered anew"),
        ([ASKED, promise(1, TEA), promise(1, TEA, order="2")], "that makes 10 of 8 in all"),
        ([promise(1, TEA)], "was never stored in that version"),
        ([ASKED, promise(1, TEA, version=2)], "was never stored in that version"),
        ([ASKED._replace(detail={**ASKED.detail, "object": "quotation"}), promise(1, TEA)], "is a"),
        ([ASKED._replace(detail={**ASKED.detail, "errors": ("x",)}), promise(1, TEA)], "errors"),
        (
            [ASKED._replace(detail={**ASKED.detail, "locked": True}), promise(1, TEA)],
            "not released",
        ),
        ([ASKED._replace(detail={**ASKED.detail, "items": 0}), promise(1, TEA)], "has no item"),
        ([event("sent", actor="laptop-1", to="crm", message="AtpRequest")], "laptop-1 sent"),
        ([event("sent", actor="crm", to="erp", message="AtpAnswer")], "crm sent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_promise_that_is_not_sound_is_found(history, words):
    assert rejudge(checks.PROMISES_ARE_SOUND, [ASKED, promise(1, TEA)]).held
    assert rejudge(checks.PROMISES_ARE_SOUND, [ASKED, promise(1, TEA), promise(2, TEA)]).held
    assert fired(rejudge(checks.PROMISES_ARE_SOUND, history), words)


@pytest.mark.fires(checks.PROMISES_ARE_SOUND)
def test_crm_must_show_what_was_promised():
    told = story()
    [(number, row)] = told.result.simulation.store("crm").table("orders").items()
    less = attrs.evolve(row.document, schedule=(Confirmed(row.document.order.items[0].line, 4, 0),))
    hurt = ("crm", "orders", number, attrs.evolve(row, document=less))
    assert judged(checks.PROMISES_ARE_SOUND, told.result).held
    words = "CRM shows 4 tea as confirmed for order A, 5 tea is promised"
    assert fired(judged(checks.PROMISES_ARE_SOUND, told.result, hurt), words)
    gone = attrs.evolve(row.document, schedule=(), fate=Fate.CANCELLED)
    hurt = ("crm", "orders", number, attrs.evolve(row, document=gone))
    assert fired(judged(checks.PROMISES_ARE_SOUND, told.result, hurt), "nothing as confirmed")


@pytest.mark.fires(distribution.TRANSFERABLE_ONLY)
def test_what_goes_to_the_erp_unchecked_or_cancelled_is_found():
    saved = event("committed", guid="G", items=1, unchecked=True)
    goes = event("enqueued", queue="R3AU_1", guid="G")
    check = distribution.TRANSFERABLE_ONLY
    assert fired(rejudge(check, [saved, goes]), "before anybody has checked")
    assert rejudge(check, [saved, event("checked", guid="G", outcome="answered"), goes]).held
    cancelled = event("checked", guid="G", outcome="cancelled")
    assert fired(rejudge(check, [saved, cancelled, goes]), "though it was cancelled")


@pytest.mark.fires(backend.AGREEMENT)
def test_systems_that_show_different_dates_are_found():
    told = story()
    [(number, row)] = told.result.simulation.store("erp").table("orders").items()
    other = attrs.evolve(row.order, schedule=())
    hurt = ("erp", "orders", number, attrs.evolve(row, order=other))
    assert fired(judged(backend.AGREEMENT, told.result, hurt), "what is confirmed differs")
