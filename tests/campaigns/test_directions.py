"""What architects ask about the back end: do the answers point where they should?

Pairs of runs with the same seed; the mean of the differences is asserted by an interval of 95 %.
Which number is which question stands in `tests/test_questions.py`.
"""

import statistics
from pathlib import Path

import attrs
import pytest

from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result
from crmsim.measure.waits import uploads
from crmsim.units import Duration, hours, minutes, seconds, to_seconds

ROOT = Path(__file__).parent.parent.parent
SEEDS = range(1, 7)
T = 2.571
"""Of a t interval of 95 % for six numbers."""


def run(name: str, seed: int = 1, **settings: object) -> Result:
    """Run a scenario with all its checks."""
    return load_scenario(str(ROOT / f"scenarios/{name}.py")).run(seed=seed, **settings)


def metrics(name: str, seed: int, settings: dict) -> dict:
    """Return what is measured of a run; the first seed is judged, too."""
    story = load_scenario(str(ROOT / f"scenarios/{name}.py"))
    if seed > 1:
        story = attrs.evolve(story, checks=())
    return dict(story.run(seed=seed, **settings).must_hold().metrics)


def interval(values: list[float]) -> tuple[float, float]:
    """Return a t interval of 95 % for the mean of six numbers."""
    assert len(values) == len(SEEDS)
    half = T * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half


def pairs(name: str, few: dict, many: dict, **both: object) -> list[tuple[dict, dict]]:
    """Run two policies with the same seeds."""
    return [
        (metrics(name, seed, {**both, **few}), metrics(name, seed, {**both, **many}))
        for seed in SEEDS
    ]


def more(runs: list[tuple[dict, dict]], metric: str) -> tuple[float, float]:
    """Return by how much the second policy has more of something than the first."""
    return interval([float(many[metric]) - float(few[metric]) for few, many in runs])


# --- an ERP that is away ---

SMALL = {"office_orders": 60, "reps": 3, "rep_orders": 4}


@pytest.fixture(scope="module")
def short_and_long():
    """An outage of an hour and one of six, in office hours."""
    few, many = {"lasts": hours(1)}, {"lasts": hours(6)}
    return pairs("erp_outage", few, many, **SMALL)


def test_a_longer_outage_locks_more_orders_for_longer_and_people_wait(short_and_long):
    """Question 32: documents in status I1054, changes put off, people blocked."""
    for metric, least in (
        ("locked_most", 10),
        ("lock_s_max", 4 * 3_600),
        ("edits_put_off", 0),
        ("blocked_s", 3_600),
    ):
        low, _ = more(short_and_long, metric)
        assert low > least, metric
    for _, long in short_and_long:
        assert long["orders_booked"] == long["orders_written"], "no order is lost"
        assert long["orders_meanwhile"] > 20, "orders are taken all the same"


def test_laptops_notice_nothing_of_an_outage_when_they_send():
    """Questions 29 and 32: new orders of laptops reach CRM as on a day without trouble."""
    begin_ns, end_ns = hours(24 + 9), hours(24 + 17)
    apart = []
    for seed in SEEDS:
        means = []
        for lasts in (Duration(0), hours(8)):
            told = run("erp_outage", seed, **SMALL, lasts=lasts).must_hold()
            came = [u for u in uploads(told.journal) if begin_ns <= u.committed_ns < end_ns]
            assert len(came) > 5
            means.append(statistics.mean(to_seconds(u.committed_ns - u.saved_ns) for u in came))
        apart.append(means[1] - means[0])
    low, high = interval(apart)
    assert -1 < low <= high < 1, "seconds, where orders wait for the ERP for hours"


def test_a_longer_outage_takes_longer_to_drain(short_and_long):
    """Question 29: the ERP is back; how long until the backlog is normal again?"""
    low, _ = more(short_and_long, "drain_s")
    assert low > 120
    low, _ = more(short_and_long, "backlog_most")
    assert low > 10


def test_the_drain_agrees_with_what_the_rates_of_a_queue_say():
    """Question 29: what piled up in h hours drains in h * l / (m - l)."""
    h, booking_s, count = 3 * 3_600, 120, 150
    arrivals = count / 36_000
    expected = h * arrivals / (1 / booking_s - arrivals)
    settings = {
        "office_orders": count,
        "office_edits": 0,
        "reps": 1,
        "rep_orders": 0,
        "booking": seconds(booking_s),
        "work_processes": 1,
        "retry_most": seconds(20),
        "begins": hours(9),
        "lasts": hours(3),
    }
    measured = [metrics("erp_outage", seed, settings)["drain_s"] for seed in SEEDS]
    low, high = interval(measured)
    assert expected == pytest.approx(10_800)
    assert low < expected < high, (low, expected, high)
    assert high - low < expected, "and the interval says something"


def test_whatever_way_the_erp_is_away_the_office_cannot_tell_but_a_slow_one_goes_on():
    """The three kinds of outage, and the planned stop."""
    kinds = ("the line is down", "the ERP crashes", "a planned stop", "the ERP is slow")
    for seed in SEEDS[:3]:
        line, crash, planned, slow = (
            metrics("erp_outage", seed, {**SMALL, "kind": kind}) for kind in kinds
        )
        for other in (crash, planned):
            assert abs(other["locked_most"] - line["locked_most"]) <= 2
            assert other["lock_s_max"] == pytest.approx(line["lock_s_max"], rel=0.05)
        assert slow["locked_most"] < line["locked_most"] / 2
        assert slow["lock_s_max"] < line["lock_s_max"] / 2
        assert slow["backlog_in_crm_most"] < line["backlog_in_crm_most"] / 3, "it lies in the ERP"


def test_a_planned_stop_costs_least_at_night_and_most_while_people_work():
    """Question 36: planned windows against the hours in which laptops call."""
    stop = {**SMALL, "kind": "a planned stop", "lasts": hours(2), "calls": 2}
    runs = pairs("erp_outage", {"begins": hours(2)}, {"begins": hours(17)}, **stop)
    for metric in ("locked_most", "backlog_most"):
        low, _ = more(runs, metric)
        assert low > 3, metric
    at_night = [night["locked_most"] for night, _ in runs]
    assert at_night == [0] * len(SEEDS)


def test_a_slow_erp_keeps_its_hands_full_where_one_that_is_down_keeps_connections_waiting():
    """Question 33: ten times as slow, or down for as long."""
    runs = pairs("erp_slow", {"state": "slow"}, {"state": "down"}, office_orders=250, reps=3)
    low, _ = more(runs, "lock_s_p95")
    assert low > 1_800, "a stop locks orders for longer"
    low, _ = more(runs, "waited_for_connection")
    assert low > 20
    low, _ = more(runs, "tries_in_vain")
    assert low > 100
    for slow, down in runs:
        assert slow["erp_busy"] > 3 * slow["erp_busy_before"]
        assert down["erp_busy"] < 0.05
        assert slow["waited_for_connection"] == slow["tries_in_vain"] == 0
        assert slow["answer_s_p95"] < 5 > down["answer_s_p95"], "answers go another way"
        assert slow["orders_booked"] == down["orders_booked"]


# --- a flood from the ERP ---


def test_crm_is_the_bottleneck_at_the_end_of_a_month():
    """Question 7: a billing run floods CRM with news; a slower one, or one at night, does not."""
    small = {"reps": 5, "orders": 6, "work": seconds(8)}
    runs = pairs("status_flood", {"lasts": hours(1)}, {"lasts": minutes(3)}, **small)
    for metric, least in (
        ("depth_most", 50),
        ("crm_busy", 0.5),
        ("to_crm_s_p95", 60),
        ("upload_s_p95_meanwhile", 30),
    ):
        low, _ = more(runs, metric)
        assert low > least, metric
    for _, flood in runs:
        assert flood["erp_busy"] < 0.2 < 0.8 < flood["crm_busy"]
        assert flood["depth_in_erp_most"] < flood["depth_most"] / 5, "they lie in CRM"


# --- queues that get stuck, are tried again, are begun anew ---


def test_the_more_shares_a_queue_the_more_waits_behind_a_broken_order():
    """Question 38: one dump, and a queue per document, per customer, or one for all."""
    keys = ("per document", "per parent", "per object type")
    small = {"orders": 120, "reps": 5, "span_days": 3}
    found = [
        [metrics("stuck_queue", seed, {**small, "queue_key": key}) for key in keys]
        for seed in SEEDS
    ]
    for fewer, wider in ((0, 1), (1, 2)):
        runs = [(one[fewer], one[wider]) for one in found]
        for metric in ("waited_behind_it", "blocked_s"):
            low, _ = more(runs, metric)
            assert low > 0, (metric, keys[wider])


def test_patient_retries_spare_the_line_and_make_the_return_late():
    """Question 40: how often is tried again, against how soon all is there."""
    small = {"orders": 120, "reps": 8, "outage": hours(2.5), "restart": False}
    runs = pairs("retry_storm", {"most": seconds(20)}, {"most": minutes(10)}, **small)
    _, high = more(runs, "calls_in_vain")
    assert high < -1_000, "fewer calls in vain"
    low, _ = more(runs, "all_arrived_after_s")
    assert low > 120, "but it takes longer until all is there"


def test_work_that_is_begun_anew_too_early_is_done_twice_unless_systems_remember():
    """Question 42: activating a queue whose first unit is being worked on."""
    again = []
    for seed in SEEDS:
        safe = run("order_to_cash", seed, impatience=20).must_hold().metrics
        bare = run("order_to_cash", seed, impatience=20, dedup=False)
        assert safe["begun_anew"] > 0 == safe["done_again"] == safe["booked_twice"]
        assert bare.metrics["begun_anew"] > 0
        assert bare.held == (bare.metrics["done_again"] == 0), "the checks find it"
        again.append(float(bare.metrics["done_again"]))
    low, _ = interval(again)
    assert low > 0


def test_without_memory_goods_leave_twice_on_a_line_that_loses():
    """Question 57: at least once. What is sent again is booked, delivered and billed again."""
    twice = []
    for seed in SEEDS:
        safe = run("order_to_cash", seed, loss="10%").must_hold().metrics
        bare = run("order_to_cash", seed, loss="10%", dedup=False)
        assert safe["booked_twice"] == safe["issued_too_often"] == safe["billed_too_often"] == 0
        assert not bare.held
        twice.append(float(bare.metrics["issued_too_often"]))
    low, _ = interval(twice)
    assert low > 0, "pieces"


def test_without_receipts_some_orders_never_arrive():
    """Question 57: at most once. What the line took is forgotten, whether or not it arrived."""
    missing = []
    for seed in SEEDS:
        bare = run("order_book", seed, receipts=False, made_up_orders=60, break_off=0.6)
        assert not bare.held
        missing.append(bare.metrics["orders_written"] - bare.metrics["orders_booked"])
    low, _ = interval(missing)
    assert low > 0


# --- orders that the ERP refuses, and answers that are lost ---


def test_refusals_are_work_for_the_clerk_and_delay_what_is_refused():
    """Question 34: how much rework, and how long until an order is in the ERP at last?"""
    small = {"outage": "0h", "crashes": False}
    runs = pairs("order_to_cash", {"refuses": "0%"}, {"refuses": "30%"}, **small)
    for metric, least in (("refused", 5), ("worked_off", 5), ("to_erp_s_p95", 3_600)):
        low, _ = more(runs, metric)
        assert low > least, metric
    for none, many in runs:
        assert none["refused"] == none["worked_off"] == 0
        assert many["value_ordered"] == none["value_ordered"] or many["not_booked"]


def test_orders_whose_answer_was_lost_are_stuck_until_a_report_finds_them():
    """Question 35: how long are they locked, and is anything booked twice?"""
    runs = pairs("lost_answers", {"report": True}, {"report": False})
    for metric, least in (("stuck", 5), ("lock_s_max", 3 * 86_400), ("put_off", 500)):
        low, _ = more(runs, metric)
        assert low > least, metric
    for found, lost in runs:
        assert found["stuck"] == found["booked_twice"] == lost["booked_twice"] == 0
        assert found["set_right"] > 5


def test_who_sends_again_what_was_not_answered_books_it_twice_unless_systems_remember():
    """Question 35: the effect of dedup."""
    twice = []
    for seed in SEEDS:
        bare = run("lost_answers", seed, dedup=False, impatience=20)
        assert bare.held == (bare.metrics["booked_twice"] == 0), "the checks find it"
        twice.append(float(bare.metrics["booked_twice"]))
    low, _ = interval(twice)
    assert low > 0


# --- who may change what ---


def test_a_policy_that_looks_at_whole_documents_refuses_more():
    """Question 54: the policies for changes of what somebody else has changed."""
    few, many = {"policy": "field merge, server wins"}, {"policy": "document, server wins"}
    runs = pairs("two_reps_one_customer", few, many)
    for metric in ("changes_refused", "fields_lost"):
        low, _ = more(runs, metric)
        assert low > 0, metric


def test_if_either_may_change_everything_nothing_is_lost_and_nobody_is_refused():
    """Question 55: each its own, either, or the ERP from its first change on."""
    either = pairs("scenario_a_or_default", {"scenario": "either"}, {"scenario": "each its own"})
    low, _ = more(either, "lost_updates")
    assert low > 5
    taken = pairs(
        "scenario_a_or_default", {"scenario": "either"}, {"scenario": "the ERP once it has"}
    )
    low, _ = more(taken, "refused")
    assert low > 5
    for both, _ in either:
        assert both["lost_updates"] == both["refused"] == 0


def test_locks_save_what_would_cross_and_make_people_wait():
    """Question 56: the lock of an order in the other system, on and off."""
    story = {"scenario": "either", "both": "80%", "outage": "4h"}
    runs = pairs("scenario_a_or_default", {"locks": True}, {"locks": False}, **story)
    low, _ = more(runs, "lost_updates")
    assert low > 0
    _, high = more(runs, "put_off")
    assert high < -20
    for locked, _ in runs:
        assert locked["lost_updates"] == 0
