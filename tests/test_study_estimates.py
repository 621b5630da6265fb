"""How sure is a study of its means and differences?"""

import math
import warnings
from statistics import variance
from typing import Any

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.lab.runs import load_scenario
from crmsim.measure.latency import quantile
from crmsim.study.estimates import estimate, estimate_difference, numbers_of
from crmsim.study.paired import compare_cells
from crmsim.study.study import run_study

from .studies import write_scenarios

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_an_interval_is_that_of_student(values):
    found = estimate(values)
    spread = scipy.stats.sem(values)
    half = spread * scipy.stats.t.ppf(0.975, len(values) - 1)
    assert found.count == len(values)
    assert found.mean == pytest.approx(math.fsum(values) / len(values), abs=1e-9)
    assert found.half_width == pytest.approx(half, rel=1e-9, abs=1e-9)
    if spread > 1e-6:
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, found.mean, spread)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_one_number_has_a_mean_and_nothing_has_none():
    assert (estimate([7.0]).mean, estimate([7.0]).half_width, estimate([7.0]).low) == (
        7.0,
        None,
        None,
    )
    assert (estimate([]).mean, estimate([]).count, estimate([]).high) == (None, 0, None)
    assert estimate([7.0, 7.0]).half_width == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20))
def test_a_difference_is_estimated_pair_by_pair(pairs):
    first, second = ([pair[place] for pair in pairs] for place in (0, 1))
    found = estimate_difference(first, second)
    differences = [after - before for before, after in pairs]
    assert found.difference == estimate(differences)
    assert (found.first, found.second) == (estimate(first), estimate(second))
    spread = variance(differences)
    if spread > 1e-3:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy warns of numbers that are nearly the same
            interval = scipy.stats.ttest_rel(second, first).confidence_interval(0.95)
        assert found.difference.low == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
        assert found.difference.high == pytest.approx(interval.high, rel=1e-6, abs=1e-6)
        apart = variance(first) + variance(second)
        assert found.variance_reduction == pytest.approx(apart / spread)


def test_differences_that_do_not_vary_say_nothing_of_variance():
    assert estimate_difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).variance_reduction is None
    shifted = estimate_difference([0.1, 0.2, 0.3], [10.2, 10.3, 10.4])
    assert shifted.variance_reduction is None, "what varies is how floats are rounded"
    assert estimate_difference([1.0], [2.0]).variance_reduction is None


def test_common_luck_narrows_the_difference(tmp_path):
    """Messages lost with 20 % and 21 % loss: mostly the same ones."""
    write_scenarios(tmp_path)
    scenario = load_scenario(str(tmp_path / "late.py"))
    found = run_study(scenario, {"loss": ["20%", "21%"]}, repeat=12, jobs=1)
    told = compare_cells(*found.cells, ("less", "more"), found.metrics)
    assert told.metrics["messages_lost"].variance_reduction > 2
    assert {row.seed for row in found.cells[0].rows} == {row.seed for row in found.cells[1].rows}


NAMES = st.text("abc_", min_size=1, max_size=4)
MEASURED = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text("0123456789.e-", max_size=4)
    ),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, MEASURED, max_size=5))
def test_numbers_are_what_a_mean_can_be_made_of(metrics):
    def leaves(name: str, value: Any) -> list[tuple[str, Any]]:
        if not isinstance(value, dict):
            return [(name, value)]
        return [leaf for part in value for leaf in leaves(f"{name}.{part}", value[part])]

    expected = {}
    for name, value in (leaf for top in metrics for leaf in leaves(top, metrics[top])):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(number):
            expected[name] = number
    assert numbers_of(metrics) == expected


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1), st.integers(1, 100))
def test_a_quantile_is_the_smallest_that_enough_do_not_exceed(values, percent):
    found = quantile(values, percent / 100)
    enough = [one for one in values if 100 * sum(v <= one for v in values) >= percent * len(values)]
    assert found == min(enough)
