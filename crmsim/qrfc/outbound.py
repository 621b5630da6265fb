"""How are LUWs sent to another system, exactly once and in order, over a line that does not?

The sending half of a queued call (SAP: SMQ1, scheduler QOUT): the head of each queue is transmitted
until its receipt comes, with waits that grow and are spread; then the next one. What is in the
queues is durable. Which head is being tried is not: after a crash all heads are tried again, and
the target drops what it knows already. Sources: CONTRIBUTING.md, S37, S41, S42.
"""

from collections.abc import Iterable
from typing import Any

from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import Luw, QueueEvent, QueueStatus, RetryPolicy, after_event
from crmsim.qrfc.wire import (
    Guarantees,
    Receipt,
    Transfer,
    append_row,
    find_row,
    head_of,
    rows_of,
    take_row_out,
)
from crmsim.trace.kinds import BEGUN, CLEARED, ENDED, FAILED, RETRIED

__all__ = ["OutboundQueues", "RetryDue"]


@message(about=("queue", "serial"))
class RetryDue:
    """No receipt came in time: try the LUW again."""

    queue: str
    serial: int
    attempt: int


class OutboundQueues:
    """The sending half of one system.

    Args:
        actor: Whose queues they are.
        target: The name of the actor at the other end.
        policy: When a LUW is transmitted again.
        guarantees: What is switched on.
        connections: How many LUWs may be under way at once; None for any number. One that gets no
            receipt gives its connection up before it is tried again.
    """

    TABLE = "outbound"

    def __init__(
        self,
        actor: Actor,
        target: str,
        policy: RetryPolicy,
        guarantees: Guarantees,
        connections: int | None = None,
    ) -> None:
        self._connections = connections
        self._actor = actor
        self._target = target
        self._policy = policy
        self._guarantees = guarantees
        self._status: dict[tuple[str, int], QueueStatus] = {}
        """(queue, serial) -> what the attempt at this LUW is doing; not durable."""
        self._under_way: set[tuple[str, int]] = set()
        """(queue, serial) of LUWs that hold a connection."""
        self._lined_up: dict[tuple[str, int], int] = {}
        """(queue, serial) of LUWs that wait for a connection -> which try it will be."""
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
        key = (queue, append_row(self._actor, change, self.TABLE, queue, luw).serial)
        self._unsafe.add(key)
        change.then(lambda: self._written(key))

    def _written(self, key: tuple[str, int]) -> None:
        self._unsafe.discard(key)
        self.go_on(key[0])

    def go_on(self, queue: str) -> None:
        """Transmit what may be transmitted now: the head, or everything when order is off."""
        if self._guarantees.in_order and queue in self._ending:
            return
        for luw in self._due(queue):
            key = (queue, luw.serial)
            if key not in self._status and key not in self._unsafe:
                self._status[queue, luw.serial] = QueueStatus.READY
                self._offer(key, luw, 0)

    def _due(self, queue: str) -> Iterable[Luw]:
        if not self._guarantees.in_order:
            return rows_of(self._actor.store, self.TABLE, queue)
        head = head_of(self._actor.store, self.TABLE, queue)
        return () if head is None else (head,)

    def _offer(self, key: tuple[str, int], luw: Luw, attempt: int) -> None:
        """Transmit a LUW, or let it wait for a connection."""
        if self._connections is None or len(self._under_way) < self._connections:
            self._transmit(key[0], luw, attempt)
            return
        self._status[key] = after_event(self._status[key], QueueEvent.NO_PROCESS)
        self._lined_up[key] = attempt

    def _free(self, key: tuple[str, int]) -> None:
        """Give up a connection; whoever has waited longest gets it."""
        self._under_way.discard(key)
        while self._lined_up and len(self._under_way) < (self._connections or 0):
            first, attempt = next(iter(self._lined_up.items()))
            del self._lined_up[first]
            luw = find_row(self._actor, self.TABLE, *first)
            assert luw is not None, "it is in its queue as long as it has a status"
            self._transmit(first[0], luw, attempt)

    def _transmit(self, queue: str, luw: Luw, attempt: int) -> None:
        key = (queue, luw.serial)
        self._under_way.add(key)
        self._status[key] = after_event(self._status[key], QueueEvent.SCHEDULED)
        self._actor.note(BEGUN, luw.luw, queue=queue, serial=luw.serial, guid=luw.guid)
        if attempt:
            self._actor.note(RETRIED, luw.luw, queue=queue, attempt=attempt)
        to: Address[Any] = self._actor.address(self._target)
        self._actor.send(to, Transfer(queue, luw.luw, luw.body, luw.guid, attempt), attempt=attempt)
        luck = self._actor.luck("retry").uniform(self._identity(queue, luw), attempt)
        wait_ns = self._policy.wait_ns(attempt, luck)
        self._actor.after(wait_ns, RetryDue(queue, luw.serial, attempt))

    def statuses(self) -> dict[str, QueueStatus]:
        """Return what the head of every queue is doing, for the monitor."""
        heads = self._actor.store.table(self.TABLE).items()
        return {
            queue: self._status.get((queue, luws.left.serial), QueueStatus.READY)
            for queue, luws in heads
        }

    @staticmethod
    def _identity(queue: str, luw: Luw) -> int:
        return int(Receipt(queue, luw.luw, 0).__identity__())  # type: ignore[attr-defined]

    def retry(self, due: RetryDue) -> None:
        """Try again, unless the receipt came meanwhile."""
        key = (due.queue, due.serial)
        if key not in self._status:
            return
        luw = find_row(self._actor, self.TABLE, due.queue, due.serial)
        assert luw is not None, "it is in its queue as long as it has a status"
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
        self._free(key)
        self._offer(key, luw, due.attempt + 1)

    def receipted(self, receipt: Receipt) -> None:
        """Take a LUW out of its queue: the target holds it durably."""
        luws = rows_of(self._actor.store, self.TABLE, receipt.queue)
        luw = next((luw for luw in luws if luw.luw == receipt.luw), None)
        key = (receipt.queue, luw.serial if luw is not None else 0)
        if luw is None or key not in self._status:
            return  # a second receipt of the same LUW
        after_event(self._status.pop(key), QueueEvent.CONFIRMED)
        self._lined_up.pop(key, None)
        self._ending.add(receipt.queue)
        with self._actor.commit() as change:
            take_row_out(change, self.TABLE, receipt.queue, luw.serial)
            said = {"queue": receipt.queue, "guid": luw.guid}
            change.note(ENDED, luw.luw, serial=luw.serial, **said)
            change.note(CLEARED, luw.luw, **said)
            change.then(lambda: self._ended(key))

    def _ended(self, key: tuple[str, int]) -> None:
        self._ending.discard(key[0])
        self._free(key)
        self.go_on(key[0])
