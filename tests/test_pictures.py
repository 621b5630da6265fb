"""Pictures show what there is: queues and faults over time, how long things took, studies."""

import itertools

import matplotlib as mpl
import pytest
from attrs import evolve
from matplotlib.figure import Figure

from crmsim import Level, load_scenario
from crmsim.errors import BadInput, BadValue
from crmsim.measure.depths import PLACES, depths
from crmsim.measure.spans import Span, down_spans, fault_spans, online_spans
from crmsim.report.curves import draw_differences, draw_study
from crmsim.report.distribution import Times, draw_times, sync_lags
from crmsim.report.look import GREY, as_svg, time_unit
from crmsim.report.sequence import draw_sequence
from crmsim.report.timeline import draw_timeline
from crmsim.study.study import CellResult, StudyResult
from crmsim.units import hours, minutes

from .stories import small_run

mpl.use("agg")
STORY = load_scenario("scenarios/order_book.py")


def axes():
    return Figure().subplots()


@pytest.fixture(scope="module")
def run():
    return STORY.run(seed=1, made_up_orders=20, made_up_days=5, level=Level.MESSAGES)


def kinds(run) -> dict[str, str]:
    topology = run.simulation.topology
    return {name: topology.kind(name) for name in topology.sites()}


def test_what_lies_in_queues_is_counted_by_place_and_comes_to_nothing_when_all_is_quiet(run):
    found = depths(run.journal, kinds(run))
    assert tuple(found) == PLACES
    for place, steps in found.items():
        counts = [count for _, count in steps]
        assert min(counts) == 0, place
        assert max(counts) > 0, place
        assert counts[-1] == 0, f"all is quiet, and yet something lies {place}"
        assert [time for time, _ in steps] == sorted(time for time, _ in steps)


def test_a_lost_disk_takes_what_was_not_sent_with_it():
    run = load_scenario("scenarios/lost_laptop.py").run(seed=1)
    found = depths(run.journal, kinds(run))
    assert found[PLACES[0]][-1][1] == 0
    assert min(count for steps in found.values() for _, count in steps) == 0


def test_spans_say_when_sites_were_down_and_laptops_on_the_line(run):
    journal, end_ns = run.journal, run.simulation.now_ns
    down = down_spans(journal, ["crm", "erp"], end_ns)
    assert {span.name for span in down} == {"crm", "erp"}
    assert all(span.begin_ns < span.end_ns <= end_ns for span in down)
    crashes = [e for e in journal.select("crashed") if e.actor in ("crm", "erp")]
    assert len(down) == len(crashes)
    online = online_spans(journal, end_ns)
    assert set(online) == set(run.simulation.topology.sites("mobile"))
    for spans in online.values():
        assert all(since <= until for since, until in spans)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_a_fault_that_never_ends_lasts_until_the_end_of_the_run():
    run = small_run()
    journal, end_ns = run.journal, run.simulation.now_ns
    assert fault_spans(journal, end_ns) == []
    from crmsim.network.faults import Outage

    run.simulation.strike(Outage("erp", under_way="drop"))
    assert fault_spans(journal, end_ns + 5) == [
        Span("Outage(site='erp', under_way='drop')", run.simulation.now_ns, end_ns + 5)
    ]


def test_a_time_line_has_a_line_for_each_place_and_a_band_for_each_time_out_of_order(run):
    ax = draw_timeline(run.simulation, axes(), title="a story")
    labels = [line.get_label() for line in ax.lines]
    assert labels == list(PLACES)
    bands = [band for band in ax.patches if band.get_width() > 0]
    servers = [s for s in kinds(run) if kinds(run)[s] in ("station", "crm", "erp")]
    assert len(bands) == len(down_spans(run.journal, servers, run.simulation.now_ns))
    shown = {text.get_text() for text in ax.get_legend().get_texts()}
    assert {"down: crm", "down: erp", "down: station"} <= shown
    assert ax.get_xlabel() == "virtual time in days"
    assert ax.get_title(loc="left") == "a story"


def test_a_time_line_names_faults_in_words():
    run = load_scenario("scenarios/field_day.py").run(seed=1, level=Level.BUSINESS)
    ax = draw_timeline(run.simulation, axes())
    assert "fault: Outage erp drop" in {t.get_text() for t in ax.get_legend().get_texts()}


def test_a_time_line_needs_queues_and_a_span(run):
    poor = STORY.run(seed=1, made_up_orders=3, made_up_days=2, level=Level.METRICS)
    with pytest.raises(BadValue, match="keeps no queues; run with"):
        draw_timeline(poor.simulation, axes())
    with pytest.raises(BadValue, match="a beginning before its end"):
        draw_timeline(run.simulation, axes(), begin_ns=5, end_ns=5)


def test_a_curve_of_times_ends_below_all_by_what_never_ended(run):
    times = sync_lags(run.journal)
    assert len(times.ended_s) == run.metrics["orders_booked"]
    assert max(times.ended_s) == run.metrics["sync_lag_s_max"]
    ax = draw_times({"all": times}, axes())
    [curve] = [line for line in ax.lines if line.get_label().startswith("all")]
    assert max(curve.get_ydata()) == 100
    half = draw_times({"half": Times(times.ended_s, len(times.ended_s))}, axes())
    [curve] = [line for line in half.lines if line.get_label().startswith("half")]
    assert max(curve.get_ydata()) == 50
    assert curve.get_label().endswith(f"{len(times.ended_s)} never")
    with pytest.raises(BadValue, match="nothing has ended"):
        draw_times({"none": Times((), 3)}, axes())


def test_visits_are_not_on_their_way_to_the_erp():
    run = load_scenario("scenarios/rejected_visit.py").run(seed=1)
    assert "activity" in {str(e.detail.get("object")) for e in run.journal.select("saved")}
    assert sync_lags(run.journal).unended == 0


@pytest.mark.parametrize(
    ("span_s", "unit"),
    [(0.0, "ms"), (0.5, "ms"), (1, "seconds"), (90, "minutes"), (7_200, "hours"), (1e6, "days")],
)
def test_an_axis_has_the_unit_in_which_its_numbers_are_handsome(span_s, unit):
    assert time_unit(span_s)[1] == unit


def row(cell: int, replication: int, **metrics: object):
    from crmsim.study.study import Row

    return Row(cell, replication, replication, True, 1, 1.0, "f", None, (), metrics)


def study(values: dict[str, list[float | None]], metric: str = "lag_s_p95") -> StudyResult:
    """A study of `loss`: text of the setting -> what was measured, run by run."""
    from crmsim.study.store import Origin

    cells = tuple(
        CellResult(
            number,
            {"loss": text},
            tuple(row(number, n, **{metric: value}) for n, value in enumerate(told, 1)),
        )
        for number, (text, told) in enumerate(values.items(), 1)
    )
    return StudyResult(Origin("story", "Why?", "", "", "0", "business", "0s", "1"), cells, {})


def test_a_study_is_drawn_to_scale_with_intervals_and_units():
    found = study({"0%": [3600, 7200], "10%": [7200, 10800], "30%": [None, None]})
    ax = draw_study(found, "lag_s_p95", axes())
    [container] = ax.containers
    line = container.lines[0]
    assert list(line.get_xdata()) == [0, 10], "what has no number is not drawn"
    assert list(line.get_ydata()) == [1.5, 2.5]
    assert ax.get_ylabel() == "lag p95, in hours"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0%", "10%", "30%"]


def test_values_that_are_no_numbers_of_one_unit_stand_side_by_side():
    found = study({"on": [1, 2], "off": [2, 3]}, "lost")
    ax = draw_study(found, "lost", axes())
    assert list(ax.containers[0].lines[0].get_xdata()) == [0, 1]
    mixed = draw_study(study({"45min": [1, 2], "2h": [2, 3]}, "lost"), "lost", axes())
    assert list(mixed.containers[0].lines[0].get_xdata()) == [0, 1]


def test_differences_are_paired_and_grey_where_there_may_be_none():
    found = study({"0%": [10, 20, 30], "10%": [11, 21, 31.5], "20%": [11, 18, 31]}, "lost")
    ax = draw_differences(found, "lost", axes())
    colours = [mpl.colors.to_hex(container.lines[0].get_color()) for container in ax.containers]
    assert colours[0] != GREY
    assert colours[1] == GREY
    assert [t.get_text() for t in ax.get_yticklabels()] == ["loss=10%", "loss=20%"]


def test_a_study_picture_of_what_is_not_there_is_refused():
    found = study({"0%": [1, 2], "10%": [2, 3]}, "lost")
    with pytest.raises(BadInput, match="no metric 'losst'; did you mean 'lost'"):
        draw_study(found, "losst", axes())
    with pytest.raises(BadInput, match="'jitter' was not varied"):
        draw_study(found, "lost", axes(), x="jitter")
    with pytest.raises(BadInput, match="two cells or more"):
        draw_differences(evolve(found, cells=found.cells[:1]), "lost", axes())


def test_a_sequence_diagram_shows_who_is_on_no_line(run):
    first = next(e for e in run.journal.select("entered") if e.actor == "laptop-1")
    span = {"begin_ns": first.time_ns - minutes(5), "end_ns": first.time_ns + minutes(20)}
    ax = draw_sequence(run.journal, axes(), actors=["laptop-1", "station"], **span)
    dotted = [line for line in ax.lines if line.get_linestyle() not in ("-", "None")]
    assert [line.get_xdata()[0] for line in dotted] == [0], "the laptop, not the station"
    thick = [line for line in ax.lines if line.get_linewidth() == 2.5]
    assert thick, "while it was on the line"


def test_even_distances_make_room_for_a_day_of_calls(run):
    span = {"begin_ns": hours(7), "end_ns": hours(20)}
    plain = draw_sequence(run.journal, axes(), actors=["laptop-1", "station"], **span)
    even = draw_sequence(run.journal, axes(), actors=["laptop-1", "station"], even=True, **span)
    assert even.get_ylabel() == "virtual time, not to scale"
    assert all(text.get_text().startswith("0d ") for text in even.get_yticklabels())

    def gaps(ax) -> list[float]:
        begins = sorted(text.xyann[1] for text in ax.texts if text.get_text() == "")
        return [after - before for before, after in itertools.pairwise(begins)]

    assert len(gaps(even)) == len(gaps(plain))
    assert max(gaps(even)) < 10, "steps"
    assert max(gaps(plain)) > 100 * sorted(gaps(plain))[len(gaps(plain)) // 2]


def test_the_same_picture_gives_the_same_svg(run):
    def draw(ax):
        draw_timeline(run.simulation, ax)

    assert as_svg(draw) == as_svg(draw)
    assert "<svg" in as_svg(draw)
