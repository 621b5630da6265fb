"""Histories are written, read back and told apart, by events and by draws."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim import Level, Link
from crmsim.chance import Constant
from crmsim.errors import BadInput
from crmsim.trace.journal import Draw, Event
from crmsim.trace.record import (
    DRAWS_FILE,
    EVENTS_FILE,
    Recording,
    difference,
    read_recording,
    write_recording,
)

from .worlds import Echo, pair, sends


def run(*, seed: int = 1, count: int = 5, loss: float = 0.3):
    link = Link(latency=Constant(0.01), loss=loss)
    world = pair(sends(count), Echo, link, seed=seed, level=Level.BUSINESS, log_draws=True)
    world.run()
    return world


def recording(**options) -> Recording:
    journal = run(**options).journal
    return Recording(list(journal), journal.draw_log)


def test_a_history_survives_being_written(tmp_path):
    journal = run().journal
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_recording(tmp_path / name, journal, journal.draw_log)
    assert read_recording(tmp_path / "one") == recording()
    for file in (EVENTS_FILE, DRAWS_FILE):
        one, other = (tmp_path / name / file for name in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_draws_say_what_they_were_for_and_cost_no_luck():
    plain = pair(sends(5), Echo, Link(latency=Constant(0.01), loss=0.3), level=Level.BUSINESS)
    plain.run()
    told = run()
    assert told.journal.fingerprint == plain.journal.fingerprint
    assert plain.journal.draw_log == []
    log = told.journal.draw_log
    assert {(draw.purpose, draw.component) for draw in log} == {("way", "a>b"), ("way", "b>a")}
    assert [draw.word for draw in log[:2]] == sorted(
        (d.word for d in log[:2]), key=[d.word for d in log].index
    )
    assert len({(d.component, d.identity, d.attempt) for d in log}) == len(log)


@pytest.mark.parametrize("content", ["hello", "[1, 2]\n"])
def test_what_is_no_history_cannot_be_read(tmp_path, content):
    import gzip

    (tmp_path / EVENTS_FILE).write_bytes(
        gzip.compress(content.encode()) if content[0] == "[" else content.encode()
    )
    with pytest.raises(BadInput, match="no history"):
        read_recording(tmp_path)


def test_equal_histories_have_no_difference():
    found = difference(recording(), recording())
    assert found.is_none
    assert found.events_apart == found.draws_apart == (0, 0)
    assert found.subjects == ()


def test_the_first_event_and_draw_that_differ_are_found():
    ours, theirs = recording(count=5), recording(count=6)
    found = difference(ours, theirs)
    assert found.event_index is not None
    assert ours.events[: found.event_index] == theirs.events[: found.event_index]
    assert ours.events[found.event_index] != theirs.events[found.event_index]
    assert "5" in theirs.events[found.event_index].subject, "the sixth ping"
    assert found.draws_apart[0] == 0, "one message more takes nobody's luck away"
    assert found.draws_apart[1] >= 1
    assert found.subjects == ("5",)


def test_more_loss_changes_fates_but_no_draw_that_both_make():
    ours, theirs = recording(loss=0.3, count=40), recording(loss=0.6, count=40)
    found = difference(ours, theirs)
    assert found.event_index is not None
    kinds = {recording_.events[found.event_index].kind for recording_ in (ours, theirs)}
    assert "lost" in kinds
    by_key = {draw[2:6]: draw.word for draw in ours.draws}
    assert all(by_key.get(draw[2:6], draw.word) == draw.word for draw in theirs.draws)


def test_a_history_that_ends_earlier_differs_at_its_end():
    whole = recording()
    cut = Recording(whole.events[:-1], whole.draws)
    assert difference(whole, cut).event_index == len(whole.events) - 1
    assert difference(whole, cut).draw_index is None


def test_only_draws_may_differ():
    whole = recording()
    other = Recording(whole.events, whole.draws[:-1])
    found = difference(whole, other)
    assert found.event_index is None
    assert found.draw_index == len(whole.draws) - 1
    assert not found.is_none


def test_causes_and_moments_of_a_recording():
    told = recording(loss=0.0)
    chain = told.causes(told.events[-1])
    assert [event.number for event in chain] == sorted(event.number for event in chain)
    assert chain[-1] == told.events[-1]
    assert chain[0].cause == 0
    until = told.until(0)
    assert {event.time_ns for event in until.events} == {0}
    assert len(until.draws) < len(told.draws) or not told.draws


rows = st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.sampled_from("xyz")))


@given(rows, rows)
def test_a_difference_is_the_same_from_both_sides(one, other):
    def made(rows):
        return Recording(
            [
                Event(n, time, actor, "saved", subject, 0, {})
                for n, (time, actor, subject) in enumerate(rows, 1)
            ],
            [Draw(0, 0, actor, subject, time, 0, time) for time, actor, subject in rows],
        )

    forth, back = difference(made(one), made(other)), difference(made(other), made(one))
    assert forth.event_index == back.event_index
    assert forth.events_apart == back.events_apart[::-1]
    assert set(forth.subjects) == set(back.subjects)
    assert forth.is_none == (one == other)
    assert json.dumps(forth.subjects)
