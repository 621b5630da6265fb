"""Do the scenarios about people and channels have all that they should have?

Which way their figures move: `tests/campaigns/test_people.py`.
"""

from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result
from crmsim.trace.kinds import Level


def run(name: str, seed: int = 1, **settings: object) -> Result:
    return load_scenario(f"scenarios/{name}.py").run(seed=seed, **settings).must_hold()


def test_only_who_reads_the_inbox_gets_refused_visits_stored():
    read = run("rejected_visit").metrics
    unread = run("rejected_visit", reads_inbox=False).metrics
    assert unread["restored"] == 0 < read["restored"] == read["restored_and_stored"]
    assert read["restored"] == read["refused_because"]["incomplete"]
    assert read["notes_gone"] == read["refused_because"]["of the visit"] > 0


def test_who_is_on_holiday_is_in_no_conflict():
    metrics = run("long_holiday", works=False).metrics
    assert metrics["changes_while_away"] == metrics["of_these_in_conflict"] == 0
    assert metrics["waited_for_him"] > 50


def test_without_somebody_it_never_comes():
    result = run("old_client", somebody=False)
    assert result.metrics["sent_again"] == 0
    assert result.quiet.documents_aside


def test_a_working_week_has_all_that_it_should_have():
    metrics = run("field_day").metrics
    for name in ("conflicts", "rejections", "parked", "realigned", "restored", "kept_at_home"):
        assert metrics[name] > 5, name
    assert metrics["out_of_date_rep"] > 0 < metrics["out_of_date_other"]
    assert metrics["put_right_by_the_clerk"] > 0 < metrics["repriced"]


def test_numbers_of_laptops_spare_customers_another_one():
    """Question 60: numbers at the transfer against numbers out of ranges of the laptops."""
    late = run("field_day").metrics
    own = run("field_day", numbering="on laptops").metrics
    assert late["numbers_changed"] > 150
    assert own["numbers_changed"] < 20, "those that were written before the first call"


def test_at_the_level_of_metrics_what_is_not_kept_is_not_counted():
    story = load_scenario("scenarios/field_day.py")
    cheap = story.run(seed=1, level=Level.METRICS).metrics
    full = story.run(seed=1).metrics
    assert cheap["made_under_old"] is None
    assert {**cheap, "made_under_old": 0} == {**full, "made_under_old": 0}
