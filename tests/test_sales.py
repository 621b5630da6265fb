"""Orders and quotations between laptops, office and ERP: errors, contracts, prices, releases."""

from decimal import Decimal

import attrs
import pytest
from attrs import frozen

from crmsim.applications.numbering import Numbering, NumberRange
from crmsim.business.document import Fate
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.chance import Constant
from crmsim.checks import distribution
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Scene
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.online.orders import ConfirmAfter
from crmsim.systems.outflow import CdbOnError
from crmsim.systems.setup import Policies
from crmsim.units import days, hours

from .stories import fired, rejudge

TEA = OrderItem("tea", 5, Decimal(20))
FREE = OrderItem("tea", 5, Decimal(0))


@frozen
class Nothing:
    """No settings."""


def order(reference: str, *items: OrderItem, customer: str = "C1", **more) -> SalesOrder:
    return SalesOrder("", reference, "1", customer, items or (TEA,), **more)


def run(
    *diary: tuple[float, SalesOrder | OrderEdit],
    contracts: tuple[str, ...] = (),
    clerk: ClerkHabits | None = None,
    policies: Policies = Policies(),
    story=None,
    ship_day: int | None = None,
) -> Result:
    """Two reps share a customer; the first one writes."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def one(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm(clerk=clerk, policies=policies)
        ship_days = {} if ship_day is None else {"A": ship_day}
        land.add_erp(wan(), ship_days=ship_days)
        land.add_station("station", wan())
        entries = tuple(DiaryEntry(hours(hour), what) for hour, what in diary)
        for rep in ("1", "2"):
            land.add_laptop(
                f"laptop-{rep}",
                gprs(dial_up=True),
                rep=rep,
                station="station",
                habits=Habits(working_days=7),
                diary=entries if rep == "1" else (),
            )
        laptops = ("laptop-1", "laptop-2")
        land.add_subscription("both", "territory", laptops, rep="1")
        land.add_subscription("prices", "prices", laptops)
        land.add_record("territory", "T", rep="1")
        land.add_record("customer", "C1", parent="T", name="Miller")
        land.add_record("customer", "C2", parent="T", name="Smith", blocked="yes")
        for key in contracts:
            land.add_record("contract", key, parent="C1", products="tea, coffee")
        land.check()
        if story is not None:
            story(land)
        await land.run(hours(96))
        await land.settle()

    return one.run(seed=1)


def online(result: Result, reference: str):
    rows = result.simulation.store("crm").table("orders").values()
    return next(row.document for row in rows if row.document.order.reference == reference)


def result_scene(result: Result) -> Scene:
    simulation = result.simulation
    return Scene(simulation.topology, lambda actor: simulation.seat_of(actor).site.name)


def booked(result: Result) -> list[str]:
    return [row.order.reference for row in result.simulation.store("erp").table("orders").values()]


def on_laptop(result: Result, laptop: str, reference: str):
    rows = result.simulation.store(laptop).table("orders").values()
    return next((row for row in rows if row.document.order.reference == reference), None)


# --- quotations ---


def test_a_quotation_goes_both_ways_between_laptops_and_never_to_the_erp():
    result = run(
        (9, order("Q", kind=SalesKind.QUOTATION, text="as agreed")),
        (33, OrderEdit("Q", items=((1, (("quantity", 7),)),))),
    )
    assert result.held, result.findings
    assert not booked(result)
    other = on_laptop(result, "laptop-2", "Q").document.order
    assert (other.kind, other.text, other.items[0].quantity) == (
        SalesKind.QUOTATION,
        "as agreed",
        7,
    )


# --- errors go up and not down ---


@pytest.mark.parametrize("cdb_on_error", CdbOnError)
def test_an_order_with_errors_is_confirmed_and_kept_back(cdb_on_error):
    result = run((9, order("A", FREE)), policies=Policies(cdb_on_error=cdb_on_error))
    assert result.held, result.findings
    assert online(result, "A").errors == ("tea has no price",)
    local = on_laptop(result, "laptop-1", "A")
    assert (local.pending, local.base.errors) == (0, ("tea has no price",))
    assert on_laptop(result, "laptop-2", "A") is None
    assert not booked(result)
    assert [one.name for one in result.quiet.documents_aside] == ["A"]
    assert bool(result.simulation.store("crm").table("cdb")) is (cdb_on_error is CdbOnError.STORE)


@pytest.mark.parametrize("cdb_on_error", CdbOnError)
def test_once_it_is_put_right_it_goes_everywhere(cdb_on_error):
    def story(land: Landscape) -> None:
        edit = OrderEdit("A", items=((1, (("unit_price", Decimal(3)),)),))
        land.at("1d 12:00", land.change_order, edit)

    result = run((9, order("A", FREE)), story=story, policies=Policies(cdb_on_error=cdb_on_error))
    assert result.held, result.findings
    assert booked(result) == ["A"]
    for laptop in ("laptop-1", "laptop-2"):
        assert on_laptop(result, laptop, "A").document.order.items[0].unit_price == 3


@pytest.mark.parametrize("cdb_on_error", CdbOnError)
def test_a_refused_change_of_an_order_with_errors_does_not_wipe_it(cdb_on_error):
    """Without a before-image in the CDB the laptop must not take it for never accepted."""

    def story(land: Landscape) -> None:
        edit = OrderEdit("A", items=((1, (("quantity", 9),)),))
        land.at("1d 12:00", land.change_order, edit)

    result = run(
        (9, order("A", FREE)),
        (35, OrderEdit("A", items=((1, (("quantity", 8),)),))),
        story=story,
        policies=Policies(cdb_on_error=cdb_on_error),
    )
    assert result.held, result.findings
    assert [e.detail["reason"] for e in result.journal.select("rejected")] == [
        "somebody else has changed all of it meanwhile"
    ]
    assert on_laptop(result, "laptop-1", "A").document.order.items[0].quantity == 9


def test_an_order_that_gets_errors_later_stays_as_it_was_elsewhere():
    result = run(
        (9, order("A")),
        (35, OrderEdit("A", added=(FREE,))),
    )
    assert result.held, result.findings
    assert len(on_laptop(result, "laptop-1", "A").document.order.items) == 2
    assert len(on_laptop(result, "laptop-2", "A").document.order.items) == 1
    [row] = result.simulation.store("erp").table("orders").values()
    assert len(row.order.items) == 1


def test_an_order_for_a_blocked_customer_is_refused():
    result = run((9, order("A", customer="C2")))
    assert [e.detail["reason"] for e in result.journal.select("rejected")] == [
        "its customer is blocked"
    ]
    assert result.held, result.findings


# --- contracts ---


def test_the_only_contract_that_fits_is_drawn_on():
    result = run(
        (9, order("A")), (10, order("B", OrderItem("milk", 1, TEA.unit_price))), contracts=("K1",)
    )
    assert result.held, result.findings
    assert (online(result, "A").order.contract, online(result, "B").order.contract) == ("K1", "")
    assert on_laptop(result, "laptop-1", "A").document.order.contract == "K1"


def test_of_several_contracts_somebody_has_to_choose_one():
    def story(land: Landscape) -> None:
        land.at("1d 12:00", land.change_order, OrderEdit("B", header=(("contract", "K2"),)))

    result = run((9, order("A")), (10, order("B")), contracts=("K1", "K2"), story=story)
    assert result.held, result.findings
    assert online(result, "A").errors == ("several contracts fit: K1, K2",)
    assert booked(result) == ["B"]
    assert on_laptop(result, "laptop-2", "B").document.order.contract == "K2"


# --- prices ---


def test_crm_decides_with_its_own_prices_and_says_so():
    def story(land: Landscape) -> None:
        land.at("0d 06:00", land.publish_in_erp, "prices", {"tea": "20"})
        land.at("1d 07:00", land.publish_in_erp, "prices", {"tea": "25"})

    priced = attrs.evolve(TEA, unit_price=Decimal(0))
    result = run(
        (26, order("A", priced, at_list_prices=True)),
        story=story,
    )
    assert result.held, result.findings
    assert online(result, "A").order.items[0].unit_price == 25
    assert [e.detail["behind"] for e in result.journal.select("outdated")] == [("prices",)]
    [entry] = result.simulation.store("laptop-1").table("rejections").values()
    assert [(one.wanted, one.kept) for one in entry.overruled] == [("20", "25")]


# --- clerks ---


def test_a_clerk_completes_chooses_and_releases_in_working_hours():
    clerk = ClerkHabits(handling_s=Constant(60.0))
    result = run(
        (9, order("A", FREE)),
        (20, order("B")),
        clerk=clerk,
        contracts=("K1", "K2"),
    )
    assert result.held, result.findings
    assert sorted(booked(result)) == ["A", "B"]
    assert not online(result, "A").is_locked
    saves = list(result.journal.select("committed"))
    assert [(e.subject, e.detail.get("by", "")) for e in saves] == [
        ("A", ""),
        ("A", "clerk"),
        ("B", ""),
        ("B", "clerk"),
    ]
    for save in saves[1::2]:
        assert hours(8) <= save.time_ns % days(1) <= hours(17.1)


def test_what_needs_nobody_passes_a_clerk_who_does_not_release():
    result = run((9, order("A")), clerk=ClerkHabits(releases=False))
    assert result.held, result.findings
    assert [e.detail.get("by") for e in result.journal.select("committed")] == [None]


# --- the office ---


def test_an_order_can_be_born_in_crm_and_comes_to_the_laptops():
    def story(land: Landscape) -> None:
        land.at("0d 09:00", land.create_order, order("S"), by="shop")
        land.at("1d 09:00", land.change_order, OrderEdit("S", header=(("text", "urgent"),)))
        land.at("1d 09:00", land.create_order, order("T", customer="C2"))

    result = run(story=story)
    assert result.held, result.findings
    assert booked(result) == ["S"]
    assert on_laptop(result, "laptop-1", "S").document.order.text == "urgent"
    assert [e.subject for e in result.journal.select("forbidden")] == ["T"]


def test_the_office_waits_until_an_order_is_distributed_and_leaves_a_shipped_one_alone():
    def story(land: Landscape) -> None:
        land.at("0d 19:10", land.pause, "erp", lasts=hours(2))
        text = (("text", "too late to change the goods"),)
        land.at("0d 20:00", land.change_order, OrderEdit("A", header=(("text", "soon"),)))
        land.at("3d 09:00", land.change_order, OrderEdit("A", header=text))
        more = OrderEdit("A", items=((1, (("quantity", 9),)),))
        land.at("3d 10:00", land.change_order, more)

    result = run((9, order("A")), story=story, ship_day=2)
    assert result.held, result.findings
    reasons = [str(e.detail["reason"]) for e in result.journal.select("forbidden")]
    assert "fully delivered" in reasons[-1]
    assert online(result, "A").order.text == "too late to change the goods"
    assert online(result, "A").order.items[0].quantity == 5
    assert online(result, "A").fate is Fate.SHIPPED
    [row] = result.simulation.store("erp").table("orders").values()
    assert (row.order.text, row.shipped_day) == ("too late to change the goods", 2)


@pytest.mark.fires(distribution.TRANSFERABLE_ONLY)
@pytest.mark.parametrize(
    ("detail", "why"),
    [
        ({"errors": ("x",)}, "with errors"),
        ({"locked": True}, "unreleased"),
        ({"object": "quotation", "released": False}, "as a quotation that is not released"),
    ],
)
def test_a_transfer_of_what_may_not_be_transferred_is_found(detail, why):
    result = run((9, order("A")))
    events = []
    for event in result.journal.select():
        if event.kind == "committed":
            event = event._replace(detail={**event.detail, **detail})
        events.append(event)
    verdict = rejudge(distribution.TRANSFERABLE_ONLY, events, scene=result_scene(result))
    assert fired(verdict, why)


# --- what a yes means ---


@pytest.mark.parametrize("confirm_after", ConfirmAfter)
def test_a_yes_says_that_crm_has_it_or_that_the_erp_has(confirm_after):
    """The ERP is away for the night: a yes that waits for it comes in the evening after."""

    def story(land: Landscape) -> None:
        land.at("0d 12:00", Outage("erp", under_way="drop"), for_=hours(20))

    policies = Policies(confirm_after=confirm_after)
    result = run((9, order("A")), story=story, policies=policies)
    assert result.held, result.findings
    told = next(result.journal.select("confirmed")).time_ns
    booked_ns = next(result.journal.select("booked")).time_ns
    assert (told > booked_ns) is (confirm_after is ConfirmAfter.ERP)
    assert on_laptop(result, "laptop-1", "A").pending == 0


# --- numbers ---


RANGES = Policies(numbering=Numbering.CLIENT_RANGES, range_size=2)


def test_an_order_keeps_the_number_that_its_laptop_gave_it_until_the_range_is_used_up():
    """Two numbers come with a session; the third order after it has to wait for its number."""
    diary = [(20 + number, order(f"A{number}")) for number in range(4)]
    result = run(*diary, policies=RANGES)
    assert result.held, result.findings
    numbers = [online(result, f"A{number}").number for number in range(4)]
    assert [number[:4] for number in numbers] == ["0007", "0007", "0005", "0005"]
    assert len(set(numbers)) == 4


def test_ranges_are_disjoint_and_granted_once_for_a_session():
    result = run((9, order("A")), policies=RANGES)
    stores = [result.simulation.store(f"laptop-{n}").table("number ranges") for n in (1, 2)]
    firsts = [first for store in stores for first in store]
    assert len(set(firsts)) == len(firsts) >= 2


def test_a_number_that_is_taken_already_is_not_given_twice(monkeypatch):
    """Two laptops that believe to have the same range: the second order gets another number."""
    monkeypatch.setattr(NumberRange, "number", lambda self, used: "0007000000")
    result = run((30, order("A")), (31, order("B")), policies=RANGES)
    assert result.held, result.findings
    assert online(result, "A").number == "0007000000" != online(result, "B").number
