"""Who is lucky, and why does it stay that way?

Every random draw is a pure function of (seed of the run, purpose, component, identity, attempt).
Nothing is drawn "next": there is no running state, so adding a client, a fault, a message or a
retry moves nobody else's luck. The identity is a 64-bit word made of what a thing is about (a
document, a version, a message number of its author), never a running count of the run.

Why not `random.Random` per stream? It would hand out luck in order of arrival, so one message more
would change the fate of all that follow; and each costs 2.5 kB.

The mixing is two rounds of multiply-and-fold (the idea of wyrand and MUM: a 64x64 to 128 bit
product, high half folded onto the low half) over words that are themselves hashed with BLAKE2b.
`tests/test_chance.py` judges it: uniformity, lag and neighbour correlation, avalanche, also for
identities 0, 1, 2, ...

A decision with probability zero draws nothing, so that "zero" always means "nothing happens".
"""

import bisect
import enum
import functools
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from statistics import _normal_dist_inv_cdf as normal_quantile  # type: ignore[attr-defined]
from typing import Protocol, cast

import attrs

from crmsim.errors import BadMessage, BadValue

__all__ = [
    "Constant",
    "Distribution",
    "Empirical",
    "Exponential",
    "Gamma",
    "Lognormal",
    "Luck",
    "Mixture",
    "Pareto",
    "Stream",
    "Triangular",
    "Uniform",
    "Weibull",
    "field_names",
    "fold",
    "normal_quantile",
    "uniform_of",
    "word_of",
]

MASK = (1 << 64) - 1
ODD_A = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio, made odd (the usual Weyl increment)."""
ODD_B = 0xD1B54A32D192ED03
"""2**64 divided by the square of the two-dimensional golden ratio, made odd."""

TURN = 0xA24BAED4963EE407
"""The odd factor of the second round (odd, half of its bits set, unrelated to the others)."""

_words_of_texts: dict[str, int] = {}
Witness = Callable[[str, str, int, int, int], None]


def fold(a: int, b: int) -> int:
    """Multiply two 64-bit words and fold the high half of the product onto the low half."""
    product = a * b
    return (product ^ (product >> 64)) & MASK


def word_of(value: object) -> int:
    """Return the 64-bit word of a value: the same in every process and on every machine.

    Args:
        value: None, bool, int, float, str, bytes, Decimal, an enum member, a frozen attrs object,
            or a tuple of such.

    Raises:
        BadMessage: the value is of another type, so it has no lasting identity.
    """
    kind = type(value)
    if kind is int:
        return _word_of_int(value)  # type: ignore[arg-type]
    if kind is str:
        word = _words_of_texts.get(value)  # type: ignore[call-overload]
        if word is None:
            word = _digest(b"s", value.encode())  # type: ignore[attr-defined]
            _words_of_texts[value] = word  # type: ignore[index]
        return int(word)
    return _word_of_other(value)


def _word_of_int(value: int) -> int:
    if 0 <= value <= MASK:
        return value
    return _digest(b"i", str(value).encode())


def _word_of_other(value: object) -> int:
    if value is None or isinstance(value, bool):
        return _digest(b"c", repr(value).encode())
    if isinstance(value, int):
        return _word_of_int(int(value))
    if isinstance(value, enum.Enum):
        return _digest(b"e", f"{type(value).__name__}.{value.name}".encode())
    if isinstance(value, float | Decimal):
        return _digest(b"n", repr(value).encode())
    if isinstance(value, bytes):
        return _digest(b"b", value)
    if isinstance(value, tuple):
        return _word_of_parts(len(value), value)
    if attrs.has(type(value)) and type(value).__hash__ is not None:
        fields = [getattr(value, name) for name in field_names(type(value))]
        return _word_of_parts(word_of(type(value).__name__), fields)
    raise BadMessage(
        f"{value!r} has no lasting identity; use numbers, texts, tuples or frozen attrs classes"
    )


def field_names(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of an attrs class."""
    return _field_names(cast(Hashable, cls))


@functools.lru_cache(maxsize=4096)
def _field_names(cls: Hashable) -> tuple[str, ...]:
    fields: tuple[attrs.Attribute[object], ...] = attrs.fields(cls)  # type: ignore[arg-type]
    return tuple(field.name for field in fields)


def _word_of_parts(start: int, parts: Sequence[object]) -> int:
    word = fold(start ^ ODD_A, ODD_B)
    for part in parts:
        word = fold(word ^ word_of(part) ^ ODD_A, ODD_B)
    return word


def _digest(prefix: bytes, data: bytes) -> int:
    return int.from_bytes(blake2b(prefix + data, digest_size=8).digest(), "big")


def uniform_of(word: int) -> float:
    """Return the number strictly between 0 and 1 that the high 40 bits of a word stand for.

    The low 24 bits stay free for a second decision about the same message.
    """
    return ((word >> 24) + 0.5) * 2.0**-40


@attrs.define(frozen=True)
class Stream:
    """The luck of one component for one purpose, such as the loss of one line."""

    key: int
    """A hashed 64-bit word: (seed, purpose, component)."""
    draws: list[int] | None = None
    """Where every word drawn is written down for the fingerprint, or None."""
    witness: Callable[[int, int, int], None] | None = None
    """Called with identity, attempt and word of every draw, where somebody wants to know them."""

    def word(self, identity: int, attempt: int = 0) -> int:
        """Draw the 64-bit word of (identity, attempt)."""
        x = (identity ^ self.key) * ODD_A ^ attempt * ODD_B
        y = ((x ^ (x >> 64)) & MASK) * TURN
        word = (y ^ (y >> 64)) & MASK
        if self.draws is not None:
            self.draws.append(word)
        if self.witness is not None:
            self.witness(identity, attempt, word)
        return word

    def uniform(self, identity: int, attempt: int = 0) -> float:
        """Draw a number strictly between 0 and 1."""
        return uniform_of(self.word(identity, attempt))

    def happens(self, share: float, identity: int, attempt: int = 0) -> bool:
        """Say whether something of probability `share` happens; draws nothing when it is 0."""
        return share > 0 and self.uniform(identity, attempt) < share

    def below(self, count: int, identity: int, attempt: int = 0) -> int:
        """Draw a whole number from 0 up to, but not including, `count`."""
        return (self.word(identity, attempt) * count) >> 64


class Luck:
    """All streams of one run.

    Args:
        seed: The seed of the run.
        draws: Where every drawn word is appended, for the fingerprint; None to keep none.
        witness: Called with purpose, component, identity, attempt and word of every draw.
    """

    def __init__(
        self, seed: int, draws: list[int] | None = None, witness: Witness | None = None
    ) -> None:
        self.seed = seed
        self.witness = witness
        self._draws = draws

    def stream(self, purpose: str, component: str = "") -> Stream:
        """Return the stream of a purpose ("loss", "service time") and a component ("erp")."""
        text = f"{self.seed}\x1f{purpose}\x1f{component}".encode()
        key = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
        if self.witness is None:
            return Stream(key, self._draws)
        return Stream(key, self._draws, functools.partial(self.witness, purpose, component))


class Distribution(Protocol):
    """A distribution of real numbers, drawn by the inverse of its distribution function."""

    def at(self, u: float) -> float:
        """Return the `u`-quantile, `u` strictly between 0 and 1."""

    @property
    def mean(self) -> float:
        """The expected value; infinite where there is none."""

    @property
    def variance(self) -> float:
        """The variance; infinite where there is none."""


def _positive(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not value > 0:
        raise BadValue(f"{attribute.name} of {type(instance).__name__} is {value}; it must be > 0")


@attrs.frozen
class Constant:
    """Always the same number."""

    value: float

    def at(self, u: float) -> float:
        """Return the constant."""
        return self.value

    @property
    def mean(self) -> float:
        """The constant."""
        return self.value

    @property
    def variance(self) -> float:
        """Zero."""
        return 0.0


@attrs.frozen
class Uniform:
    """Every number between `low` and `high` alike."""

    low: float
    high: float = attrs.field()

    @high.validator
    def _ordered(self, attribute: object, value: float) -> None:
        if value < self.low:
            raise BadValue(f"Uniform({self.low}, {value}): the high end lies below the low end")

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        return self.low + (self.high - self.low) * u

    @property
    def mean(self) -> float:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> float:
        """A twelfth of the squared width."""
        return (self.high - self.low) ** 2 / 12


@attrs.frozen
class Exponential:
    """The time to the next of many independent events; many are short and a few are long."""

    mean: float = attrs.field(validator=_positive)

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        return -self.mean * math.log1p(-u)

    @property
    def variance(self) -> float:
        """The square of the mean."""
        return self.mean**2


@attrs.frozen
class Lognormal:
    """The exponential of a normal variable: the usual shape of network and service times.

    `median` is the number that half of all draws stay below; `sigma` is the standard deviation of
    the logarithm (0.5: mild, 1.0: a long tail).
    """

    median: float = attrs.field(validator=_positive)
    sigma: float = attrs.field(validator=_positive)

    @classmethod
    def of_mean(cls, mean: float, sigma: float) -> "Lognormal":
        """Return the lognormal with this mean instead of this median."""
        return cls(mean * math.exp(-(sigma**2) / 2), sigma)

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        return math.exp(normal_quantile(u, math.log(self.median), self.sigma))

    @property
    def mean(self) -> float:
        """The median times exp(sigma^2 / 2)."""
        return self.median * math.exp(self.sigma**2 / 2)

    @property
    def variance(self) -> float:
        """(exp(sigma^2) - 1) times the squared mean."""
        return math.expm1(self.sigma**2) * self.mean**2


@attrs.frozen
class Gamma:
    """A sum of `shape` exponential stages with mean `scale` each (`shape` need not be whole)."""

    shape: float = attrs.field(validator=_positive)
    scale: float = attrs.field(validator=_positive)

    def at(self, u: float) -> float:
        """Return the `u`-quantile, by SciPy's inverse of the incomplete gamma function."""
        from scipy.special import gammaincinv

        return self.scale * float(gammaincinv(self.shape, u))

    @property
    def mean(self) -> float:
        """Shape times scale."""
        return self.shape * self.scale

    @property
    def variance(self) -> float:
        """Shape times the squared scale."""
        return self.shape * self.scale**2


@attrs.frozen
class Pareto:
    """A power law above `low`: the smaller `shape`, the heavier the tail."""

    low: float = attrs.field(validator=_positive)
    shape: float = attrs.field(validator=_positive)

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        return float(self.low * (1 - u) ** (-1 / self.shape))

    @property
    def mean(self) -> float:
        """Infinite for a shape of 1 or less."""
        return self.shape * self.low / (self.shape - 1) if self.shape > 1 else math.inf

    @property
    def variance(self) -> float:
        """Infinite for a shape of 2 or less."""
        a = self.shape
        return self.low**2 * a / ((a - 1) ** 2 * (a - 2)) if a > 2 else math.inf


@attrs.frozen
class Weibull:
    """Times to failure: `shape` below 1 wears in, above 1 wears out, 1 is exponential."""

    scale: float = attrs.field(validator=_positive)
    shape: float = attrs.field(validator=_positive)

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        return float(self.scale * (-math.log1p(-u)) ** (1 / self.shape))

    @property
    def mean(self) -> float:
        """Scale times gamma(1 + 1/shape)."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    @property
    def variance(self) -> float:
        """From the first two moments."""
        return self.scale**2 * math.gamma(1 + 2 / self.shape) - self.mean**2


@attrs.frozen
class Triangular:
    """A guess by three numbers: lowest, most likely, highest."""

    low: float
    mode: float
    high: float = attrs.field()

    @high.validator
    def _ordered(self, attribute: object, value: float) -> None:
        if not (self.low <= self.mode <= value and self.low < value):
            raise BadValue(f"Triangular({self.low}, {self.mode}, {value}) is not in rising order")

    def at(self, u: float) -> float:
        """Return the `u`-quantile."""
        width = self.high - self.low
        knee = (self.mode - self.low) / width
        if u < knee:
            return self.low + math.sqrt(u * width * (self.mode - self.low))
        return self.high - math.sqrt((1 - u) * width * (self.high - self.mode))

    @property
    def mean(self) -> float:
        """A third of the sum of the three."""
        return (self.low + self.mode + self.high) / 3

    @property
    def variance(self) -> float:
        """From the three numbers."""
        a, b, c = self.low, self.mode, self.high
        return (a * a + b * b + c * c - a * b - a * c - b * c) / 18


def _sorted(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(values))


@attrs.frozen
class Empirical:
    """The numbers that were measured, each as likely as the others."""

    values: tuple[float, ...] = attrs.field(converter=_sorted)

    @values.validator
    def _some(self, attribute: object, value: tuple[float, ...]) -> None:
        if not value:
            raise BadValue("Empirical() needs at least one measured number")

    def at(self, u: float) -> float:
        """Return the `u`-quantile by nearest rank."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    @property
    def mean(self) -> float:
        """The mean of the numbers."""
        return math.fsum(self.values) / len(self.values)

    @property
    def variance(self) -> float:
        """The mean squared distance from the mean."""
        return math.fsum((value - self.mean) ** 2 for value in self.values) / len(self.values)


@attrs.frozen
class Mixture:
    """One of several distributions, chosen by weight: "99 % quick, 1 % slow".

    One draw serves both decisions: the part of the unit interval that a component owns is
    stretched to the whole interval again.
    """

    parts: tuple[tuple[float, Distribution], ...]
    _edges: tuple[float, ...] = attrs.field(init=False, repr=False, eq=False)

    @_edges.default
    def _cumulate(self) -> tuple[float, ...]:
        if not self.parts or any(weight <= 0 for weight, _ in self.parts):
            raise BadValue("a Mixture needs parts with weights above zero")
        total = math.fsum(weight for weight, _ in self.parts)
        return tuple(itertools.accumulate(weight / total for weight, _ in self.parts))

    def at(self, u: float) -> float:
        """Return the number of the component that owns `u`."""
        index = min(bisect.bisect_right(self._edges, u), len(self.parts) - 1)
        low = self._edges[index - 1] if index else 0.0
        inner = (u - low) / (self._edges[index] - low)
        return self.parts[index][1].at(min(max(inner, 2.0**-53), 1 - 2.0**-53))

    @property
    def mean(self) -> float:
        """The weighted mean of the means."""
        total = math.fsum(weight for weight, _ in self.parts)
        return math.fsum(weight * part.mean for weight, part in self.parts) / total

    @property
    def variance(self) -> float:
        """From the weighted second moments."""
        total = math.fsum(weight for weight, _ in self.parts)
        moments = (weight * (part.variance + part.mean**2) for weight, part in self.parts)
        return math.fsum(moments) / total - self.mean**2
