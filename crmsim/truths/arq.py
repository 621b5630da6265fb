"""Do repetition, receipts and timers cost what theory says?

The senders of this file are textbook protocols made of actors; the queued calls are the product's
own. A frame takes one second to be pushed into the line and `AHEAD` seconds to the other end, so a
receipt comes back 1 + 2 * AHEAD seconds after the frame was begun.
"""

import itertools
from functools import partial

import attrs

from crmsim.chance import Constant
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.middleware.queue import Luw, RetryPolicy
from crmsim.network.faults import NthMessage, Outage
from crmsim.network.link import Link
from crmsim.qrfc.partner import QueuePartner, Staff
from crmsim.qrfc.processes import WorkProcess, work_process_names
from crmsim.qrfc.wire import Guarantees
from crmsim.trace.kinds import Level
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.units import Rate, Share, minutes, seconds

__all__ = ["CASES", "RoundTrip"]

GALLAGER = "Bertsekas and Gallager 1992, Data Networks, section 2.4"
GEOMETRIC = "geometric number of attempts; receipts lost with q leave q/(1-q) doubles to absorb"
RFC_6298 = "RFC 6298, sections 2 and 5"

AHEAD = 3
"""Propagation time over frame time: the `a` of the textbook."""
EARLY_S = 1e-9
"""By so much a receipt comes before the moment at which its sender would give up."""


@message
class Frame:
    """What is to be carried across."""

    number: int
    size_bytes = 1_000


@message
class Ack:
    """Everything before this frame has come."""

    next_number: int
    size_bytes = 1


@message(about=())
class Tick:
    """A frame time is over."""


@message(about=("number",))
class GiveUp:
    """No receipt came in time."""

    number: int
    attempt: int


class FrameSink(Actor):
    """Takes frames in order and says which one it wants next."""

    def __init__(self) -> None:
        self.taken = 0

    @handles(Frame)
    def take(self, message: Frame, sender: object) -> None:
        """Take the frame that is wanted; receipt in any case."""
        if message.number == self.taken:
            self.taken += 1
        self.send(sender, Ack(self.taken))  # type: ignore[arg-type]


class StopAndWait(Actor):
    """Sends a frame, waits for its receipt, sends the next."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0
        self._attempt = 0

    def started(self) -> None:
        """Send the first frame."""
        self._transmit()

    def _transmit(self) -> None:
        self.send(self.address("sink"), Frame(self._number))
        self.after(seconds(1 + 2 * AHEAD), GiveUp(self._number, self._attempt))

    @handles(Ack)
    def receipted(self, message: Ack, sender: object) -> None:
        """Send the next frame when this one has come."""
        if message.next_number == self._number + 1:
            self._number += 1
            self._attempt = 0
            if self._number < self._count:
                self._transmit()

    @handles(GiveUp)
    def give_up(self, message: GiveUp, sender: object) -> None:
        """Send the same frame again."""
        if (message.number, message.attempt) == (self._number, self._attempt):
            self._attempt += 1
            self._transmit()


class GoBackN(Actor):
    """Keeps the line full; when a receipt is missing, goes back to the frame it is missing for."""

    WINDOW = 1 + 2 * AHEAD

    def __init__(self, count: int) -> None:
        self._count = count
        self._base = 0
        self._next = 0
        self._sent_ns: dict[int, int] = {}

    def started(self) -> None:
        """Begin."""
        self.tick(Tick(), None)

    @handles(Tick)
    def tick(self, message: Tick, sender: object) -> None:
        """Send the next frame, or go back."""
        if self._base >= self._count:
            return
        oldest_ns = self._sent_ns.get(self._base, self.now_ns)
        if self.now_ns - oldest_ns >= seconds(self.WINDOW):
            self._next = self._base
        if self._next - self._base < self.WINDOW:
            self._sent_ns[self._next] = self.now_ns
            self.send(self.address("sink"), Frame(self._next))
            self._next += 1
        self.after(seconds(1), Tick())

    @handles(Ack)
    def receipted(self, message: Ack, sender: object) -> None:
        """Move the window."""
        while self._base < message.next_number:
            self._sent_ns.pop(self._base, None)
            self._base += 1


def efficiency(sender: type[Actor], loss: float, ack_loss: float, seed: int, size: int) -> Sample:
    """Measure which part of the line's time carries frames that are taken."""
    latency = Constant(AHEAD - EARLY_S)
    world = Simulation(seed=seed, level=Level.METRICS)
    world.add_site("sender")
    world.add_site("sink")
    forth = Link(latency=latency, rate=Rate(1_000.0), loss=Share(loss))
    world.connect("sender", "sink", forth, Link(latency=latency, loss=Share(ack_loss)))
    world.seat("sender", lambda: sender(size))  # type: ignore[call-arg]
    world.seat("sink", FrameSink)
    ended: list[int] = []

    async def until_taken(simulation: Simulation) -> None:
        while simulation.actor("sink").taken < size:
            await simulation.sleep(seconds(1))
        ended.append(simulation.now_ns)

    world.tell(until_taken)
    return sample_of(world, efficiency=size / (ended[0] / 1e9))


def efficiency_case(
    name: str, sender: type[Actor], loss: float, ack_loss: float, expected: float
) -> Case:
    """Return the case of a protocol on a line that loses."""
    figures = (
        Figure("efficiency", "frames taken per frame time", expected, bias=expected * 0.002),
    )
    run = partial(efficiency, sender, loss, ack_loss)
    lost = f"frames lost {loss:.0%}" + (f", receipts lost {ack_loss:.0%}" if ack_loss else "")
    return Case(f"{name}, {lost}", GALLAGER, figures, run, Effort(20, 1_000), Effort(30, 8_000))


def stop_and_wait_case(loss: float, ack_loss: float = 0.0) -> Case:
    """Return the case of stop-and-wait: (1-p)(1-q) / (1+2a)."""
    expected = (1 - loss) * (1 - ack_loss) / (1 + 2 * AHEAD)
    return efficiency_case("stop-and-wait", StopAndWait, loss, ack_loss, expected)


def go_back_n_case(loss: float) -> Case:
    """Return the case of go-back-N with a full window: (1-p) / (1-p+Wp)."""
    expected = (1 - loss) / (1 - loss + GoBackN.WINDOW * loss)
    return efficiency_case(f"go-back-{GoBackN.WINDOW}", GoBackN, loss, 0.0, expected)


class Clerk(QueuePartner):
    """A system that sends LUWs or does them; the work takes no time and has no effect."""

    def __init__(
        self, partner: str, count: int, processes: tuple[str, ...], policy: RetryPolicy
    ) -> None:
        super().__init__(partner, Constant(0.0), Staff(processes), policy, Guarantees())
        self._count = count

    def started(self) -> None:
        """Put all LUWs into queues, each into one of its own."""
        super().started()
        with self.commit() as change:
            for number in range(self._count):
                self._outbound.enqueue(change, f"Q{number}", Luw(f"LUW {number}", None))

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do nothing."""
        return True


def queued_calls(
    seed: int, size: int, policy: RetryPolicy, forth: Link, back: Link, level: Level
) -> Simulation:
    """Return a world in which one system has LUWs for another one."""
    world = Simulation(seed=seed, level=level)
    world.add_site("sender")
    world.add_site("target")
    world.connect("sender", "target", forth, back)
    names = work_process_names("target", 1)
    world.seat("sender", lambda: Clerk("target", size, (), policy))
    world.seat("target", lambda: Clerk("sender", 0, names, policy))
    world.seat("target", WorkProcess, names[0])
    return world


def at_least_once(loss: float, receipt_loss: float, seed: int, size: int) -> Sample:
    """Count what queued calls send, what arrives, and what takes effect."""
    policy = RetryPolicy(first=minutes(1), factor=1.0, most=minutes(1), jitter=Share(0.0))
    latency = Constant(0.05)
    forth = Link(latency=latency, loss=Share(loss))
    back = Link(latency=latency, loss=Share(receipt_loss))
    world = queued_calls(seed, size, policy, forth, back, Level.MESSAGES)
    world.run()
    calls = {"sent": 0, "delivered": 0}
    for event in world.journal.select(*calls):
        calls[event.kind] += event.detail["message"] == "Transfer"
    effects = sum(1 for _ in world.journal.select("effected"))
    return sample_of(
        world,
        sends=calls["sent"] / size,
        copies=calls["delivered"] / size,
        doubles=(calls["delivered"] - size) / size,
        effects=effects / size,
    )


def at_least_once_case(loss: float, receipt_loss: float) -> Case:
    """Return the case of the queued calls between two systems."""
    arrive, receipt = 1 - loss, 1 - receipt_loss
    figures = (
        Figure("sends", "sends per LUW", 1 / (arrive * receipt)),
        Figure("copies", "copies that arrive per LUW", 1 / receipt),
        Figure("doubles", "doubles to absorb per LUW", receipt_loss / receipt),
        Figure("effects", "effects per LUW", 1.0, exact=True),
    )
    run = partial(at_least_once, loss, receipt_loss)
    name = f"queued calls, calls lost {loss:.0%}, receipts lost {receipt_loss:.0%}"
    return Case(name, GEOMETRIC, figures, run, Effort(20, 500), Effort(30, 5_000))


@attrs.define
class RoundTrip:
    """What a sender knows of a round trip, and how long it waits for the next answer.

    RFC 6298 without clock granularity and before the floor of one second.
    """

    srtt_s: float | None = None
    rttvar_s: float = 0.0

    def sample(self, rtt_s: float) -> float:
        """Take the round trip of a message that was sent once; return the new timeout."""
        if self.srtt_s is None:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s = 0.75 * self.rttvar_s + 0.25 * abs(self.srtt_s - rtt_s)
            self.srtt_s = 0.875 * self.srtt_s + 0.125 * rtt_s
        return self.srtt_s + 4 * self.rttvar_s


class Prober(Actor):
    """Sends probe after probe and follows the timeout that it would use."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._trip = RoundTrip()
        self._sent_ns = 0
        self.timeouts_s: list[float] = []

    def started(self) -> None:
        """Send the first probe."""
        self._probe()

    def _probe(self) -> None:
        self._sent_ns = self.now_ns
        self.send(self.address("sink"), Frame(len(self.timeouts_s)))

    @handles(Ack)
    def answered(self, message: Ack, sender: object) -> None:
        """Take the sample and send the next probe."""
        self.timeouts_s.append(self._trip.sample((self.now_ns - self._sent_ns) / 1e9))
        if len(self.timeouts_s) < self._count:
            self._probe()


TRIPS_S = (0.5, 0.5, 0.5, 1.0, 0.5, 2.0)
TIMEOUTS_S = (1.5, 1.25, 1.0625, 1.484375, 1.30859375, 2.74609375)
"""The timeout after each of the round trips above, by the formulas of RFC 6298, section 2."""


def timeouts(seed: int, size: int) -> Sample:
    """Let probes take the round trips of the vector; single ones are delayed by a fault."""
    world = Simulation(seed=seed, level=Level.METRICS)
    world.add_site("prober")
    world.add_site("sink")
    world.connect("prober", "sink", Link(latency=Constant(0.25)))
    world.seat("prober", lambda: Prober(size))
    world.seat("sink", FrameSink)
    for number, trip_s in enumerate(TRIPS_S, 1):
        if trip_s > 0.5:
            late = seconds(trip_s - 0.5)
            world.strike(NthMessage("Frame", number, "delay", late))
    world.run()
    measured = world.actor("prober").timeouts_s
    return sample_of(world, **{f"rto_{n}": value for n, value in enumerate(measured, 1)})


WAITS_S = (1, 2, 4, 8, 16, 32, 60, 60)


def back_off(seed: int, size: int) -> Sample:
    """Let queued calls try again on a dead line, from one second up to one minute."""
    policy = RetryPolicy(first=seconds(1), factor=2.0, most=seconds(60), jitter=Share(0.0))
    link = Link(latency=Constant(0.05))
    world = queued_calls(seed, 1, policy, link, link, Level.BUSINESS)
    world.strike(Outage("target", under_way="drop"))
    world.run(until=seconds(200))
    moments = [event.time_ns / 1e9 for event in world.journal.select("sent")][: size + 1]
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return sample_of(world, **{f"wait_{n}": wait for n, wait in enumerate(waits, 1)})


CASES = (
    stop_and_wait_case(0.1),
    stop_and_wait_case(0.1, 0.1),
    go_back_n_case(0.01),
    go_back_n_case(0.1),
    at_least_once_case(0.1, 0.1),
    at_least_once_case(0.3, 0.2),
    Case(
        "retransmission timeout",
        RFC_6298,
        tuple(
            Figure(f"rto_{number}", f"after round trip {number}, s", value, exact=True)
            for number, value in enumerate(TIMEOUTS_S, 1)
        ),
        timeouts,
        Effort(1, len(TRIPS_S)),
        Effort(1, len(TRIPS_S)),
    ),
    Case(
        "back-off of queued calls",
        RFC_6298,
        tuple(
            Figure(f"wait_{number}", f"wait before repetition {number}, s", value, exact=True)
            for number, value in enumerate(WAITS_S, 1)
        ),
        back_off,
        Effort(1, len(WAITS_S)),
        Effort(1, len(WAITS_S)),
    ),
)
