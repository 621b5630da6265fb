"""What a landscape can be set up to do wrong is noticed: a check fails, or the result names it."""

import pytest

from crmsim.applications.exchange import Numbers
from crmsim.checks.bdocs import NEWEST_STAYS
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.erp.service import POSTED_ONCE
from crmsim.checks.laptops.documents import NUMBERS_ARE_UNIQUE
from crmsim.checks.queues import EFFECT_ONCE, QUEUES_CONSERVE
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import realignment_metrics
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import hours

from .configurations import configuration
from .telling import Nothing, do, order, tell


def run(name: str, **settings):
    return load_scenario(f"scenarios/{name}.py").run(seed=1, **settings)


def violated(result) -> list:
    return [check for check, verdict in result.verdicts if verdict.violations]


@pytest.mark.fires(configuration("the numbers of CRM and the ERP do not match"))
def test_numbers_that_overlap_are_noticed():
    assert violated(run("number_range_mismatch", numbers=Numbers.OVERLAP)) == [NUMBERS_ARE_UNIQUE]
    assert not violated(run("number_range_mismatch", numbers=Numbers.MATCH))


@pytest.mark.fires(configuration("nobody remembers what was there before"))
def test_that_nobody_remembers_is_noticed():
    found = violated(run("service_day", dedup=False))
    assert EFFECT_ONCE in found
    assert POSTED_ONCE in found


@pytest.mark.fires(configuration("old news are processed late, and nothing protects the newer"))
def test_old_news_that_replace_newer_ones_are_noticed():
    few = {"orders": 100, "span_days": 3}
    assert NEWEST_STAYS in violated(run("reprocess_late", newest_stays=False, **few))
    assert not violated(run("reprocess_late", **few))


@pytest.mark.fires(configuration("a laptop is lost with what it had not sent"))
def test_what_was_on_a_lost_laptop_alone_is_named():
    result = run("lost_laptop")
    lost = [one for one in result.quiet.documents_aside if "lost with a disk" in one.reason]
    assert len(lost) == result.metrics["lost_documents"] > 0
    assert result.metrics["orders_booked"] == result.metrics["orders_written"] - 3


@pytest.mark.fires(configuration("an administrator deletes a queue or what stands in it"))
@pytest.mark.parametrize("action", ["delete queue", "delete LUW"])
def test_what_an_administrator_deletes_is_named_and_counted(action):
    queue = "R3AU_SALESDO0005000000"
    told = tell(
        do(8, "administer", "erp", "lock", queue),
        do(9, "create_order", order("A")),
        do(10, "administer", "erp", action, queue),
        do(11, "administer", "erp", "unlock", queue),
    )
    assert "took it out of its queue" in told.aside["A"]
    verdicts = dict(told.result.verdicts)
    assert verdicts[QUEUES_CONSERVE].held, "what a person took out is no loss of the queue's"
    taken = [e for e in told.result.journal.select("administered") if "serial" in e.detail]
    assert [e.detail["action"] for e in taken] == [action]
    assert not list(told.result.journal.select("booked"))


@pytest.mark.fires(configuration("a subscription is missing"))
def test_a_laptop_without_a_subscription_is_named_though_all_checks_hold():
    """It holds what belongs to it: nothing. Only the result says so."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def story(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        for rep in ("1", "2"):
            land.add_laptop(
                f"laptop-{rep}",
                gprs(dial_up=True),
                rep=rep,
                station="station",
                habits=Habits(),
                diary=(),
            )
        land.add_subscription("one", "territory", ("laptop-1",), rep="1")
        for territory in ("1", "2"):
            land.add_record("territory", territory, rep=territory)
            land.add_record("customer", f"C{territory}", parent=territory)
        land.check()
        await land.run(hours(20))
        await land.settle()

    result = story.run(seed=1)
    assert result.held, "each laptop holds what its subscriptions select"
    assert realignment_metrics(result)["receive_nothing"] == ["laptop-2"]
