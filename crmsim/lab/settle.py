"""When is all quiet, and what does not count?

All is quiet when (1) nobody has anything left to write, (2) every site is up and no fault is at
work, (3) every queue and outbox is empty and nothing is under way, and (4) every laptop has
finished two sessions since the last change. Only then can final states be compared: before that,
systems legitimately differ.

A queue in which nothing happens until a person does something is at rest if nobody is there to do
it. A minority of the laptops may be kept still meanwhile, as a rep on holiday keeps his: the others
must come to rest without them. What lies on or waits for such a laptop is set aside by name, and so
is a document about which a person has to decide first.
"""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from crmsim.applications.guards import why_not_transfer
from crmsim.applications.status import Distribution
from crmsim.errors import BadValue
from crmsim.kernel.durable import Site, Store
from crmsim.kernel.message import Address
from crmsim.kernel.simulation import Simulation
from crmsim.qrfc.partner import QueuePartner
from crmsim.units import Duration, hours

__all__ = ["Quiet", "SetAside", "behind", "set_aside", "settle", "what_moves"]

LOOK_EVERY: Duration = hours(6)
"""How often one looks whether all is quiet."""
SESSIONS_SINCE = 2
"""Sessions that every laptop finishes after the last change."""


@attrs.frozen
class SetAside:
    """Something that final states are not judged by."""

    name: str
    """The reference of a document, or the identity of a message."""
    reason: str
    is_document: bool = True


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


async def settle(simulation: Simulation, budget: Duration, keep_still: Sequence[str] = ()) -> Quiet:
    """Run until all is quiet, or until the budget of virtual time is used up.

    Args:
        simulation: The run.
        budget: How much virtual time there is.
        keep_still: Laptops that neither work nor call from now on; fewer than half of them.

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
        moving = list(_not_at_rest(simulation, keep_still))
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
    for name, site in simulation.sites.items():
        if name not in keep_still:
            yield from _left_at(simulation, name, site, keep_still)


def _left_at(
    simulation: Simulation, name: str, site: Site, keep_still: Sequence[str]
) -> Iterator[str]:
    if not site.is_up:
        yield f"{name} is down"
    if site.is_paused:
        yield f"{name} is paused"
    stuck = {guid for guid, _, _ in _for_people(simulation)}
    for table in ("outbound", "inbound", "parked"):
        for queue, luws in site.store.table(table).items():
            if not all(luw.guid in stuck for luw in luws):
                first = next(iter(luws)).luw
                yield f"{name}: {len(luws)} in {table} queue {queue}, first {first!r}"
    for laptop, lying in site.store.table("site queues").items():
        if lying.contents and laptop not in keep_still:
            yield f"{name}: {len(lying.contents)} lie ready for {laptop}"
    for laptop, publication, count in behind(simulation, site.store):
        if laptop not in keep_still:
            yield f"{name}: {count} records of {publication} lie ready for {laptop}"
    actor = simulation.actor(name) if site.seats else None
    errors = site.store.table("error list")
    if errors and isinstance(actor, QueuePartner) and actor.has_operator:
        yield f"{name}: {len(errors)} BDocs in the error list, first {next(iter(errors))!r}"
    for attribute, what in (("left_to_write", "to write"), ("left_to_ship", "to ship")):
        left = getattr(actor, attribute, 0)
        if left:
            yield f"{name}: {left} still {what}"
    for table in ("outbox", "inbox"):
        count = len(site.store.table(table))
        if count:
            yield f"{name}: {count} in the {table}"


def behind(simulation: Simulation, store: Store) -> Iterator[tuple[str, str, int]]:
    """Yield laptop, publication and how many records of it the laptop has not fetched yet."""
    for name, publication in store.table("publications").items():
        for laptop in simulation.topology.sites("mobile"):
            count = publication.last - store.get("cursors", (laptop, name), 0)
            if count:
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


def set_aside(simulation: Simulation, keep_still: Sequence[str] = ()) -> Iterator[SetAside]:
    """Yield what final states are not judged by."""
    for site in simulation.topology.sites("crm"):
        for record in simulation.store(site).table("orders").values():
            order = record.document.order
            if record.distribution is Distribution.ERROR:
                yield SetAside(order.reference, "the ERP refused it, and somebody has to decide")
            elif why_not_transfer(order) is not None:
                yield SetAside(order.reference, f"{why_not_transfer(order)}")
    yield from _aside_for_people(simulation)
    for laptop in dict.fromkeys(keep_still):
        yield SetAside(laptop, f"{laptop} is kept still", is_document=False)
        yield from _aside_with(simulation, laptop)


def _aside_for_people(simulation: Simulation) -> Iterator[SetAside]:
    """Yield documents about which a person has to do or has done something, and what waits so."""
    names = _references(simulation)
    reasons: dict[str, str] = {}
    for guid, message, reason in (*_for_people(simulation), *_refused(simulation)):
        reasons.setdefault(guid, reason)
        if message:
            yield SetAside(message, reason, is_document=False)
    for guid, reason in reasons.items():
        if guid in names:
            yield SetAside(names[guid], reason)
    for site in simulation.topology.sites("crm"):
        for luws in simulation.store(site).table("parked").values():
            for luw in luws:
                if luw.guid in reasons:
                    yield SetAside(luw.luw, reasons[luw.guid], is_document=False)


def _references(simulation: Simulation) -> dict[str, str]:
    """Return GUID -> reference of every order that a laptop or CRM knows of."""
    names: dict[str, str] = {}
    for site in simulation.topology.sites("mobile"):
        for guid, local in simulation.store(site).table("orders").items():
            names[guid] = local.document.order.reference
    for site in simulation.topology.sites("crm"):
        store = simulation.store(site)
        for guid, (_, reference) in store.table("refused").items():
            names.setdefault(guid, reference)
        for luw in store.table("set processed").values():
            names.setdefault(luw.guid, getattr(luw.body, "reference", ""))
        for record in store.table("orders").values():
            names[record.document.order.guid] = record.document.order.reference
    return {guid: reference for guid, reference in names.items() if reference}


def _for_people(simulation: Simulation) -> Iterator[tuple[str, str, str]]:
    """Yield GUID, message and reason of what waits for a person, or was decided by one."""
    for name, site in simulation.sites.items():
        actor = simulation.actor(name) if site.seats else None
        if not isinstance(actor, QueuePartner):
            continue
        for table in ("deleted LUWs", "saved LUWs"):
            for luw in site.store.table(table).values():
                yield luw.guid, luw.luw, f"an operator of {name} took it out of its queue"
        for luw in site.store.table("set processed").values():
            yield luw.guid, luw.luw, f"an operator of {name} set its BDoc to processed"
        if actor.has_operator:
            continue
        for queue, status in site.store.table("queue status").items():
            if status.needs_person:
                for luw in site.store.get("inbound", queue, ()):
                    reason = f"its queue in {name} is stuck, and nobody looks after it"
                    yield luw.guid, luw.luw, reason
        for row in site.store.table("error list").values():
            reason = f"its BDoc is in the error list of {name}, and nobody looks after it"
            yield row.luw.guid, row.luw.luw, reason


def _refused(simulation: Simulation) -> Iterator[tuple[str, str, str]]:
    """Yield documents of which a change was refused, until somebody has dealt with that.

    GUID, no message, and the reason. A document that never came to be is gone from its laptop; then
    only CRM knows.
    """
    for site in simulation.topology.sites("mobile"):
        for guid, local in simulation.store(site).table("orders").items():
            if local.refusal:
                yield (
                    guid,
                    "",
                    f"a change was refused ({local.refusal}), and its author has to decide",
                )
    for site in simulation.topology.sites("crm"):
        store = simulation.store(site)
        for guid, (version, _) in store.table("refused").items():
            if version > _version_online(store, guid):
                yield guid, "", f"{site} refused it, and its author has to decide"


def _version_online(store: Store, guid: str) -> int:
    record = store.get("orders", store.get("numbers", guid))
    return 0 if record is None else int(record.document.order.version)


def _aside_with(simulation: Simulation, laptop: str) -> Iterator[SetAside]:
    """Yield the documents and messages that lie on a laptop or wait for it."""
    store = simulation.store(laptop)
    waiting = [
        (f"news {place} for {laptop}", content)
        for site in simulation.topology.sites("crm")
        for place, content in _contents(simulation.store(site).get("site queues", laptop))
    ]
    fetched = [
        (f"news {place} for {laptop}", content) for place, content in store.table("inbox").items()
    ]
    unsent = list(store.table("outbox").values())
    reason = f"{laptop} is kept still and has news of it, or awaits some"
    names = {guid: local.document.order.reference for guid, local in store.table("orders").items()}
    guids = [content.guid for _, content in (*waiting, *fetched)]
    guids += [bdoc.guid for bdoc in unsent]
    for guid in dict.fromkeys(guids):
        if guid in names:
            yield SetAside(names[guid], reason)
    answers = [getattr(content, "message", None) for _, content in (*waiting, *fetched)]
    messages = [news for news, _ in (*waiting, *fetched)]
    messages += [name for name in answers if name is not None] + [b.message for b in unsent]
    for message in dict.fromkeys(messages):
        yield SetAside(message, reason, is_document=False)


def _contents(lying: object) -> Iterable[tuple[int, object]]:
    found: Iterable[tuple[int, object]] = getattr(lying, "contents", ())
    return found


def _sessions(simulation: Simulation, keep_still: Sequence[str]) -> dict[str, int]:
    return {
        site: simulation.store(site).get("rep", "finished", 0)
        for site in simulation.topology.sites("mobile")
        if site not in keep_still
    }


def _work(simulation: Simulation) -> int:
    """Count what was ever enqueued anywhere: it stands still when nobody changes anything."""
    return sum(
        sum(site.store.table("serials").values()) + site.store.get("rep", "saves", 0)
        for site in simulation.sites.values()
    )
