"""What does it cost that nobody can say whether there is enough? Questions 19 and 37, ten seeds."""

import functools
import statistics

from crmsim.lab.runs import load_scenario
from crmsim.online.atp import OnApoDown

SEEDS = range(1, 11)


@functools.cache
def metrics(seed: int, **settings: object) -> dict:
    story_ = load_scenario("scenarios/apo_outage.py")
    return story_.run(seed=seed, **settings).must_hold().metrics


def interval(name: str, few: dict, many: dict) -> tuple[float, float]:
    """Return a t interval of 95 % for how much more `many` brings than `few`, pair by pair."""
    apart = [metrics(seed, **many)[name] - metrics(seed, **few)[name] for seed in SEEDS]
    half = 2.262 * statistics.stdev(apart) / len(apart) ** 0.5
    return statistics.mean(apart) - half, statistics.mean(apart) + half


ACCEPT, REFUSE = {"policy": OnApoDown.ACCEPT}, {"policy": OnApoDown.REFUSE}


def test_accepting_costs_dates_and_refusing_costs_orders():
    """Question 37: the APO is down, accept without a check or refuse."""
    assert interval("orders_lost", ACCEPT, REFUSE)[0] > 10
    assert interval("late_against_plan", REFUSE, ACCEPT)[0] > 10
    assert interval("confirmed_and_late", REFUSE, ACCEPT)[0] > 3


def test_waiting_loses_nothing_but_time():
    """Question 37, the third way."""
    assert all(metrics(seed)["orders_lost"] == 0 for seed in SEEDS)
    assert interval("unchecked_s_max", ACCEPT, {})[0] > 3600
    assert interval("late_against_promise", {"outage": "0h"}, {})[0] > 3


def test_the_smaller_the_stock_the_more_dates_change_and_the_more_stays_open():
    """Question 19: orders that are written offline on a stock that is sold out."""
    small, large = {"outage": "0h", "pieces": 40}, {"outage": "0h", "pieces": 150}
    assert interval("dates_changed_rep", large, small)[0] > 5
    assert interval("unconfirmed_pieces", large, small)[0] > 20
