"""Small worlds that several tests use."""

from collections.abc import Callable
from typing import Any

from crmsim import Actor, Address, Level, Link, Simulation, Topology, handles, message
from crmsim.chance import Constant


@message
class Ping:
    number: int


@message
class Pong:
    number: int


@message
class Tick:
    pass


class Echo(Actor):
    """Answers every ping."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @handles(Ping)
    def ping(self, message: Ping, sender: Address[Pong]) -> None:
        self.seen.append(message.number)
        self.send(sender, Pong(message.number))


class Sink(Actor):
    """Remembers what it gets, and when."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int]] = []

    @handles(Ping, Pong)
    def take(self, message: Ping | Pong, sender: Address[Any]) -> None:
        self.got.append((self.now_ns, message.number))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.got]


def sends(count: int, *, every_ns: int = 0) -> Callable[[], Actor]:
    """Return a factory of actors that send pings 0, 1, ... to 'b'."""

    class Sender(Actor):
        def started(self) -> None:
            self.number = 0
            self.tick(Tick(), self.address(self.name))

        @handles(Tick)
        def tick(self, message: Tick, sender: Address[Any]) -> None:
            burst = 1 if every_ns else count
            for _ in range(burst):
                self.send(self.address("b"), Ping(self.number))
                self.number += 1
            if every_ns and self.number < count:
                self.after(every_ns, Tick())

        @handles(Pong)
        def pong(self, message: Pong, sender: Address[Any]) -> None: ...

    return Sender


def pair(
    a: Callable[[], Actor],
    b: Callable[[], Actor],
    link: Link | None = None,
    *,
    seed: int = 1,
    level: Level = Level.MESSAGES,
    **options: Any,
) -> Simulation:
    """Return a world of two sites with an actor each and one line between them."""
    topology = Topology()
    topology.add_site("a")
    topology.add_site("b")
    topology.connect("a", "b", Link(latency=Constant(0.01)) if link is None else link)
    simulation = Simulation(topology, seed=seed, level=level, **options)
    simulation.seat("a", a)
    simulation.seat("b", b)
    return simulation


def events(simulation: Simulation, *kinds: str) -> list[tuple[Any, ...]]:
    """Return events without their numbers and causes, for comparing two histories."""
    return [
        (e.time_ns, e.actor, e.kind, e.subject, tuple(e.detail.items()))
        for e in simulation.journal.select(*kinds)
    ]
