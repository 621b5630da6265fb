"""Does the hunt find defects that an ordinary run does not show, and cut them down?"""

import pytest

from crmsim.lab.runs import load_scenario
from tests.mutants import MUTANTS, SCENARIO, measure, survives


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed_cut_down_and_shown_by_its_script_alone(name):
    row = measure(name, most_runs=40)
    assert row["killed_by"], "not killed"
    assert row["minimal"], row["why_not"] or "not minimal"
    assert row["deviations"] <= 5
    assert row["clients"] <= 3
    assert row["fails_alone"], "the script alone does not show it"
    assert row["holds_without"], "the script fails without the mutant"


def test_most_mutants_do_no_harm_as_long_as_nothing_goes_wrong(monkeypatch):
    harmless = 0
    for mutant in MUTANTS.values():
        with monkeypatch.context() as patch:
            mutant.apply(patch)
            harmless += survives(mutant, 1)
    assert harmless >= 8
    assert load_scenario(SCENARIO).run().held, "a patch was not taken back"
