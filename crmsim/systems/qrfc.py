"""How do LUWs get from one system to another, exactly once and in order, over a line that does not?

`OutboundQueues` is the sending half (SAP: SMQ1, scheduler QOUT): the head of each queue is
transmitted until its receipt comes, with waits that grow and are spread; then the next one.
`InboundQueues` is the receiving half (SMQ2, scheduler QIN): a LUW is stored durably, once, and only
then receipted; a limited number of work processes execute the heads of the queues.

What is in the queues is durable. Which head is being tried is not: after a crash all heads are
tried again, and the target drops what it knows already.
"""

import abc
from collections.abc import Callable
from typing import Any

import attrs

from crmsim.chance import Distribution, word_of
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import Luw, QueueEvent, QueueStatus, RetryPolicy, after_event
from crmsim.systems.wire import Receipt, Transfer
from crmsim.systems.workprocess import Executed, Work
from crmsim.trace.kinds import BEGUN, CLEARED, EFFECTED, ENDED, ENQUEUED, FAILED, RECEIVED, RETRIED

__all__ = ["Guarantees", "InboundQueues", "OutboundQueues", "QueuePartner", "RetryDue"]


@attrs.frozen
class Guarantees:
    """Which parts of "exactly once, in order" are switched on; off shows the damage."""

    dedup: bool = True
    """Targets remember LUW ids, message ids, GUIDs and numbers."""
    receipts: bool = True
    """A laptop empties its outbox only when the server has receipted."""
    in_order: bool = True
    """The next LUW of a queue waits for the one before."""


@message(about=("queue", "serial"))
class RetryDue:
    """No receipt came in time: try the LUW again."""

    queue: str
    serial: int
    attempt: int


def _find(actor: Actor, table: str, queue: str, serial: int) -> Luw:
    """Return the LUW of a row that must be there."""
    luws: tuple[Luw, ...] = actor.store.get(table, queue, ())
    return next(luw for luw in luws if luw.serial == serial)


def _take_out(actor: Actor, change: Change, table: str, queue: str, serial: int) -> None:
    """Take a LUW out of its queue, as part of a change; an empty queue is no row at all."""
    luws: tuple[Luw, ...] = actor.store.get(table, queue, ())
    left = tuple(luw for luw in luws if luw.serial != serial)
    if left:
        change.put(table, queue, left)
    else:
        change.delete(table, queue)


def _next_serial(actor: Actor, change: Change, table: str) -> int:
    """Number the rows of a store, durably."""
    pending = [value for name, key, value in change.writes if (name, key) == ("serials", table)]
    serial = int(pending[-1] if pending else actor.store.get("serials", table, 0)) + 1
    change.put("serials", table, serial)
    return serial


def _append(actor: Actor, change: Change, table: str, queue: str, luw: Luw) -> Luw:
    """Put a LUW at the end of a queue, as part of a change."""
    pending = [value for name, key, value in change.writes if (name, key) == (table, queue)]
    luws = pending[-1] if pending else actor.store.get(table, queue, ())
    numbered = attrs.evolve(luw, serial=_next_serial(actor, change, table))
    change.put(table, queue, (*luws, numbered))
    change.note(ENQUEUED, luw.luw, queue=queue, serial=numbered.serial, guid=luw.guid)
    return numbered


class OutboundQueues:
    """The sending half of one system."""

    TABLE = "outbound"

    def __init__(
        self, actor: Actor, target: str, policy: RetryPolicy, guarantees: Guarantees
    ) -> None:
        self._actor = actor
        self._target = target
        self._policy = policy
        self._guarantees = guarantees
        self._status: dict[tuple[str, int], QueueStatus] = {}
        """(queue, serial) -> what the attempt at this LUW is doing; not durable."""
        self._unsafe: set[tuple[str, int]] = set()
        """(queue, serial) of LUWs whose commit is not written yet; they must not leave."""
        self._ending: set[str] = set()
        """Queues whose head is being taken out by a commit that is not written yet."""

    def started(self) -> None:
        """Try every head again after a crash."""
        for queue in list(self._actor.store.table(self.TABLE)):
            self.go_on(queue)

    def enqueue(self, change: Change, queue: str, luw: Luw) -> None:
        """Put a LUW at the end of a queue, in the same commit as the business change."""
        key = (queue, _append(self._actor, change, self.TABLE, queue, luw).serial)
        self._unsafe.add(key)
        change.then(lambda: self._written(key))

    def _written(self, key: tuple[str, int]) -> None:
        self._unsafe.discard(key)
        self.go_on(key[0])

    def go_on(self, queue: str) -> None:
        """Transmit what may be transmitted now: the head, or everything when order is off."""
        if self._guarantees.in_order and queue in self._ending:
            return
        luws: tuple[Luw, ...] = self._actor.store.get(self.TABLE, queue, ())
        for luw in luws[:1] if self._guarantees.in_order else luws:
            key = (queue, luw.serial)
            if key not in self._status and key not in self._unsafe:
                self._status[queue, luw.serial] = QueueStatus.READY
                self._transmit(queue, luw, 0)

    def _transmit(self, queue: str, luw: Luw, attempt: int) -> None:
        key = (queue, luw.serial)
        self._status[key] = after_event(self._status[key], QueueEvent.SCHEDULED)
        self._actor.note(BEGUN, luw.luw, queue=queue, serial=luw.serial, guid=luw.guid)
        if attempt:
            self._actor.note(RETRIED, luw.luw, queue=queue, attempt=attempt)
        to: Address[Any] = self._actor.address(self._target)
        self._actor.send(to, Transfer(queue, luw.luw, luw.body, luw.guid, attempt), attempt=attempt)
        luck = self._actor.luck("retry").uniform(self._identity(queue, luw), attempt)
        wait_ns = self._policy.wait_ns(attempt, luck)
        self._actor.after(wait_ns, RetryDue(queue, luw.serial, attempt))

    @staticmethod
    def _identity(queue: str, luw: Luw) -> int:
        return int(Receipt(queue, luw.luw, 0).__identity__())  # type: ignore[attr-defined]

    def retry(self, due: RetryDue) -> None:
        """Try again, unless the receipt came meanwhile."""
        key = (due.queue, due.serial)
        if key not in self._status:
            return
        luw = _find(self._actor, self.TABLE, due.queue, due.serial)
        self._status[key] = after_event(self._status[key], QueueEvent.COMM_FAILED)
        self._actor.note(
            FAILED,
            luw.luw,
            queue=due.queue,
            serial=luw.serial,
            guid=luw.guid,
            reason="CPICERR",
        )
        self._status[key] = after_event(self._status[key], QueueEvent.ACTIVATED)
        self._transmit(due.queue, luw, due.attempt + 1)

    def receipted(self, receipt: Receipt) -> None:
        """Take a LUW out of its queue: the target holds it durably."""
        luws: tuple[Luw, ...] = self._actor.store.get(self.TABLE, receipt.queue, ())
        luw = next((luw for luw in luws if luw.luw == receipt.luw), None)
        key = (receipt.queue, luw.serial if luw is not None else 0)
        if luw is None or key not in self._status:
            return  # a second receipt of the same LUW
        after_event(self._status.pop(key), QueueEvent.CONFIRMED)
        self._ending.add(receipt.queue)
        with self._actor.commit() as change:
            _take_out(self._actor, change, self.TABLE, receipt.queue, luw.serial)
            said = {"queue": receipt.queue, "guid": luw.guid}
            change.note(ENDED, luw.luw, serial=luw.serial, **said)
            change.note(CLEARED, luw.luw, **said)
            change.then(lambda: self._ended(receipt.queue))

    def _ended(self, queue: str) -> None:
        self._ending.discard(queue)
        self.go_on(queue)


class InboundQueues:
    """The receiving half of one system.

    Args:
        actor: Whose queues they are.
        work_processes: The names of the work processes, one for each LUW executed at a time.
        service_ns: How long the work on a LUW takes.
        execute: Does the work, as part of a commit; False when the LUW was parked instead.
        guarantees: What is switched on.
    """

    TABLE = "inbound"

    def __init__(
        self,
        actor: Actor,
        work_processes: tuple[str, ...],
        service_ns: Callable[[Luw], int],
        execute: Callable[[Change, str, Luw], bool],
        guarantees: Guarantees,
    ) -> None:
        self._actor = actor
        self._free = dict.fromkeys(work_processes)
        """Work processes that have nothing to do, in the order in which they became free."""
        self._service_ns = service_ns
        self._execute = execute
        self._guarantees = guarantees
        self._ready: dict[tuple[str, int], None] = {}
        """(queue, serial) of LUWs that wait for a work process, in order."""
        self._running: dict[tuple[str, int], str] = {}
        """(queue, serial) -> the work process that has it."""
        self._unsafe: set[tuple[str, int]] = set()
        """(queue, serial) of LUWs whose commit is not written yet; they must not begin."""

    def started(self) -> None:
        """Take up every head again after a crash."""
        for queue in list(self._actor.store.table(self.TABLE)):
            self._line_up(queue)
        self._go_on()

    def knows(self, luw: str) -> bool:
        """Say whether a LUW of this identity was stored before."""
        return self._guarantees.dedup and bool(self._actor.store.get("known", luw, False))

    def store(self, change: Change, queue: str, luw: Luw) -> bool:
        """Store a LUW durably, once; False when it was known already."""
        if self.knows(luw.luw):
            return False
        change.put("known", luw.luw, True)
        self._append(change, queue, luw)
        change.note(RECEIVED, luw.luw, queue=queue, guid=luw.guid)
        return True

    def _append(self, change: Change, queue: str, luw: Luw) -> None:
        key = (queue, _append(self._actor, change, self.TABLE, queue, luw).serial)
        self._unsafe.add(key)
        change.then(lambda: self._written(key))

    def _written(self, key: tuple[str, int]) -> None:
        self._unsafe.discard(key)
        self._arrived(key[0])

    def transferred(self, transfer: Transfer, sender: Address[Receipt]) -> None:
        """Take a LUW from the other system, and receipt it once it is durable."""
        with self._actor.commit() as change:
            self.store(change, transfer.queue, Luw(transfer.luw, transfer.body, transfer.guid))
            receipt = Receipt(transfer.queue, transfer.luw, transfer.attempt)
            change.send(sender, receipt, attempt=transfer.attempt)

    def take_back(self, change: Change, queue: str, luw: Luw) -> None:
        """Put a parked LUW into a queue again."""
        self._append(change, queue, luw)

    def _arrived(self, queue: str) -> None:
        self._line_up(queue)
        self._go_on()

    def _line_up(self, queue: str) -> None:
        if self._guarantees.in_order and any(running == queue for running, _ in self._running):
            return  # its head is still being worked on, or taken out by a commit in the making
        luws: tuple[Luw, ...] = self._actor.store.get(self.TABLE, queue, ())
        for luw in luws[:1] if self._guarantees.in_order else luws:
            key = (queue, luw.serial)
            if key not in self._running and key not in self._unsafe:
                self._ready.setdefault(key)

    def _go_on(self) -> None:
        while self._ready and self._free:
            key = next(iter(self._ready))
            del self._ready[key]
            process = next(iter(self._free))
            del self._free[process]
            self._running[key] = process
            self._begin(process, *key)

    def _begin(self, process: str, queue: str, serial: int) -> None:
        luw = _find(self._actor, self.TABLE, queue, serial)
        self._actor.note(BEGUN, luw.luw, queue=queue, serial=serial, guid=luw.guid)
        service_ns = self._service_ns(luw)
        self._actor.send(self._actor.address(process), Work(queue, serial, service_ns))
        self._actor.working(service_ns, luw.luw)

    def executed(self, message: Executed) -> None:
        """Make the effect of a LUW durable and give the work process to the next one."""
        queue, serial = message.queue, message.serial
        luw = _find(self._actor, self.TABLE, queue, serial)
        with self._actor.commit() as change:
            _take_out(self._actor, change, self.TABLE, queue, serial)
            if self._execute(change, queue, luw):
                target = self._actor.name
                change.note(EFFECTED, luw.luw, queue=queue, guid=luw.guid, target=target)
            change.note(ENDED, luw.luw, queue=queue, serial=serial, guid=luw.guid)
            change.then(lambda: self._finished(queue, serial))

    def _finished(self, queue: str, serial: int) -> None:
        self._free.setdefault(self._running.pop((queue, serial)))
        self._arrived(queue)


class QueuePartner(Actor, abc.ABC):
    """A system at one end of queued calls: the handlers that both ends share.

    Args:
        partner: The name of the actor at the other end.
        service_s: How long the work on a LUW takes, in seconds.
        work_processes: The names of the work processes, one for each LUW executed at a time.
        policy: When a LUW is transmitted again.
        guarantees: What is switched on.
    """

    def __init__(
        self,
        partner: str,
        service_s: Distribution,
        work_processes: tuple[str, ...],
        policy: RetryPolicy,
        guarantees: Guarantees,
    ) -> None:
        self._service_s = service_s
        self._guarantees = guarantees
        self._outbound = OutboundQueues(self, partner, policy, guarantees)
        self._inbound = InboundQueues(
            self, work_processes, self._service_ns, self.execute, guarantees
        )

    def started(self) -> None:
        """Take up all queues on the durable state."""
        self._inbound.started()
        self._outbound.started()

    def _service_ns(self, luw: Luw) -> int:
        u = self.luck("service time").uniform(word_of(luw.luw))
        return int(self._service_s.at(u) * 1e9)

    @abc.abstractmethod
    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do the work of a LUW as part of a commit; False when it was put aside instead."""

    @handles(Transfer)
    def transferred(self, message: Transfer, sender: Address[Receipt]) -> None:
        """Take a LUW of the partner."""
        self._inbound.transferred(message, sender)

    @handles(Receipt)
    def receipted(self, message: Receipt, sender: Address[Transfer]) -> None:
        """The partner holds a LUW durably."""
        self._outbound.receipted(message)

    @handles(RetryDue)
    def retry(self, message: RetryDue, sender: object) -> None:
        """No receipt of the partner came in time."""
        self._outbound.retry(message)

    @handles(Executed)
    def executed(self, message: Executed, sender: object) -> None:
        """A work process is done with a LUW."""
        self._inbound.executed(message)
