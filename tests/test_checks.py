"""Every check holds on a good history, fires on a bad one, and says when it judged nothing."""

import itertools

import attrs
import pytest

from crmsim import ALL_CHECKS, Topology
from crmsim.checks import backend, distribution, queues, whole
from crmsim.checks.check import Outcome, Scene
from crmsim.checks.erp import atp, contracts, exchange, loads, logistics, service
from crmsim.checks.laptops import answers, documents, reads, replication, sessions
from crmsim.formats.bdoc import Segment, Task, segments_of
from crmsim.network.link import Link
from crmsim.sync.importer import Pending

from .stories import (
    changed_store,
    event,
    fired,
    first,
    history,
    rejudge,
    small_run,
    swapped,
    twice,
    without,
)

REALIGNED = (
    replication.ORDER_OF_EXTRACTS,
    replication.PARENTS_THERE,
    replication.REALIGNED_ONLY,
    replication.REPEATABLE,
    replication.ANSWERED_THOUGH,
    replication.TAKEN_BACK,
    distribution.MASTER_DATA_AGREES,
    answers.NOTHING_SILENT,
    answers.REFUSED_LEAVES_NOTHING,
    answers.BEFORE_IMAGES,
    sessions.UNREAD_GO_BACK,
    documents.PRIVATE_STAYS_HOME,
    documents.TYPES_ARE_FROZEN,
    documents.CONTRACTS_ARE_FOUND,
    documents.FLAGS_ARE_TRUE,
    documents.OWN_FIELDS_SURVIVE,
    reads.OWN_WRITES_ARE_SEEN,
    reads.STALENESS_IS_BOUNDED,
    logistics.FINAL_STAYS,
    contracts.CONTRACTS_STAY,
    contracts.CALLS_ADD_UP,
    contracts.CONTRACTS_AGREE,
    service.MEMOS_STAY_IN_CRM,
    service.ONE_SALES_DOCUMENT,
    service.POSTED_ONCE,
    service.RETURNED_AS_DELIVERED,
    service.SERVICE_IS_KNOWN,
    service.STOCKS_ADD_UP,
    atp.PROMISES_ARE_SOUND,
    exchange.SHOWN_ONLY,
    exchange.ONE_SWITCH,
    loads.DELTAS_WAIT,
    loads.SUPERIORS_FIRST,
    loads.LOADS_ARE_REPEATABLE,
    loads.LOADED_AGREES,
    loads.COMPARISONS_ARE_TRUE,
    exchange.LOCKED_BEFORE_CHANGED,
    exchange.LOCKS_APART,
    exchange.FOLLOW_UPS_IN_PLACE,
)
"""Checks for which something has to move, to be refused, to be in both systems, to be no order, to
be asked for, to change after its delivery, or to be checked, locked, drawn on; other files try
them: `test_replication.py`, `test_master_data.py`, `test_conflicts.py`, `test_old_clients.py`,
`test_document_checks.py`, `test_logistics.py`, `test_contracts.py`, `test_apo.py`,
`test_exchange.py`."""


@pytest.mark.parametrize(
    "check", [c for c in ALL_CHECKS if c not in REALIGNED], ids=lambda check: check.name
)
def test_a_check_holds_on_a_good_history_and_says_how_much_it_judged(check):
    verdict = rejudge(check, history())
    assert verdict.outcome is Outcome.HELD, verdict.evidence
    assert verdict.judged > 0


@pytest.mark.parametrize(
    "check",
    [
        check
        for check in ALL_CHECKS
        if check.name
        not in (
            "there is one ERP, and each laptop is with one station at a time",
            "nothing comes before its cause",
        )
    ],
    ids=lambda check: check.name,
)
def test_a_check_that_judged_nothing_says_so(check):
    assert rejudge(check, [], is_quiet=False).outcome is Outcome.NOT_JUDGED


def test_names_are_sentences_of_their_own():
    names = [check.name for check in ALL_CHECKS]
    assert len(set(names)) == len(names)
    for check in ALL_CHECKS:
        assert check.invariants
        assert len(check.explanation) > 40


@pytest.mark.fires(whole.PERMITTED_WAYS)
@pytest.mark.parametrize(
    ("actor", "to"),
    [
        ("laptop-1", "erp"),
        ("erp", "laptop-1"),
        ("laptop-1", "laptop-2"),
        ("station", "erp"),
        ("laptop-1", "crm"),
    ],
)
def test_a_message_on_a_forbidden_way(actor, to):
    bad = event("sent", actor, to=to, message="Dial", attempt=0)
    assert fired(rejudge(whole.PERMITTED_WAYS, [bad]), f"{actor} sent Dial straight to {to}")


@pytest.mark.fires(whole.ONE_OF_EACH)
def test_a_landscape_with_two_of_something():
    made = Topology()
    for name, kind in [
        ("erp", "erp"),
        ("erp-2", "erp"),
        ("a", "apo"),
        ("b", "apo"),
        ("s", "station"),
        ("t", "station"),
        ("laptop", "mobile"),
        ("alone", "mobile"),
    ]:
        made.add_site(name, kind)
    made.connect("laptop", "s", Link())
    made.connect("laptop", "t", Link())
    verdict = rejudge(whole.ONE_OF_EACH, [], scene=Scene(made, lambda actor: actor))
    assert fired(verdict, "2 ERP", "2 APO", "alone has no station")
    assert not fired(verdict, "laptop has no station"), "it may have two, one at a time"


@pytest.mark.fires(whole.ONE_OF_EACH)
def test_a_laptop_that_is_with_two_stations_at_a_time():
    made = Topology()
    for name, kind in [("erp", "erp"), ("s", "station"), ("t", "station"), ("laptop", "mobile")]:
        made.add_site(name, kind)
    made.connect("laptop", "s", Link())
    made.connect("laptop", "t", Link())
    scene = Scene(made, lambda actor: actor)
    to_s, to_t = (event("sent", "laptop", to=to, message="Dial", attempt=0) for to in "st")
    from_t = event("sent", "t", to="laptop", message="Package", attempt=0)
    for second in (to_t, from_t):
        verdict = rejudge(whole.ONE_OF_EACH, [to_s, second], scene=scene)
        assert fired(verdict, "while laptop was at s")
        for end in (
            event("redialled", "laptop", station="t", before="s", reason="busy"),
            event("entered", "laptop", phase="IMPORT"),
            event("broken", "laptop", phase="SEND"),
            event("crashed", "laptop", site_kind="mobile", point=""),
        ):
            verdict = rejudge(whole.ONE_OF_EACH, [to_s, end, second], scene=scene)
            assert verdict.outcome is Outcome.HELD


@pytest.mark.fires(whole.NO_PUSH)
def test_a_message_to_a_laptop_outside_its_session():
    begun = event("entered", "laptop-1", phase="INIT")
    push = event("sent", "station", to="laptop-1", message="Package", attempt=0)
    check = whole.NO_PUSH
    assert fired(rejudge(check, [push]), "in no session")
    assert not fired(rejudge(check, [begun, push]))
    for end in (
        event("entered", "laptop-1", phase="IMPORT"),
        event("broken", "laptop-1", phase="SEND"),
        event("crashed", "laptop-1", site_kind="mobile", point=""),
    ):
        assert fired(rejudge(check, [begun, end, push]), "in no session")


def luw(kind, name, serial, actor="crm", queue="Q", **detail):
    return event(kind, actor, name, queue=queue, serial=serial, **detail)


ONE, TWO = ("one", 1), ("two", 2)
BOTH = [luw("enqueued", *ONE), luw("enqueued", *TWO)]


@pytest.mark.fires(queues.IN_ORDER)
def test_a_luw_that_begins_out_of_order():
    wrong = [*BOTH, luw("begun", *TWO), luw("begun", *ONE)]
    assert fired(rejudge(queues.IN_ORDER, wrong), "one began after two")
    assert fired(rejudge(queues.IN_ORDER, [luw("begun", *ONE)]), "without being enqueued")
    other_queue = [
        *BOTH,
        luw("begun", *TWO),
        luw("enqueued", "x", 3, queue="R"),
        luw("begun", "x", 3, queue="R"),
    ]
    assert not fired(rejudge(queues.IN_ORDER, other_queue))


@pytest.mark.fires(queues.ONE_AT_A_TIME)
def test_two_luws_of_a_queue_at_once():
    wrong = [*BOTH, luw("begun", *ONE), luw("begun", *TWO)]
    assert fired(rejudge(queues.ONE_AT_A_TIME, wrong), "two began while one")
    for end in (luw("ended", *ONE), luw("failed", *ONE), event("crashed", "crm")):
        right = [*BOTH, luw("begun", *ONE), end, luw("begun", *TWO)]
        assert not fired(rejudge(queues.ONE_AT_A_TIME, right))


@pytest.mark.fires(queues.HEAD_OF_LINE)
def test_a_luw_that_overtakes_the_head():
    wrong = [*BOTH, luw("begun", *ONE), luw("failed", *ONE), luw("begun", *TWO)]
    assert fired(rejudge(queues.HEAD_OF_LINE, wrong), "but one stood before it")
    gone = [*BOTH, luw("begun", *ONE), luw("ended", *ONE), luw("begun", *ONE)]
    assert fired(rejudge(queues.HEAD_OF_LINE, gone), "but two stood before it")


@pytest.mark.fires(queues.EFFECT_ONCE)
def test_a_luw_that_takes_effect_twice():
    effect = first("effected")
    assert fired(
        rejudge(queues.EFFECT_ONCE, twice(history(), effect)), effect.subject, "second time"
    )


@pytest.mark.fires(queues.QUEUES_CONSERVE)
def test_a_queue_that_loses_or_invents():
    check = queues.QUEUES_CONSERVE
    ended = first("ended", queue="CRM_SITE_laptop-1")
    assert fired(rejudge(check, without(history(), ended)), "1 should lie in it, 0 do")
    enqueued = first("enqueued", queue="CRM_SITE_laptop-1")
    assert fired(rejudge(check, without(history(), enqueued)), "which held nothing")
    cleared = first("cleared", queue="CRM_SITE_laptop-1 out")
    assert fired(rejudge(check, without(history(), cleared)), "1 should lie in it, 0 do")


def pair_of_saves():
    """Two changes of one laptop, as they were validated."""
    saves = {e.detail["message"]: e for e in history() if e.kind == "saved"}
    effects = [e for e in history() if e.kind == "effected" and e.subject in saves]
    for one, two in itertools.pairwise(effects):
        same = saves[one.subject].actor == saves[two.subject].actor
        if same and saves[two.subject].number < one.number:
            return one, two
    raise LookupError("no laptop uploaded two changes in one session")


@pytest.mark.fires(sessions.VALIDATED_IN_ORDER)
def test_changes_validated_out_of_order():
    one, two = pair_of_saves()
    assert fired(rejudge(sessions.VALIDATED_IN_ORDER, swapped(history(), one, two)), one.subject)
    aside = event("parked", "crm", one.subject, document="x")
    late = [aside, *swapped(history(), one, two)]
    assert not fired(rejudge(sessions.VALIDATED_IN_ORDER, late)), "a parked change may come later"


def test_a_parked_change_may_not_come_after_a_later_one_of_its_document():
    saves = [
        event("saved", "laptop-1", "A", number=n, message=f"laptop-1/{n}", guid="G") for n in (1, 2)
    ]
    numbered = [e._replace(detail={**e.detail, "number": n}) for n, e in enumerate(saves, 1)]
    wrong = [
        *numbered,
        event("parked", "crm", "laptop-1/1"),
        event("effected", "crm", "laptop-1/2", target="crm"),
        event("effected", "crm", "laptop-1/1", target="crm"),
    ]
    assert fired(rejudge(sessions.VALIDATED_IN_ORDER, wrong), "later change of its document")


@pytest.mark.fires(sessions.RECEIPTS_FIRST)
@pytest.mark.parametrize("queue", ["outbox", "CRM_SITE_laptop-1 out"])
def test_something_forgotten_before_the_other_side_holds_it(queue):
    cleared = first("cleared", queue=queue)
    received = next(e for e in history() if e.kind == "received" and e.subject == cleared.subject)
    wrong = without(history(), received)
    assert fired(rejudge(sessions.RECEIPTS_FIRST, wrong), f"forgot {cleared.subject}")
    assert fired(
        rejudge(sessions.RECEIPTS_FIRST, swapped(history(), received, cleared)), cleared.subject
    )


@pytest.mark.fires(sessions.MESSAGES_ONCE)
def test_a_message_without_effect_or_with_two():
    upload = pair_of_saves()[0]
    download = next(e for e in history() if e.kind == "imported" and e.detail["what"] != "bulk")
    for effect, where in ((upload, "CRM"), (download, "its laptop")):
        assert fired(
            rejudge(sessions.MESSAGES_ONCE, twice(history(), effect)), "second time", where
        )
        missing = without(history(), effect)
        assert fired(rejudge(sessions.MESSAGES_ONCE, missing), "never took effect", where)
        assert not fired(rejudge(sessions.MESSAGES_ONCE, missing, is_quiet=False))


@pytest.mark.fires(sessions.IMPORT_IN_ORDER)
def test_an_import_out_of_order():
    wrong = [event("imported", "laptop-1", position=p) for p in (1, 3, 2)]
    assert fired(rejudge(sessions.IMPORT_IN_ORDER, wrong), "position 2 after 3")
    assert fired(rejudge(sessions.IMPORT_IN_ORDER, [wrong[0], wrong[0]]), "position 1 after 1")


@pytest.mark.fires(answers.ANSWERED_ONCE)
def test_a_change_without_answer_or_with_two():
    answer = first("confirmed")
    check = answers.ANSWERED_ONCE
    assert fired(rejudge(check, twice(history(), answer)), "second time")
    rejected = answer._replace(kind="rejected")
    assert fired(rejudge(check, [*history(), rejected]), "second time")
    assert fired(rejudge(check, without(history(), answer)), "nobody ever answered")
    assert not fired(rejudge(check, without(history(), answer), is_quiet=False))


class Bent:
    """A journal whose spans were changed."""

    def __init__(self, spans):
        self._spans = spans

    def spans(self):
        return iter(self._spans)

    def event(self, number):
        return small_run().journal.event(number)


def phases(*names, session="s1", actor="laptop-1"):
    return [event("entered", actor, session, phase=name) for name in names]


@pytest.mark.fires(sessions.PHASES_IN_ORDER)
def test_a_session_that_jumps_back_overlaps_or_sends_while_it_imports():
    check = sessions.PHASES_IN_ORDER
    good = [
        *phases("INIT", "AUTH", "SEND", "RECEIVE", "IMPORT", "FINAL"),
        event("finished", "laptop-1", "s1"),
    ]
    assert rejudge(check, [*good, *phases("INIT", session="s2")]).outcome is Outcome.HELD
    assert fired(rejudge(check, phases("INIT", "SEND", "AUTH")), "AUTH out of order")
    assert fired(rejudge(check, phases("SEND")), "SEND out of order")
    assert fired(
        rejudge(check, [*phases("INIT"), *phases("INIT", session="s2")]), "s2 began while s1"
    )
    sent = event("sent", "laptop-1", to="station", message="Fetch", attempt=0)
    assert fired(rejudge(check, [*good[:5], sent]), "sent Fetch during IMPORT")
    broken = event("broken", "laptop-1", "s1", phase="SEND")
    short = [*phases("INIT", "AUTH", "SEND"), broken, *phases("IMPORT", "FINAL")]
    assert rejudge(check, [*short, *phases("INIT", session="s2")]).outcome is Outcome.HELD


@pytest.mark.fires(backend.NO_LOCK_IS_LEFT)
def test_an_order_that_stays_locked():
    from crmsim.applications.status import Distribution

    def lock(rows):
        key, row = an_erp_order(rows)
        rows[key] = attrs.evolve(row, distribution=Distribution.TO_BE)

    stores = changed_store("crm", "orders", lock)
    assert fired(rejudge(backend.NO_LOCK_IS_LEFT, history(), stores=stores), "still being")


@pytest.mark.fires(backend.SHIPPED_AS_PLANNED)
def test_an_order_shipped_twice_early_never_or_unplanned():
    check, shipped = backend.SHIPPED_AS_PLANNED, first("shipped")
    assert fired(rejudge(check, twice(history(), shipped)), "second time")
    assert fired(rejudge(check, without(history(), shipped)), "never was")
    early = shipped._replace(detail={**shipped.detail, "day": 0})
    assert fired(
        rejudge(check, [early if e is shipped else e for e in history()]), "before its day"
    )
    unplanned = shipped._replace(subject="nobody's")
    assert fired(rejudge(check, [*history(), unplanned]), "nobody had planned")


def test_an_answer_that_comes_twice_or_never():
    answer = next(e for e in history() if e.kind == "imported" and e.detail.get("answers"))
    check = answers.ANSWERED_ONCE
    assert fired(rejudge(check, twice(history(), answer)), "second answer")
    assert fired(rejudge(check, without(history(), answer)), "never reached its laptop")


def test_an_outbox_that_loses_something():
    gone = first("cleared", queue="outbox")
    assert fired(rejudge(queues.QUEUES_CONSERVE, without(history(), gone)), "outbox of laptop")


def test_an_order_on_the_laptop_of_another_rep():
    mine = small_run().simulation.store("laptop-1").table("orders")
    stores = changed_store("laptop-2", "orders", lambda rows: rows.update(mine))
    found = rejudge(replication.IN_PLACE, history(), stores=stores)
    assert fired(found, "laptop-2 holds order", "which does not belong there")


@pytest.mark.parametrize("level", ["off", "metrics"])
def test_a_check_that_cannot_see_enough_does_not_judge(level):
    from crmsim import Level

    from .stories import order_book

    result = order_book().run(seed=1, made_up_orders=10, made_up_days=5, level=Level[level.upper()])
    assert result.held
    idle = [check.name for check, v in result.verdicts if v.outcome is Outcome.NOT_JUDGED]
    assert "every message takes a permitted way" in idle


@pytest.mark.parametrize("method", ["on_saved", "end"])
def test_a_check_that_raises_accuses_itself_and_nobody_else(method):
    from crmsim import Check, Judge, Mood

    from .stories import order_book

    def fail(self, thing):
        raise TypeError("wrong check")

    broken = type("Broken", (Judge,), {method: fail, "__doc__": "Raises."})
    check = Check("a broken check", Mood.ALWAYS, ("own",), broken)
    story = attrs.evolve(order_book(), checks=(*ALL_CHECKS, check))
    result = story.run(seed=1, made_up_orders=10, made_up_days=5)
    outcomes = {check.name: verdict.outcome for check, verdict in result.verdicts}
    assert outcomes.pop("a broken check") is Outcome.NOT_JUDGED
    held = {name for name, outcome in outcomes.items() if outcome is Outcome.HELD}
    assert held == {check.name for check in ALL_CHECKS if check not in REALIGNED}
    assert "the check 'a broken check' raised this" in result.findings[0]


@pytest.mark.fires(whole.CAUSALITY)
def test_a_history_that_does_not_hang_together():
    check = whole.CAUSALITY
    spans = list(small_run().journal.spans())
    back = [*spans[:50], (0, 0), *spans[50:]]
    assert fired(rejudge(check, [], journal=Bent(back)), "time went back")
    future = [(t, 10**9) for t, _ in spans[:3]]
    assert fired(rejudge(check, [], journal=Bent(future)), "before its cause")
    committed, booked = first("committed"), first("booked")
    for late, stage in ((committed, "saved"), (booked, "committed")):
        ahead = late._replace(detail={**late.detail, "version": 9})
        changed = [ahead if e is late else e for e in history()]
        assert fired(rejudge(check, changed), f"version 9 of {late.subject}", f"had been {stage}")


@pytest.mark.fires(whole.DOCUMENTS_CONSERVE)
@pytest.mark.parametrize("kind", ["saved", "received", "committed", "booked"])
def test_a_document_that_skips_a_stage_or_stops_on_its_way(kind):
    saved = first("saved")
    names = {saved.subject, saved.detail["message"]}
    step = next(e for e in history() if e.kind == kind and e.subject in names)
    verdict = rejudge(whole.DOCUMENTS_CONSERVE, without(history(), step))
    assert verdict.outcome is Outcome.VIOLATED
    again = rejudge(whole.DOCUMENTS_CONSERVE, twice(history(), step))
    assert again.outcome is Outcome.VIOLATED


def an_erp_order(rows):
    return next(iter(rows.items()))


@pytest.mark.fires(backend.EXACTLY_ONCE_IN_ERP)
def test_an_order_that_is_missing_doubled_or_invented_in_the_erp():
    check = backend.EXACTLY_ONCE_IN_ERP
    gone = changed_store("erp", "orders", lambda rows: rows.pop(next(iter(rows))))
    assert fired(rejudge(check, history(), stores=gone), "0 times")
    double = changed_store("erp", "orders", lambda rows: rows.update(copy=an_erp_order(rows)[1]))
    assert fired(rejudge(check, history(), stores=double), "2 times")

    def invent(rows):
        row = an_erp_order(rows)[1]
        rows["new"] = attrs.evolve(row, order=attrs.evolve(row.order, guid="nobody's"))

    made_up = changed_store("erp", "orders", invent)
    assert fired(rejudge(check, history(), stores=made_up), "nobody wrote it")
    assert rejudge(check, history(), stores=gone, is_quiet=False).outcome is Outcome.NOT_JUDGED


def an_order():
    rows = small_run().simulation.store("laptop-1").table("orders").values()
    return next(iter(rows)).document.order


@pytest.mark.fires(backend.FATES_ARE_KNOWN)
def test_a_laptop_that_does_not_know_the_fate_of_an_order():
    check = backend.FATES_ARE_KNOWN

    def edit(**changes):
        def change(rows):
            key, local = an_erp_order(rows)
            rows[key] = attrs.evolve(local, **changes)

        return changed_store("laptop-1", "orders", change)

    waiting = Pending("m", (Segment("header", "", Task.UPDATE, (("customer", "C9"),)),))
    found = rejudge(check, history(), stores=edit(changes=(waiting,)))
    assert fired(found, "still waits for 1")
    assert fired(rejudge(check, history(), stores=edit(upload=1)), "still shows its own version")
    created = Pending("m", segments_of(None, an_order()))
    alone = rejudge(check, history(), stores=edit(base=None, changes=(created,)))
    assert fired(alone, "still waits for 1")
    gone = changed_store("laptop-1", "orders", lambda rows: rows.pop(next(iter(rows))))
    found = rejudge(replication.IN_PLACE, history(), stores=gone)
    assert fired(found, "laptop-1 lacks order")


@pytest.mark.fires(backend.AGREEMENT)
@pytest.mark.parametrize(
    ("field", "value"),
    [("customer", "ALIEN"), ("items", ()), ("version", 9), ("number", "1"), ("rep", "99")],
)
def test_systems_that_differ_in_a_field(field, value):
    def change(rows):
        key, row = an_erp_order(rows)
        order = row.order if field == "number" else attrs.evolve(row.order, **{field: value})
        number = value if field == "number" else row.number
        rows[key] = attrs.evolve(row, order=order, number=number)

    stores = changed_store("erp", "orders", change)
    assert fired(rejudge(backend.AGREEMENT, history(), stores=stores), f"{field} differs")


def test_systems_that_differ_in_the_shipping_day():
    def change(rows):
        key, row = an_erp_order(rows)
        rows[key] = attrs.evolve(row, shipped_day=999)

    stores = changed_store("erp", "orders", change)
    assert fired(rejudge(backend.AGREEMENT, history(), stores=stores), "shipping day differs")


def test_every_field_is_either_exchanged_or_named_as_staying():
    from crmsim.business.document import OrderDocument
    from crmsim.business.sales import SalesOrder
    from crmsim.sync.importer import LocalDocument

    compared = {
        *backend.EXCHANGED,
        "number",
        "shipped_day",
        "schedule",
        "fate",
        "order",
        "base",
        "is_provisional",
    }
    for cls in (SalesOrder, OrderDocument, LocalDocument):
        for field in attrs.fields(cls):
            assert field.name in compared or field.name in backend.NOT_EXCHANGED, field.name


@pytest.mark.fires(backend.TOTALS_ARE_EQUAL)
def test_a_total_that_is_off_by_one_piece():
    def change(rows):
        key, row = an_erp_order(rows)
        item = attrs.evolve(row.order.items[0], quantity=row.order.items[0].quantity + 1)
        order = attrs.evolve(row.order, items=(item, *row.order.items[1:]))
        rows[key] = attrs.evolve(row, order=order)

    stores = changed_store("erp", "orders", change)
    assert fired(rejudge(backend.TOTALS_ARE_EQUAL, history(), stores=stores), "the ERP booked")
