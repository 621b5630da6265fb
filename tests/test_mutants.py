"""Does the hunt find defects that an ordinary run does not show, and cut them down?"""

import pytest

from crmsim.lab.runs import load_scenario
from tests.mutants import MUTANTS, SCENARIO, measure

IN_THE_SUITE = (
    *("plan_of_the_warehouse_is_lost", "no_patience", "running_queue_activated_runs_twice"),
    *("error_is_forgotten", "new_disk_stays_empty", "late_news_take_back_what_was_delivered"),
    "crash_of_the_erp_skips_a_block",
)
"""One of each area; the whole matrix is a campaign."""


def test_the_suite_has_one_of_each_area():
    areas = [MUTANTS[name].area for name in IN_THE_SUITE]
    assert sorted(areas) == sorted({mutant.area for mutant in MUTANTS.values()})


@pytest.mark.parametrize("name", IN_THE_SUITE)
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
            harmless += mutant.survives_calm(range(1))
    assert 3 * harmless >= 2 * len(MUTANTS) >= 2 * 20, harmless
    assert load_scenario(SCENARIO).run().held, "a patch was not taken back"
