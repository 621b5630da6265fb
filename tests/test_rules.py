"""The pure rules: statuses, sessions, queues, import. Every pair of every table."""

import itertools
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.applications import status
from crmsim.applications.guards import why_not_transfer
from crmsim.applications.logistics import ship_time_ns
from crmsim.applications.numbering import order_number
from crmsim.applications.pricing import net_value
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.errors import BadValue
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Segment, Task, Update, segments_of
from crmsim.middleware import queue
from crmsim.sync import session
from crmsim.sync.importer import LocalDocument, Pending, after_import, after_receipt, after_save
from crmsim.units import Share, days, hours, minutes, seconds

ITEM = OrderItem("tea", 3, Decimal("2.50"), Decimal("0.1"))
ORDER = SalesOrder("G1", "4711", "1", "C1", (ITEM,))
DOCUMENT = OrderDocument(ORDER, "0005000001", Fate.ACCEPTED)


@pytest.mark.parametrize(
    ("state", "event"), list(itertools.product(status.Distribution, status.DistributionEvent))
)
def test_every_pair_of_the_distribution_table(state, event):
    if (state, event) in status.DISTRIBUTION:
        assert status.next_status(state, event) is status.DISTRIBUTION[state, event]
    else:
        with pytest.raises(BadValue, match="cannot be"):
            status.next_status(state, event)


def test_only_saving_starts_a_distribution_and_only_the_erp_ends_it():
    enters = {e for (_, e), s in status.DISTRIBUTION.items() if s is status.Distribution.TO_BE}
    leaves = {e for (s, e) in status.DISTRIBUTION if s is status.Distribution.TO_BE}
    ours = {status.DistributionEvent.SAVED, status.DistributionEvent.GIVEN_UP}
    theirs = set(status.DistributionEvent) - ours
    assert enters == {status.DistributionEvent.SAVED, status.DistributionEvent.MERGED}
    assert leaves == theirs | {status.DistributionEvent.GIVEN_UP}  # that is for a person to say


@pytest.mark.parametrize(
    ("state", "event"), list(itertools.product(queue.QueueStatus, queue.QueueEvent))
)
def test_every_pair_of_the_queue_table(state, event):
    if (state, event) in queue.TRANSITIONS:
        assert queue.after_event(state, event) is queue.TRANSITIONS[state, event]
    else:
        with pytest.raises(BadValue, match=state.value):
            queue.after_event(state, event)


@pytest.mark.parametrize(
    ("phase", "went_well"), list(itertools.product(session.Phase, (True, False)))
)
def test_every_pair_of_the_session_table(phase, went_well):
    follows = session.next_phase(phase, went_well=went_well)
    assert follows is session.FOLLOWS[phase, went_well]
    if follows is not None:
        order = list(session.Phase)
        assert order.index(follows) > order.index(phase), "a session never goes back"


def test_a_session_that_goes_well_passes_every_phase():
    phases, phase = [], session.Phase.INIT
    while phase is not None:
        phases.append(phase)
        phase = session.next_phase(phase, went_well=True)
    assert phases == list(session.Phase)


def test_there_is_no_other_phase():
    with pytest.raises(BadValue):
        session.next_phase("LUNCH", went_well=True)  # type: ignore[arg-type]


@given(st.integers(0, 200), st.floats(0, 1))
def test_a_retry_waits_longer_each_time_up_to_a_limit(attempt, u):
    policy = queue.RetryPolicy(seconds(10), 2.0, minutes(5), Share(0.5))
    wait_ns = policy.wait_ns(attempt, u)
    full_ns = min(seconds(10) * 2.0**attempt, minutes(5))
    assert full_ns / 2 - 1 <= wait_ns <= full_ns
    assert policy.wait_ns(attempt, 0) <= policy.wait_ns(attempt + 1, 0)


@pytest.mark.parametrize("wrong", [{"first": 0}, {"factor": 0.5}, {"most": 1}])
def test_a_retry_policy_without_sense_is_refused(wrong):
    with pytest.raises(BadValue):
        queue.RetryPolicy(**wrong)


def test_queues_have_the_names_of_their_documents():
    names = {key: queue.queue_name("R3AD", key, "0069002341", "C-7") for key in queue.QueueKey}
    assert names == {
        queue.QueueKey.PER_DOCUMENT: "R3AD_SALESDO0069002341",
        queue.QueueKey.PER_PARENT: "R3AD_SALESDO_C-7",
        queue.QueueKey.PER_OBJECT_TYPE: "R3AD_SALESDO",
    }
    assert queue.site_queue("laptop-7") == "CRM_SITE_laptop-7"


def test_values_are_exact():
    items = [OrderItem("x", 7, Decimal("0.1"), Decimal("0.05"))] * 3
    assert net_value(items) == Decimal("1.995")
    assert net_value([]) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: OrderItem("x", 0, Decimal(1)),
        lambda: OrderItem("x", 1, Decimal(-1)),
        lambda: OrderItem("x", 1, Decimal(1), Decimal(2)),
    ],
)
def test_an_item_without_sense_is_refused(wrong):
    with pytest.raises(BadValue):
        wrong()


def test_an_order_without_items_is_not_transferred():
    assert why_not_transfer(DOCUMENT) is None
    assert "without items" in why_not_transfer(
        attrs.evolve(DOCUMENT, order=attrs.evolve(ORDER, items=()))
    )


def test_the_warehouse_ships_on_the_planned_day_or_at_once():
    assert ship_time_ns(3, hours(5)) == days(3) + hours(16)
    assert ship_time_ns(3, days(5)) == days(5)


def test_numbers_are_ten_digits_and_different():
    numbers = [order_number(count) for count in range(1000)]
    assert len(set(numbers)) == 1000
    assert {len(number) for number in numbers} == {10}


# --- import ---


LINE = OrderItem("tea", 1, Decimal(2), line="l1")
HERE = attrs.evolve(ORDER, items=(LINE,))
THERE = attrs.evolve(DOCUMENT, order=HERE)


def pending(message: str, quantity: int) -> Pending:
    """A change of the quantity of the one item."""
    segment = Segment("item", "l1", Task.UPDATE, (("quantity", quantity),))
    return Pending(message, (segment,))


CREATED = Pending("m1", segments_of(None, HERE))


def test_a_save_stays_on_top_of_what_arrives():
    local = after_save(LocalDocument("G1", "$1"), CREATED)
    local = after_save(local, pending("m2", 7))
    assert (local.pending, local.upload, local.document.number) == (2, 0, "$1")
    local = after_receipt(local)
    assert local.upload == 1
    other = attrs.evolve(HERE, customer="somebody else's")
    local = after_import(local, Confirmation("m1", "G1", THERE, 1))
    assert (local.pending, local.upload) == (1, 0)
    local = after_import(local, Update(attrs.evolve(DOCUMENT, order=other), 2))
    assert local.document.order.items[0].quantity == 7, "the rep's own change stays on top"
    assert local.document.order.customer == "somebody else's", "and the rest is the server's"
    assert local.document.number == "0005000001"
    new = attrs.evolve(DOCUMENT, order=local.document.order)
    local = after_import(local, Confirmation("m2", "G1", new, 3))
    assert (local.pending, local.wanted) == (0, None)
    assert local.document == new


def test_an_older_copy_that_comes_late_changes_nothing():
    new = attrs.evolve(THERE, order=attrs.evolve(HERE, customer="new"))
    local = after_import(after_import(None, Update(new, 5)), Update(THERE, 4))
    assert local.document == new
    assert local.save == 5


def test_a_rejected_create_disappears_and_the_answer_to_its_update_changes_nothing():
    local = after_save(LocalDocument("G1", "$1"), CREATED)
    assert after_import(local, Rejection("m1", "G1", "no", None)) is None
    assert after_import(None, Rejection("m2", "G1", "no", None)) is None


def test_a_rejected_update_goes_back_to_the_before_image():
    local = after_save(after_import(None, Update(THERE, 1)), pending("m2", 7))
    local = after_import(after_receipt(local), Rejection("m2", "G1", "shipped", THERE, 1))
    assert local.document == THERE
    assert local.refusal == "shipped"
    assert (local.pending, local.upload) == (0, 0)


def test_a_refusal_of_one_change_leaves_its_neighbours():
    """Complaint 24: the change before it counts, the one after it is still on top."""
    local = after_import(None, Update(THERE, 1))
    for number in (2, 3, 4):
        local = after_save(local, pending(f"m{number}", number))
    second = attrs.evolve(HERE, items=(attrs.evolve(LINE, quantity=2),))
    local = after_import(local, Confirmation("m2", "G1", attrs.evolve(THERE, order=second), 2))
    local = after_import(local, Rejection("m3", "G1", "no", attrs.evolve(THERE, order=second), 2))
    assert local.document.order.items[0].quantity == 4
    local = after_import(local, Rejection("m4", "G1", "no", attrs.evolve(THERE, order=second), 2))
    assert local.document.order.items[0].quantity == 2


def test_news_about_an_unknown_order_make_it_known():
    assert after_import(None, Update(DOCUMENT, 1)).document == DOCUMENT


answers = st.lists(st.sampled_from(["save", "receipt", "confirm", "reject", "news"]), max_size=20)


@given(answers)
def test_uploads_are_never_more_than_pending_saves(steps):
    local = after_save(LocalDocument("G1", "$1"), CREATED)
    for number, step in enumerate(steps, 2):
        if local is None:
            break
        first = local.changes[0].message if local.changes else "m0"
        if step == "save":
            local = after_save(local, pending(f"m{number}", number))
        elif step == "receipt":
            local = after_receipt(local)
        elif step == "confirm":
            local = after_import(local, Confirmation(first, "G1", THERE, number))
        elif step == "reject":
            local = after_import(local, Rejection(first, "G1", "no", THERE, number))
        else:
            local = after_import(local, Update(THERE, number))
        assert 0 <= local.upload <= local.pending
        assert local.document.order.version == (0 if local.base is None else 1) + local.pending
