"""What waited, from when until when, and how many at once: on doctored journals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.measure.waits import (
    Upload,
    Wait,
    busy_share,
    deepest,
    drained_after_s,
    from_to,
    lasted_s,
    locks,
    lying_in,
    overlapping,
    uploads,
    ways_to_the_erp,
    went_on_s,
)
from crmsim.trace.journal import Journal
from crmsim.trace.kinds import KINDS, Level
from crmsim.units import seconds


def journal(*rows: tuple) -> Journal:
    """(second, actor, kind, subject, what it says) of each event."""
    told = Journal(Level.BUSINESS)
    for second, actor, kind, subject, detail in rows:
        told.note(int(seconds(second)), actor, KINDS[kind], subject, 0, detail)
    return told


def row(second: float, actor: str, kind: str, subject: str, queue: str, serial: int = 1) -> tuple:
    return second, actor, kind, subject, {"queue": queue, "serial": serial, "reason": "CPICERR"}


def wait(what: str, begin: float, end: float | None = None) -> Wait:
    return Wait(what, int(seconds(begin)), None if end is None else int(seconds(end)))


WAY = journal(
    row(1, "crm", "enqueued", "a", "R3AU_1"),
    row(2, "crm", "enqueued", "b", "R3AU_2", 2),
    row(3, "erp", "enqueued", "a", "R3AU_1"),
    row(3, "crm", "ended", "a", "R3AU_1"),
    row(4, "erp", "ended", "a", "R3AU_1"),
    row(5, "crm", "enqueued", "c", "CSA_1", 3),
    row(6, "crm", "enqueued", "d", "R3AU_2", 4),
    row(7, "erp", "administered", "d", "R3AU_2", 4),
)


def test_the_way_to_the_erp_ends_where_the_erp_is_done_or_a_person_takes_it_out():
    assert ways_to_the_erp(WAY) == [wait("a", 1, 4), wait("d", 6, 7), wait("b", 2)]


def test_what_lies_in_the_queues_of_one_system():
    assert lying_in(WAY, "crm", "R3AU_") == [
        wait("R3AU_1 1", 1, 3),
        wait("R3AU_2 2", 2),
        wait("R3AU_2 4", 6),
    ]
    assert lying_in(WAY, "erp", "R3AU_") == [wait("R3AU_1 1", 3, 4)]


def test_from_a_kind_of_event_to_the_next_of_another_one_by_document():
    told = journal(
        row(1, "crm", "enqueued", "a", "R3AU_1"),
        row(2, "crm", "enqueued", "a", "R3AU_1", 2),
        row(3, "crm", "enqueued", "b", "R3AU_2", 3),
        row(4, "crm", "ended", "a", "R3AU_1"),
        row(5, "crm", "ended", "a", "R3AU_1", 2),
        row(6, "crm", "ended", "c", "R3AU_3", 4),
    )
    waits = from_to(told, "enqueued", "ended")
    assert waits == [wait("a", 1, 4), wait("b", 3)]
    assert lasted_s(waits) == [3.0]


def test_a_document_is_locked_until_its_status_is_another():
    told = journal(
        *(
            (second, "crm", "distributed", "1", {"status": status})
            for second, status in (
                (1, "TO_BE"),
                (2, "TO_BE"),
                (5, "DONE"),
                (6, "DONE"),
                (8, "TO_BE"),
            )
        )
    )
    assert locks(told) == [wait("1", 1, 5), wait("1", 8)]


def test_uploads_are_new_orders_that_came_from_a_laptop():
    told = journal(
        (1, "laptop", "saved", "A", {"message": "m1", "task": "insert"}),
        (2, "laptop", "saved", "A", {"message": "m2", "task": "update"}),
        row(3, "crm", "received", "m1", "CRM_SITE_laptop"),
        row(3, "crm", "received", "m2", "CRM_SITE_laptop"),
        (5, "crm", "committed", "A", {"message": "m1"}),
        (6, "crm", "committed", "A", {"message": "m2"}),
        (7, "crm", "committed", "B", {"message": "office change 1"}),
    )
    assert uploads(told) == [Upload(int(seconds(1)), int(seconds(3)), int(seconds(5)))]


def test_a_trouble_is_drained_when_no_more_waits_than_before_it():
    before = [wait("a", 0, 1), wait("b", 0.5, 2)]
    during = [wait(f"c{n}", 10 + n, 30 + n) for n in range(5)]
    span = int(seconds(10)), int(seconds(20))
    assert drained_after_s([*before, *during], *span) == 12.0, "two wait from 32 on"
    assert drained_after_s(during, *span) == 14.0, "nothing waited before"
    assert drained_after_s([*before, wait("for ever", 11), *during], *span) == 13.0
    assert drained_after_s([wait("for ever", 11)], *span) is None
    assert drained_after_s(before, *span) == 0.0
    assert drained_after_s([], *span) == 0.0


WAITS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50) | st.none()).map(
        lambda pair: Wait("x", pair[0], None if pair[1] is None else pair[0] + pair[1])
    ),
    max_size=12,
)


@given(WAITS, st.integers(0, 60), st.integers(1, 40))
def test_the_deepest_is_what_counting_at_every_moment_finds(waits, begin, lasts):
    def depth(time: int) -> int:
        return sum(w.begin_ns <= time and (w.end_ns is None or w.end_ns > time) for w in waits)

    end = begin + lasts
    assert deepest(waits, begin, end) == max(depth(time) for time in range(begin, end))


@given(WAITS, st.integers(0, 60), st.integers(1, 40))
def test_drained_is_the_first_moment_with_no_more_than_before(waits, begin, lasts):
    def depth(time: int) -> int:
        return sum(w.begin_ns <= time and (w.end_ns is None or w.end_ns > time) for w in waits)

    end = begin + lasts
    normal = max([depth(time) for time in range(begin)], default=0)
    first = next((time for time in range(end, 200) if depth(time) <= normal), None)
    found = drained_after_s(waits, begin, end)
    assert found == (None if first is None else pytest.approx((first - end) / 1e9))


def test_what_has_not_ended_goes_on_until_now():
    assert went_on_s([wait("a", 1, 3), wait("b", 2)], int(seconds(12))) == [2.0, 10.0]
    assert overlapping([wait("a", 1, 3), wait("b", 5)], int(seconds(3)), int(seconds(5))) == []
    assert len(overlapping([wait("a", 1, 4), wait("b", 4)], int(seconds(3)), int(seconds(5)))) == 2


def test_work_processes_are_busy_from_the_beginning_of_a_unit_to_its_end_or_a_crash():
    told = journal(
        row(0, "erp", "begun", "a", "R3AU_1"),
        row(4, "erp", "ended", "a", "R3AU_1"),
        row(4, "erp", "begun", "x", "R3AD_1", 9),
        row(6, "erp", "begun", "b", "R3AU_2", 2),
        row(7, "erp", "failed", "b", "R3AU_2", 2),
        row(8, "erp", "begun", "c", "R3AU_3", 3),
        (9, "erp", "crashed", "", {}),
        row(10, "crm", "begun", "d", "R3AU_4", 4),
        row(12, "erp", "begun", "e", "R3AU_5", 5),
    )
    ten = int(seconds(10))
    assert busy_share(told, "erp", ("R3AU_",), 2, (0, ten)) == pytest.approx(6 / 20)
    assert busy_share(told, "erp", ("R3AU_",), 1, (ten, 2 * ten)) == pytest.approx(8 / 10)
