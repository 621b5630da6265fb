"""How are LUWs executed, each queue in its order, by a limited number of work processes?

The receiving half of a queued call (SAP: SMQ2, scheduler QIN): a LUW is stored durably, once, and
only then receipted. The heads of the queues wait for a work process; with none free, they are in
SYSLOAD. A head that ends in a dump leaves its queue in SYSFAIL, one that the application cancels in
ANORETRY: nothing happens there until a person does something. A head that is put off (RETRY) is
tried again by itself. Queues do not wait for each other. While an object is loaded, the queues with
single changes of it are suspended: they fill up, and nothing of them begins.
Sources: CONTRIBUTING.md, S37, S41, S43, S63.
"""

import enum
from collections.abc import Callable, Iterable

import attrs

from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.load import is_work_about
from crmsim.middleware.queue import (
    Luw,
    QueueEvent,
    QueueStatus,
    RetryPolicy,
    WrongQueueEvent,
    after_event,
)
from crmsim.qrfc.processes import Work
from crmsim.qrfc.wire import (
    ACTIONS,
    Action,
    Alert,
    Guarantees,
    Receipt,
    Rows,
    Transfer,
    append_row,
    find_row,
    head_of,
    rows_of,
    take_row_out,
)
from crmsim.trace.kinds import (
    ADMINISTERED,
    BEGUN,
    EFFECTED,
    ENDED,
    FAILED,
    RECEIVED,
)

__all__ = [
    "SUSPENDED",
    "InboundQueues",
    "Outcome",
    "PutOff",
]


@message(about=("queue", "serial"))
class PutOff:
    """The wait of a LUW that the application put off is over."""

    queue: str
    serial: int
    attempt: int


class Outcome(enum.Enum):
    """What became of an attempt at a LUW."""

    DONE = "done"
    SET_ASIDE = "set aside"
    """It left its queue without an effect, and waits elsewhere."""
    DUMPED = "dumped"
    BUSY = "busy"
    CANCELLED = "cancelled"


_FAILURES = {
    Outcome.DUMPED: QueueEvent.DUMPED,
    Outcome.BUSY: QueueEvent.APP_BUSY,
    Outcome.CANCELLED: QueueEvent.APP_CANCEL,
}
SUSPENDED = "suspended"
"""(family of queues, object) of which no single change is executed just now."""
_NO_LUW = Luw("", None)
"""What stands at the head of an empty queue."""
Key = tuple[str, int]
"""(queue, serial of the row)"""


@attrs.frozen
class InHand:
    """What a work process is doing."""

    queue: str
    luw: Luw


class InboundQueues:
    """The receiving half of one system.

    Args:
        actor: Whose queues they are.
        work_processes: The names of the work processes, one for each LUW executed at a time.
        operator: The name of the actor who looks after stuck queues; None when nobody does.
        service_ns: How long the work on a LUW takes.
        trouble: Says what is wrong with a LUW before it has an effect; DONE for nothing.
        execute: Does the work, as part of a commit; False when the LUW was set aside instead.
        policy: When a LUW that was put off is tried again.
        guarantees: What is switched on.
    """

    TABLE = "inbound"

    def __init__(
        self,
        actor: Actor,
        work_processes: tuple[str, ...],
        operator: str | None,
        service_ns: Callable[[Luw], int],
        trouble: Callable[[Luw], Outcome],
        execute: Callable[[Change, str, Luw], bool],
        policy: RetryPolicy,
        guarantees: Guarantees,
    ) -> None:
        self._actor = actor
        self._free = dict.fromkeys(work_processes)
        """Work processes that have nothing to do, in the order in which they became free."""
        self._operator = operator
        self._service_ns = service_ns
        self._trouble = trouble
        self._execute = execute
        self._policy = policy
        self._guarantees = guarantees
        self._ready: dict[Key, None] = {}
        """LUWs that wait for a work process, in order."""
        self._running: dict[Key, int] = {}
        """LUWs that work processes have in hand -> how many have it."""
        self._in_hand: dict[str, InHand] = {}
        """Work process -> what it has in hand."""
        self._unsafe: set[Key] = set()
        """LUWs whose commit is not written yet; they must not begin."""
        self._ending: dict[str, None] = {}
        """Queues that lose the mark of a LUW by a commit that is not written yet."""
        self._put_off: set[Key] = set()
        """LUWs that the application put off, while their wait lasts."""
        self._tries: dict[Key, int] = {}
        """LUWs that the application put off -> how often."""
        self._is_closing = False
        """Whether nothing begins any more, because the system is about to be stopped."""

    def started(self) -> None:
        """Take up every head again after a crash; tell the operator once more what is stuck."""
        for queue in list(self._actor.store.table(self.TABLE)):
            self._line_up(queue)
            self._alert(queue)
        self._go_on()

    # --- coming in ---

    def knows(self, luw: str) -> bool:
        """Say whether a LUW of this identity was stored before."""
        return self._guarantees.dedup and bool(self._actor.store.get("known", luw, False))

    def store(self, change: Change, queue: str, luw: Luw) -> bool:
        """Store a LUW durably, once; False when it was known already."""
        if self.knows(luw.luw):
            return False
        change.put("known", luw.luw, True)
        self.put_in(change, queue, luw)
        change.note(RECEIVED, luw.luw, queue=queue, guid=luw.guid)
        return True

    def put_in(self, change: Change, queue: str, luw: Luw, also: tuple[str, ...] = ()) -> None:
        """Put a LUW of the system's own at the end of a queue.

        Args:
            change: The commit that does it.
            queue: The queue that it is executed from.
            luw: What is to be done.
            also: Other queues in which it must be the head too, so that it keeps its place among
                their work as well. They wait for it.
        """
        if also and self._guarantees.in_order:
            mark = attrs.evolve(luw, body=None, home=queue)
            for other in also:
                append_row(self._actor, change, self.TABLE, other, mark)
            luw = attrs.evolve(luw, also=also)
        key = (queue, append_row(self._actor, change, self.TABLE, queue, luw).serial)
        self._unsafe.add(key)
        change.then(lambda: self._written(key))

    def _written(self, key: Key) -> None:
        self._unsafe.discard(key)
        self._arrived(key[0])

    def transferred(self, transfer: Transfer, sender: Address[Receipt]) -> None:
        """Take a LUW from the other system, and receipt it once it is durable."""
        with self._actor.commit() as change:
            luw = Luw(transfer.luw, transfer.body, transfer.guid)
            self.store(change, transfer.queue, luw)
            receipt = Receipt(transfer.queue, transfer.luw, transfer.attempt)
            change.send(sender, receipt, attempt=transfer.attempt)

    # --- being executed ---

    def _arrived(self, queue: str) -> None:
        self._line_up(queue)
        self._go_on()

    def _line_up(self, queue: str) -> None:
        if self._standing(queue).needs_person:
            return
        is_busy = queue in self._ending or any(running == queue for running, _ in self._running)
        if self._guarantees.in_order and is_busy:
            return  # its head is still being worked on, or taken out by a commit in the making
        for luw in self._heads(queue):
            if luw.home:
                self._line_up(luw.home)
                return
            if self._awaited(luw) is not None or self._is_suspended(queue, luw):
                return
            key = (queue, luw.serial)
            if key not in self._running and key not in self._unsafe and key not in self._put_off:
                self._ready.setdefault(key)

    def _awaited(self, luw: Luw) -> str | None:
        """Return a queue in which a LUW is not at the head yet, or that stands still; or None."""
        for other in luw.also:
            head = head_of(self._actor.store, self.TABLE, other)
            if head is None or head.luw != luw.luw or self._standing(other).needs_person:
                return other
        return None

    def _heads(self, queue: str) -> Iterable[Luw]:
        if not self._guarantees.in_order:
            return rows_of(self._actor.store, self.TABLE, queue)
        head = head_of(self._actor.store, self.TABLE, queue)
        return () if head is None else (head,)

    def _standing(self, queue: str) -> QueueStatus:
        """Return the status of a queue as far as it is durable: one that needs a person."""
        status: QueueStatus = self._actor.store.get("queue status", queue, QueueStatus.READY)
        return status

    def _go_on(self) -> None:
        while self._ready and self._free and not self._is_closing:
            key = next(iter(self._ready))
            del self._ready[key]
            luw = find_row(self._actor, self.TABLE, *key)
            if luw is not None and self._may_begin(key[0], luw):
                process = next(iter(self._free))
                del self._free[process]
                self._begin(process, key[0], luw)

    def close(self) -> bool:
        """Begin nothing any more, until a restart; say whether all that had begun is done."""
        self._is_closing = True
        return not self._in_hand

    def _may_begin(self, queue: str, luw: Luw) -> bool:
        """Say whether a LUW that has lined up may still begin; its queue can be locked since."""
        if self._standing(queue).needs_person or self._is_suspended(queue, luw):
            return False
        return self._awaited(luw) is None

    def suspend(self, change: Change, family: str, about: str) -> None:
        """Begin nothing more, until a release, of the single changes of an object.

        Args:
            change: The commit that does it.
            family: ``R3AD`` (what the ERP tells) or ``CSA`` (what was saved in CRM Online).
            about: The name of the object.
        """
        change.put(SUSPENDED, (family, about), True)

    def release(self, change: Change, family: str, about: str) -> None:
        """Let go on what was suspended; a queue that a person has locked stays locked."""
        change.delete(SUSPENDED, (family, about))
        change.then(lambda: self._released(family))

    def _released(self, family: str) -> None:
        for queue in list(self._actor.store.table(self.TABLE)):
            if queue.startswith(family):
                self._line_up(queue)
        self._go_on()

    def _is_suspended(self, queue: str, luw: Luw) -> bool:
        return any(
            queue.startswith(family) and is_work_about(about, queue, luw.guid)
            for family, about in self._actor.store.table(SUSPENDED)
        )

    def _begin(self, process: str, queue: str, luw: Luw) -> None:
        key = (queue, luw.serial)
        self._running[key] = self._running.get(key, 0) + 1
        self._in_hand[process] = InHand(queue, luw)
        self._actor.note(BEGUN, luw.luw, queue=queue, serial=luw.serial, guid=luw.guid)
        service_ns = int(self._service_ns(luw) * self._actor.slowness)
        self._actor.send(self._actor.address(process), Work(queue, luw.serial, service_ns))
        self._actor.working(service_ns, luw.luw)

    def executed(self, process: str) -> None:
        """Make the effect of a LUW durable, or keep it in its queue, and free the process."""
        done = self._in_hand.pop(process)
        queue, luw = done.queue, done.luw
        is_there = find_row(self._actor, self.TABLE, queue, luw.serial) is not None
        if not is_there and self._guarantees.dedup:
            said = {"queue": queue, "serial": luw.serial, "guid": luw.guid}
            self._actor.note(FAILED, luw.luw, reason=QueueStatus.EXECUTED.value, **said)
            self._release(process, queue, luw)  # another process has done it already
            return
        outcome = self._trouble(luw)
        with self._actor.commit() as change:
            if outcome is Outcome.DONE:
                self._take_effect(change, queue, luw)
                self._ending |= dict.fromkeys(luw.also)
            else:
                self._fail(change, queue, luw, outcome)
            change.then(lambda: self._release(process, queue, luw))

    def _take_effect(self, change: Change, queue: str, luw: Luw) -> None:
        take_row_out(change, self.TABLE, queue, luw.serial)
        for other in luw.also:
            self._end_mark(change, other, luw)
        self._tries.pop((queue, luw.serial), None)
        if self._execute(change, queue, luw):
            target = self._actor.name
            change.note(EFFECTED, luw.luw, queue=queue, guid=luw.guid, target=target)
        change.note(ENDED, luw.luw, queue=queue, serial=luw.serial, guid=luw.guid)

    def _end_mark(self, change: Change, queue: str, luw: Luw) -> None:
        """Take a LUW out of a queue that waited for it."""
        rows = rows_of(self._actor.store, self.TABLE, queue)
        mark = next((row for row in rows if row.luw == luw.luw), None)
        if mark is None:
            return  # it was executed twice, as it may be without memory
        take_row_out(change, self.TABLE, queue, mark.serial)
        change.note(ENDED, luw.luw, queue=queue, serial=mark.serial, guid=luw.guid)

    def _fail(self, change: Change, queue: str, luw: Luw, outcome: Outcome) -> None:
        status = after_event(QueueStatus.RUNNING, _FAILURES[outcome])
        change.note(
            FAILED,
            luw.luw,
            queue=queue,
            serial=luw.serial,
            guid=luw.guid,
            reason=status.value,
        )
        if status.needs_person:
            count = 1 + int(self._actor.store.get("stuck", luw.luw, 0))
            change.put("stuck", luw.luw, count)
            if self._standing(queue) is not QueueStatus.STOP:  # a lock stays until it is lifted
                change.put("queue status", queue, status)
            change.then(lambda: self._alert(queue))
            return
        key = (queue, luw.serial)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        self._put_off.add(key)
        u = self._actor.luck("put off").uniform(luw.serial, tries)
        wait_ns = self._policy.wait_ns(tries - 1, u)
        change.then(lambda: self._wait(wait_ns, PutOff(queue, luw.serial, tries)))

    def _wait(self, wait_ns: int, message: PutOff) -> None:
        self._actor.after(wait_ns, message)

    def put_off_over(self, message: PutOff) -> None:
        """Try a LUW again that the application had put off."""
        key = message.queue, message.serial
        if key in self._put_off and self._tries.get(key) == message.attempt:
            self._put_off.discard(key)
            self._arrived(message.queue)

    def _release(self, process: str, queue: str, luw: Luw) -> None:
        key = (queue, luw.serial)
        left = self._running.pop(key, 1) - 1
        if left > 0:
            self._running[key] = left
        self._free.setdefault(process)
        for other in luw.also:
            self._ending.pop(other, None)
            self._line_up(other)
        self._arrived(queue)

    # --- people ---

    def _alert(self, queue: str) -> None:
        """Tell the operator that a queue needs somebody."""
        status = self._standing(queue)
        head = head_of(self._actor.store, self.TABLE, queue)
        if self._operator is None or head is None or status is QueueStatus.READY:
            return
        count: int = self._actor.store.get("stuck", head.luw, 0)
        if status is not QueueStatus.STOP:
            to = self._actor.address(self._operator)
            self._actor.send(to, Alert(queue, head.luw, status, count))

    def administer(self, action: Action) -> None:
        """Do what a person asks for; nothing when the unit is no longer there.

        What cannot be done to the queue as it is now is refused, and the history says so.
        """
        head = head_of(self._actor.store, self.TABLE, action.queue) or _NO_LUW
        event = ACTIONS[action.what]
        is_about_queue = event in (QueueEvent.LOCKED, QueueEvent.UNLOCKED)
        is_missing = head is _NO_LUW and not is_about_queue
        if is_missing or action.luw not in ("", head.luw):
            return
        status = self._status_of(action.queue, head)
        said = {"queue": action.queue, "guid": head.guid}
        try:
            following = after_event(status, event)
        except WrongQueueEvent:
            refused = f"{action.what}: refused, the queue is {status.value}"
            self._actor.note(ADMINISTERED, head.luw, action=refused, **said)
            return
        with self._actor.commit() as change:
            if event is QueueEvent.DELETED:
                rows = rows_of(self._actor.store, self.TABLE, action.queue)
                self._remove(change, action, rows if action.what == "delete queue" else [head])
            else:
                change.note(ADMINISTERED, head.luw, action=action.what, **said)
            if following.needs_person:
                change.put("queue status", action.queue, following)
            else:
                change.delete("queue status", action.queue)
            change.then(lambda: self._administered(action, status, head.serial))

    def _remove(self, change: Change, action: Action, gone: Iterable[Luw]) -> None:
        """Take LUWs out of their queues without an effect; they are kept by name."""
        table = "saved LUWs" if action.what == "park" else "deleted LUWs"
        for luw in list(gone):
            for queue in dict.fromkeys((action.queue, *self._queues_of(luw))):
                self._remove_row(change, action.what, table, queue, luw.luw)

    def _queues_of(self, luw: Luw) -> tuple[str, ...]:
        """Return the other queues in which a LUW stands."""
        if not luw.home:
            return luw.also
        rows = rows_of(self._actor.store, self.TABLE, luw.home)
        also = next(row.also for row in rows if row.luw == luw.luw)
        return (luw.home, *also)

    def _remove_row(self, change: Change, what: str, table: str, queue: str, name: str) -> None:
        rows: Rows = change.get(self.TABLE, queue)
        luw = next(row for row in rows if row.luw == name)
        if not luw.home:
            change.put(table, name, luw)
        standing = self._standing(queue)
        if luw is rows.left and not after_event(standing, QueueEvent.DELETED).needs_person:
            change.delete("queue status", queue)
        take_row_out(change, self.TABLE, queue, luw.serial)
        said = {"queue": queue, "serial": luw.serial, "guid": luw.guid, "action": what}
        change.note(ADMINISTERED, name, **said)
        change.then(lambda: self._arrived(queue))

    def _administered(self, action: Action, before: QueueStatus, serial: int) -> None:
        is_there = find_row(self._actor, self.TABLE, action.queue, serial) is not None
        if before is QueueStatus.RUNNING and action.what == "activate" and is_there:
            self._ready.setdefault((action.queue, serial))  # a second process begins it
            self._go_on()
            return
        if action.what == "activate":
            self._put_off.discard((action.queue, serial))
        self._arrived(action.queue)

    def _status_of(self, queue: str, head: Luw) -> QueueStatus:
        key = (queue, head.serial)
        if key in self._running:
            return QueueStatus.RUNNING
        if key in self._put_off:
            return QueueStatus.RETRY
        if key in self._ready and not self._free:
            return QueueStatus.SYSLOAD
        awaited = head.home or self._awaited(head)
        standing = self._standing(queue)
        if self._is_suspended(queue, head) and not standing.needs_person:
            return after_event(standing, QueueEvent.PREDECESSOR_LOCKED)
        if not awaited or standing.needs_person:
            return standing
        is_locked = self._standing(awaited).needs_person
        why = QueueEvent.PREDECESSOR_LOCKED if is_locked else QueueEvent.PREDECESSOR_OPEN
        return after_event(standing, why)

    def statuses(self) -> dict[str, QueueStatus]:
        """Return what the head of every queue is doing, for the monitor."""
        heads = self._actor.store.table(self.TABLE).items()
        return {queue: self._status_of(queue, luws.left) for queue, luws in heads}
