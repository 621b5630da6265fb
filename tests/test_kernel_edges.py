"""Rare meetings in the kernel: crashes and restarts at one instant, faults around questions, ..."""

import pytest
import trio

from crmsim import Actor, Level, Link, LinkKind, Topology, handles
from crmsim.chance import Constant, Uniform
from crmsim.errors import (
    ActorFailed,
    BadMessage,
    BadValue,
    Livelock,
    NoRoute,
    TimedOut,
    Unreachable,
)
from crmsim.kernel.durable import CrashAt, CrashPoint
from crmsim.kernel.message import LineEnded
from crmsim.kernel.simulation import Simulation
from crmsim.network.faults import Hold, NthMessage, Outage, Partition, Slow
from crmsim.units import hours, milliseconds, parse_rate, seconds

from .worlds import Echo, Ping, Pong, Sink, Tick, pair, sends

FAR = Link(latency=Constant(2.0))


class Sleeper(Actor):
    async def run(self):
        await self.sleep(seconds(100))


@pytest.mark.parametrize("detached", [True, False])
def test_crash_and_restart_at_one_instant(detached):
    world = pair(Sleeper, Sink, detached=detached)
    world.at(seconds(1), world.site("a").crash)
    world.at(seconds(1), world.site("a").restart)
    world.run()
    assert world.now_ns == seconds(101)


def test_a_site_that_is_down_at_the_start_stays_down():
    world = pair(sends(1), Sink)
    world.site("b").crash()
    world.run(until=seconds(1))
    assert world.actor("b").got == []


def test_an_answer_to_a_dead_incarnation_wakes_nobody():
    lives = []

    class Asking(Actor):
        async def run(self):
            lives.append(self.now_ns)
            if len(lives) == 1:
                await self.ask(self.address("b"), Ping(1), Pong)
            await self.sleep(seconds(100))
            lives.append(self.now_ns)

    world = pair(Asking, Echo, FAR)
    world.at(milliseconds(500), world.site("a").crash)
    world.at(seconds(1), world.site("a").restart)
    world.run()
    assert lives == [0, seconds(1), seconds(101)]
    assert world.statistics().late_answers == 1


@pytest.mark.parametrize("level", [Level.OFF, Level.BUSINESS, Level.MESSAGES])
@pytest.mark.parametrize(
    ("fault", "begins", "lasts", "answered_at"),
    [
        (Partition("a", "b", under_way="drop"), 1, 2, None),
        (Partition("a", "b", under_way="deliver"), 1, 0.5, 4),
        (Slow("a", "b", factor=2), 1, 9, 6),
        (NthMessage("Pong", 1, "drop"), 1, 9, None),
        (Hold("a", "b", under_way="hold"), 1, 4, 7),
    ],
    ids=str,
)
def test_a_fault_during_a_question_acts_alike_at_every_level(
    fault, begins, lasts, answered_at, level
):
    answered = []

    class Asking(Actor):
        async def run(self):
            try:
                await self.ask(self.address("b"), Ping(1), Pong, timeout_ns=seconds(50))
                answered.append(self.now_ns)
            except TimedOut:
                answered.append(None)

    world = pair(Asking, Echo, FAR, level=level)
    world.plan(fault, seconds(begins), seconds(lasts))
    world.run(until=seconds(60))
    assert answered == [None if answered_at is None else seconds(answered_at)]


def test_only_the_line_that_breaks_ends_a_question():
    log = []

    class Asking(Actor):
        async def run(self):
            answer = await self.ask(self.address("b"), Ping(1), Pong)
            log.append(answer.number)

    stream = Link(kind=LinkKind.STREAM, latency=Constant(2.0))
    topology = Topology()
    for name in "abc":
        topology.add_site(name)
    topology.connect("a", "b", stream)
    topology.connect("a", "c", stream)
    world = Simulation(topology)
    world.seat("a", Asking)
    world.seat("b", Echo)
    world.seat("c", Sink)
    world.at(seconds(1), world.site("c").crash)
    world.plan(Partition("a", "c", under_way="drop"), seconds(1), seconds(1))
    world.run()
    assert log == [1]


def test_hanging_up_ends_a_question_over_a_call():
    log = []

    class Caller(Actor):
        async def run(self):
            self.open_line(self.address("b"))
            try:
                await self.ask(self.address("b"), Ping(1), Pong)
            except TimedOut:
                log.append(self.now_ns)

    call = Link(kind=LinkKind.STREAM, latency=Constant(2.0), dial_up=True)
    world = pair(Caller, Sink, call)
    world.at(seconds(1), lambda: [world.hang_up(line) for line in world.fabric.lines.values()])
    world.run()
    assert log == [seconds(1)]


def test_a_commit_outlives_the_life_that_made_it():
    class Brief(Actor):
        async def run(self):
            with self.commit() as change:
                change.put("t", 1, "kept")
                change.send(self.address("b"), Ping(7))

    world = pair(Brief, Sink)
    world.site("a").write_ns = seconds(1)
    world.run()
    assert world.store("a").get("t", 1) == "kept"
    assert world.actor("b").numbers == [7]


def test_commits_stay_in_order_when_the_disk_gets_faster():
    class Two(Actor):
        def started(self):
            self.commit_one(1)
            world.site("a").write_ns = 1
            self.commit_one(2)

        def commit_one(self, number):
            with self.commit() as change:
                change.send(self.address("b"), Ping(number))

    world = pair(Two, Sink)
    world.site("a").write_ns = seconds(1)
    world.run()
    assert world.actor("b").numbers == [1, 2]


def test_a_verb_in_a_stretch_can_be_cancelled_by_trio_without_harm():
    class Tourist(Actor):
        async def run(self):
            async with self.attached():
                with trio.move_on_after(1):
                    await self.sleep(hours(1))
            self.send(self.address("b"), Ping(1))

    world = pair(Tourist, Sink)
    world.run()
    assert world.actor("b").got == [(seconds(1.01), 1)]


def test_a_verb_in_a_task_of_a_stretch_says_what_to_do():
    class Tourist(Actor):
        async def run(self):
            async with self.attached(), trio.open_nursery() as nursery:
                nursery.start_soon(self.sleep, 5)

    with pytest.raises(ActorFailed, match="use trio's own sleep"):
        pair(Tourist, Sink).run()


def test_a_crashed_actor_may_ask_who_the_sender_was():
    class Polite(Actor):
        receives = (Ping,)

        async def run(self):
            await self.receive()
            try:
                await self.sleep(hours(1))
            finally:
                self.send(self.sender, Pong(1))

    world = pair(sends(1), Polite)
    world.at(seconds(1), world.site("b").crash)
    world.run(until=seconds(5))
    assert world.statistics().dropped == 1


def test_what_was_sent_during_a_hold_can_still_be_dropped_by_a_later_cut():
    link = Link(latency=Constant(10.0))
    world = pair(sends(1), Sink, link)
    world.plan(Hold("a", "b", under_way="hold"), 0, seconds(1))
    world.plan(Partition("a", "b", under_way="drop"), seconds(5), seconds(1))
    world.run()
    assert world.actor("b").got == []


def test_a_hold_lets_pass_what_was_sent_before_it():
    link = Link(latency=Constant(6.0))
    world = pair(sends(1), Sink, link)
    world.plan(Outage("b", under_way="hold"), seconds(1), seconds(1))
    world.plan(Hold("a", "b", under_way="deliver"), seconds(4), seconds(60))
    world.run()
    assert world.actor("b").got == [(seconds(6), 0)]


def test_a_stream_repeats_what_a_fault_takes():
    stream = Link(kind=LinkKind.STREAM, latency=Constant(0.01), retransmit=seconds(3))
    world = pair(sends(3), Sink, stream)
    world.fabric.strike(NthMessage("Ping", 2))
    world.run()
    assert world.actor("b").numbers == [0, 1, 2]
    assert [t for t, _ in world.actor("b").got] == [seconds(0.01), seconds(3.01), seconds(3.01)]


def test_a_strategy_keeps_the_order_of_a_stream():
    class Backwards:
        name = "backwards"

        def choose(self, enabled):
            return enabled[-1]

    stream = Link(kind=LinkKind.STREAM, latency=Uniform(0.01, 0.02))
    world = pair(sends(5), Sink, stream, strategy=Backwards())
    world.run(until=seconds(5))
    assert world.actor("b").numbers == [0, 1, 2, 3, 4]


def test_a_new_call_does_not_wait_for_the_bytes_of_the_old_one():
    class Letter(Actor):
        def started(self):
            self.address("b")
            self.dial()
            self.after(seconds(1), Tick())

        def dial(self):
            self.open_line(self.address("b"))
            for number in range(50):
                self.send(self.address("b"), Ping(number))

        @handles(Tick)
        def again(self, message, sender):
            self.close_line(self.address("b"))
            self.open_line(self.address("b"))
            self.send(self.address("b"), Ping(99))

    slow = Link(latency=Constant(0.0), rate=parse_rate("384bit/s"), dial_up=True)
    world = pair(Letter, Sink, slow)
    world.run()
    assert world.actor("b").got == [(seconds(1), 0), (seconds(2), 99)]


CUT = Partition("a", "b", under_way="hold")
HELD = Hold("a", "b", under_way="hold")


@pytest.mark.parametrize("kind", LinkKind)
@pytest.mark.parametrize(
    ("trouble", "told_s"),
    [
        (lambda world: None, [3]),
        (lambda world: world.at(seconds(2), world.site("a").crash), [2]),
        (lambda world: world.at(seconds(2), world.site("b").crash), []),
        (lambda world: world.at(seconds(2), world.site("b").pause), []),
        (lambda world: world.plan(HELD, seconds(2), seconds(9)), []),
        (lambda world: world.plan(CUT, seconds(2), seconds(9)), []),
    ],
    ids=["hung up", "caller crashed", "crashed itself", "stands still", "held", "cut"],
)
def test_the_far_end_is_told_that_a_line_ended_unless_it_cannot_see_it(kind, trouble, told_s):
    told = []

    class Caller(Actor):
        async def run(self):
            self.open_line(self.address("b"))
            await self.sleep(seconds(3))
            self.close_line(self.address("b"))
            self.close_line(self.address("b"))

    class Called(Actor):
        @handles(LineEnded)
        def ended(self, message, sender):
            told.append((self.now_ns, message.site))

    world = pair(Caller, Called, Link(kind=kind, dial_up=True))
    trouble(world)
    world.run()
    assert told == [(seconds(second), "a") for second in told_s]


@pytest.mark.parametrize(("kind", "count"), [(LinkKind.STREAM, 2), (LinkKind.DATAGRAM, 0)])
def test_both_ends_see_that_a_stream_broke_in_the_middle_of_a_call(kind, count):
    told = []

    class End(Actor):
        @handles(LineEnded)
        def ended(self, message, sender):
            told.append((self.now_ns, message.site))

    class Caller(End):
        def started(self):
            self.open_line(self.address("b"))

    world = pair(Caller, End, Link(kind=kind, dial_up=True))
    world.plan(Partition("a", "b", under_way="drop"), seconds(2), seconds(9))
    world.run()
    assert sorted(set(told)) == [(seconds(2), "a"), (seconds(2), "b")][:count]


def test_one_more_question_moves_no_other_questions_luck():
    def fates(first):
        log = {}

        class Asking(Actor):
            async def run(self):
                for number in range(first, 40):
                    try:
                        await self.ask(self.address("b"), Ping(number), Pong)
                        log[number] = True
                    except (Unreachable, TimedOut) as error:
                        log[number] = type(error)

        link = Link(kind=LinkKind.STREAM, call_failure=0.3, answer_loss=0.3)
        pair(Asking, Echo, link).run()
        return log

    many, few = fates(0), fates(5)
    assert all(many[number] == fate for number, fate in few.items())
    assert len(set(many.values())) == 3


def test_a_story_that_never_lets_time_pass_is_a_livelock(monkeypatch):
    monkeypatch.setattr("crmsim.kernel.watch.LIVELOCK_COUNT", 5_000)

    async def story(simulation):
        while True:
            await simulation.sleep(0)

    with pytest.raises(Livelock):
        pair(sends(0), Sink).tell(story)


def test_much_at_one_instant_is_no_livelock(monkeypatch):
    monkeypatch.setattr("crmsim.kernel.watch.LIVELOCK_COUNT", 10_000)

    async def story(simulation):
        for _ in range(5):
            await simulation.sleep(seconds(1))
            for _ in range(6_000):
                simulation.at(simulation.now_ns, int)

    pair(sends(0), Sink).tell(story)


def test_steps_end_at_raw_deadlines_too():
    class Tourist(Actor):
        async def run(self):
            async with self.attached():
                await trio.sleep(10)

    with pair(Tourist, Sink).stepping() as steps:
        assert steps.run_until(seconds(5)) == seconds(5)
        assert steps.run_until(seconds(20)) == seconds(20)


def test_a_run_can_be_stopped_from_inside():
    world = pair(sends(100, every_ns=seconds(1)), Sink)
    world.at(seconds(5), world.stop)
    world.run()
    assert world.now_ns == seconds(5)


def test_a_paused_site_finishes_its_commit_later():
    class Keeper(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            with self.commit() as change:
                change.send(sender, Pong(message.number))

    world = pair(sends(1), Keeper)
    world.site("b").write_ns = seconds(1)
    world.at(seconds(0.5), world.site("b").pause)
    world.at(seconds(5), world.site("b").resume)
    world.run()
    assert world.now_ns == seconds(5.01)


def test_a_planned_crash_strikes_the_work_it_was_aimed_at():
    class Worker(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            self.working(seconds(10), "job")

    world = pair(sends(2, every_ns=seconds(30)), Worker)
    world.plan_crash(CrashAt("b", CrashPoint.DURING_IMPORT, 0, seconds(1)))
    world.at(seconds(1), world.site("b").crash)
    world.at(seconds(2), world.site("b").restart)
    world.run()
    crashes = [(e.time_ns, e.detail["point"]) for e in world.journal.select("crashed")]
    assert crashes == [(seconds(1), ""), (seconds(35.01), "during import")]


def test_the_end_of_one_crash_does_not_end_the_next():
    world = pair(sends(0), Sink)

    async def story(simulation):
        site = simulation.site("b")
        site.restart_after_ns = seconds(10)
        site.supervise(ValueError("first"))
        await simulation.run_until(seconds(5))
        site.restart()
        await simulation.run_until(seconds(9))
        site.crash()
        await simulation.run_until(seconds(30))
        assert not site.is_up

    world.tell(story)


def test_handlers_are_collected_over_all_ancestors():
    class Left(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            log.append("ping")

    class Right(Actor):
        @handles(Tick)
        def tick(self, message, sender):
            log.append("tick")

    class Both(Left, Right):
        async def ping(self, message, sender):
            await self.sleep(seconds(1))
            log.append("slow ping")

    class Sender(Actor):
        def started(self):
            self.send(self.address("b"), Ping(1))
            self.send(self.address("b"), Tick())

    log: list[str] = []
    pair(Sender, Both).run()
    assert log == ["slow ping", "tick"]


def test_small_mistakes_are_told():
    with pytest.raises(BadValue, match="can be negative"):
        Link(latency=Uniform(-3.0, 1.0))

    class Hasty(Actor):
        async def run(self):
            await self.receive(timeout_ns=-1)

    with pytest.raises(ActorFailed, match="time does not go back"):
        pair(Hasty, Sink).run()

    class Floating(Actor):
        async def run(self):
            await self.sleep(1.5)

    with pytest.raises(ActorFailed, match=r"whole nanoseconds, e\.g\. seconds\(1\.5\)"):
        pair(Floating, Sink).run()

    class ByName(Actor):
        def started(self):
            self.send("b", Ping(1))

    with pytest.raises(ActorFailed, match="use an address, not a name"):
        pair(ByName, Sink).run()

    class Broken(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            raise KeyError("x")

    with pytest.raises(ActorFailed, match="'b' handling Ping"):
        pair(sends(1), Broken).run()
    assert issubclass(BadMessage, TypeError)


def test_two_tasks_may_wait_for_the_end():
    ended = []

    async def waits(simulation):
        await simulation.run_until(None)
        ended.append(1)

    async def story(simulation):
        simulation.start_soon(waits, simulation)
        await simulation.run_until(None)
        await simulation.run_until(None)

    pair(sends(1), Sink).tell(story)
    assert ended == [1]


def test_a_scope_with_a_deadline_in_the_past_is_cancelled_at_once():
    async def story(simulation):
        with trio.CancelScope(deadline=-float("inf")) as scope:
            await trio.sleep(1)
        assert scope.cancelled_caught

    pair(sends(0), Sink).tell(story)


def test_what_is_under_way_inside_a_site_is_lost_in_a_crash_even_if_it_restarts_at_once():
    world = Simulation(level=Level.FULL)

    def crash_and_restart() -> None:
        world.site("office").crash()
        world.site("office").restart()

    class Clerk(Actor):
        def started(self) -> None:
            if world.site("office").crash_count == 0:
                world.at(self.now_ns, crash_and_restart)  # before the message can arrive
            self.send(self.address("b"), Ping(world.site("office").crash_count))

    world.add_site("office")
    world.seat("office", Clerk, "a")
    world.seat("office", Sink, "b")
    world.run()
    assert len(list(world.journal.select("handed"))) == 2
    assert world.actor("b").numbers == [1]
    assert [e.detail["reason"] for e in world.journal.select("lost")] == [
        "the line broke while it was under way"
    ]


def test_what_is_handed_over_inside_a_site_is_not_sent_over_a_line():
    for level, kinds in [(Level.MESSAGES, {"delivered"}), (Level.FULL, {"handed", "delivered"})]:
        world = Simulation(level=level)
        world.add_site("office")
        world.seat("office", sends(3), "a")
        world.seat("office", Sink, "b")
        world.run()
        assert set(world.journal.kind_names()) == kinds
        assert world.actor("b").numbers == [0, 1, 2]


def test_only_a_dial_up_line_is_dialled_and_hung_up():
    class Caller(Actor):
        def started(self) -> None:
            for verb in (self.open_line, self.close_line):
                with pytest.raises(NoRoute, match="is no dial-up line"):
                    verb(self.address(self.name))
                with pytest.raises(NoRoute, match="is no dial-up line"):
                    verb(self.address("b"))

    pair(Caller, Sink).run()


def test_what_is_planned_for_now_behind_run_until_is_not_lost() -> None:
    """A turn behind all others, once given, must not hide what comes later at the same instant."""
    simulation = Simulation()
    performed: list[str] = []

    async def story(sim: Simulation) -> None:
        sim.at(150_000 + 50_000, performed.append, "later")
        await sim.run_until(150_000)
        sim.at(sim.now_ns, performed.append, "now")
        await sim.run_until(sim.now_ns)
        assert performed == ["now"]

    simulation.tell(story)
    assert performed == ["now"]


def test_a_change_reads_what_it_wrote_itself():
    class Keeper(Actor):
        def started(self) -> None:
            with self.commit() as change:
                change.put("table", "kept", 1)
            with self.commit() as change:
                assert change.get("table", "kept") == 1
                change.put("table", "kept", 2)
                assert change.get("table", "kept") == 2
                assert self.store.get("table", "kept") == 1, "not before it is made"
                change.delete("table", "kept")
                assert change.get("table", "kept", "gone") == "gone"

    simulation = Simulation()
    simulation.add_site("a")
    simulation.seat("a", Keeper)
    simulation.run()
    assert simulation.store("a").get("table", "kept") is None


class Restless(Actor):
    """Tries again for ever."""

    def started(self):
        self.after(seconds(1), Tick())

    @handles(Tick)
    def again(self, message, sender):
        self.after(seconds(1), Tick())


@pytest.mark.parametrize("detached", [True, False])
def test_a_world_without_an_end_is_told_to_name_one(detached, monkeypatch):
    monkeypatch.setattr("crmsim.kernel.watch.ENDLESS_COUNT", 5_000)
    with pytest.raises(Livelock, match=r"until=days\(2\)"):
        pair(Restless, Sink, detached=detached).run()
    named = pair(Restless, Sink, detached=detached)
    named.run(until=seconds(20_000))
    assert named.now_ns == seconds(20_000)
