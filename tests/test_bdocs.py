"""BDocs: their states, their segments, their way through the flow, and the checks that judge it."""

from decimal import Decimal
from itertools import product

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.applications.status import Distribution
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks import bdocs, distribution
from crmsim.checks.check import Outcome
from crmsim.errors import BadValue
from crmsim.formats.bdoc import Task, order_of, segments_of
from crmsim.middleware.flow import SERVICES, BDocRecord, Context, answered, begin, handed_over, step
from crmsim.middleware.status import (
    TRANSITIONS,
    BDocEvent,
    BDocState,
    StateClass,
    WrongBDocEvent,
    after,
)

from .stories import changed_store, event, fired, history, order_book, rejudge, small_run

# --- states ---

BY_CODE = {state.value: state for state in BDocState}


@pytest.mark.parametrize(("state", "happens"), list(product(BDocState, BDocEvent)), ids=str)
def test_every_pair_of_state_and_event_is_a_transition_or_a_named_error(state, happens):
    if (state, happens) in TRANSITIONS:
        following = after(state, happens)
        assert not state.is_final
        assert following.value in bdocs.STEPS[state.value].split(), "the judge's table agrees"
    else:
        with pytest.raises(WrongBDocEvent, match=f"in state {state.value}"):
            after(state, happens)


def test_the_judge_knows_no_step_that_the_table_has_not():
    table = {(a.value, b.value) for (a, _), b in TRANSITIONS.items()}
    judge = {(a, b) for a, following in bdocs.STEPS.items() for b in following.split()}
    assert judge == table


def test_the_documented_states_are_all_there():
    numbers = {"I": 4, "D": 1, "T": 1, "R": 1, "O": 1, "F": 5, "E": 9}
    codes = {f"{letter}0{n}" for letter, most in numbers.items() for n in range(1, most + 1)}
    assert set(BY_CODE) == codes
    assert {state for state in BDocState if state.is_error} == {
        BY_CODE[f"E0{number}"] for number in range(1, 10)
    }
    assert BY_CODE["T01"].state_class is StateClass.RETRYABLE


def test_final_states_absorb_and_errors_wait_for_a_person():
    for state in BDocState:
        outgoing = [pair for pair in TRANSITIONS if pair[0] is state]
        assert bool(outgoing) is not state.is_final
        if state.is_error:
            assert (state, BDocEvent.SET_PROCESSED) in TRANSITIONS
    assert (BY_CODE["E03"], BDocEvent.REPROCESSED) not in TRANSITIONS, "it cannot be read"


def test_every_state_can_be_reached_and_every_live_one_can_end():
    def reach(start: set[BDocState], pairs: set[tuple[BDocState, BDocState]]) -> set[BDocState]:
        found = set(start)
        while True:
            more = {b for a, b in pairs if a in found} - found
            if not more:
                return found
            found |= more

    steps = {(a, b) for (a, _), b in TRANSITIONS.items()}
    assert reach({BDocState.RECEIVED}, steps) == set(BDocState)
    finals = {state for state in BDocState if state.is_final}
    assert reach(finals, {(b, a) for a, b in steps}) == set(BDocState)


# --- receivers ---


def sent(*receivers: str) -> BDocRecord:
    record = step(begin("b", "G", 1, Context.MO1), BDocEvent.STEPPED, BDocEvent.SAVED_FOR_UPDATE)
    return handed_over(record, receivers)


def test_a_bdoc_is_confirmed_by_all_only_when_all_have_said_yes():
    assert sent().state is BDocState.CONFIRMED_BY_ALL
    record = sent("erp", "bw")
    assert record.state is BDocState.SENT_TO_RECEIVERS
    record = answered(record, "bw", is_ok=True)
    assert record.state is BDocState.SENT_TO_RECEIVERS
    assert answered(record, "erp", is_ok=True).state is BDocState.CONFIRMED_BY_ALL
    failed = answered(record, "erp", is_ok=False)
    assert failed.state is BDocState.RECEIVER_ERROR
    assert failed.failed == ("erp",)
    late = answered(answered(sent("erp", "bw"), "erp", is_ok=False), "bw", is_ok=True)
    assert late.state is BDocState.RECEIVER_ERROR, "one yes does not mend the other's no"
    with pytest.raises(BadValue, match="waits for no answer of 'apo'"):
        answered(record, "apo", is_ok=True)


def test_the_trail_tells_every_state_between_two_looks():
    assert [state.value for state in sent("erp").trail] == ["I01", "I02", "I03", "I04", "O01"]
    assert set(SERVICES) == set(Context)


# --- segments ---

items = st.builds(
    OrderItem,
    st.sampled_from(["tea", "salt", "rice"]),
    st.integers(1, 9),
    st.integers(0, 500).map(lambda cents: Decimal(cents) / 100),
    st.sampled_from([Decimal(0), Decimal("0.05")]),
    st.sampled_from(["a.1", "a.2", "b.1", "b.2", "c.1"]),
)
orders = st.builds(
    SalesOrder,
    st.just("G"),
    st.sampled_from(["A-1", "A-2"]),
    st.just("1"),
    st.sampled_from(["x", "y"]),
    st.lists(items, max_size=4, unique_by=lambda item: item.line).map(tuple),
    st.just(1),
    st.booleans(),
)


def by_line(order):
    """An order with its items in order of their lines: what is new stands behind what was there."""
    return attrs.evolve(order, items=tuple(sorted(order.items, key=lambda item: item.line)))


@given(orders, orders)
def test_segments_turn_one_version_into_the_other(before, following):
    after = order_of("G", before, segments_of(before, following))
    assert by_line(after) == by_line(following)
    assert order_of("G", None, segments_of(None, following)) == following
    assert segments_of(before, before) == ()


@given(orders, orders)
def test_segments_carry_only_what_changed(before, following):
    for segment in segments_of(before, following):
        if segment.task is Task.DELETE:
            assert segment.fields == ()
            continue
        was = before if segment.name == "header" else None
        if segment.name == "item":
            was = next((item for item in before.items if item.line == segment.key), None)
        for name, value in segment.fields:
            assert was is None or getattr(was, name) != value


def test_two_people_who_change_different_fields_do_not_hurt_each_other():
    tea = OrderItem("tea", 1, Decimal(1), line="a.1")
    base = SalesOrder("G", "A", "1", "x", (tea,))
    more = attrs.evolve(tea, quantity=5)
    quantity = segments_of(base, attrs.evolve(base, items=(more,)))
    customer = segments_of(base, attrs.evolve(base, customer="y"))
    both = order_of("G", order_of("G", base, quantity), customer)
    assert (both.customer, both.items[0].quantity) == ("y", 5)
    assert both == order_of("G", order_of("G", base, customer), quantity)


# --- two databases ---


def test_the_cdb_is_old_until_the_middleware_has_run():
    """A save changes CRM Online at once; the CDB follows only when the document's queue has run."""
    seen = []

    def watch(land):
        store = land.simulation.store("crm")

        def committed(note):
            online = store.get("orders", note.detail["number"])
            cdb = store.get("cdb", note.detail["guid"])
            customer = online.document.order.customer
            waiting = store.get("inbound", f"CSA_SALESDO_{customer}", ())
            seen.append(
                (online.document.order.version, cdb and cdb.document.order.version, len(waiting))
            )

        land.simulation.journal.watch("committed", committed)

    result = order_book_with(watch, {"made_up_orders": 60, "made_up_days": 10, "made_up_reps": 3})
    assert result.held, result.findings
    assert len(seen) >= 30
    assert any(cdb is not None for _, cdb, _ in seen), "some orders are corrected"
    for online, cdb, waiting in seen:
        assert cdb is None or cdb < online, "the CDB still has the version before"
        assert waiting >= 1
    store = result.simulation.store("crm")
    assert {row.document.order.guid for row in store.table("cdb").values()} == {
        r.document.order.guid for r in store.table("orders").values()
    }


def order_book_with(watch, settings):
    from crmsim import Scenario, scenario

    plain: Scenario = order_book()

    @scenario(plain.settings, checks=plain.checks, metrics=plain.metrics)
    async def watched(land, chosen):
        """Does the CDB follow?"""
        original = land.check

        def check():
            watch(land)
            original()

        land.check = check
        await plain.story(land, chosen)

    return watched.run(seed=5, **settings)


def test_nothing_but_the_flow_writes_the_cdb():
    import ast
    from pathlib import Path

    import crmsim

    writers = set()
    for file in Path(crmsim.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("put", "delete")
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value == "cdb"
            ):
                writers.add(file.name)
    assert writers == {"outflow.py"}


# --- the checks fire ---


def flowed(*states: str, number: int = 1, **more):
    detail = {"context": "MO1", "guid": "G", "version": 1, "open": (), "failed": (), **more}
    return event("flowed", "crm", "b", number, states=states, **detail)


@pytest.mark.fires(bdocs.BDOC_STATES)
@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([("I01", "I03")], "went from I01 to I03"),
        ([("I01", "I02", "I03", "I04", "F02"), ("I02",)], "went from F02 to I02"),
        ([("I01", "I02"), ("O01",)], "went from I02 to O01"),
    ],
)
def test_a_bdoc_that_leaves_its_table(paths, words):
    assert fired(rejudge(bdocs.BDOC_STATES, [flowed(*path) for path in paths]), words)


@pytest.mark.fires(bdocs.BDOC_RECEIVERS)
@pytest.mark.parametrize(
    ("state", "more"),
    [
        ("F04", {"open": ("erp",)}),
        ("F04", {"failed": ("erp",)}),
        ("O01", {}),
        ("O01", {"open": ("erp",), "failed": ("bw",)}),
        ("E02", {"open": ("erp",)}),
    ],
)
def test_a_bdoc_whose_state_does_not_fit_its_receivers(state, more):
    assert fired(rejudge(bdocs.BDOC_RECEIVERS, [flowed(state, **more)]), f"is in {state}")


@pytest.mark.fires(bdocs.BDOCS_END)
def test_a_bdoc_that_never_ends():
    stuck = [flowed("I01", "I02", "I03", "I04", "O01", open=("erp",))]
    assert fired(rejudge(bdocs.BDOCS_END, stuck), "BDoc b is still in O01")
    assert rejudge(bdocs.BDOCS_END, stuck, is_quiet=False).outcome is Outcome.NOT_JUDGED
    assert rejudge(bdocs.BDOCS_END, [flowed("I01", "I02", "I03", "E04")]).held


def version(kind: str, number: int, version: int, actor: str = "crm", **more):
    return event(kind, actor, "A-1", number, guid="G", version=version, **more)


@pytest.mark.fires(bdocs.ONLINE_FIRST)
def test_a_booking_that_crm_never_stored():
    good = [version("committed", 1, 1), version("booked", 2, 1, "erp")]
    assert rejudge(bdocs.ONLINE_FIRST, good).held
    bad = [*good, version("booked", 3, 2, "erp")]
    assert fired(rejudge(bdocs.ONLINE_FIRST, bad), "booked version 2 of A-1")


@pytest.mark.fires(bdocs.CDB_FOLLOWS)
def test_a_cdb_that_is_ahead():
    assert fired(
        rejudge(bdocs.CDB_FOLLOWS, [version("committed", 1, 1), version("replicated", 2, 2)]),
        "the CDB stored version 2 of A-1, but CRM Online only had version 1",
    )


@pytest.mark.fires(bdocs.NOTHING_REFUSED_GOES_OUT)
def test_a_refused_version_that_goes_out():
    events = [version("committed", 1, 1), flowed("I01", "I02", version=2, number=2)]
    assert fired(rejudge(bdocs.NOTHING_REFUSED_GOES_OUT, events), "which was never accepted")


def enqueued(queue: str, subject: str, number: int, guid: str = "G", actor: str = "crm"):
    return event("enqueued", actor, subject, number, queue=queue, serial=number, guid=guid)


@pytest.mark.fires(bdocs.NO_LOOPS)
def test_a_version_that_goes_to_the_erp_twice():
    events = [enqueued("R3AU_1", "order 1 v1", 1), enqueued("R3AU_1", "order 1 v1", 2)]
    assert fired(rejudge(bdocs.NO_LOOPS, events), "order 1 v1 was sent to the ERP again")
    at_the_erp = [enqueued("R3AU_1", "order 1 v1", n, actor="erp") for n in (1, 2)]
    assert rejudge(bdocs.NO_LOOPS, at_the_erp).outcome is Outcome.NOT_JUDGED


@pytest.mark.fires(bdocs.ONE_QUEUE_PER_DOCUMENT)
def test_work_on_a_document_in_two_queues():
    events = [enqueued("R3AU_1", "order 1 v1", 1), enqueued("R3AU_2", "order 1 v2", 2)]
    assert fired(rejudge(bdocs.ONE_QUEUE_PER_DOCUMENT, events), "went into queue R3AU_2")
    sent_and_come = [
        enqueued("R3AU_1", "order 1 v1", 1),
        enqueued("R3AU_2", "order 1 v1", 2, actor="erp"),
    ]
    verdict = rejudge(bdocs.ONE_QUEUE_PER_DOCUMENT, sent_and_come)
    assert fired(verdict, "was sent in queue R3AU_1, but came in R3AU_2")


@pytest.mark.fires(bdocs.SAVED_AND_ENQUEUED)
def test_a_save_without_an_entry_and_an_entry_without_a_save():
    alone = [version("committed", 1, 1), version("committed", 5, 2)]
    assert fired(rejudge(bdocs.SAVED_AND_ENQUEUED, alone), "was saved in CRM Online, but not")
    assert fired(
        rejudge(bdocs.SAVED_AND_ENQUEUED, [enqueued("CSA_1", "save 1", 1, guid="H")]),
        "its document was never saved",
    )


@pytest.mark.fires(distribution.TRANSFERABLE_ONLY)
def test_an_order_without_items_on_its_way_to_the_erp():
    events = [
        event("committed", "crm", "A-1", 2, guid="G", version=1, items=0),
        enqueued("R3AU_1", "order 1 v1", 3),
    ]
    assert fired(rejudge(distribution.TRANSFERABLE_ONLY, events), "without an item")


@pytest.mark.fires(distribution.LOCK_IS_KEPT)
def test_a_change_while_the_document_is_being_distributed():
    locked = event("distributed", "crm", "1", 1, guid="G", version=1, status="TO_BE")
    assert fired(
        rejudge(distribution.LOCK_IS_KEPT, [locked, version("committed", 2, 2)]),
        "was changed while it was being distributed",
    )


@pytest.mark.fires(distribution.STATUS_IS_TRUE)
def test_a_distribution_status_that_is_not_true():
    def older(rows):
        key, row = next(iter(rows.items()))
        rows[key] = attrs.evolve(row, order=attrs.evolve(row.order, version=99))

    stores = changed_store("erp", "orders", older)
    assert fired(
        rejudge(distribution.STATUS_IS_TRUE, history(), stores=stores), "the ERP has version 99"
    )

    def failed(rows):
        key, row = next(iter(rows.items()))
        rows[key] = attrs.evolve(row, distribution=Distribution.ERROR)

    stores = changed_store("crm", "orders", failed)
    assert fired(rejudge(distribution.STATUS_IS_TRUE, history(), stores=stores), "failed, but")


@pytest.mark.fires(distribution.CDB_HOLDS)
def test_a_cdb_that_lacks_has_too_much_or_differs():
    def without(rows):
        rows.pop(next(iter(rows)))

    def differs(rows):
        guid, row = next(iter(rows.items()))
        rows[guid] = attrs.evolve(row, document=attrs.evolve(row.document, number="other"))

    told = [
        fired(rejudge(distribution.CDB_HOLDS, history(), stores=changed_store(*change)), words)
        for change, words in [
            (("crm", "cdb", without), "the CDB does not"),
            (("crm", "cdb", differs), "is not the same in CRM Online and in the CDB"),
            (("crm", "orders", without), "is not the same in CRM Online and in the CDB"),
        ]
    ]
    assert told == [True, True, True]
    assert small_run().held
