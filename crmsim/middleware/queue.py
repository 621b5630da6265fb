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
    "TRANSITIONS",
    "Luw",
    "QueueEvent",
    "QueueStatus",
    "RetryPolicy",
    "after_event",
    "csa_queue",
    "delta_queue",
    "site_queue",
    "upload_queue",
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


class QueueStatus(enum.Enum):
    """What the head of a queue is doing."""

    READY = "READY"
    RUNNING = "RUNNING"
    CPICERR = "CPICERR"


class QueueEvent(enum.Enum):
    """What happens to the head of a queue."""

    SCHEDULED = "scheduled"
    COMM_FAILED = "communication failed"
    CONFIRMED = "confirmed"
    ACTIVATED = "activated again"


TRANSITIONS: dict[tuple[QueueStatus, QueueEvent], QueueStatus] = {
    (QueueStatus.READY, QueueEvent.SCHEDULED): QueueStatus.RUNNING,
    (QueueStatus.RUNNING, QueueEvent.COMM_FAILED): QueueStatus.CPICERR,
    (QueueStatus.RUNNING, QueueEvent.CONFIRMED): QueueStatus.READY,
    (QueueStatus.CPICERR, QueueEvent.ACTIVATED): QueueStatus.READY,
    (QueueStatus.CPICERR, QueueEvent.CONFIRMED): QueueStatus.READY,
}
"""Every transition there is; any other pair is an error. CONFIRMED after CPICERR: the receipt of an
earlier attempt came late."""


def after_event(status: QueueStatus, event: QueueEvent) -> QueueStatus:
    """Return the status of a queue after an event.

    Raises:
        BadValue: the event cannot happen in this status.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise BadValue(f"a queue that is {status.value} cannot be {event.value!r}") from None


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


def upload_queue(number: str) -> str:
    """Return the queue of changes of an order from CRM to the ERP: one per document."""
    return f"R3AU_SALESDO{number}"


def csa_queue(number: str) -> str:
    """Return the queue in which saves of an order in CRM Online wait to be passed on."""
    return f"CSA_SALESDO{number}"


def delta_queue(number: str) -> str:
    """Return the queue of changes of an order from the ERP to CRM: one per document."""
    return f"R3AD_SALESDO{number}"


def site_queue(site: str) -> str:
    """Return the queue of a laptop: what it sends inwards, what it fetches outwards."""
    return f"CRM_SITE_{site}"
