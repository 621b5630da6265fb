"""What do people at the ERP do while the story goes on?

Whatever they do goes to CRM, and from there its usual way. If the ERP is down, or loses what they
did in a crash, they try again ten minutes later.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from crmsim.applications.contracts import CLOSED, OPEN, must_be_target
from crmsim.applications.exchange import Numbers
from crmsim.business.sales import OrderEdit, SalesOrder, with_lines
from crmsim.erp.contracts import ContractChange
from crmsim.erp.editing import Wish
from crmsim.erp.erp import Erp
from crmsim.erp.service.warehouse import STOCK, stock_key
from crmsim.errors import BadValue
from crmsim.lab.office import Office, must_be_texts
from crmsim.middleware.replication import Kind
from crmsim.units import Duration, minutes

__all__ = ["BackOffice"]


class BackOffice(Office):
    """A landscape with people at the ERP."""

    def publish_in_erp(
        self, publication: str, values: Mapping[str, str], *, erp: str = "erp"
    ) -> None:
        """Let somebody at the ERP change products or prices now; CRM takes them over.

        Args:
            publication: A bulk object of the model that the ERP has.
            values: Key of a record -> its new value.
            erp: The name of the ERP.
        """
        must_be_texts(publication, values)
        if publication == "prices":
            _must_be_prices(values)
        kind = self._model.of(publication)
        if kind.kind is not Kind.BULK or not kind.in_erp:
            raise BadValue(f"{publication!r} does not come from the ERP")
        self._at_erp(erp, lambda it, done: it.publish(publication, values, done))

    def change_in_erp(self, about: str, key: str, *, erp: str = "erp", **fields: str) -> None:
        """Let somebody at the ERP create or change a record now that both systems have.

        Args:
            about: The name of the replication object.
            key: Its key.
            erp: The name of the ERP.
            fields: Field -> new value; the others stay as they are.

        Raises:
            BadValue: the ERP has no such thing, or nothing is changed.
        """
        kind = self._kind_of_record(about, key, "", fields)
        if not kind.in_erp:
            raise BadValue(f"the ERP knows no {about}")
        if about == STOCK:
            raise BadValue("stocks change with goods: write receive_goods")
        if "parent" in fields:
            raise BadValue(f"the ERP knows nothing that a {about} depends on; say it with change")
        if not fields:
            raise BadValue(f"say what of {about} {key!r} is changed, such as name='new'")
        self._at_erp(erp, lambda it, done: it.change_record(about, key, fields, done))

    def change_contract_in_erp(
        self,
        key: str,
        *,
        customer: str | None = None,
        target: Mapping[str, int] | None = None,
        valid_to: int | None = None,
        status: str | None = None,
        erp: str = "erp",
    ) -> None:
        """Let somebody at the ERP create or change a contract of the ERP now; CRM shows it.

        A target below what is called off already, or another customer, is refused, and the history
        says so.

        Args:
            key: Its number.
            customer: Whose it is, of a new one.
            target: Product -> pieces, all of them anew.
            valid_to: Last day of the run on which something can be called off it.
            status: ``open`` or ``closed``.
            erp: The name of the ERP.

        Raises:
            BadValue: it is a contract of CRM, or nothing is changed.
        """
        self._must_be_free(key, erp)
        if target is not None:
            must_be_target(key, target)
        if status not in (None, OPEN, CLOSED):
            raise BadValue(f"status of contract {key!r} is {OPEN!r} or {CLOSED!r}")
        rows = None if target is None else tuple(sorted(target.items()))
        wanted = ContractChange(key, customer, rows, valid_to, status)
        if wanted == ContractChange(key):
            raise BadValue(f"say what of contract {key!r} is changed, such as status='closed'")
        self._at_erp(erp, lambda it, done: it.contracts.change(wanted, done))

    def create_order_in_erp(self, order: SalesOrder, *, by: str = "erp", erp: str = "erp") -> None:
        """Let somebody at the ERP write an order or a quotation now; CRM is told of it.

        Args:
            order: Without a GUID; the ERP makes one.
            by: Who writes it.
            erp: The name of the ERP.
        """
        self._at_erp(erp, lambda it, done: it.create_order(order, by, done), order.reference)

    def change_order_in_erp(
        self,
        edit: OrderEdit,
        *,
        by: str = "erp",
        lasts: Duration = minutes(2),
        erp: str = "erp",
    ) -> None:
        """Let somebody at the ERP change an order now.

        Whether CRM is told, and whose the order is then, see `SalesExchange`. While somebody in CRM
        has it locked nobody can; then it is tried again ten minutes later. What is final, or not
        there, is left alone, and the history says so.

        Args:
            edit: What is changed.
            by: Who changes it.
            lasts: How long the order is open before it is saved.
            erp: The name of the ERP.
        """
        prefix = f"{by} at {self.simulation.now_ns}"
        self._must_be_erp(erp)

        def edited(order: SalesOrder) -> SalesOrder:
            return with_lines(edit.applied(order), None, prefix)

        def change(it: Erp, end: Callable[..., None]) -> None:
            it.edit_order(Wish(edit.reference, edited, by, lasts, end))

        self._until_done(erp, edit.reference, change)

    def receive_goods(self, place: str, product: str, pieces: int, *, erp: str = "erp") -> None:
        """Let a supplier deliver parts to the ERP now; CRM and the laptops hear of the new stock.

        Args:
            place: The stock that they are put into; it must have been added before.
            product: Which parts.
            pieces: How many.
            erp: The name of the ERP.

        Raises:
            BadValue: nothing comes, or nobody keeps such a stock.
        """
        if pieces < 1:
            raise BadValue(f"{pieces} {product} come to {place}; write 1 or more")
        self._must_be_erp(erp)
        if self.simulation.store(erp).get("records", (STOCK, stock_key(place, product))) is None:
            raise BadValue(f"nobody keeps {product!r} in {place!r}; add that with add_stock")
        self._at_erp(erp, lambda it, done: it.receive_goods(place, product, pieces, done))

    def set_numbers_in_erp(self, numbers: Numbers, *, erp: str = "erp") -> None:
        """Let somebody set up the ERP's ranges of numbers otherwise now.

        Args:
            numbers: How they go with those of CRM from now on.
            erp: The name of the ERP.
        """
        self._at_erp(erp, lambda it, done: it.set_numbers(numbers, done))

    def _at_erp(
        self, erp: str, do: Callable[[Erp, Callable[[], None]], None], order: str = ""
    ) -> None:
        self._must_be_erp(erp)
        self._in_office(erp, do, order)

    def _must_be_erp(self, erp: str) -> None:
        if not isinstance(self.simulation.actor(erp), Erp):
            raise BadValue(f"{erp!r} is no ERP")


def _must_be_prices(values: Mapping[str, str]) -> None:
    """Refuse what cannot be put into an order."""
    for name, value in values.items():
        try:
            is_price = Decimal(value) >= 0
        except InvalidOperation:
            is_price = False
        if not is_price:
            raise BadValue(f"the price of {name!r} is {value!r}; write a number, such as '12.50'")
