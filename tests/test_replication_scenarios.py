"""Do the figures of the replication scenarios move the way that they should?

Each direction is asserted over several seeds; where luck plays a part, by an interval.
"""

import statistics

import pytest

from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result


def run(name: str, seed: int = 1, **settings: str) -> Result:
    return load_scenario(f"scenarios/{name}.py").run(seed=seed, **settings).must_hold()


def interval(values: list[float]) -> tuple[float, float]:
    """Return a t interval of 95 % for the mean of ten numbers."""
    assert len(values) == 10
    half = 2.262 * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


@pytest.mark.parametrize("framework", ["blocks", "one by one"])
@pytest.mark.parametrize(("moved", "contacts", "activities"), [(1, 0, 0), (3, 2, 3), (7, 1, 5)])
def test_a_handover_costs_one_message_for_each_thing_and_laptop(
    framework, moved, contacts, activities
):
    """Question 45, and the exact count: a customer and what depends on it, deleted and inserted."""
    result = run(
        "territory_handover",
        moved=str(moved),
        contacts=str(contacts),
        activities=str(activities),
        framework=framework,
    )
    each = 1 + contacts + activities
    assert result.metrics["moved"] == moved * each
    assert result.metrics["messages_deleted"] == moved * each
    assert result.metrics["messages_inserted"] == moved * each
    assert result.metrics["receive_nothing"] == []


def test_people_see_the_wrong_customers_for_hours_though_the_demon_needs_seconds():
    """Question 64: how long a rep still sees what is no longer his."""
    shown = []
    for seed in range(1, 11):
        metrics = run("territory_handover", seed).metrics
        assert metrics["demon_done_after_s"] < 60
        shown.append(metrics["exposure_s_p50"] / 3600)
    low, high = interval(shown)
    assert 4 < low < high < 7, "from Tuesday noon to the evening session, 18:00 and an hour"


def test_blocks_are_done_in_a_third_of_the_time():
    """Question 46: the old framework against the new one."""
    ratios = []
    for seed in range(1, 11):
        small = {"reps": "15", "customers": "10"}
        old = run("reorganisation_night", seed, framework="one by one", **small).metrics
        new = run("reorganisation_night", seed, framework="blocks", **small).metrics
        assert old["messages_inserted"] == new["messages_inserted"], "the same messages"
        ratios.append(old["demon_done_after_s"] / new["demon_done_after_s"])
    low, _ = interval(ratios)
    assert low > 3


def test_a_laptop_more_costs_a_few_bytes_for_each_thing_that_it_holds():
    sizes = [
        run("reorganisation_night", reps=reps, share="0%").metrics["lookup_bytes_each"]
        for reps in ("5", "20")
    ]
    assert all(50 < size < 300 for size in sizes), sizes
    assert sizes[1] < 1.5 * sizes[0], "it does not grow with the number of laptops"


def test_more_customers_and_deeper_families_cost_the_demon_more():
    """Question 48: what hangs on a customer multiplies the work."""
    times = [
        run("reorganisation_night", reps="10", activities=str(count)).metrics["demon_done_after_s"]
        for count in (0, 3, 12)
    ]
    assert times == sorted(times)
    assert times[2] > 2 * times[0]


def test_the_way_back_from_a_wrong_subscription_costs_as_much_as_the_way_there():
    """Question 47."""
    wrong = run("wrong_subscription", reps="10").metrics
    right = run("wrong_subscription", reps="10", is_too_broad="off").metrics
    assert wrong["messages_inserted"] == wrong["messages_deleted"]
    assert wrong["messages_inserted"] > 5 * right["messages_inserted"] > 0


def test_a_price_list_costs_the_server_the_same_for_ten_laptops_and_for_fifty():
    """Question 27: what everybody gets is laid ready once."""
    few, many = (run("price_list_night", reps=reps, prices="500").metrics for reps in ("10", "50"))
    assert few["entries_on_the_server"] == many["entries_on_the_server"] == 500
    assert many["packages"] == 5 * few["packages"]
    longer = run("price_list_night", reps="10", prices="2000").metrics
    assert longer["minutes_on_the_line"] > 1.5 * few["minutes_on_the_line"]
    assert few["has_it_s_max"] > 24 * 3600, "the one who was away"


def test_a_laptop_that_no_subscription_names_is_listed():
    from crmsim.lab.landscape import Landscape
    from crmsim.lab.metrics import realignment_metrics
    from crmsim.lab.scenario import scenario
    from crmsim.units import days
    from crmsim.workload.made_up import add_field_force
    from tests.test_replication import NoSettings

    @scenario(NoSettings, metrics=realignment_metrics)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who gets nothing?"""
        add_field_force(land, 3)
        land.at(0, land.unsubscribe, "rep 2")
        await land.run_until(days(1))
        await land.settle()

    assert story.run().must_hold().metrics["receive_nothing"] == ["laptop-2"]


def test_a_first_fill_takes_the_line_longer_than_the_server():
    """Question 49: what a new laptop costs, and many of them."""
    ratios = []
    for seed in range(1, 11):
        one, four = (run("new_laptop", seed, new=new).metrics for new in ("1", "4"))
        assert one["longest_call_s"] > one["demon_done_after_s"]
        assert one["gap_s_max"] >= one["complete_after_s_max"] - 3600
        ratios.append(four["messages_inserted"] / one["messages_inserted"])
        assert four["complete_after_s_max"] < 1.5 * one["complete_after_s_max"], "side by side"
    low, high = interval(ratios)
    assert 3.5 < low <= high < 4.5


def test_who_leaves_keeps_nothing():
    result = run("territory_handover", leaves="on")
    assert not result.simulation.store("laptop-1").table("records")
    assert result.metrics["receive_nothing"] == ["laptop-1"]
    assert result.metrics["moved"] == 20 * 6


def test_the_more_often_a_rep_calls_the_less_is_lost_with_the_laptop():
    """Question 22: lost changes as a function of how often a laptop calls."""
    seldom, often = (
        [run("lost_laptop", seed, calls=calls).metrics["lost_changes"] for seed in range(1, 11)]
        for calls in ("1", "12")
    )
    fewer = [one - other for one, other in zip(seldom, often, strict=True)]
    low, _ = interval(fewer)
    assert low > 1


def test_a_laptop_that_is_handed_in_loses_nothing_but_time():
    """Question 22: what was drained before is not lost, and both get the same extract."""
    for seed in range(1, 11):
        metrics = run("lost_laptop", seed, fate="handed in").metrics
        assert metrics["lost_changes"] == metrics["lost_documents"] == 0
        assert metrics["orders_written"] == metrics["orders_booked"] == 4 * 4 * 8


def test_what_is_lost_is_what_is_missing():
    for seed in range(1, 11):
        metrics = run("lost_laptop", seed, calls="1").metrics
        missing = metrics["orders_written"] - metrics["orders_booked"]
        assert 0 <= missing <= metrics["lost_documents"] <= metrics["lost_changes"]
