"""Does everybody get through on Monday? Questions 2, 28 and 30, over six seeds."""

import functools
import statistics

from crmsim.lab.runs import load_scenario


@functools.cache
def monday(seed: int, **changed) -> dict:
    story = load_scenario("scenarios/monday_morning.py")
    chosen = {"reps": 40, "prices": 4_000, **changed}
    result = story.run_with(story.settings(**chosen), seed=seed)
    return dict(result.must_hold().metrics)


def interval(values: list[float]) -> tuple[float, float]:
    half = 2.571 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


SEEDS = range(1, 7)
WAIT, REFUSED = "wait_s_p95", "calls_refused_busy"


def less(name: str, change: dict, **both) -> tuple[float, float]:
    """Return by how much a change makes a metric smaller, as an interval over paired runs."""
    run = functools.partial(monday, **both)
    return interval([run(seed)[name] - run(seed, **change)[name] for seed in SEEDS])


def test_more_connections_make_waits_shorter():
    """Question 2: how many stations and connections the morning needs."""
    for name in (WAIT, REFUSED):
        low, _ = less(name, {"connections": 3})
        assert low > 0, name


def test_calls_that_are_spread_wait_less():
    """Question 28: a storm on Monday, and a staggered schedule."""
    for name in (WAIT, REFUSED):
        low, _ = less(name, {"spread": 180})
        assert low > 0, name


def test_a_station_that_is_out_of_order_makes_the_others_wait_and_loses_nothing():
    """Question 30: one of several stations is down, and its laptops go to the others."""
    low, _ = less(WAIT, {"outage": False}, outage=True)
    assert low > 0
    metrics = monday(1, outage=True)
    assert metrics["orders_booked"] == metrics["orders_written"] == 80
    assert metrics["sessions_that_changed_station"] > 0
