"""What happens on the other channels: in the Internet shop, on the telephone?

Whoever orders or asks there is served by CRM Online itself, over a line that can fail. A channel
asks until it is answered; CRM knows an order by its reference, so nothing is booked twice. What a
rep wrote an hour ago on a laptop is not there yet: that is the price of working offline.
Sources: CONTRIBUTING.md, S01 (one impression, whatever the channel); the rest is assumed.
"""

from typing import Any

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.enquiry import Enquiry
from crmsim.business.sales import OrderEdit, SalesOrder, identified, with_lines
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.rep import DiaryEntry
from crmsim.online.opening import CLOSED, Opened
from crmsim.online.orders import BEING_DISTRIBUTED, NO_SUCH_ORDER, Orders
from crmsim.trace.kinds import FORBIDDEN, READ
from crmsim.units import Duration, minutes

__all__ = ["Channel", "Contact", "ContactAnswered", "Contacts", "edited_by"]

Wish = SalesOrder | OrderEdit | Enquiry
"""What a customer can want."""
LATER: Duration = minutes(10)
"""When a change is tried again whose order is being distributed (assumed)."""


@message(about=("channel", "entry"))
class Contact:
    """Somebody orders, changes an order, or asks for one. Channel to CRM."""

    channel: str
    entry: int
    attempt: int
    wish: Wish


@message(about=("channel", "entry", "attempt"))
class ContactAnswered:
    """CRM has dealt with it. CRM to channel."""

    channel: str
    entry: int
    attempt: int
    is_done: bool
    """False when it has to be tried again later."""


@message(about=("entry",))
class ContactDue:
    """Somebody turns to the channel now."""

    entry: int


@message(about=("entry", "attempt"))
class ImpatienceDue:
    """There has been no answer in time."""

    entry: int
    attempt: int


class Channel(Actor):
    """The Internet shop, or the people who sit at the telephones.

    Args:
        crm: The name of CRM's actor.
        diary: Who wants what when, in order of time.
        policy: When an unanswered contact is sent again.
    """

    def __init__(self, crm: str, diary: tuple[DiaryEntry, ...], policy: RetryPolicy) -> None:
        self._crm = crm
        self._diary = diary
        self._policy = policy
        self._attempts: dict[int, int] = {}
        """Contacts that wait for an answer -> how often they were sent again."""
        self._earlier: dict[int, int] = {}
        """Contact -> the one before it about the same order; enquiries wait for nobody."""
        latest: dict[str, int] = {}
        for entry, wanted in enumerate(diary):
            if not isinstance(wanted.what, Enquiry):
                name = wanted.what.reference
                if name in latest:
                    self._earlier[entry] = latest[name]
                latest[name] = entry
        self._later = {before: entry for entry, before in self._earlier.items()}

    def started(self) -> None:
        """Go on with the contacts that are still to come, or not answered."""
        answered = self.store.table("answered")
        for entry, wanted in enumerate(self._diary):
            if entry not in answered:
                self.after(max(wanted.time_ns - self.now_ns, 0), ContactDue(entry))

    @property
    def unanswered_references(self) -> list[str]:
        """The orders that contacts are about which CRM has not dealt with."""
        answered = self.store.table("answered")
        return [one.what.reference for n, one in enumerate(self._diary) if n not in answered]

    def _must_wait(self, entry: int) -> bool:
        """Say whether an earlier contact about the same order is not done yet."""
        earlier = self._earlier.get(entry)
        return earlier is not None and earlier not in self.store.table("answered")

    @handles(ContactDue)
    def contacted(self, message: ContactDue, sender: object) -> None:
        """Pass on what somebody wants, behind what was wanted of the same order before."""
        if self._must_wait(message.entry):
            return
        attempt = self._attempts.get(message.entry, -1) + 1
        self._attempts[message.entry] = attempt
        wish: Any = self._diary[message.entry].what
        contact = Contact(self.name, message.entry, attempt, wish)
        self.send(self.address(self._crm), contact, attempt=attempt)
        u = self.luck("patience").uniform(message.entry, attempt)
        self.after(self._policy.wait_ns(attempt, u), ImpatienceDue(message.entry, attempt))

    @handles(ImpatienceDue)
    def unanswered(self, message: ImpatienceDue, sender: object) -> None:
        """Send it again, if nobody has answered since."""
        if self._attempts.get(message.entry) == message.attempt:
            self.contacted(ContactDue(message.entry), None)

    @handles(ContactAnswered)
    def answered(self, message: ContactAnswered, sender: Address[Contact]) -> None:
        """Note down that it is done, or try again later."""
        if self._attempts.pop(message.entry, None) is None:
            return  # a second answer
        if message.is_done:
            with self.commit() as change:
                change.put("answered", message.entry, self.now_ns)
                change.then(lambda: self._go_on_behind(message.entry))
        else:
            self._attempts[message.entry] = message.attempt + 1
            self.after(LATER, ContactDue(message.entry))

    def _go_on_behind(self, entry: int) -> None:
        """Take up the contact that has waited for this one, if its time has come."""
        later = self._later.get(entry)
        if later is not None and self._diary[later].time_ns <= self.now_ns:
            self.contacted(ContactDue(later), None)


def edited_by(edit: OrderEdit, document: OrderDocument, prefix: str) -> OrderDocument:
    """Return a document after an edit, with identities for new items."""
    order = with_lines(edit.applied(document.order), None, prefix)
    return attrs.evolve(document, order=order)


class Contacts:
    """How CRM serves customers who turn to another channel.

    Args:
        actor: CRM's actor.
        orders: Decides on orders.
    """

    def __init__(self, actor: Actor, orders: Orders) -> None:
        self._actor = actor
        self._orders = orders

    def serve(self, change: Change, contact: Contact, opened: Opened) -> ContactAnswered:
        """Do what a customer wants, once; return the answer."""
        wish, row = contact.wish, (contact.channel, contact.entry)
        guid = self._actor.store.get("by reference", wish.reference)
        reason = None
        if isinstance(wish, Enquiry):
            self._look_up(change, wish, contact.channel, guid)
        elif not self._actor.store.get("contacts", row, False):
            reason = self._write(change, guid, wish, row, opened)
            if reason is None:
                change.put("contacts", row, True)
        if reason is not None:
            change.note(FORBIDDEN, wish.reference, guid=guid or "", reason=reason)
        is_done = reason not in (BEING_DISTRIBUTED, *CLOSED)
        return ContactAnswered(contact.channel, contact.entry, contact.attempt, is_done)

    def _write(
        self,
        change: Change,
        guid: str | None,
        wish: SalesOrder | OrderEdit,
        row: tuple[str, int],
        opened: Opened,
    ) -> str | None:
        """Store an order, or change one; return why not, if it cannot be."""
        by, entry = row
        if isinstance(wish, SalesOrder):
            order = identified(wish, self._actor.luck("guid"), by)
            return self._orders.create_here(change, order, by)
        if guid is None:
            return NO_SUCH_ORDER
        return self._orders.edit_here(
            change, guid, lambda document: edited_by(wish, document, f"{by} {entry}"), by, opened
        )

    def _look_up(self, change: Change, wish: Enquiry, by: str, guid: str | None) -> None:
        """Read how an order stands; the customer hears what CRM Online has."""
        store = self._actor.store
        save = int(store.get("saves", store.get("numbers", guid), 0))
        change.note(READ, wish.reference, channel=by, guid=guid or "", save=save, pending=0)
