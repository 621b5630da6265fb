"""Which steps does a BDoc go through on the server, and who still has to answer?

    laptop --- SI0 --> MI0 --(accepted)--> CRM Online --- CSA queue --> MO1 --+--> ERP adapter
                        |                                                     |
                        +--(refused)--> SO2 --> back to the laptop            +--> SO1 --> CDB

Inbound processing, validation, outbound processing: if validation fails, the data goes no further.
Sources: CONTRIBUTING.md, S30, S31, S34.
"""

import enum

import attrs

from crmsim.errors import BadValue
from crmsim.middleware.status import BDocEvent, BDocState, after
from crmsim.units import Share

__all__ = [
    "BROKEN_STATES",
    "OWN_CONTEXTS",
    "SERVICES",
    "BDocRecord",
    "Breakage",
    "Context",
    "OnLock",
    "answered",
    "begin",
    "failure_of",
    "handed_over",
    "repaired",
    "step",
]


class Context(enum.Enum):
    """Where in the flow a BDoc is processed."""

    SI1 = "SI1"
    SI0 = "SI0"
    MI0 = "MI0"
    MO1 = "MO1"
    MO2 = "MO2"
    MO3 = "MO3"
    SO1 = "SO1"
    SOA = "SOA"
    SO2 = "SO2"
    SOB = "SOB"


SERVICES: dict[Context, tuple[str, ...]] = {
    Context.SI1: (),
    Context.SI0: ("map to an mBDoc", "start MI0"),
    Context.MI0: ("validation",),
    Context.MO1: ("find the receivers", "call the ERP adapter", "call the MobileBridge"),
    Context.MO2: ("find the receivers", "call the ERP adapter", "call the MobileBridge"),
    Context.MO3: ("read what CRM Online holds", "update the CDB", "find the sites"),
    Context.SO1: ("update the CDB", "find the sites", "put deltas into their queues"),
    Context.SOA: (),
    Context.SO2: ("read the before-image in the CDB", "put the rejection into the sender's queue"),
    Context.SOB: (),
}
"""What each context does, in order. SI1, SOA and SOB are for calls of a customer's own."""
OWN_CONTEXTS = tuple(context for context, services in SERVICES.items() if not services)
"""Contexts that do nothing but what a customer adds."""


class OnLock(enum.Enum):
    """What becomes of a change that comes while its document is being distributed to the ERP."""

    PARK = "park"
    """It leaves its queue and waits aside until the document is free: nobody else waits."""
    RETRY = "retry"
    """It stays at the head of its laptop's queue: all later changes of that rep wait too."""
    REJECT = "reject"
    """It is refused, and the rep has to make it again."""


FAILURES = {
    Context.SI0: BDocEvent.INBOUND_BROKE,
    Context.MI0: BDocEvent.REFUSED,
    Context.MO1: BDocEvent.OUTBOUND_BROKE,
    Context.MO2: BDocEvent.OUTBOUND_BROKE,
    Context.MO3: BDocEvent.OUTBOUND_BROKE,
    Context.SO1: BDocEvent.UPDATE_BROKE,
}
"""What happens to a BDoc when the program of a context breaks off: it ends in an error state."""


BROKEN_STATES = tuple(after(BDocState.BEFORE_UPDATE, event) for event in FAILURES.values())
"""The states that a BDoc ends in when a program breaks off."""


def failure_of(context: Context) -> BDocEvent:
    """Return what happens to a BDoc when the program of a context breaks off."""
    return FAILURES[context]


@attrs.frozen
class Breakage:
    """A program of the flow that does not work for a while.

    A faulty change of a program, a missing table entry, a full table space. Every BDoc that comes
    by ends in an error state: E05 where uploads come in (SI0), E04 where news of the ERP is
    validated (MI0), E06 where documents are passed on (MO1, or MO2 for many at once, MO3 for an
    initial load of the CDB), E09 where the CDB is written (SO1). It leaves its queue, so the others
    go on.
    """

    context: Context
    begins_ns: int
    ends_ns: int
    """When the program works again."""
    share: Share = Share(1.0)
    """Share of the BDocs that it fails on."""

    def __attrs_post_init__(self) -> None:
        if self.context not in FAILURES:
            contexts = ", ".join(context.value for context in FAILURES)
            raise BadValue(f"{self.context.value} cannot break off; these can: {contexts}")
        if not 0 <= self.begins_ns < self.ends_ns:
            raise BadValue("a program is broken from one moment to a later one")

    def hits(self, context: Context, now_ns: int, u: float) -> bool:
        """Say whether it fails on a BDoc that comes now, given its luck between 0 and 1."""
        is_now = self.begins_ns <= now_ns < self.ends_ns
        return is_now and context is self.context and u < self.share


@attrs.frozen
class BDocRecord:
    """A BDoc as the monitor shows it (SAP: SMW01)."""

    bdoc: str
    guid: str
    version: int
    context: Context
    state: BDocState
    open: tuple[str, ...] = ()
    """Receivers that have not answered yet."""
    failed: tuple[str, ...] = ()
    """Receivers that answered with an error."""
    trail: tuple[BDocState, ...] = ()
    """The states it went through since it was written down last, the present one included."""


def begin(bdoc: str, guid: str, version: int, context: Context) -> BDocRecord:
    """Return a BDoc that was just written to its queue."""
    record = BDocRecord(
        bdoc, guid, version, context, BDocState.RECEIVED, trail=(BDocState.RECEIVED,)
    )
    return step(record, BDocEvent.ENQUEUED)


def step(record: BDocRecord, *events: BDocEvent) -> BDocRecord:
    """Return a BDoc after events.

    Raises:
        WrongBDocEvent: one of them cannot happen in its state.
    """
    state, trail = record.state, list(record.trail)
    for event in events:
        state = after(state, event)
        trail.append(state)
    # Written out, because it happens several times in the life of each BDoc.
    return BDocRecord(
        record.bdoc,
        record.guid,
        record.version,
        record.context,
        state,
        record.open,
        record.failed,
        tuple(trail),
    )


def handed_over(record: BDocRecord, receivers: tuple[str, ...]) -> BDocRecord:
    """Return a BDoc that went to its receivers; without any, it is done."""
    sent = attrs.evolve(step(record, BDocEvent.HANDED_OVER), open=receivers)
    return sent if receivers else step(sent, BDocEvent.ALL_ANSWERED)


def answered(record: BDocRecord, receiver: str, *, is_ok: bool) -> BDocRecord:
    """Return a BDoc after the answer of a receiver: all must answer yes for it to be done.

    Raises:
        BadValue: nobody waits for an answer of this receiver.
    """
    if receiver not in record.open:
        raise BadValue(f"{record.bdoc} waits for no answer of {receiver!r}")
    left = tuple(other for other in record.open if other != receiver)
    failed = record.failed if is_ok else (*record.failed, receiver)
    now = attrs.evolve(record, open=left, failed=failed)
    if not is_ok and record.state is BDocState.SENT_TO_RECEIVERS:
        return step(now, BDocEvent.ONE_FAILED)
    if not left and not failed:
        return step(now, BDocEvent.ALL_ANSWERED)
    return now


def repaired(record: BDocRecord, receiver: str) -> BDocRecord:
    """Return a BDoc after a receiver that had failed has got it after all.

    Raises:
        BadValue: this receiver had not failed.
    """
    if receiver not in record.failed:
        raise BadValue(f"{record.bdoc} did not fail at {receiver!r}")
    failed = tuple(other for other in record.failed if other != receiver)
    now = attrs.evolve(record, failed=failed)
    if failed:
        return now
    if not record.open:
        return step(now, BDocEvent.REPAIRED)
    again = (BDocEvent.REPROCESSED, BDocEvent.STEPPED, BDocEvent.SAVED_FOR_UPDATE)
    return step(now, *again, BDocEvent.HANDED_OVER)
