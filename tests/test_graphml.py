"""A map survives being written as GraphML, and a bad one is refused with the place."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim import Link, LinkKind, Topology
from crmsim.chance import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Mixture,
    Pareto,
    Triangular,
    Uniform,
    Weibull,
)
from crmsim.errors import BadInput, ForbiddenLink
from crmsim.network.graphml import read_graphml, write_graphml
from crmsim.network.link import Bursts, Calendar
from crmsim.network.profiles import PROFILES
from crmsim.network.topology import CRM_CHANNELS
from crmsim.units import Rate, Share

positive = st.floats(0.001, 1000)
latencies = st.one_of(
    st.builds(Constant, positive),
    st.builds(Exponential, positive),
    st.builds(Lognormal, positive, st.floats(0.1, 2)),
    st.builds(Gamma, positive, positive),
    st.builds(Pareto, positive, positive),
    st.builds(Weibull, positive, positive),
    st.builds(lambda low, more: Uniform(low, low + more), positive, positive),
    st.builds(
        lambda low, m, h: Triangular(low, low + m, low + m + h), positive, positive, positive
    ),
    st.builds(lambda values: Empirical(tuple(values)), st.lists(positive, min_size=1, max_size=4)),
    st.builds(
        lambda p: Mixture(((p, Constant(0.1)), (1 - p, Exponential(2.0)))), st.floats(0.1, 0.9)
    ),
)
shares = st.floats(0, 1).map(Share)
links = st.builds(
    Link,
    latency=latencies,
    loss=shares,
    duplicate=shares,
    reorder=shares,
    corrupt=shares,
    rate=st.one_of(st.none(), st.floats(1, 1e9).map(Rate)),
    bursts=st.one_of(st.none(), st.builds(Bursts, bad_loss=shares)),
    calendar=st.one_of(st.none(), st.builds(Calendar, days_open=st.integers(1, 7))),
    dial_up=st.booleans(),
)


def landscape(link: Link, back: Link | None = None) -> Topology:
    topology = Topology()
    topology.add_site("a b", "mobile")
    topology.add_site("b", "station")
    topology.add_site("alone")
    topology.connect("a b", "b", link, back)
    return topology


def same(one: Topology, other: Topology) -> bool:
    return (
        one.sites() == other.sites()
        and [one.kind(s) for s in one.sites()] == [other.kind(s) for s in other.sites()]
        and sorted(one.links(), key=lambda row: row[:2])
        == sorted(other.links(), key=lambda row: row[:2])
    )


@given(links, links)
def test_every_link_survives(tmp_path_factory, link, back):
    path = tmp_path_factory.mktemp("maps") / "map.graphml"
    made = landscape(link, back)
    write_graphml(made, path)
    assert same(read_graphml(path), made)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_survives(tmp_path, profile):
    made = landscape(PROFILES[profile](), Link(kind=LinkKind.STREAM, loss=Share(0.1)))
    write_graphml(made, tmp_path / "map.graphml")
    assert same(read_graphml(tmp_path / "map.graphml"), made)


def test_a_map_of_another_tool_is_read_and_judged(tmp_path):
    graph = nx.Graph()
    graph.add_node("laptop", kind="mobile")
    graph.add_node("erp", kind="erp")
    graph.add_edge("laptop", "erp")
    nx.write_graphml(graph, tmp_path / "map.graphml")
    read = read_graphml(tmp_path / "map.graphml")
    assert read.link("laptop", "erp") == read.link("erp", "laptop") == Link()
    with pytest.raises(ForbiddenLink, match="a laptop never reaches the ERP directly"):
        read_graphml(tmp_path / "map.graphml", CRM_CHANNELS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"colour": "red"}, "a link has no 'colour'"),
        ({"latency": "open('x')"}, "write Constant, Empirical"),
        ({"latency": "Constant(0.1)"}, "with named figures"),
        ({"latency": "Constant(value=-1)"}, "can be negative"),
        ({"loss": "2"}, "a share lies between"),
        ({"loss": "much"}, "loss = much"),
        ({"kind": "pigeon"}, "kind = pigeon"),
        ({"latency": "3"}, "line a to b"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_place(tmp_path, data, words):
    graph = nx.DiGraph()
    graph.add_edge("a", "b", **data)
    graph.add_edge("b", "a")
    nx.write_graphml(graph, tmp_path / "map.graphml")
    with pytest.raises(BadInput, match=r"map\.graphml") as caught:
        read_graphml(tmp_path / "map.graphml")
    assert words in str(caught.value)


def test_missing_files_other_files_and_one_way_lines_are_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_graphml(tmp_path / "nothing.graphml")
    (tmp_path / "text.graphml").write_text("hello")
    with pytest.raises(BadInput, match="is no GraphML"):
        read_graphml(tmp_path / "text.graphml")
    graph = nx.DiGraph([("a", "b")])
    nx.write_graphml(graph, tmp_path / "one.graphml")
    with pytest.raises(BadInput, match="none comes back"):
        read_graphml(tmp_path / "one.graphml")
    with pytest.raises(BadInput, match="cannot be written"):
        write_graphml(landscape(Link()), tmp_path / "no" / "map.graphml")
