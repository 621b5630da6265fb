"""How does somebody in CRM open an order that the ERP has too?

CRM asks the ERP how far the order has got there, and has it locked. If somebody at the ERP is
working on it, or the ERP does not answer, the order stays closed. Who has it open saves it or
leaves it. The lock in the ERP ends when the change has come there, or when it is given back; if
nothing comes of it, when the lease is over. A crash forgets who had what open; whoever it was
begins again. Sources: CONTRIBUTING.md, S07, S08, S11; the lease is assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.applications.exchange import SalesExchange
from crmsim.applications.status import OrderRecord
from crmsim.business.document import Owner
from crmsim.business.fulfilment import Progress
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.rfc.asking import Asking
from crmsim.rfc.lock import LockAnswer, LockRelease
from crmsim.trace.kinds import LOCKED, UNLOCKED, Kind

__all__ = ["CLOSED", "NOT_NEEDED", "OUT_OF_REACH", "LeaseEnds", "Opened", "Openings", "ThoughtOver"]

BUSY = "somebody else in CRM is changing it; try again later"
BUSY_IN_ERP = "somebody at the ERP is working on it; try again later"
NEWS_UNDER_WAY = "what the ERP has changed of it is still under way; try again later"
OUT_OF_REACH = "the ERP cannot be asked now; try again later"
TOO_LONG = "it was open for too long; try again"
CLOSED = (BUSY, BUSY_IN_ERP, NEWS_UNDER_WAY, OUT_OF_REACH, TOO_LONG)
"""Why an order cannot be opened, or saved, just now."""


@attrs.frozen
class Opened:
    """What came of opening an order."""

    reason: str | None = None
    """Why it is not open; None when it is."""
    epoch: int = 0
    """The number of the lock in the ERP; 0 when none was needed."""
    progress: tuple[Progress, ...] = ()
    """How far it has got, as the ERP says."""


NOT_NEEDED = Opened()
"""Of what only CRM has."""
Then = Callable[[Opened], None]


@message(about=("number", "serial"))
class LeaseEnds:
    """A lock may be over in the ERP from now on."""

    number: str
    serial: int


@message(about=("number", "serial"))
class ThoughtOver:
    """Somebody has had an order open for as long as he needs."""

    number: str
    serial: int


@attrs.frozen
class _Holder:
    """Who has an order open, or is about to."""

    serial: int
    by: str
    lasts_ns: int
    then: Then
    until_ns: int
    """When the lease may be over in the ERP, by the clock of CRM."""
    opened: Opened | None = None
    """None while the ERP is being asked."""
    is_saving: bool = False
    """Whether it is being saved, or left, just now."""


class Openings:
    """The orders that somebody in CRM has open.

    Args:
        actor: CRM's actor.
        exchange: How CRM and the ERP share sales transactions.
        asking: How the ERP is asked.
        erp: The name of the ERP's actor.
    """

    def __init__(self, actor: Actor, exchange: SalesExchange, asking: Asking, erp: str) -> None:
        self._actor = actor
        self._exchange = exchange
        self._asking = asking
        self._erp = erp
        self._serial = 0
        self._holders: dict[str, _Holder] = {}
        """Number of an order -> who has it open."""

    def needs(self, record: OrderRecord) -> bool:
        """Say whether the ERP must be asked before an order is changed."""
        is_ours = record.document.owner is not Owner.ERP
        return self._exchange.locks and record.is_in_erp and is_ours

    def open(self, number: str, by: str, then: Then, lasts_ns: int = 0) -> None:
        """Open an order that the ERP has too.

        Args:
            number: The number of the order.
            by: Who opens it.
            then: Told what came of it, when it is to be saved; not in a commit. It must `close` the
                order if it is open, or leave it.
            lasts_ns: How long it is open before it is saved.
        """
        if number in self._holders:
            then(Opened(BUSY))
            return
        self._serial += 1
        until_ns = self._actor.now_ns + self._exchange.lease
        holder = _Holder(self._serial, by, lasts_ns, then, until_ns)
        self._holders[number] = holder
        self._actor.after(self._exchange.lease, LeaseEnds(number, holder.serial))
        self._asking.ask(
            number, lambda answer: self._answered(number, holder, answer), is_to_lock=True
        )

    def held(self, number: str, by: str) -> Opened | None:
        """Return what somebody has open; None when he has it not, not yet, or no longer."""
        holder = self._holders.get(number)
        is_his = holder is not None and holder.by == by and self._lasts(holder)
        return holder.opened if holder is not None and is_his else None

    def _lasts(self, holder: _Holder) -> bool:
        """Say whether a lease still lasts; who has stood still may have missed its end."""
        return self._actor.now_ns < holder.until_ns

    def close(self, change: Change, record: OrderRecord) -> None:
        """Close an order with a commit that saves it, or does not; no lease ends meanwhile.

        Args:
            change: The commit.
            record: The order as it was before.
        """
        number = record.document.number
        self._holders[number] = attrs.evolve(self._holders[number], is_saving=True)
        is_saved = change.get("orders", number) != record
        end = self._saved if is_saved else self.left
        change.then(lambda: end(number))

    def _answered(self, number: str, holder: _Holder, answer: LockAnswer | None) -> None:
        reason = self._why_closed(number, answer)
        if answer is None or reason is not None:
            if answer is not None:
                self._give_back(number, answer.epoch)
            del self._holders[number]
            holder.then(Opened(reason))
            return
        opened = Opened(None, answer.epoch, answer.progress)
        self._holders[number] = attrs.evolve(holder, opened=opened)
        self._note(LOCKED, number, answer.epoch, by=holder.by)
        if holder.lasts_ns:
            self._actor.after(holder.lasts_ns, ThoughtOver(number, holder.serial))
        else:
            holder.then(opened)

    def _why_closed(self, number: str, answer: LockAnswer | None) -> str | None:
        if answer is None:
            return OUT_OF_REACH
        if answer.is_busy:
            return BUSY_IN_ERP
        record: OrderRecord = self._actor.store.get("orders", number)
        return NEWS_UNDER_WAY if answer.changes > record.erp_changes else None

    def thought_over(self, due: ThoughtOver) -> None:
        """Let somebody save what he had open."""
        holder = self._holders.get(due.number)
        if holder is None or holder.serial != due.serial or holder.opened is None:
            return
        if self._lasts(holder):
            holder.then(holder.opened)
        else:
            self._end(due.number, holder)

    def lease_ends(self, due: LeaseEnds) -> None:
        """Close what was open for too long; the ERP may have given the lock away by now."""
        holder = self._holders.get(due.number)
        if holder is None or holder.serial != due.serial or holder.is_saving:
            return
        if holder.opened is not None:
            self._end(due.number, holder)

    def _end(self, number: str, holder: _Holder) -> None:
        """Close an order whose lease is over."""
        assert holder.opened is not None
        del self._holders[number]
        self._note(UNLOCKED, number, holder.opened.epoch, why="lease over")
        if holder.lasts_ns:
            holder.then(Opened(TOO_LONG))

    def _saved(self, number: str) -> None:
        """Close an order that was saved; the lock ends when the change has come to the ERP."""
        holder = self._holders.pop(number, None)
        if holder is not None and holder.opened is not None:
            self._note(UNLOCKED, number, holder.opened.epoch, why="saved")

    def left(self, number: str) -> None:
        """Close an order of which nothing was saved, and give the lock back."""
        holder = self._holders.pop(number, None)
        if holder is not None and holder.opened is not None:
            self._note(UNLOCKED, number, holder.opened.epoch, why="left")
            self._give_back(number, holder.opened.epoch)

    def _give_back(self, number: str, epoch: int) -> None:
        if epoch:
            self._actor.send(self._actor.address(self._erp), LockRelease(number, epoch))

    def _note(self, kind: Kind, number: str, epoch: int, **told: object) -> None:
        record: OrderRecord = self._actor.store.get("orders", number)
        reference = record.document.order.reference
        self._actor.note(kind, reference, holder="crm", number=number, epoch=epoch, **told)
