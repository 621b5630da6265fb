"""What does CRM know of contracts, and of the orders that draw on them?

CRM keeps for each contract which orders draw on it, as they were saved last without an error: an
order that contains errors draws nothing new. How much is left follows from that, and for contracts
of the ERP also from what the ERP has reported: of an order that both know, the larger number
counts, so nothing is given away twice while a change is on its way. Contracts of the ERP are only
shown here; of those of CRM, CRM itself writes into the record what is released and what remains.
Sources: CONTRIBUTING.md, S19, S20; what counts meanwhile is assumed.
"""

from collections.abc import Mapping

import attrs

from crmsim.applications.contracts import (
    ERP,
    Pieces,
    is_of_erp,
    left_over,
    most_of,
    pieces_in,
    products_of,
    progress_fields,
    sum_of,
    target_of,
    text_of,
    why_not_draw,
    why_not_lower,
    why_not_open,
)
from crmsim.applications.status import Distribution, OrderRecord
from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.business.sales import SalesKind, SalesOrder
from crmsim.formats.bapi import BapiContract
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.replication import Key
from crmsim.online.online import ERP as BY_ERP
from crmsim.online.online import OFFICE, Online
from crmsim.qrfc.wire import Guarantees
from crmsim.trace.kinds import FORBIDDEN
from crmsim.units import days

__all__ = ["DRAWN", "NUMBER_TAKEN", "REPORTED", "Contracts", "contract_fields"]

DRAWN = "drawn"
"""Key of a contract -> (number of an order, (product, pieces) of all its items), in order."""
DRAWS_ON = "draws on"
"""Number of an order -> the contract on whose list it stands."""
REPORTED = "reported contracts"
"""Key of a contract of the ERP -> its newest state that CRM has heard of."""
NUMBER_TAKEN = "CRM has a contract of its own with this number"


def contract_fields(news: BapiContract) -> dict[str, str]:
    """Return what a record in CRM says of a contract of the ERP."""
    target = dict(news.target)
    calls = [{product: pieces} for _, product, pieces in news.calls]
    last = {} if news.valid_to is None else {"valid_to": str(news.valid_to)}
    return {
        "products": ", ".join(sorted(target)),
        "status": news.status,
        "system": ERP,
        "target": text_of(target),
        **last,
        **progress_fields(target, calls),
    }


class Contracts:
    """The contracts in CRM Online.

    Args:
        actor: The actor whose store holds both databases.
        online: Where they are saved.
        guarantees: Whether what is newest stays.
    """

    def __init__(self, actor: Actor, online: Online, guarantees: Guarantees) -> None:
        self._actor = actor
        self._online = online
        self._guarantees = guarantees

    # --- orders that draw on them ---

    def chosen(self, document: OrderDocument) -> tuple[SalesOrder, tuple[str, ...], str | None]:
        """Return an order with its contract, which contracts fit, and why not the one it names.

        A contract with too little left does not fit. If the only one has too little, the order
        stays without: a plain order.
        """
        order, number = document.order, document.number
        theirs = self._of(order.customer)
        fitting = tuple(one.key for one in theirs.values() if self._fits(one, order, number))
        if len(fitting) == 1 and not order.contract:
            order = attrs.evolve(order, contract=fitting[0])
        if not order.contract:
            return order, fitting, None
        named = theirs.get(order.contract)
        if named is None:
            reason = f"contract {order.contract} is not open, or not the customer's"
            return order, fitting, reason
        return order, fitting, self._why_not_draw(named, order, number)

    def _of(self, customer: str) -> dict[str, Record]:
        """Return key -> contract of a customer."""
        store = self._actor.store
        keys = store.get("contracts", customer, ())
        found = {key: store.get("records", ("contract", key)) for key in keys}
        return {key: record for key, record in found.items() if record is not None}

    def _fits(self, contract: Record, order: SalesOrder, number: str) -> bool:
        """Say whether an order that names no contract may be put on one."""
        is_drawn = bool(pieces_in(order.items, products_of(contract)))
        if order.kind is not SalesKind.ORDER or not is_drawn or self._why_closed(contract):
            return False
        return self._why_not_draw(contract, order, number) is None

    def _why_closed(self, contract: Record) -> str | None:
        return why_not_open(contract, self._actor.now_ns // days(1))

    def _why_not_draw(self, contract: Record, order: SalesOrder, number: str) -> str | None:
        counting = self._counting(contract)
        before = counting.pop(number, None)
        wanted: Pieces = {}
        if order.kind is SalesKind.ORDER:
            wanted = pieces_in(order.items, products_of(contract))
        left = left_over(target_of(contract), counting.values())
        return why_not_draw(contract.key, wanted, before, left, self._why_closed(contract))

    def _counting(self, contract: Record) -> dict[str, Pieces]:
        """Return order -> what counts as drawn on a contract."""
        store, key = self._actor.store, contract.key
        counting: dict[str, Pieces] = {}
        for number, pieces in store.get(DRAWN, key, ()):
            record: OrderRecord = store.get("orders", number)
            is_refused = record.distribution is Distribution.ERROR
            if not (is_refused and is_of_erp(contract)):  # else only what the ERP has counts
                counting[number] = dict(pieces)
        reported: BapiContract | None = store.get(REPORTED, key)
        for number, product, pieces in () if reported is None else reported.calls:
            counting[number] = most_of(counting.get(number, {}), {product: pieces})
        return counting

    def saved(self, change: Change, document: OrderDocument) -> None:
        """Take over what an order that is just being saved draws on.

        What contains errors leaves everything as it was: it goes no further either.
        """
        order, number = document.order, document.number
        if document.errors or order.kind is not SalesKind.ORDER:
            return
        was = change.get(DRAWS_ON, number, "")
        for key in dict.fromkeys(filter(None, (was, order.contract))):
            rows = dict(change.get(DRAWN, key, ()))
            if key == order.contract:
                products = [item.product for item in order.items]
                rows[number] = tuple(sorted(pieces_in(order.items, products).items()))
            else:
                rows.pop(number, None)
            change.put(DRAWN, key, tuple(rows.items()))
            self._show(change, key)
        if order.contract:
            change.put(DRAWS_ON, number, order.contract)
        elif was:
            change.delete(DRAWS_ON, number)

    def _show(self, change: Change, key: str) -> None:
        """Write into a contract of CRM what is released by now, and what remains."""
        contract: Record = self._actor.store.get("records", ("contract", key))
        if is_of_erp(contract):
            return
        fields = self._progress(change, key, target_of(contract))
        if any(dict(contract.fields).get(name, "") != text for name, text in fields.items()):
            self._online.change_record(change, ("contract", key), fields, "", OFFICE)

    def _progress(self, change: Change, key: str, target: Pieces) -> dict[str, str]:
        calls = [dict(pieces) for _, pieces in change.get(DRAWN, key, ())]
        return progress_fields(target, calls)

    # --- what the ERP tells ---

    def take(self, change: Change, state: BapiContract, load: str = "") -> None:
        """Show what the ERP says of a contract; what is older than what is known is left out.

        Args:
            change: The commit that does it.
            state: What the ERP says.
            load: The block of a load that says it; empty for none.
        """
        key, name = ("contract", state.key), f"contract {state.key}"
        held: Record | None = self._actor.store.get("records", key)
        if held is not None and not is_of_erp(held):
            change.note(FORBIDDEN, name, guid=name, reason=NUMBER_TAKEN)
            return
        known: BapiContract | None = self._actor.store.get(REPORTED, state.key)
        is_old = known is not None and known.number >= state.number
        if is_old and self._guarantees.newest_stays:
            return
        change.put(REPORTED, state.key, state)
        fields, has = contract_fields(state), {} if held is None else dict(held.fields)
        if any(has.get(field) != text for field, text in fields.items()):
            number = state.number
            self._online.change_record(
                change, key, fields, state.customer, BY_ERP, number=number, load=load
            )

    # --- what the office does ---

    def why_not_here(self, key: Key, fields: Mapping[str, str]) -> str | None:
        """Return why somebody in CRM cannot change a contract, or None."""
        held: Record | None = self._actor.store.get("records", key)
        if key[0] != "contract" or held is None:
            return None
        if is_of_erp(held):
            return "it is a contract of the ERP, and only shown in CRM"
        changed = attrs.evolve(held, fields=tuple({**dict(held.fields), **fields}.items()))
        drawn = self._actor.store.get(DRAWN, key[1], ())
        called = sum_of(dict(pieces) for _, pieces in drawn)
        return why_not_lower(key[1], target_of(changed), called)

    def completed(self, change: Change, key: Key, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return fields of a contract of CRM, with what follows from its target."""
        if key[0] != "contract" or "target" not in fields:
            return fields
        target = target_of(Record(*key, tuple(fields.items())))
        return {**fields, **self._progress(change, key[1], target)}
