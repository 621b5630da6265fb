"""What does the ERP know of its contracts, and what is called off them?

A contract of the ERP is made and changed here alone. Every order that is booked with a contract is
a release order. How much is called off follows from the orders that are booked, wherever they were
born: nothing is counted up, so nothing can be counted twice. Each change makes a new state of the
contract, and CRM is told all of it. Before the initial load nothing flows.
Sources: CONTRIBUTING.md, S19; refusals are assumed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from crmsim.applications.contracts import (
    OPEN,
    left_over,
    pieces_in,
    sum_of,
    why_ended,
    why_not_draw,
    why_not_lower,
)
from crmsim.erp.orders import ErpOrder
from crmsim.formats.bapi import BapiContract, BapiOrder
from crmsim.formats.loading import contract_facts
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.queue import Luw
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import CALLED, FORBIDDEN
from crmsim.units import days

__all__ = ["CONTRACTS", "FLOWS", "ContractBook", "ContractChange", "ErpContract"]

CONTRACTS = "contracts"
"""Key -> contract."""
CALLS = "calls"
"""Key of a contract -> the orders that draw on it, in the order in which they began to."""
FLOWS = "delta"
"""Object -> whether CRM is told whenever one of them changes."""


@attrs.frozen
class ErpContract:
    """A contract as the ERP holds it."""

    key: str
    customer: str
    target: tuple[tuple[str, int], ...]
    """(product, pieces) that can be called off it."""
    valid_to: int | None = None
    """Last day of the run on which something can be called off; None when there is none."""
    status: str = OPEN
    number: int = 1
    """The how-manieth state of it this is."""

    def why_not_open(self, day: int) -> str | None:
        """Return why nothing new can be called off it on a day of the run, or None."""
        return why_ended(self.status, self.valid_to, day)


@attrs.frozen
class ContractChange:
    """What somebody at the ERP does to a contract; what is None stays as it is."""

    key: str
    customer: str | None = None
    """Whose it is; only a new one gets a customer."""
    target: tuple[tuple[str, int], ...] | None = None
    valid_to: int | None = None
    status: str | None = None

    def applied(self, held: ErpContract | None) -> ErpContract:
        """Return the contract after it."""
        if held is None:
            wanted = (self.key, self.customer or "", self.target or (), self.valid_to)
            return ErpContract(*wanted, self.status or OPEN)
        return attrs.evolve(
            held,
            target=held.target if self.target is None else self.target,
            valid_to=held.valid_to if self.valid_to is None else self.valid_to,
            status=self.status or held.status,
            number=held.number + 1,
        )


class ContractBook:
    """The contracts of an ERP.

    Args:
        actor: The actor of the ERP; its store holds contracts and orders.
        outbound: The queues to CRM.
        is_told: Says by the fields of a contract whether CRM is told of it.
    """

    def __init__(
        self,
        actor: Actor,
        outbound: OutboundQueues,
        is_told: Callable[[Mapping[str, str]], bool],
    ) -> None:
        self._actor = actor
        self._outbound = outbound
        self._is_told = is_told

    # --- orders that draw on them ---

    def why_not(self, key: str, order: BapiOrder) -> str | None:
        """Return why an order cannot be booked with the contract that it names, or None.

        Args:
            key: Under which it would be booked.
            order: The order.
        """
        if not order.contract:
            return None
        contract: ErpContract | None = self._actor.store.get(CONTRACTS, order.contract)
        if contract is None or contract.customer != order.customer:
            return f"contract {order.contract} is not known, or not the customer's"
        calls = self._calls(self._actor.store.get, contract)
        before = calls.pop(key, None)
        wanted = pieces_in(order.items, dict(contract.target))
        left = left_over(dict(contract.target), calls.values())
        day = self._actor.now_ns // days(1)
        return why_not_draw(contract.key, wanted, before, left, contract.why_not_open(day))

    def booked(self, change: Change, key: str, order: BapiOrder, before: ErpOrder | None) -> None:
        """Take over what an order that is just being booked draws on, now and no more.

        Args:
            change: The commit that books it.
            key: Under which it is booked.
            order: The order.
            before: As it was booked; None when it was not.
        """
        was = "" if before is None else before.order.contract
        for contract in dict.fromkeys(filter(None, (was, order.contract))):
            drawing = change.get(CALLS, contract, ())
            if contract != order.contract:
                change.put(CALLS, contract, tuple(one for one in drawing if one != key))
            elif key not in drawing:
                change.put(CALLS, contract, (*drawing, key))
            held: ErpContract = change.get(CONTRACTS, contract)
            self._store(change, attrs.evolve(held, number=held.number + 1))

    def _calls(
        self, get: Callable[..., object], contract: ErpContract
    ) -> dict[str, dict[str, int]]:
        """Return order -> what it draws on a contract, as it is booked."""
        found = {}
        drawing = get(CALLS, contract.key, ())
        assert isinstance(drawing, tuple)
        for key in drawing:
            booked = get("orders", key)
            assert isinstance(booked, ErpOrder)
            found[key] = pieces_in(booked.order.items, dict(contract.target))
        return found

    # --- what people do ---

    def change(self, wanted: ContractChange, done: Callable[[], None]) -> None:
        """Create a contract, or change one; the history says so if that is forbidden."""
        with self._actor.commit() as change:
            change.then(done)
            held: ErpContract | None = self._actor.store.get(CONTRACTS, wanted.key)
            contract = wanted.applied(held)
            reason = self._why_not_change(held, wanted) or self._why_not_lower(contract)
            if reason is not None:
                name = f"contract {wanted.key}"
                change.note(FORBIDDEN, name, guid=name, reason=reason)
                return
            self._store(change, contract)

    def _why_not_change(self, held: ErpContract | None, wanted: ContractChange) -> str | None:
        if held is not None:
            is_moved = wanted.customer not in (None, held.customer)
            return "a contract stays with its customer" if is_moved else None
        if not wanted.target:
            return "a new contract needs a customer and a target"
        customer = "customer", wanted.customer
        is_known = self._actor.store.get("records", customer) is not None
        return None if is_known else f"the ERP knows no {' '.join(map(str, customer))}"

    def _why_not_lower(self, contract: ErpContract) -> str | None:
        known = self._actor.store.get(CONTRACTS, contract.key, contract)
        named = attrs.evolve(contract, target=(*known.target, *contract.target))
        called = sum_of(self._calls(self._actor.store.get, named).values())
        target: Mapping[str, int] = {**dict.fromkeys(called, 0), **dict(contract.target)}
        return why_not_lower(contract.key, target, called)

    # --- both ---

    def _store(self, change: Change, contract: ErpContract) -> None:
        """Store a new state of a contract, and tell CRM."""
        name = f"contract {contract.key}"
        change.put(CONTRACTS, contract.key, contract)
        change.put("references", name, name)
        state = self._state(change.get, contract)
        change.note(
            CALLED,
            name,
            guid=name,
            customer=state.customer,
            number=state.number,
            status=state.status,
            valid_to=-1 if state.valid_to is None else state.valid_to,
            target=state.target,
            calls=state.calls,
        )
        if self._is_told({**contract_facts(contract), "key": contract.key}):
            luw = Luw(f"state {state.number} of {name} in {self._actor.name}", state, name)
            self._outbound.enqueue(change, f"R3AD_CONTRACT{contract.key}", luw)

    def state(self, key: str) -> BapiContract:
        """Return a contract as CRM is told of it."""
        get = self._actor.store.get
        return self._state(get, get(CONTRACTS, key))

    def _state(self, get: Callable[..., Any], contract: ErpContract) -> BapiContract:
        calls = self._calls(get, contract)
        numbers = {key: _number_in_crm(key, get("orders", key)) for key in calls}
        return BapiContract(
            contract.key,
            contract.customer,
            contract.target,
            tuple(
                (numbers[key], *row) for key, call in calls.items() for row in sorted(call.items())
            ),
            contract.valid_to,
            contract.status,
            contract.number,
        )


def _number_in_crm(key: str, booked: ErpOrder) -> str:
    """Return what CRM calls an order; a second copy of one it does not know."""
    return key if "#" in key else booked.order.number
