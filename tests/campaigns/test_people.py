"""Do the figures of the scenarios about people and channels move the way that they should?

Pairs of runs with the same seed; the mean of the differences is asserted by an interval.
"""

import statistics

import pytest

from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result

SEEDS = range(1, 11)


def run(name: str, seed: int = 1, **settings: object) -> Result:
    return load_scenario(f"scenarios/{name}.py").run(seed=seed, **settings).must_hold()


def differences(name: str, metric, few: dict, many: dict) -> tuple[float, float]:
    """Return a t interval of 95 % for how much more `many` brings than `few`, pair by pair."""
    return interval(
        [metric(run(name, seed, **many)) - metric(run(name, seed, **few)) for seed in SEEDS]
    )


def interval(values: list[float]) -> tuple[float, float]:
    """Return a t interval of 95 % for the mean of ten numbers."""
    assert len(values) == 10
    half = 2.262 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


def share(part: str, whole: tuple[str, ...]):
    def metric(result: Result) -> float:
        return result.metrics[part] / sum(result.metrics[name] for name in whole)

    return metric


ANSWERS = ("answer_in_the_same_call", "answer_in_the_next_call", "answer_later")


def test_a_busy_crm_answers_in_the_call_after():
    """Question 10: how many calls until a rep knows the fate of what he wrote."""
    metric = share("answer_in_the_next_call", ANSWERS)
    few = {"reps": 4}
    low, _ = differences(
        "rejected_visit", metric, few | {"validation_s": 1}, few | {"validation_s": 20}
    )
    assert low > 0.2


def test_more_calls_a_day_tell_a_rep_sooner():
    low, _ = differences(
        "rejected_visit",
        lambda r: -r.metrics["until_the_answer_s_p50"],
        {"reps": 4, "calls": 1},
        {"reps": 4, "calls": 6},
    )
    assert low > 3_600


def test_the_longer_somebody_is_away_the_more_waits_and_the_more_is_in_conflict():
    """Questions 16 and 17: backlog and conflicts by the length of an absence."""
    short, long = {"away": 2}, {"away": 12}
    pairs = [
        (run("long_holiday", seed, **long).metrics, run("long_holiday", seed, **short).metrics)
        for seed in SEEDS
    ]
    for name, least in (("waited_for_him", 50), ("first_call_s", 5), ("share_in_conflict", 0.2)):
        low, _ = interval([more[name] - less[name] for more, less in pairs])
        assert low > least, name


def test_late_laptops_give_back_more_and_all_of_it_comes_after_all():
    """Question 61: clients on an old version."""
    low, _ = differences(
        "old_client",
        lambda r: r.metrics["given_back"],
        {"reps": 6, "late": "0%"},
        {"reps": 6, "late": "60%"},
    )
    assert low > 20
    low, _ = differences(
        "old_client",
        lambda r: r.metrics["given_back"],
        {"reps": 6, "late": "50%", "days_late": 1},
        {"reps": 6, "late": "50%", "days_late": 5},
    )
    assert low > 20
    metrics = run("old_client").metrics
    assert metrics["unread"] == metrics["given_back"] > 0 == metrics["never_there"]


@pytest.mark.parametrize("who", ["rep", "other"])
def test_more_calls_make_fewer_answers_out_of_date_but_never_none(who):
    """Question 9: the age of information, by how often a rep calls."""
    metric = share(f"out_of_date_{who}", (f"asked_{who}",))
    name = "one_customer_three_channels"
    _, high = differences(name, metric, {"calls": 1}, {"calls": 12})
    assert high < 0
    assert metric(run(name, calls=12)) > 0
