"""How does somebody in CRM change an order: in the office, on another channel, the clerk?

What the ERP has too is opened first, as `crmsim.online.opening` says; then it is saved, or left.
Sources: CONTRIBUTING.md, S07, S11.
"""

from collections.abc import Callable
from functools import partial

from crmsim.business.document import OrderDocument
from crmsim.business.sales import OrderEdit
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.online.clerk import Completed, Desk, completed
from crmsim.online.online import Online
from crmsim.online.opening import CLOSED, NOT_NEEDED, Opened, Openings
from crmsim.online.orders import BEING_DISTRIBUTED, NO_SUCH_ORDER, Orders
from crmsim.systems.channels import Contact, ContactAnswered, Contacts
from crmsim.trace.kinds import FORBIDDEN

__all__ = ["Editing"]

Edit = Callable[[OrderDocument], OrderDocument]
"""An order as it is -> as it is to be."""
Save = Callable[[Opened], None]
CLERK = "clerk"
"""Who makes the changes of a clerk."""
LATER = (BEING_DISTRIBUTED, *CLOSED)
"""Why an order cannot be changed just now."""


class Editing:
    """Changes of orders that people in CRM make.

    Args:
        actor: CRM's actor.
        online: Where orders are found.
        orders: Decides on orders, and stores them.
        openings: Which orders somebody has open.
        contacts: Serves customers of other channels.
        desk: Where a clerk finds what to do.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        orders: Orders,
        openings: Openings,
        contacts: Contacts,
        desk: Desk,
    ) -> None:
        self._actor = actor
        self._online = online
        self._orders = orders
        self._openings = openings
        self._contacts = contacts
        self._desk = desk

    def edit(
        self, reference: str, edit: Edit, by: str, lasts_ns: int, end: Callable[..., None]
    ) -> None:
        """Open an order, and save it changed.

        Args:
            reference: Which order.
            edit: What is done to it.
            by: Who changes it.
            lasts_ns: How long it is open, if it must be locked in the ERP meanwhile.
            end: Is told `is_done`: False when it has to be tried again later.
        """

        def save(opened: Opened) -> None:
            with self._actor.commit() as change:
                reason = self._save(change, reference, edit, by, opened)
                change.then(partial(end, is_done=reason not in LATER))

        self._when_open(reference, by, save, lasts_ns)

    def serve(self, contact: Contact, sender: Address[ContactAnswered]) -> None:
        """Do what a customer of another channel wants, and answer."""

        def serve(opened: Opened) -> None:
            with self._actor.commit() as change:
                answer = self._contacts.serve(change, contact, opened)
                self._close(change, contact.wish.reference, opened)
                change.send(sender, answer, attempt=contact.attempt)

        if isinstance(contact.wish, OrderEdit):
            self._when_open(contact.wish.reference, contact.channel, serve)
        else:
            serve(NOT_NEEDED)

    def complete(self, message: Completed) -> None:
        """Store an order as the clerk leaves it, unless it has changed meanwhile."""
        store = self._actor.store
        if store.get(Desk.TABLE, message.guid) != message.version:
            return
        reference = str(store.get("references", message.guid))

        def save(opened: Opened) -> None:
            with self._actor.commit() as change:
                edit = partial(completed, self._actor)
                if self._save(change, reference, edit, CLERK, opened) in LATER:
                    change.then(lambda: self._desk.lay_later(message.guid, message.version))

        self._when_open(reference, CLERK, save)

    def _when_open(self, reference: str, by: str, save: Save, lasts_ns: int = 0) -> None:
        """Let somebody save an order, once it is open if that is needed."""
        record = self._online.order_called(reference)
        if record is None or record.is_under_way or not self._openings.needs(record):
            save(NOT_NEEDED)
        else:
            self._openings.open(record.document.number, by, save, lasts_ns)

    def _save(
        self, change: Change, reference: str, edit: Edit, by: str, opened: Opened
    ) -> str | None:
        """Save an order that somebody has changed; return why not, if it cannot be."""
        guid = self._actor.store.get("by reference", reference)
        reason: str | None = NO_SUCH_ORDER
        if guid is not None:
            reason = self._orders.edit_here(change, guid, edit, by, opened)
        if reason is not None:
            change.note(FORBIDDEN, reference, guid=guid or "", reason=reason)
        self._close(change, reference, opened)
        return reason

    def _close(self, change: Change, reference: str, opened: Opened) -> None:
        """Close an order after somebody has saved it, or has not."""
        record = self._online.order_called(reference)
        if record is not None and opened.epoch:
            self._openings.close(change, record)
