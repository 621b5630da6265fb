"""What do the two ends of queued calls have in common?

Each end has queues that it sends (`OutboundQueues`), queues that it executes (`InboundQueues`), a
pool of work processes, and, if wanted, an operator who looks after what is stuck.
"""

import abc

import attrs

from crmsim.chance import Distribution, word_of
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.middleware.queue import REPORTED_AFTER, Luw, QueueStatus, RetryPolicy
from crmsim.qrfc.inbound import InboundQueues, Outcome, PutOff
from crmsim.qrfc.outbound import OutboundQueues, RetryDue
from crmsim.qrfc.processes import Executed
from crmsim.qrfc.wire import Action, Guarantees, Receipt, Transfer, head_of

__all__ = ["Poison", "QueuePartner", "QueueRow", "Staff"]


@attrs.frozen
class Poison:
    """A LUW that its system cannot digest: the program ends in a dump, each time it is tried.

    A bad value that a program does not expect, a missing table entry.
    """

    reference: str
    """The order that it is about, by its reference."""
    mended_by: str = "activate"
    """``activate``: whoever activates the queue has put right what was missing before.
    ``delete LUW``: nothing helps but to take it out."""

    def __attrs_post_init__(self) -> None:
        if self.mended_by not in ("activate", "delete LUW"):
            raise BadValue(f"{self}: mended_by is 'activate' or 'delete LUW'")


@attrs.frozen
class Staff:
    """Who works at a system."""

    work_processes: tuple[str, ...]
    """The names of the work processes, one for each LUW executed at a time."""
    operator: str | None = None
    """The name of the actor who looks after stuck queues; None when nobody does."""
    demon: str = ""
    """The name of the demon of replication and realignment; empty where there is none."""


@attrs.frozen
class QueueRow:
    """One line of a queue monitor."""

    side: str
    queue: str
    status: QueueStatus
    depth: int
    head: str
    """The unit of work in front."""
    age_ns: int
    """How long that one has been in the queue."""

    @property
    def is_alert(self) -> bool:
        """Whether somebody should look at it."""
        return self.status.is_reported_at_once or self.age_ns > REPORTED_AFTER


class QueuePartner(Actor, abc.ABC):
    """A system at one end of queued calls: the handlers that both ends share.

    Args:
        partner: The name of the actor at the other end.
        service_s: How long the work on a LUW takes, in seconds.
        staff: Work processes and operator of its site.
        policy: When a LUW is transmitted again, or tried again that was put off.
        guarantees: What is switched on.
        poisons: LUWs that this system cannot digest.
        connections: How many LUWs it transmits at once; None for any number.
    """

    def __init__(
        self,
        partner: str,
        service_s: Distribution,
        staff: Staff,
        policy: RetryPolicy,
        guarantees: Guarantees,
        poisons: tuple[Poison, ...] = (),
        connections: int | None = None,
    ) -> None:
        self._service_s = service_s
        self._staff = staff
        self._guarantees = guarantees
        self._outbound = OutboundQueues(self, partner, policy, guarantees, connections)
        self._poisons = {poison.reference: poison for poison in poisons}
        self._inbound = InboundQueues(
            self,
            staff.work_processes,
            staff.operator,
            self._service_ns,
            self._trouble,
            self.execute,
            policy,
            guarantees,
        )

    @property
    def has_operator(self) -> bool:
        """Whether somebody looks after stuck queues."""
        return self._staff.operator is not None

    def monitor(self) -> list[QueueRow]:
        """Return what the queue monitors show now (SAP: SMQ1, SMQ2)."""
        found = []
        for side, queues in (("outbound", self._outbound), ("inbound", self._inbound)):
            statuses = queues.statuses()
            for queue, luws in self.store.table(side).items():
                head = luws.left
                age_ns = self.now_ns - head.since_ns
                found.append(QueueRow(side, queue, statuses[queue], len(luws), head.luw, age_ns))
        return found

    def started(self) -> None:
        """Take up all queues on the durable state."""
        self._inbound.started()
        self._outbound.started()

    def close(self) -> bool:
        """Begin no work any more, until a restart; say whether all that had begun is done."""
        return self._inbound.close()

    def _service_ns(self, luw: Luw) -> int:
        u = self.luck("service time").uniform(word_of(luw.luw))
        return int(self._service_s.at(u) * 1e9)

    def _trouble(self, luw: Luw) -> Outcome:
        """Say whether a LUW ends in a dump."""
        poison = self._poisons.get(_reference_of(luw))
        if poison is None or self.store.get("mended", poison.reference, False):
            return Outcome.DONE
        return Outcome.DUMPED

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
    def executed(self, message: Executed, sender: Address[object]) -> None:
        """A work process is done with a LUW."""
        self._inbound.executed(sender.name)

    @handles(PutOff)
    def put_off_over(self, message: PutOff, sender: object) -> None:
        """A LUW that was put off is tried again."""
        self._inbound.put_off_over(message)

    @handles(Action)
    def administered(self, message: Action, sender: object) -> None:
        """A person does something about a queue."""
        if message.what == "activate":
            self._mend(message)
        self._inbound.administer(message)

    def _mend(self, action: Action) -> None:
        """Whoever activates a queue has put right before what can be put right."""
        head = head_of(self.store, InboundQueues.TABLE, action.queue)
        reference = "" if head is None else _reference_of(head)
        poison = self._poisons.get(reference)
        if poison is not None and poison.mended_by == "activate":
            with self.commit() as change:
                change.put("mended", reference, True)


def _reference_of(luw: Luw) -> str:
    """Return the reference of the order that a LUW is about; empty when it does not say."""
    return str(getattr(luw.body, "reference", ""))
