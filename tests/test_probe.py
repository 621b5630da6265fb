"""A probe waits in virtual time, and what it says about nothing is exact."""

import pytest
import trio

from crmsim import Actor, Address, Link, Simulation, handles
from crmsim.chance import Constant
from crmsim.errors import BadMessage, BadValue, Deadlock, Finding, UnknownSite
from crmsim.testing.probe import Probe
from crmsim.units import hours, milliseconds, seconds

from .worlds import Echo, Ping, Pong


class Late(Actor):
    """Answers a ping after one second."""

    @handles(Ping)
    async def ping(self, message: Ping, sender: Address[Pong]) -> None:
        await self.sleep(seconds(1))
        self.send(sender, Pong(message.number))


def world(actor: type[Actor] = Echo, takes: tuple[type, ...] = (Pong,)) -> tuple[Simulation, Probe]:
    simulation = Simulation(seed=3)
    simulation.add_site("tester")
    simulation.add_site("echo")
    simulation.connect("tester", "echo", Link(latency=Constant(0.01)))
    simulation.seat("echo", actor)
    return simulation, Probe(simulation, "tester", takes=takes)


def tell(simulation: Simulation, story) -> None:
    simulation.tell(lambda _: story())


def test_a_probe_sends_and_gets_the_answer_at_its_moment():
    simulation, probe = world()

    async def story():
        probe.send("echo", Ping(7))
        received = await probe.expect(Pong, within=seconds(1))
        assert received.message == Pong(7)
        assert received.sender.name == "echo"
        assert received.time_ns == simulation.now_ns == milliseconds(20)
        probe.send(received.sender, Ping(8))
        assert (await probe.expect(Pong, within=milliseconds(20))).message == Pong(8)
        await simulation.run_until(None)
        assert simulation.now_ns == milliseconds(40), "the time it may wait is not waited out"

    tell(simulation, story)


def test_nothing_within_a_span_is_exact_to_the_nanosecond():
    for within, comes in [(seconds(1) + milliseconds(20) - 1, False), (seconds(1.02), True)]:
        simulation, probe = world(Late)

        async def story(probe=probe, within=within):
            probe.send("echo", Ping(1))
            await probe.expect_nothing(within=within)

        if comes:
            with pytest.raises(
                Finding, match=r"expected nothing within 1.02s, but there came Pong\(number=1\)"
            ) as caught:
                tell(simulation, story)
            assert "from 'echo' at 0d 00:00:01.02 (at 0d 00:00:01.02, seed 3)" in str(caught.value)
        else:
            tell(simulation, story)
            assert simulation.now_ns == within


def test_expecting_in_vain_and_expecting_something_else():
    simulation, probe = world(Late)

    async def in_vain():
        probe.send("echo", Ping(1))
        with pytest.raises(Finding, match="expected Pong within 1s, but nothing came"):
            await probe.expect(Pong, within=seconds(1))
        with pytest.raises(Finding, match="expected Ping, but there came Pong"):
            await probe.expect(Ping, within=seconds(1))
        await probe.expect_nothing(within=hours(24 * 30))

    tell(simulation, in_vain)


def test_what_lies_unread_is_not_nothing():
    simulation, probe = world()

    async def story():
        probe.send("echo", Ping(1))
        await simulation.run_until(seconds(5))
        with pytest.raises(Finding, match="expected nothing"):
            await probe.expect_nothing(within=seconds(1))
        assert (await probe.expect(Pong, within=0)).message == Pong(1)

    tell(simulation, story)


def test_a_probe_needs_a_site_and_message_types():
    simulation, _ = world()
    with pytest.raises(UnknownSite):
        Probe(simulation, "nowhere", takes=(Pong,))
    with pytest.raises(BadMessage):
        Probe(simulation, "tester", takes=(int,), name="second")
    with pytest.raises(BadValue, match="takes one message type"):
        Probe(simulation, "tester", takes=(), name="second")
    with pytest.raises(BadValue, match="unique"):
        Probe(simulation, "tester", takes=(Pong,))


def test_a_simulation_runs_inside_a_trio_run_on_its_clock():
    simulation, probe = world()
    seen = []

    async def main():
        await trio.sleep(2)
        async with simulation.running():
            probe.send("echo", Ping(1))
            received = await probe.expect(Pong, within=seconds(1))
            seen.append(received.time_ns)
            await trio.sleep(3)  # ordinary trio sees the same time
            seen.append(simulation.now_ns)
        await trio.sleep(4)
        seen.append(simulation.now_ns)
        assert await trio.to_thread.run_sync(lambda: 5) == 5

    trio.run(main, clock=simulation.clock)
    assert seen == [seconds(2.02), seconds(5.02), seconds(9.02)]


def test_running_refuses_another_clock_and_a_second_time():
    simulation, _ = world()

    async def main():
        async with simulation.running():
            pass

    with pytest.raises(BadValue, match="goes by another clock"):
        trio.run(main)
    trio.run(main, clock=simulation.clock)
    with pytest.raises(BadValue, match="runs once"):
        trio.run(main, clock=simulation.clock)


def test_errors_inside_a_running_block_come_out_as_they_are():
    class Bad(Actor):
        @handles(Ping)
        def ping(self, message: Ping, sender: object) -> None:
            raise ValueError("no")

    simulation, probe = world(Bad)

    async def main():
        async with simulation.running():
            probe.send("echo", Ping(1))
            await probe.expect_nothing(within=seconds(1))

    with pytest.raises(Exception, match="'echo' handling Ping"):
        trio.run(main, clock=simulation.clock)

    simulation, _ = world()

    async def asserting():
        async with simulation.running():
            raise AssertionError("own")

    with pytest.raises(AssertionError, match="own"):
        trio.run(asserting, clock=simulation.clock)


def test_waiting_for_what_no_action_will_bring_is_a_deadlock():
    simulation, _ = world()

    async def main():
        async with simulation.running():
            await trio.Event().wait()

    with pytest.raises(Deadlock, match="the story waits"):
        trio.run(main, clock=simulation.clock)


def test_two_tasks_cannot_wait_for_one_probe():
    simulation, probe = world()

    async def waiter():
        await probe.expect_nothing(within=seconds(9))

    async def story():
        simulation.start_soon(waiter)
        await simulation.sleep(1)
        with pytest.raises(BadValue, match="another task waits for 'tester' already"):
            await probe.expect(Pong, within=seconds(1))

    tell(simulation, story)
