"""A history is kept, told apart, written and read back."""

import itertools

import pytest

from crmsim import Journal, Level, Link
from crmsim.chance import Constant
from crmsim.trace import kinds

from .worlds import Echo, pair, sends


def journal(*, time_ns=5, actor="a", subject="x", cause=0, detail=None, draws=(1, 2, 3)):
    made = Journal()
    made.note(1, "a", kinds.SAVED, "first", 0)
    made.note(time_ns, actor, kinds.SAVED, subject, cause, detail or {"version": 1})
    made.draws.extend(draws)
    return made


def test_equal_histories_have_equal_fingerprints():
    assert journal().fingerprint == journal().fingerprint
    assert str(journal().fingerprint).startswith("business:")


@pytest.mark.parametrize(
    "change",
    [
        {"time_ns": 6},
        {"actor": "b"},
        {"subject": "y"},
        {"cause": 1},
        {"detail": {"version": 2}},
        {"detail": {"release": 1}},
        {"draws": (1, 2)},
        {"draws": (1, 3, 2)},
    ],
    ids=str,
)
def test_every_field_and_every_draw_counts(change):
    assert journal(**change).fingerprint != journal().fingerprint


def test_a_fingerprint_does_not_depend_on_when_it_was_asked_for():
    asked, not_asked = Journal(), Journal()
    for number in range(10_000):
        for made in (asked, not_asked):
            made.note(number, "a", kinds.SAVED, str(number), 0)
            made.draws.append(number)
        if number % 777 == 0:
            asked.fingerprint  # noqa: B018 - asking is the point
    assert asked.fingerprint == not_asked.fingerprint


def test_moving_one_message_by_a_nanosecond_changes_the_fingerprint(monkeypatch):
    def run(shift):
        world = pair(sends(5), Echo, Link(latency=Constant(0.01), corrupt=1e-9))
        if shift:
            carry = type(world.fabric.lines["a", "b"]).carry
            calls = itertools.count()

            def late(self, now_ns, message, word):
                fate = carry(self, now_ns, message, word)
                return (fate[0] + 1,) if next(calls) == 3 else fate

            monkeypatch.setattr(type(world.fabric.lines["a", "b"]), "carry", late)
        world.run()
        monkeypatch.undo()
        return world.journal.fingerprint

    assert run(shift=False) == run(shift=False) != run(shift=True)


def test_events_are_selected_by_kind_subject_and_actor():
    made = journal()
    assert [e.subject for e in made.select("saved")] == ["first", "x"]
    assert [e.subject for e in made.select("saved", subject="x")] == ["x"]
    assert list(made.select("saved", actor="nobody")) == []
    assert list(made.select("lost")) == []


def test_only_known_kinds_can_be_watched():
    with pytest.raises(ValueError, match="'sold' is no kind"):
        Journal().watch("sold", print)


def test_kinds_above_the_level_pass_their_cause_through():
    made = Journal(Level.METRICS)
    assert made.note(1, "a", kinds.SENT, "", 7) == 7
    assert made.note(1, "a", kinds.SAVED, "", 7) == 1
    assert not made.keeps(kinds.SENT)


def test_every_kind_is_one_word_and_has_a_sentence():
    for name, kind in kinds.KINDS.items():
        assert name == kind.name
        assert name.isalpha()
        assert kind.sentence.endswith((".", ")"))
