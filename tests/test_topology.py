"""Only permitted lines can be built, and the refusal says why."""

import pytest

from crmsim.errors import BadValue, ForbiddenLink, NoRoute, UnknownSite
from crmsim.network.link import Link
from crmsim.network.topology import CRM_CHANNELS, Topology


def landscape() -> Topology:
    topology = Topology(CRM_CHANNELS)
    for name, kind in [
        ("crm", "crm"),
        ("erp", "erp"),
        ("station", "station"),
        ("laptop-1", "mobile"),
        ("laptop-2", "mobile"),
    ]:
        topology.add_site(name, kind)
    topology.connect("crm", "erp", Link())
    topology.connect("station", "crm", Link())
    topology.connect("laptop-1", "station", Link())
    topology.connect("laptop-2", "station", Link())
    return topology


def test_the_usual_landscape_is_permitted():
    landscape().check()


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("laptop-1", "erp", "never reaches the ERP directly"),
        ("erp", "laptop-1", "never reaches the ERP directly"),
        ("laptop-1", "laptop-2", "do not talk to each other"),
        ("laptop-1", "crm", "only through a station"),
        ("station", "erp", "only to laptops and to CRM"),
    ],
)
def test_a_forbidden_line_is_refused_with_its_reason(source, target, reason):
    with pytest.raises(ForbiddenLink, match=reason):
        landscape().connect(source, target, Link())


def test_a_second_erp_is_refused():
    with pytest.raises(ForbiddenLink, match="exactly one ERP"):
        landscape().add_site("erp-2", "erp")


def test_an_apo_is_permitted_once():
    topology = landscape()
    topology.add_site("apo", "apo")
    topology.connect("crm", "apo", Link())
    with pytest.raises(ForbiddenLink):
        topology.add_site("apo-2", "apo")


def test_a_laptop_without_a_station_is_refused():
    topology = landscape()
    topology.add_site("laptop-3", "mobile")
    with pytest.raises(ForbiddenLink, match=r"'laptop-3' .* no line to a station"):
        topology.check()


def test_a_landscape_without_an_erp_is_refused():
    topology = Topology(CRM_CHANNELS)
    topology.add_site("crm", "crm")
    with pytest.raises(ForbiddenLink, match="exactly 1 site of kind 'erp'"):
        topology.check()


def test_without_rules_anything_may_be_joined():
    topology = Topology()
    topology.add_site("a")
    topology.add_site("b")
    topology.connect("a", "b", Link())
    topology.check()
    assert topology.route("a", "b") == ["a", "b"]


def test_names_must_be_unique_and_known():
    topology = landscape()
    with pytest.raises(BadValue, match="unique"):
        topology.add_site("crm", "crm")
    with pytest.raises(UnknownSite, match="crn"):
        topology.connect("crn", "erp", Link())
    with pytest.raises(BadValue, match="itself"):
        topology.connect("crm", "crm", Link())


def test_a_missing_line_names_the_neighbours():
    with pytest.raises(NoRoute, match="'laptop-1' is joined to 'station'"):
        landscape().link("laptop-1", "erp")


def test_the_route_from_a_laptop_to_the_erp_goes_through_crm():
    assert landscape().route("laptop-1", "erp") == ["laptop-1", "station", "crm", "erp"]


def test_there_may_be_no_route():
    topology = Topology()
    topology.add_site("a")
    topology.add_site("b")
    with pytest.raises(NoRoute):
        topology.route("a", "b")
