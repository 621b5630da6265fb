"""A whole price list changes in one night. How long until every rep has the new prices?

Prices come from the ERP: somebody there changes the list, CRM takes it over and lays it ready for
every laptop that subscribes to it. It lays it ready once, and each laptop fetches it from where it
left off. So the server does the same work whether there are ten laptops or thousands; the lines and
the laptops do not. A rep who comes back from a holiday has all of it to fetch.

Hypothesis: the number of entries on the server does not depend on the number of laptops; the time
that a laptop spends on the line grows with the list, and by the next evening all have it.

Runs in: 3 s.
"""

from collections.abc import Mapping

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import line_times_s
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import FIELD_SALES
from crmsim.units import days, hours, to_seconds
from crmsim.workload.made_up import add_field_force


@frozen(kw_only=True)
class Settings:
    """What can be changed about the story."""

    prices: int = setting(2_000, "prices that change", low=1, high=100_000)
    reps: int = setting(20, "reps", low=1, high=2_000)
    away: int = setting(1, "reps who are away until the day after tomorrow", low=0, high=2_000)


def price_metrics(result: Result) -> Mapping[str, object]:
    """Return when the laptops had the new prices, and what that took."""
    journal = result.journal
    [changed_ns, *_] = [event.time_ns for event in journal.select("maintained")]
    last: dict[str, int] = {}
    for event in journal.select("imported"):
        if event.detail["what"] == "bulk":
            last[event.actor] = event.time_ns
    waits_s = [to_seconds(time_ns - changed_ns) for time_ns in last.values()]
    spread = list(journal.select("spread"))
    return {
        "laptops": len(result.simulation.topology.sites("mobile")),
        "entries_on_the_server": int(str(spread[-1].detail["last"])) if spread else 0,
        "packages": sum(e.detail["what"] == "bulk" for e in journal.select("imported")),
        "has_it_s_p50": quantile(waits_s, 0.5),
        "has_it_s_max": max(waits_s, default=None),
        "minutes_on_the_line": round(sum(spent for _, spent in line_times_s(journal)) / 60, 1),
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=price_metrics)
async def price_list_night(land: Landscape, settings: Settings) -> None:
    add_field_force(land, settings.reps, model=FIELD_SALES)
    land.check()
    prices = {f"price {number}": "12.50" for number in range(settings.prices)}
    land.at(hours(22), land.publish_in_erp, "prices", prices)
    for rep in range(1, min(settings.away, settings.reps) + 1):
        land.at(0, land.pause, f"laptop-{rep}", lasts=days(2))
    await land.run_until("2d 12:00")
    await land.settle()
