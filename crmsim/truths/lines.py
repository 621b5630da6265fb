"""Do lines lose, double, delay and hold up as much as they say?"""

import math
from array import array
from functools import partial

from crmsim.chance import Constant, Distribution, Exponential, Lognormal, Uniform
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.network.link import Bursts, Link
from crmsim.trace.kinds import Level
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.truths.queues import POLLACZEK
from crmsim.truths.stations import after_warm_up, mean_s
from crmsim.units import Rate, Share, seconds

__all__ = ["CASES"]

DEFINITION = "the definition of the line (law of large numbers)"
GILBERT = "Gilbert 1960, Elliott 1963 (stationary share of the bad state)"


@message(about=("number",))
class Letter:
    """Something of a fixed size that crosses a line."""

    number: int
    sent_ns: int
    size_bytes = 1_000


@message(about=())
class NextDue:
    """It is time for the next letter."""


class Writer(Actor):
    """Sends letters to the reader at times that a distribution gives."""

    def __init__(self, gap_s: Distribution, count: int) -> None:
        self._gap_s = gap_s
        self._count = count
        self._sent = 0

    def started(self) -> None:
        """Begin."""
        self._to = self.address("reader")
        self._luck = self.luck("gap")
        self.next_due(NextDue(), None)

    @handles(NextDue)
    def next_due(self, message: NextDue, sender: object) -> None:
        """Send a letter and plan the next one."""
        self.send(self._to, Letter(self._sent, self.now_ns))
        self._sent += 1
        if self._sent < self._count:
            gap_s = self._gap_s.at(self._luck.uniform(self._sent))
            self.after(int(gap_s * 1e9), NextDue())


class Reader(Actor):
    """Notes how long each letter was on its way."""

    def __init__(self) -> None:
        self.delays_ns = array("q")
        self.first: dict[int, None] = {}

    @handles(Letter)
    def read(self, message: Letter, sender: object) -> None:
        """Note the letter."""
        self.delays_ns.append(self.now_ns - message.sent_ns)
        self.first.setdefault(message.number)


def over(link: Link, gap_s: Distribution, seed: int, size: int) -> tuple[Simulation, Reader]:
    """Send letters over a line; return the run and its reader."""
    world = Simulation(seed=seed, level=Level.METRICS)
    world.add_site("writer")
    world.add_site("reader")
    world.connect("writer", "reader", link)
    world.seat("writer", lambda: Writer(gap_s, size))
    world.seat("reader", Reader)
    world.run()
    return world, world.actor("reader")


def delay(link: Link, seed: int, size: int) -> Sample:
    """Measure how long letters take."""
    world, reader = over(link, Constant(1.0), seed, size)
    delays_s = [ns / 1e9 for ns in reader.delays_ns]
    mean = math.fsum(delays_s) / len(delays_s)
    square = math.fsum((one - mean) ** 2 for one in delays_s) / (len(delays_s) - 1)
    return sample_of(world, mean=mean, variance=square)


def delay_case(name: str, latency: Distribution) -> Case:
    """Return the case of a line that does nothing but delay."""
    figures = (
        Figure("mean", "mean delay, s", latency.mean, bias=1e-9),
        Figure("variance", "variance of the delay, s2", latency.variance, bias=1e-9),
    )
    run = partial(delay, Link(latency=latency))
    return Case(f"line, {name}", DEFINITION, figures, run, Effort(30, 2_000), Effort(30, 40_000))


def fate(link: Link, gap_s: float, seed: int, size: int) -> Sample:
    """Measure what share of the letters arrives, and how many copies."""
    world, reader = over(link, Constant(gap_s), seed, size)
    arrived = len(reader.first)
    copies = len(reader.delays_ns)
    return sample_of(world, lost=1 - arrived / size, copies=copies / max(arrived, 1))


def fate_case(name: str, link: Link, lost: float, source: str, *, gap_s: float = 1.0) -> Case:
    """Return the case of a line that loses and doubles."""
    figures = (
        Figure("lost", "share lost", lost),
        Figure("copies", "copies of what arrives", 1 + link.duplicate),
    )
    run = partial(fate, link, gap_s)
    return Case(f"line, {name}", source, figures, run, Effort(30, 4_000), Effort(30, 40_000))


def width(load: float, seed: int, size: int) -> Sample:
    """Push letters of one size at random times into a line of limited rate."""
    link = Link(latency=Constant(0.0), rate=Rate(1_000.0))  # one letter a second
    world, reader = over(link, Exponential(1 / load), seed, size)
    return sample_of(world, stay=mean_s(after_warm_up(reader.delays_ns)))


def width_case(load: float) -> Case:
    """Return the case of a line whose rate makes it a server: M/D/1."""
    stay = 1 + load / (2 * (1 - load))
    figures = (Figure("stay", "mean time from sending to arrival, s", stay),)
    name = f"line of limited rate is M/D/1, load {load}"
    run = partial(width, load)
    return Case(name, POLLACZEK, figures, run, Effort(20, 4_000), Effort(30, 40_000))


BURSTS = Bursts(
    good_loss=Share(0.01), bad_loss=Share(0.6), good_mean=seconds(90), bad_mean=seconds(10)
)

CASES = (
    delay_case("uniform latency", Uniform(0.1, 0.5)),
    delay_case("lognormal latency", Lognormal(0.3, 0.6)),
    fate_case("independent loss of 10 %", Link(loss=Share(0.1)), 0.1, DEFINITION),
    fate_case(
        "loss of 20 % and doubling of 5 %",
        Link(loss=Share(0.2), duplicate=Share(0.05)),
        0.2,
        DEFINITION,
    ),
    fate_case("loss in bursts", Link(bursts=BURSTS), 0.9 * 0.01 + 0.1 * 0.6, GILBERT, gap_s=5.0),
    width_case(0.8),
)
