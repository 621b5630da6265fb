"""When is it in the books what technicians did, and is it there once? Questions 57 to 59."""

import functools
import statistics

import pytest

from crmsim.lab.runs import load_scenario
from crmsim.units import Share, hours, minutes

SEEDS = range(1, 11)


@functools.cache
def day(seed: int, *, must_hold: bool = True, **more):
    result = load_scenario("scenarios/service_day.py").run(seed=seed, **more)
    return (result.must_hold() if must_hold else result).metrics


def more_of(name: str, few: dict, many: dict) -> float:
    """Return the lower end of a t interval (95 %) of how much more `many` brings, pair by pair."""
    pairs = [(day(seed, **few)[name], day(seed, **many)[name]) for seed in SEEDS]
    values = [after - before for before, after in pairs]
    return statistics.mean(values) - 2.262 * statistics.stdev(values) / len(values) ** 0.5


@pytest.mark.parametrize("name", ["posted_s_p50", "billed_s_p50"])
def test_the_more_seldom_the_office_looks_the_later_work_is_in_the_books(name):
    """Question 58: from the work to goods issue and bill; effect of approving in batches."""
    assert more_of(name, {"approval": minutes(10)}, {"approval": hours(9)}) > 4 * 3_600


def test_laptops_that_do_not_count_along_promise_parts_that_are_gone():
    """Question 59: wrong promises of parts with and without a stock of the laptop's own."""
    few = {"parts": 3, "refill": 3, "calls": 1}
    along, behind = {**few, "counts_parts": True}, {**few, "counts_parts": False}
    assert more_of("parts_promised_in_vain", along, behind) > 3
    assert more_of("parts_not_shown", behind, along) > 10
    assert all(day(seed, **along)["parts_promised_in_vain"] == 0 for seed in SEEDS)


def test_without_memory_parts_hours_and_costs_are_posted_twice():
    """Question 57: exactly once switched off."""
    rough = {"loss": Share(0.1), "duplicate": Share(0.1)}
    without = [day(seed, must_hold=False, dedup=False, **rough)["posted_twice"] for seed in SEEDS]
    assert all(day(seed, **rough)["posted_twice"] == 0 for seed in SEEDS)
    assert statistics.mean(without) > 5
