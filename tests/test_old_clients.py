"""Laptops with old programs: what they cannot read goes back, and is sent again later."""

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.laptops import sessions
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.units import Share, days, hours, minutes

from .stories import event, fired, rejudge


@frozen
class Nothing:
    """No settings."""


TEA = OrderItem("tea", 5, 20)
DIARY = (
    (9, SalesOrder("", "A", "1", "C1", (TEA,))),
    (10, RecordEdit("create", "activity", "V", (("type", "visit"), ("subject", "x")), "C1")),
    (33, OrderEdit("A", items=((1, (("quantity", 7),)),))),
    (34, RecordEdit("change", "activity", "V", (("subject", "y"),))),
)


def run(
    *steps, operator: bool = True, diary=DIARY, seed=1, break_off=0.0, stations=("station",)
) -> Result:
    """Laptop 1 writes; laptop 2 reads along; orders need release 2 from the first evening on."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def old_and_new(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm(operator_s=Constant(1_800.0) if operator else None)
        land.add_erp(wan())
        for name in stations:
            land.add_station(name, wan())
        entries = tuple(DiaryEntry(hours(hour), what) for hour, what in diary)
        for rep in ("1", "2"):
            land.add_laptop(
                f"laptop-{rep}",
                gprs(dial_up=True),
                rep=rep,
                station=stations,
                habits=Habits(working_days=7, break_off=Share(break_off)),
                diary=entries if rep == "1" else (),
            )
        laptops = ("laptop-1", "laptop-2")
        land.add_subscription("both", "territory", laptops, rep="1")
        land.add_record("territory", "T", rep="1")
        land.add_record("customer", "C1", parent="T", name="Miller")
        land.check()
        if "dead" in stations:
            land.at("0d 00:01", Outage("dead", under_way="drop"), for_=days(3) + hours(23))
        land.at("0d 12:00", land.change_format, "order", release=2)
        for moment, verb, *arguments, named in steps:
            land.at(moment, getattr(land, verb), *arguments, **named)
        await land.run(hours(96))
        await land.settle()

    return old_and_new.run(seed=seed)


def texts(result: Result, *kinds: str) -> list[str]:
    return [f"{e.actor} {e.kind} {e.detail['guid'][:8]}" for e in result.journal.select(*kinds)]


UPDATED = ("2d 09:00", "update_client", "laptop-2", {"release": 2})


def test_what_cannot_be_read_goes_back_and_what_follows_is_imported():
    new = ("0d 11:00", "update_client", "laptop-1", {"release": 2})
    result = run(new)
    assert result.held, result.findings
    unread, back = texts(result, "unread"), texts(result, "returned")
    assert len(unread) == len(back) >= 2
    assert all(one.startswith("laptop-2") for one in unread)
    assert ("activity", "V") in result.simulation.store("laptop-2").table("records")
    assert not result.simulation.store("laptop-2").table("orders")
    assert [one.name for one in result.quiet.documents_aside if one.name == "A"]


def test_after_an_update_it_is_sent_again():
    new = ("0d 11:00", "update_client", "laptop-1", {"release": 2})
    result = run(new, UPDATED)
    assert result.held, result.findings
    [local] = result.simulation.store("laptop-2").table("orders").values()
    assert local.document.order.items[0].quantity == 7
    assert not result.quiet.aside


def test_an_answer_that_cannot_be_read_still_counts_as_one():
    result = run(("1d 12:00", "update_client", "laptop-2", {"release": 2}))
    assert result.held, result.findings
    answers = [e for e in result.journal.select("unread") if e.detail["answers"]]
    assert len(answers) == 2
    [local] = result.simulation.store("laptop-1").table("orders").values()
    assert (local.pending, local.upload) == (0, 0)
    assert local.document.order.items[0].quantity == 7, "the rep sees what he wrote"
    behind = [e.detail["behind"] for e in result.journal.select("outdated")]
    assert ("programs",) in behind


def test_a_call_to_another_station_says_as_well_what_the_laptop_can_read():
    """The first station is dead, so every session of laptop 2 is with the second one."""
    new = ("0d 11:00", "update_client", "laptop-1", {"release": 2})
    result = run(new, UPDATED, stations=("dead", "station"))
    assert result.held, result.findings
    assert list(result.journal.select("redialled"))
    [again] = result.journal.select("administered")
    assert again.time_ns < days(3), "not only when the first station is there again"


def test_without_an_operator_nobody_sends_it_again():
    result = run(UPDATED, operator=False)
    assert result.held, result.findings
    assert any("too old" in one.reason for one in result.quiet.aside)


def test_a_new_laptop_comes_with_the_programs_of_the_old_one():
    new = [
        (m, "update_client", f"laptop-{n}", {"release": 2})
        for m, n in (("0d 11:00", 1), ("0d 11:30", 2))
    ]
    wiped = ("1d 12:00", "crash", "laptop-2", {"down": hours(3), "wipe": True})
    result = run(*new, wiped)
    assert result.held, result.findings
    assert not list(result.journal.select("unread"))


@pytest.mark.parametrize(
    ("verb", "arguments", "named", "words"),
    [
        ("change_format", ("prices",), {"release": 2}, "is bulk"),
        ("change_format", ("order",), {"release": 1}, "write 2 or more"),
        ("change_format", ("cat",), {"release": 2}, "is not replicated"),
        ("update_client", ("erp",), {"release": 2}, "is no laptop"),
    ],
)
def test_what_cannot_be_is_refused(verb, arguments, named, words):
    with pytest.raises(BadValue, match=words):
        run(("0d 13:00", verb, *arguments, named))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.sampled_from((1, 2)), st.integers(10, 90)), max_size=3),
    st.lists(
        st.tuples(st.sampled_from(("laptop-1", "laptop-2", "crm")), st.integers(10, 90)), max_size=3
    ),
)
def test_whatever_happens_it_ends_well(seed, updates, crashes):
    steps = [
        (hours(hour), "update_client", f"laptop-{n}", {"release": 2}) for n, hour in updates
    ] + [(hours(hour), "crash", site, {"down": minutes(20)}) for site, hour in crashes]
    result = run(*steps, seed=seed, break_off=0.2)
    assert result.held, result.findings


@pytest.mark.fires(sessions.UNREAD_GO_BACK)
@pytest.mark.parametrize(
    ("events", "words"),
    [
        (("unread", "unread"), "tried x again"),
        (("unread", "returned", "returned"), "which was not due"),
        (("returned",), "which was not due"),
        (("unread", "finished", "finished"), "has not given x back"),
    ],
)
def test_what_does_not_go_back_is_found(events, words):
    told = [event(kind, actor="laptop-1", number=n) for n, kind in enumerate(events, 1)]
    assert fired(rejudge(sessions.UNREAD_GO_BACK, told), words)
    fine = ("unread", "finished", "returned", "finished")
    good = [event(kind, actor="laptop-1", number=n) for n, kind in enumerate(fine, 1)]
    assert rejudge(sessions.UNREAD_GO_BACK, good).held
