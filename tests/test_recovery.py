"""BDocs that end in an error, and people who have them processed again."""

from collections import Counter
from decimal import Decimal
from functools import partial

import attrs
import pytest
from attrs import frozen

from crmsim import ALL_CHECKS, Result, judge, load_scenario, scenario
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks import bdocs
from crmsim.errors import BadValue
from crmsim.formats.bdoc import Task, segments_of
from crmsim.lab.settings import setting
from crmsim.middleware.flow import Breakage, Context, answered, begin, handed_over, repaired, step
from crmsim.middleware.status import BDocEvent, BDocState
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.online.recovery import OwnServices, Recovery
from crmsim.qrfc.wire import Guarantees
from crmsim.sync.conflict import ConflictPolicy, resolve
from crmsim.systems.people import Worklist
from crmsim.trace.kinds import NOTED
from crmsim.units import days, hours, minutes

from .stories import event, fired, rejudge

TEA = OrderItem("tea", 3, Decimal("2.50"))
MORE_TEA = attrs.evolve(TEA, quantity=5)
SALT = OrderItem("salt", 1, Decimal("0.40"))


@frozen
class Settings:
    context: Context = setting(Context.SO1, "where a program is broken")
    begins: int = setting(0, "from which hour on", low=0)
    hours_broken: int = setting(24, "for how long", low=1)
    twice: bool = setting(False, "whether two people press a button")
    operator: bool = setting(True, "whether somebody looks after the error list")
    worklist: Worklist = setting(Worklist.OLDEST_FIRST, "how the list is worked off")
    newest_stays: bool = setting(True, "whether what is newer is protected")
    crash: bool = setting(False, "whether CRM crashes while the list is waiting")


def order(name: str, *items: OrderItem, version: int = 1) -> SalesOrder:
    return SalesOrder("", name, "1", "customer", items, version)


DIARY = (
    DiaryEntry(hours(9), order("A-1", TEA)),
    DiaryEntry(hours(10), order("A-2", TEA)),
    DiaryEntry(days(2), order("A-1", MORE_TEA, version=2)),
    DiaryEntry(days(3), order("A-3", TEA, SALT)),
    DiaryEntry(days(4), order("A-1", MORE_TEA, SALT, version=3)),
)
"""Day 0: two orders. Day 2 and 4: the first one is corrected. The programs break on day 0."""


@scenario(Settings, checks=ALL_CHECKS)
async def broken_program(land, settings):
    """What becomes of BDocs that a broken program fails on?"""
    begins_ns = hours(settings.begins)
    land.guarantees = Guarantees(newest_stays=settings.newest_stays)
    land.add_crm(
        breakages=(
            Breakage(settings.context, begins_ns, begins_ns + hours(settings.hours_broken)),
        ),
        operator_s=Constant(days(3) / 1e9) if settings.operator else None,
        worklist=settings.worklist,
    )
    land.add_erp(wan(), ship_days={"A-1": 20, "A-2": 20, "A-3": 20})
    land.add_station("station", wan())
    field = gprs(dial_up=True)
    land.add_laptop(
        "laptop", field, rep="1", station="station", habits=Habits(working_days=7), diary=DIARY
    )
    land.check()
    if settings.crash:
        land.at(days(2), partial(land.crash, "crm", down=minutes(5)))
    if settings.twice:
        land.at(days(2), press_twice, land)
    await land.run(days(25))
    await land.settle()


def press_twice(land) -> None:
    crm = land.simulation.actor("crm")
    name = next(iter(land.simulation.store("crm").table("error list")))
    for what in ("set processed", "reprocess"):
        crm.recovered(Recovery(name, what), None)


def run(**settings: object) -> Result:
    return broken_program.run(seed=1, **{name: str(value) for name, value in settings.items()})


def actions(result: Result) -> Counter[str]:
    return Counter(str(e.detail["action"]) for e in result.journal.select("administered"))


def states(result: Result, end: str) -> list[str]:
    return [e.subject for e in result.journal.select("flowed") if e.detail["states"][-1] == end]


CODES = {Context.SI0: "E05", Context.MI0: "E04", Context.MO1: "E06", Context.SO1: "E09"}


@pytest.mark.parametrize("context", CODES, ids=str)
def test_what_a_broken_program_fails_on_is_processed_again_by_a_person(context):
    result = run(context=context.value)
    assert result.held, result.findings
    assert len(states(result, CODES[context])) >= 2
    assert actions(result)["reprocess"] >= 2
    assert not result.simulation.store("crm").table("error list")
    booked = {e.subject for e in result.journal.select("booked")}
    assert booked >= {"A-2", "A-3"}


@pytest.mark.parametrize("context", CODES, ids=str)
def test_what_nobody_looks_after_is_set_aside_by_name_and_not_judged(context):
    result = run(context=context.value, operator="off")
    assert result.held, result.findings
    assert result.quiet.is_quiet
    names = {one.name for one in result.quiet.documents_aside}
    assert {"A-1", "A-2"} <= names
    assert "A-3" not in names
    assert len(result.simulation.store("crm").table("error list")) >= 2


def test_an_error_frees_the_queue_so_the_next_change_overtakes():
    """E09 leaves the queue of its customer; a dump there would have kept A-3 and A-1 waiting."""
    result = run()
    replicated = [
        (e.subject, e.detail["save"]) for e in result.journal.select("replicated", actor="crm")
    ]
    assert replicated.index(("A-3", 1)) < len(replicated) - 1
    assert not list(result.journal.select("failed", actor="crm"))


def test_reprocessing_puts_an_old_state_over_a_newer_one_unless_it_is_prevented():
    guarded, unguarded = run(), run(newest_stays="off")
    assert judge(guarded.simulation, bdocs.NEWEST_STAYS).held
    verdict = judge(unguarded.simulation, bdocs.NEWEST_STAYS)
    assert verdict.violations >= 1
    assert "the CDB went back from save" in verdict.evidence[0].text
    chain = unguarded.journal.causes(verdict.first_event)
    assert any(e.kind == "administered" for e in chain), "the evidence leads to the person's act"


def test_a_late_upload_is_refused_when_a_newer_version_is_there():
    """v2 of A-1 gets stuck, v3 comes through, then v2 is processed again."""
    guarded = run(context="SI0", begins=40, hours_broken=20)
    assert guarded.held, guarded.findings
    [refused] = guarded.journal.select("rejected")
    assert refused.detail["reason"] == "a later change of it by laptop is stored already"
    unguarded = run(context="SI0", begins=40, hours_broken=20, newest_stays="off")
    verdict = judge(unguarded.simulation, bdocs.NEWEST_STAYS)
    assert "was taken over after a later change of it" in verdict.evidence[0].text


def test_what_builds_on_a_change_that_got_stuck_is_refused_and_its_author_told():
    """v1 of A-1 gets stuck, so CRM does not know the order when v2 comes."""
    result = run(context="SI0")
    assert result.held, result.findings
    reasons = [str(e.detail["reason"]) for e in result.journal.select("rejected")]
    assert reasons == ["CRM knows no such order"]


@pytest.mark.parametrize(
    ("worklist", "done"),
    [
        (Worklist.OLDEST_FIRST, ["reprocess"]),
        (Worklist.NEWEST_FIRST, ["reprocess"]),
        (Worklist.NEWEST_ONLY, ["reprocess", "set processed"]),
        (Worklist.TICK_OFF, ["set processed"]),
    ],
    ids=str,
)
def test_operators_work_off_the_list_in_their_own_way(worklist, done):
    result = run(worklist=worklist.value)
    assert result.held, result.findings
    assert sorted(actions(result)) == done
    first = next(result.journal.select("administered"))
    sbdoc = {e.subject: e.number for e in result.journal.select("flowed")}
    assert first.subject in sbdoc
    if worklist is Worklist.TICK_OFF:
        ended = states(result, "F03")
        assert len(ended) == 2 * actions(result)["set processed"], "each with its mBDoc"
        assert not result.quiet.documents_aside, "later work has brought the CDB what it lacked"


def test_newest_first_begins_with_the_newest():
    def firsts(worklist: Worklist) -> list[str]:
        found = run(worklist=worklist.value).journal.select("administered")
        return [e.subject for e in found]

    oldest, newest = firsts(Worklist.OLDEST_FIRST), firsts(Worklist.NEWEST_FIRST)
    assert oldest[0] == newest[-1]
    assert oldest == newest[::-1]


def test_the_error_list_survives_a_crash_and_its_operator_hears_of_it_again():
    result = run(crash="on")
    assert result.held, result.findings
    assert list(result.journal.select("restarted", actor="crm"))
    assert actions(result)["reprocess"] >= 2


def test_a_bdoc_comes_off_the_list_once_only():
    """A second person who presses the same button is told so, and nothing runs twice."""
    result = run(operator="off", twice="on")
    first, second = result.journal.select("administered")
    assert first.subject == second.subject
    assert first.detail["action"] == "set processed"
    assert second.detail["action"] == "reprocess: refused, it is not in the list"
    assert first.subject not in result.simulation.store("crm").table("bdocs")
    assert judge(result.simulation, bdocs.RECOVERED_ONCE).held


def test_a_program_that_stays_broken_is_given_up_in_the_end():
    result = run(context="SO1", hours_broken=24 * 40)
    assert actions(result)["set processed"] >= 1
    assert result.quiet.is_quiet
    assert result.held, result.findings


def test_an_mbdoc_waits_for_the_cdb_that_its_sbdoc_did_not_reach():
    result = run()
    trails = {}
    for e in result.journal.select("flowed"):
        trails.setdefault(e.subject, []).extend(e.detail["states"])
    failed = [name for name, trail in trails.items() if "E09" in trail]
    assert failed
    for name in failed:
        assert name.endswith(" to the CDB")
        mbdoc = trails[name.removesuffix(" to the CDB")]
        assert "E02" in mbdoc
        assert mbdoc[-1] == "F04"


# --- the story ---


def late(**settings: object) -> Result:
    return load_scenario("scenarios/reprocess_late.py").run(seed=1, **settings)


def test_the_story_of_the_list_that_is_worked_off_late():
    guarded = late().must_hold().metrics
    assert guarded["failed"] > 50
    assert guarded["processed_again"] == guarded["failed"]
    assert guarded["orders_that_went_back"] == guarded["still_on_the_list"] == 0
    soon, later = (late(newest_stays="off", reaction=after).metrics for after in ("2h", "90h"))
    assert later["still_back_at_the_end"] > soon["still_back_at_the_end"]
    assert later["orders_that_went_back"] > 10


def test_the_story_where_only_the_newest_is_processed_again():
    metrics = late(newest_stays="off", worklist="newest only").metrics
    assert metrics["set_to_processed"] > 10
    assert metrics["orders_that_went_back"] > 10, "what overtook them is not on the list"


# --- what a customer adds ---


def test_a_customer_adds_calls_of_his_own_to_the_flow():
    seen = []

    def remember(context: Context):
        def service(change, bdoc) -> None:
            change.note(NOTED, f"{context.value} {type(bdoc).__name__}", guid=bdoc.guid)
            seen.append(context)

        return service

    services = {context: remember(context) for context in (Context.SI1, Context.SOA, Context.SOB)}

    @scenario(Settings, checks=ALL_CHECKS)
    async def with_own(land, settings):
        """Are the calls of one's own made?"""
        land.add_crm(own_services=services)
        land.add_erp(wan())
        land.add_station("station", wan())
        diary = (DIARY[0], DiaryEntry(hours(11), order("empty")))
        field = gprs(dial_up=True)
        land.add_laptop("laptop", field, rep="1", station="station", habits=Habits(), diary=diary)
        land.check()
        await land.run(days(2))
        await land.settle()

    result = with_own.run(seed=1)
    noted = Counter(event.subject for event in result.journal.select("noted"))
    assert noted == {"SI1 SyncBDoc": 2, "SOA MessageBDoc": 2, "SOB Rejection": 1}
    with pytest.raises(BadValue, match="MO1 takes no services of one's own; these do: SI1, SOA"):
        OwnServices({Context.MO1: remember(Context.MO1)})


# --- pure rules ---


def broken(context: Context = Context.SO1, **more: object) -> Breakage:
    return attrs.evolve(Breakage(context, hours(1), hours(2)), **more)


def test_a_breakage_hits_its_context_in_its_time_and_its_share():
    half = broken(share=0.5)
    assert half.hits(Context.SO1, hours(1), 0.49)
    assert not half.hits(Context.SO1, hours(1), 0.51)
    assert not half.hits(Context.SO1, hours(2), 0.0), "it works again"
    assert not half.hits(Context.SO1, hours(1) - 1, 0.0)
    assert not half.hits(Context.MO1, hours(1), 0.0)


@pytest.mark.parametrize(
    ("context", "begins", "ends", "told"),
    [
        (Context.SO2, 0, 1, "SO2 cannot break off; these can: SI0, MI0, MO1, MO2, MO3, SO1"),
        (Context.SO1, 5, 5, "from one moment to a later one"),
        (Context.SO1, -1, 5, "from one moment to a later one"),
    ],
)
def test_a_breakage_that_makes_no_sense_is_refused(context, begins, ends, told):
    with pytest.raises(BadValue, match=told):
        Breakage(context, begins, ends)


def test_a_bdoc_is_repaired_when_its_last_failure_is():
    record = step(begin("b", "G", 1, Context.MO1), BDocEvent.STEPPED, BDocEvent.SAVED_FOR_UPDATE)
    stuck = answered(handed_over(record, ("erp", "cdb")), "cdb", is_ok=False)
    assert stuck.state is BDocState.RECEIVER_ERROR
    waiting = repaired(stuck, "cdb")
    assert waiting.state is BDocState.SENT_TO_RECEIVERS, "the ERP has not answered yet"
    assert answered(waiting, "erp", is_ok=True).state is BDocState.CONFIRMED_BY_ALL
    both = answered(stuck, "erp", is_ok=False)
    assert repaired(both, "cdb").state is BDocState.RECEIVER_ERROR
    assert repaired(repaired(both, "cdb"), "erp").state is BDocState.CONFIRMED_BY_ALL
    with pytest.raises(BadValue, match="did not fail at 'erp'"):
        repaired(stuck, "erp")


def test_a_change_of_an_item_that_never_arrived_does_not_fit():
    tea, salt = attrs.evolve(TEA, line="a.1"), attrs.evolve(SALT, line="a.2")
    one, two = order("A", tea), order("A", tea, salt)
    three = attrs.evolve(two, items=(tea, attrs.evolve(salt, quantity=9)))
    later = segments_of(two, three)

    def why_not(held, segments):
        return resolve(ConflictPolicy.FIELD_MERGE, held, {}, 1, "laptop", segments).reason

    assert why_not(two, later) is None
    assert "item a.2 is unknown" in str(why_not(one, later))
    assert why_not(one, segments_of(two, one)) is None, "it is out already"
    assert why_not(one, segments_of(one, two)) is None
    assert segments_of(one, two)[0].task is Task.INSERT


# --- the checks fire ---


@pytest.mark.fires(bdocs.NEWEST_STAYS)
def test_an_older_state_that_replaces_a_newer_one():
    def commit(version: int, number: int):
        return event("committed", number=number, guid="G", version=version, message=f"m{version}")

    def replicate(save: int, number: int):
        return event("replicated", number=number, guid="G", version=1, save=save)

    check = bdocs.NEWEST_STAYS
    assert fired(rejudge(check, [commit(2, 1), commit(1, 2)]), "went back from version 2 of x")
    assert fired(rejudge(check, [replicate(3, 1), replicate(2, 2)]), "went back from save 3 of x")
    assert rejudge(check, [commit(1, 1), commit(2, 2), replicate(1, 3), replicate(1, 4)]).held
    saves = [
        event("saved", actor="a", message=f"m{place}")._replace(
            detail={"message": f"m{place}", "number": place}
        )
        for place in (1, 2)
    ]
    assert rejudge(check, [*saves, commit(1, 1), commit(2, 2)]).held
    swapped = [commit(2, 1), event("committed", guid="G", version=3, message="m1")]
    assert fired(rejudge(check, [*saves, *swapped]), "m1 was taken over after a later change")


@pytest.mark.fires(bdocs.RECOVERED_ONCE)
def test_a_bdoc_that_is_recovered_twice_or_after_it_was_written_off():
    def act(what: str, number: int):
        return event("administered", subject="b", number=number, queue="", action=what)

    def flow(*codes: str, number: int):
        return event("flowed", subject="b", number=number, states=codes)

    check = bdocs.RECOVERED_ONCE
    twice = [act("reprocess", 1), flow("I02", number=2), act("reprocess", 3)]
    assert fired(rejudge(check, twice), "was recovered again")
    back = [act("reprocess", 1), flow("I03", "E09", number=2), act("reprocess", 3)]
    assert rejudge(check, back).held
    late = [act("set processed", 1), flow("F03", number=2), flow("I02", number=3)]
    assert fired(rejudge(check, late), "was set to processed by event 1 and still went to I02")
