"""Which policy refuses how much, and do more calls help? Questions 17 and 54, over ten seeds."""

import statistics

from crmsim.lab.runs import load_scenario
from crmsim.sync.conflict import ConflictPolicy


def run(seed: int = 1, **settings: str) -> dict[str, float]:
    story = load_scenario("scenarios/two_reps_one_customer.py")
    return dict(story.run(seed=seed, **settings).must_hold().metrics)


def interval(values: list[float]) -> tuple[float, float]:
    half = 2.262 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


def test_who_calls_more_often_has_fewer_conflicts():
    """Question 17: conflicts against the time without a call."""
    fewer = []
    for seed in range(1, 11):
        seldom, often = (
            run(seed, team="3", orders="5", calls=calls)["changes_that_count"]
            for calls in ("1", "12")
        )
        fewer.append(often - seldom)
    low, _ = interval(fewer)
    assert low > 0


def test_a_document_policy_refuses_more_than_a_merge_and_the_last_writer_nothing():
    """Question 54: the policies compared."""
    more = []
    for seed in range(1, 11):
        shared = {"team": "3", "orders": "5"}
        merge, document, last = (
            run(seed, policy=policy.value, **shared)["changes_refused"] for policy in ConflictPolicy
        )
        assert last == 0
        more.append(document - merge)
    low, _ = interval(more)
    assert low > 3
