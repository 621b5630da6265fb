"""What is a case, and when does a measurement agree with a known truth?

A case runs actors, lines and queues through the same interface that users have, several times with
different seeds, and measures one or more figures whose true values are known: from a theorem, a
standard or a textbook. A figure agrees when the truth lies within the t interval around the mean of
the replications. The interval is so wide that a right simulator is accused once in 16,000 figures.
Exact figures (counts, vectors of a standard) must be equal in every replication.
"""

import math
from collections.abc import Callable, Mapping
from hashlib import blake2b

import attrs

from crmsim.kernel.simulation import Simulation

__all__ = ["Agreement", "Case", "Effort", "Figure", "Sample", "sample_of", "t_quantile"]

FALSE_ALARM = 1 / 16_000
"""How often a right simulator may be accused, per figure."""
SEEDS_APART = 10_000
"""Distance between the seeds of two campaigns, so that their replications never meet."""


@attrs.frozen
class Sample:
    """What one replication gave."""

    values: Mapping[str, float]
    """Name of the figure -> what was measured."""
    events: int
    """Actions that the schedule performed."""
    fingerprint: str


def sample_of(simulation: Simulation, **values: float) -> Sample:
    """Make a sample of a simulation that has run."""
    actions = simulation.statistics().actions
    return Sample(values, actions, simulation.journal.fingerprint.value)


@attrs.frozen
class Effort:
    """How much work a level of validation spends on a case."""

    replications: int
    size: int
    """Customers, messages or gaps of one replication."""


@attrs.frozen
class Figure:
    """A quantity whose true value is known."""

    name: str
    """As in `Sample.values`."""
    meaning: str
    expected: float
    exact: bool = False
    """Whether every replication must give exactly this value."""
    bias: float = 0.0
    """How far the mean of finite replications may be off by itself; stated, never fitted."""


@attrs.frozen
class Agreement:
    """What became of one figure."""

    name: str
    source: str
    expected: float
    measured: float
    low: float
    high: float
    held: bool
    replications: int
    size: int
    events: int
    fingerprint: str


@attrs.frozen
class Case:
    """A known truth and the model that must reproduce it."""

    name: str
    source: str
    """Where the truth is published."""
    figures: tuple[Figure, ...]
    replicate: Callable[[int, int], Sample]
    """(seed, size) -> what one replication gives."""
    smoke: Effort
    full: Effort

    def judge(self, effort: Effort, seed: int) -> list[Agreement]:
        """Run the replications of a campaign and judge every figure."""
        samples = [
            self.replicate(seed * SEEDS_APART + number, effort.size)
            for number in range(effort.replications)
        ]
        return [self._agreement(figure, samples, effort) for figure in self.figures]

    def _agreement(self, figure: Figure, samples: list[Sample], effort: Effort) -> Agreement:
        values = [float(sample.values[figure.name]) for sample in samples]
        mean = math.fsum(values) / len(values)
        if figure.exact:
            low, high = min(values), max(values)
            held = low == high == figure.expected
        else:
            half = t_quantile(len(values)) * standard_error(values) + figure.bias
            low, high = mean - half, mean + half
            held = low <= figure.expected <= high
        return Agreement(
            f"{self.name}: {figure.meaning}",
            self.source,
            figure.expected,
            mean,
            low,
            high,
            held,
            effort.replications,
            effort.size,
            sum(sample.events for sample in samples),
            _fingerprint(samples),
        )


def _fingerprint(samples: list[Sample]) -> str:
    """Return the short name of a campaign: its draws and everything that it measured."""
    told = "".join(f"{sample.fingerprint} {sorted(sample.values.items())}" for sample in samples)
    return blake2b(told.encode(), digest_size=8).hexdigest()


def standard_error(values: list[float]) -> float:
    """Return the standard error of the mean of independent values."""
    mean = math.fsum(values) / len(values)
    square = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(square / (len(values) - 1) / len(values))


def t_quantile(replications: int) -> float:
    """Return the two-sided t quantile of the false alarm that is accepted.

    >>> round(t_quantile(10), 1), round(t_quantile(30), 1)
    (7.0, 4.7)
    """
    from scipy.special import stdtrit

    return float(stdtrit(replications - 1, 1 - FALSE_ALARM / 2))
