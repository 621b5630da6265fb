"""Luck is fair, and a pure function of its key."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crmsim import chance
from crmsim.chance import Luck, word_of
from crmsim.errors import BadMessage, BadValue

COUNT = 20_000
DISTRIBUTIONS = [
    chance.Uniform(2.0, 5.0),
    chance.Exponential(3.0),
    chance.Lognormal(2.0, 0.5),
    chance.Lognormal.of_mean(0.3, 0.6),
    chance.Gamma(2.5, 1.5),
    chance.Pareto(1.0, 3.5),
    chance.Weibull(2.0, 1.5),
    chance.Triangular(1.0, 2.0, 6.0),
    chance.Empirical((1.0, 2.0, 2.0, 7.0)),
    chance.Mixture(((0.9, chance.Uniform(0.0, 1.0)), (0.1, chance.Exponential(5.0)))),
    chance.Constant(4.0),
]


def draws(component: str = "x", count: int = COUNT) -> list[float]:
    stream = Luck(7).stream("test", component)
    return [stream.uniform(identity) for identity in range(count)]


def test_consecutive_identities_give_uniform_numbers():
    assert stats.kstest(draws(), "uniform").pvalue > 0.001
    counts = [0] * 100
    for u in draws():
        counts[int(u * 100)] += 1
    assert stats.chisquare(counts).pvalue > 0.001


def test_the_low_bits_that_decide_loss_are_uniform_too():
    stream = Luck(7).stream("test", "low bits")
    low = [(stream.word(identity) & 0xFFFFFF) / 2**24 for identity in range(COUNT)]
    assert stats.kstest(low, "uniform").pvalue > 0.001


@pytest.mark.parametrize("lag", [1, 2, 7, 64])
def test_neighbouring_identities_are_independent(lag):
    values = draws()
    correlation = statistics.correlation(values[:-lag], values[lag:])
    assert abs(correlation) < 4 / math.sqrt(COUNT)


def test_neighbouring_components_and_seeds_are_independent():
    assert abs(statistics.correlation(draws("link 1"), draws("link 2"))) < 4 / math.sqrt(COUNT)
    other = Luck(8).stream("test", "x")
    assert abs(
        statistics.correlation(draws(), [other.uniform(i) for i in range(COUNT)])
    ) < 4 / math.sqrt(COUNT)


def test_attempts_of_one_identity_are_independent_and_uniform():
    stream = Luck(7).stream("test", "attempts")
    values = [stream.uniform(identity, a) for identity in range(200) for a in range(100)]
    assert stats.kstest(values, "uniform").pvalue > 0.001
    assert abs(statistics.correlation(values[:-1], values[1:])) < 4 / math.sqrt(COUNT)


def test_one_bit_of_the_identity_flips_half_of_the_word():
    stream = Luck(7).stream("test", "avalanche")
    flips = [
        (stream.word(identity) ^ stream.word(identity ^ (1 << bit))).bit_count()
        for identity in range(100)
        for bit in range(64)
    ]
    assert 31.5 < statistics.mean(flips) < 32.5


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_distribution_has_the_mean_and_variance_it_says(distribution):
    values = [distribution.at(u) for u in draws(str(distribution), 200_000)]
    error = math.sqrt(distribution.variance / len(values))
    assert abs(statistics.fmean(values) - distribution.mean) <= 5 * error + 1e-12
    if distribution.variance:
        assert statistics.pvariance(values) == pytest.approx(distribution.variance, rel=0.15)


@pytest.mark.parametrize(
    ("distribution", "reference"),
    [
        (chance.Uniform(2.0, 5.0), stats.uniform(2, 3)),
        (chance.Exponential(3.0), stats.expon(scale=3)),
        (chance.Lognormal(2.0, 0.5), stats.lognorm(0.5, scale=2)),
        (chance.Gamma(2.5, 1.5), stats.gamma(2.5, scale=1.5)),
        (chance.Pareto(1.0, 3.5), stats.pareto(3.5)),
        (chance.Weibull(2.0, 1.5), stats.weibull_min(1.5, scale=2)),
        (chance.Triangular(1.0, 2.0, 6.0), stats.triang(0.2, 1, 5)),
    ],
    ids=lambda value: str(value) if hasattr(value, "at") else "reference",
)
def test_a_distribution_has_the_shape_it_says(distribution, reference):
    values = [distribution.at(u) for u in draws("shape", 5_000)]
    assert stats.kstest(values, reference.cdf).pvalue > 0.001


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_quantiles_rise(distribution):
    values = [distribution.at(u / 1000) for u in range(1, 1000)]
    if not isinstance(distribution, chance.Mixture):  # its parts follow each other
        assert values == sorted(values)


def test_heavy_tails_have_no_mean():
    assert chance.Pareto(1.0, 1.0).mean == math.inf
    assert chance.Pareto(1.0, 2.0).variance == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: chance.Exponential(0),
        lambda: chance.Uniform(2, 1),
        lambda: chance.Lognormal(1, 0),
        lambda: chance.Triangular(3, 2, 1),
        lambda: chance.Empirical(()),
        lambda: chance.Mixture(()),
        lambda: chance.Mixture(((0, chance.Constant(1)),)),
    ],
)
def test_a_distribution_without_sense_is_refused(wrong):
    with pytest.raises(BadValue):
        wrong()


def test_a_share_of_zero_draws_nothing():
    kept: list[int] = []
    stream = Luck(1, kept).stream("test")
    assert not stream.happens(0.0, 5)
    assert kept == []
    stream.happens(0.5, 5)
    assert len(kept) == 1


@given(st.integers(0, 2**64 - 1), st.integers(0, 50))
def test_a_draw_depends_on_its_key_alone(identity, attempt):
    first = Luck(3).stream("a", "b")
    second = Luck(3).stream("a", "b")
    second.word(identity ^ 1)
    assert first.word(identity, attempt) == second.word(identity, attempt)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.tuples(inner, inner),
)


@given(values, values)
def test_different_values_have_different_words(one, other):
    same = (type(one), repr(one)) == (type(other), repr(other))
    assert (word_of(one) == word_of(other)) == same or (
        isinstance(one, int) and isinstance(other, int) and one == other
    )


@pytest.mark.parametrize("fleeting", [[1], {1: 2}, {1}, object()])
def test_a_value_without_lasting_identity_is_refused(fleeting):
    with pytest.raises(BadMessage, match="identity"):
        word_of(fleeting)
