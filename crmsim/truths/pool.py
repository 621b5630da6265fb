"""Does a pool of work processes, fed by queues, serve as theory says?

The pool is the real one: LUWs come over a line as queued calls, are stored, receipted, and executed
by the work processes of a system. Each has a queue of its own, so that nothing but the number of
work processes limits it.
"""

import math
from collections.abc import Callable
from functools import partial

from crmsim.chance import Constant, Distribution, Exponential
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.middleware.queue import Luw, RetryPolicy
from crmsim.network.faults import Hold
from crmsim.qrfc.partner import QueuePartner, Staff
from crmsim.qrfc.processes import WorkProcess, work_process_names
from crmsim.qrfc.wire import Guarantees, Receipt, Transfer
from crmsim.trace.journal import Event
from crmsim.trace.kinds import Level
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.truths.stations import WARM_UP, world_of
from crmsim.units import seconds

__all__ = ["CASES", "Desk"]

ERLANG = "Erlang 1917; Kleinrock 1975, section 3.5 (Erlang C)"
BACKLOG = "Kleinrock 1975, section 5.8 (busy period begun by a backlog)"
FLUID = "Newell 1982, Applications of Queueing Theory, chapter 2 (deterministic fluid queue)"


@message(about=("number",))
class LuwDue:
    """It is time for the next LUW."""

    number: int


class LuwSource(Actor):
    """Sends LUWs to a desk, each in a queue of its own.

    Args:
        moments_ns: When the n-th LUW is sent, made of the actor's luck.
        count: How many there are.
    """

    def __init__(self, moments_ns: Callable[[Actor, int], int], count: int) -> None:
        self._moment_ns = moments_ns
        self._count = count

    def started(self) -> None:
        """Plan the first LUW."""
        self._plan(0)

    def _plan(self, number: int) -> None:
        if number < self._count:
            due_ns = self._moment_ns(self, number)
            self.after(due_ns - self.now_ns, LuwDue(number))

    @handles(LuwDue)
    def due(self, message: LuwDue, sender: object) -> None:
        """Send a LUW."""
        name = f"{message.number}"
        self.send(self.address("desk"), Transfer(f"Q{name}", name, None, "", 0), attempt=0)
        self._plan(message.number + 1)

    @handles(Receipt)
    def receipted(self, message: Receipt, sender: object) -> None:
        """Take notice."""


class Desk(QueuePartner):
    """A system whose work has no effect but to take time."""

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do nothing: the time is spent already."""
        return True


def desk_world(
    seed: int,
    processes: int,
    service_s: Distribution,
    moments_ns: Callable[[Actor, int], int],
    size: int,
) -> Simulation:
    """Return a world in which LUWs come to a desk."""
    names = work_process_names("desk", processes)
    world = world_of(
        seed,
        ("source", lambda: LuwSource(moments_ns, size)),
        ("desk", lambda: Desk("source", service_s, Staff(names), RetryPolicy(), Guarantees())),
        level=Level.BUSINESS,
    )
    for name in names:
        world.seat("desk", WorkProcess, name)
    return world


def desk(
    seed: int,
    processes: int,
    service_s: Distribution,
    moments_ns: Callable[[Actor, int], int],
    size: int,
) -> tuple[Simulation, dict[str, int]]:
    """Run LUWs past a desk; return the run and how long each LUW waited for a work process."""
    world = desk_world(seed, processes, service_s, moments_ns, size)
    received: dict[str, int] = {}
    waits_ns: dict[str, int] = {}

    def take(event: Event) -> None:
        received[event.subject] = event.time_ns

    def begin(event: Event) -> None:
        waits_ns[event.subject] = event.time_ns - received[event.subject]

    world.journal.watch("received", take)
    world.journal.watch("begun", begin)
    world.run()
    return world, waits_ns


def many_servers(processes: int, load: float, seed: int, size: int) -> Sample:
    """Run LUWs at random times, with exponential service of mean 1 s."""
    gap = Exponential(1 / (processes * load))

    def moment_ns(source: Actor, number: int) -> int:
        return source.now_ns + int(gap.at(source.luck("gap").uniform(number)) * 1e9)

    world, waits = desk(seed, processes, Exponential(1), moment_ns, size)
    counted = list(waits.values())[int(size * WARM_UP) :]
    return sample_of(
        world,
        wait=sum(counted) / len(counted) / 1e9,
        waiting=sum(wait > 0 for wait in counted) / len(counted),
    )


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that a customer of M/M/c has to wait."""
    offered = servers * load
    queueing = offered**servers / math.factorial(servers) / (1 - load)
    return queueing / (sum(offered**k / math.factorial(k) for k in range(servers)) + queueing)


def many_servers_case(processes: int, load: float) -> Case:
    """Return the case M/M/c through the pool of work processes."""
    waiting = erlang_c(processes, load)
    figures = (
        Figure("wait", "mean wait for a process, s", waiting / (processes * (1 - load))),
        Figure("waiting", "share of LUWs that wait", waiting),
    )
    run = partial(many_servers, processes, load)
    name = f"M/M/{processes} through the pool of work processes, load {load}"
    return Case(name, ERLANG, figures, run, Effort(20, 1_000), Effort(30, 10_000))


def storm(processes: int, spread_s: int, seed: int, size: int) -> Sample:
    """Let all LUWs come within a span, evenly; each takes exactly 2 s."""

    def moment_ns(source: Actor, number: int) -> int:
        return number * spread_s * 1_000_000_000 // size

    world, waits = desk(seed, processes, Constant(2), moment_ns, size)
    return sample_of(
        world, mean=sum(waits.values()) / len(waits) / 1e9, longest=max(waits.values()) / 1e9
    )


def storm_case(processes: int, spread_s: int, size: int) -> Case:
    """Return the case of a morning on which everybody calls at once, or nearly."""
    rounds = size // processes
    grows_s = 2 - processes * spread_s / size  # by so much each round waits longer than the last
    figures = (
        Figure("mean", "mean wait, s", (rounds - 1) * grows_s / 2, exact=True),
        Figure("longest", "longest wait, s", (rounds - 1) * grows_s, exact=True),
    )
    when = f"within {spread_s} s" if spread_s else "at one instant"
    name = f"morning storm: {size} LUWs {when}, {processes} work processes, 2 s each"
    run = partial(storm, processes, spread_s)
    return Case(name, FLUID, figures, run, Effort(1, size), Effort(1, size))


OUTAGE_BEGINS = seconds(200)


def drain(load: float, outage_s: int, seed: int, size: int) -> Sample:
    """Hold up the line to a desk for a while; measure how long the backlog takes to be gone."""
    gap = Exponential(1 / load)

    def moment_ns(source: Actor, number: int) -> int:
        return source.now_ns + int(gap.at(source.luck("gap").uniform(number)) * 1e9)

    world = desk_world(seed, 1, Constant(1), moment_ns, size)
    back_ns = OUTAGE_BEGINS + seconds(outage_s)
    hold = Hold("source", "desk", under_way="deliver", one_way=True)
    world.plan(hold, OUTAGE_BEGINS, seconds(outage_s))
    inside = 0
    empty_ns = 0

    def take(event: Event) -> None:
        nonlocal inside
        inside += 1

    def end(event: Event) -> None:
        nonlocal inside, empty_ns
        inside -= 1
        if inside == 0 and event.time_ns > back_ns and not empty_ns:
            empty_ns = event.time_ns

    world.journal.watch("received", take)
    world.journal.watch("ended", end)
    world.run()
    return sample_of(world, drain=(empty_ns - back_ns) / 1e9)


def drain_case(load: float, outage_s: int) -> Case:
    """Return the case of a backlog after an outage: h * lambda / (mu - lambda)."""
    drains_s = outage_s * load / (1 - load)
    figures = (Figure("drain", "time until the backlog is gone, s", drains_s),)
    size = int((OUTAGE_BEGINS / 1e9 + outage_s + 3 * drains_s) * load)
    run = partial(drain, load, outage_s)
    name = f"backlog after an outage of {outage_s} s, load {load}"
    return Case(name, BACKLOG, figures, run, Effort(20, size), Effort(100, size))


CASES = (
    drain_case(0.5, 600),
    drain_case(0.8, 300),
    many_servers_case(2, 0.8),
    many_servers_case(4, 0.8),
    many_servers_case(8, 0.8),
    storm_case(10, 0, 1_000),
    storm_case(10, 100, 1_000),
)
