"""Of which actors are queueing cases made?

Customers come from a source at random times, wait in the mailbox of a server and are served one at
a time. One virtual second is the unit of time.
"""

import itertools
from array import array
from typing import Any

from crmsim.chance import Constant, Distribution
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.network.link import Link
from crmsim.trace.kinds import Level

__all__ = ["AT_ONCE", "Customer", "Server", "Source", "after_warm_up", "mean_s", "world_of"]

AT_ONCE = Link(latency=Constant(0.0))
"""A line that takes no time."""
WARM_UP = 0.05
"""Share of the customers that come first and are not counted: the system starts empty."""
BOUNDLESS = 10_000_000
"""A bound that no mailbox of a stable case reaches."""


@message(about=("number",))
class Customer:
    """Somebody who wants to be served."""

    number: int
    born_ns: int


@message(about=())
class NextDue:
    """It is time for the next customer."""


class Source(Actor):
    """Sends customers to a server.

    Args:
        target: The name of the server.
        gap_s: The time between two customers.
        count: How many there are.
    """

    def __init__(self, target: str, gap_s: Distribution, count: int) -> None:
        self._target = target
        self._gap_s = gap_s
        self._count = count
        self.sent = 0

    def started(self) -> None:
        """Wait for the first customer."""
        self._to = self.address(self._target)
        self._luck = self.luck("gap")
        self._plan()

    def _plan(self) -> None:
        if self.sent < self._count:
            gap_s = self._gap_s.at(self._luck.uniform(self.sent))
            self.after(int(gap_s * 1e9), NextDue())

    @handles(NextDue)
    def next_due(self, message: NextDue, sender: object) -> None:
        """Send a customer on its way."""
        self.send(self._to, Customer(self.sent, self.now_ns))
        self.sent += 1
        self._plan()


class Server(Actor):
    """Serves customers one at a time, in the order in which they came.

    Args:
        service_s: How long serving takes.
        then: The server that a customer goes to next; None when it leaves.
    """

    mailbox_bound = BOUNDLESS

    def __init__(self, service_s: Distribution, then: str | None = None) -> None:
        self._service_s = service_s
        self._then = then
        self.served = 0
        self.busy_ns = 0
        self.waits_ns = array("q")
        """Of each customer, from its birth to the beginning of its service here."""
        self.stays_ns = array("q")
        """Of each customer, from its birth to the end of its service here."""
        self.ends_ns = array("q")

    def started(self) -> None:
        """Get ready."""
        self._luck = self.luck("service time")
        self._to = None if self._then is None else self.address(self._then)

    @handles(Customer)
    async def serve(self, message: Customer, sender: object) -> None:
        """Serve one customer."""
        begun_ns = self.now_ns
        await self.sleep(int(self._service_s.at(self._luck.uniform(message.number)) * 1e9))
        ended_ns = self.now_ns
        self.served += 1
        self.busy_ns += ended_ns - begun_ns
        self.waits_ns.append(begun_ns - message.born_ns)
        self.stays_ns.append(ended_ns - message.born_ns)
        self.ends_ns.append(ended_ns)
        if self._to is not None:
            self.send(self._to, message)


def world_of(seed: int, *actors: tuple[str, Any], level: Level = Level.METRICS) -> Simulation:
    """Return a world with a site for each actor, in a row joined by lines that take no time.

    Args:
        seed: The seed of the run.
        actors: (name, what makes the actor), in the order in which customers meet them.
        level: What the journal keeps.
    """
    simulation = Simulation(seed=seed, level=level)
    for name, _ in actors:
        simulation.add_site(name)
    for (one, _), (other, _) in itertools.pairwise(actors):
        simulation.connect(one, other, AT_ONCE)
    for name, make in actors:
        simulation.seat(name, make)
    return simulation


def after_warm_up(values: "array[int]") -> "array[int]":
    """Return the values without those of the first customers."""
    return values[int(len(values) * WARM_UP) :]


def mean_s(values_ns: "array[int]") -> float:
    """Return the mean of nanoseconds, in seconds."""
    return sum(values_ns) / len(values_ns) / 1e9
