"""What people do to queues and lists at awkward moments, and what waits for them in the end."""

from collections import Counter
from decimal import Decimal

import attrs
import pytest
from attrs import frozen

from crmsim import ALL_CHECKS, Landscape, Result, judge, load_scenario, scenario
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks import bdocs, queues
from crmsim.kernel.durable import CrashAt, CrashPoint
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.qrfc.partner import Poison
from crmsim.systems.people import Worklist
from crmsim.systems.setup import Policies
from crmsim.units import days, hours, minutes, seconds

from .stories import event, fired, rejudge

TEA = OrderItem("tea", 3, Decimal("2.50"))


@frozen
class NoSettings:
    pass


def entry(day, name, customer="c", version=1, quantity=3, hour=9) -> DiaryEntry:
    items = (attrs.evolve(TEA, quantity=quantity),)
    order = SalesOrder("", name, "1", customer, items, version)
    return DiaryEntry(int(days(day) + hours(hour)), order)


def story(diary, plan=(), *, crm=None, erp=None, end=6, check=ALL_CHECKS) -> Result:
    """Run the story of one rep; `plan` is (hour, what to call with the landscape)."""

    @scenario(NoSettings, checks=check)
    async def one_rep(land, chosen):
        """What happens?"""
        land.add_crm(**(crm or {}))
        land.add_erp(wan(), **({"ship_days": {}} | (erp or {})))
        land.add_station("station", wan())
        habits = Habits(working_days=7)
        field = gprs(dial_up=True)
        land.add_laptop("laptop", field, rep="1", station="station", habits=habits, diary=diary)
        land.check()
        for hour, act in plan:
            land.at(int(hours(hour)), act, land)
        await land.run(days(end))
        await land.settle(days(30))

    return one_rep.run(seed=1)


def when(status: str, what: str, site: str = "erp"):
    """Do something to the first queue of a site that is seen in a state."""

    def look(land) -> None:
        for row in land.monitor(site):
            if row.side == "inbound" and row.status.value == status:
                land.administer(site, what, row.queue)
                return
        if land.now_ns < days(5):
            land.at(land.now_ns + seconds(10), look, land)

    return look


def must_hold(result: Result) -> None:
    assert result.held, result.findings


def aside(result: Result) -> set[str]:
    return {one.name for one in result.quiet.documents_aside}


# --- parking ---


def test_parked_changes_keep_their_order_though_one_comes_while_another_is_released():
    diary = (
        entry(0, "A", hour=1),
        entry(0, "A", version=2, quantity=4),
        entry(0, "A", version=3, quantity=5, hour=10),
        entry(1, "A", version=4, quantity=6, hour=1),
    )
    slow = {"service_s": Constant(24 * 3600.0 - 2_700), "ship_days": {"A": 30}}
    patient = {"service_s": Constant(1_800.0), "policies": Policies(park_limit=days(30))}
    result = story(diary, crm=patient, erp=slow, end=40)
    must_hold(result)
    versions = [e.detail["version"] for e in result.journal.select("committed")]
    assert versions == [1, 2, 3, 4]


def test_a_call_of_ones_own_is_made_once_however_often_a_change_is_parked():
    calls: Counter[str] = Counter()

    def count(change, bdoc) -> None:
        calls[bdoc.message] += 1

    diary = (
        entry(0, "A"),
        entry(0, "A", version=2, quantity=7, hour=10),
        entry(0, "A", version=3, quantity=8, hour=11),
    )
    must_hold(story(diary, crm={"own_services": {Context.SI1: count}}))
    assert set(calls.values()) == {1}
    assert len(calls) == 3


# --- reprocessing behind a move to another customer ---

MOVES = (
    *(entry(0, "A", "old"), entry(0, "B", "new"), entry(1, "A", "new", 2, 4)),
    *(entry(2, "C", "new"), entry(2, "D", "old")),
)


def test_work_that_stood_in_two_queues_is_processed_again():
    broken = Breakage(Context.MO1, days(1), days(1) + hours(20))
    crm = {"breakages": (broken,), "operator_s": Constant(10_800.0)}
    result = story(MOVES, crm=crm, erp={"ship_days": {"A": 9}}, end=12)
    must_hold(result)
    assert {e.subject for e in result.journal.select("booked")} == set("ABCD")


@pytest.mark.parametrize("work_s", [0.05, 72_000.0])
def test_what_is_processed_again_stands_behind_the_work_of_its_new_customer(work_s):
    crm = {
        "breakages": (Breakage(Context.SO1, 0, days(2)),),
        "operator_s": Constant(29 * 3600.0),
        "distribution_s": Constant(work_s),
        "work_processes": 4,
    }
    diary = (entry(0, "A", "old"), entry(2, "A", "new", 2, 4))
    must_hold(story(diary, crm=crm, erp={"ship_days": {"A": 3}}, end=25))


# --- locks ---


def test_a_queue_that_ran_empty_while_it_was_locked_can_be_unlocked():
    def unlock(land) -> None:
        assert land.monitor("erp") == []
        land.administer("erp", "unlock", "R3AU_SALESDO0005000000")

    diary = (entry(0, "A"), entry(2, "A", version=2, quantity=5))
    slow = {"service_s": Constant(600.0), "operator_s": Constant(3_600.0), "ship_days": {"A": 9}}
    result = story(diary, [(10, when("RUNNING", "lock")), (30, unlock)], erp=slow, end=12)
    must_hold(result)
    assert len(list(result.journal.select("booked"))) == 2


def test_a_head_that_waits_for_a_process_does_not_begin_once_it_is_locked():
    diary = (entry(0, "A", hour=1), entry(0, "B", hour=1))
    slow = {"service_s": Constant(1_200.0), "work_processes": 1}
    result = story(diary, [(7, when("SYSLOAD", "lock"))], erp=slow)
    must_hold(result)
    assert judge(result.simulation, queues.BLOCKED_UNTIL_HELPED).held
    [name] = aside(result)
    assert "its queue in erp is locked" in result.quiet.documents_aside[0].reason
    assert not list(result.journal.select("booked", subject=name))


def test_a_lock_outlives_a_dump_and_the_operator_is_refused_while_it_lasts():
    slow = {
        "service_s": Constant(1_200.0),
        "operator_s": Constant(3_600.0),
        "poisons": (Poison("A"),),
    }
    locked = [(7, when("RUNNING", "lock"))]
    result = story((entry(0, "A", hour=1),), locked, erp=slow)
    must_hold(result)
    assert aside(result) == {"A"}
    slow["operator_s"] = Constant(12 * 3600.0)
    later = [(10, when("SYSFAIL", "lock")), (100, when("STOP", "unlock"))]
    result = story((entry(0, "A", hour=1),), later, erp=slow)
    must_hold(result)
    actions = [str(e.detail["action"]) for e in result.journal.select("administered")]
    assert actions[:3] == ["lock", "activate: refused, the queue is STOP", "unlock"]
    assert list(result.journal.select("booked")), "unlocked, dumped, alerted and activated"


@pytest.mark.fires(queues.BLOCKED_UNTIL_HELPED)
def test_something_that_begins_in_a_locked_queue():
    def step(kind, number, **more):
        return event(kind, "erp", "A1", number, queue="A", serial=1, **more)

    lock, begin = step("administered", 1, action="lock"), step("begun", 3)
    check = queues.BLOCKED_UNTIL_HELPED
    assert fired(rejudge(check, [lock, begin]), "which was in STOP since event 1")
    dumped = [lock, step("failed", 2, reason="SYSFAIL"), begin]
    assert fired(rejudge(check, dumped), "which was in STOP since event 1")
    refused = step("administered", 2, action="activate: refused, the queue is STOP")
    assert fired(rejudge(check, [lock, refused, begin]), "STOP")
    assert rejudge(check, [lock, step("administered", 2, action="unlock"), begin]).held


def test_activating_work_that_was_put_off_begins_it_at_once():
    diary = (entry(0, "A"), entry(0, "A", version=2, quantity=7, hour=10), entry(0, "B", hour=11))
    result = story(
        diary,
        [(10, when("RETRY", "activate", "crm"))],
        crm={"policies": Policies(on_lock=OnLock.RETRY)},
        erp={"service_s": Constant(1_800.0), "ship_days": {"A": 9}},
        end=12,
    )
    must_hold(result)
    [helped] = result.journal.select("administered")
    begun = list(result.journal.select("begun", subject=helped.subject))
    assert any(helped.time_ns <= e.time_ns <= helped.time_ns + minutes(0.01) for e in begun)


# --- what waits for a person in the end ---


@pytest.mark.parametrize("on_lock", list(OnLock), ids=str)
@pytest.mark.parametrize("how", ["stuck", "ticked off"])
def test_all_comes_to_rest_though_a_lock_is_never_lifted(on_lock, how):
    diary = (entry(0, "A"), entry(1, "A", version=2, quantity=4), entry(2, "B"))
    crm: dict = {"policies": Policies(on_lock=on_lock)}
    erp: dict = {}
    if how == "stuck":
        erp["poisons"] = (Poison("A"),)
    else:
        crm["breakages"] = (Breakage(Context.MO1, 0, days(1)),)
        crm |= {"operator_s": Constant(3_600.0), "worklist": Worklist.TICK_OFF}
    result = story(diary, crm=crm, erp=erp)
    must_hold(result)
    assert "A" in aside(result)
    assert ("B" in aside(result)) is (on_lock is OnLock.RETRY), "behind it in the laptop's queue"


@pytest.mark.parametrize("worklist", list(Worklist), ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_uploads_that_failed_are_named_even_if_nobody_holds_the_order_any_more(worklist, seed):
    late = load_scenario("scenarios/reprocess_late.py")
    late.run(seed=seed, program="uploads", worklist=worklist.value).must_hold()


def test_an_order_is_judged_again_once_later_work_has_made_good_what_was_ticked_off():
    late = load_scenario("scenarios/reprocess_late.py")
    result = late.run(seed=1, worklist="newest only").must_hold()
    assert result.metrics["set_to_processed"] > 10
    assert aside(result) == set()


def test_a_refusal_of_what_came_through_after_all_leaves_nothing_to_decide():
    diary = (
        entry(0, "A"),
        entry(2, "A", version=2, quantity=4, hour=0),
        entry(4, "A", version=3, quantity=5),
    )
    crm = {
        "breakages": (Breakage(Context.SI0, hours(40), hours(60)),),
        "operator_s": Constant(3 * 86_400.0),
    }
    result = story(diary, crm=crm, erp={"ship_days": {"A": 20}}, end=25)
    must_hold(result)
    assert len(list(result.journal.select("rejected"))) == 1
    assert aside(result) == set()


def test_a_publication_that_was_ticked_off_is_named_and_not_judged():
    crm = {
        "breakages": (Breakage(Context.MO2, 0, days(3)),),
        "operator_s": Constant(3_600.0),
        "worklist": Worklist.TICK_OFF,
    }

    def publish(land) -> None:
        land.publish("prices", {"tea": "2.50"})

    result = story((entry(0, "A"),), [(10, publish)], crm=crm)
    must_hold(result)
    assert "publication prices" in aside(result)
    again = story((entry(0, "A"),), [(10, publish), (100, publish)], crm=crm)
    must_hold(again)
    assert aside(again) == set(), "the next one has brought everybody what was missing"


def test_a_publication_that_is_lost_in_a_crash_is_published_again():
    def crash_and_publish(land) -> None:
        land.simulation.plan_crash(
            CrashAt("crm", CrashPoint.BEFORE_COMMIT, land.now_ns, minutes(5))
        )
        land.publish("prices", {"tea": "2.50"})

    result = story((entry(0, "A"),), [(30, crash_and_publish)])
    must_hold(result)
    assert list(result.journal.select("crashed", actor="crm"))
    assert len(result.simulation.store("laptop").table("masters")) == 1


def test_what_a_person_gave_up_is_not_confirmed_by_all():
    crm = {
        "breakages": (Breakage(Context.SO1, 0, days(2)),),
        "operator_s": Constant(3_600.0),
        "worklist": Worklist.TICK_OFF,
    }
    result = story((entry(0, "A"),), crm=crm)
    must_hold(result)
    ends = {
        e.subject: e.detail["states"][-1]
        for e in result.journal.select("flowed")
        if e.subject.startswith("save ")
    }
    assert set(ends.values()) == {"F03"}
    assert "A" in aside(result)


@pytest.mark.fires(bdocs.BDOC_RECEIVERS)
def test_a_bdoc_that_is_confirmed_though_the_cdb_never_got_it():
    told = {"guid": "G", "version": 1, "open": (), "failed": (), "context": "MO1"}
    done = event("flowed", subject="b", number=2, states=("O01", "F04"), **told)
    stored = event("replicated", number=1, guid="G", version=1, save=1)
    assert fired(rejudge(bdocs.BDOC_RECEIVERS, [done]), "but not in the CDB")
    assert rejudge(bdocs.BDOC_RECEIVERS, [stored, done]).held


# --- the check of the backlog sees through what has nothing to do with it ---


@pytest.mark.parametrize("trouble", ["down for good", "restarts daily", "is paused"])
def test_other_peoples_trouble_excuses_no_backlog(trouble, monkeypatch):
    retry = OutboundQueues.retry
    monkeypatch.setattr(
        OutboundQueues, "retry", lambda self, due: retry(self, due) if due.attempt < 3 else None
    )

    def begin(land) -> None:
        if trouble == "down for good":
            land.simulation.site("laptop").crash()
        elif trouble == "is paused":
            land.simulation.site("laptop").pause()
        else:
            for day in range(2, 6):
                land.at(days(day), land.simulation.site("laptop").crash)
                land.at(days(day) + hours(1), land.simulation.site("laptop").restart)

    def cut(land) -> None:
        land.at(land.now_ns, Outage("erp", under_way="drop"), for_=hours(30))

    result = story((entry(0, "A"),), [(12, cut), (24, begin)], check=())
    verdict = judge(result.simulation, queues.BACKLOG_DRAINS)
    assert fired(verdict, "still waits for the ERP")


# --- without memory ---


@pytest.mark.parametrize("seed", range(2, 7))
def test_without_memory_the_order_book_still_comes_to_its_end(seed):
    result = load_scenario("scenarios/order_book.py").run(seed=seed, dedup="off")
    assert result.error is None or isinstance(result.error, AssertionError), result.error
    assert not result.held


def test_of_several_things_that_slow_a_server_down_the_worst_one_counts(plain_simulation):
    land = Landscape(plain_simulation)
    land.add_crm()
    land.add_erp(wan())
    seen = []

    async def story(_: object) -> None:
        erp = plain_simulation.actor("erp")
        land.slow_down("erp", factor=3.0, lasts=minutes(3))
        land.slow_down("erp", factor=30.0, lasts=minutes(2))
        land.slow_down("erp", factor=3.0, lasts=minutes(1))
        for _ in range(5):
            seen.append(erp.slowness)
            await land.run(minutes(1))

    plain_simulation.tell(story)
    assert seen == [30.0, 30.0, 3.0, 1.0, 1.0]
