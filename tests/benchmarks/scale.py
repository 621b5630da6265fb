"""What does it cost that many sites hold something, in bytes and in time?

Two worlds with the same orders: in one the reps who write them are alone, in the other there are
twenty times as many laptops that receive none of it. Price lists go to all. The bytes are those of
all durable tables, each object counted once however many hold it, so they say what one more site
with a document costs. The time is that of CRM's commits only.
"""

import gc
import statistics
import sys
from collections.abc import Iterable
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Any

from crmsim import Simulation
from crmsim.kernel.durable import Change, Site
from crmsim.lab.landscape import Landscape
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import days
from crmsim.workload.made_up import diaries, made_up_book

WRITERS, ORDERS, MANY, PRICES = 10, 300, 200, 500


def deep_bytes(roots: Iterable[object]) -> int:
    """Return the bytes of everything that can be reached, each object once."""
    seen: set[int] = set()
    todo = list(roots)
    total = 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        todo += gc.get_referents(thing)
    return total


def tables(simulation: Simulation, kind: str, *names: str) -> list[dict[Any, Any]]:
    """Return tables of all sites of a kind."""
    sites = simulation.topology.sites(kind)
    return [dict(simulation.store(site).table(name)) for site in sites for name in names]


async def story(land: Landscape, idle: int, prices: int) -> None:
    """Let some reps write orders while others write nothing."""
    book = made_up_book(land.simulation.luck, WRITERS, ORDERS, 5)
    land.add_crm()
    land.add_erp(wan(), ship_days={o.reference: 6 for o in book.orders})
    land.add_station("station", wan())
    written = diaries(book, land.simulation.luck)
    for rep in [*written, *(f"idle {number}" for number in range(idle))]:
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=rep,
            diary=written.get(rep, ()),
            habits=Habits(working_days=7),
            station="station",
        )
    if prices:
        land.at(days(1), land.publish, "prices", {f"price {n}": "1.00" for n in range(prices)})
    await land.run(days(8))
    await land.settle()


def run(idle: int, prices: int) -> tuple[Simulation, float]:
    """Return a world at rest, and the seconds that commits of CRM with a document took."""
    simulation = Simulation(seed=1)
    lasted_s = 0.0
    commit = Site.commit

    def timed(site: Site, change: Change) -> None:
        nonlocal lasted_s
        began_s = perf_counter()
        commit(site, change)
        if site.kind == "crm" and any(table in ("orders", "cdb") for table, _, _ in change.writes):
            lasted_s += perf_counter() - began_s

    Site.commit = timed  # type: ignore[method-assign]
    try:
        simulation.tell(lambda world: story(Landscape(world), idle, prices))
    finally:
        Site.commit = commit  # type: ignore[method-assign]
    return simulation, lasted_s


def held(simulation: Simulation) -> int:
    """Return how many documents laptops hold, each counted for each laptop."""
    return sum(len(table) for table in tables(simulation, "mobile", "orders"))


def measure(turns: int) -> dict[str, Any]:
    """Return bytes per (site, document) and per (site, record), and the ratio of commit times."""
    ratios = []
    for _ in range(turns):
        _, few_s = run(0, 0)
        _, many_s = run(WRITERS * (MANY // WRITERS - 1), 0)
        ratios.append(many_s / few_s)
    simulation, _ = run(MANY - WRITERS, PRICES)
    server = tables(simulation, "crm", "orders", "cdb", "masters", "cdb masters", "publications")
    laptops = tables(simulation, "mobile", "orders")
    records = tables(simulation, "mobile", "masters")
    own = deep_bytes([*server, *laptops]) - deep_bytes(server)
    bulk = deep_bytes([*server, *records]) - deep_bytes(server)
    return {
        "bytes_site_document": own / held(simulation),
        "bytes_document_server": deep_bytes(tables(simulation, "crm", "orders", "cdb")) / ORDERS,
        "bytes_site_record": bulk / (MANY * PRICES),
        f"commit_{MANY}_over_{WRITERS}_sites": statistics.median(ratios),
    }
