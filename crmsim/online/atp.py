"""How does CRM find out whether there is enough for an order?

If there is a planning system, it is asked about the items of every order that could go to the ERP;
never about quotations, nor about what contains errors or nobody has released. The save itself does
not wait: the order is stored, marked as unchecked, and asked about when that is durable. The answer
is stored with it (its content stays as it is, and so does its version), and only then does it go
its way to the ERP. Where nothing is wanted that was not checked before, nobody is asked again.

A question without an answer is asked again. After some tries the planning system is out of reach,
and a policy decides what becomes of the order. Sources: CONTRIBUTING.md, S21 (checks at a save);
what happens when nobody answers is a parameter there, its values and all spans are assumed.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from crmsim.applications.guards import why_not_transfer
from crmsim.applications.status import Distribution, DistributionEvent, OrderRecord, next_status
from crmsim.business.document import Fate, OrderDocument
from crmsim.business.schedule import Confirmed, wanted_by
from crmsim.chance import word_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import RetryPolicy
from crmsim.online.online import Online
from crmsim.rfc.atp import AtpAnswer, AtpQuestion, AtpRequest
from crmsim.trace.kinds import CHECKED, DISTRIBUTED, RETRIED
from crmsim.units import minutes, seconds

__all__ = ["CHECKS", "TRIES", "Availability", "Check", "CheckUnanswered", "Checks", "OnApoDown"]

CHECKS = "checks"
"""Number of an order, or name of a service order -> the check that is not answered yet."""
ATP = "atp"
"""Who stores the answer to a check."""
PATIENCE = RetryPolicy(first=seconds(30), factor=2.0, most=minutes(15))
"""How long an answer is awaited, before the question is asked again (assumed)."""
TRIES = 3
"""Questions without an answer after which the planning system is out of reach (assumed)."""


class OnApoDown(enum.Enum):
    """What becomes of an order when nobody can check whether there is enough."""

    ACCEPT = "take the order over without a check"
    """It goes to the ERP as if nobody had to be asked."""
    REFUSE = "cancel the order"
    """Unless the ERP has it already: then its change is kept in CRM, and asked about again."""
    WAIT = "keep the order in CRM until the check has been made"
    """Nothing is lost and nothing is promised blindly, but everything is as late as the check."""


@attrs.frozen
class Check:
    """A check that is not answered yet."""

    check: int
    """The how-manieth of its order it is, from 1."""
    question: AtpQuestion


@message(about=("order", "check"))
class CheckUnanswered:
    """There has been no answer in time."""

    order: str
    check: int
    attempt: int


class Checks:
    """The questions to the planning system that are not answered yet.

    Args:
        actor: The actor whose store holds them.
        apo: The name of the planning system, once it has been added; empty while there is none.
    """

    def __init__(self, actor: Actor, apo: Sequence[str]) -> None:
        self._actor = actor
        self._apo = apo

    @property
    def is_asked(self) -> bool:
        """Whether there is a planning system."""
        return bool(self._apo)

    def started(self) -> None:
        """Ask everything again that is not answered."""
        for number, row in list(self._actor.store.table(CHECKS).items()):
            self.ask(number, row.check, 0)

    def open(self, change: Change, number: str, question: AtpQuestion) -> None:
        """Ask about an order when what is asked is durable; what was asked before is void."""
        check = 1 + int(change.get("check counts", number, 0))
        change.put("check counts", number, check)
        change.put(CHECKS, number, Check(check, question))
        change.then(lambda: self.ask(number, check, 0))

    def is_open(self, number: str, check: int) -> bool:
        """Say whether a check is the newest of its order, and not answered."""
        row: Check | None = self._actor.store.get(CHECKS, number)
        return row is not None and row.check == check

    def ask(self, number: str, check: int, attempt: int) -> None:
        """Ask, and wait for an answer; what is answered, or asked anew by now, is left alone."""
        if not self.is_open(number, check):
            return
        row: Check = self._actor.store.get(CHECKS, number)
        if attempt:
            about = {"guid": row.question.guid, "attempt": attempt}
            self._actor.note(RETRIED, f"check {check} of order {number}", **about)
        to: Address[Any] = self._actor.address(self._apo[0])
        self._actor.send(to, AtpRequest(number, check, attempt, row.question), attempt=attempt)
        u = self._actor.luck("patience with checks").uniform(word_of((number, check)), attempt)
        wait_ns = PATIENCE.wait_ns(attempt, u)
        self._actor.after(wait_ns, CheckUnanswered(number, check, attempt))


class Availability:
    """Has the planning system check orders.

    Args:
        actor: The actor whose store holds the database.
        online: Where orders are saved.
        checks: The questions to it.
        on_down: What becomes of an order when it is out of reach.
        settled: Tells whoever has waited for the ERP's answer to an order that there will be none.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        checks: Checks,
        on_down: OnApoDown,
        settled: Callable[[Change, str], None],
    ) -> None:
        self._actor = actor
        self._online = online
        self._checks = checks
        self._on_down = on_down
        self._settled = settled

    def opened(self, change: Change, record: OrderRecord, *, is_ours: bool) -> OrderRecord:
        """Return an order that is being saved, marked as unchecked if it has to be checked first.

        What is under way to the ERP already, and was merged with a change that somebody made there,
        is not kept back for a check.

        Args:
            change: The commit that saves it; the question goes out when that is durable.
            record: The order as it is to be.
            is_ours: Whether it is saved as CRM wants it; False when it is as the ERP has it.
        """
        if not self._checks.is_asked:
            return record
        document = attrs.evolve(record.document, unchecked=())
        number, order = document.number, document.order
        is_free = is_ours and not record.is_under_way
        if not is_free or why_not_transfer(document) is not None:
            change.delete(CHECKS, number)
            change.delete("checked", number)
            return attrs.evolve(record, document=document)
        wanted = wanted_by(order)
        if wanted == change.get("checked", number):
            return attrs.evolve(record, document=document)
        change.delete("checked", number)
        question = AtpQuestion(order.reference, order.guid, order.version, wanted)
        self._checks.open(change, number, question)
        unchecked = attrs.evolve(document, unchecked=tuple(one.line for one in wanted))
        return attrs.evolve(record, document=unchecked)

    def unanswered(self, due: CheckUnanswered) -> None:
        """Ask again, or let the policy decide."""
        if not self._checks.is_open(due.order, due.check):
            return
        record: OrderRecord = self._actor.store.get("orders", due.order)
        if due.attempt + 1 < TRIES or not self._gives_up(record):
            self._checks.ask(due.order, due.check, due.attempt + 1)
            return
        with self._actor.commit() as change:
            if self._on_down is OnApoDown.ACCEPT:
                self._end(change, record, (), "accepted without a check")
            else:
                self._cancel(change, record)

    def _gives_up(self, record: OrderRecord) -> bool:
        """Say whether an order is not asked about any more when nobody answers."""
        if not record.document.is_unchecked or self._on_down is OnApoDown.WAIT:
            return False  # it is cancelled already, and what it had must be given back
        is_new = record.distribution is Distribution.NOT_RELEVANT and not record.is_in_erp
        return is_new or self._on_down is OnApoDown.ACCEPT

    def answered(self, answer: AtpAnswer) -> None:
        """Store what was confirmed; an answer to something older changes nothing."""
        if not self._checks.is_open(answer.order, answer.check):
            return
        record: OrderRecord = self._actor.store.get("orders", answer.order)
        with self._actor.commit() as change:
            if record.document.is_unchecked:
                self._end(change, record, answer.schedule, "answered")
            else:
                change.delete(CHECKS, answer.order)  # it was cancelled, and that is known now

    def _end(
        self, change: Change, record: OrderRecord, schedule: tuple[Confirmed, ...], outcome: str
    ) -> None:
        """Let an order go its way to the ERP."""
        document = attrs.evolve(record.document, unchecked=(), schedule=schedule)
        number, order = document.number, document.order
        change.delete(CHECKS, number)
        change.put("checked", number, wanted_by(order))
        self._note(change, document, outcome)
        status = next_status(record.distribution, DistributionEvent.SAVED)
        change.note(DISTRIBUTED, number, status=status.name, guid=order.guid, version=order.version)
        settled = attrs.evolve(record, document=document, distribution=status)
        self._online.store_order(change, settled, ATP)

    def _cancel(self, change: Change, record: OrderRecord) -> None:
        """Cancel an order, and give back what it may have been promised all the same."""
        document = attrs.evolve(record.document, unchecked=(), schedule=(), fate=Fate.CANCELLED)
        order = document.order
        self._note(change, document, "cancelled")
        question = AtpQuestion(order.reference, order.guid, order.version, ())
        self._checks.open(change, document.number, question)
        self._online.store_order(change, attrs.evolve(record, document=document), ATP)
        self._settled(change, document.number)

    def _note(self, change: Change, document: OrderDocument, outcome: str) -> None:
        order = document.order
        change.note(
            CHECKED,
            order.reference,
            guid=order.guid,
            version=order.version,
            outcome=outcome,
            lines=tuple((one.line, one.pieces, one.day) for one in document.schedule),
        )
