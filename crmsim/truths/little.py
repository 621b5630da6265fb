"""Does Little's law hold on every queue of a landscape, to the nanosecond?

Mean depth times time equals the time that all entries together spent in the queue, whatever the
arrivals, the service and the trouble; what is still there counts with its time up to now. The two
sides are measured apart: the depth by looking into the stores themselves whenever something
happens, the time spent from the journal, entry by entry.
"""

from collections.abc import Callable, Iterator

import attrs

from crmsim.kernel.simulation import Simulation
from crmsim.lab.landscape import Landscape
from crmsim.middleware.queue import laptop_of
from crmsim.mobile.rep import Habits
from crmsim.network.link import Link
from crmsim.network.profiles import gprs, wan
from crmsim.network.topology import CRM_CHANNELS, Topology
from crmsim.trace.journal import Event
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.truths.queues import LITTLE
from crmsim.units import Share, days, seconds
from crmsim.workload.made_up import diaries, made_up_book

__all__ = ["CASES"]

Queue = tuple[str, str]
"""(site, name of the queue)"""
FAMILIES = ("outbox", "to a laptop", "outbound", "inbound")


class Depths:
    """Looks at the real depth of every queue and adds it up over time."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._last: dict[Queue, tuple[int, int]] = {}
        """Queue -> (since when, how deep)."""
        self.areas_ns: dict[Queue, int] = {}

    def look(self, queue: Queue) -> None:
        """Look into a queue now."""
        now_ns = self._simulation.now_ns
        since_ns, depth = self._last.get(queue, (now_ns, 0))
        self.areas_ns[queue] = self.areas_ns.get(queue, 0) + depth * (now_ns - since_ns)
        self._last[queue] = now_ns, self._depth(queue)

    def _depth(self, queue: Queue) -> int:
        site, name = queue
        store = self._simulation.store(site)
        if name == "outbox":
            return len(store.table("outbox"))
        if name.endswith(" out"):
            laptop = laptop_of(name)
            return len(store.get("site queues", laptop).contents)
        return sum(len(store.get(table, name, ())) for table in ("outbound", "inbound"))


class Stays:
    """Adds up how long each entry was in its queue, from the journal alone."""

    def __init__(self) -> None:
        self._entered: dict[tuple[Queue, str], int] = {}
        self.spent_ns: dict[Queue, int] = {}
        self.entries = 0

    def enter(self, queue: Queue, entry: str, time_ns: int) -> None:
        """An entry came."""
        self._entered[queue, entry] = time_ns
        self.entries += 1

    def leave(self, queue: Queue, entry: str, time_ns: int) -> None:
        """An entry went; one that never came has spent no time."""
        spent_ns = time_ns - self._entered.pop((queue, entry), time_ns)
        self.spent_ns[queue] = self.spent_ns.get(queue, 0) + spent_ns

    def close(self, time_ns: int) -> None:
        """Count what is still there as if it went now."""
        for queue, entry in list(self._entered):
            self.leave(queue, entry, time_ns)


def _watch(simulation: Simulation, depths: Depths, stays: Stays) -> None:
    def entered(event: Event) -> None:
        outbox = event.kind == "saved"
        queue = (event.actor, "outbox" if outbox else str(event.detail["queue"]))
        depths.look(queue)
        stays.enter(queue, _entry(event), event.time_ns)

    def left(event: Event) -> None:
        queue = (event.actor, str(event.detail["queue"]))
        is_served = event.kind == "ended"
        if is_served or queue[1] == "outbox" or queue[1].endswith(" out"):
            depths.look(queue)
            stays.leave(queue, _entry(event), event.time_ns)

    feeds: dict[str, Callable[[Event], None]] = {
        "saved": entered,
        "enqueued": entered,
        "ended": left,
        "cleared": left,
    }
    for kind, feed in feeds.items():
        simulation.journal.watch(kind, feed)


def _entry(event: Event) -> str:
    """Return what tells an entry from all others: two rows may hold one LUW."""
    name = event.detail["message"] if event.kind == "saved" else event.subject
    return f"{name} {event.detail.get('serial', '')}"


def every_queue(seed: int, size: int) -> Sample:
    """Run a troubled landscape until all is quiet and compare both sides, queue by queue."""
    simulation = Simulation(Topology(CRM_CHANNELS), seed=seed)
    land = Landscape(simulation)
    depths, stays = Depths(simulation), Stays()
    _watch(simulation, depths, stays)

    async def story(_: Simulation) -> None:
        _build(land, size)
        await land.run_until(days(16))
        await land.settle()

    simulation.tell(story)
    for queue in list(depths.areas_ns):
        depths.look(queue)
    stays.close(simulation.now_ns)
    found = {family: list(_compared(depths, stays, family)) for family in FAMILIES}
    values = {family: float(sum(differences)) for family, differences in found.items()}
    return sample_of(simulation, **values, queues=len(depths.areas_ns), entries=stays.entries)


def _build(land: Landscape, orders: int) -> None:
    luck = land.simulation.luck
    book = made_up_book(luck, 4, orders, 14)
    office, field = _troubled(wan()), _troubled(gprs(dial_up=True))
    ship_days = {o.reference: o.ship_day for o in book.orders if o.ship_day is not None}
    land.add_crm()
    land.add_erp(office, ship_days=ship_days)
    land.add_station("station", office)
    habits = Habits(break_off=Share(0.2))
    for rep, diary in diaries(book, luck).items():
        name = f"laptop-{rep}"
        land.add_laptop(name, field, rep=rep, diary=diary, habits=habits, station="station")
    for site in land.simulation.sites.values():
        site.write_ns = 0  # so that an event stands at the moment at which the store changes
    land.check()


def _troubled(link: Link) -> Link:
    return attrs.evolve(
        link,
        loss=Share(0.1),
        duplicate=Share(0.05),
        reorder=Share(0.1),
        reorder_window=seconds(20),
    )


def _compared(depths: Depths, stays: Stays, family: str) -> Iterator[int]:
    for queue, area_ns in depths.areas_ns.items():
        if _family(queue) == family:
            yield abs(area_ns - stays.spent_ns.get(queue, 0))


def _family(queue: Queue) -> str:
    site, name = queue
    if name == "outbox":
        return name
    if name.endswith(" out"):
        return "to a laptop"
    sends = name.startswith("R3AU" if site == "crm" else "R3AD")
    return "outbound" if sends else "inbound"


CASES = (
    Case(
        "every queue of a landscape",
        LITTLE,
        tuple(
            Figure(family, f"{family}: depth over time less time spent, ns", 0, exact=True)
            for family in FAMILIES
        ),
        every_queue,
        Effort(2, 30),
        Effort(5, 150),
    ),
)
