"""When is all quiet, and what does not count?

All is quiet when (1) nobody has anything left to write or to do in the office, (2) every site is up
and no fault is at work, (3) every queue and outbox is empty and nothing is under way, and (4) every
laptop has finished two sessions since the last change. Only then can final states be compared:
before that, systems legitimately differ.

A minority of the laptops may be kept still meanwhile, as a rep on holiday keeps his: the others
must come to rest without them. What waits for such a laptop, or for a person, is set aside by name
(see `crmsim.quiet.aside`).
"""

from collections.abc import Callable, Iterator, Sequence

import attrs

from crmsim.erp.extraction import EXTRACTIONS
from crmsim.errors import BadValue
from crmsim.kernel.durable import Site, Store
from crmsim.kernel.message import Address
from crmsim.kernel.simulation import Simulation
from crmsim.loads.comparing import COMPARISONS
from crmsim.loads.loads import LOADS
from crmsim.online.atp import CHECKS
from crmsim.online.service.desk import ServiceDesk
from crmsim.qrfc.partner import QueuePartner
from crmsim.quiet.aside import SetAside, set_aside, stands_still, waits_for_people
from crmsim.replication.sites import gets_bulk
from crmsim.systems.channels import Channel
from crmsim.units import Duration, hours

__all__ = ["LeftToDo", "Quiet", "behind", "settle", "what_moves"]

LOOK_EVERY: Duration = hours(6)
"""How often one looks whether all is quiet."""
LEFT = (("left_to_write", "to write"), ("left_to_fulfil", "to deliver or bill"))
"""What an actor counts that it still has to do, and how that is told."""
UNDER_WAY = (LOADS, EXTRACTIONS, COMPARISONS)
"""Tables of what is done block by block, by name."""
SESSIONS_SINCE = 2
"""Sessions that every laptop finishes after the last change."""


@attrs.frozen
class LeftToDo:
    """What people in the office still want of a system."""

    site: str
    count: int
    order: str = ""
    """The reference of the order that it is about and that nobody can change just now; or empty."""


@attrs.frozen
class Quiet:
    """What `settle` found."""

    is_quiet: bool
    still_moving: tuple[str, ...] = ()
    """What was not at rest when the budget was used up."""
    kept_still: tuple[str, ...] = ()
    """Laptops that were kept still meanwhile."""
    aside: tuple[SetAside, ...] = ()
    """What is not judged, and why."""

    @property
    def documents_aside(self) -> list[SetAside]:
        """The documents among what is not judged."""
        return [one for one in self.aside if one.is_document]


async def settle(
    simulation: Simulation,
    budget: Duration,
    keep_still: Sequence[str],
    left_to_do: Callable[[], Sequence[LeftToDo]],
) -> Quiet:
    """Run until all is quiet, or until the budget of virtual time is used up.

    Args:
        simulation: The run.
        budget: How much virtual time there is.
        keep_still: Laptops that neither work nor call from now on; fewer than half of them.
        left_to_do: What the office has not done yet.

    Raises:
        BadValue: something else than a minority of the laptops is to be kept still.
    """
    _must_be_minority(simulation, keep_still)
    deadline_ns = simulation.now_ns + budget
    for name in keep_still:
        await _keep_still(simulation, simulation.site(name))
    at_rest_since: dict[str, int] | None = None
    work_done = -1
    while True:
        moving = [
            *_not_at_rest(simulation, keep_still),
            *_put_off(simulation, left_to_do(), keep_still),
        ]
        passing = list(_passing(simulation, keep_still))
        sessions = _sessions(simulation, keep_still)
        work = _work(simulation)
        if moving or work != work_done or at_rest_since is None:
            at_rest_since, work_done = sessions, work
        missing = [
            site for site, count in sessions.items() if count < at_rest_since[site] + SESSIONS_SINCE
        ]
        is_quiet = not (moving or passing or missing)
        if is_quiet or simulation.now_ns >= deadline_ns:
            waiting = [f"{site} has not finished two sessions since" for site in missing]
            aside = tuple(set_aside(simulation, keep_still))
            still = (*moving, *passing) or waiting
            return Quiet(is_quiet, tuple(still), tuple(keep_still), aside)
        await simulation.run_until(min(simulation.now_ns + LOOK_EVERY, deadline_ns))


async def _keep_still(simulation: Simulation, site: Site) -> None:
    """Pause a site for good, once its disk is done: a change half written would be no history."""
    while site.store.is_writing:
        await simulation.run_until(simulation.now_ns + site.write_ns)
    site.stays_paused = True
    site.pause()


def _must_be_minority(simulation: Simulation, keep_still: Sequence[str]) -> None:
    laptops = simulation.topology.sites("mobile")
    for name in keep_still:
        if name not in laptops:
            raise BadValue(f"keep_still names {name!r}; only laptops can be kept still")
    if keep_still and 2 * len(dict.fromkeys(keep_still)) >= len(laptops):
        raise BadValue(
            f"keep_still names {len(keep_still)} of {len(laptops)} laptops; "
            "fewer than half of them can be kept still"
        )


def what_moves(simulation: Simulation, keep_still: Sequence[str] = ()) -> list[str]:
    """Return what is not at rest, in words, leaving out what is kept still."""
    return [*_not_at_rest(simulation, keep_still), *_passing(simulation, keep_still)]


def _not_at_rest(simulation: Simulation, keep_still: Sequence[str]) -> Iterator[str]:
    """Yield what is left to do or out of order."""
    for active in simulation.fabric.faults:
        if not active.is_over:
            yield f"fault {active.name} is at work"
    stuck = list(stands_still(simulation))
    still = {(name, queue) for name, queue, _ in stuck}
    waiting = {guid for guid, _, _ in waits_for_people(simulation, stuck)}
    for name, site in simulation.sites.items():
        if name not in keep_still:
            yield from _queued_at(name, site, still, waiting)
            yield from _under_way_at(name, site, waiting)
            yield from _left_at(simulation, name, site, keep_still)
            yield from _contacts_at(simulation, name, waiting)


def _queued_at(
    name: str, site: Site, still: set[tuple[str, str]], waiting: set[str]
) -> Iterator[str]:
    for table in ("outbound", "inbound", "parked"):
        for queue, luws in site.store.table(table).items():
            is_parked = table == "parked" and all(luw.guid in waiting for luw in luws)
            if not (is_parked or (table == "inbound" and (name, queue) in still)):
                first = next(iter(luws)).luw
                yield f"{name}: {len(luws)} in {table} queue {queue}, first {first!r}"


def _under_way_at(name: str, site: Site, waiting: set[str]) -> Iterator[str]:
    """Yield what is done block by block; what lacks a block waits until a person ends it."""
    for table in UNDER_WAY:
        rows = [row for row in site.store.table(table) if row not in waiting]
        if rows:
            yield f"{name}: {len(rows)} {table} under way, first {rows[0]!r}"


def _left_at(
    simulation: Simulation, name: str, site: Site, keep_still: Sequence[str]
) -> Iterator[str]:
    if not site.is_up:
        yield f"{name} is down"
    if site.is_paused:
        yield f"{name} is paused"
    if site.store.get("rep", "stopped", False):
        yield f"{name} is to be replaced"
    for laptop, lying in site.store.table("site queues").items():
        if lying.contents and laptop not in keep_still:
            yield f"{name}: {len(lying.contents)} lie ready for {laptop}"
    for laptop, publication, count in behind(simulation, site.store):
        if laptop not in keep_still:
            yield f"{name}: {count} records of {publication} lie ready for {laptop}"
    still = " (the demon stands still)" if site.store.get("demon", "stopped", False) else ""
    for queue, jobs in site.store.table("rr").items():
        if jobs:
            yield f"{name}: {len(jobs)} jobs in {queue}{still}"
    actor = simulation.actor(name) if site.seats else None
    errors = site.store.table("error list")
    if errors and isinstance(actor, QueuePartner) and actor.has_operator:
        yield f"{name}: {len(errors)} BDocs in the error list, first {next(iter(errors))!r}"
    if site.store.table(ServiceDesk.TABLE):
        yield f"{name}: {len(site.store.table(ServiceDesk.TABLE))} wait for the service office"
    checks = site.store.table(CHECKS)
    if checks:
        yield f"{name}: {len(checks)} checks are open, first of order {next(iter(checks))}"
    for attribute, what in LEFT:
        left = getattr(actor, attribute, 0)
        if left:
            yield f"{name}: {left} still {what}"
    if site.seats and isinstance(simulation.actor(name), QueuePartner):
        yield from _to_be_sent_again(simulation, name, site)
    for table, what in (("locked users", "locked"), ("deactivated", "deactivated")):
        for laptop in site.store.table(table):
            if laptop not in keep_still:
                yield f"{name}: {laptop} is {what}"
    for table in ("outbox", "inbox", "unread"):
        count = len(site.store.table(table))
        if count:
            yield f"{name}: {count} in the {table}"


def _contacts_at(simulation: Simulation, name: str, waiting: set[str]) -> Iterator[str]:
    """Yield what customers wanted on a channel and nobody has dealt with.

    What is about an order that waits for a person waits with it.
    """
    if simulation.topology.kind(name) != "channel":
        return
    names = _guids(simulation)
    actor = simulation.actor(name)
    assert isinstance(actor, Channel)
    left = [one for one in actor.unanswered_references if names.get(one) not in waiting]
    if left:
        yield f"{name}: {len(left)} still to be dealt with, first about order {left[0]}"


def _guids(simulation: Simulation) -> dict[str, str]:
    """Return reference of an order -> its GUID, as CRM Online knows it."""
    names: dict[str, str] = {}
    for crm in simulation.topology.sites("crm"):
        names |= simulation.store(crm).table("by reference")
    return names


def _put_off(
    simulation: Simulation, left: Sequence[LeftToDo], keep_still: Sequence[str]
) -> Iterator[str]:
    """Yield what the office has not done; what is about an order that waits, waits with it."""
    if not left:
        return
    names = _guids(simulation)
    waiting = {guid for guid, _, _ in waits_for_people(simulation, stands_still(simulation))}
    for one in left:
        if one.site not in keep_still and names.get(one.order, one.order) not in waiting:
            about = f", about order {one.order}" if one.order else ""
            yield f"{one.site}: {one.count} still to do in the office{about}"


def _to_be_sent_again(simulation: Simulation, name: str, site: Site) -> Iterator[str]:
    """Yield what laptops gave back, could read by now, and somebody will send again."""
    for (laptop, _), one in site.store.table("returned messages").items():
        is_readable = one.release <= site.store.get("releases", laptop, 1)
        if is_readable and simulation.actor(name).has_operator:
            yield f"{name}: {one.guid} is to be sent to {laptop} again"


def behind(simulation: Simulation, store: Store) -> Iterator[tuple[str, str, int]]:
    """Yield laptop, publication and how many records of it the laptop has not fetched yet."""
    for name, publication in store.table("publications").items():
        for laptop in simulation.topology.sites("mobile"):
            count = publication.last - store.get("cursors", (laptop, name), 0)
            if count and gets_bulk(store.get, laptop, name):
                yield laptop, name, count


def _passing(simulation: Simulation, keep_still: Sequence[str]) -> Iterator[str]:
    """Yield what will be over in a moment: it delays quiet, but is no new work."""
    for name, site in simulation.sites.items():
        if site.store.is_writing and name not in keep_still:
            yield f"{name} is writing to its disk"
    counts: dict[tuple[str, str, str], int] = {}
    for action in simulation.schedule.pending():
        message, way = action[3], action[4]
        if isinstance(way, Address) and not way.is_inside and way.site not in keep_still:
            key = (type(message).__name__, way.owner.name, way.name)
            counts[key] = counts.get(key, 0) + 1
    for (kind, sender, target), count in counts.items():
        yield f"{count} {kind} under way from {sender} to {target}"


def _sessions(simulation: Simulation, keep_still: Sequence[str]) -> dict[str, int]:
    return {
        site: simulation.store(site).get("rep", "finished", 0)
        for site in simulation.topology.sites("mobile")
        if site not in keep_still
    }


def _work(simulation: Simulation) -> int:
    """Count what was ever enqueued anywhere: it stands still when nobody changes anything."""
    return sum(
        sum(site.store.table("serials").values())
        + site.store.get("rep", "saves", 0)
        + site.store.get("counts", "jobs", 0)
        for site in simulation.sites.values()
    )
