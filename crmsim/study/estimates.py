"""How sure can one be of a mean, and of a difference?

Each replication gives one number, and replications are independent of each other, so the interval
of their mean is Student's. Two policies that met the same luck are compared pair by pair: what they
have in common drops out of the difference, and its interval is the narrower for it.
Source: Law, Simulation Modeling and Analysis, 5th ed. 2015, sections 4.5, 10.2 and 11.2.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, variance
from typing import Any

import attrs

__all__ = [
    "Estimate",
    "PairedEstimate",
    "estimate",
    "estimate_difference",
    "named_in",
    "numbers_of",
]

LEVEL = 0.95


@attrs.frozen
class Estimate:
    """A mean over replications with its interval."""

    count: int
    """How many replications gave a number."""
    mean: float | None
    """None of nothing."""
    half_width: float | None
    """The true mean lies within `mean` plus or minus this with 95 % confidence; None of fewer than
    two numbers."""

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return None if self.mean is None or self.half_width is None else self.mean + self.half_width


@attrs.frozen
class PairedEstimate:
    """The difference of two means over the same replications."""

    first: Estimate
    second: Estimate
    difference: Estimate
    """Second minus first, pair by pair."""
    variance_reduction: float | None
    """How many times as large the variance of the difference would be with independent luck; so
    many times as many replications would be needed then. None when the differences do not vary."""


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent numbers with its t interval.

    >>> found = estimate([10.0, 12.0, 11.0, 13.0])
    >>> found.mean, round(found.half_width, 3)
    (11.5, 2.054)
    """
    count = len(values)
    if count < 2:
        return Estimate(count, fmean(values) if values else None, None)
    return Estimate(count, fmean(values), _t(count - 1) * math.sqrt(variance(values) / count))


def _t(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + LEVEL) / 2))


def estimate_difference(first: Sequence[float], second: Sequence[float]) -> PairedEstimate:
    """Return the difference of two policies; place i of both met the same luck."""
    differences = [after - before for before, after in zip(first, second, strict=True)]
    reduction = None
    if len(differences) > 1 and variance(differences) > _rounding(first, second) ** 2:
        reduction = (variance(first) + variance(second)) / variance(differences)
    return PairedEstimate(estimate(first), estimate(second), estimate(differences), reduction)


def _rounding(*values: Sequence[float]) -> float:
    """Return by how much a difference may be wrong, since a float has 53 bits."""
    return 4 * sys.float_info.epsilon * max(abs(value) for each in values for value in each)


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers, tables within them name by name.

    Money is exact text in a result; for a mean it is a number like others. What is not finite is
    no number.

    >>> numbers_of({"lost": 3, "value": "2.5000", "by_rep": {"1": 4}, "max_s": None})
    {'lost': 3.0, 'value': 2.5, 'by_rep.1': 4.0}
    """
    return {name: number for name, number in _numbers("", metrics) if number is not None}


def named_in(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Return all metrics, tables within them name by name; None for what is no number.

    >>> named_in({"max_s": None, "by_rep": {"1": 4, "2": None}})
    {'max_s': None, 'by_rep.1': 4.0, 'by_rep.2': None}
    """
    return dict(_numbers("", metrics))


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float | None]]:
    if isinstance(value, Mapping):
        for part, inner in value.items():
            yield from _numbers(f"{name}.{part}" if name else str(part), inner)
        return
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    yield name, number if math.isfinite(number) else None
