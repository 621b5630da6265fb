"""Who has an order locked, so that nobody in the other system changes it meanwhile?

CRM asks for a lock over the line and gets a lease: it is over after a while, should CRM never give
it back. People at the ERP lock what they work on. While anybody has an order locked, no delivery
is made and no bill is written for it. Locks are numbered; a change of CRM says under which one it
was made. Sources: CONTRIBUTING.md, S08, S11; leases are assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.applications.exchange import SalesExchange
from crmsim.erp.orders import ErpOrder
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.rfc.lock import LockAnswer, LockRelease, LockRequest
from crmsim.trace.kinds import LOCKED, UNLOCKED

__all__ = ["LeaseOver", "Locks"]

CRM, ERP = "crm", "erp"
"""Who can have an order locked."""


@message(about=("key", "epoch"))
class LeaseOver:
    """A lock of CRM has lasted for as long as it may."""

    key: str
    epoch: int


@attrs.frozen
class Lock:
    """One order is locked."""

    holder: str
    epoch: int
    asked: tuple[int, int] = (0, 0)
    """By which asking of CRM: start of its programs, place since then."""


class Locks:
    """The locks of the ERP.

    Args:
        actor: The actor of the ERP; its store holds orders and locks.
        exchange: How CRM and the ERP share sales transactions.
        answer: Answers a request with what the ERP knows of an order (`epoch`, `is_busy`).
        key_of: CRM's number of an order -> its key in the ERP.
        freed: Goes on with an order that nobody has locked any more.
    """

    TABLE = "locks"

    def __init__(
        self,
        actor: Actor,
        exchange: SalesExchange,
        answer: Callable[..., LockAnswer],
        key_of: Callable[[str], str],
        freed: Callable[[str], None],
    ) -> None:
        self._actor = actor
        self._exchange = exchange
        self._answer = answer
        self._key_of = key_of
        self._freed = freed

    def started(self) -> None:
        """Let leases run anew."""
        for key, lock in list(self._actor.store.table(self.TABLE).items()):
            if lock.holder == CRM:
                self._wait(key, lock.epoch)

    def held_here(self) -> list[str]:
        """Return the keys of the orders that people at the ERP have locked."""
        return [
            key for key, lock in self._actor.store.table(self.TABLE).items() if lock.holder == ERP
        ]

    def holder(self, key: str) -> str:
        """Return which system has an order locked; empty for none."""
        lock: Lock | None = self._actor.store.get(self.TABLE, key)
        return "" if lock is None else lock.holder

    def requested(self, request: LockRequest, sender: Address[LockAnswer]) -> None:
        """Tell CRM how far an order has got, and lock it if that was wanted and can be."""
        key = self._key_of(request.number)
        held: Lock | None = self._actor.store.get(self.TABLE, key)
        asked = request.start, request.serial
        is_known = self._actor.store.get("orders", key) is not None
        is_busy = held is not None and held.holder == ERP
        if not request.is_to_lock or not is_known or is_busy:
            answer = self._answer(request, is_busy=is_busy)
            self._actor.send(sender, answer, attempt=request.attempt)
            return
        if held is not None and held.asked > asked:
            return  # a late copy; CRM has asked anew since
        with self._actor.commit() as change:
            if held is None or held.asked < asked:
                held = self._lock(change, key, CRM, asked)
            granted = self._answer(request, epoch=held.epoch)
            change.send(sender, granted, attempt=request.attempt)

    def released(self, release: LockRelease) -> None:
        """Free what CRM does not need any more."""
        self._drop_if(self._key_of(release.number), release.epoch, "given back")

    def lease_over(self, over: LeaseOver) -> None:
        """Free what CRM has not given back."""
        self._drop_if(over.key, over.epoch, "lease over")

    def _drop_if(self, key: str, epoch: int, why: str) -> None:
        lock: Lock | None = self._actor.store.get(self.TABLE, key)
        if lock is not None and lock.epoch == epoch:
            with self._actor.commit() as change:
                self._drop(change, key, why)

    def arrived(self, change: Change, key: str, epoch: int) -> None:
        """Free what CRM had locked in order to make a change that is here now."""
        lock: Lock | None = change.get(self.TABLE, key)
        if lock is not None and lock.holder == CRM and lock.epoch == epoch:
            self._drop(change, key, "change arrived")

    def take(self, change: Change, key: str) -> None:
        """Lock an order for somebody at the ERP, if that was agreed."""
        if self._exchange.locks:
            self._lock(change, key, ERP)

    def give_back(self, change: Change, key: str, why: str = "done") -> None:
        """Free what somebody at the ERP had locked."""
        if self.holder(key) == ERP:
            self._drop(change, key, why)

    def _lock(self, change: Change, key: str, holder: str, asked: tuple[int, int] = (0, 0)) -> Lock:
        epoch = 1 + int(change.get("counts", "locks", 0))
        change.put("counts", "locks", epoch)
        lock = Lock(holder, epoch, asked)
        change.put(self.TABLE, key, lock)
        booked: ErpOrder = self._actor.store.get("orders", key)
        change.note(LOCKED, booked.order.reference, holder=holder, number=key, epoch=epoch)
        if holder == CRM:
            change.then(lambda: self._wait(key, epoch))
        return lock

    def _wait(self, key: str, epoch: int) -> None:
        self._actor.after(self._exchange.lease, LeaseOver(key, epoch))

    def _drop(self, change: Change, key: str, why: str) -> None:
        lock: Lock = change.get(self.TABLE, key)
        change.delete(self.TABLE, key)
        booked: ErpOrder = self._actor.store.get("orders", key)
        change.note(
            UNLOCKED,
            booked.order.reference,
            holder=lock.holder,
            number=key,
            epoch=lock.epoch,
            why=why,
        )
        change.then(lambda: self._freed(key))
