"""A planned downtime is orderly: what was begun gets done, nothing new begins, then it is down."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.chance import Constant
from crmsim.errors import BadValue
from crmsim.hunt.case import take_down
from crmsim.hunt.script import write_script
from crmsim.lab.landscape import _windows
from crmsim.lab.runs import load_scenario
from crmsim.units import Duration, days, hours, minutes, seconds

from .telling import do, order, tell

NINE = {"begins": hours(9), "lasts": hours(2), "until": days(1)}


def hour(event) -> float:
    return event.time_ns / hours(1)


def story(
    *steps, service_s: float = 0.8, orders: int = 3, at: float = 8.99, site: str = "erp", **named
):
    """Some orders are written in CRM at the same moment; then comes a downtime."""
    writing = [do(at, "create_order", order(f"A{number}")) for number in range(orders)]
    erp = {"service_s": Constant(service_s), "work_processes": 1}
    plan = do(0, "plan_downtime", site, **{**NINE, **named})
    return tell(plan, *writing, *steps, erp=erp).result


def spans(result, site: str = "erp") -> list[tuple[float, float]]:
    """(hour, hour) of each time for which a site was down."""
    downs = [hour(event) for event in result.journal.select("crashed", actor=site)]
    ups = [hour(event) for event in result.journal.select("restarted", actor=site)]
    return list(zip(downs, ups, strict=True))


def test_what_is_begun_is_finished_and_what_is_not_waits_until_afterwards():
    result = story(service_s=60.0)
    [(down, up)] = spans(result)
    assert (down, up) == (pytest.approx(9 + 24 / 3600, abs=0.01), 11)
    first, *others = (hour(event) for event in result.journal.select("booked"))
    assert 9 < first <= down, "the one in hand is booked before the system goes down"
    assert all(booked > 11 for booked in others)
    begun = [
        hour(e) for e in result.journal.select("begun", actor="erp") if "R3AU" in e.detail["queue"]
    ]
    assert not [moment for moment in begun if 9 <= moment < 11], "nothing new begins"
    assert len(begun) == 3, "nothing is begun twice"
    [crashed] = result.journal.select("crashed", actor="erp")
    assert (crashed.detail["point"], crashed.detail["undone"]) == ("planned stop", 0)


def test_a_system_with_nothing_to_do_is_down_for_the_whole_window():
    assert spans(story(orders=0)) == [(9, 11)]


def test_crm_can_be_stopped_too():
    result = story(at=10.0, site="crm")
    assert spans(result, "crm") == [(9, 11)]
    assert len(list(result.journal.select("booked"))) == 3


def test_nobody_waits_for_ever_for_what_does_not_get_done():
    result = story(service_s=7_200.0, orders=1)
    [(down, up)] = spans(result)
    assert (down, up) == (pytest.approx(9 + 10 / 60, abs=0.001), 11)
    begun = [e for e in result.journal.select("begun", actor="erp") if "R3AU" in e.detail["queue"]]
    assert len(begun) == 2, "it is begun anew afterwards"


def test_a_short_window_is_not_spent_with_waiting():
    result = story(service_s=7_200.0, orders=1, lasts=minutes(8))
    assert spans(result) == [(pytest.approx(9 + 4 / 60, abs=0.001), pytest.approx(9 + 8 / 60))]


def test_a_system_that_comes_back_from_a_crash_within_its_window_is_stopped_again():
    result = story(do(8.9, "crash", "erp", down=minutes(30)), orders=0)
    assert spans(result) == [(pytest.approx(8.9), pytest.approx(9.4)), (pytest.approx(9.4), 11)]


def test_a_system_that_stands_still_is_stopped_when_patience_is_over():
    result = story(do(8.9, "pause", "erp", lasts=hours(1)), orders=0)
    assert spans(result) == [(pytest.approx(9 + 10 / 60, abs=0.001), 11)]


def test_windows_repeat_on_their_weekdays():
    result = story(orders=0, until=days(4), weekdays=(1, 3))
    assert [down for down, _ in spans(result)] == [24 + 9, 3 * 24 + 9]


@given(
    st.integers(0, 86_399),
    st.integers(1, 2 * 86_400),
    st.lists(st.integers(0, 6), min_size=1, max_size=7),
    st.integers(0, 6),
    st.integers(0, 30 * 86_400),
)
def test_windows_lie_on_their_days_and_never_touch_each_other(
    begins, lasts, weekdays, first, until
):
    try:
        found = list(_windows(seconds(begins), seconds(lasts), weekdays, first, seconds(until)))
    except BadValue:
        wanted = sorted(set(weekdays))
        assert min(b - a for a, b in zip(wanted, [*wanted[1:], wanted[0] + 7], strict=True)) == 1
        assert lasts > 86_400
        return
    for begin_ns, end_ns in found:
        day, time_ns = divmod(begin_ns, days(1))
        assert (time_ns, end_ns - begin_ns) == (seconds(begins), seconds(lasts))
        assert (day + first) % 7 in weekdays
        assert begin_ns < seconds(until)
    assert all(one[1] <= two[0] for one, two in pairwise(found))
    weeks = until // (7 * 86_400)
    assert len(found) >= weeks * len(set(weekdays))


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"lasts": Duration(0)}, "lasts longer than nothing"),
        ({"begins": hours(24)}, "a time of the day"),
        ({"weekdays": ()}, "one or more"),
        ({"weekdays": (7,)}, "0 .Monday. to 6"),
        ({"first_weekday": 9}, "0 .Monday. to 6"),
        ({"lasts": hours(25)}, "into the next one"),
        ({"until": hours(9)}, "no downtime of 'erp' begins before"),
        ({"site": "station"}, "has no queues"),
    ],
)
def test_what_makes_no_sense_is_refused(named, words):
    with pytest.raises(BadValue, match=words):
        story(**named)


def test_a_hunt_can_write_a_downtime_down_and_tell_it_again(tmp_path):
    story = load_scenario("scenarios/erp_outage.py")
    small = {"kind": "a planned stop", "office_orders": "5", "reps": "1", "rep_orders": "1"}
    settings = story.ready(small)
    case = take_down(story, settings, 3)
    file = tmp_path / "again.py"
    file.write_text(write_script(case, "again", "Does it happen again?"), encoding="utf-8")
    assert "land.plan_downtime" in file.read_text(encoding="utf-8")
    told, again = story.run_with(settings, seed=3), load_scenario(str(file)).run(seed=3)
    assert spans(again) == spans(told) == [(24 + 9, 24 + 13)]
