"""What becomes of a message on its way."""

import itertools
import statistics

import pytest

from crmsim.chance import Constant, Lognormal, Luck, Uniform
from crmsim.errors import BadValue
from crmsim.network import profiles
from crmsim.network.fabric import Arrival, Fabric, Line, Loss
from crmsim.network.faults import Flap, Hold, NthMessage, Outage, Partition, Slow
from crmsim.network.link import Bursts, Calendar, Link, LinkKind
from crmsim.units import Share, days, hours, milliseconds, minutes, parse_rate, seconds


class Letter:
    size_bytes = 1000


def line(link: Link, seed: int = 1) -> Line:
    return Line(link, Luck(seed), "a", "b")


def fates(link: Link, count: int = 20_000, gap_ns: int = 0):
    one = line(link)
    stream = Luck(5).stream("way")
    return [one.carry(i * gap_ns, Letter(), stream.word(i)) for i in range(count)]


def share_lost(link: Link, **options) -> float:
    found = fates(link, **options)
    return sum(isinstance(fate, Loss) for fate in found) / len(found)


def test_a_perfect_line_only_delays():
    assert set(fates(Link(latency=Constant(0.25)))) == {(250_000_000,)}


def test_latency_has_the_distribution_of_the_link():
    found = fates(Link(latency=Lognormal(0.1, 0.5)))
    delays = [fate[0] / 1e9 for fate in found]
    assert statistics.median(delays) == pytest.approx(0.1, rel=0.03)
    assert statistics.fmean(delays) == pytest.approx(Lognormal(0.1, 0.5).mean, rel=0.03)


@pytest.mark.parametrize("extra", [{}, {"duplicate": Share(0.5)}])
def test_a_datagram_line_loses_its_share(extra):
    assert share_lost(Link(loss=Share(0.1), **extra)) == pytest.approx(0.1, abs=0.01)


def test_a_datagram_line_doubles_its_share():
    found = fates(Link(duplicate=Share(0.05)))
    assert sum(len(fate) == 2 for fate in found) / len(found) == pytest.approx(0.05, abs=0.01)


def test_a_reordered_message_is_overtaken_within_the_window():
    link = Link(latency=Constant(0.1), reorder=Share(0.2), reorder_window=seconds(3))
    delays = [fate[0] for fate in fates(link)]
    late = [delay for delay in delays if delay > milliseconds(100)]
    assert len(late) / len(delays) == pytest.approx(0.2, abs=0.02)
    assert max(late) <= milliseconds(100) + seconds(3)


def test_damage_counts_as_loss():
    found = fates(Link(corrupt=Share(0.3)))
    assert Loss.CORRUPTED in found
    assert share_lost(Link(corrupt=Share(0.3))) == pytest.approx(0.3, abs=0.02)


def test_loss_comes_in_bursts():
    bursts = Bursts(
        good_loss=Share(0.0), bad_loss=Share(1.0), good_mean=seconds(90), bad_mean=seconds(10)
    )
    found = fates(Link(bursts=bursts), gap_ns=seconds(1))
    lost = [isinstance(fate, Loss) for fate in found]
    assert sum(lost) / len(lost) == pytest.approx(0.1, abs=0.03)
    follows = sum(a and b for a, b in itertools.pairwise(lost)) / sum(lost)
    assert follows > 0.8, "a lost message is mostly followed by another one"


def test_bursts_do_not_depend_on_the_traffic():
    bursts = Link(bursts=Bursts(bad_loss=Share(1.0), good_mean=seconds(20), bad_mean=seconds(20)))
    word = Luck(5).stream("way").word(1)
    sparse = [line(bursts).carry(t, Letter(), word) for t in range(0, seconds(600), seconds(60))]
    busy_line = line(bursts)
    busy = {t: busy_line.carry(t, Letter(), word) for t in range(0, seconds(600), seconds(5))}
    assert sparse == [busy[t] for t in range(0, seconds(600), seconds(60))]


def test_bytes_queue_in_front_of_a_narrow_line():
    one = line(Link(latency=Constant(0.0), rate=parse_rate("8kbit/s")))
    assert [one.carry(0, Letter(), 0) for _ in range(3)] == [
        (seconds(1),),
        (seconds(2),),
        (seconds(3),),
    ]
    assert one.carry(seconds(10), Letter(), 0) == (seconds(1),)


def test_a_full_buffer_drops_the_last():
    link = Link(latency=Constant(0.0), rate=parse_rate("8kbit/s"), buffer=2500)
    one = line(link)
    assert [one.carry(0, Letter(), 0) for _ in range(4)][2:] == [Loss.BUFFER_FULL] * 2


def test_a_stream_turns_loss_into_delay_and_keeps_the_order():
    link = Link(
        kind=LinkKind.STREAM,
        latency=Uniform(0.05, 0.15),
        loss=Share(0.3),
        retransmit=seconds(3),
    )
    found = fates(link, gap_ns=milliseconds(10))
    arrivals = [i * milliseconds(10) + fate[0] for i, fate in enumerate(found)]
    assert all(not isinstance(fate, Loss) for fate in found)
    assert arrivals == sorted(arrivals)
    alone = [fate[0] for fate in fates(link, gap_ns=days(1))]
    assert sum(delay > seconds(3) for delay in alone) / len(alone) == pytest.approx(0.3, abs=0.02)


def test_a_calendar_closes_the_line():
    link = Link(calendar=Calendar(hours(8), hours(18), days_open=5))
    one = line(link)
    assert one.carry(hours(9), Letter(), 0) != Loss.OUT_OF_HOURS
    assert one.carry(hours(7), Letter(), 0) is Loss.OUT_OF_HOURS
    assert one.carry(hours(18), Letter(), 0) is Loss.OUT_OF_HOURS
    assert one.carry(days(5) + hours(9), Letter(), 0) is Loss.OUT_OF_HOURS


def test_a_dial_up_line_carries_only_while_it_is_open():
    one = line(Link(dial_up=True))
    assert one.carry(0, Letter(), 0) is Loss.LINE_CLOSED
    one.open()
    stamp = one.stamp
    assert not isinstance(one.carry(0, Letter(), 0), Loss)
    assert one.arrival(stamp) is Arrival.ARRIVES
    one.close()
    assert one.arrival(stamp) is Arrival.LOST
    one.open()
    assert one.arrival(stamp) is Arrival.LOST, "a new call does not bring the old one's bytes"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Link(loss=Share(1.5)),
        lambda: Link(kind=LinkKind.STREAM, duplicate=Share(0.1)),
        lambda: Link(kind=LinkKind.STREAM, reorder=Share(0.1)),
        lambda: Link(kind=LinkKind.STREAM, loss=Share(1.0)),
        lambda: Link(call_failure=Share(0.1)),
        lambda: Link(buffer=100),
        lambda: Link(rate=0.0),
        lambda: Link(retransmit=0),
        lambda: Calendar(hours(9), hours(9)),
        lambda: Calendar(days_open=8),
        lambda: Bursts(good_mean=0),
        lambda: Partition("a", "b", under_way="perhaps"),
        lambda: Slow("a", "b", factor=0.5),
        lambda: Flap(Outage("a", under_way="drop"), 0, 1),
    ],
)
def test_a_line_or_fault_without_sense_is_refused(wrong):
    with pytest.raises(BadValue):
        wrong()


def test_a_fault_must_say_what_becomes_of_messages_under_way():
    with pytest.raises(TypeError):
        Partition("a", "b")
    with pytest.raises(TypeError):
        Outage("a")


def fabric(*ends: tuple[str, str]) -> Fabric:
    made = Fabric(Luck(1))
    for source, target in ends:
        made.add(source, target, Link())
    return made


BOTH = (("a", "b"), ("b", "a"))


@pytest.mark.parametrize(
    ("under_way", "arrival"),
    [("drop", Arrival.LOST), ("hold", Arrival.HELD), ("deliver", Arrival.ARRIVES)],
)
def test_a_partition_decides_about_messages_under_way(under_way, arrival):
    made = fabric(*BOTH)
    one = made.lines["a", "b"]
    stamp = one.stamp
    active = made.strike(Partition("a", "b", under_way=under_way))
    assert one.carry(0, Letter(), 0) is Loss.LINE_DOWN
    assert one.arrival(stamp) is arrival
    one.hold("letter") if arrival is Arrival.HELD else None
    assert made.lift(active) == (["letter"] if arrival is Arrival.HELD else [])
    assert not isinstance(one.carry(0, Letter(), 0), Loss)
    assert active.touched == (1 if under_way == "deliver" else 2)


def test_a_one_way_partition_leaves_the_way_back():
    made = fabric(*BOTH)
    made.strike(Partition("a", "b", under_way="drop", one_way=True))
    assert made.lines["a", "b"].is_down
    assert not made.lines["b", "a"].is_down


def test_an_outage_cuts_every_line_of_a_site():
    made = fabric(*BOTH, ("b", "c"), ("c", "b"), ("c", "d"), ("d", "c"))
    made.strike(Outage("b", under_way="drop"))
    down = [ends for ends, one in made.lines.items() if one.is_down]
    assert down == [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")]


def test_two_faults_on_one_line_end_one_by_one():
    made = fabric(*BOTH)
    first = made.strike(Partition("a", "b", under_way="drop"))
    second = made.strike(Outage("a", under_way="drop"))
    made.lift(first)
    assert made.lines["a", "b"].is_down
    made.lift(second)
    assert not made.lines["a", "b"].is_down


def test_a_hold_keeps_new_messages_and_releases_them_in_order():
    made = fabric(*BOTH)
    one = made.lines["a", "b"]
    active = made.strike(Hold("a", "b", under_way="deliver"))
    assert one.carry(0, Letter(), 0) == (10_000_000,)
    assert one.arrival(one.stamp) is Arrival.HELD
    one.hold(1)
    one.hold(2)
    assert made.lift(active) == [1, 2]
    assert active.touched == 1


def test_a_slow_line_takes_longer():
    made = fabric(*BOTH)
    active = made.strike(Slow("a", "b", factor=3))
    assert made.lines["a", "b"].carry(0, Letter(), 0) == (30_000_000,)
    worse = made.strike(Slow("a", "b", factor=5))
    assert made.lines["a", "b"].carry(0, Letter(), 0) == (50_000_000,), "the worst one counts"
    made.lift(worse)
    assert made.lines["a", "b"].carry(0, Letter(), 0) == (30_000_000,)
    made.lift(active)
    assert made.lines["a", "b"].carry(0, Letter(), 0) == (10_000_000,)


@pytest.mark.parametrize(
    ("verdict", "fate"),
    [("drop", Loss.FAULT), ("double", (10_000_000, 11_000_000)), ("delay", (11_000_000,))],
)
def test_a_fault_can_aim_at_the_nth_message_of_a_type(verdict, fate):
    made = fabric(*BOTH)
    made.strike(NthMessage("Letter", 2, verdict, delay=milliseconds(1)))
    one = made.lines["a", "b"]
    assert [one.carry(0, Letter(), 0) for _ in range(3)] == [(10_000_000,), fate, (10_000_000,)]


def test_faults_that_aim_at_several_messages_all_count_every_message():
    made = fabric(*BOTH)
    active = [made.strike(NthMessage("Letter", number)) for number in (1, 3, 3)]
    one = made.lines["a", "b"]
    found = [isinstance(one.carry(0, Letter(), 0), Loss) for _ in range(4)]
    assert found == [True, False, True, False]
    assert [fault.touched for fault in active] == [1, 1, 0], "the first one decides"


def test_a_fault_that_covers_no_line_is_refused():
    with pytest.raises(BadValue, match="covers no line"):
        fabric(*BOTH).strike(Outage("x", under_way="drop"))


def test_a_flap_comes_and_goes():
    flap = Flap(Outage("a", under_way="drop"), down=minutes(1), up=minutes(2))
    assert list(flap.spells(0, minutes(7))) == [
        (0, minutes(1)),
        (minutes(3), minutes(1)),
        (minutes(6), minutes(1)),
    ]


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_a_profile_is_a_line_with_its_source(name):
    profile = profiles.PROFILES[name]
    assert isinstance(profile(), Link)
    assert "assumed" in profile.__doc__, "the source of its figures"
    assert profile(retransmit=seconds(1)).retransmit == seconds(1)
