"""What becomes of BDocs that ended in an error?

Such a BDoc has left its queue, so those behind it went on. It stands in the error list (SAP: the
BDoc monitor, SMW01) until a person has it processed again or sets it to processed. Both happen
once: what has left the list cannot be recovered a second time. What is processed again comes late,
behind newer changes of the same document; what it may still do then is decided by the flow.
Sources: CONTRIBUTING.md, S33, S36, S66.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from crmsim.chance import word_of
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.flow import (
    OWN_CONTEXTS,
    BDocRecord,
    Breakage,
    Context,
    begin,
    failure_of,
    step,
)
from crmsim.middleware.queue import Luw
from crmsim.middleware.status import BDocEvent, BDocState
from crmsim.qrfc.inbound import InboundQueues
from crmsim.trace.kinds import ADMINISTERED, FLOWED

__all__ = [
    "OUTDATED_NEWS",
    "BDocAlert",
    "BDocMonitor",
    "ErrorList",
    "ErrorRow",
    "OwnService",
    "OwnServices",
    "Recovery",
    "Reprocess",
    "body_of",
]

OUTDATED_NEWS = "outdated news"
"""BDocs of the error list about what has been taken out since: nothing comes of them any more."""
BEGUN = (BDocEvent.STEPPED, BDocEvent.SAVED_FOR_UPDATE)
"""What every LUW does to its BDoc before anything is decided."""


@message(about=("bdoc", "count"))
class BDocAlert:
    """A BDoc came into the error list. System to its operator."""

    bdoc: str
    guid: str
    since_ns: int
    count: int
    """How often it has come there by now, from 1."""


@message(about=("bdoc", "what"))
class Recovery:
    """A person does something about a BDoc of the error list. Operator to system."""

    bdoc: str
    what: str
    """``reprocess`` or ``set processed``."""


@attrs.frozen
class Reprocess:
    """The body of a LUW that is executed once more, by hand."""

    context: Context
    """Where the flow takes it up."""
    body: object
    """What was to be done the first time."""

    @property
    def reference(self) -> str:
        """The reference of the order; empty when the body does not say."""
        return str(getattr(self.body, "reference", ""))


def body_of(luw: Luw) -> Any:
    """Return what is to be done, whether for the first time or once more."""
    return luw.body.body if isinstance(luw.body, Reprocess) else luw.body


@attrs.frozen
class ErrorRow:
    """A line of the error list."""

    context: Context
    """Where it broke."""
    queue: str
    """The queue that it had come through."""
    luw: Luw
    since_ns: int
    count: int


OwnService = Callable[[Change, Any], None]
"""A call of a customer's own: part of the commit, with the BDoc that comes by."""


class OwnServices:
    """What a customer has added to the flow.

    Args:
        services: Context (SI1 before an upload is mapped, SOA after the CDB is written, SOB after a
            rejection) -> what is called there.

    Raises:
        BadValue: one is meant for another context.
    """

    def __init__(self, services: Mapping[Context, OwnService]) -> None:
        for context in services:
            if context not in OWN_CONTEXTS:
                allowed = ", ".join(one.value for one in OWN_CONTEXTS)
                raise BadValue(
                    f"{context.value} takes no services of one's own; these do: {allowed}"
                )
        self._services = services

    def call(self, context: Context, change: Change, bdoc: object) -> None:
        """Call what was added to a context, if anything was."""
        service = self._services.get(context)
        if service is not None:
            service(change, bdoc)


class BDocMonitor:
    """What is known of every BDoc of a server that is not done."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def record(self, bdoc: str) -> BDocRecord:
        """Return a BDoc; without memory of what was seen, a copy may come when its BDoc is done."""
        record: BDocRecord | None = self._actor.store.get("bdocs", bdoc)
        return begin(bdoc, "", 0, Context.MI0) if record is None else record

    def taken_up(self, bdoc: str) -> BDocRecord:
        """Return a BDoc that leaves its queue; a copy that comes while it is elsewhere is new."""
        record = self.record(bdoc)
        if record.state is BDocState.IN_QUEUE:
            return record
        return begin(bdoc, record.guid, record.version, record.context)

    def put(self, change: Change, record: BDocRecord) -> None:
        """Keep a BDoc; one that is done for good only counts."""
        code = record.state.value
        if record.state.is_final:
            change.delete("bdocs", record.bdoc)
            change.put("bdocs done", code, change.get("bdocs done", code, 0) + 1)
        else:
            change.put("bdocs", record.bdoc, attrs.evolve(record, trail=()))
        if not record.trail:
            return  # an answer that changed nothing yet
        change.note(
            FLOWED,
            record.bdoc,
            guid=record.guid,
            version=record.version,
            context=record.context.value,
            states=tuple(state.value for state in record.trail),
            open=record.open,
            failed=record.failed,
        )


class ErrorList:
    """The BDocs of one server that wait for a person.

    Args:
        actor: Whose list it is.
        inbound: The queues in which they are executed once more.
        monitor: Where their states are kept.
        operator: The name of the actor who works the list off; None when nobody does.
        breakages: Which programs of the flow do not work, and when.
        place_of: Says in which queue something is processed again, and in which others it must have
            its place too.
    """

    TABLE = "error list"

    def __init__(
        self,
        actor: Actor,
        inbound: InboundQueues,
        monitor: BDocMonitor,
        operator: str | None,
        breakages: tuple[Breakage, ...],
        place_of: Callable[[str, object], tuple[str, tuple[str, ...]]],
    ) -> None:
        self._actor = actor
        self._inbound = inbound
        self._monitor = monitor
        self._operator = operator
        self._breakages = breakages
        self._place_of = place_of

    def started(self) -> None:
        """Tell the operator of the whole list once more after a crash."""
        for row in list(self._actor.store.table(self.TABLE).values()):
            self._alert(row)

    def broke(
        self, change: Change, record: BDocRecord, context: Context, queue: str, luw: Luw
    ) -> bool:
        """Say whether a program of the flow fails on a BDoc now; then it is put on the list."""
        u = self._actor.luck("breakage").uniform(word_of(luw.luw))
        if not any(one.hits(context, self._actor.now_ns, u) for one in self._breakages):
            return False
        self.put(change, record, context, queue, luw)
        return True

    def put(
        self, change: Change, record: BDocRecord, context: Context, queue: str, luw: Luw
    ) -> None:
        """Put a BDoc on the list that cannot be processed."""
        failed = attrs.evolve(step(record, *BEGUN, failure_of(context)), context=context)
        self._monitor.put(change, failed)
        count = 1 + int(self._actor.store.get("error counts", luw.luw, 0))
        row = ErrorRow(context, queue, luw, self._actor.now_ns, count)
        change.put("error counts", luw.luw, count)
        change.put(self.TABLE, luw.luw, row)
        change.then(lambda: self._alert(row))

    def _alert(self, row: ErrorRow) -> None:
        if self._operator is not None:
            to: Address[Any] = self._actor.address(self._operator)
            luw = row.luw
            self._actor.send(to, BDocAlert(luw.luw, luw.guid, row.since_ns, row.count))

    def administer(self, change: Change, recovery: Recovery) -> ErrorRow | None:
        """Do what a person asks for; return what was taken off the list, None when it is gone."""
        row: ErrorRow | None = self._actor.store.get(self.TABLE, recovery.bdoc)
        if row is None:
            refused = f"{recovery.what}: refused, it is not in the list"
            change.note(ADMINISTERED, recovery.bdoc, queue="", action=refused)
            return None
        luw = row.luw
        change.note(ADMINISTERED, luw.luw, queue="", guid=luw.guid, action=recovery.what)
        change.delete(self.TABLE, luw.luw)
        record = self._monitor.record(luw.luw)
        if recovery.what == "reprocess":
            self._monitor.put(change, step(record, BDocEvent.REPROCESSED))
            body = body_of(luw)
            again = attrs.evolve(luw, body=Reprocess(row.context, body), also=())
            queue, also = self._place_of(row.queue, body)
            self._inbound.put_in(change, queue, again, also)
        else:
            self._monitor.put(change, step(record, BDocEvent.SET_PROCESSED))
            change.put("set processed", luw.luw, luw)
        return row
