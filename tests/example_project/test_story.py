"""Tests of a scenario."""

import pytest


@pytest.mark.seeds("1-2")
def test_orders_are_never_doubled(run_scenario):
    result = run_scenario("story.py", dedup="off")
    assert result.held


def test_the_story_holds(run_scenario):
    run_scenario("story.py").must_hold()
