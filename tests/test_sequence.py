"""A sequence diagram shows what became of each message; a map what the landscape is like."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from crmsim import Level, Link, Topology
from crmsim.chance import Constant
from crmsim.errors import BadValue
from crmsim.network.profiles import gprs, wan
from crmsim.report.sequence import AGAIN, LOST, ON_TIME, draw_sequence
from crmsim.report.topology import draw_topology
from crmsim.units import seconds

from .worlds import Echo, pair, sends

mpl.use("agg")


def axes():
    return Figure().subplots()


def drawn(count: int = 3, **link):
    world = pair(
        sends(count, every_ns=seconds(5)),
        Echo,
        Link(latency=Constant(1.0), **link),
        level=Level.MESSAGES,
    )
    world.run()
    return world, draw_sequence(world.journal, axes())


def arrows(ax):
    return [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]


def colours(ax) -> list[str]:
    return [mpl.colors.to_hex(arrow.get_edgecolor()) for arrow in arrows(ax)]


def crosses(ax) -> int:
    return sum(line.get_marker() == "x" and line.get_color() == LOST for line in ax.lines)


def test_every_copy_of_a_message_is_an_arrow_and_every_loss_a_cross():
    world, ax = drawn()
    assert colours(ax) == [ON_TIME] * 6
    assert crosses(ax) == 0
    labels = {text.get_text() for text in ax.texts}
    assert {"Ping 0", "Pong 2", "a", "b"} <= labels
    assert ax.get_ylabel() == "virtual time in seconds"
    world, ax = drawn(20, loss=0.4)
    lost = len(list(world.journal.select("lost")))
    assert crosses(ax) == lost > 0
    sent = len(list(world.journal.select("sent")))
    assert len(arrows(ax)) == sent
    world, ax = drawn(20, duplicate=0.5)
    copies = len(list(world.journal.select("duplicated")))
    dashed = sum(arrow.get_linestyle() == "--" for arrow in arrows(ax))
    assert dashed == copies > 0


def test_crashes_and_repetitions_and_marks_are_shown():
    world = pair(sends(4, every_ns=seconds(5)), Echo, Link(latency=Constant(1.0)))
    world.at(seconds(4), world.site("b").crash)
    world.at(seconds(12), world.site("b").restart)
    world.run()
    ax = draw_sequence(world.journal, axes(), marks=("restarted",))
    assert crosses(ax) == 1 + len(list(world.journal.select("lost")))
    assert AGAIN not in colours(ax)


def test_what_cannot_be_drawn_is_refused_with_the_remedy():
    quiet = pair(sends(1), Echo, level=Level.BUSINESS)
    quiet.run()
    with pytest.raises(BadValue, match=r"run with level=Level\.MESSAGES"):
        draw_sequence(quiet.journal, axes())
    world, _ = drawn()
    with pytest.raises(BadValue, match="there are 0 messages"):
        draw_sequence(world.journal, axes(), actors=["a"])
    with pytest.raises(BadValue, match="choose actors and a span of time"):
        draw_sequence(drawn(90)[0].journal, axes(), end_ns=seconds(1e6), begin_ns=seconds(1e5))
    many = pair(sends(150), Echo, Link(latency=Constant(1.0)))
    many.run()
    with pytest.raises(BadValue, match="there are 300 messages"):
        draw_sequence(many.journal, axes())


def test_a_part_of_a_history_can_be_drawn():
    world, _ = drawn(10)
    ax = draw_sequence(world.journal, axes(), begin_ns=seconds(10), end_ns=seconds(21))
    assert len(arrows(ax)) == 6
    assert draw_sequence(world.journal, axes(), actors=["b", "a"]).texts[0].get_text() == "b"


def test_a_map_draws_many_laptops_as_one():
    topology = Topology()
    topology.add_site("crm", "crm")
    topology.add_site("station", "station")
    topology.connect("station", "crm", wan())
    for number in range(1, 5_001):
        topology.add_site(f"laptop-{number}", "mobile")
        topology.connect(f"laptop-{number}", "station", gprs(dial_up=True, loss=0.1))
    ax = draw_topology(topology, axes(), title="How many?")
    labels = [text.get_text() for text in ax.texts]
    assert "laptop-1\n... laptop-5000\n(5,000)" in labels
    assert "crm\nCRM Enterprise" in labels
    assert any("10% lost" in label and "dial-up" in label for label in labels)
    assert len(labels) == 5
    assert ax.get_title(loc="left") == "How many?"


def test_sites_that_differ_are_drawn_apart():
    topology = Topology()
    for name in "abcdef":
        topology.add_site(name)
    topology.connect("a", "b", Link(loss=0.1))
    labels = [text.get_text() for text in draw_topology(topology, axes()).texts]
    assert "a\nsite" in labels
    assert "c\n... f\n(4)" in labels
