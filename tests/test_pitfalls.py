"""What went wrong with detached coroutines once, and must not again."""

import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import trio

from crmsim import Actor, handles
from crmsim.errors import ActorFailed
from crmsim.kernel.clock import VirtualClock, to_ns
from crmsim.kernel.schedule import Schedule
from crmsim.units import days, hours, seconds

from .worlds import Echo, Ping, Pong, Sink, Tick, events, pair, sends


def test_1_a_wake_up_left_over_from_before_a_crash_wakes_nobody():
    class Sleeper(Actor):
        async def run(self):
            await self.sleep(seconds(10))

    world = pair(Sleeper, Sink)
    world.at(seconds(1), world.site("a").crash)
    world.at(seconds(2), world.site("a").restart)
    world.run()
    assert world.statistics().stale == 1
    assert world.now_ns == seconds(12)


def test_2_and_3_a_detached_coroutine_is_cancelled_and_raises_at_home():
    seen = []

    class Waiting(Actor):
        async def run(self):
            try:
                await self.sleep(hours(1))
            except trio.Cancelled:
                seen.append(trio.lowlevel.current_task().name)
                raise

    class Raising(Actor):
        async def run(self):
            await self.sleep(seconds(1))
            raise LookupError("in a life")

    world = pair(Waiting, Raising)
    with pytest.raises(ActorFailed, match=r"LookupError: in a life .*'b'"):
        world.run()
    assert seen == ["a"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: trio.sleep(1),
        trio.lowlevel.checkpoint,
        lambda: trio.Event().wait(),
        trio.lowlevel.cancel_shielded_checkpoint,
    ],
)
def test_4_a_trio_call_while_detached_says_what_to_do(call):
    class Careless(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            await call()

    with pytest.raises(ActorFailed, match=r"'b' called trio while .*`async with self.attached"):
        pair(sends(1), Careless).run()


def test_4_an_attached_stretch_is_ordinary_trio():
    class Tourist(Actor):
        def __init__(self):
            self.log = []

        @handles(Ping)
        async def ping(self, message, sender):
            async with self.attached():
                with trio.move_on_after(5):
                    await trio.sleep_forever()
                self.log.append((message.number, trio.current_time()))
            await self.sleep(seconds(1))
            self.log.append((message.number, self.now_ns))

    world = pair(sends(2), Tourist)
    world.run()
    assert world.actor("b").log == [
        (0, 5.01),
        (0, seconds(6.01)),
        (1, 11.01),
        (1, seconds(12.01)),
    ]


def test_4_a_crash_cancels_only_the_stretch():
    log = []

    class Tourist(Actor):
        async def run(self):
            try:
                async with self.attached():
                    await trio.sleep(3600)
            finally:
                log.append(("out", self.now_ns))

    world = pair(Tourist, Echo)
    world.at(seconds(10), world.site("a").crash)
    world.at(seconds(20), world.site("a").restart)
    world.run(until=seconds(100))
    assert log == [("out", seconds(10)), ("out", seconds(100))], "the second one at the end"


def test_5_a_context_variable_is_the_actors_own():
    flag = contextvars.ContextVar("flag", default="nobody")
    seen = []

    class Life(Actor):
        async def run(self):
            flag.set(self.name)
            await self.sleep(seconds(1))
            seen.append(flag.get())

    class Handler(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            flag.set(self.name)

    world = pair(Life, Life)
    world.run()
    assert seen == ["a", "b"]
    pair(sends(1), Handler).run()
    assert flag.get() == "nobody", "nothing leaks to the host"


@pytest.mark.parametrize("day", [0, 1, 671, 3650])
def test_6_raw_deadlines_do_not_spin(day):
    times = []

    async def story(simulation):
        await simulation.run_until(days(day))
        for step in range(1, 200):
            await trio.sleep(step * 0.1 + 1e-9)
            times.append(simulation.now_ns)

    pair(sends(0), Sink).tell(story)
    assert times == sorted(times)
    assert len(times) == 199


@pytest.mark.parametrize("day", [671, 3650])
def test_6_a_deadline_is_never_rounded_down(day):
    for step in range(2_000):
        deadline = day * 86_400 + step * 0.0123456789
        assert to_ns(deadline) / 1_000_000_000 >= deadline


BUSY = """
    import os, signal, sys, threading, time
    from tests.worlds import *
    from crmsim.units import seconds

    def interrupt():
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    class Busy(Actor):
        {handler}

    threading.Thread(target=interrupt, daemon=True).start()
    world = pair(sends(1), Busy)
    try:
        world.run({until})
    except KeyboardInterrupt as error:
        print("interrupted", *getattr(error, "__notes__", ()))
"""


@pytest.mark.parametrize(
    ("handler", "until", "says"),
    [
        (
            "@handles(Ping)\n    def ping(self, message, sender):\n        while True: pass",
            "",
            "interrupted in 'b' handling Ping at 0d 00:00:00.01, seed 1",
        ),
        (
            "@handles(Ping)\n    async def ping(self, message, sender):\n        while True: pass",
            "",
            "interrupted in 'b'",
        ),
        (
            "receives = (Ping,)\n    async def run(self):\n        while True: pass",
            "",
            "interrupted in 'b'",
        ),
        (
            "def started(self): self.ping(0, 0)\n    @handles(Ping)\n"
            "    def ping(self, message, sender): self.after(1, Ping(0))",
            "until=10**15",
            "",
        ),
    ],
    ids=["handler", "async handler", "life", "world"],
)
def test_7_ctrl_c_reaches_a_busy_actor(handler, until, says):
    code = textwrap.dedent(BUSY).format(handler=handler, until=until)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("interrupted"), done.stderr
    assert says in done.stdout
    assert "Traceback" not in done.stderr


def test_7_the_verbs_of_an_actor_are_protected_from_ctrl_c():
    protected = []

    class Checking(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            protected.append(trio.lowlevel.currently_ki_protected())

    world = pair(sends(1), Checking)
    world.run()
    assert protected == [False]
    seen = []
    send_carefully = type(world.seat_of("a")).send_carefully

    class Spy(Actor):
        def started(self):
            self.send(self.address("b"), Ping(1))

    def spying(self, *arguments):
        seen.append(trio.lowlevel.currently_ki_protected())
        return send_carefully(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.seat_of("a")), "send_carefully", spying)
        pair(Spy, Sink).run()
    assert seen == [True]


async def test_8_a_plain_run_works_inside_an_async_test():
    world = pair(sends(2), Sink)
    world.run()
    assert world.actor("b").numbers == [0, 1]


def test_8_a_plain_run_works_inside_a_running_asyncio_loop():
    import asyncio

    async def cell():
        world = pair(sends(2), Sink)
        world.run()
        return world.actor("b").numbers

    assert asyncio.run(cell()) == [0, 1]


async def test_8_ctrl_c_ends_a_run_that_went_through_a_thread():
    if threading.current_thread() is not threading.main_thread():
        pytest.fail("this test needs the main thread")

    class Endless(Actor):
        def started(self):
            self.after(1, Tick())

        @handles(Tick)
        def tick(self, message, sender):
            self.after(1, Tick())

    def interrupt():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            pair(Endless, Sink).run(until=10**15)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def virtual_time() -> VirtualClock:
    """pytest-trio runs a test on this clock because the fixture *is* a clock."""
    return VirtualClock(Schedule(), lambda action, error: None, lambda: None, lambda count: None)


async def test_9_a_test_of_pytest_trio_runs_in_virtual_time(virtual_time):
    began = time.perf_counter()
    await trio.sleep(days(30) / 1e9)
    assert trio.current_time() == days(30) / 1e9
    assert virtual_time.schedule.now_ns == days(30)
    assert time.perf_counter() >= began


def test_9_the_processes_that_compare_histories_know_neither_hypothesis_nor_pytest_trio():
    code = (
        "import sys\nfrom crmsim.cli import run_command\n"
        "run_command(['run', 'scenarios/order_book.py', '--set', 'made_up_orders=5'])\n"
        "assert not {'hypothesis', 'pytest_trio', 'pytest'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_10_an_assertion_in_a_scenario_counts_under_minus_o(tmp_path):
    file = tmp_path / "asserting.py"
    file.write_text(
        "from attrs import frozen\nfrom crmsim import scenario\n"
        "@frozen\nclass Settings: pass\n"
        "@scenario(Settings)\nasync def asserting(land, settings):\n    assert 1 == 2, 'counts'\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-m", "crmsim", "run", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "counts" in done.stdout


def test_detached_and_attached_give_the_same_history():
    class Waiter(Actor):
        @handles(Ping)
        async def ping(self, message, sender):
            await self.sleep(seconds(1))
            self.send(sender, Pong(message.number))

    histories = []
    for detached in (True, False):
        world = pair(sends(5, every_ns=seconds(0.4)), Waiter, detached=detached)
        world.at(seconds(3), world.site("b").crash)
        world.at(seconds(4), world.site("b").restart)
        world.run()
        statistics = world.statistics()
        assert (statistics.resumed_by_trio == 0) == detached
        assert (statistics.resumed_by_send == 0) != detached
        assert (statistics.handled_directly > 0) == detached
        histories.append((events(world), str(world.journal.fingerprint)))
    assert histories[0] == histories[1]


def test_only_public_names_of_trio_are_used():
    from pathlib import Path

    import crmsim

    for file in Path(crmsim.__file__).parent.rglob("*.py"):
        assert "trio._" not in file.read_text(), file
