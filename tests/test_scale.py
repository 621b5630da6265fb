"""What exists once, however many hold it, and costs nothing for those who do not get it."""

from collections import Counter
from decimal import Decimal
from functools import partial

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmsim import ALL_CHECKS, Result, judge, scenario
from crmsim.business.master import MasterRecord
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks import distribution
from crmsim.kernel.durable import Site
from crmsim.lab.settings import setting
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.publication import Publication
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.quiet.settle import behind
from crmsim.units import days, hours, minutes

from .stories import changed_store, event, fired, history, rejudge

TEA = OrderItem("tea", 3, Decimal("2.50"))


@frozen
class Settings:
    laptops: int = setting(3, "how many laptops there are", low=1)
    prices: int = setting(250, "how many prices are published, twice", low=0)
    broken: bool = setting(False, "whether prices cannot be passed on at first")
    crash: bool = setting(False, "whether CRM is down when prices are published")
    still: bool = setting(False, "whether a laptop is kept still")


@scenario(Settings, checks=ALL_CHECKS)
async def prices_for_all(land, chosen):
    """Who gets the prices?"""
    breakages = (Breakage(Context.MO2, 0, days(1) + hours(1)),) if chosen.broken else ()
    land.add_crm(breakages=breakages, operator_s=Constant(days(3) / 1e9))
    land.add_erp(wan(), ship_days={"A-1": 2})
    land.add_station("station", wan())
    tea = SalesOrder("", "A-1", "0", "customer", (TEA,))
    for number in range(chosen.laptops):
        diary = (DiaryEntry(hours(9), tea),) if number == 0 else ()
        land.add_laptop(
            f"laptop-{number}",
            gprs(dial_up=True),
            rep=str(number),
            diary=diary,
            habits=Habits(working_days=7),
            station="station",
        )
    land.check()
    if chosen.crash:
        land.at(days(1), partial(land.crash, "crm", down=minutes(45)))
    for day, value in ((1, "first"), (2, "second")):
        values = {f"price {place}": value for place in range(chosen.prices)}
        if values:
            land.at(days(day) + minutes(30), land.publish, "prices", values)
    await land.run(days(4))
    if chosen.still:
        third = {f"price {place}": "third" for place in range(chosen.prices)}
        land.at(days(4) + hours(1), land.publish, "prices", third)
    await land.settle(keep_still=("laptop-2",) if chosen.still else ())


def run(**settings: object) -> Result:
    return prices_for_all.run(seed=1, **settings)


def masters(result: Result, laptop: int) -> dict[tuple[str, str], MasterRecord]:
    return dict(result.simulation.store(f"laptop-{laptop}").table("masters"))


def test_every_laptop_gets_every_record_in_packages_and_in_its_last_version():
    result = run()
    assert result.held, result.findings
    for laptop in range(3):
        held = masters(result, laptop)
        assert len(held) == 250
        assert {record.value for record in held.values()} == {"second"}
        assert {record.version for record in held.values()} == {2}
    packages = [e for e in result.journal.select("imported") if e.detail["what"] == "bulk"]
    assert len(packages) == 3 * (3 + 3), "a hundred records in a package, 250 twice for each"


def test_a_record_exists_once_however_many_hold_it():
    result = run()
    online = result.simulation.store("crm").table("masters")
    cdb = result.simulation.store("crm").table("cdb masters")
    for key, record in online.items():
        assert cdb[key] is record
        for laptop in range(3):
            assert masters(result, laptop)[key] is record
    publication = result.simulation.store("crm").get("publications", "prices")
    assert publication.last == 500, "one entry for each record, not one for each site"


def test_a_document_version_exists_once_however_many_hold_it():
    result = run()
    crm = result.simulation.store("crm")
    [record] = crm.table("orders").values()
    [row] = crm.table("cdb").values()
    [local] = result.simulation.store("laptop-0").table("orders").values()
    [booked] = result.simulation.store("erp").table("orders").values()
    assert row.document is record.document
    assert local.base is record.document
    assert local.changes == ()
    assert booked.order.items is record.document.order.items


@pytest.mark.parametrize("trouble", ["broken", "crash"])
def test_prices_arrive_late_but_never_old_over_new(trouble):
    result = run(**{trouble: True})
    assert result.held, result.findings
    assert {record.value for record in masters(result, 1).values()} == {"second"}
    if trouble == "broken":
        states = [e.detail["states"][-1] for e in result.journal.select("flowed")]
        assert "E06" in states


def test_a_laptop_that_is_kept_still_lags_behind_and_is_counted():
    result = run(laptops=5, still=True)
    assert result.held, result.findings
    assert {record.value for record in masters(result, 1).values()} == {"third"}
    assert {record.value for record in masters(result, 2).values()} == {"second"}
    crm = result.simulation.store("crm")
    assert list(behind(result.simulation, crm)) == [("laptop-2", "prices", 250)]


def writes_of_crm(laptops: int, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Return how often a commit of CRM wrote how many rows, sessions left out."""
    found: Counter[int] = Counter()
    commit = Site.commit

    def counted(site, change):
        tables = {table for table, _, _ in change.writes}
        if site.name == "crm" and tables & {"orders", "cdb", "publications", "bdocs"}:
            found[len(change.writes)] += 1
        commit(site, change)

    with monkeypatch.context() as patch:
        patch.setattr(Site, "commit", counted)
        run(laptops=laptops, prices=7)
    return found


def test_the_cost_of_a_commit_does_not_depend_on_those_who_do_not_receive_it(monkeypatch):
    few, many = writes_of_crm(2, monkeypatch), writes_of_crm(60, monkeypatch)
    assert few
    assert few == many


# --- the list with a place for each site ---

records = st.builds(
    MasterRecord, st.tuples(st.just("p"), st.sampled_from("abc")), st.integers(1, 9)
)


@given(st.lists(st.lists(records, max_size=5), max_size=6), st.integers(1, 4))
def test_whoever_fetches_piece_by_piece_gets_all_in_order(batches, count):
    publication = Publication()
    for batch in batches:
        publication = publication.extended(batch)
    got: list[MasterRecord] = []
    while piece := publication.behind(len(got), count):
        got += piece
    assert got == [record for batch in batches for record in batch]
    assert publication.last == len(got)


# --- the check fires ---


@pytest.mark.fires(distribution.PUBLISHED_TO_ALL)
def test_a_laptop_that_lacks_a_record_or_has_one_too_early():
    check = distribution.PUBLISHED_TO_ALL

    def without(rows):
        rows.pop(next(iter(rows)))

    def invented(rows):
        rows["prices", "none"] = MasterRecord(("prices", "none"), 1)

    for change, words in [
        (("laptop-1", "masters", without), "laptop-1 has not got prices price"),
        (("laptop-1", "masters", invented), "which is not for it"),
        (("crm", "cdb masters", without), "do not hold the same records"),
    ]:
        assert fired(rejudge(check, history(), stores=changed_store(*change)), words)

    def step(kind: str, number: int, **more):
        return event(kind, "laptop-1", "prices", number, publication="prices", what="bulk", **more)

    spread = step("spread", 1, first=1, last=100)
    early = [spread, step("imported", 2, first=1, position=200)]
    assert fired(rejudge(check, early, is_quiet=False), "imported prices 200, which was never")
    gap = [spread, step("imported", 2, first=11, position=20)]
    assert fired(rejudge(check, gap, is_quiet=False), "imported prices 11 after 0")
    assert judge(run().simulation, check).held
