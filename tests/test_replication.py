"""Does every laptop hold what belongs to it, and nothing else, whatever happens meanwhile?"""

from decimal import Decimal
from random import Random

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Exponential
from crmsim.checks import distribution
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Check, Ending, Scene, Verdict
from crmsim.checks.laptops import replication
from crmsim.errors import BadValue
from crmsim.kernel.durable import Store
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.replication import (
    BY_CUSTOMER,
    Framework,
    Kind,
    Model,
    ReplicationObject,
    RrQueue,
    TakenAway,
    matches,
    pattern_of,
    patterns,
)
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.replication.realignment import Realignment
from crmsim.systems.people import Worklist
from crmsim.units import Share, days, hours, minutes, seconds

from .stories import event, fired, rejudge

LAPTOPS = ("laptop-1", "laptop-2", "laptop-3")
REPS = ("1", "2", "3")
CUSTOMERS = ("C1", "C2", "C3")
PRICES = Model((*BY_CUSTOMER.objects, ReplicationObject("prices", Kind.BULK)))
NEAR = Habits(times=((hours(8), minutes(1)), (hours(18), minutes(1))))
BULLETINS = Model((ReplicationObject("bulletin", Kind.SIMPLE, ("region",)),))


def dependent(parent: str) -> ReplicationObject:
    return ReplicationObject("note", Kind.DEPENDENT, parent=parent)


@frozen
class NoSettings:
    pass


def order(reference: str, rep: str, customer: str, version: int = 1) -> SalesOrder:
    item = OrderItem("tea", version, Decimal(2))
    return SalesOrder("", reference, rep, customer, (item,), version)


def build(
    land: Landscape,
    framework: Framework = Framework.NEW,
    model: Model = BY_CUSTOMER,
    also=lambda: None,
    **crm,
) -> None:
    """Three reps with a customer each, two contacts and an activity at each customer."""
    land.replicate(model, framework)
    land.add_crm(**crm)
    land.add_erp(wan())
    land.add_station("station", wan())
    for rep, laptop, customer in zip(REPS, LAPTOPS, CUSTOMERS, strict=True):
        diary = tuple(
            DiaryEntry(hours(10) + minutes(7 * int(rep) + number), order(*row))
            for number, row in enumerate(
                [(f"{rep}01", rep, customer), (f"{rep}02", rep, CUSTOMERS[int(rep) % 3])]
            )
        )
        again = order(f"{rep}01", rep, customer, version=2)
        diary += (DiaryEntry(days(1) + hours(10) + minutes(int(rep)), again),)
        line = gprs(dial_up=True)
        land.add_laptop(laptop, line, rep=rep, diary=diary, habits=Habits(), station="station")
        land.add_subscription(f"rep {rep}", "customer", (laptop,), rep=rep)
    also()
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
            laptop in one.sites
            and one.about == "customer"
            and matches(one.pattern, dict(record.fields))
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
        (lambda: ReplicationObject("x", Kind.DEPENDENT, ("rep",), "y"), "criteria are for intel"),
        (lambda: ReplicationObject("order", Kind.SIMPLE, ("rep",)), "orders change for long"),
        (
            lambda: Model((BULLETINS.of("bulletin"), dependent("bulletin"))),
            "nothing can depend on 'bulletin'",
        ),
        (lambda: pattern_of(BY_CUSTOMER.of("contact"), {}), "goes where 'customer' goes"),
        (lambda: pattern_of(BY_CUSTOMER.of("customer"), {"rep": 2}), "are texts"),
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
            st.tuples(st.just("lose"), st.sampled_from(LAPTOPS)),
            st.tuples(st.just("replace"), st.sampled_from(LAPTOPS)),
            st.tuples(st.just("publish"), st.integers(1, 150)),
            st.tuples(st.just("prices"), st.sets(st.sampled_from(LAPTOPS))),
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
        case ("lose", laptop):
            land.crash(laptop, down=minutes(70), wipe=True)
        case ("replace", laptop):
            land.replace_laptop(laptop, down=minutes(70))
        case ("publish", count):
            land.publish("prices", {f"price {n}": f"{land.now_ns}" for n in range(count)})
        case ("prices", sites):
            land.subscribe("prices", "prices", tuple(sorted(sites)))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPS, st.sampled_from(Framework))
def test_whatever_happens_every_laptop_ends_with_the_selection_computed_from_scratch(
    ops, framework
):
    async def tell(land: Landscape) -> None:
        for minute, op in ops:
            land.at(minutes(minute), do, land, op)
        await land.run_until("6d")
        land.set_demon(is_running=True)

    result = told(tell, framework=framework, model=PRICES)
    must_be_in_place(result)
    store = result.simulation.store("crm")
    has_prices = store.get("subscriptions", "prices")
    for laptop in LAPTOPS:
        is_for_it = has_prices is not None and laptop in has_prices.sites
        masters = dict(store.table("masters")) if is_for_it else {}
        assert dict(result.simulation.store(laptop).table("masters")) == masters, laptop


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(LAPTOPS)), st.sets(st.sampled_from(LAPTOPS)))
def test_a_change_costs_one_message_for_each_site_of_its_lookup_row(by_region, by_rep):
    """Fan-out: exactly as many as the lookup table names, for the parent and for a child."""

    async def tell(land: Landscape) -> None:
        land.subscribe("region", "customer", tuple(sorted(by_region)), region="N")
        land.subscribe("rep 1", "customer", tuple(sorted(by_rep)), rep="1")
        await land.run_until("2d 12:00")
        land.change("customer", "C1", name="renamed")
        land.change("contact", "C1-1", name="renamed")
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    row = result.simulation.store("crm").get("lookup", C1)
    assert set(row) == by_region | by_rep
    for guid in ("customer C1", "contact C1-1"):
        told_of_it = [
            event.detail["queue"]
            for event in result.journal.select("enqueued")
            if event.detail["guid"] == guid and event.detail.get("what") == "update"
        ]
        assert sorted(told_of_it) == [f"CRM_SITE_{site} out" for site in row]


# --- each check fires ---


@pytest.fixture(scope="module")
def moved() -> Result:
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.change("customer", "C1", rep="2")

    return told(tell)


def judged(check: Check, result: Result, site: str, table: str, change) -> Verdict:
    """Judge the final states with one table of one site changed."""
    stores = {name: one.store for name, one in result.simulation.sites.items()}
    rows = dict(stores[site].table(table))
    change(rows)
    copy = Store()
    for name in stores[site]:
        copy.load(name, rows if name == table else dict(stores[site].table(name)))
    scene = Scene(result.simulation.topology, lambda actor: actor)
    ending = Ending(result.journal, {**stores, site: copy}, is_quiet=True)
    return check.judge(scene).finish(ending)


C1 = ("customer", "C1")


def took(key):
    return lambda rows: rows.pop(key)


@pytest.mark.fires(replication.IN_PLACE)
def test_what_is_missing_or_too_much_on_a_laptop_is_found(moved):
    check = replication.IN_PLACE
    assert judged(check, moved, "laptop-2", "records", lambda rows: None).held
    lacks = judged(check, moved, "laptop-2", "records", took(C1))
    assert fired(lacks, "laptop-2 lacks customer C1")
    record = moved.simulation.store("crm").get("records", C1)
    ghost = judged(check, moved, "laptop-1", "records", lambda rows: rows.update({C1: record}))
    assert fired(ghost, "laptop-1 holds customer C1, which does not belong there")
    guid = next(iter(moved.simulation.store("laptop-3").table("orders")))
    assert fired(judged(check, moved, "laptop-3", "orders", took(guid)), "lacks order")


@pytest.mark.fires(replication.SAME_AS_CDB)
def test_a_copy_that_differs_from_the_cdb_is_found(moved):
    def age(rows):
        rows[C1] = evolve(rows[C1], version=rows[C1].version - 1)

    check = replication.SAME_AS_CDB
    assert judged(check, moved, "laptop-2", "records", lambda rows: None).held
    assert fired(judged(check, moved, "laptop-2", "records", age), "customer C1 is not the same")


@pytest.mark.fires(replication.LOOKUP_IS_TRUE)
def test_a_lookup_table_that_lies_is_found(moved):
    def lie(rows):
        rows[C1] = ("laptop-1",)

    check = replication.LOOKUP_IS_TRUE
    assert judged(check, moved, "crm", "lookup", lambda rows: None).held
    found = judged(check, moved, "crm", "lookup", lie)
    assert fired(found, "sends customer C1 to laptop-1, the subscriptions to laptop-2")


@pytest.mark.fires(replication.PARENTS_THERE)
def test_an_orphan_is_found(moved):
    check = replication.PARENTS_THERE
    assert judged(check, moved, "laptop-2", "records", lambda rows: None).held
    found = judged(check, moved, "laptop-2", "records", took(C1))
    assert fired(found, "laptop-2 holds contact C1-1 without customer C1")


def realigned(guid: str, entering=(), leaving=()):
    return event("realigned", subject=guid, object="customer", entering=entering, leaving=leaving)


def queued(what: str, guid: str, above: str = ""):
    return event("enqueued", queue="CRM_SITE_a out", what=what, guid=guid, above=above, version=1)


@pytest.mark.fires(replication.TOLD_WHAT_IS_THEIRS)
def test_what_goes_to_a_laptop_that_it_has_left_or_not_reached_is_found():
    check = replication.TOLD_WHAT_IS_THEIRS
    left, came = realigned("customer C1", leaving=("a",)), realigned("customer C1", ("a",))
    assert rejudge(check, [left, queued("delete", "customer C1")]).held
    assert fired(rejudge(check, [left, queued("update", "customer C1")]), "has left it")
    assert rejudge(check, [came, queued("insert", "customer C1")]).held
    assert fired(rejudge(check, [came, queued("update", "customer C1")]), "before it has it")
    assert rejudge(check, [left, came, queued("insert", "customer C1")]).held


@pytest.mark.fires(replication.ORDER_OF_EXTRACTS)
def test_a_child_before_its_parent_or_deleted_after_it_is_found():
    """Complaint 3: a child outruns its parent."""
    check = replication.ORDER_OF_EXTRACTS
    child = ("contact K", "customer C1")
    came = [realigned("customer C1", ("a",)), realigned("contact K", ("a",))]
    right = [queued("insert", "customer C1"), queued("insert", *child)]
    assert rejudge(check, came + right).held
    assert fired(rejudge(check, came + right[::-1]), "gets contact K before customer C1")
    left = [realigned(guid, leaving=("a",)) for guid in ("customer C1", "contact K")]
    gone = [queued("delete", *child), queued("delete", "customer C1")]
    assert rejudge(check, left + gone).held
    assert fired(rejudge(check, left + gone[::-1]), "loses contact K after customer C1")


@pytest.mark.fires(replication.REALIGNED_ONLY)
def test_a_realignment_of_what_is_not_kept_in_step_is_found(moved):
    def simple(rows):
        rows["customer"] = ReplicationObject("customer", Kind.SIMPLE, ("rep",))

    check = replication.REALIGNED_ONLY
    stores = {name: one.store for name, one in moved.simulation.sites.items()}
    judge = check.judge(Scene(moved.simulation.topology, lambda actor: actor))
    judge.on_realigned(realigned("customer C1"))
    assert judge.finish(Ending(moved.journal, stores, is_quiet=True)).held
    copy = Store()
    rows = dict(stores["crm"].table("model"))
    simple(rows)
    copy.load("model", rows)
    judge = check.judge(Scene(moved.simulation.topology, lambda actor: actor))
    judge.on_realigned(realigned("customer C1"))
    found = judge.finish(Ending(moved.journal, {**stores, "crm": copy}, is_quiet=True))
    assert fired(found, "customer was realigned, though it is not kept in step")


@pytest.mark.fires(replication.NEVER_BACK)
def test_a_laptop_that_goes_back_in_time_is_found():
    """Complaint 12: a read that goes back in time."""
    check = replication.NEVER_BACK

    def imported(version, what="replica"):
        return event("imported", "a", what=what, guid="customer C1", version=version)

    assert rejudge(check, [imported(1), imported(2), imported(2)]).held
    assert fired(rejudge(check, [imported(2), imported(1)]), "save 1 of customer C1 after save 2")
    assert rejudge(check, [imported(2), imported(0, "removal"), imported(1)]).held


# --- complaints of users of other systems ---


def test_complaint_1_what_leaves_the_filter_leaves_the_device(moved):
    assert C1 not in held(moved, "laptop-1")


def test_complaint_2_a_deletion_comes_though_access_was_taken_first():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.unsubscribe("rep 1")
        land.change("customer", "C1", name="renamed")

    result = told(tell)
    must_be_in_place(result)
    assert held(result, "laptop-1") == {}, "I-48: a site without subscriptions ends empty"


def test_complaint_16_a_dependency_toggled_twice_leaves_things_as_they_were():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        for rep in ("2", "1", "3", "1"):
            land.change("customer", "C1", rep=rep)
        await land.run_until("1d 12:30")

    result = told(tell)
    must_be_in_place(result)
    assert C1 in held(result, "laptop-1")


def test_complaint_15_a_parent_that_never_comes_holds_up_nobody_else():
    """One ghost parent stops the whole loop: here, only what depends on it waits."""
    broken = Breakage(Context.MO1, hours(30), hours(30) + minutes(10), Share(1.0))

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 6:05")
        land.change("customer", "C7", rep="1", region="N")
        await land.run_until("1d 7:00")
        land.change("contact", "K7", parent="C7", name="whose customer is a ghost")
        land.change("contact", "C1-1", name="renamed")
        land.change("customer", "C2", rep="1")
        await land.run_until("3d")

    result = told(tell, breakages=(broken,))
    assert result.findings == []
    assert result.quiet.is_quiet, "nobody looks after the error list, so it is left aside"
    assert "customer C7" in {one.name for one in result.quiet.aside}
    mine = held(result, "laptop-1")
    assert dict(mine["contact", "C1-1"].fields)["name"] == "renamed"
    assert ("customer", "C2") in mine
    assert ("customer", "C7") not in mine
    assert ("contact", "K7") not in mine, "no child without its parent"


def test_complaint_17_what_has_lost_its_parent_goes_nowhere_and_harms_nobody():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.change("contact", "orphan", parent="C-unknown", name="nobody's")
        land.change("contact", "C1-1", name="renamed")

    result = told(tell)
    must_be_in_place(result)
    assert ("contact", "orphan") in result.simulation.store("crm").table("cdb records")
    assert held(result, "laptop-1")["contact", "C1-1"].fields == (("name", "renamed"),)


def test_complaint_23_a_laptop_that_is_away_does_not_slow_the_others_down():
    def times(result: Result) -> list[int]:
        return [e.time_ns for e in result.journal.select("imported", actor="laptop-2")]

    async def tell(land: Landscape) -> None:
        for day in range(1, 4):
            for number in range(30):
                land.at(
                    days(day) + hours(12),
                    land.change,
                    "contact",
                    f"K{number}",
                    parent="C1",
                    name=f"day {day}",
                )
        await land.run_until("5d")

    async def away(land: Landscape) -> None:
        land.at("1d 07:00", land.pause, "laptop-1", lasts=days(3))
        await tell(land)

    assert times(told(tell)) == times(told(away))


def test_adding_and_taking_away_a_subscription_leaves_everything_as_it_was():
    """I-48: what a subscription that was too broad brought goes again."""

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.subscribe("too broad", "customer", ("laptop-1",))
        await land.run_until("3d")
        assert len(land.simulation.store("laptop-1").table("records")) == 12
        land.unsubscribe("too broad")

    async def nothing(land: Landscape) -> None:
        await land.run_until("3d")

    one, other = told(tell), told(nothing)
    must_be_in_place(one)
    assert held(one, "laptop-1") == held(other, "laptop-1")


def test_an_extract_that_is_done_twice_changes_nothing():
    """I-44: extracts are idempotent, also between changes."""

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.extract("laptop-1")
        land.change("customer", "C1", name="first")
        land.extract("laptop-1")
        land.change("customer", "C1", name="second")

    result = told(tell)
    must_be_in_place(result)
    assert dict(held(result, "laptop-1")[C1].fields)["name"] == "second"


def two_reps(
    land: Landscape, *entries: tuple[int, SalesOrder], taken_away=TakenAway.ACCEPT, **crm
) -> None:
    """One customer, whose rep writes; another rep who may get it."""
    land.replicate(BY_CUSTOMER, taken_away=taken_away)
    land.add_crm(**crm)
    land.add_erp(wan())
    land.add_station("station", wan())
    diary = tuple(DiaryEntry(time_ns, written) for time_ns, written in entries)
    for rep, mine in (("1", diary), ("2", ())):
        name, line = f"laptop-{rep}", gprs(dial_up=True)
        land.add_laptop(name, line, rep=rep, diary=mine, habits=Habits(), station="station")
        land.add_subscription(f"rep {rep}", "customer", (name,), rep=rep)
    land.add_record("customer", "C1", rep="1", region="N")
    land.check()


def taken_away(policy: TakenAway) -> Result:
    """Run a story in which a rep changes an order that is not his any more."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What becomes of it?"""
        first = order("101", "1", "C1")
        later = evolve(first, version=2, items=(OrderItem("tea", 5, Decimal(2)),))
        third = evolve(first, version=3, items=(OrderItem("tea", 7, Decimal(2)),))
        entries = ((hours(9), first), (days(1) + hours(11), later), (days(3) + hours(11), third))
        two_reps(land, *entries, taken_away=policy)
        land.at("1d 10:00", land.change, "customer", "C1", rep="2")
        await land.run_until("4d")
        await land.settle()

    result = story.run()
    assert result.findings == []
    assert not result.simulation.store("laptop-1").table("orders")
    assert [e.detail["version"] for e in result.journal.select("missed")] == [3]
    [verdict] = [v for check, v in result.verdicts if check is replication.ANSWERED_THOUGH]
    assert (verdict.held, verdict.judged) == (True, 1)
    return result


def test_a_change_of_what_was_taken_away_gets_its_answer():
    """I-47: what a rep changed before he heard that it is no longer his is not lost silently."""
    result = taken_away(TakenAway.ACCEPT)
    [row] = result.simulation.store("crm").table("orders").values()
    assert row.document.order.version == 2, "the change in between counts"
    [local] = result.simulation.store("laptop-2").table("orders").values()
    assert local.base.order.version == 2


def test_a_change_of_what_was_taken_away_can_be_refused():
    """The other policy of I-47: the answer is no, and says why."""
    result = taken_away(TakenAway.REJECT)
    [row] = result.simulation.store("crm").table("orders").values()
    assert row.document.order.version == 1
    [local] = result.simulation.store("laptop-2").table("orders").values()
    assert local.base.order.version == 1
    [refused] = result.journal.select("rejected")
    assert refused.detail["reason"] == "it belongs to somebody else by now"
    assert ("101", "crm refused it, and its author has to decide") in {
        (one.name, one.reason) for one in result.quiet.aside
    }


def test_what_is_simple_is_sent_as_it_comes_and_never_taken_back():
    """I-46: no lookup row, no realignment."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who gets the news?"""
        land.replicate(BULLETINS)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        for rep, laptop in zip(REPS, LAPTOPS, strict=True):
            line = gprs(dial_up=True)
            land.add_laptop(laptop, line, rep=rep, diary=(), habits=Habits(), station="station")
        land.add_subscription("north", "bulletin", LAPTOPS[:2], region="N")
        land.add_subscription("south", "bulletin", LAPTOPS[2:], region="S")
        land.at(hours(1), land.change, "bulletin", "B1", region="N", text="snow")
        land.at(hours(2), land.change, "bulletin", "B1", region="S")
        await land.run_until(days(1))
        await land.settle()

    result = story.run()
    assert result.findings == []
    where = [laptop for laptop in LAPTOPS if ("bulletin", "B1") in held(result, laptop)]
    assert where == list(LAPTOPS), "it went north, then south, and stayed"
    assert not list(result.journal.select("realigned"))
    assert not result.simulation.store("crm").table("lookup")


def told_of_prices(tell, sites=("laptop-1",)) -> Result:
    """Run a story on the three reps, in which prices are for those who subscribe."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who has the prices?"""
        build(land, model=PRICES, also=lambda: land.add_subscription("prices", "prices", sites))
        land.at("0d 7:00", land.publish, "prices", {f"price {n}": "1" for n in range(250)})
        await tell(land)
        await land.settle()

    return story.run()


def prices_at(result: Result, laptop: str) -> int:
    return len(result.simulation.store(laptop).table("masters"))


def test_bulk_goes_to_those_who_subscribe_and_is_extracted_to_new_ones():
    """I-45; EXTRACTBLK lets a new subscriber begin at the beginning."""

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        assert [prices_at(land, laptop) for laptop in LAPTOPS] == [250, 0, 0]
        land.subscribe("prices", "prices", ("laptop-1", "laptop-2"))
        await land.run_until("2d 12:00")
        land.publish("prices", {"price 7": "2", "price 300": "1"})
        await land.run_until("3d 12:00")
        assert [prices_at(land, laptop) for laptop in LAPTOPS] == [251, 251, 0]
        land.subscribe("prices", "prices", ("laptop-2",))
        await land.run_until("4d 12:00")
        assert [prices_at(land, laptop) for laptop in LAPTOPS] == [0, 251, 0]

    result = told_of_prices(tell)
    must_be_in_place(result)
    worked = [event.subject for event in result.journal.select("worked")]
    assert worked.count("EXTRACTBLK") == 1


def test_bulk_that_is_taken_away_and_given_back_between_two_calls_is_there_once():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.unsubscribe("prices")
        await land.run_until("1d 12:30")
        land.subscribe("prices", "prices", ("laptop-1",))
        await land.run_until("3d 12:00")

    result = told_of_prices(tell)
    must_be_in_place(result)
    assert prices_at(result, "laptop-1") == 250
    seen = [
        (e.detail["what"], e.detail.get("guid"))
        for e in result.journal.select("imported", actor="laptop-1")
    ]
    assert seen.count(("removal", "prices")) == 1
    assert seen.count(("bulk", None)) == 6, "250 records are 3 packages, and all came twice"


def test_a_new_disk_gets_bulk_anew_and_only_what_is_subscribed():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        for laptop in LAPTOPS:
            land.crash(laptop, down=minutes(10), wipe=True)
        await land.run_until("3d 12:00")

    result = told_of_prices(tell)
    must_be_in_place(result)
    assert [prices_at(result, laptop) for laptop in LAPTOPS] == [250, 0, 0]


@pytest.mark.fires(distribution.PUBLISHED_TO_ALL)
def test_bulk_at_a_laptop_that_did_not_subscribe_is_found():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")

    result = told_of_prices(tell)
    check = distribution.PUBLISHED_TO_ALL
    rows = dict(result.simulation.store("laptop-1").table("masters"))
    assert judged(check, result, "laptop-1", "masters", lambda table: None).held
    ghost = judged(check, result, "laptop-2", "masters", lambda table: table.update(rows))
    assert fired(ghost, "laptop-2 holds prices price 0, which is not for it")
    assert fired(judged(check, result, "laptop-1", "masters", dict.clear), "has not got prices")


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (lambda land: land.change("prices", "price 1", value="3"), "'prices' is bulk: publish it"),
        (lambda land: land.publish("customer", {"C1": "x"}), "'customer' is intelligent: change"),
        (
            lambda land: land.subscribe("p", "prices", ("laptop-1",), rep="1"),
            "'prices' has no criterion 'rep'",
        ),
    ],
)
def test_what_is_bulk_is_published_and_nothing_else_is(verb, text):
    async def tell(land: Landscape) -> None:
        verb(land)

    with pytest.raises(BadValue, match=text):
        told_of_prices(tell)


def imported(what: str, guid: str, task: str, version: int, answers: str = ""):
    detail = {"what": what, "guid": guid, "task": task, "version": version, "answers": answers}
    return event("imported", actor="laptop-2", **detail)


@pytest.mark.fires(replication.REPEATABLE)
def test_an_extract_that_took_a_laptop_back_is_found(moved):
    check = replication.REPEATABLE
    held_version = moved.simulation.store("laptop-2").get("records", C1).version
    twice = [imported("replica", "customer C1", "insert", held_version)] * 2
    assert rejudged(check, moved, twice).held
    later = imported("replica", "customer C1", "update", held_version + 1)
    assert fired(rejudged(check, moved, [later, *twice]), "though it had got save")
    wiped = event("wiped", actor="laptop-2", disk=1)
    assert not rejudged(check, moved, [later, wiped, *twice]).violations


@pytest.mark.fires(replication.ANSWERED_THOUGH)
def test_a_change_of_what_is_taken_away_without_an_answer_is_found(moved):
    check = replication.ANSWERED_THOUGH
    saved = event("saved", actor="laptop-2", guid="G", message="m", version=1)
    gone, answer = realigned("order G", leaving=("laptop-2",)), imported("c", "G", "c", 0, "m")
    assert rejudged(check, moved, [saved, gone, answer]).held
    assert rejudged(check, moved, [gone, saved, answer]).held
    assert fired(rejudged(check, moved, [saved, gone]), "nobody answered it")
    assert fired(rejudged(check, moved, [gone, saved]), "nobody answered it")
    lost = event("wiped", actor="laptop-2", disk=1)
    assert not rejudged(check, moved, [saved, gone, lost]).violations


@pytest.mark.fires(replication.TAKEN_BACK)
def test_what_a_deleted_subscription_leaves_behind_is_found():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 8:00")
        land.subscribe("all", "customer", ("laptop-1",))
        await land.run_until("2d 12:00")
        land.unsubscribe("all")
        await land.run_until("3d 12:00")

    result = told(tell)
    must_be_in_place(result)
    check = replication.TAKEN_BACK
    [verdict] = [verdict for one, verdict in result.verdicts if one is check]
    assert verdict.held
    ghost = result.simulation.store("crm").get("records", ("customer", "C2"))
    stores = {name: one.store for name, one in result.simulation.sites.items()}
    judge = check.judge(Scene(result.simulation.topology, lambda actor: actor))
    for one in result.journal.select("subscribed"):
        judge.on_subscribed(one)
    copy = Store()
    copy.load("records", {("customer", "C2"): ghost})
    found = judge.finish(Ending(result.journal, {**stores, "laptop-1": copy}, is_quiet=True))
    assert fired(found, "laptop-1 still holds customer C2, which no subscription brings there")


def rejudged(check: Check, result: Result, events) -> Verdict:
    """Judge events and the final states of a run."""
    judge = check.judge(Scene(result.simulation.topology, lambda actor: actor))
    for one in events:
        judge.feeds()[one.kind](one)
    stores = {name: one.store for name, one in result.simulation.sites.items()}
    return judge.finish(Ending(result.journal, stores, is_quiet=True))


def test_a_demon_that_stands_still_lets_everything_wait_and_says_so():
    """Complaint 10, and what-if 39: all laptops grow old until somebody starts it again."""

    async def tell(land: Landscape) -> None:
        land.at("1d 09:00", land.set_demon, is_running=False)
        land.at("1d 12:00", land.change, "customer", "C1", rep="2")
        await land.run_until("3d")
        quiet = await land.settle(days(2))
        assert not quiet.is_quiet
        assert quiet.still_moving == ("crm: 1 jobs in REALIGN (the demon stands still)",)
        assert C1 in land.simulation.store("laptop-1").table("records")
        land.set_demon(is_running=True)

    must_be_in_place(told(tell))


def test_a_server_that_forgets_one_realignment_is_found_out(monkeypatch):
    plain = Realignment._realign

    def forgetful(self, change, job):
        if job.keys != (C1,):
            plain(self, change, job)

    monkeypatch.setitem(Realignment._services, RrQueue.REALIGN, forgetful)

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.change("customer", "C1", rep="2")
        land.change("customer", "C2", rep="3")

    found = {text.split(":")[0] for text in told(tell).findings}
    assert {replication.IN_PLACE.name, replication.LOOKUP_IS_TRUE.name} <= found


def test_a_change_back_while_the_dependents_wait_takes_nothing_away():
    """The demon has done the parent and not yet what depends on it, when all is turned back."""

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.slow_down("crm", factor=1000.0, lasts=hours(5))  # a turn of the demon takes minutes
        land.change("customer", "C1", rep="2")
        await land.run_until("1d 12:03")
        land.change("customer", "C1", rep="1")

    result = told(tell)
    must_be_in_place(result)
    assert C1 in held(result, "laptop-1")
    assert ("contact", "C1-1") in held(result, "laptop-1")


def test_a_case_of_replication_is_written_down_and_cut_down():
    """The hunt can take down what the office does, and leave customers and laptops out."""
    from crmsim.hunt.case import take_down
    from crmsim.hunt.shrinking import with_laptops

    story = load_scenario("scenarios/territory_handover.py")
    settings_ = story.ready({"moved": "2", "customers": "3", "edits": "2", "reps": "3"})
    case = take_down(story, settings_, 1)
    plain = story.run_with(settings_, seed=1)
    assert [tuple(e) for e in case.run().journal] == [tuple(e) for e in plain.journal]
    less = with_laptops(case, ["laptop-1", "laptop-2"])
    assert less.run().held
    assert sum(call.verb == "add_subscription" for call in less.built) == 2


# --- what a review broke ---


@pytest.mark.parametrize("framework", Framework)
def test_what_came_before_its_parent_follows_when_that_comes(framework):
    async def tell(land: Landscape) -> None:
        land.at("1d 10:00", land.change, "contact", "X1", parent="C9", name="early")
        land.at("1d 11:00", land.change, "customer", "C9", rep="1", region="N")
        await land.run_until("2d")

    result = told(tell, framework=framework)
    must_be_in_place(result)
    assert ("contact", "X1") in held(result, "laptop-1")


def test_who_leaves_comes_back_and_leaves_again_before_the_demon_is_through_loses_it():
    def at(second: int) -> int:
        return days(1) + hours(12) + seconds(second)

    async def tell(land: Landscape) -> None:
        land.at(at(0), land.slow_down, "crm", factor=1000.0, lasts=hours(8))
        land.at(at(0), land.change, "customer", "C1", rep="2")
        land.at(at(76), land.set_demon, is_running=False)
        land.at(at(222), land.change, "customer", "C1", rep="1")
        land.at(at(606), land.set_demon, is_running=True)
        land.at(at(753), land.change, "customer", "C1", rep="3")
        await land.run_until("2d")

    result = told(tell)
    must_be_in_place(result)
    assert C1 in held(result, "laptop-3")


@pytest.mark.parametrize("worklist", [Worklist.NEWEST_FIRST, Worklist.NEWEST_ONLY])
def test_the_author_drops_what_is_not_his_though_the_erp_was_quicker(worklist):
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who holds it?"""
        broken = Breakage(Context.SO1, minutes(2529), minutes(2559))
        land.replicate(BY_CUSTOMER)
        land.add_crm(breakages=(broken,), operator_s=Exponential(60), worklist=worklist)
        land.add_erp(wan())
        land.add_station("station", wan())
        diary = (DiaryEntry(minutes(2528) + 1, order("301", "3", "C2")),)
        for rep, laptop in zip(REPS, LAPTOPS, strict=True):
            entries, line = diary if rep == "3" else (), gprs(dial_up=True)
            land.add_laptop(
                laptop, line, rep=rep, diary=entries, habits=Habits(), station="station"
            )
            land.add_subscription(f"rep {rep}", "customer", (laptop,), rep=rep)
        for rep, customer in zip(REPS, CUSTOMERS, strict=True):
            land.add_record("customer", customer, rep=rep, region="N")
        await land.run_until("4d")
        await land.settle()

    must_be_in_place(story.run())


@pytest.mark.parametrize("seed", [32, 56, 66])
def test_what_stands_behind_a_mark_begins_when_the_mark_is_gone_for_good(seed):
    """Orders that move between customers stand in two queues; what is behind them in either waits
    until they have left it durably."""
    luck = Random(seed)

    def diary(rep: str) -> tuple[DiaryEntry, ...]:
        return tuple(
            DiaryEntry(
                hours(10) + minutes(10 * number + version),
                order(f"{rep}{number:02}", rep, luck.choice(CUSTOMERS), version),
            )
            for number in range(12)
            for version in range(1, 5)
        )

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who overtakes whom?"""
        land.replicate(BY_CUSTOMER)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        for rep in ("1", "2"):
            name, line = f"laptop-{rep}", gprs(dial_up=True)
            land.add_laptop(name, line, rep=rep, diary=diary(rep), habits=NEAR, station="station")
        land.add_subscription("rep 1", "customer", ("laptop-1",), rep="1")
        for customer in CUSTOMERS:
            land.add_record("customer", customer, rep="1", region="N")
        await land.run_until("2d")
        await land.settle()

    assert story.run(seed=seed).findings == []


def test_sites_of_a_subscription_have_no_order():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.subscribe("z", "customer", ("laptop-2", "laptop-1", "laptop-2"), rep="9")
        land.change("customer", "C3", rep="9")

    result = told(tell)
    must_be_in_place(result)
    assert result.simulation.store("crm").get("lookup", ("customer", "C3")) == LAPTOPS[:2]


def test_what_the_office_wants_is_done_in_order_once_though_crm_is_down_or_stands_still():
    async def tell(land: Landscape) -> None:
        land.at("1d 12:00", land.crash, "crm", down=minutes(7))
        land.at("1d 12:05", land.set_demon, is_running=False)
        land.at("1d 12:05", land.change, "customer", "C1", rep="2")
        land.at("1d 12:08", land.set_demon, is_running=True)
        land.at("1d 12:08", land.change, "customer", "C1", rep="3")
        land.at("2d 12:00", land.pause, "crm", lasts=hours(3))
        land.at("2d 12:01", land.change, "customer", "C1", name="new")
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    record = result.simulation.store("crm").get("records", C1)
    assert (record.version, dict(record.fields)["rep"]) == (4, "3")


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (lambda land: land.subscribe("x", "customer", ("laptop-9",)), "'laptop-9' is no laptop"),
        (lambda land: land.subscribe("x", "customer", "laptop-1"), r"write a tuple"),
        (lambda land: land.subscribe("x", "contact", LAPTOPS), "subscribe to that"),
        (lambda land: land.extract("crm"), "'crm' is no laptop"),
        (lambda land: land.change("order", "C1", rep="1"), "written by reps"),
        (lambda land: land.change("customer", "C1", parent="C2"), "depends on nothing"),
        (lambda land: land.change("customer", "C1", rep=2), "are texts"),
        (lambda land: land.change("contact", "new"), "name the customer it depends on"),
        (lambda land: land.change("customer", "C1", crm="erp"), "'erp' is no CRM Enterprise"),
        (lambda land: land.replicate(BY_CUSTOMER), "before CRM is added"),
        (lambda land: land.add_record("contact", "x", parent="C7"), "add that before"),
        (lambda land: land.add_record("customer", "C1"), "already"),
        (lambda land: land.add_subscription("late", "customer", LAPTOPS), "first record"),
    ],
)
def test_what_nobody_can_do_is_refused_with_the_reason(verb, text):
    async def tell(land: Landscape) -> None:
        await land.run(minutes(1))
        with pytest.raises(BadValue, match=text):
            verb(land)

    told(tell)
