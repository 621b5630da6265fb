"""The systems, two or three at a time, over lines that do what the test says."""

import itertools
from decimal import Decimal

import attrs
import pytest

from crmsim import Simulation, Topology
from crmsim.applications.status import Distribution
from crmsim.business.document import Fate
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.lab.landscape import Landscape
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import NthMessage, Outage, Partition
from crmsim.network.link import Link
from crmsim.network.topology import CRM_CHANNELS
from crmsim.units import days, hours, minutes, seconds

ORDER = SalesOrder("", "4711", "1", "C1", (OrderItem("tea", 3, Decimal(2)),))
HABITS = Habits(times=((hours(8), 0), (hours(18), 0)), working_days=7)
LINE = Link(latency=Constant(0.05))
CALL = Link(latency=Constant(0.1), dial_up=True)


def world(*entries: DiaryEntry, ship_days: dict[str, int] | None = None) -> Landscape:
    """Return a landscape with one laptop whose rep writes these entries; nothing is lost."""
    simulation = Simulation(Topology(CRM_CHANNELS), seed=1)
    land = Landscape(simulation)
    land.add_crm()
    land.add_erp(LINE, ship_days=ship_days)
    land.add_station("station", LINE)
    land.add_laptop("laptop-1", CALL, rep="1", diary=entries, habits=HABITS, station="station")
    land.check()
    return land


def run(land: Landscape, until: int) -> None:
    land.simulation.run(until=until)


def kinds(land: Landscape, *names: str) -> list[tuple[str, str]]:
    return [(event.kind, event.subject) for event in land.simulation.journal.select(*names)]


def times(land: Landscape, kind: str, **detail: object) -> list[float]:
    return [
        event.time_ns / hours(1)
        for event in land.simulation.journal.select(kind)
        if all(event.detail.get(name) == value for name, value in detail.items())
    ]


def test_an_order_goes_its_way_through_all_systems_and_back():
    land = world(DiaryEntry(hours(10), ORDER), ship_days={"4711": 2})
    run(land, days(4))
    way = kinds(land, "saved", "received", "committed", "booked", "shipped", "imported")
    assert [kind for kind, _ in way if kind in ("saved", "committed", "booked", "shipped")] == [
        "saved",
        "committed",
        "booked",
        "shipped",
    ]
    assert times(land, "saved")[0] == pytest.approx(10, abs=0.01)
    assert times(land, "booked")[0] == pytest.approx(18, abs=0.02), "with the evening session"
    assert times(land, "shipped") == [pytest.approx(48 + 16, abs=0.01)]
    answers = times(land, "imported", what="confirmation")
    assert answers == [pytest.approx(18, abs=0.02)], "CRM was quicker than the rest of the session"
    news = times(land, "imported", what="update")
    assert news == [pytest.approx(32, abs=0.02), pytest.approx(66, abs=0.02)], "one session later"


def test_nothing_is_pushed_between_sessions():
    land = world(DiaryEntry(hours(10), ORDER), ship_days={"4711": 0})
    run(land, days(1) + hours(7))
    local = next(iter(land.simulation.store("laptop-1").table("orders").values()))
    record = land.simulation.store("crm").get("orders", "0005000000")
    assert (local.base.fate, record.document.fate) == (Fate.ACCEPTED, Fate.SHIPPED)


def test_a_change_while_the_order_is_being_distributed_is_parked_and_goes_on():
    second = attrs.evolve(ORDER, version=2, items=(attrs.evolve(ORDER.items[0], quantity=5),))
    third = attrs.evolve(second, version=3, items=(attrs.evolve(ORDER.items[0], quantity=7),))
    land = world(
        DiaryEntry(hours(10), ORDER),
        DiaryEntry(hours(11), second),
        DiaryEntry(hours(12), third),
    )
    land.at(hours(17), Partition("crm", "erp", under_way="drop"), for_=hours(3))
    run(land, days(3))
    assert [kind for kind, _ in kinds(land, "parked")] == ["parked"] * len(kinds(land, "parked"))
    assert kinds(land, "parked"), "the line to the ERP was down while the changes came"
    booked = [event.detail["version"] for event in land.simulation.journal.select("booked")]
    assert booked == [1, 2, 3]
    record = land.simulation.store("crm").get("orders", "0005000000")
    assert record.distribution is Distribution.DONE
    assert land.simulation.actor("erp").orders[0].order.items[0].quantity == 7


def test_a_line_that_is_down_delays_and_loses_nothing():
    land = world(DiaryEntry(hours(10), ORDER))
    land.at(hours(17), Outage("erp", under_way="drop"), for_=hours(10))
    run(land, days(2))
    assert times(land, "booked")[0] == pytest.approx(27, abs=0.1), "at the latest 5 min after"
    retries = [e for e in land.simulation.journal.select("retried") if e.actor == "crm"]
    assert len(retries) > 20
    gaps = [b.time_ns - a.time_ns for a, b in itertools.pairwise(retries)]
    assert max(gaps) <= minutes(5)
    assert len(set(gaps)) == len(gaps), "spread by jitter"


SESSION = ["Dial", "Admitted", "Upload", "UploadReceipt", "Fetch", "Package"]


@pytest.mark.parametrize("name", SESSION)
@pytest.mark.parametrize("verdict", ["drop", "double", "delay"])
def test_every_message_of_a_session_may_be_lost_doubled_or_late(name, verdict):
    land = world(DiaryEntry(hours(10), ORDER))
    fault = NthMessage(name, (1, 2, 3), verdict, delay=seconds(40))
    land.simulation.fabric.strike(fault)
    run(land, days(3))
    assert [kind for kind, _ in kinds(land, "committed", "booked")] == ["committed", "booked"]
    local = next(iter(land.simulation.store("laptop-1").table("orders").values()))
    assert (local.pending, local.document.number) == (0, "0005000000")


@pytest.mark.parametrize("name", ["Transfer", "Receipt"])
@pytest.mark.parametrize("verdict", ["drop", "double", "delay"])
def test_every_message_between_crm_and_erp_may_be_lost_doubled_or_late(name, verdict):
    land = world(DiaryEntry(hours(10), ORDER), ship_days={"4711": 1})
    land.simulation.fabric.strike(NthMessage(name, (1, 2, 3, 4), verdict, delay=minutes(3)))
    run(land, days(4))
    assert [kind for kind, _ in kinds(land, "booked", "shipped")] == ["booked", "shipped"]
    assert not land.simulation.store("crm").table("outbound")
    assert not land.simulation.store("erp").table("outbound")


def test_a_laptop_that_nobody_knows_is_not_served():
    land = world(DiaryEntry(hours(10), ORDER))
    land._stations["station"].clear()
    run(land, days(2))
    assert kinds(land, "committed") == []
    reasons = {event.detail["reason"] for event in land.simulation.journal.select("broken")}
    assert reasons == {"user unknown"}


def test_session_numbers_do_not_depend_on_how_many_there_were():
    land = world()
    land.at(hours(20), land.simulation.site("laptop-1").crash)
    land.at(days(2), land.simulation.site("laptop-1").restart)
    run(land, days(3))
    subjects = [s for kind, s in kinds(land, "finished")]
    assert subjects == [f"laptop-1 session {number}" for number in (1, 2, 5, 6)]
