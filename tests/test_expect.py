"""Every form of expectation holds where it should, fires where it should not, and says why."""

import itertools

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmsim import Level, Link, Simulation, Topology, scenario
from crmsim.checks.check import Outcome
from crmsim.errors import BadValue, Finding, UnknownSite
from crmsim.measure.expect import Expect
from crmsim.measure.latency import Limits, Pair, judge_limits, quantile
from crmsim.measure.road import Part, Road
from crmsim.network.topology import CRM_CHANNELS
from crmsim.trace.journal import Event
from crmsim.trace.kinds import KINDS
from crmsim.units import hours, minutes, seconds

from .stories import order_book, small_run

HELD, VIOLATED, NOT_JUDGED = Outcome.HELD, Outcome.VIOLATED, Outcome.NOT_JUDGED


def landscape(*further: tuple[str, str]) -> Expect:
    """Return a landscape of three laptops, two of them at one station, and what is expected."""
    topology = Topology()
    for name, kind in [
        ("crm", "crm"), ("erp", "erp"), ("north", "station"), ("south", "station"),
        ("laptop-1", "mobile"), ("laptop-2", "mobile"), ("laptop-3", "mobile"),
    ]:  # fmt: skip
        topology.add_site(name, kind)
    for one, other in [
        ("crm", "erp"), ("north", "crm"), ("south", "crm"), ("laptop-1", "north"),
        ("laptop-2", "north"), ("laptop-3", "south"), *further,
    ]:  # fmt: skip
        topology.connect(one, other, Link())
    return Expect(Simulation(topology))


def told(*events: tuple[int, str, str, dict[str, object]]) -> Expect:
    """Return a history of (time, actor, kind, details) and what is expected of it."""
    simulation = Simulation(level=Level.FULL)
    for time_ns, actor, kind, detail in events:
        simulation.journal.note(time_ns, actor, KINDS[kind], str(detail.pop("s", "x")), 0, detail)
    simulation.schedule.now_ns = events[-1][0] if events else 0
    return Expect(simulation)


def why(expect: Expect) -> str:
    return " | ".join(evidence.text for evidence in expect.found[-1][1].evidence)


# --- topology ---


@pytest.mark.fires("expect.path")
def test_a_path_through_something():
    expect = landscape()
    assert expect.path("laptop-1", "erp").outcome is HELD
    assert expect.path("mobile", "erp", through=("station", "crm")).judged == 3
    assert (
        expect.found[-1][0].sentence == "every way from mobile to erp goes through station and crm"
    )
    assert expect.path("laptop-3", "erp", through="north").outcome is VIOLATED
    assert why(expect) == "this way avoids north: laptop-3 - south - crm - erp"
    shortcut = landscape(("laptop-2", "erp"))
    assert shortcut.path("mobile", "erp", through="crm").violations == 2
    assert why(shortcut) == (
        "this way avoids crm: laptop-1 - north - laptop-2 - erp | "
        "this way avoids crm: laptop-2 - erp"
    )
    alone = Expect(Simulation())
    for name in "ab":
        alone._simulation.add_site(name)
    assert alone.path("a", "b").outcome is VIOLATED
    assert why(alone) == "there is no way from a to b"


@pytest.mark.fires("expect.no_path")
def test_no_path():
    expect = landscape()
    assert expect.no_path("mobile", "mobile", without="station").outcome is HELD
    assert expect.no_path("laptop-1", "erp", without="crm").outcome is HELD
    assert expect.no_path("laptop-1", "laptop-2").outcome is VIOLATED
    assert why(expect) == "there is a way: laptop-1 - north - laptop-2"


@pytest.mark.fires("expect.distance")
def test_distance():
    expect = landscape()
    assert expect.distance("mobile", "erp", lines=3).judged == 3
    assert expect.distance("laptop-1", "crm", lines=3).outcome is VIOLATED
    assert why(expect) == "the shortest way crosses 2: laptop-1 - north - crm"


@pytest.mark.fires("expect.cut_off")
def test_what_a_failed_site_cuts_off():
    expect = landscape()
    assert expect.cut_off("north", sites=("laptop-1", "laptop-2"), from_="crm").outcome is HELD
    assert expect.cut_off("erp", sites=(), from_="crm").outcome is HELD
    assert expect.cut_off("station", sites=("mobile",), from_="erp").outcome is HELD
    assert expect.cut_off("north", sites=("laptop-1", "laptop-3"), from_="crm").violations == 2
    assert why(expect) == (
        "laptop-2 cannot reach crm without north either | laptop-3 still reaches crm without north"
    )


def test_a_misspelt_site_is_named():
    with pytest.raises(UnknownSite, match="no site or kind of site 'laptop-9'"):
        landscape().path("laptop-9", "erp")


def test_the_real_landscape_is_a_star():
    expect = Expect(small_run().simulation)
    expect.path("mobile", "erp", through=("station", "crm"))
    expect.no_path("mobile", "erp", without="crm")
    expect.distance("mobile", "erp", lines=3)
    expect.cut_off("crm", sites=("mobile", "station"), from_="erp")
    expect.must_hold()
    assert CRM_CHANNELS.exactly["erp"] == 1


# --- latency ---

SAVED_BOOKED = [
    (0, "laptop-1", "saved", {"guid": "G1", "s": "A-1"}),
    (0, "laptop-2", "saved", {"guid": "G2", "s": "A-2"}),
    (hours(1), "erp", "booked", {"guid": "G1", "s": "A-1"}),
    (hours(3), "erp", "booked", {"guid": "G2", "s": "A-2"}),
]


def history(*further: tuple[int, str, str, dict[str, object]]) -> Expect:
    return told(*[(t, a, k, dict(d)) for t, a, k, d in (*SAVED_BOOKED, *further)])


@pytest.mark.fires("expect.latency")
def test_latency_of_all_and_per_rep():
    expect = history()
    assert expect.latency("saved", "booked", p50=hours(1), max=hours(3)).outcome is HELD
    assert expect.found[-1][0].sentence == (
        "from saved to booked: 50 % take at most 1h, all take at most 3h"
    )
    assert expect.latency("saved", "booked", mean=hours(2)).outcome is HELD
    assert expect.latency("saved", "booked", mean=hours(2) - 1).outcome is VIOLATED
    assert "on average 2h, more than" in why(expect)
    assert expect.latency("saved", "booked", max=hours(2)).outcome is VIOLATED
    assert why(expect) == (
        "1 of 2 took longer than 2h; the longest: A-2, 3h (from 0d 00:00:00, until 0d 03:00:00)"
    )
    assert expect.found[-1][1].evidence[0].event == 4
    assert expect.latency("saved", "booked", p50=hours(1)).outcome is HELD
    assert expect.latency("saved", "booked", p50=hours(1), per="rep").outcome is VIOLATED
    assert why(expect).startswith("laptop-2: 1 of 1 took longer than 1h")


@pytest.mark.fires("expect.latency")
def test_what_has_not_ended_counts_once_it_is_older_than_the_limit():
    late = (hours(5), "laptop-1", "saved", {"guid": "G3", "s": "A-3"})
    young = history(late, (hours(6), "crm", "struck", {}))
    assert young.latency("saved", "booked", max=hours(3)).outcome is NOT_JUDGED, "1 h old"
    assert young.latency("saved", "booked", p50=hours(3)).outcome is HELD, "whatever comes"
    old = history(late, (hours(9), "crm", "struck", {}))
    assert old.latency("saved", "booked", max=hours(3)).outcome is VIOLATED
    assert "1 of 3 took longer than 3h (1 of them have not ended); the longest: A-3, 4h" in why(old)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 20),
    st.sampled_from([0.1, 0.5, 0.9, 0.95, 1.0]),
    st.lists(st.integers(0, 40), min_size=12, max_size=12),
)
def test_an_undecided_quantile_is_left_undecided_and_only_then(rows, limit, share, futures):
    """Whatever the unended turn out to be, a verdict of held or violated stays true."""
    begun = Event(1, 0, "a", "saved", "x", 0, {})
    ended = Event(2, 0, "a", "booked", "x", 0, {})
    pairs = [Pair("x", "", begun, ended if is_ended else None, ns) for ns, is_ended in rows]
    limits = Limits((("p", share, limit),))
    _, evidence, is_open = judge_limits(pairs, limits, 0)
    lowest = [p.lasted_ns for p in pairs]
    highest = [p.lasted_ns if p.end else 10**9 for p in pairs]
    final = [p.lasted_ns + (0 if p.end else more) for p, more in zip(pairs, futures, strict=False)]
    if evidence:
        assert quantile(final, share) > limit
        assert quantile(lowest, share) > limit
    elif is_open:
        assert quantile(lowest, share) <= limit < quantile(highest, share)
    else:
        assert quantile(final, share) <= limit


def test_limits_are_read_with_care():
    for name, words in [
        ("p100", "no limit of a latency"),
        ("p0", "no limit of a latency"),
        ("median", "no limit of a latency"),
    ]:
        with pytest.raises(BadValue, match=words):
            Limits.read({name: hours(1)})
    with pytest.raises(BadValue, match=r"write e\.g\. p95=hours"):
        Limits.read({"p95": 1.5})
    with pytest.raises(BadValue, match="has a limit"):
        history().latency("saved", "booked")
    assert Limits.read({"p99_9": hours(1)}).quantiles[0][1] == pytest.approx(0.999)


def test_a_latency_of_users_own_key():
    expect = told(
        (0, "a", "sent", {"s": "q/1", "to": "b", "message": "Question"}),
        (seconds(2), "b", "sent", {"s": "a/1", "to": "a", "message": "Answer"}),
    )

    def number(event):
        return event.subject.split("/")[1]

    assert (
        expect.latency(
            "sent message=Question", "sent message=Answer", of=number, max=seconds(2)
        ).judged
        == 1
    )
    assert (
        expect.latency(
            "sent message=Question", "sent message=Answer", of=number, max=seconds(1)
        ).outcome
        is VIOLATED
    )


# --- where a document spent its time ---

ROAD = [
    (0, "laptop-1", "saved", {"guid": "G", "s": "A-1", "message": "m"}),
    (hours(2), "laptop-1", "entered", {"phase": "INIT"}),
    (hours(3), "laptop-1", "broken", {"phase": "SEND"}),
    (hours(4), "laptop-1", "entered", {"phase": "INIT"}),
    (hours(4) + minutes(10), "crm", "received", {"s": "m", "guid": "G", "queue": "CRM_SITE_1"}),
    (hours(4) + minutes(20), "laptop-1", "entered", {"phase": "IMPORT"}),
    (hours(5), "crm", "begun", {"s": "m", "guid": "G", "queue": "CRM_SITE_1"}),
    (hours(6), "crm", "effected", {"s": "m", "guid": "G", "queue": "CRM_SITE_1"}),
    (hours(6), "crm", "enqueued", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(7), "crm", "begun", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(8), "crm", "failed", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(8), "crm", "begun", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(9), "erp", "received", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(9), "erp", "begun", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(9) + 1, "crm", "failed", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(9) + 1, "crm", "begun", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(9) + 2, "crm", "ended", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(10), "erp", "booked", {"s": "A-1", "guid": "G"}),
    (hours(10), "erp", "effected", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    (hours(11), "crm", "enqueued", {"s": "n", "guid": "G", "queue": "CRM_SITE_laptop-1 out"}),
    (hours(12), "laptop-1", "entered", {"phase": "RECEIVE"}),
    (hours(13), "laptop-1", "received", {"s": "n", "guid": "G", "queue": "inbox"}),
    (hours(13), "laptop-1", "entered", {"phase": "IMPORT"}),
    (hours(14), "laptop-1", "imported", {"s": "n", "guid": "G"}),
]  # fmt: skip


def road() -> Expect:
    return told(*[(t, a, k, dict(d)) for t, a, k, d in ROAD])


def test_the_time_of_a_document_is_split_by_where_it_was():
    found = Road(road()._simulation.journal)
    to_booked = found.spent_ns("G", 0, hours(10))
    assert to_booked == {
        Part.OFFLINE: hours(3),  # until the first call, and between the two
        Part.UNDER_WAY: hours(1) + minutes(10) + hours(2),  # both calls, and the way to the ERP
        Part.QUEUED: minutes(50) + hours(1),
        Part.IN_SERVICE: hours(2),
        Part.AT_REST: 0,
    }
    back = found.spent_ns("G", hours(10), hours(14))
    assert back[Part.AT_REST] == hours(1)
    assert back[Part.OFFLINE] == hours(1)
    assert back[Part.UNDER_WAY] == hours(1)
    assert back[Part.QUEUED] == hours(1)


@pytest.mark.fires("expect.latency")
def test_latency_of_a_part_of_the_way():
    expect = road()
    assert expect.latency("saved", "booked", part="in service", max=hours(2)).outcome is HELD
    assert expect.latency("saved", "booked", part="offline", max=hours(2)).outcome is VIOLATED
    assert expect.found[-1][0].sentence == "from saved to booked offline: all take at most 2h"
    with pytest.raises(BadValue, match="is no part of the way"):
        expect.latency("saved", "booked", part="asleep", max=hours(2))
    with pytest.raises(BadValue, match="follows documents"):
        expect.latency("saved", "booked", part="offline", of="subject", max=hours(2))


def test_a_crash_puts_what_was_in_hand_back_into_the_queue():
    expect = told(
        (0, "erp", "received", {"s": "o", "guid": "G", "queue": "q"}),
        (1, "erp", "begun", {"s": "o", "guid": "G", "queue": "q"}),
        (3, "erp", "crashed", {}),
        (7, "erp", "begun", {"s": "o", "guid": "G", "queue": "q"}),
        (8, "erp", "effected", {"s": "o", "guid": "G", "queue": "q"}),
    )
    spent = Road(expect._simulation.journal).spent_ns("G", 0, 10)
    assert spent[Part.QUEUED] == 1 + 4
    assert spent[Part.IN_SERVICE] == 2 + 1
    assert spent[Part.AT_REST] == 2


def test_a_document_is_where_the_liveliest_of_its_things_is():
    expect = told(
        (0, "crm", "enqueued", {"s": "news 1", "guid": "G", "queue": "CRM_SITE_laptop-1 out"}),
        (1, "crm", "enqueued", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
        (2, "laptop-1", "imported", {"s": "news 1", "guid": "G"}),
        (5, "erp", "received", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
        (6, "erp", "effected", {"s": "o", "guid": "G", "queue": "R3AU_1"}),
    )
    spent = Road(expect._simulation.journal).spent_ns("G", 0, 9)
    assert spent[Part.OFFLINE] == 1
    assert spent[Part.QUEUED] == 5, "the order goes on while its news is imported"
    assert spent[Part.AT_REST] == 3


@given(st.integers(0, 14 * 60), st.integers(0, 14 * 60))
def test_the_parts_add_up_to_the_span(one, other):
    begin_ns, end_ns = minutes(min(one, other)), minutes(max(one, other))
    found = Road(road()._simulation.journal)
    assert sum(found.spent_ns("G", begin_ns, end_ns).values()) == end_ns - begin_ns
    stays = list(found.stays("G", begin_ns, end_ns))
    assert all(a.end_ns == b.begin_ns for a, b in itertools.pairwise(stays))


def test_the_parts_of_a_real_run_add_up_and_each_occurs():
    result = small_run()
    road_of = Road(result.journal)
    saved, booked = {}, {}
    for event in result.journal.select("saved", "booked"):
        (saved if event.kind == "saved" else booked).setdefault(event.detail["guid"], event.time_ns)
    total = dict.fromkeys(Part, 0)
    for guid, begin_ns in saved.items():
        spent = road_of.spent_ns(guid, begin_ns, booked[guid])
        assert sum(spent.values()) == booked[guid] - begin_ns
        for part, span_ns in spent.items():
            total[part] += span_ns
    assert total[Part.OFFLINE] > total[Part.UNDER_WAY] > 0
    assert total[Part.IN_SERVICE] > 0
    assert total[Part.QUEUED] > 0


# --- ordering ---


@pytest.mark.fires("expect.before")
def test_before():
    assert history().before("saved", "booked").judged == 2
    stray = history((hours(4), "erp", "booked", {"guid": "G9", "s": "A-9"}))
    assert stray.before("saved", "booked").outcome is VIOLATED
    assert why(stray) == "G9: booked without saved (erp, 0d 04:00:00)"
    assert stray.found[-1][1].evidence[0].event == 5
    assert stray.before("booked", "saved").violations == 2


@pytest.mark.fires("expect.after")
def test_after():
    late = (hours(5), "laptop-1", "saved", {"guid": "G3", "s": "A-3"})
    expect = history(late)
    assert expect.after("booked", "saved", per="actor").outcome is VIOLATED
    assert expect.after("saved", "booked").outcome is VIOLATED
    assert why(expect) == "A-3: no booked followed this saved (laptop-1, 0d 05:00:00)"
    assert expect.after("saved", "booked", within=hours(3)).outcome is HELD, "A-3 is young"
    assert expect.found[-1][1].judged == 2
    assert expect.after("saved", "booked", within=hours(2)).outcome is VIOLATED
    assert why(expect) == "A-2: no booked followed this saved within 2h (laptop-2, 0d 00:00:00)"
    grown = history(late, (hours(8) + 1, "crm", "struck", {}))
    assert grown.after("saved", "booked", within=hours(3)).violations == 1


@pytest.mark.fires("expect.never_between")
def test_never_between():
    session = [
        (0, "laptop-1", "entered", {"phase": "INIT"}),
        (1, "laptop-1", "saved", {"guid": "G1"}),
        (2, "laptop-1", "finished", {}),
        (3, "laptop-1", "saved", {"guid": "G2"}),
    ]
    expect = told(*session)
    verdict = expect.never_between("saved", "entered phase=INIT", "finished", per="actor")
    assert verdict.outcome is VIOLATED
    assert why(expect) == (
        "laptop-1: saved after the entered phase=INIT of event 1 (laptop-1, 0d 00:00:00.000000001)"
    )
    calm = told(session[0], session[2], session[3])
    assert (
        calm.never_between("saved", "entered phase=INIT", "finished", per="actor").outcome is HELD
    )
    other = told((0, "laptop-1", "entered", {"phase": "INIT"}), (1, "laptop-2", "saved", {}))
    assert other.never_between("saved", "entered", "finished", per="actor").judged == 1


@pytest.mark.fires("expect.same_order")
def test_same_order():
    assert history().same_order("saved", "booked").judged == 2
    rows = [
        (0, "laptop-1", "saved", {"guid": "G1", "s": "A-1"}),
        (1, "laptop-1", "saved", {"guid": "G2", "s": "A-2"}),
        (2, "laptop-2", "saved", {"guid": "G3", "s": "A-3"}),
        (3, "erp", "booked", {"guid": "G3"}),
        (4, "erp", "booked", {"guid": "G2"}),
        (5, "erp", "booked", {"guid": "G1"}),
        (6, "erp", "booked", {"guid": "G1"}),
    ]
    expect = told(*rows)
    assert expect.same_order("saved", "booked", per="rep").violations == 1
    assert why(expect).startswith(
        "A-1 was booked after A-2, though it was saved before it (erp, 0d 00:00:00.000000005)"
    )
    assert expect.found[-1][0].sentence == "what is saved first is booked first, for each rep"


# --- all forms ---


def test_an_expectation_that_judged_nothing_says_so():
    empty = told()
    assert empty.latency("saved", "booked", max=hours(1)).outcome is NOT_JUDGED
    assert empty.before("saved", "booked").outcome is NOT_JUDGED
    assert empty.after("saved", "booked").outcome is NOT_JUDGED
    assert empty.never_between("saved", "entered", "finished").outcome is NOT_JUDGED
    assert empty.same_order("saved", "booked").outcome is NOT_JUDGED
    assert len(empty.found) == 5
    with pytest.raises(Finding, match="not judged"):
        empty.must_hold()


def test_words_that_mean_nothing_are_refused_with_a_hint():
    with pytest.raises(BadValue, match="did you mean 'booked'"):
        history().before("saved", "boked")
    with pytest.raises(BadValue, match="name=value"):
        history().before("saved", "entered SEND")
    with pytest.raises(BadValue, match="'order' is nothing that events share"):
        history().before("saved", "booked", per="order")


@frozen
class Settings:
    pass


def test_expectations_of_a_scenario_are_findings_with_evidence():
    @scenario(Settings)
    async def hopeful(land, settings):
        """Are three orders booked within a second?"""
        await order_book().story(
            land, order_book().settings(made_up_orders=3, made_up_days=3, crashes=0)
        )
        land.expect.path("mobile", "erp", through="crm")
        land.expect.latency("saved", "booked", p50=seconds(1))
        land.expect.same_order("saved", "booked", per="rep")

    result = hopeful.run(seed=1)
    outcomes = [verdict.outcome for _, verdict in result.expectations]
    assert outcomes == [HELD, HELD, HELD, HELD, VIOLATED, HELD], "three of the order book's own"
    assert not result.held
    [finding] = result.findings
    assert finding.startswith("expected that from saved to booked: 50 % take at most 1s: "), finding
    with pytest.raises(Finding, match="expected that from saved to booked"):
        result.must_hold()


def test_an_expectation_judges_what_has_happened_so_far():
    @scenario(Settings)
    async def early(land, settings):
        """Is it too early to judge?"""
        land.expect.before("saved", "booked")
        await order_book().story(land, order_book().settings(made_up_orders=3, made_up_days=3))
        land.expect.before("saved", "booked")

    outcomes = [verdict.outcome for _, verdict in early.run(seed=1).expectations]
    assert outcomes[0] is NOT_JUDGED
    assert outcomes[-1] is HELD


def test_what_the_journal_does_not_keep_is_not_judged():
    """Less written down must never look like less done."""
    simulation = Simulation(level=Level.METRICS)
    for time_ns, kind in ((1, "saved"), (2, "received"), (3, "booked")):
        simulation.journal.note(time_ns, "crm", KINDS[kind], "x", 0, {"guid": "A"})
    expect = Expect(simulation)
    assert expect.never_between("received", "saved", "booked").outcome is NOT_JUDGED
    assert expect.after("saved", "received").outcome is NOT_JUDGED
    assert expect.before("received", "booked").outcome is NOT_JUDGED
    assert expect.latency("saved", "received", max=minutes(1)).outcome is NOT_JUDGED


def test_a_mean_over_what_has_not_ended_is_undecided():
    began = Event(1, 0, "crm", "saved", "x", 0, {})
    ended = Pair("a", "", began, began, 5)
    young = Pair("b", "", began, None, 5)
    assert judge_limits([ended], Limits.read({"mean": seconds(1)}), 5)[2] is False
    assert judge_limits([ended, young], Limits.read({"mean": seconds(1)}), 5)[2] is True
    _, evidence, _ = judge_limits(
        [Pair("a", "", began, began, 10), Pair("b", "", began, began, 11)],
        Limits.read({"mean": 10}),
        20,
    )
    assert evidence, "a mean of 10.5 is more than 10"


def test_a_slip_of_the_pen_in_a_detail_is_refused():
    expect = told((1, "crm", "received", {"queue": "q a", "guid": "A"}))
    with pytest.raises(BadValue, match="no received says 'quue'; it says"):
        expect.never_between("received quue=q a", "saved", "booked")
    assert expect.before("saved", "received queue=q a").outcome is VIOLATED
    with pytest.raises(BadValue, match="always in its own order"):
        expect.same_order("saved", "saved")


def test_the_ends_of_a_path_do_not_avoid_themselves():
    assert landscape().path("laptop-1", "erp", through="erp").outcome is HELD
    lost = landscape().cut_off("crm", sites=("mobile", "station", "erp"), from_="erp")
    assert lost.outcome is VIOLATED
    assert "erp cannot lose a way to erp" in lost.evidence[0].text
