"""What actors can do, and what becomes of them."""

from typing import Any

import attrs
import pytest
import trio

from crmsim import Actor, Address, Level, Link, LinkKind, Simulation, handles, message
from crmsim.chance import Constant
from crmsim.errors import (
    ActorFailed,
    BadMessage,
    BadValue,
    Deadlock,
    Livelock,
    NoRoute,
    TimedOut,
    UnknownSite,
    Unreachable,
)
from crmsim.network.faults import Hold, Partition
from crmsim.units import days, hours, milliseconds, minutes, seconds

from .worlds import Echo, Ping, Pong, Sink, Tick, events, pair, sends

MS = milliseconds(1)


def test_messages_arrive_after_the_latency_in_order():
    world = pair(sends(3), Sink)
    world.run()
    assert world.actor("b").got == [(10 * MS, 0), (10 * MS, 1), (10 * MS, 2)]


def test_a_reply_goes_back_to_the_sender():
    world = pair(sends(2), Echo)
    world.run()
    assert world.actor("b").seen == [0, 1]
    assert [e[1] for e in events(world, "delivered")] == ["b", "b", "a", "a"]


def test_every_actor_is_one_trio_task_and_ends_with_the_nursery():
    started, ended = set(), set()

    class Watch(trio.abc.Instrument):
        def task_spawned(self, task):
            started.add(task.name)

        def task_exited(self, task):
            ended.add(task.name)

    world = Simulation()
    for number in range(20):
        world.add_site(f"s{number}")
        world.seat(f"s{number}", Echo)

    async def story(simulation):
        trio.lowlevel.add_instrument(Watch())
        simulation.add_site("late")
        simulation.seat("late", Echo)
        await simulation.run_until(seconds(1))
        assert started >= {"late"}

    world.tell(story)
    actors = {f"s{number}" for number in range(20)} | {"late"}
    assert ended >= actors


def test_an_actor_can_live_a_life_of_its_own():
    class Waiter(Actor):
        receives = (Ping,)

        def __init__(self):
            self.log: list[Any] = []

        async def run(self):
            await self.sleep(seconds(1))
            self.log.append((self.now_ns, "awake"))
            message = await self.receive()
            self.log.append((message.number, self.sender.name))
            try:
                await self.receive(timeout_ns=seconds(5))
            except TimedOut:
                self.log.append((self.now_ns, "nothing"))

    world = pair(sends(1), Waiter)
    world.run()
    assert world.actor("b").log == [(seconds(1), "awake"), (0, "a"), (seconds(6), "nothing")]


class Asker(Actor):
    timeout_ns: int | None = seconds(10)

    def __init__(self):
        self.answers: list[object] = []

    async def run(self):
        for number in range(3):
            try:
                answer = await self.ask(
                    self.address("b"), Ping(number), Pong, timeout_ns=self.timeout_ns
                )
                self.answers.append(answer.number)
            except (TimedOut, Unreachable) as error:
                self.answers.append((type(error).__name__, error.happened.value))


def test_ask_waits_for_the_answer():
    world = pair(Asker, Echo)
    world.run()
    assert world.actor("a").answers == [0, 1, 2]
    assert world.now_ns >= 60 * MS


def test_an_answer_that_never_comes_times_out_and_may_have_happened():
    world = pair(Asker, Sink)
    world.run()
    assert world.actor("a").answers == [("TimedOut", "unknown")] * 3
    assert world.actor("b").numbers == [0, 1, 2], "the other side did get the question"


def test_a_late_answer_is_dropped_and_counted():
    class Slow(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            await self.sleep(seconds(12))
            self.send(sender, Pong(message.number))

    world = pair(Asker, Slow)
    world.run()
    assert world.actor("a").answers == [("TimedOut", "unknown")] * 3
    assert world.statistics().late_answers == 2
    assert [e.detail["reason"] for e in world.journal.select("lost")] == ["the actor had ended"]


def test_a_question_over_a_line_that_is_down_never_left():
    world = pair(Asker, Echo)
    world.at(0, world.strike, Partition("a", "b", under_way="drop"))
    world.run(until=days(1))
    assert world.actor("a").answers == [("Unreachable", "no")] * 3


def test_a_stream_that_breaks_is_seen_by_who_asked_over_it():
    class Slow(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            await self.sleep(seconds(8))
            self.send(sender, Pong(message.number))

    link = Link(kind=LinkKind.STREAM, latency=Constant(0.01))
    world = pair(Asker, Slow, link)
    world.plan(Partition("a", "b", under_way="drop"), seconds(4), MS)
    world.run()
    unknown, no = ("TimedOut", "unknown"), ("Unreachable", "no")
    assert world.actor("a").answers == [unknown, no, no], "the break ends the wait at once"


def test_a_call_can_fail_and_an_answer_can_be_lost():
    class Patient(Asker):
        timeout_ns = seconds(10)

    link = Link(kind=LinkKind.STREAM, call_failure=1.0)
    world = pair(Patient, Echo, link)
    world.run()
    assert world.actor("a").answers == [("Unreachable", "no")] * 3
    link = Link(kind=LinkKind.STREAM, answer_loss=1.0)
    world = pair(Patient, Echo, link)
    world.run()
    assert world.actor("a").answers == [("TimedOut", "unknown")] * 3
    assert world.actor("b").seen == [0, 1, 2]


def test_one_message_at_a_time_to_completion():
    class Busy(Actor):
        def __init__(self):
            self.log = []

        @handles(Ping)
        async def ping(self, message, sender):
            self.log.append(("begin", message.number))
            await self.sleep(seconds(1))
            self.log.append(("end", message.number))

    world = pair(sends(3), Busy)
    world.run()
    assert world.actor("b").log == [(w, n) for n in range(3) for w in ("begin", "end")]
    assert world.now_ns == seconds(3) + 10 * MS


def test_plain_and_async_handlers_take_turns_in_order():
    class Mixed(Actor):
        def __init__(self):
            self.log = []

        @handles(Ping)
        async def ping(self, message, sender):
            await self.sleep(seconds(1))
            self.log.append(message.number)

        @handles(Tick)
        def tick(self, message, sender):
            self.log.append("tick")

    class Sender(Actor):
        def started(self):
            for thing in (Ping(0), Tick(), Ping(1), Tick(), Tick()):
                self.send(self.address("b"), thing)

    world = pair(Sender, Mixed)
    world.run()
    assert world.actor("b").log == [0, "tick", 1, "tick", "tick"]


def test_a_full_mailbox_loses_and_says_so():
    class Small(Actor):
        mailbox_bound = 2

        @handles(Ping)
        async def ping(self, message, sender):
            await self.sleep(seconds(1))

    world = pair(sends(6), Small)
    world.run()
    lost = list(world.journal.select("lost"))
    assert len(lost) == 3
    assert {event.detail["reason"] for event in lost} == {"mailbox_full"}
    statistics = world.statistics().mailboxes["b"]
    assert (statistics.most, statistics.refused, statistics.bound) == (2, 3, 2)


def test_a_timer_can_be_cancelled():
    class Clock(Actor):
        def started(self):
            self.rung = []
            self.after(seconds(1), Ping(1))
            self.after(seconds(2), Ping(2)).cancel()
            self.after(seconds(3), Ping(3))

        @handles(Ping)
        def ring(self, message, sender):
            self.rung.append((self.now_ns, message.number))

    world = pair(Clock, Sink)
    world.run()
    assert world.actor("a").rung == [(seconds(1), 1), (seconds(3), 3)]


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        ("text", "is no message"),
        (Tick(), "declares no such message"),
        (Ping([1]), "no lasting identity"),
    ],
)
def test_what_cannot_be_sent_is_an_error_at_the_sender(thing, says):
    class Wrong(Actor):
        def started(self):
            self.send(self.address("b"), thing)

    with pytest.raises(ActorFailed, match=says) as caught:
        pair(Wrong, Sink).run()
    assert isinstance(caught.value.__cause__, BadMessage)
    assert "'a'" in str(caught.value)


def test_a_message_that_is_not_hashable_is_refused_although_it_is_about_something_else():
    @message(about=("number",))
    class Box:
        number: int
        content: list[int]

    class Taker(Actor):
        @handles(Box)
        def take(self, message, sender): ...

    class Wrong(Actor):
        def started(self):
            self.send(self.address("b"), Box(1, [2]))

    with pytest.raises(ActorFailed, match="unhashable"):
        pair(Wrong, Taker).run()


def test_names_must_be_known_and_joined():
    world = pair(sends(1), Sink)
    with pytest.raises(UnknownSite, match="sites are a, b"):
        world.seat("c", Sink)
    with pytest.raises(BadValue, match="unique"):
        world.seat("a", Sink)
    world.add_site("c")
    world.seat("c", sends(1))
    with pytest.raises(ActorFailed, match="no line goes from 'c' to 'b'") as caught:
        world.run()
    assert isinstance(caught.value.__cause__, NoRoute)


def test_time_does_not_go_back():
    class Back(Actor):
        def started(self):
            self.after(-1, Tick())

        @handles(Tick)
        def tick(self, message, sender): ...

    with pytest.raises(ActorFailed, match="time does not go back"):
        pair(Back, Sink).run()


def test_a_deadlock_is_named():
    class Lonely(Actor):
        receives = (Ping,)

        async def run(self):
            await self.receive()

    class Hopeful(Actor):
        async def run(self):
            await self.ask(self.address("b"), Ping(1), Pong)

    with pytest.raises(Deadlock, match="'a' waits in receive"):
        pair(Lonely, Sink).run()
    with pytest.raises(Deadlock, match="'a' waits in answer from 'b'"):
        pair(Hopeful, Sink).run()
    Lonely.serves = True
    pair(Lonely, Sink).run()


def test_a_story_that_waits_in_vain_is_a_deadlock():
    async def story(simulation):
        await trio.Event().wait()

    with pytest.raises(Deadlock, match="the story waits"):
        pair(sends(1), Sink).tell(story)


def test_a_livelock_is_named(monkeypatch):
    monkeypatch.setattr("crmsim.kernel.watch.LIVELOCK_COUNT", 20_000)

    class Racer(Actor):
        def started(self):
            self.tick(Tick(), self.address(self.name))

        @handles(Tick)
        def tick(self, message, sender):
            self.after(0, Tick())

    with pytest.raises(Livelock, match="'a' handling Tick"):
        pair(Racer, Sink).run()


def test_an_error_in_a_handler_ends_the_run_with_actor_message_time_and_seed():
    class Broken(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            raise ZeroDivisionError("oh")

    with pytest.raises(ActorFailed) as caught:
        pair(sends(1), Broken, seed=7).run()
    said = str(caught.value)
    assert "ZeroDivisionError: oh" in said
    assert "'b' handling Ping" in said
    assert "0d 00:00:00.01" in said
    assert "seed 7" in said
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_supervised_site_restarts_instead():
    class Broken(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            if message.number == 1:
                raise ZeroDivisionError("oh")
            with self.commit() as change:
                change.put("seen", message.number, True)

    world = pair(sends(4, every_ns=seconds(10)), Broken)
    world.site("b").restart_after_ns = seconds(1)
    world.run()
    assert list(world.store("b").table("seen")) == [0, 2, 3]
    assert next(e[4] for e in events(world, "crashed"))[1] == ("point", "ZeroDivisionError: oh")


# --- crash, restart, pause ---


class Keeper(Actor):
    """Stores what it gets; also counts in memory that a crash wipes."""

    def __init__(self):
        self.memory = 0

    @handles(Ping)
    def ping(self, message: Ping, sender: Address[Pong]):
        self.memory += 1
        with self.commit() as change:
            change.put("seen", message.number, self.now_ns)
            change.send(sender, Pong(message.number))


def test_a_crash_loses_memory_mail_and_timers_but_not_the_store():
    class Forgetful(Keeper):
        def started(self):
            self.after(seconds(25), Tick())

        @handles(Tick)
        def tick(self, message, sender):
            self.memory += 1000

    world = pair(sends(5, every_ns=seconds(10)), Forgetful)
    world.at(seconds(15), world.site("b").crash)
    world.at(seconds(25) - 1, world.site("b").restart)
    world.run(until=seconds(49))
    assert list(world.store("b").table("seen")) == [0, 1, 3, 4], "number 2 came while it was down"
    assert world.actor("b").memory == 2
    reasons = {e.detail["reason"] for e in world.journal.select("lost")}
    assert reasons == {"the site was down"}


def test_what_a_crashed_actor_does_in_finally_has_no_effect():
    class Stubborn(Actor):
        def __init__(self):
            self.finished = []

        async def run(self):
            try:
                await self.sleep(seconds(10))
            finally:
                self.send(self.address("b"), Ping(99))
                with self.commit() as change:
                    change.put("late", 1, True)
                self.after(0, Tick())

        @handles(Tick)
        def tick(self, message, sender): ...

    world = pair(Stubborn, Sink)
    world.at(seconds(5), world.site("a").crash)
    world.run(until=seconds(20))
    assert world.actor("b").got == []
    assert dict(world.store("a").table("late")) == {}
    assert [e[3] for e in events(world, "dropped")] == ["send Ping", "commit", "after"]
    assert world.statistics().dropped == 3


@pytest.mark.parametrize("verb", ["sleep", "receive", "ask"])
def test_a_crash_reaches_an_actor_wherever_it_waits(verb):
    lives = []

    class Waiting(Actor):
        receives = (Ping,)

        async def run(self):
            lives.append(self.now_ns)
            if verb == "sleep":
                await self.sleep(hours(1))
            elif verb == "receive":
                await self.receive(timeout_ns=hours(1))
            else:
                await self.ask(self.address("b"), Ping(1), Pong, timeout_ns=hours(1))
            lives.append("end")

    world = pair(Waiting, Sink)
    world.at(minutes(1), world.site("a").crash)
    world.at(minutes(2), world.site("a").restart)
    world.run(until=minutes(50))
    assert lives[:2] == [0, minutes(2)]
    assert "end" not in lives, "the first life never went on"


def test_a_commit_has_a_middle_and_a_crash_in_it_undoes_all_of_it():
    world = pair(sends(1), Keeper)
    world.site("b").write_ns = seconds(1)
    world.at(milliseconds(500), world.site("b").crash)
    world.run(until=seconds(5))
    assert dict(world.store("b").table("seen")) == {}
    assert events(world, "delivered")[-1][1] == "b", "no receipt left"
    world = pair(sends(1), Keeper)
    world.site("b").write_ns = seconds(1)
    world.at(seconds(1) + 11 * MS, world.site("b").crash)
    world.run(until=seconds(5))
    assert list(world.store("b").table("seen")) == [0]
    assert events(world, "delivered")[-1][1] == "a", "the receipt left with the commit"


def test_a_change_that_fails_is_forgotten():
    class Careless(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            try:
                with self.commit() as change:
                    change.put("seen", 1, True)
                    raise ValueError
            except ValueError:
                pass

    world = pair(sends(1), Careless)
    world.run()
    assert dict(world.store("b").table("seen")) == {}


def test_a_pause_keeps_the_memory_and_order_and_lets_timers_ring_late():
    class Diary(Actor):
        def __init__(self):
            self.log = []

        def started(self):
            self.after(seconds(12), Tick())

        @handles(Ping)
        def ping(self, message, sender):
            self.log.append((self.now_ns // seconds(1), message.number))

        @handles(Tick)
        def tick(self, message, sender):
            self.log.append((self.now_ns // seconds(1), "tick"))

    world = pair(sends(4, every_ns=seconds(5)), Diary)
    world.at(seconds(4), world.site("b").pause)
    world.at(seconds(20), world.site("b").resume)
    world.run()
    log = world.actor("b").log
    assert log[0] == (0, 0)
    assert [n for _, n in log if n != "tick"] == [0, 1, 2, 3], "first in, first out"
    assert {when for when, _ in log[1:]} == {20}


def test_a_message_under_way_can_be_held_and_arrives_afterwards():
    world = pair(sends(3, every_ns=seconds(1)), Sink)
    world.plan(Hold("a", "b", under_way="hold"), seconds(1), seconds(5))
    world.run()
    assert world.actor("b").numbers == [0, 1, 2]
    assert [time // seconds(1) for time, _ in world.actor("b").got] == [0, 6, 6]
    assert [e[2] for e in events(world, "held", "struck", "lifted")] == [
        "struck",
        "held",
        "held",
        "lifted",
    ]


def test_a_fault_can_last_as_long_as_a_with_block():
    world = pair(sends(10, every_ns=seconds(1)), Sink)

    async def story(simulation):
        await simulation.run_until(milliseconds(2500))
        with simulation.fault(Partition("a", "b", under_way="drop")) as fault:
            await simulation.sleep(seconds(3))
        assert fault.touched == 3
        await simulation.run_until(None)

    world.tell(story)
    assert world.actor("b").numbers == [0, 1, 2, 6, 7, 8, 9]


# --- stories ---


def test_tasks_of_a_story_run_in_the_order_they_were_started():
    orders = set()
    for _ in range(10):
        log: list[int] = []

        async def work(number, log=log):
            for _ in range(3):
                await world.sleep(seconds(1))
                log.append(number)

        async def story(simulation, work=work):
            for number in range(8):
                simulation.start_soon(work, number)
            await simulation.run_until(seconds(10))

        world = pair(sends(0), Sink)
        world.tell(story)
        orders.add(tuple(log))
        assert world.raw_turns == []
    assert orders == {tuple(range(8)) * 3}


def test_order_left_to_trio_is_noticed_and_named():
    async def raw():
        await trio.sleep(1)

    async def story(simulation):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(raw)
            nursery.start_soon(raw)

    world = pair(sends(0), Sink)
    world.tell(story)
    assert any("raw" in " ".join(names) for names in world.raw_turns)


def test_run_until_includes_what_is_due_then():
    world = pair(sends(3, every_ns=seconds(1)), Sink, Link(latency=Constant(1.0)))
    world.run(until=seconds(2))
    assert world.actor("b").numbers == [0, 1]
    assert world.now_ns == seconds(2)


def test_raw_trio_works_in_virtual_time_in_a_story():
    times = []

    async def story(simulation):
        await trio.sleep(3600)
        times.append(simulation.now_ns)
        with trio.move_on_after(60):
            await trio.sleep_forever()
        times.append(simulation.now_ns)

    pair(sends(0), Sink).tell(story)
    assert times == [hours(1), hours(1) + minutes(1)]


def test_an_error_in_a_story_comes_out_as_it_is():
    async def story(simulation):
        await simulation.sleep(5)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pair(sends(0), Sink).tell(story)


def test_a_simulation_runs_once():
    world = pair(sends(1), Sink)
    world.run()
    with pytest.raises(BadValue, match="runs once"):
        world.run()


def test_the_past_is_over():
    async def story(simulation):
        await simulation.run_until(seconds(5))
        await simulation.run_until(seconds(1))

    with pytest.raises(BadValue, match="it is 0d 00:00:05"):
        pair(sends(0), Sink).tell(story)


# --- states, strategies, levels ---


def test_states_are_frozen_and_say_what_an_actor_remembers():
    @attrs.define
    class Box:
        content: list[int]

    class Rich(Actor):
        def __init__(self):
            self.table = {"a": [1, 2]}
            self.names = {"x", "y"}
            self.box = Box([3])
            self._hidden = 1

    world = pair(Rich, Sink)
    world.run()
    state = world.states()["a"]
    hash(state)
    assert state == (
        ("box", ("Box", (3,))),
        ("names", frozenset({"x", "y"})),
        ("table", (("a", (1, 2)),)),
    )


def test_a_strategy_chooses_among_all_that_is_pending():
    class Backwards:
        name = "backwards"

        def choose(self, enabled):
            return enabled[-1]

    class Sender(Actor):
        def started(self):
            for number in range(4):
                self.send(self.address("b"), Ping(number))

    times = pair(Sender, Sink, strategy=Backwards())
    times.run(until=seconds(1))
    assert times.actor("b").numbers == [3, 2, 1, 0]
    assert times.now_ns == seconds(1)


def test_a_level_keeps_what_it_says_and_nothing_above():
    counts = {}
    for level in Level:
        world = pair(sends(3), Echo, level=level)
        world.run()
        counts[level] = {e.kind for e in world.journal}
    assert counts[Level.OFF] == set()
    assert counts[Level.METRICS] == set()
    assert counts[Level.BUSINESS] == {"sent"}
    assert counts[Level.MESSAGES] == {"sent", "delivered"}


def test_causes_lead_from_a_reply_to_the_question():
    world = pair(sends(1), Echo)
    world.run()
    chain = world.journal.causes(len(world.journal))
    assert [(e.actor, e.kind) for e in chain] == [
        ("a", "sent"),
        ("b", "delivered"),
        ("b", "sent"),
        ("a", "delivered"),
    ]
