"""How does the CRM server decide on what laptops tell it?

A change of a laptop is taken over (SI0) and validated (MI0): accepted, refused (SO2), or put off
while its document is being distributed to the ERP, or cannot be opened there. What is accepted is
stored in CRM Online; what follows from that: `crmsim.systems.outflow`. What the ERP tells:
`crmsim.systems.erp_news`.
Sources: CONTRIBUTING.md, S13, S30, S31, S34.
"""

from collections.abc import Callable

from crmsim.applications.changes import why_not_change
from crmsim.applications.directions import why_not_from_laptop
from crmsim.applications.exchange import OnErpDown
from crmsim.applications.guards import why_only_shown
from crmsim.applications.service import is_being_distributed
from crmsim.applications.status import OrderRecord
from crmsim.business.document import OrderDocument
from crmsim.business.master import key_of
from crmsim.formats.bdoc import SyncBDoc, Task, order_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.middleware.flow import Context, OnLock, begin, step
from crmsim.middleware.queue import Luw
from crmsim.middleware.replication import TakenAway
from crmsim.middleware.status import BDocEvent, BDocState
from crmsim.online.answers import Answers
from crmsim.online.opening import NOT_NEEDED, OUT_OF_REACH, Opened, Openings
from crmsim.online.orders import BEING_DISTRIBUTED, Orders
from crmsim.online.records import Records
from crmsim.online.recovery import (
    BDocMonitor,
    ErrorList,
    OwnServices,
    Reprocess,
    body_of,
)
from crmsim.online.service.transactions import ServiceTransactions
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.sites import gets_bulk
from crmsim.trace.kinds import OUTDATED, PARKED
from crmsim.units import Duration, minutes

__all__ = ["Inflow", "OpenAgain", "ParkedLong"]

PROGRAMS = "programs"
"""What an upload is called outdated by, besides publications."""
SINCE = "parked since"
"""Parked change -> since when it waits."""
LAPTOPS = "laptops"
"""Who opens an order for a change that a laptop has sent."""
LATER: Duration = minutes(5)
"""After how long one tries again to open an order (assumed)."""
RELEASED = "RELEASED_"
"""How the queues begin of changes that were parked and go on."""


@message(about=("number",))
class OpenAgain:
    """An order that could not be opened may be free by now."""

    number: str


@message(about=("document",))
class ParkedLong:
    """A change of a document may have been parked for too long."""

    document: str


class Inflow:
    """What comes before a save in CRM Online.

    Args:
        actor: The actor whose store holds both databases.
        inbound: The queues that work processes execute.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        guarantees: Which parts of "exactly once, in order" are on.
        on_lock: What becomes of a change of a document that is being distributed.
        park_limit: How long it is parked at most; then it is refused.
        own: What a customer has added to the flow.
        answers: Tells laptops what became of their changes.
        records: Decides on what is no order.
        orders: Decides on orders.
        taken_away: What becomes of a change of something that its author has no more.
        openings: Which orders somebody has open.
        on_erp_down: What becomes of a change of an order about which the ERP cannot be asked.
        service: Knows which service orders are on their way to the ERP.
    """

    def __init__(
        self,
        actor: Actor,
        inbound: InboundQueues,
        errors: ErrorList,
        monitor: BDocMonitor,
        guarantees: Guarantees,
        on_lock: OnLock,
        park_limit: Duration,
        own: OwnServices,
        answers: Answers,
        records: Records,
        orders: Orders,
        taken_away: TakenAway,
        openings: Openings,
        on_erp_down: OnErpDown,
        service: ServiceTransactions,
    ) -> None:
        self._actor = actor
        self._inbound = inbound
        self._errors = errors
        self._monitor = monitor
        self._guarantees = guarantees
        self._on_lock = on_lock
        self._park_limit = park_limit
        self._own = own
        self._answers = answers
        self._records = records
        self._orders = orders
        self._taken_away = taken_away
        self._openings = openings
        self._on_erp_down = on_erp_down
        self._service = service
        self._closed: dict[str, str] = {}
        """Number of an order -> why it cannot be opened, for a change that is not to wait."""
        self.services: dict[Context, Callable[[Change, str, Luw], bool]] = {
            Context.SI0: self._take_in,
        }
        """Context -> the work of a LUW that the flow takes up there; False when it was put aside,
        or broke off."""

    def take_upload(self, change: Change, bdoc: SyncBDoc) -> None:
        """Begin the flow of a change that a laptop has just handed in."""
        self._monitor.put(change, begin(bdoc.message, bdoc.guid, bdoc.version, Context.SI0))
        if bdoc.reference:
            change.put("references", bdoc.guid, bdoc.reference)

    def _take_in(self, change: Change, queue: str, luw: Luw) -> bool:
        """SI0: take over a change of a laptop, then validate it."""
        bdoc: SyncBDoc = body_of(luw)
        record = self._monitor.taken_up(luw.luw)
        if self._errors.broke(change, record, Context.SI0, queue, luw):
            self._go_on(change, queue, bdoc.guid)
            return False
        if not queue.startswith(RELEASED):  # else it came by already, before it was parked
            self._compare_versions(change, bdoc)
            self._own.call(Context.SI1, change, bdoc)
        is_done = self._validate(change, queue, luw, bdoc)
        if is_done:
            self._go_on(change, queue, bdoc.guid)
        return is_done

    def _compare_versions(self, change: Change, bdoc: SyncBDoc) -> None:
        """Note if the laptop had not yet got everything that its author should have known."""
        had = dict(bdoc.made_under)
        store = self._actor.store
        behind = tuple(
            name
            for name, publication in store.table("publications").items()
            if had.get(name, 0) < publication.last and gets_bulk(store.get, bdoc.site, name)
        )
        if store.get("formats", bdoc.object, 1) > bdoc.release:
            behind += (PROGRAMS,)
        if behind:
            change.note(OUTDATED, bdoc.message, site=bdoc.site, guid=bdoc.guid, behind=behind)

    def _validate(self, change: Change, queue: str, luw: Luw, bdoc: SyncBDoc) -> bool:
        """MI0: decide on a change of a laptop. Accept, refuse or park it."""
        if bdoc.object != "order":
            return self._validate_record(change, queue, luw, bdoc)
        forbidden = why_not_from_laptop(bdoc.object, bdoc.task.value)
        if forbidden is not None:
            self._orders.reject(change, bdoc, forbidden)
            return True
        number = self._actor.store.get("numbers", bdoc.guid)
        if number is None or (bdoc.task is Task.INSERT and not self._guarantees.dedup):
            self._orders.create(change, bdoc)
            return True
        record: OrderRecord = self._actor.store.get("orders", number)
        if bdoc.task is Task.INSERT:
            self._orders.answer_again(change, bdoc, record.document)
            return True
        is_locked = _is_locked(record)
        is_overdue = self._is_overdue(luw)
        waits = self._on_lock is OnLock.PARK if is_locked else self._is_behind(queue, number)
        if waits and not is_overdue:
            self._park(change, queue, luw, number)
            return False
        reason = BEING_DISTRIBUTED if is_locked else self._why_not(luw, bdoc, record)
        opened = NOT_NEEDED if reason else self._opened(number, record)
        if opened is None and not is_overdue:
            self._park(change, queue, luw, number)
            change.then(lambda: self._open(number))
            return False
        change.delete(SINCE, luw.luw)
        self._decide(change, bdoc, record, opened or Opened(OUT_OF_REACH), reason)
        return True

    def _validate_record(self, change: Change, queue: str, luw: Luw, bdoc: SyncBDoc) -> bool:
        """MI0 for what is no order; what is on its way to the ERP waits aside until it is not."""
        is_locked = self._service.is_being_distributed(bdoc.key)
        waits = self._on_lock is OnLock.PARK if is_locked else self._is_behind(queue, bdoc.guid)
        if waits and not self._is_overdue(luw):
            self._park(change, queue, luw, bdoc.guid)
            return False
        change.delete(SINCE, luw.luw)
        locked = BEING_DISTRIBUTED if is_locked else None
        reason = locked or self._why_not_theirs(bdoc) or self._why_too_late(luw, bdoc)
        self._records.validate(change, bdoc, reason)
        return True

    def _decide(
        self,
        change: Change,
        bdoc: SyncBDoc,
        record: OrderRecord,
        opened: Opened,
        reason: str | None,
    ) -> None:
        """Store a change of an order, or refuse it; either way it is closed again."""
        number = record.document.number
        document = record.document.after(opened.progress)
        reason = reason or opened.reason or self._why_final(document, bdoc)
        if reason is None:
            self._orders.merge(change, bdoc, record, opened)
        else:
            self._orders.reject(change, bdoc, reason)
        if self._openings.held(number, LAPTOPS) is not None:
            self._openings.close(change, record)

    def _opened(self, number: str, record: OrderRecord) -> Opened | None:
        """Return what came of opening an order for laptops; None when it is still to be opened."""
        if not self._openings.needs(record):
            return NOT_NEEDED
        closed = self._closed.pop(number, None)
        return Opened(closed) if closed else self._openings.held(number, LAPTOPS)

    def _open(self, number: str) -> None:
        """Open an order for the first change that waits for it."""
        record: OrderRecord | None = self._actor.store.get("orders", number)
        is_free = record is not None and not _is_locked(record)
        if is_free and self._actor.store.get("parked", number):
            self._openings.open(number, LAPTOPS, lambda opened: self._go_on_with(number, opened))

    def _go_on_with(self, number: str, opened: Opened) -> None:
        """Let the first change go on that waited, or try again later."""
        is_hopeless = opened.reason == OUT_OF_REACH and self._on_erp_down is OnErpDown.REJECT
        if opened.reason is not None and not is_hopeless:
            self._actor.after(LATER, OpenAgain(number))
            return
        if opened.reason is not None:
            self._closed[number] = opened.reason
        elif not self._actor.store.get("parked", number):
            self._openings.left(number)  # what it was opened for was given up
            return
        with self._actor.commit() as change:
            self.release(change, number)

    def open_again(self, again: OpenAgain) -> None:
        """Try again to open an order that could not be opened."""
        self._open(again.number)

    def _why_not(self, luw: Luw, bdoc: SyncBDoc, record: OrderRecord) -> str | None:
        """Return why a change of an order is refused, whatever the ERP may say, or None."""
        return (
            why_only_shown(record.document)
            or self._why_not_theirs(bdoc)
            or self._why_too_late(luw, bdoc)
        )

    def _why_final(self, document: OrderDocument, bdoc: SyncBDoc) -> str | None:
        """Return why what a laptop changes is final, or None."""
        return why_not_change(document, order_of(bdoc.guid, document.order, bdoc.segments))

    def _why_not_theirs(self, bdoc: SyncBDoc) -> str | None:
        """Return why a laptop may not change what it has to give up, or None."""
        if self._taken_away is TakenAway.ACCEPT or bdoc.task is Task.INSERT:
            return None
        sites = self._actor.store.get("lookup", bdoc.key)
        if sites is None or bdoc.site in sites:
            return None
        return "it belongs to somebody else by now"

    def _why_too_late(self, luw: Luw, bdoc: SyncBDoc) -> str | None:
        """Return why a change that is processed again would overwrite a newer one, or None."""
        if not isinstance(luw.body, Reprocess) or not self._guarantees.newest_stays:
            return None
        if not self._answers.is_late(bdoc):
            return None
        return f"a later change of it by {bdoc.site} is stored already"

    def must_retry(self, luw: Luw) -> bool:
        """Say whether a change has to be tried again because its document is locked."""
        body = body_of(luw)
        if self._on_lock is not OnLock.RETRY or not isinstance(body, SyncBDoc):
            return False
        if self._service.is_being_distributed(body.key):
            return True
        number = self._actor.store.get("numbers", body.guid)
        record: OrderRecord | None = self._actor.store.get("orders", number)
        is_change = body.task is not Task.INSERT
        return is_change and record is not None and _is_locked(record)

    def _is_behind(self, queue: str, number: str) -> bool:
        """Say whether a change has to wait behind others of the same document that do."""
        released, store = _released_queue(number), self._actor.store
        is_waited_for = store.get("parked", number) or store.get(InboundQueues.TABLE, released)
        return queue != released and bool(is_waited_for)

    def _park(self, change: Change, queue: str, luw: Luw, number: str) -> None:
        """Put a change aside, behind those that wait already; one that had its turn goes first."""
        flow = step(self._monitor.taken_up(luw.luw), BDocEvent.STEPPED, BDocEvent.BUSY)
        self._monitor.put(change, flow)
        parked: tuple[Luw, ...] = change.get("parked", number, ())
        is_first = queue == _released_queue(number)
        change.put("parked", number, (luw, *parked) if is_first else (*parked, luw))
        change.note(PARKED, luw.luw, guid=luw.guid, document=number)
        if change.get(SINCE, luw.luw) is None:
            change.put(SINCE, luw.luw, self._actor.now_ns)
            change.then(lambda: self._wait_for(number, luw.luw))

    def started(self) -> None:
        """Go on waiting with all that is parked."""
        for number, parked in list(self._actor.store.table("parked").items()):
            for luw in parked:
                self._wait_for(number, luw.luw)
            self._open(number)

    def _wait_for(self, number: str, luw: str) -> None:
        """Give a parked change up if its document does not get free in time."""
        since_ns = self._actor.store.get(SINCE, luw, self._actor.now_ns)
        left_ns = since_ns + self._park_limit - self._actor.now_ns
        self._actor.after(max(left_ns, 0), ParkedLong(number))

    def parked_long(self, number: str) -> None:
        """Let a change go on that has waited for too long: it will be refused."""
        parked: tuple[Luw, ...] = self._actor.store.get("parked", number, ())
        if parked and self._is_overdue(parked[0]):
            with self._actor.commit() as change:
                self.release(change, number)

    def _is_overdue(self, luw: Luw) -> bool:
        """Say whether a change has been parked for as long as it may."""
        since_ns = self._actor.store.get(SINCE, luw.luw)
        return since_ns is not None and self._actor.now_ns - since_ns >= self._park_limit

    def release(self, change: Change, number: str) -> None:
        """Let the first change go on that was parked; the next one follows when it is done."""
        parked: tuple[Luw, ...] = change.get("parked", number, ())
        if not parked:
            return
        first, *others = parked
        if others:
            change.put("parked", number, tuple(others))
        else:
            change.delete("parked", number)
        self._inbound.put_in(change, _released_queue(number), first)
        flow = self._monitor.record(first.luw)
        if flow.state is BDocState.LACKS_RESOURCES:  # else a copy of it has gone on already
            self._monitor.put(change, step(flow, BDocEvent.RETRIED, BDocEvent.ENQUEUED))

    def _go_on(self, change: Change, queue: str, guid: str) -> None:
        """Release the next parked change, if the one before it has left its document free."""
        number = change.get("numbers", guid, guid)
        if queue != _released_queue(number):
            return
        record: OrderRecord | None = change.get("orders", number)
        is_locked = self._is_sent(change, guid) if record is None else _is_locked(record)
        if not is_locked:
            self.release(change, number)

    @staticmethod
    def _is_sent(change: Change, name: str) -> bool:
        """Say whether a service transaction is on its way to the ERP by what is just being done."""
        return is_being_distributed(change.get("records", key_of(name)))


def _released_queue(number: str) -> str:
    """Return the queue of changes that were parked behind a distribution and go on now."""
    return f"{RELEASED}{number}"


def _is_locked(record: OrderRecord) -> bool:
    """Say whether an order is being distributed to the ERP, so that nobody may change it."""
    return record.is_under_way
