"""All is quiet only when nothing moves; a minority may be kept still; what waits is set aside."""

from decimal import Decimal

import pytest
from attrs import frozen

from crmsim import ALL_CHECKS, Result, scenario, setting
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.checks.check import Outcome
from crmsim.errors import BadValue
from crmsim.lab.metrics import order_metrics
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage, Partition
from crmsim.network.profiles import gprs, wan
from crmsim.quiet.settle import LeftToDo, what_moves
from crmsim.units import days, hours, seconds


@frozen
class Settings:
    still: int = setting(0, "how many of five laptops are kept still")
    budget_days: int = setting(30, "how long settling may last")
    outage: bool = setting(False, "whether the ERP stays out of reach")
    refused: bool = setting(False, "whether the ERP refuses a late correction")


def order(rep: int, number: int, version: int = 1) -> SalesOrder:
    items = (OrderItem("tea", 2 + version, Decimal("2.50")),)
    return SalesOrder("", f"{rep}-{number}", str(rep), "customer", items, version)


@scenario(Settings, checks=ALL_CHECKS, metrics=order_metrics)
async def five_reps(land, settings):
    """Do five laptops come to rest?"""
    land.add_crm()
    land.add_erp(wan(), ship_days={"1-1": 1} if settings.refused else {})
    land.add_station("station", wan())
    for rep in range(1, 6):
        diary = [
            DiaryEntry(hours(10), order(rep, 1)),
            DiaryEntry(days(1) + hours(12), order(rep, 2)),
        ]
        if rep == 1 and settings.refused:
            # shipped on day 1 while CRM has not heard of it: the ERP has to refuse the correction
            diary.append(DiaryEntry(days(1) + hours(20), order(1, 1, version=2)))
            land.at("1d 00:00", Partition("crm", "erp", under_way="hold"), for_=days(2))
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=str(rep),
            station="station",
            habits=Habits(),
            diary=tuple(sorted(diary, key=lambda entry: entry.time_ns)),
        )
    land.check()
    if settings.outage:
        land.at("0d 01:00", Outage("erp", under_way="drop"), for_=days(90))
    await land.run(days(1) + hours(13))
    still = [f"laptop-{rep}" for rep in range(1, settings.still + 1)]
    await land.settle(days(settings.budget_days), keep_still=still)


def run(**settings: object) -> Result:
    return five_reps.run(seed=2, **settings)


def verdicts(result: Result) -> dict[str, Outcome]:
    return {check.name: verdict.outcome for check, verdict in result.verdicts}


def test_all_comes_to_rest_and_nothing_is_set_aside():
    result = run().must_hold()
    assert result.quiet is not None
    assert result.quiet.is_quiet
    assert result.quiet.aside == ()
    assert what_moves(result.simulation) == []
    assert set(verdicts(result).values()) == {Outcome.HELD, Outcome.NOT_JUDGED}  # nothing to ship


def test_a_minority_is_kept_still_and_what_it_holds_is_set_aside_by_name():
    result = run(still=2).must_hold()
    assert result.quiet.kept_still == ("laptop-1", "laptop-2")
    names = [one.name for one in result.quiet.documents_aside]
    assert "1-2" in names, "written, but never sent"
    assert "2-2" in names
    assert not [name for name in names if name[0] in "345"]
    assert "kept still" in result.quiet.documents_aside[0].reason
    booked = [row.order.reference for row in result.simulation.actor("erp").orders]
    assert {"3-2", "4-2", "5-2"} <= set(booked)
    assert "1-2" not in booked
    judged = {check.name: v.judged for check, v in result.verdicts}
    assert judged["every order is in the ERP exactly once"] == 10 - len(names)
    assert what_moves(result.simulation) != []
    assert what_moves(result.simulation, result.quiet.kept_still) == []


def test_without_setting_aside_the_same_end_would_be_accused():
    result = run(still=1)
    from crmsim.checks.check import Jury

    jury = Jury(result.simulation, ALL_CHECKS)
    found = {c.name for c, v in jury.verdicts(is_quiet=True) if v.outcome is Outcome.VIOLATED}
    assert "every order is in the ERP exactly once" in found
    assert "every change gets exactly one answer" in found


@pytest.mark.parametrize(
    ("still", "words"),
    [
        (["laptop-1", "laptop-2", "laptop-3"], "names 3 of 5 laptops"),
        (["crm"], "only laptops"),
        (["laptop-9"], "only laptops"),
    ],
)
def test_only_a_minority_of_laptops_can_be_kept_still(still, words):
    @scenario(Settings)
    async def too_still(land, settings):
        await five_reps.story(land, Settings())
        await land.settle(keep_still=still)

    with pytest.raises(BadValue, match=words):
        too_still.run(seed=1)


def test_what_still_moves_is_told_when_the_budget_is_used_up():
    result = run(outage=True, budget_days=3)
    assert not result.held
    moving = " | ".join(result.quiet.still_moving)
    assert "fault Outage(site='erp', under_way='drop') is at work" in moving
    assert "in outbound queue R3AU_SALESDO" in moving
    assert "first 'order " in moving
    assert verdicts(result)["every order is in the ERP exactly once"] is Outcome.NOT_JUDGED
    assert any("quiet was not reached" in finding for finding in result.findings)


def test_sessions_that_are_missing_are_told():
    result = run(budget_days=0)
    assert "still to write" in " ".join(result.quiet.still_moving) or "outbox" in " ".join(
        result.quiet.still_moving
    )


def test_a_message_under_way_moves():
    @scenario(Settings)
    async def on_its_way(land, settings):
        await five_reps.story(land, Settings())
        laptop = land.simulation.actor("laptop-1")
        laptop.open_line(laptop.address("station"))
        from crmsim.mobile.calls import Dial

        laptop.send(laptop.address("station"), Dial("laptop-1", 999, 0))
        assert what_moves(land.simulation) == ["1 Dial under way from laptop-1 to station"]
        await land.sleep(seconds(30))

    on_its_way.run(seed=1).must_hold()


def late_edit(land, *, erp_stands_h: float):
    """The ERP stands still while order 1-1 is on its way; the office wants to change it then."""
    land.at("0d 17:30", land.pause, "erp", lasts=hours(erp_stands_h))
    edit = OrderEdit("1-1", header=(("text", "urgent"),))
    land.at("1d 12:00", land.change_order, edit)


def test_what_the_office_has_put_off_moves():
    @scenario(Settings, checks=ALL_CHECKS)
    async def put_off(land, settings):
        late_edit(land, erp_stands_h=24 * 5)
        await five_reps.story(land, Settings(budget_days=1))
        assert land.left_to_do() == [LeftToDo("crm", 1, "1-1")]
        first = land.quiet
        await land.settle()
        assert "crm: 1 still to do in the office, about order 1-1" in first.still_moving
        assert land.left_to_do() == []

    result = put_off.run(seed=2)
    assert result.held, result.findings


def test_what_the_office_has_put_off_for_ever_waits_with_its_order():
    @scenario(Settings, checks=ALL_CHECKS)
    async def locked(land, settings):
        for number in range(10):
            land.at("0d 12:00", land.administer, "erp", "lock", f"R3AU_SALESDO000500000{number}")
        late_edit(land, erp_stands_h=1)
        await five_reps.story(land, Settings())

    result = locked.run(seed=2)
    assert result.held, result.findings
    assert "1-1" in [one.name for one in result.quiet.documents_aside]


def test_a_document_that_waits_for_a_person_is_set_aside_and_counted():
    result = run(refused=True)
    aside = result.quiet.documents_aside
    assert [one.name for one in aside] == ["1-1"], result.findings
    assert "the ERP refused it" in aside[0].reason
    result.must_hold()


def test_a_laptop_kept_still_stays_still_after_a_crash():
    @scenario(Settings)
    async def crashing(land, settings):
        await five_reps.story(land, Settings())
        land.crash("laptop-1", down=hours(1))
        await land.settle(keep_still=["laptop-1"])

    result = crashing.run(seed=2)
    kinds = [event.kind for event in result.journal if event.actor == "laptop-1"]
    behind = kinds[len(kinds) - kinds[::-1].index("restarted") :]
    assert behind == ["paused"]
