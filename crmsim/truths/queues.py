"""Do mailboxes, timers and busy actors queue as theory says they must?"""

import itertools
import math
from collections.abc import Iterable
from functools import partial

from crmsim.chance import Constant, Distribution, Exponential, Gamma, Mixture
from crmsim.kernel.simulation import Simulation
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.truths.stations import Server, Source, after_warm_up, mean_s, world_of

__all__ = ["CASES"]

KLEINROCK = "Kleinrock 1975, Queueing Systems I, section 3.2"
POLLACZEK = "Pollaczek 1930, Khinchine 1932; Kleinrock 1975, section 5.6"
LITTLE = "Little 1961, Operations Research 9(3)"
FINITE = "Kleinrock 1975, section 3.6"
JACKSON = "Burke 1956; Jackson 1957"

SMOKE, FULL = Effort(20, 4_000), Effort(30, 40_000)


def hyperexponential(cv2: float) -> Mixture:
    """Return a service time of mean 1 with this squared coefficient of variation, above 1.

    Two exponential phases with balanced means.
    """
    share = 0.5 * (1 + math.sqrt((cv2 - 1) / (cv2 + 1)))
    quick, slow = Exponential(1 / (2 * share)), Exponential(1 / (2 * (1 - share)))
    return Mixture(((share, quick), (1 - share, slow)))


def one_server(load: float, service_s: Distribution, seed: int, size: int) -> Sample:
    """Run customers past one server and measure how they wait."""
    world = world_of(
        seed,
        ("source", lambda: Source("server", Exponential(1 / load), size)),
        ("server", lambda: Server(service_s)),
    )
    world.run()
    server = world.actor("server")
    mailbox = world.statistics().mailboxes["server"]
    stays = sorted(after_warm_up(server.stays_ns))
    return sample_of(
        world,
        wait=mean_s(after_warm_up(server.waits_ns)),
        stay_p95=stays[math.ceil(0.95 * len(stays)) - 1] / 1e9,
        busy=server.busy_ns / world.now_ns,
        little=mailbox.area_ns - sum(server.waits_ns),
    )


def one_server_case(
    name: str,
    load: float,
    service_s: Distribution,
    source: str,
    *,
    stay_p95: float | None = None,
) -> Case:
    """Return the case of one server with this service time of mean 1 (Pollaczek-Khinchine)."""
    wait = load * (service_s.variance + 1) / (2 * (1 - load))
    figures = [
        Figure("wait", "mean wait, s", wait),
        Figure("busy", "share of time busy", load),
        Figure("little", "depth over time less time waited, ns (Little)", 0, exact=True),
    ]
    if stay_p95 is not None:
        figures.insert(1, Figure("stay_p95", "p95 of the time in the system, s", stay_p95))
    run = partial(one_server, load, service_s)
    return Case(f"{name}, load {load}", source, tuple(figures), run, SMOKE, FULL)


def finite_room(load: float, room: int, seed: int, size: int) -> Sample:
    """Run customers past a server with room for few; who finds it full is lost."""

    class SmallServer(Server):
        mailbox_bound = room - 1  # one more is being served

    world = world_of(
        seed,
        ("source", lambda: Source("server", Exponential(1 / load), size)),
        ("server", lambda: SmallServer(Exponential(1))),
    )
    world.run()
    mailbox = world.statistics().mailboxes["server"]
    return sample_of(
        world,
        lost=mailbox.refused / size,
        inside=mailbox.mean_waiting + world.actor("server").busy_ns / world.now_ns,
    )


def finite_room_case(load: float, room: int) -> Case:
    """Return the case M/M/1/K."""
    shares = [load**count for count in range(room + 1)]
    total = sum(shares)
    inside = sum(count * share for count, share in enumerate(shares)) / total
    figures = (
        Figure("lost", "share of customers that find it full", shares[-1] / total),
        Figure("inside", "mean number inside", inside),
    )
    run = partial(finite_room, load, room)
    name = f"M/M/1/{room} through a bounded mailbox, load {load}"
    return Case(name, FINITE, figures, run, SMOKE, FULL)


SAMPLING_GAP_NS = 5_000_000_000
"""Virtual time between two looks at both queues of a tandem."""


def tandem(first_s: float, second_s: float, seed: int, size: int) -> Sample:
    """Run customers past two servers, one after the other."""
    world = world_of(
        seed,
        ("source", lambda: Source("first", Exponential(1), size)),
        ("first", lambda: Server(Exponential(first_s), "second")),
        ("second", lambda: Server(Exponential(second_s))),
    )
    lengths: list[tuple[int, int]] = []

    async def look(simulation: Simulation) -> None:
        first, second = simulation.actor("first"), simulation.actor("second")
        while second.served < size:
            await simulation.sleep(SAMPLING_GAP_NS)
            sent = simulation.actor("source").sent
            lengths.append((sent - first.served, first.served - second.served))

    world.tell(look)
    second = world.actor("second")
    gaps = _gaps(after_warm_up(world.actor("first").ends_ns))
    mean_gap = sum(gaps) / len(gaps)
    spread = sum((gap - mean_gap) ** 2 for gap in gaps) / len(gaps) / mean_gap**2
    return sample_of(
        world,
        stay=mean_s(after_warm_up(second.stays_ns)),
        together=_correlation(lengths[len(lengths) // 20 :]),
        departures=spread,
    )


def _gaps(moments: Iterable[int]) -> list[int]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def _correlation(pairs: list[tuple[int, int]]) -> float:
    count = len(pairs)
    mean_a, mean_b = (sum(pair[i] for pair in pairs) / count for i in (0, 1))
    product = sum((a - mean_a) * (b - mean_b) for a, b in pairs)
    squares = [
        sum((pair[i] - mean) ** 2 for pair in pairs) for i, mean in ((0, mean_a), (1, mean_b))
    ]
    return product / math.sqrt(squares[0] * squares[1])


def tandem_case(rate_1: float, rate_2: float) -> Case:
    """Return the case of two servers in a row, with one customer a second."""
    figures = (
        Figure("stay", "mean time in both, s", 1 / (rate_1 - 1) + 1 / (rate_2 - 1)),
        Figure("together", "correlation of the two queues at one moment", 0.0, bias=0.01),
        Figure("departures", "squared variation of the gaps between departures", 1.0, bias=0.005),
    )
    run = partial(tandem, 1 / rate_1, 1 / rate_2)
    name = f"tandem of two servers, rates {rate_1} and {rate_2}"
    return Case(name, JACKSON, figures, run, SMOKE, FULL)


MM1_P95_08 = -math.log(0.05) / 0.2
"""At load 0.8 the time in M/M/1 is exponential with mean 1 / (1 - 0.8)."""

CASES = (
    one_server_case("M/M/1", 0.5, Exponential(1), KLEINROCK, stay_p95=-math.log(0.05) / 0.5),
    one_server_case("M/M/1", 0.8, Exponential(1), KLEINROCK, stay_p95=MM1_P95_08),
    one_server_case("M/D/1", 0.8, Constant(1), POLLACZEK),
    one_server_case("M/G/1, two Erlang stages", 0.8, Gamma(2, 0.5), POLLACZEK),
    one_server_case("M/G/1, hyperexponential", 0.5, hyperexponential(4), POLLACZEK),
    finite_room_case(0.8, 5),
    finite_room_case(1.2, 5),
    tandem_case(2.0, 1.25),
)
