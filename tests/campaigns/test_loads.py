"""Loads and comparisons over many seeds: nothing is lost, and the answers point where they should.

Questions 49 to 53. Pairs of runs with the same seed; the mean of the differences is asserted by an
interval of 95 %.
"""

import pytest

from crmsim.lab.runs import load_scenario
from crmsim.units import hours

from .test_directions import metrics, more, pairs

SMALL = {"customers": 300, "changes": 120}


@pytest.mark.parametrize("seed", range(1, 101))
def test_nothing_is_lost_at_the_go_live(seed):
    found = load_scenario("scenarios/go_live.py").run(seed=seed).must_hold().metrics
    assert found["customers_lost"] == 0
    assert found["changed_while_loading"] >= 200
    assert found["changed_under_way"] >= 50


@pytest.mark.parametrize("leading", ["erp", "crm"])
@pytest.mark.parametrize("seed", range(1, 51))
def test_exactly_what_was_lost_is_found_and_then_nothing(seed, leading):
    story = load_scenario("scenarios/find_the_difference.py")
    found = story.run(seed=seed, leading=leading).must_hold().metrics
    assert found["reported"] == found["injected"] == 27
    assert found["overlooked"] == found["false_alarms"] == found["left_after_repair"] == 0
    assert found["reported_cdb"] == found["injected_cdb"] == 7
    assert found["left_after_repair_cdb"] == 0


def test_the_more_laptops_are_handed_out_the_longer_the_server_works():
    """Question 49."""
    runs = pairs("new_laptop", {"new": 2}, {"new": 20})
    assert more(runs, "demon_done_after_s")[0] > 10
    assert more(runs, "messages_inserted")[0] > 1_000


def test_larger_blocks_let_one_system_wait_for_the_other():
    """Question 50."""
    runs = pairs("go_live", {"block": 20}, {"block": 300}, **SMALL, crashes=False)
    assert more(runs, "load_s")[0] > 10
    assert more(runs, "changed_under_way")[0] > 0


def test_requests_side_by_side_are_done_sooner():
    """Question 50."""
    runs = pairs("go_live", {"parallel": 4}, {"parallel": 1}, **SMALL, requests=8, crashes=False)
    assert more(runs, "load_s")[0] > 60


def test_the_more_is_changed_meanwhile_the_more_waits_at_the_end():
    """Question 51."""
    small = {"customers": 300, "crashes": False}
    runs = pairs("go_live", {"changes": 20}, {"changes": 200}, **small)
    assert more(runs, "waiting_at_release")[0] > 20
    assert more(runs, "released_after_s")[0] > 0


def test_the_more_is_on_the_wrong_side_of_a_filter_the_more_is_found_and_repaired():
    """Question 52."""
    runs = pairs("filter_changed", {"north": 30, "south": 30}, {"north": 90, "south": 90})
    assert more(runs, "surplus")[0] > 50
    assert more(runs, "missing")[0] > 50
    assert more(runs, "repair_s")[0] > 0
    for _, many in runs:
        assert many["left_after_repair"] == 0


def test_who_compares_often_knows_sooner_and_pays_for_it():
    """Question 53."""
    runs = pairs("find_the_difference", {"every": hours(2)}, {"every": hours(24)})
    assert more(runs, "found_after_s_p50")[0] > 4 * 3_600
    assert more(runs, "questions")[1] < -50
    for often, _ in runs:
        assert often["false_alarms"] == 0


def test_who_compares_keys_alone_overlooks_what_is_there_with_another_content():
    """Question 53."""
    story = load_scenario("scenarios/find_the_difference.py")
    found = story.run(detailed=False)
    assert not found.held
    assert found.metrics["overlooked"] == found.metrics["never_found_censored"] == 17
    assert metrics("find_the_difference", 1, {})["overlooked"] == 0
