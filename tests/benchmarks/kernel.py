"""How fast is the kernel, against the same model in SimPy and against a bare heap?

The model: clients send a request over a line with lognormal latency and 1 % loss to one hub, which
answers over the same kind of line; the answer lets the client send its next request. Each client
keeps four requests in flight; one that is lost, or whose answer is lost, is not sent again. Time is
counted per message sent. The programs take
turns in one process, and the ratios are medians of paired turns, so that a busy machine slows all
of them alike. Setting up the model is not counted, starting the actors is.
"""

import gc
import heapq
import math
import random
import statistics
import tracemalloc
from collections.abc import Callable
from time import perf_counter
from typing import Any

import simpy

from crmsim import Actor, Address, Level, Link, Simulation, Topology, handles, message
from crmsim.chance import Lognormal

MEDIAN_S, SIGMA, LOSS = 0.05, 0.5, 0.01
LINK = Link(latency=Lognormal(MEDIAN_S, SIGMA), loss=LOSS)


WINDOW = 4


@message(about=("number",))
class Request:
    number: int


@message(about=("number",))
class Reply:
    number: int


class Hub(Actor):
    @handles(Request)
    def answer(self, request: Request, sender: Address[Reply]) -> None:
        self.send(sender, Reply(request.number))


class AsyncHub(Actor):
    @handles(Request)
    async def answer(self, request: Request, sender: Address[Reply]) -> None:
        self.send(sender, Reply(request.number))


def client(rounds: int, *, asynchronous: bool = False) -> Callable[[], Actor]:
    """Return a factory of clients that ask `rounds` times."""
    return lambda: (AsyncClient if asynchronous else Client)(rounds)


class Client(Actor):
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def started(self) -> None:
        self.hub = self.address("hub")
        for number in range(min(WINDOW, self.rounds)):
            self.send(self.hub, Request(number))

    @handles(Reply)
    def answered(self, reply: Reply, sender: Address[Request]) -> None:
        if reply.number + WINDOW < self.rounds:
            self.send(self.hub, Request(reply.number + WINDOW))


class AsyncClient(Client):
    @handles(Reply)
    async def answered(self, reply: Reply, sender: Address[Request]) -> None:
        if reply.number + WINDOW < self.rounds:
            self.send(self.hub, Request(reply.number + WINDOW))


def ours(
    clients: int, rounds: int, *, level: Level = Level.OFF, asynchronous: bool = False
) -> float:
    """Return the microseconds per message that our kernel takes, starts and ends included."""
    topology = Topology()
    topology.add_site("hub")
    for number in range(clients):
        topology.add_site(f"client-{number}")
        topology.connect(f"client-{number}", "hub", LINK)
    world = Simulation(topology, seed=1, level=level)
    world.seat("hub", AsyncHub if asynchronous else Hub)
    for number in range(clients):
        world.seat(f"client-{number}", client(rounds, asynchronous=asynchronous))
    lasted_s = timed(lambda: (world.run(), level and world.journal.fingerprint))
    sent = world.clock.action_count - 1 - clients + world.lost_count
    return lasted_s / max(sent, 1) * 1e6


def simpys(clients: int, rounds: int) -> float:
    """Return the microseconds per message that SimPy takes with a process for each delivery."""
    env = simpy.Environment()
    luck = random.Random(1)
    mu = math.log(MEDIAN_S)
    hub_store = simpy.Store(env)
    stores = [simpy.Store(env) for _ in range(clients)]
    sent = 0

    def deliver(store: Any, thing: Any) -> Any:
        yield env.timeout(luck.lognormvariate(mu, SIGMA))
        yield store.put(thing)

    def send(store: Any, thing: Any) -> None:
        nonlocal sent
        sent += 1
        if luck.random() >= LOSS:
            env.process(deliver(store, thing))

    def hub() -> Any:
        while True:
            number, round_ = yield hub_store.get()
            send(stores[number], round_)

    def one(number: int) -> Any:
        for round_ in range(min(WINDOW, rounds)):
            send(hub_store, (number, round_))
        while True:
            round_ = yield stores[number].get()
            if round_ + WINDOW < rounds:
                send(hub_store, (number, round_ + WINDOW))

    env.process(hub())
    for number in range(clients):
        env.process(one(number))
    return timed(env.run) / sent * 1e6


def floor(clients: int, rounds: int) -> float:
    """Return the microseconds per message of a bare heap of callbacks: the least in Python."""
    heap: list[Any] = []
    luck = random.Random(1)
    mu = math.log(MEDIAN_S)
    sent = 0

    def send(now: float, do: Any, number: int, round_: int) -> None:
        nonlocal sent
        sent += 1
        if luck.random() >= LOSS:
            due = now + luck.lognormvariate(mu, SIGMA)
            heapq.heappush(heap, (due, sent, do, number, round_))

    def at_hub(now: float, number: int, round_: int) -> None:
        send(now, at_client, number, round_)

    def at_client(now: float, number: int, round_: int) -> None:
        if round_ + WINDOW < rounds:
            send(now, at_hub, number, round_ + WINDOW)

    def run() -> None:
        for number in range(clients):
            for round_ in range(min(WINDOW, rounds)):
                send(0.0, at_hub, number, round_)
        while heap:
            now, _, do, number, round_ = heapq.heappop(heap)
            do(now, number, round_)

    return timed(run) / sent * 1e6


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that a call takes, with the collector off for everybody."""
    gc.collect()
    gc.disable()
    try:
        began = perf_counter()
        do()
        return perf_counter() - began
    finally:
        gc.enable()


def ratio(theirs: Callable[[], float], mine: Callable[[], float], turns: int) -> float:
    """Return the median of paired ratios of two programs that take turns."""
    return statistics.median(theirs() / mine() for _ in range(turns))


class Idle(Actor):
    @handles(Reply)
    def answered(self, reply: Reply, sender: Address[Request]) -> None: ...


def bytes_per_idle_actor(count: int = 10_000) -> float:
    """Return what one more actor costs that waits for a message, without a line of its own."""
    sizes: list[int] = []

    async def story(world: Simulation) -> None:
        await world.run_until(1)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            world.add_site(f"idle-{number}")
            world.seat(f"idle-{number}", Idle)
        await world.run_until(2)
        sizes.append(tracemalloc.get_traced_memory()[0] - before)

    tracemalloc.start()
    try:
        Simulation(level=Level.OFF).tell(story)
    finally:
        tracemalloc.stop()
    return sizes[0] / count


def measure(turns: int = 5) -> dict[str, object]:
    """Return every figure of the kernel group."""
    small, large, huge = (1_000, 200), (10_000, 60), (100_000, 24)
    figures: dict[str, object] = {
        "simpy_ratio_1000": ratio(lambda: simpys(*small), lambda: ours(*small), turns),
        "simpy_ratio_10000": ratio(lambda: simpys(*large), lambda: ours(*large), turns),
        "simpy_ratio_1000_traced": ratio(
            lambda: simpys(*small), lambda: ours(*small, level=Level.MESSAGES), turns
        ),
        "simpy_ratio_1000_async": ratio(
            lambda: simpys(*small), lambda: ours(*small, asynchronous=True), turns
        ),
        "floor_ratio_1000": ratio(lambda: ours(*small), lambda: floor(*small), turns),
        "bytes_per_idle_actor": bytes_per_idle_actor(),
    }
    us = {
        "1000": ours(*small),
        "10000": ours(*large),
        "100000": ours(*huge),
        "1000_traced": ours(*small, level=Level.MESSAGES),
        "1000_async": ours(*small, asynchronous=True),
        "1000_simpy": simpys(*small),
        "1000_floor": floor(*small),
    }
    figures["us_per_message"] = us
    starting_us = ours(100_000, 0)  # nothing is sent: all there is to do is starting and ending
    figures["growth_ratio_100000"] = us["100000"] / us["1000"]
    figures["actors_per_s_100000"] = 100_000 / (starting_us / 1e6)
    return figures
