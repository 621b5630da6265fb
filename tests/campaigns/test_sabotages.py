"""Sabotages of the simulator that only a full campaign finds."""

import pytest

from tests.test_truths import judge_sabotaged, sabotages


@pytest.mark.parametrize("name", sabotages(full=True))
def test_a_sabotaged_simulator_is_found_out(monkeypatch, name):
    judge_sabotaged(monkeypatch, name)
