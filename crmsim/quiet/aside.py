"""What are final states not judged by, and why?

A queue in which nothing happens until a person does something is at rest if nobody is there to do
it. What stands in it, what waits for it, and every document about which a person has to decide
first is set aside by name: it is counted and told, but not accused. So is what lies on a laptop
that is kept still, or waits for it.
"""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from crmsim.applications.guards import why_not_transfer
from crmsim.applications.service import REASON, SERVICE_OBJECTS, transfer_of
from crmsim.applications.status import Distribution
from crmsim.business.document import Fate, OrderDocument, Owner
from crmsim.business.sales import SalesKind
from crmsim.formats.bdoc import MassBDoc, MessageBDoc, RecordBDoc, SyncBDoc
from crmsim.kernel.durable import Store
from crmsim.kernel.simulation import Simulation
from crmsim.loads.loads import LOADS
from crmsim.middleware.load import is_work_about
from crmsim.middleware.queue import Luw, QueueStatus
from crmsim.online.orders import UNCONFIRMED
from crmsim.online.recovery import body_of
from crmsim.qrfc.partner import QueuePartner

__all__ = ["SetAside", "lost_saves", "set_aside", "stands_still", "waits_for_people"]

Waiting = tuple[str, str, str]
"""(GUID of a document, message or LUW, reason)"""
Still = tuple[str, str, str]
"""(site, queue, reason)"""


@attrs.frozen
class SetAside:
    """Something that final states are not judged by."""

    name: str
    """The reference of a document, or the identity of a message."""
    reason: str
    is_document: bool = True
    is_partial: bool = False
    """A change of it was lost or refused; what there is of it can be judged all the same."""


def set_aside(simulation: Simulation, keep_still: Sequence[str] = ()) -> Iterator[SetAside]:
    """Yield what final states are not judged by."""
    for site in simulation.topology.sites("erp"):
        for booked in simulation.store(site).table("orders").values():
            if booked.is_changed_here:
                reason = f"it was changed in {site}, and CRM is not told of that"
                yield SetAside(booked.order.reference, reason)
    for site in simulation.topology.sites("crm"):
        for record in simulation.store(site).table("orders").values():
            order = record.document.order
            if record.distribution is Distribution.ERROR:
                yield SetAside(order.reference, "the ERP refused it, and somebody has to decide")
            elif record.document.fate is Fate.CANCELLED:
                reason = f"{why_not_transfer(record.document)}"
                yield SetAside(order.reference, reason, is_partial=True)
            elif not record.document.is_sound:
                errors = "; ".join(record.document.errors)
                yield SetAside(order.reference, f"it contains errors: {errors}")
            elif _is_held_back(record.document):
                yield SetAside(order.reference, f"{why_not_transfer(record.document)}")
        for row in simulation.store(site).table("records").values():
            if row.object in SERVICE_OBJECTS and transfer_of(row) is Distribution.ERROR:
                reason = f"the ERP refused it: {dict(row.fields)[REASON]}"
                yield SetAside(row.identity, reason)
    yield from _aside_for_people(simulation)
    yield from _given_back(simulation)
    yield from _lost_with_disks(simulation)
    for laptop in dict.fromkeys(keep_still):
        yield SetAside(laptop, f"{laptop} is kept still", is_document=False)
        yield from _aside_with(simulation, laptop)


def _aside_for_people(simulation: Simulation) -> Iterator[SetAside]:
    names = _references(simulation)
    reasons: dict[str, str] = {}
    for guid, message, reason in waits_for_people(simulation, stands_still(simulation)):
        reasons.setdefault(guid, reason)
        if message:
            yield SetAside(message, reason, is_document=False)
    for guid, reason in reasons.items():
        if guid in names:
            yield SetAside(names[guid], reason)
    refused: dict[str, str] = {}
    for guid, reason in _refused(simulation):
        if guid not in reasons and guid in names:
            refused.setdefault(names[guid], reason)
    for name, reason in refused.items():
        yield SetAside(name, reason, is_partial=True)
    for site in simulation.topology.sites("crm"):
        for waiting in simulation.store(site).table(UNCONFIRMED).values():
            for bdoc, _ in waiting:
                if bdoc.guid in reasons:
                    yield SetAside(bdoc.message, reasons[bdoc.guid], is_document=False)
        for luws in simulation.store(site).table("parked").values():
            for luw in luws:
                if luw.guid in reasons:
                    yield SetAside(luw.luw, reasons[luw.guid], is_document=False)


def _given_back(simulation: Simulation) -> Iterator[SetAside]:
    """Yield what laptops could not read, and nobody has sent again."""
    names = _references(simulation)
    for site in simulation.topology.sites("crm"):
        for (laptop, place), one in simulation.store(site).table("returned messages").items():
            reason = f"{laptop} could not read it, its programs are too old"
            yield SetAside(names.get(one.guid, one.guid), reason)
            yield SetAside(f"news {place} for {laptop}", reason, is_document=False)


def _lost_with_disks(simulation: Simulation) -> Iterator[SetAside]:
    """Yield what was saved on a disk that is lost and never came to CRM."""
    for bdoc, reference in lost_saves(simulation):
        reason = f"a change of it was lost with a disk of {bdoc.site} before it was sent"
        yield SetAside(bdoc.message, reason, is_document=False, is_partial=True)
        yield SetAside(reference, reason, is_partial=True)


def lost_saves(simulation: Simulation) -> Iterator[tuple[SyncBDoc, str]]:
    """Yield each change that was lost with a disk, and the reference of its document."""
    names = _references(simulation)
    for crm in simulation.topology.sites("crm"):
        known = simulation.store(crm).table("known")
        for laptop in simulation.topology.sites("mobile"):
            for disk in simulation.site(laptop).lost_disks:
                for bdoc in disk.table("outbox").values():
                    if bdoc.message not in known:
                        yield bdoc, names.get(bdoc.guid, bdoc.guid)


def _is_held_back(document: OrderDocument) -> bool:
    """Say whether an order of CRM does not go to the ERP before somebody does something."""
    is_ours = document.owner is not Owner.ERP
    is_order = document.order.kind is SalesKind.ORDER
    return is_ours and is_order and why_not_transfer(document) is not None


def _references(simulation: Simulation) -> dict[str, str]:
    """Return GUID -> name of everything that a laptop, CRM or the ERP has ever known."""
    names: dict[str, str] = {}
    topology = simulation.topology
    for site in (*topology.sites("crm"), *topology.sites("erp")):
        names |= simulation.store(site).table("references")
    for site in simulation.topology.sites("mobile"):
        for disk in (*simulation.site(site).lost_disks, simulation.store(site)):
            for bdoc in disk.table("outbox").values():
                names.setdefault(bdoc.guid, bdoc.reference or bdoc.guid)
            for table in ("orders", "overlays"):
                for guid, local in disk.table(table).items():
                    names[guid] = local.reference
    return names


def waits_for_people(simulation: Simulation, still: Iterable[Still]) -> list[Waiting]:
    """Return what waits for a person, or was ended by one without coming through.

    Args:
        simulation: The run.
        still: What `stands_still` says of it.
    """
    found = list(_left_to_people(simulation))
    for name, queue, reason in still:
        luws = simulation.store(name).get("inbound", queue, ())
        found += [(luw.guid, luw.luw, reason) for luw in luws]
    return found


def _left_to_people(simulation: Simulation) -> Iterator[Waiting]:
    for name, actor, store in _partners(simulation):
        for table in ("deleted LUWs", "saved LUWs"):
            for luw in store.table(table).values():
                yield luw.guid, luw.luw, f"an operator of {name} took it out of its queue"
        for luw in store.table("set processed").values():
            if not _is_made_good(store, luw):
                yield luw.guid, luw.luw, f"an operator of {name} set its BDoc to processed"
        for row in store.table("error list").values():
            if not actor.has_operator:
                reason = f"its BDoc is in the error list of {name}, and nobody looks after it"
                yield row.luw.guid, row.luw.luw, reason


def _partners(simulation: Simulation) -> Iterator[tuple[str, QueuePartner, Store]]:
    for name, site in simulation.sites.items():
        actor = simulation.actor(name) if site.seats else None
        if isinstance(actor, QueuePartner):
            yield name, actor, site.store


def _is_made_good(store: Store, luw: Luw) -> bool:
    """Say whether the CDB has got by later work what a BDoc did not bring it."""
    body = body_of(luw)
    if isinstance(body, MassBDoc):
        held, cdb = store.table("masters"), store.table("cdb masters")
        return all(held[record.key] == cdb.get(record.key) for record in body.records)
    if isinstance(body, RecordBDoc):
        key = body.record.object, body.record.key
        return bool(store.get("records", key) == store.get("cdb records", key))
    if isinstance(body, MessageBDoc) and luw.luw != body.bdoc:  # its way into the CDB alone
        row = store.get("cdb", body.guid)
        online = store.get("orders", body.document.number)
        return row is not None and row.document == online.document
    return False


def stands_still(simulation: Simulation) -> Iterator[Still]:
    """Yield the inbound queues in which nothing will happen by itself.

    They are locked, or stuck and without an operator; or their head waits for such a queue, or for
    the end of a load that lacks a block, or is tried again and again because its document waits for
    a person.
    """
    waiting = {guid for guid, _, _ in _left_to_people(simulation)}
    partners = list(_partners(simulation))
    for name, actor, store in partners:
        for queue, status in store.table("queue status").items():
            is_locked = status is QueueStatus.STOP
            if status.needs_person and (is_locked or not actor.has_operator):
                why = "locked" if is_locked else "stuck, and nobody looks after it"
                yield name, queue, f"its queue in {name} is {why}"
                waiting |= {luw.guid for luw in store.get("inbound", queue, ())}
    for name, actor, store in partners:
        rows = {row.queue: row.status for row in actor.monitor() if row.side == "inbound"}
        for queue, status in rows.items():
            head = store.get("inbound", queue).left
            if status is QueueStatus.WAITSTOP and head.guid in waiting:
                yield name, queue, f"in {name} it waits for another queue, which is stuck"
            elif status is QueueStatus.WAITSTOP and _waits_for_load(store, queue, head, waiting):
                yield name, queue, f"in {name} it waits for a load of which a part was taken out"
            elif status is QueueStatus.RETRY and head.guid in waiting:
                yield name, queue, f"in {name} it waits behind what nobody will free"


def _waits_for_load(store: Store, queue: str, head: Luw, waiting: set[str]) -> bool:
    """Say whether a head is suspended until somebody aborts a load that will never end."""
    return any(
        load.name in waiting
        and bool(load.suspends)
        and queue.startswith(load.suspends)
        and is_work_about(load.about, queue, head.guid)
        for load in store.table(LOADS).values()
    )


def _refused(simulation: Simulation) -> Iterator[tuple[str, str]]:
    """Yield GUID and reason of what a change was refused of, until somebody has dealt with that.

    A document that never came to be is gone from its laptop; then only CRM knows.
    """
    for site in simulation.topology.sites("mobile"):
        store = simulation.store(site)
        for guid, local in (*store.table("orders").items(), *store.table("overlays").items()):
            if local.refusal:
                yield guid, f"a change was refused ({local.refusal}), and its author has to decide"
    for site in simulation.topology.sites("crm"):
        store = simulation.store(site)
        for guid, _ in store.table("refused"):
            yield guid, f"{site} refused it, and its author has to decide"


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
    names = {
        guid: local.reference
        for table in ("orders", "overlays")
        for guid, local in store.table(table).items()
    }
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
