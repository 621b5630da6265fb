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
from crmsim.business.sales import OrderEdit, SalesOrder, with_lines
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.rep import DiaryEntry
from crmsim.units import Duration, minutes

__all__ = ["Channel", "Contact", "ContactAnswered", "edited_by"]

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

    @property
    def left_to_write(self) -> int:
        """How many contacts are still to come, or not answered."""
        return len(self._diary) - len(self.store.table("answered"))

    def started(self) -> None:
        """Go on with the contacts that are still to come, or not answered."""
        answered = self.store.table("answered")
        for entry, wanted in enumerate(self._diary):
            if entry not in answered:
                self.after(max(wanted.time_ns - self.now_ns, 0), ContactDue(entry))

    @handles(ContactDue)
    def contacted(self, message: ContactDue, sender: object) -> None:
        """Pass on what somebody wants."""
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
        else:
            self._attempts[message.entry] = message.attempt + 1
            self.after(LATER, ContactDue(message.entry))


def edited_by(edit: OrderEdit, document: OrderDocument, prefix: str) -> OrderDocument:
    """Return a document after an edit, with identities for new items."""
    order = with_lines(edit.applied(document.order), None, prefix)
    return attrs.evolve(document, order=order)
