"""CRM was set up for one region, and now it is to have another: what is missing, what too much?

At the go-live only the customers of the north are wanted in CRM, so they are filtered: the ERP
sends no others, neither with the load nor when somebody changes them. A customer who moves to the
north later is sent as a whole, because CRM has never heard of him.

Some days later the filter is changed: the south is wanted instead. That touches nothing that is
there. The customers of the south are missing in CRM, but for those that somebody happens to change;
those of the north stay, and get older day by day. A comparison shows both. The repair fetches what
is missing and takes out what is surplus, from CRM, from the CDB, and from the laptops.

Why one should care: a filter looks like a setting; it is a data migration.

Hypothesis: what the comparison finds is what was on the wrong side of the filter when it was
changed, less what has changed since. Without the repair it stays so for ever; the checks say it.

Runs in: 2 s.
"""

from collections.abc import Mapping

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import Kind, Model, ReplicationObject
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.trace.journal import Event
from crmsim.units import days, hours, to_seconds

MODEL = Model((ReplicationObject("customer", Kind.INTELLIGENT, ("region",), in_erp=True),))
CHANGED = days(2) + hours(8)
"""When the filter is changed."""


@frozen
class Settings:
    """What can be changed about the story."""

    north: int = setting(120, "customers of the north", low=1, high=100_000)
    south: int = setting(80, "customers of the south", low=1, high=100_000)
    moves: int = setting(6, "customers who move to the north before the change", low=0)
    touched: int = setting(10, "customers of the south changed in the ERP afterwards", low=0)
    block: int = setting(50, "records of a block", low=1, high=100_000)
    compared: bool = setting(True, "somebody compares CRM with the ERP afterwards")
    repaired: bool = setting(True, "what is found is put right")


def filter_metrics(result: Result) -> Mapping[str, object]:
    """Return what a comparison found after the change, and after the repair.

    `compare_s` is how long the first comparison took, `repair_s` from the beginning of the repair
    until what was missing was there. `customers_in_crm` and `on_the_laptop` count at the end.
    """
    journal = result.journal
    found = list(journal.select("compared"))
    first = found[0] if found else None
    begun = [event.time_ns for event in journal.select("repaired")]
    done = [
        event.time_ns
        for event in journal.select("loaded")
        if event.detail["status"] == "done" and event.detail["load_kind"] == "request load"
    ]
    span_ns = 0 if first is None else first.time_ns - int(str(first.detail["began_ns"]))
    return {
        "missing": None if first is None else _count(first, "only_there"),
        "surplus": None if first is None else _count(first, "only_here"),
        "different": None if first is None else _count(first, "different"),
        "compare_s": to_seconds(span_ns) if found else None,
        "repair_s": to_seconds(max(done) - min(begun)) if begun and done else None,
        "left_after_repair": sum(
            _count(found[-1], name) for name in ("only_there", "only_here", "different")
        )
        if found
        else None,
        "customers_in_crm": len(result.simulation.store("crm").table("records")),
        "on_the_laptop": len(result.simulation.store("laptop").table("records")),
    }


def _count(event: Event, name: str) -> int:
    keys = event.detail[name]
    assert isinstance(keys, tuple)
    return len(keys)


@scenario(Settings, checks=ALL_CHECKS, metrics=filter_metrics)
async def filter_changed(land: Landscape, settings: Settings) -> None:
    land.replicate(MODEL)
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    line = gprs(dial_up=True)
    land.add_laptop("laptop", line, rep="1", station="station", habits=Habits(), diary=())
    for region in ("north", "south"):
        land.add_subscription(region, "customer", ("laptop",), region=region)
    north = [f"N{number:05}" for number in range(settings.north)]
    south = [f"S{number:05}" for number in range(settings.south)]
    for region, keys in (("north", north), ("south", south)):
        for key in keys:
            land.add_record_in_erp("customer", key, name=key, region=region, phone="old")
    land.check()
    await land.run_until(hours(8))
    land.set_filter("customer", region="north")
    land.load("customer", block=settings.block)
    moved, stayed = south[: settings.moves], south[settings.moves :]
    for number, key in enumerate(moved):
        land.at(
            days(1) + hours(9 + number / 10), land.change_in_erp, "customer", key, region="north"
        )
    await land.run_until(CHANGED)
    land.set_filter("customer", region="south")
    for number, key in enumerate(stayed[: settings.touched]):
        land.at(CHANGED + hours(1 + number / 10), land.change_in_erp, "customer", key, phone="new")
    land.at(CHANGED + hours(2), land.change_in_erp, "customer", north[0], phone="not told")
    if settings.compared:
        land.at(days(3) + hours(8), land.compare, "customer", block=settings.block)
        if settings.repaired:
            land.at(days(3) + hours(9), land.repair, "customer", block=settings.block)
            land.at(days(3) + hours(12), land.compare, "customer", block=settings.block)
    await land.run_until(days(4))
    await land.settle()
