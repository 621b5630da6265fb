"""When is all quiet?

All is quiet when (1) nobody has anything left to write, (2) every site is up and no fault is at
work, (3) every queue and outbox is empty, and (4) every laptop has finished two sessions since the
last change. Only then can final states be compared: before that, systems legitimately differ.
"""

import attrs

from crmsim.applications.status import Distribution
from crmsim.kernel.simulation import Simulation
from crmsim.units import Duration, hours

__all__ = ["Quiet", "set_aside", "settle", "what_moves"]

LOOK_EVERY: Duration = hours(6)
"""How often one looks whether all is quiet."""
SESSIONS_SINCE = 2
"""Sessions that every laptop finishes after the last change."""


@attrs.frozen
class Quiet:
    """What `settle` found."""

    is_quiet: bool
    still_moving: tuple[str, ...] = ()
    """What was not at rest when the budget was used up."""


async def settle(simulation: Simulation, budget: Duration) -> Quiet:
    """Run until all is quiet, or until the budget of virtual time is used up."""
    deadline_ns = simulation.now_ns + budget
    at_rest_since: dict[str, int] | None = None
    work_done = -1
    while True:
        moving = what_moves(simulation)
        sessions = _sessions(simulation)
        work = _work(simulation)
        if moving or work != work_done or at_rest_since is None:
            at_rest_since, work_done = sessions, work
        missing = [
            site for site, count in sessions.items() if count < at_rest_since[site] + SESSIONS_SINCE
        ]
        if not moving and not missing:
            return Quiet(True)
        if simulation.now_ns >= deadline_ns:
            waiting = [f"{site} has not finished two sessions since" for site in missing]
            return Quiet(False, tuple(moving or waiting))
        await simulation.run_until(min(simulation.now_ns + LOOK_EVERY, deadline_ns))


def what_moves(simulation: Simulation) -> list[str]:
    """Return what is not at rest, in words."""
    moving = [
        f"fault {active.name} is at work"
        for active in simulation.fabric.faults
        if not active.lifted
    ]
    for name, site in simulation.sites.items():
        if not site.is_up:
            moving.append(f"{name} is down")
        if site.is_paused:
            moving.append(f"{name} is paused")
        for table in ("outbound", "inbound", "parked"):
            for queue, luws in site.store.table(table).items():
                moving.append(f"{name}: {len(luws)} in {table} queue {queue}")
        for laptop, lying in site.store.table("site queues").items():
            if lying.contents:
                moving.append(f"{name}: {len(lying.contents)} lie ready for {laptop}")
        actor = simulation.actor(name) if site.seats else None
        for attribute, what in (("left_to_write", "to write"), ("left_to_ship", "to ship")):
            left = getattr(actor, attribute, 0)
            if left:
                moving.append(f"{name}: {left} still {what}")
        for table in ("outbox", "inbox"):
            count = len(site.store.table(table))
            if count:
                moving.append(f"{name}: {count} in the {table}")
    return moving


def set_aside(simulation: Simulation) -> frozenset[str]:
    """Return the orders that wait for a person: the ERP refused them and somebody must decide."""
    return frozenset(
        record.document.order.reference
        for site in simulation.topology.sites("crm")
        for record in simulation.store(site).table("orders").values()
        if record.distribution is Distribution.ERROR
    )


def _sessions(simulation: Simulation) -> dict[str, int]:
    return {
        site: simulation.store(site).get("rep", "finished", 0)
        for site in simulation.topology.sites("mobile")
    }


def _work(simulation: Simulation) -> int:
    """Count what was ever enqueued anywhere: it stands still when nobody changes anything."""
    return sum(
        sum(site.store.table("serials").values()) + site.store.get("rep", "saves", 0)
        for site in simulation.sites.values()
    )
