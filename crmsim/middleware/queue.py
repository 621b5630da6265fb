"""How does a queue of logical units of work behave?

A LUW (logical unit of work) is what must be done in the target in one go, exactly once, and in the
order of its queue. Names and states are those of SAP's queued remote function call (qRFC): the head
of a queue is transmitted or executed; a communication failure is retried; the next LUW waits until
the head is confirmed. Sources: CONTRIBUTING.md, S37, S41, S42, S43.
"""

import enum

import attrs

from crmsim.errors import BadValue
from crmsim.units import Duration, Share, minutes, seconds

__all__ = [
    "REPORTED_AFTER",
    "TRANSITIONS",
    "Luw",
    "QueueEvent",
    "QueueKey",
    "QueueStatus",
    "RetryPolicy",
    "WrongQueueEvent",
    "after_event",
    "laptop_of",
    "queue_name",
    "site_queue",
]


@attrs.frozen
class Luw:
    """One logical unit of work."""

    luw: str
    """Its identity, the same at every attempt and in every system."""
    body: object
    """What is to be done: a record of `crmsim.formats`."""
    guid: str = ""
    """The document it is about, for the history."""
    serial: int = 0
    """Its row in the store that holds it; tells two copies apart when nobody de-duplicates."""
    since_ns: int = 0
    """When it came to this queue, in virtual time."""
    also: tuple[str, ...] = ()
    """Queues in which it stands besides the one it is executed from: it needs the head of each."""
    home: str = ""
    """In such a queue: the one it is executed from. Empty where it is executed."""


class QueueStatus(enum.Enum):
    """What the head of a queue is doing."""

    READY = "READY"
    RUNNING = "RUNNING"
    EXECUTED = "EXECUTED"
    WAITING = "WAITING"
    SYSFAIL = "SYSFAIL"
    CPICERR = "CPICERR"
    SYSLOAD = "SYSLOAD"
    RETRY = "RETRY"
    ARETRY = "ARETRY"
    ANORETRY = "ANORETRY"
    STOP = "STOP"
    WAITSTOP = "WAITSTOP"
    WAITUPDA = "WAITUPDA"
    NOSEND = "NOSEND"

    @property
    def needs_person(self) -> bool:
        """Whether nothing happens in the queue until somebody does something about it."""
        return self in (QueueStatus.SYSFAIL, QueueStatus.ANORETRY, QueueStatus.STOP)

    @property
    def is_reported_at_once(self) -> bool:
        """Whether the monitor reports it at once; the others only when they last (S43)."""
        return self in _REPORTED_AT_ONCE


_Q = QueueStatus
_REPORTED_AT_ONCE = (
    *(_Q.SYSFAIL, _Q.CPICERR, _Q.STOP, _Q.WAITSTOP),
    *(_Q.RETRY, _Q.ARETRY, _Q.ANORETRY, _Q.SYSLOAD),
)
REPORTED_AFTER: Duration = minutes(30)
"""How long a queue may be in any other state before the monitor reports it (S43)."""


class QueueEvent(enum.Enum):
    """What happens to the head of a queue."""

    SCHEDULED = "scheduled"
    DONE = "done"
    CONFIRMED = "confirmed"
    COMM_FAILED = "communication failed"
    DUMPED = "dumped"
    APP_RETRY = "put off by the application"
    APP_BUSY = "kept waiting by the application"
    APP_CANCEL = "cancelled by the application"
    NO_PROCESS = "left without a work process"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    ACTIVATED = "activated again"
    DELETED = "deleted"
    PREDECESSOR_OPEN = "made to wait for another queue"
    PREDECESSOR_LOCKED = "made to wait for a locked queue"
    PREDECESSOR_DONE = "freed by another queue"
    UPDATE_PENDING = "kept waiting for the update"
    FETCHED = "fetched by its receiver"


_H = QueueEvent
_STANDING = tuple(
    status for status in QueueStatus if status not in (_Q.RUNNING, _Q.EXECUTED, _Q.STOP, _Q.NOSEND)
)
"""States in which nobody works on the head at the moment."""

TRANSITIONS: dict[tuple[QueueStatus, QueueEvent], QueueStatus] = {
    (_Q.READY, _H.SCHEDULED): _Q.RUNNING,
    (_Q.READY, _H.NO_PROCESS): _Q.SYSLOAD,
    (_Q.READY, _H.PREDECESSOR_OPEN): _Q.WAITING,
    (_Q.READY, _H.PREDECESSOR_LOCKED): _Q.WAITSTOP,
    (_Q.WAITING, _H.PREDECESSOR_DONE): _Q.READY,
    (_Q.WAITING, _H.PREDECESSOR_LOCKED): _Q.WAITSTOP,
    (_Q.WAITSTOP, _H.UNLOCKED): _Q.WAITING,
    (_Q.WAITSTOP, _H.PREDECESSOR_DONE): _Q.READY,
    (_Q.SYSLOAD, _H.SCHEDULED): _Q.RUNNING,
    (_Q.RETRY, _H.SCHEDULED): _Q.RUNNING,
    (_Q.ARETRY, _H.SCHEDULED): _Q.RUNNING,
    (_Q.RUNNING, _H.DONE): _Q.EXECUTED,
    (_Q.RUNNING, _H.CONFIRMED): _Q.READY,
    (_Q.RUNNING, _H.COMM_FAILED): _Q.CPICERR,
    (_Q.RUNNING, _H.DUMPED): _Q.SYSFAIL,
    (_Q.RUNNING, _H.APP_RETRY): _Q.ARETRY,
    (_Q.RUNNING, _H.APP_BUSY): _Q.RETRY,
    (_Q.RUNNING, _H.APP_CANCEL): _Q.ANORETRY,
    (_Q.RUNNING, _H.UPDATE_PENDING): _Q.WAITUPDA,
    (_Q.RUNNING, _H.ACTIVATED): _Q.READY,
    (_Q.RUNNING, _H.DELETED): _Q.READY,
    (_Q.RUNNING, _H.LOCKED): _Q.STOP,
    (_Q.WAITUPDA, _H.DONE): _Q.EXECUTED,
    (_Q.WAITUPDA, _H.DUMPED): _Q.SYSFAIL,
    (_Q.EXECUTED, _H.CONFIRMED): _Q.READY,
    (_Q.EXECUTED, _H.ACTIVATED): _Q.READY,
    (_Q.EXECUTED, _H.DELETED): _Q.READY,
    (_Q.CPICERR, _H.CONFIRMED): _Q.READY,
    (_Q.SYSLOAD, _H.CONFIRMED): _Q.READY,
    (_Q.STOP, _H.UNLOCKED): _Q.READY,
    (_Q.STOP, _H.DELETED): _Q.STOP,
    (_Q.NOSEND, _H.FETCHED): _Q.NOSEND,
    (_Q.NOSEND, _H.DELETED): _Q.NOSEND,
    (_Q.NOSEND, _H.LOCKED): _Q.STOP,
    **{(status, _H.ACTIVATED): _Q.READY for status in _STANDING},
    **{(status, _H.DELETED): _Q.READY for status in _STANDING},
    **{(status, _H.LOCKED): _Q.STOP for status in _STANDING},
}
"""Every transition there is; any other pair is a `WrongQueueEvent`. CONFIRMED after CPICERR
or SYSLOAD: the receipt of an earlier attempt came late. ACTIVATED while RUNNING: the unit may be
executed twice. LOCKED while RUNNING: the unit in hand comes to its end, the next does not begin."""


class WrongQueueEvent(BadValue):
    """Something happened to a queue that cannot happen in its state."""


def after_event(status: QueueStatus, event: QueueEvent) -> QueueStatus:
    """Return the status of a queue after an event.

    Raises:
        WrongQueueEvent: the event cannot happen in this status.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise WrongQueueEvent(f"a queue that is {status.value} cannot be {event.value}") from None


class QueueKey(enum.Enum):
    """What shares a queue, and so keeps its order and waits for each other."""

    PER_DOCUMENT = "per document"
    PER_PARENT = "per parent"
    PER_OBJECT_TYPE = "per object type"


@attrs.frozen
class RetryPolicy:
    """When the same thing is tried again.

    The wait before attempt n is `first` times `factor` to the n, at most `most`, and less a random
    part of it (`jitter`), so that those who failed together do not come back together.
    """

    first: Duration = seconds(20)
    factor: float = 2.0
    most: Duration = minutes(5)
    jitter: Share = Share(0.5)

    def __attrs_post_init__(self) -> None:
        if self.first <= 0 or self.most < self.first or self.factor < 1:
            raise BadValue(
                "a retry waits longer than zero, never shorter than before, at most `most`"
            )

    def wait_ns(self, attempt: int, u: float) -> int:
        """Return how long to wait for an answer to attempt `attempt` (from 0) before the next."""
        full_ns = min(self.first * self.factor ** min(attempt, 64), float(self.most))
        return int(full_ns * (1 - self.jitter * u))


def queue_name(family: str, key: QueueKey, number: str, parent: str) -> str:
    """Return the name of the queue for work on an order.

    Args:
        family: ``R3AU`` (CRM to ERP), ``R3AD`` (ERP to CRM) or ``CSA`` (inside CRM).
        key: What shares a queue.
        number: The number of the order.
        parent: Its customer.

    >>> queue_name("R3AU", QueueKey.PER_DOCUMENT, "0005000001", "C-7")
    'R3AU_SALESDO0005000001'
    """
    keys = {QueueKey.PER_DOCUMENT: number, QueueKey.PER_PARENT: f"_{parent}"}
    return f"{family}_SALESDO{keys.get(key, '')}"


def site_queue(site: str) -> str:
    """Return the queue of a laptop: what it sends inwards, what it fetches outwards."""
    return f"CRM_SITE_{site}"


def laptop_of(queue: str) -> str:
    """Return whose queue that is, inwards or outwards.

    >>> laptop_of(site_queue("laptop-1") + " out")
    'laptop-1'
    """
    return queue.removeprefix("CRM_SITE_").removesuffix(" out")
