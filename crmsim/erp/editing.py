"""How do people at the ERP change an order?

They open it, work on it for a while, and save it. Meanwhile it is locked, so that nobody in CRM
changes it too; and they cannot open what somebody in CRM has locked. Sources: CONTRIBUTING.md, S08,
S11; that it works both ways is assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.business.sales import SalesOrder
from crmsim.erp.bookings import Bookings
from crmsim.erp.locks import Locks
from crmsim.erp.orders import ErpOrder
from crmsim.kernel.actor import Actor
from crmsim.kernel.message import message
from crmsim.trace.kinds import FORBIDDEN

__all__ = ["Editing", "SaveDue", "Wish"]

NO_SUCH_ORDER = "the ERP knows no such order"
LOCKED_IN_CRM = "somebody in CRM is changing it; try again later"


@message(about=("key",))
class SaveDue:
    """Somebody saves the order that is open."""

    key: str


@attrs.frozen
class Wish:
    """What somebody at the ERP wants to do to an order."""

    reference: str
    edit: Callable[[SalesOrder], SalesOrder]
    """The order as it is -> as it is to be."""
    by: str
    lasts_ns: int
    """How long it is open."""
    end: Callable[..., None]
    """Is told `is_done`: False when it has to be tried again later."""


class Editing:
    """Orders that people at the ERP have open.

    Args:
        actor: The actor of the ERP.
        locks: Who has an order locked.
        bookings: Where changes are booked.
    """

    def __init__(self, actor: Actor, locks: Locks, bookings: Bookings) -> None:
        self._actor = actor
        self._locks = locks
        self._bookings = bookings
        self._open: dict[str, Wish] = {}
        """Key of an order -> what somebody does to it; a crash ends that."""

    def started(self) -> None:
        """Free what people had open before a crash, unless somebody has it open again already."""
        for key in self._locks.held_here():
            if key not in self._open:
                with self._actor.commit() as change:
                    self._locks.give_back(change, key, "crash")

    def open(self, wish: Wish) -> None:
        """Let somebody open an order, unless that cannot be now."""
        key = self._actor.store.get("by reference", wish.reference)
        if key is None or self._is_taken(key):
            reason = NO_SUCH_ORDER if key is None else LOCKED_IN_CRM
            with self._actor.commit() as change:
                change.note(FORBIDDEN, wish.reference, guid="", reason=reason)
                change.then(lambda: wish.end(is_done=key is None))
            return
        self._open[key] = wish
        with self._actor.commit() as change:
            self._locks.take(change, key)
            change.then(lambda: self._work_on(key, wish.lasts_ns))

    def _work_on(self, key: str, lasts_ns: int) -> None:
        self._actor.after(lasts_ns, SaveDue(key))

    def _is_taken(self, key: str) -> bool:
        return key in self._open or bool(self._locks.holder(key))

    def save(self, key: str) -> None:
        """Book what somebody has changed, and close the order."""
        wish = self._open.pop(key)
        held: ErpOrder = self._actor.store.get("orders", key)
        with self._actor.commit() as change:
            wanted = wish.edit(held.order.as_sales_order())
            reason = self._bookings.change_here(change, held, wanted, wish.by)
            if reason is not None:
                change.note(FORBIDDEN, wish.reference, guid=held.order.guid, reason=reason)
            self._locks.give_back(change, key)
            change.then(lambda: wish.end(is_done=True))
