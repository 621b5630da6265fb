"""What is done about an order whose transfer to the ERP will never end?

Nobody can change it: it is called "being distributed", but nothing of it is under way any more. An
operator has taken it out of its queue, say, or the answer of the ERP was set to processed unread.
A report looks for such orders, asks the ERP what it has, and sets their status right (SAP: report
CRM_CHECK_DISTRIBUTION_STATUS).

About a service order, or what belongs to one, nobody is asked: the ERP posts each line once however
often it comes, so it is simply sent again. Sources: CONTRIBUTING.md, S13.
"""

from collections.abc import Callable, Iterator

from crmsim.applications.status import OrderRecord
from crmsim.business.master import Record
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.orders import Orders
from crmsim.online.service.transactions import ServiceTransactions
from crmsim.rfc.asking import Asking
from crmsim.rfc.lock import LockAnswer

__all__ = ["Repair"]


class Repair:
    """Looks for orders that are stuck in their transfer.

    Args:
        actor: CRM's actor.
        orders: Where their status is kept.
        asking: How the ERP is asked.
        answered: Lets the BDoc of an order know how its transfer ended.
        free: Lets go on what has waited for the end of a transfer.
        service: Where service orders are kept, and what belongs to them.
    """

    def __init__(
        self,
        actor: Actor,
        orders: Orders,
        asking: Asking,
        answered: Callable[..., None],
        free: Callable[[Change, str], None],
        service: ServiceTransactions,
    ) -> None:
        self._actor = actor
        self._orders = orders
        self._asking = asking
        self._answered = answered
        self._free = free
        self._service = service

    def look(self) -> None:
        """Ask the ERP about each order that is stuck."""
        busy = set(self._under_way())
        for number, record in list(self._actor.store.table("orders").items()):
            order = record.document.order
            if record.is_under_way and order.guid not in busy:
                self._ask(number, order.version)
        for document in self._service.being_distributed():
            if document.identity not in busy:
                self._give_up(document)

    def _give_up(self, document: Record) -> None:
        """End the transfer of a service transaction, so that it can be sent again."""
        name = document.identity
        with self._actor.commit() as change:
            sent = self._service.give_up(change, document)
            self._answered(change, (name, sent), is_ok=False)
            self._free(change, name)

    def _ask(self, number: str, version: int) -> None:
        self._asking.ask(
            number, lambda answer: self._set_right(number, version, answer), is_to_lock=False
        )

    def _under_way(self) -> Iterator[str]:
        """Yield the GUIDs of what stands in a queue here, or waits for a person."""
        for table in ("outbound", "inbound"):
            for luws in self._actor.store.table(table).values():
                yield from (luw.guid for luw in luws)
        for row in self._actor.store.table("error list").values():
            yield row.luw.guid

    def _set_right(self, number: str, version: int, answer: LockAnswer | None) -> None:
        """Set the status of an order to what the ERP has of it, unless it has moved meanwhile."""
        record: OrderRecord = self._actor.store.get("orders", number)
        is_as_it_was = record.document.order.version == version
        if answer is None or answer.is_waiting or not is_as_it_was:
            return
        if not record.is_under_way:
            return
        with self._actor.commit() as change:
            self._end(change, record, is_there=answer.version == version)

    def _end(self, change: Change, record: OrderRecord, *, is_there: bool) -> None:
        number, version = record.document.number, record.document.order.version
        self._answered(change, (number, version), is_ok=is_there)
        self._free(change, number)
        self._orders.end_transfer(change, record, is_there=is_there)
