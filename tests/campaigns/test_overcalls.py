"""How much is called off a contract that is not there? Question 18, over ten seeds."""

import functools
import statistics

from crmsim.lab.runs import load_scenario

SEEDS = range(1, 11)


@functools.cache
def overcall(seed: int, **more):
    story = load_scenario("scenarios/contract_overcall.py")
    return story.run(seed=seed, **more).must_hold().metrics


def interval(values: list[float]) -> tuple[float, float]:
    """Return a t interval of 95 % for the mean of ten numbers."""
    assert len(values) == 10
    half = 2.262 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


def more_of(name: str, few: dict, many: dict) -> float:
    """Return the lower end of how much more `many` brings than `few`, pair by pair."""
    pairs = [(overcall(seed, **few)[name], overcall(seed, **many)[name]) for seed in SEEDS]
    return interval([after - before for before, after in pairs])[0]


def test_the_less_often_reps_call_the_more_is_called_off_that_is_not_there():
    """Question 18: over-release quantity and orders in error."""
    often, rarely = {"calls": 8}, {"calls": 1}
    assert more_of("overcalls", often, rarely) > 10
    assert more_of("pieces_overcalled", often, rarely) > 150
    assert more_of("behind_s_p50", often, rarely) > 12 * 3_600


def test_the_more_reps_share_a_contract_the_more_is_called_off_that_is_not_there():
    few, many = {"reps": 3, "target": 250}, {"reps": 12, "target": 1_000}
    assert more_of("unknown_pieces_p50", few, many) > 30
    assert more_of("pieces_overcalled", few, many) > 20
