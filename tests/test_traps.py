"""What everybody gets wrong about queues and BDocs at first: each with and without the mechanism.

Every test here fails when the mechanism that it names is taken out. In
`tests/test_traps_taken_out.py` it is taken out, and there are the traps that need two laptops.
"""

from decimal import Decimal

import attrs
import pytest
from attrs import frozen

from crmsim import ALL_CHECKS, Result, judge, scenario
from crmsim.applications.status import Distribution
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks import queues
from crmsim.formats.bdoc import Segment, Task, segments_of
from crmsim.lab.settings import setting
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.qrfc.partner import Poison
from crmsim.sync import importer
from crmsim.systems.setup import Policies
from crmsim.units import Duration, days, hours, minutes, seconds

from .stories import event, fired, rejudge

TEA = OrderItem("tea", 3, Decimal("2.50"))


def written(hour: float, name: str, *items: OrderItem, version: int = 1) -> DiaryEntry:
    return DiaryEntry(hours(hour), SalesOrder("", name, "1", f"of {name}", items, version))


@frozen
class Settings:
    on_lock: OnLock = setting(OnLock.PARK, "what becomes of a change of a locked order")
    park_limit: Duration = setting(days(30), "how long such a change waits at most")
    erp_away: int = setting(0, "hours for which the ERP cannot be reached", low=0)
    poison: str = setting("", "an order that the ERP cannot digest")
    crm_poison: str = setting("", "an order that CRM cannot digest")
    broken: bool = setting(False, "whether the CDB cannot be written on the second day")
    ships: int = setting(20, "day on which all is shipped", low=1)


def world(*diary: DiaryEntry):
    """Return the story of one rep and one diary; sessions at about 8 and 18 o'clock."""

    @scenario(Settings, checks=ALL_CHECKS)
    async def one_rep(land, chosen):
        """What happens to the orders of one rep?"""
        policy = RetryPolicy(first=seconds(20), most=minutes(5))
        breakages = (Breakage(Context.SO1, days(1), days(2)),) if chosen.broken else ()
        policies = Policies(on_lock=chosen.on_lock, park_limit=chosen.park_limit)
        poisons = [
            tuple(map(Poison, filter(None, [x]))) for x in (chosen.crm_poison, chosen.poison)
        ]
        land.add_crm(policy=policy, policies=policies, breakages=breakages, poisons=poisons[0])
        names = {entry.what.reference: chosen.ships for entry in diary}
        land.add_erp(wan(), policy=policy, ship_days=names, poisons=poisons[1])
        land.add_station("station", wan())
        field = gprs(dial_up=True)
        habits = Habits(working_days=7)
        land.add_laptop("laptop", field, rep="1", station="station", habits=habits, diary=diary)
        land.check()
        if chosen.erp_away:
            land.at("0d 12:00", Outage("erp", under_way="drop"), for_=hours(chosen.erp_away))
        await land.run(days(chosen.ships + 3))
        await land.settle()

    return one_rep


def run(*diary: DiaryEntry, **settings: object) -> Result:
    return world(*diary).run(seed=1, **settings)


def moment(result: Result, kind: str, subject: str) -> int:
    return next(result.journal.select(kind, subject=subject)).time_ns


# --- confirmed is not booked ---


def test_a_confirmation_says_that_crm_has_it_and_not_that_the_erp_has():
    """The ERP is away for three days; the laptop hears of its order the next morning."""
    result = run(written(9, "A", TEA), erp_away=72)
    assert result.held, result.findings
    answers = [e for e in result.journal.select("imported") if e.detail["what"] == "confirmation"]
    first = answers[0]
    assert first.time_ns < days(2) < moment(result, "booked", "A")


# --- a create that is refused ---


def test_a_change_of_a_refused_order_is_refused_too_and_its_answer_changes_nothing():
    result = run(written(9, "A"), written(10, "A", TEA, version=2), written(11, "B", TEA))
    reasons = [str(e.detail["reason"]) for e in result.journal.select("rejected")]
    assert reasons == [
        "an order without items is never transferred",
        "CRM knows no such order",
    ]
    held = result.simulation.store("laptop").table("orders").values()
    assert [local.document.order.reference for local in held] == ["B"]
    assert not list(result.journal.select("booked", subject="A"))


# --- one answer for each save ---


def test_a_refusal_of_one_save_leaves_the_next_one_on_top():
    """Three saves of one order, three answers; the second is refused, the third still stands."""
    item = attrs.evolve(TEA, line="a.1")
    order = attrs.evolve(written(1, "A", item).what, guid="G")
    base = OrderDocument(order, "1", Fate.ACCEPTED)

    def save(number: int) -> importer.Pending:
        segment = Segment("item", "a.1", Task.UPDATE, (("quantity", number),))
        return importer.Pending(f"{number}", (segment,))

    local = importer.after_save(
        importer.LocalDocument("G", "$1"), importer.Pending("1", segments_of(None, order))
    )
    both = importer.after_save(importer.after_save(local, save(2)), save(3))
    confirmed = importer.after_import(both, importer.Confirmation("1", "G", base, 1))
    refused = importer.after_import(confirmed, importer.Rejection("2", "G", "no", base, 1))
    assert refused is not None
    assert refused.pending == 1
    assert refused.document.order.items[0].quantity == 3, "what is still on its way is not wiped"
    last = importer.after_import(refused, importer.Rejection("3", "G", "no", base, 1))
    assert last is not None
    assert last.document == base


# --- a retry blocks what stands behind it ---


def test_a_change_is_not_parked_for_ever():
    """The ERP is away for three days: after two and a half hours its author is told no."""
    result = run(*LOCKED, park_limit=hours(2.5), erp_away=72)
    assert result.held, result.findings
    parked = next(result.journal.select("parked")).time_ns
    [refused] = result.journal.select("rejected")
    assert refused.detail["reason"] == "it is being distributed; try again later"
    assert hours(2.5) <= refused.time_ns - parked < hours(2.6)


LOCKED = (
    written(9, "A", TEA),
    written(32, "A", attrs.evolve(TEA, quantity=5), version=2),
    written(32.5, "B", TEA),
)
"""A is written on day 0 and changed on day 1, when it is still being distributed; B comes then."""


@pytest.mark.parametrize("on_lock", list(OnLock), ids=str)
def test_a_change_that_is_tried_again_holds_up_its_rep_and_a_parked_one_does_not(on_lock):
    result = run(*LOCKED, on_lock=on_lock, erp_away=72)
    assert result.held, result.findings
    back_ns = days(3) + hours(12)
    held_up = moment(result, "committed", "B") > back_ns
    assert held_up is (on_lock is OnLock.RETRY)
    versions = [e.detail["version"] for e in result.journal.select("committed", subject="A")]
    assert versions == ([1] if on_lock is OnLock.REJECT else [1, 2])
    reasons = {str(e.detail["reason"]) for e in result.journal.select("failed", actor="crm")}
    assert ("RETRY" in reasons) is (on_lock is OnLock.RETRY)
    if on_lock is OnLock.REJECT:
        [told] = result.journal.select("rejected")
        assert "being distributed" in str(told.detail["reason"])
        assert [one.name for one in result.quiet.documents_aside] == ["A"]


def test_a_stuck_order_in_its_own_queue_holds_up_nobody_else():
    result = run(written(9, "A", TEA), written(10, "B", TEA), poison="A")
    assert list(result.journal.select("booked", subject="B"))
    assert not list(result.journal.select("booked", subject="A"))


# --- headers alone ---


def test_an_order_that_loses_its_last_item_just_stops_being_transferable():
    result = run(written(9, "A", TEA), written(32, "A", version=2), written(33, "B", TEA))
    assert result.held, result.findings
    [record] = [
        row
        for row in result.simulation.store("crm").table("orders").values()
        if row.document.order.reference == "A"
    ]
    assert record.document.order.items == ()
    assert record.distribution is Distribution.DONE, "it stays as it was, and is not locked"
    sent = [
        e.subject
        for e in result.journal.select("enqueued", actor="crm")
        if str(e.detail["queue"]).startswith("R3AU_")
    ]
    assert len(sent) == 2, "A once, B once"
    assert [one.name for one in result.quiet.documents_aside] == ["A"]


# --- the CDB lags ---


def test_a_refusal_brings_back_what_the_cdb_holds_which_may_be_old():
    """The CDB cannot be written on day 1, so a refusal then shows the state of day 0."""
    diary = (
        written(9, "A", TEA),
        written(26, "A", attrs.evolve(TEA, quantity=5), version=2),
        written(38, "A", attrs.evolve(TEA, quantity=9), version=3),
    )
    result = run(*diary, broken="on", on_lock=OnLock.REJECT, ships=1)
    refused = list(result.journal.select("rejected"))
    assert refused
    committed = list(result.journal.select("committed", subject="A"))
    replicated = list(result.journal.select("replicated", subject="A"))
    online = max(e.detail["version"] for e in committed if e.time_ns < refused[0].time_ns)
    in_cdb = max(e.detail["version"] for e in replicated if e.time_ns < refused[0].time_ns)
    assert in_cdb < online


# --- queues do not wait for each other ---


def test_a_scheduler_that_stands_still_for_one_stuck_queue_is_found_out(monkeypatch):
    diary = [written(9, "A", TEA), *(written(33 + n / 9, f"B{n}", TEA) for n in range(9))]
    assert judge(run(*diary, poison="A").simulation, queues.ISOLATION).held
    line_up = InboundQueues._line_up

    def only_when_all_are_well(self, queue):
        if not self._actor.store.table("queue status"):
            line_up(self, queue)

    monkeypatch.setattr(InboundQueues, "_line_up", only_when_all_are_well)
    stuck = run(*diary, poison="A")
    booked = {e.subject for e in stuck.journal.select("booked")}
    assert "B0" not in booked


@pytest.mark.fires(queues.ISOLATION)
def test_a_head_that_waits_for_another_queue():
    def step(kind: str, number: int, queue: str, subject: str, **more):
        return event(kind, "erp", subject, number, queue=queue, serial=subject, **more)

    check = queues.ISOLATION
    stuck = [
        *(step("enqueued", 1, "A", "a"), step("begun", 1, "A", "a")),
        step("enqueued", 2, "B", "b"),
        step("failed", 3, "A", "a", reason="SYSFAIL"),
    ]
    assert rejudge(check, [*stuck, step("begun", 3, "B", "b")]).held
    helped = step("administered", 9, "A", "a", action="delete LUW")
    late = [*stuck, helped, step("begun", 9, "B", "b")]
    assert fired(rejudge(check, late), "b could begin in queue B of erp since")
    own = [*stuck[:2], stuck[3], step("administered", 9, "A", "a", action="activate")]
    assert rejudge(check, [*own, step("begun", 9, "A", "a")]).held, "its own help is its reason"
    behind = [
        *(step("enqueued", 1, "A", "a"), step("begun", 1, "A", "a"), step("enqueued", 2, "B", "b")),
        *(step("ended", 5, "A", "a"), step("begun", 5, "B", "b")),
    ]
    assert rejudge(check, behind).held, "a work process became free"
    put_off = [*stuck[:2], step("failed", 3, "A", "a", reason="RETRY")]
    assert rejudge(check, [*put_off, step("begun", 8, "A", "a")]).held


@pytest.mark.fires(queues.BACKLOG_DRAINS)
def test_a_sender_that_gives_up_during_an_outage_is_found_out(monkeypatch):
    diary = [written(9 + n / 9, f"A{n}", TEA) for n in range(5)]
    assert judge(run(*diary, erp_away=30).simulation, queues.BACKLOG_DRAINS).held
    retry = OutboundQueues.retry

    def gives_up(self, due):
        if due.attempt < 3:
            retry(self, due)

    monkeypatch.setattr(OutboundQueues, "retry", gives_up)
    verdict = judge(run(*diary, erp_away=30).simulation, queues.BACKLOG_DRAINS)
    assert fired(verdict, "still waits for the ERP, though nothing holds it up since 1d 18:00")
