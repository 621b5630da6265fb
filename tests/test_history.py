"""Do the checks for actors of one's own fire when they should, and only then?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim import Simulation, judge
from crmsim.chance import Constant
from crmsim.checks import history
from crmsim.checks.check import Check
from crmsim.checks.history import HISTORY_CHECKS, bounded_staleness
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address, message
from crmsim.network.link import Link
from crmsim.trace.kinds import NOTED
from crmsim.units import minutes, seconds

Told = tuple[str, str, dict]
"""(session, word and object, details)"""


def wrote(session: str, thing: str, version: int, base: int, **more: object) -> Told:
    return session, thing, {"what": "wrote", "version": version, "base": base, **more}


def read(session: str, thing: str, version: int) -> Told:
    return session, thing, {"what": "read", "version": version}


def asked(thing: str) -> Told:
    return "a", thing, {"what": "asked"}


def did(thing: str) -> Told:
    return "b", thing, {"what": "did"}


def verdict(check: Check, *told: Told, every: int = seconds(1)):
    """Let somebody say these things, one a second, and judge it."""
    simulation = Simulation()
    simulation.add_site("here")

    class Scribe(Actor):
        async def run(self) -> None:
            for session, thing, detail in told:
                self.note(NOTED, thing, session=session, **detail)
                await self.sleep(every)

    simulation.seat("here", Scribe, "scribe")
    simulation.run()
    return judge(simulation, check)


FIRES = {
    history.EXACTLY_ONCE: (
        [asked("x"), did("x"), did("x")],
        "x was done twice",
    ),
    history.NO_LOST_UPDATE: (
        [wrote("a", "x", 1, 0), wrote("a", "x", 2, 1), wrote("b", "x", 3, 1)],
        "b changed version 1 of x, and with it overwrote version 2 unseen",
    ),
    history.READ_YOUR_WRITES: (
        [wrote("a", "x", 1, 0), wrote("a", "x", 2, 1), read("a", "x", 1)],
        "a read version 1 of x, though it had written version 2",
    ),
    history.MONOTONIC_READS: (
        [wrote("a", "x", 1, 0), wrote("a", "x", 2, 1), read("b", "x", 2), read("b", "x", 1)],
        "b read version 1 of x after version 2",
    ),
    history.MONOTONIC_WRITES: (
        [wrote("a", "x", 1, 0, number=2), wrote("a", "y", 1, 0, number=1)],
        "write 1 of a was stored after its write 2",
    ),
    history.WRITES_FOLLOW_READS: (
        [wrote("a", "x", 2, 0), read("b", "x", 2), wrote("b", "x", 1, 0)],
        "b had read version 2 of x, but what it wrote then was stored as version 1",
    ),
    history.CAUSAL_ORDER: (
        [
            wrote("a", "question", 1, 0),
            read("b", "question", 1),
            wrote("b", "answer", 1, 0),
            read("c", "answer", 1),
            read("c", "question", 0),
        ],
        "c read version 0 of question, but knows of things that came after version 1",
    ),
}


@pytest.mark.parametrize("check", HISTORY_CHECKS, ids=lambda check: check.name)
def test_each_check_fires_and_says_what_is_wrong(check):
    told, text = FIRES[check]
    found = verdict(check, *told)
    assert found.violations == 1
    assert text in found.evidence[0].text
    assert found.first_event == len(told), "it shows the event"
    others = [other for other in HISTORY_CHECKS if other is not check]
    fired = [other.name for other in others if verdict(other, *told).violations]
    allowed = {
        history.WRITES_FOLLOW_READS: [history.NO_LOST_UPDATE.name],
        history.READ_YOUR_WRITES: [history.CAUSAL_ORDER.name],
        history.MONOTONIC_READS: [history.CAUSAL_ORDER.name],
    }
    assert fired == allowed.get(check, [])


def test_what_is_never_done_and_what_nobody_asked_for():
    never = verdict(history.EXACTLY_ONCE, asked("x"))
    assert "x was asked for, but never done" in str(never)
    unasked = verdict(history.EXACTLY_ONCE, did("x"))
    assert "nobody had asked for it" in str(unasked)


def test_a_write_that_keeps_both_changes_loses_nothing():
    told = [wrote("a", "x", 1, 0), wrote("a", "x", 2, 1)]
    assert verdict(history.NO_LOST_UPDATE, *told, wrote("b", "x", 3, 1, merged=True)).held


def test_how_stale_a_read_may_be_is_a_bound_of_ones_own():
    told = [wrote("a", "x", 1, 0), wrote("a", "x", 2, 1), read("b", "x", 1)]
    loose, tight = bounded_staleness(minutes(1)), bounded_staleness(seconds(1))
    assert verdict(loose, *told, every=minutes(1)).held, "just within"
    assert verdict(loose, *told, read("b", "x", 1), every=minutes(1)).violations == 1
    late = verdict(tight, *told, every=seconds(2))
    assert "which had been replaced 2s ago" in str(late)
    assert loose.name != tight.name


def test_a_version_that_is_no_number_is_refused():
    with pytest.raises(BadValue, match="version is None, no number"):
        verdict(history.MONOTONIC_READS, ("a", "x", {"what": "read"}))


def test_nothing_noted_is_nothing_judged():
    for check in HISTORY_CHECKS:
        assert verdict(check).judged == 0
        assert not verdict(check, ("a", "x", {"what": "sang"})).held


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=30)
)
def test_one_copy_that_everybody_uses_in_turn_is_consistent(steps):
    newest = dict.fromkeys("xyz", 0)
    numbers = dict.fromkeys("abc", 0)
    told = []
    for session, thing, is_write in steps:
        if is_write:
            numbers[session] += 1
            base, newest[thing] = newest[thing], newest[thing] + 1
            told.append(wrote(session, thing, base + 1, base, number=numbers[session]))
        else:
            told.append(read(session, thing, newest[thing]))
    for check in (*HISTORY_CHECKS, bounded_staleness(seconds(0))):
        assert not verdict(check, *told).violations


# --- actors of one's own, in a few lines ---


@message
class Set:
    """Store a text, changed from this version."""

    text: str
    base: int


@message
class Get:
    """What is stored?"""

    number: int


@message(about=("number",))
class Got:
    """That is."""

    number: int
    version: int


@message
class Copied:
    """The newest version, for the copy."""

    version: int


class Original(Actor):
    """Holds the truth; the copy hears of it over a line that reorders."""

    version = 0

    @handles(Set)
    def set(self, message: Set, sender: Address) -> None:
        self.version += 1
        self.note(NOTED, "text", what="wrote", version=self.version, base=message.base)
        self.send(self.address("copy"), Copied(self.version))

    @handles(Get)
    def get(self, message: Get, sender: Address) -> None:
        self.send(sender, Got(message.number, self.version))


class Copy(Original):
    """Takes whatever comes last."""

    @handles(Copied)
    def copied(self, message: Copied, sender: object) -> None:
        self.version = message.version


class CarefulCopy(Original):
    """Takes only what is newer."""

    @handles(Copied)
    def copied(self, message: Copied, sender: object) -> None:
        self.version = max(self.version, message.version)


class Reader(Actor):
    """Changes the original now and then, and reads the copy all the time."""

    async def run(self) -> None:
        for number in range(60):
            if number % 4 == 0:
                self.send(self.address("original"), Set(f"text {number}", number // 4))
            got = await self.ask(self.address("copy"), Get(number), Got)
            self.note(NOTED, "text", what="read", version=got.version)
            await self.sleep(seconds(1))


@pytest.mark.parametrize(("cls", "is_backwards"), [(Copy, True), (CarefulCopy, False)])
def test_a_copy_that_takes_what_comes_last_lets_people_read_backwards(cls, is_backwards):
    found = []
    for seed in range(20):
        world = Simulation(seed=seed)
        for name in ("original", "copy", "reader"):
            world.add_site(name)
        world.connect("reader", "original", Link(latency=Constant(0.01)))
        world.connect("reader", "copy", Link(latency=Constant(0.01)))
        bad = Link(latency=Constant(0.5), reorder=0.5, reorder_window=seconds(20))
        world.connect("original", "copy", bad)
        for name, actor in (("original", Original), ("copy", cls), ("reader", Reader)):
            world.seat(name, actor, name)
        world.run()
        found.append(judge(world, history.MONOTONIC_READS).violations > 0)
    assert any(found) is is_backwards


def test_other_words_are_nobodys_business():
    for word in ("done", "seen", "known", "own", "behind"):
        assert verdict(history.EXACTLY_ONCE, ("a", "x", {"what": word})).judged == 0


def test_versions_that_do_not_rise_are_lost_updates_too():
    check = history.NO_LOST_UPDATE
    same = verdict(check, wrote("a", "x", 1, 0), wrote("b", "x", 1, 1))
    assert "stored version 1 of x, made from version 1, while version 1 was the newest" in str(same)
    assert verdict(check, wrote("a", "x", 1, 5)).violations == 1, "a base from the future"


def test_what_a_writer_had_before_its_eyes_counts_as_read():
    told = [
        wrote("a", "y", 1, 0),
        wrote("a", "x", 1, 0),
        wrote("b", "x", 2, 1),
        read("c", "x", 2),
        read("c", "y", 0),
    ]
    assert verdict(history.CAUSAL_ORDER, *told).violations == 1
