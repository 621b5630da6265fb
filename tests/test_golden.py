"""The histories of all scenarios are what they were; `--rewrite-golden` says what moved."""

from pathlib import Path

import pytest

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.py"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_has_its_golden_history(run_scenario, golden, path):
    result = run_scenario(path)
    result.must_hold()
    golden(path.stem, result)
