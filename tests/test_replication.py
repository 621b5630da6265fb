"""Does every laptop hold what belongs to it, and nothing else, whatever happens meanwhile?"""

from decimal import Decimal

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import (
    BY_CUSTOMER,
    Framework,
    Kind,
    Model,
    ReplicationObject,
    matches,
    pattern_of,
    patterns,
)
from crmsim.network.profiles import gprs, wan
from crmsim.systems.people import DiaryEntry, Habits
from crmsim.units import days, hours, minutes

LAPTOPS = ("laptop-1", "laptop-2", "laptop-3")
REPS = ("1", "2", "3")
CUSTOMERS = ("C1", "C2", "C3")


@frozen
class NoSettings:
    pass


def order(reference: str, rep: str, customer: str) -> SalesOrder:
    item = OrderItem("tea", 1, Decimal(2))
    return SalesOrder("", reference, rep, customer, (item,))


def build(land: Landscape, framework: Framework = Framework.NEW) -> None:
    """Three reps with a customer each, two contacts and an activity at each customer."""
    land.replicate(BY_CUSTOMER, framework)
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    for rep, laptop, customer in zip(REPS, LAPTOPS, CUSTOMERS, strict=True):
        diary = tuple(
            DiaryEntry(hours(10) + minutes(7 * int(rep) + number), order(*row))
            for number, row in enumerate(
                [(f"{rep}01", rep, customer), (f"{rep}02", rep, CUSTOMERS[int(rep) % 3])]
            )
        )
        line = gprs(dial_up=True)
        land.add_laptop(laptop, line, rep=rep, diary=diary, habits=Habits(), station="station")
        land.add_subscription(f"rep {rep}", "customer", (laptop,), rep=rep)
    for rep, customer in zip(REPS, CUSTOMERS, strict=True):
        land.add_record("customer", customer, rep=rep, region="N", name=customer)
        for number in (1, 2):
            land.add_record("contact", f"{customer}-{number}", parent=customer, name="somebody")
        land.add_record("activity", f"{customer}-visit", parent=customer, text="visit")
    land.check()


def wanted(result: Result, laptop: str) -> dict[object, object]:
    """Return what a laptop should hold, computed from scratch from CRM Online."""
    store = result.simulation.store("crm")
    records = dict(store.table("records"))
    subscriptions = store.table("subscriptions").values()

    def is_mine(key: tuple[str, str]) -> bool:
        record = records.get(key)
        if record is None:
            return False
        if key[0] != "customer":
            return is_mine(("customer", record.parent))
        return any(
            laptop in one.sites and matches(one.pattern, dict(record.fields))
            for one in subscriptions
        )

    mine = {key: record for key, record in records.items() if is_mine(key)}
    orders = {
        row.document.order.guid: row.document
        for row in store.table("orders").values()
        if is_mine(("customer", row.document.order.customer))
    }
    return mine | orders


def held(result: Result, laptop: str) -> dict[object, object]:
    store = result.simulation.store(laptop)
    orders = {guid: local.base for guid, local in store.table("orders").items()}
    return dict(store.table("records")) | orders


def must_be_in_place(result: Result) -> None:
    assert result.findings == []
    assert result.quiet is not None
    assert result.quiet.is_quiet, result.quiet.still_moving
    for laptop in LAPTOPS:
        assert held(result, laptop) == wanted(result, laptop), laptop


def told(tell, **more):
    """Run a story on the three reps and return the result."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What is where?"""
        build(land, **more)
        await tell(land)
        await land.settle()

    return story.run()


# --- the rules ---


def test_an_instance_has_as_many_patterns_whatever_the_number_of_sites():
    customer = BY_CUSTOMER.of("customer")
    found = list(patterns(customer, {"rep": "1", "region": "N"}))
    assert found == [
        (),
        (("rep", "1"),),
        (("region", "N"),),
        (("rep", "1"), ("region", "N")),
    ]
    assert pattern_of(customer, {"region": "N", "rep": "1"}) == found[-1]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ReplicationObject("x", Kind.INTELLIGENT), "criteria are for intelligent ones"),
        (lambda: ReplicationObject("x", Kind.BULK, ("rep",)), "criteria are for intelligent ones"),
        (lambda: ReplicationObject("x", Kind.DEPENDENT), "a parent is for dependent ones"),
        (lambda: Model((BY_CUSTOMER.of("contact"),)), "must stand before it"),
        (lambda: Model((BY_CUSTOMER.of("customer"),) * 2), "is there twice"),
        (lambda: BY_CUSTOMER.of("castle"), "is not replicated"),
        (lambda: pattern_of(BY_CUSTOMER.of("customer"), {"colour": "red"}), "has no criterion"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(make, text):
    with pytest.raises(BadValue, match=text):
        make()


# --- stories ---


@pytest.mark.parametrize("framework", Framework)
def test_what_moves_to_another_rep_goes_with_all_that_depends_on_it(framework):
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.change("customer", "C1", rep="2")

    result = told(tell, framework=framework)
    must_be_in_place(result)
    assert ("customer", "C1") in held(result, "laptop-2")
    assert ("customer", "C1") not in held(result, "laptop-1")
    queued = [
        (event.detail["queue"], event.detail["what"], event.detail["guid"])
        for event in result.journal.select("enqueued")
        if event.time_ns > days(1) + hours(12) and "what" in event.detail
    ]
    orders = [
        row.document.order.guid
        for row in result.simulation.store("crm").table("orders").values()
        if row.document.order.customer == "C1"
    ]
    family = ["customer C1", "contact C1-1", "contact C1-2", "activity C1-visit", *orders]
    deleted = [guid for queue, what, guid in queued if what == "delete" and "laptop-1" in queue]
    inserted = [guid for queue, what, guid in queued if what == "insert" and "laptop-2" in queue]
    assert sorted(deleted) == sorted(inserted) == sorted(family), "1 + d each"
    assert inserted[0] == "customer C1", "the parent first"
    assert deleted[-1] == "customer C1", "the parent last"
    assert not any(
        what == "update" and guid == "customer C1" and "laptop-2" in queue
        for queue, what, guid in queued
    ), "no delta before the insert"


def test_an_order_of_somebody_elses_customer_leaves_its_author_when_it_is_answered():
    async def tell(land: Landscape) -> None:
        await land.run_until("2d")

    result = told(tell)
    must_be_in_place(result)
    references = {
        local.document.order.reference
        for local in result.simulation.store("laptop-1").table("orders").values()
    }
    assert references == {"101", "302"}, "his own, and what another one wrote for his customer"


OPS = st.lists(
    st.tuples(
        st.integers(0, 5 * 24 * 60),
        st.one_of(
            st.tuples(st.just("move"), st.sampled_from(CUSTOMERS), st.sampled_from((*REPS, "9"))),
            st.tuples(st.just("region"), st.sampled_from(CUSTOMERS), st.sampled_from("NS")),
            st.tuples(st.just("contact"), st.sampled_from(CUSTOMERS), st.integers(1, 4)),
            st.tuples(st.just("carry"), st.integers(1, 4), st.sampled_from(CUSTOMERS)),
            st.tuples(
                st.just("subscribe"),
                st.sampled_from("ab"),
                st.sampled_from(LAPTOPS),
                st.sampled_from(({"region": "N"}, {"region": "S"}, {"rep": "2"}, {})),
            ),
            st.tuples(st.just("unsubscribe"), st.sampled_from(("a", "b", "rep 1"))),
            st.tuples(st.just("extract"), st.sampled_from(LAPTOPS)),
            st.tuples(st.just("demon"), st.booleans()),
            st.tuples(st.just("crash"), st.sampled_from(("crm", "station", *LAPTOPS))),
        ),
    ),
    max_size=14,
)


def do(land: Landscape, op: tuple) -> None:
    match op:
        case ("move", customer, rep):
            land.change("customer", customer, rep=rep)
        case ("region", customer, region):
            land.change("customer", customer, region=region)
        case ("contact", customer, number):
            land.change("contact", f"K{number}", parent=customer, name=f"at {land.now_ns}")
        case ("carry", number, customer):
            land.change("contact", f"K{number}", parent=customer)
        case ("subscribe", name, laptop, values):
            land.subscribe(name, "customer", (laptop,), **values)
        case ("unsubscribe", name):
            land.unsubscribe(name)
        case ("extract", laptop):
            land.extract(laptop)
        case ("demon", is_running):
            land.set_demon(is_running=is_running)
        case ("crash", site):
            land.crash(site, down=minutes(7))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPS, st.sampled_from(Framework))
def test_whatever_happens_every_laptop_ends_with_the_selection_computed_from_scratch(
    ops, framework
):
    async def tell(land: Landscape) -> None:
        for minute, op in ops:
            land.at(minutes(minute), do, land, op)
        await land.run_until("6d")
        land.set_demon(is_running=True)

    must_be_in_place(told(tell, framework=framework))
