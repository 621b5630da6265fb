"""What do CRM and the ERP say to each other, and how are the rows of their queues kept?

The messages carry what is to be done without looking at it, so the ERP never hears of BDocs.
"""

import attrs
from pyrsistent import PDeque, pdeque

from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change, Store
from crmsim.kernel.message import message
from crmsim.middleware.queue import Luw, QueueEvent, QueueStatus
from crmsim.trace.kinds import ENQUEUED

__all__ = [
    "ACTIONS",
    "Action",
    "Alert",
    "Guarantees",
    "Receipt",
    "Rows",
    "Transfer",
    "append_row",
    "find_row",
    "head_of",
    "rows_of",
    "take_row_out",
]


@attrs.frozen
class Guarantees:
    """Which parts of "exactly once, in order" are switched on; off shows the damage."""

    dedup: bool = True
    """Targets remember LUW ids, message ids, GUIDs and numbers."""
    receipts: bool = True
    """A laptop empties its outbox only when the server has receipted."""
    in_order: bool = True
    """The next LUW of a queue waits for the one before."""
    newest_stays: bool = True
    """An old BDoc that is processed again never overwrites what is newer."""


@message(about=("queue", "luw"))
class Transfer:
    """The head of a queue goes from one system to the other."""

    queue: str
    luw: str
    body: object
    guid: str
    attempt: int


@message(about=("queue", "luw", "attempt"))
class Receipt:
    """The target holds this LUW durably."""

    queue: str
    luw: str
    attempt: int


@message(about=("luw", "count"))
class Alert:
    """A queue needs a person. System to its operator.

    It is about the unit of work, so that the operator's luck is the same whatever shares a queue.
    """

    queue: str
    luw: str
    status: QueueStatus
    count: int
    """How often this LUW has needed somebody by now, from 1."""


@message(about=("queue", "luw", "what"))
class Action:
    """A person does something about a queue. Operator to system."""

    queue: str
    luw: str
    what: str
    """``activate``, ``delete LUW``, ``delete queue``, ``park``, ``lock`` or ``unlock``."""


ACTIONS = {
    "activate": QueueEvent.ACTIVATED,
    "delete LUW": QueueEvent.DELETED,
    "delete queue": QueueEvent.DELETED,
    "park": QueueEvent.DELETED,
    "lock": QueueEvent.LOCKED,
    "unlock": QueueEvent.UNLOCKED,
}
"""What a person can do -> what that is for the queue."""

Rows = PDeque[Luw]
"""A queue as it is stored: a frozen value that is not copied when it grows or shrinks at an end."""
_EMPTY: Rows = pdeque()


def rows_of(store: Store, table: str, queue: str) -> Rows:
    """Return the LUWs of a queue, in order."""
    rows: Rows = store.get(table, queue, _EMPTY)
    return rows


def head_of(store: Store, table: str, queue: str) -> Luw | None:
    """Return the LUW in front of a queue; None when it is empty."""
    rows = rows_of(store, table, queue)
    return rows.left if rows else None


def find_row(actor: Actor, table: str, queue: str, serial: int) -> Luw | None:
    """Return the LUW of a row; None when it is gone."""
    rows = rows_of(actor.store, table, queue)
    return next((luw for luw in rows if luw.serial == serial), None)


def take_row_out(change: Change, table: str, queue: str, serial: int) -> None:
    """Take a LUW out of its queue, as part of a change; an empty queue is no row at all."""
    rows: Rows = change.get(table, queue, _EMPTY)
    if rows and rows.left.serial == serial:
        left = rows.popleft()
    else:
        left = pdeque(luw for luw in rows if luw.serial != serial)
    if left:
        change.put(table, queue, left)
    else:
        change.delete(table, queue)


def append_row(actor: Actor, change: Change, table: str, queue: str, luw: Luw) -> Luw:
    """Put a LUW at the end of a queue, as part of a change."""
    rows: Rows = change.get(table, queue, _EMPTY)
    serial = _next_serial(change, table)
    numbered = attrs.evolve(luw, serial=serial, since_ns=actor.now_ns)
    change.put(table, queue, rows.append(numbered))
    said = {"home": luw.home} if luw.home else {}
    change.note(ENQUEUED, luw.luw, queue=queue, serial=serial, guid=luw.guid, **said)
    return numbered


def _next_serial(change: Change, table: str) -> int:
    """Number the rows of a store, durably."""
    serial = int(change.get("serials", table, 0)) + 1
    change.put("serials", table, serial)
    return serial
