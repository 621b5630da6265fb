"""The traps of `tests/test_traps.py` again, with their mechanisms taken out: then runs go wrong.

Those that need two laptops are here altogether: what a laptop holds until it calls again, whose
queue a contact goes through, and what becomes of a laptop that subscribes to nothing.
"""

from collections.abc import Callable
from decimal import Decimal

import attrs
import pytest

from crmsim import Result
from crmsim.applications import guards
from crmsim.business.sales import OrderItem
from crmsim.chance import Exponential
from crmsim.checks import distribution, queues
from crmsim.checks.laptops import answers, documents, replication
from crmsim.formats.answer import Rejection
from crmsim.formats.bdoc import Removal
from crmsim.lab.landscape import Landscape
from crmsim.middleware.flow import OnLock
from crmsim.middleware.queue import QueueKey, QueueStatus
from crmsim.middleware.replication import RrQueue
from crmsim.mobile import imports
from crmsim.mobile.rep import DiaryEntry
from crmsim.online import orders
from crmsim.online.answers import Answers
from crmsim.qrfc.inbound import Outcome
from crmsim.replication import realignment, receivers
from crmsim.sync.importer import LocalDocument
from crmsim.systems import outflow
from crmsim.systems.enterprise import CrmEnterprise
from crmsim.units import hours

from .test_complaints import at, times
from .test_complaints import run as two_reps
from .test_traps import TEA, run, written

FREE = OrderItem("tea", 3, Decimal(0))
Patch = pytest.MonkeyPatch


def names(result: Result) -> set[str]:
    """Return the checks that found something."""
    return {text.partition(":")[0] for text in result.findings}


def committed(result: Result) -> list[str]:
    return [event.subject for event in result.journal.select("committed")]


# --- an error frees the queue, a dump blocks it ---


def test_a_refusal_frees_the_queue_of_a_laptop_and_a_dump_blocks_it():
    refused = run(written(9, "A"), written(10, "B", TEA))
    assert committed(refused) == ["B"]
    dumped = run(written(9, "A", TEA), written(10, "B", TEA), crm_poison="A")
    assert dumped.held, dumped.findings
    assert committed(dumped) == []
    assert [one.name for one in dumped.quiet.documents_aside] == ["A", "B"]


def test_a_refusal_that_blocks_the_queue_is_found_out(monkeypatch):
    plain = CrmEnterprise._trouble

    def trouble(self, luw):
        is_empty = getattr(luw.body, "segments", None) is not None and not [
            one for one in luw.body.segments if one.name == "item"
        ]
        return Outcome.DUMPED if is_empty else plain(self, luw)

    monkeypatch.setattr(CrmEnterprise, "_trouble", trouble)
    assert committed(run(written(9, "A"), written(10, "B", TEA))) == []


def test_a_dump_that_does_not_block_its_queue_is_found_out(monkeypatch):
    monkeypatch.setattr(QueueStatus, "needs_person", property(lambda self: False))
    result = run(written(9, "A", TEA), written(10, "B", TEA), crm_poison="A")
    assert queues.BLOCKED_UNTIL_HELPED.name in names(result)


# --- one run for each trap, and how to take its mechanism out ---


def answered_when_booked(patch: Patch) -> None:
    """A laptop hears of its order only when the ERP has it."""
    plain = Answers.confirm

    def confirm(self, change, bdoc, document, save, overruled=()):
        if document is None or bdoc.object != "order" or document.fate.name == "BOOKED":
            plain(self, change, bdoc, document, save, overruled)

    patch.setattr(Answers, "confirm", confirm)


def refused_creations_stay(patch: Patch) -> None:
    """A laptop keeps what CRM never accepted."""
    plain = imports.after_import

    def after(local, content):
        known = plain(local, content)
        return local if known is None and isinstance(content, Rejection) else known

    patch.setattr(imports, "after_import", after)


def second_refusal_makes_it_anew(patch: Patch) -> None:
    """The answer to a change of what is gone brings it back."""
    plain = imports.after_import

    def after(local, content):
        if local is None and isinstance(content, Rejection):
            return LocalDocument(content.guid, "$", object="activity")
        return plain(local, content)

    patch.setattr(imports, "after_import", after)


def a_refusal_wipes_all(patch: Patch) -> None:
    """A refusal takes all unanswered changes away, not only its own."""
    plain = imports.after_import

    def after(local, content):
        known = plain(local, content)
        if known is not None and isinstance(content, Rejection):
            known = attrs.evolve(known, changes=(), upload=0)
        return known

    patch.setattr(imports, "after_import", after)


def errors_go_down(patch: Patch) -> None:
    """Orders with errors are sent to all laptops as well."""
    plain = outflow.Outflow._write_cdb

    def write(self, change, bdoc):
        plain(self, change, attrs.evolve(bdoc, document=attrs.evolve(bdoc.document, errors=())))

    patch.setattr(outflow.Outflow, "_write_cdb", write)


def errors_are_transferred(patch: Patch) -> None:
    """The ERP gets orders with errors too."""
    for module in (orders, outflow):
        patch.setattr(module, "why_not_transfer", lambda document, **_: None)


def errors_are_refused(patch: Patch) -> None:
    """CRM refuses an order with errors, as if the message had failed."""
    plain = guards.why_not_create

    def why_not(order, customer):
        return plain(order, customer) or (guards.errors_of(order) or (None,))[0]

    patch.setattr(orders, "why_not_create", why_not)


def online_is_the_before_image(patch: Patch) -> None:
    """A refusal brings what CRM Online has, not what the CDB has."""

    def image(self, guid):
        store = self._actor.store
        record = store.get("orders", store.get("numbers", guid))
        return record.document, int(store.get("saves", record.document.number))

    patch.setattr(orders.Orders, "_before_image", image)


def alone(*diary, **settings) -> Callable[[], Result]:
    """Return the run of one rep with such a diary."""
    return lambda: run(*diary, **settings)


def in_pairs(*diary) -> Callable[[], Result]:
    """Return the run of two reps who share everything; one of them writes."""
    return lambda: two_reps(*diary)


CHANGED = (
    written(9, "A", TEA),
    written(33, "A", attrs.evolve(TEA, quantity=5), version=2),
    written(34, "A", attrs.evolve(TEA, quantity=6), version=3),
)
WITH_ERRORS = attrs.evolve(written(9, "A", FREE).what, customer="C1")


@pytest.mark.parametrize(
    ("story", "take_out", "found_by"),
    [
        (
            alone(written(9, "A", TEA), erp_away=72),
            answered_when_booked,
            answers.ANSWERED_ONCE,
        ),
        (
            alone(written(9, "A"), written(10, "A", TEA, version=2)),
            refused_creations_stay,
            answers.REFUSED_LEAVES_NOTHING,
        ),
        (
            in_pairs(at(9, "create", "V2", "C1", type="visit"), at(10, "change", "V2", place="x")),
            second_refusal_makes_it_anew,
            answers.REFUSED_LEAVES_NOTHING,
        ),
        (
            alone(*CHANGED, on_lock=OnLock.REJECT, erp_away=72),
            a_refusal_wipes_all,
            answers.COUNTERS_ARE_TRUE,
        ),
        (
            in_pairs(DiaryEntry(hours(9), WITH_ERRORS)),
            errors_go_down,
            documents.ERRORS_STAY_UP,
        ),
        (
            alone(written(9, "A", FREE)),
            errors_are_transferred,
            distribution.TRANSFERABLE_ONLY,
        ),
        (
            alone(written(9, "A", TEA), written(32, "A", version=2)),
            errors_are_transferred,
            distribution.TRANSFERABLE_ONLY,
        ),
    ],
    ids=[
        "confirmed is not booked",
        "a create that is refused",
        "the answer to its change",
        "one answer for each save",
        "saved with errors, not sent down",
        "saved with errors, not transferred",
        "headers alone",
    ],
)
def test_without_its_mechanism_a_check_finds_the_trap(story, take_out, found_by, monkeypatch):
    right = story()
    assert right.held, right.findings
    take_out(monkeypatch)
    wrong = story()
    assert found_by.name in names(wrong), wrong.findings


# --- saved with errors ---


def test_saved_with_errors_is_success_for_the_message_and_not_for_the_document(monkeypatch):
    result = run(written(9, "A", FREE))
    assert result.held, result.findings
    assert len(times(result, "confirmed")) == 1
    assert not times(result, "rejected")
    assert not times(result, "booked")
    [local] = result.simulation.store("laptop").table("orders").values()
    assert (local.pending, local.refusal, local.base.errors) == (0, "", ("tea has no price",))
    errors_are_refused(monkeypatch)
    assert not times(run(written(9, "A", FREE)), "confirmed")


# --- the CDB lags ---


def test_a_before_image_is_what_the_cdb_holds_and_not_what_crm_online_holds(monkeypatch):
    """As in `tests/test_traps.py`, the CDB cannot be written on day 1."""
    diary = (
        written(9, "A", TEA),
        written(26, "A", attrs.evolve(TEA, quantity=5), version=2),
        written(38, "A", attrs.evolve(TEA, quantity=9), version=3),
    )

    def brought() -> list[int]:
        saves: list[int] = []
        plain = imports.after_import

        def after(local, content):
            if isinstance(content, Rejection):
                saves.append(content.before.order.items[0].quantity)
            return plain(local, content)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(imports, "after_import", after)
            run(*diary, broken="on", on_lock=OnLock.REJECT, ships=1)
        return saves

    assert set(brought()) == {3}
    online_is_the_before_image(monkeypatch)
    assert set(brought()) == {5}


# --- what has left a laptop stays there until it calls ---


def test_what_leaves_a_laptop_is_there_until_its_next_session(monkeypatch):
    """The customer moves at noon; the laptop holds it until six o'clock, and may even change it."""
    seen: list[bool] = []

    def look(land: Landscape) -> None:
        seen.append(("customer", "C1") in land.simulation.store("laptop-1").table("records"))

    moves = ("1d 12:00", "change", "territory", "T", {"rep": "9"})
    looks = [(time, look, {}) for time in ("1d 11:00", "1d 17:59", "1d 18:10")]
    result = two_reps(at(37, "change", "V1", place="x"), story=[moves, *looks])
    assert result.held, result.findings
    assert seen == [True, True, False]
    assert len(times(result, "imported", answers="laptop-1 save 1")) == 1, "I-47"

    plain = realignment.tell

    def tells_no_removal(change, site, content, above=""):
        if not isinstance(content, Removal):
            plain(change, site, content, above)

    monkeypatch.setattr(realignment, "tell", tells_no_removal)
    assert replication.IN_PLACE.name in names(two_reps(story=[moves]))


# --- whose queue what depends on a customer goes through ---


def without_repair(patch: Patch) -> None:
    """Nobody looks after what came to the CDB before its parent."""
    plain = receivers.Receivers.__init__

    def init(self, actor, model, laptops, enqueue):
        def others(change, queue, job):
            if queue is not RrQueue.DEPENDENCY:
                enqueue(change, queue, job)

        plain(self, actor, model, laptops, others)

    patch.setattr(receivers.Receivers, "__init__", init)


def test_contacts_go_through_the_queue_of_their_customer_so_that_none_outruns_it(monkeypatch):
    """Twelve customers, each with a contact at once, and many work processes in CRM."""

    def in_queues(key: QueueKey) -> Result:
        story = []
        for n in range(12):
            time = f"1d 12:{n:02}"
            story += [
                (time, "change", "customer", f"D{n}", {"parent": "T", "name": "x"}),
                (time, "change", "contact", f"K{n}", {"parent": f"D{n}", "name": "x"}),
            ]
        crm = {"csa_key": key, "work_processes": 6, "distribution_s": Exponential(20.0)}
        return two_reps(story=story, crm=crm)

    def overtaken(result: Result) -> int:
        """Return how many contacts came to the CDB before their customers."""
        came = {event.subject: event.number for event in result.journal.select("replicated")}
        return sum(came[f"contact K{n}"] < came[f"customer D{n}"] for n in range(12))

    own, shared = in_queues(QueueKey.PER_DOCUMENT), in_queues(QueueKey.PER_PARENT)
    assert own.held, "a realignment mends it"
    assert shared.held
    assert overtaken(own) > overtaken(shared) == 0
    assert times(own, "realigned")
    assert not times(shared, "realigned")
    without_repair(monkeypatch)
    assert in_queues(QueueKey.PER_PARENT).held
    assert replication.IN_PLACE.name in names(in_queues(QueueKey.PER_DOCUMENT))


# --- nobody complains ---


def test_a_laptop_without_the_right_subscription_gets_nothing_and_no_error(monkeypatch):
    story = [("0d 12:00", "change", "activity", "V1", {"subject": "new"})]
    result = two_reps(story=story, subscribed=("laptop-1",))
    assert result.held, result.findings
    assert not result.simulation.store("laptop-2").table("records")
    got = [e.actor for e in result.journal.select("imported")]
    assert set(got) == {"laptop-1"}
    assert not times(result, "rejected")
    assert not times(result, "refused")
    assert len([e for e in result.journal.select("finished") if e.actor == "laptop-2"]) >= 9

    monkeypatch.setattr(receivers, "wanting", lambda get, about, now: ("laptop-1", "laptop-2"))
    new = [("0d 12:00", "change", "customer", "C7", {"parent": "T", "name": "new"})]
    found = names(two_reps(story=new, subscribed=("laptop-1",)))
    assert {replication.IN_PLACE.name, replication.LOOKUP_IS_TRUE.name} <= found
