"""Is nothing given away twice of what a contract promises, and does everybody see what is left?"""

from typing import Any

from crmsim.applications.contracts import (
    is_of_erp,
    left_over,
    pieces_in,
    progress_fields,
    target_of,
    text_of,
)
from crmsim.business.master import Record
from crmsim.business.sales import SalesKind
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.erp.contracts import CONTRACTS, FLOWS, ErpContract
from crmsim.erp.extraction import FILTERS
from crmsim.formats.loading import contract_facts
from crmsim.kernel.durable import Store
from crmsim.middleware.load import NO_FILTER
from crmsim.online.contracts import DRAWN, NUMBER_TAKEN
from crmsim.trace.journal import Event

__all__ = ["CALLS_ADD_UP", "CONTRACTS_AGREE", "CONTRACTS_STAY"]

Calls = dict[str, dict[str, int]]
"""Order -> product -> pieces."""


class _Stay(Judge):
    """I-63: no laptop ever saves a contract, and a contract of the ERP never changes in CRM unless
    the ERP has a new state of it.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._of_erp: dict[str, None] = {}

    def on_saved(self, event: Event) -> None:
        if event.detail.get("object") == "contract":
            self.judged += 1
            self.blame(f"{event.actor} saved {event.subject}", event)

    def on_changed(self, event: Event) -> None:
        if not event.subject.startswith("contract "):
            return
        self.judged += 1
        if int(str(event.detail["number"])):
            self._of_erp[event.subject] = None
        elif event.subject in self._of_erp:
            self.blame(f"{event.subject} is of the ERP, but was changed in CRM", event)


class _AddUp(Judge):
    """I-64: of each state of a contract in the ERP, what is called off it is what the orders draw
    that are booked there with this contract, and nothing exceeds the target.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._contract_of: dict[str, str] = {}
        """Order -> the contract that it is booked with."""
        self._wanted: Calls = {}

    def on_booked(self, event: Event) -> None:
        key, wanted = str(event.detail["number"]), dict[str, int]()
        lines: Any = event.detail["lines"]
        for _, pieces, _, product in lines:
            wanted[product] = wanted.get(product, 0) + pieces
        self._wanted[key] = wanted
        self._contract_of[key] = str(event.detail.get("contract", ""))

    def on_called(self, event: Event) -> None:
        self.judged += 1
        target: Any = event.detail["target"]
        calls: Any = event.detail["calls"]
        key = event.subject.removeprefix("contract ")
        left, drawn = dict(target), []
        for order, contract in self._contract_of.items():
            for product, pieces in self._wanted[order].items() if contract == key else ():
                if product in left:
                    drawn.append((order, product, pieces))
                    left[product] -= pieces
        if sorted(drawn) != sorted(calls):
            self.blame(f"{event.subject} says {calls} is called off; booked is {drawn}", event)
        for product, pieces in left.items():
            if pieces < 0:
                self.blame(f"{-pieces} {product} too many are called off {event.subject}", event)


class _Agree(Finals):
    """I-64: when all is quiet, what the ERP says of its contracts is what its booked orders draw;
    CRM, the CDB and every laptop that has a contract show the same, once they were loaded. Of a
    contract of CRM with a target, released is what its orders draw, and never more than the target.
    What waits for a person is left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._taken: dict[str, None] = {}

    def on_forbidden(self, event: Event) -> None:
        if event.detail["reason"] == NUMBER_TAKEN:
            self._taken[event.subject] = None

    def compare(self, ending: Ending) -> None:
        crm, erp = ending.stores[self.site("crm")], ending.stores[self.site("erp")]
        is_set_aside = "publication contract" in ending.set_aside
        is_shown = erp.get(FLOWS, "contract", False) and not is_set_aside
        passing = erp.get(FILTERS, "contract", NO_FILTER).passes
        for key, contract in erp.table(CONTRACTS).items():
            wanted = _as_shown(erp, contract)
            is_wanted = is_shown and passing({**contract_facts(contract), "key": key})
            if is_wanted and not {f"contract {key}"} & {*ending.set_aside, *self._taken}:
                self.judged += 1
                self._show(ending, key, wanted)
        for (object_, key), record in crm.table("records").items():
            if object_ == "contract" and not is_of_erp(record) and target_of(record):
                self.judged += 1
                self._adds_up(crm, key, record)

    def _show(self, ending: Ending, key: str, wanted: dict[str, str]) -> None:
        """Blame whoever shows a contract of the ERP otherwise than it is."""
        crm, row = self.site("crm"), ("contract", key)
        views = {"CRM": ending.stores[crm].get("records", row)}
        views["the CDB"] = ending.stores[crm].get("cdb records", row)
        for laptop in self.scene.topology.sites("mobile"):
            held = ending.stores[laptop].get("records", row)
            if held is not None and laptop not in ending.set_aside:
                views[laptop] = held
        for who, record in views.items():
            shown = {} if record is None else dict(record.fields)
            if {name: shown.get(name) for name in wanted} != wanted:
                self.blame(f"{who} shows of contract {key}: {shown}; the ERP has {wanted}")

    def _adds_up(self, crm: Store, key: str, record: Record) -> None:
        """Blame a contract of CRM of which more or less is released than its orders draw."""
        target, rows = target_of(record), dict(crm.get(DRAWN, key, ()))
        for number, one in crm.table("orders").items():
            order = one.document.order
            if one.document.errors or order.kind is not SalesKind.ORDER:
                continue  # what it drew before it got errors still counts
            has = {name: n for name, n in rows.get(number, ()) if name in target}
            draws = pieces_in(order.items, target) if order.contract == key else {}
            if has != draws:
                self.blame(f"order {order.reference} draws {draws} on contract {key}, not {has}")
        calls = [dict(pieces) for pieces in rows.values()]
        wanted = progress_fields(target, calls)
        shown = {name: dict(record.fields).get(name) for name in wanted}
        if shown != wanted:
            self.blame(f"contract {key} says {shown}, but its orders make {wanted}")
        if min(left_over(target, calls).values(), default=0) < 0:
            self.blame(f"more is called off contract {key} than its target: {shown}")


def _as_shown(erp: Store, contract: ErpContract) -> dict[str, str]:
    """Return what everybody is to show of a contract of the ERP, by its booked orders."""
    target = dict(contract.target)
    booked = [row.order for row in erp.table("orders").values()]
    calls = [pieces_in(one.items, target) for one in booked if one.contract == contract.key]
    said = {"status": contract.status, "target": text_of(target)}
    return {**said, **progress_fields(target, calls)}


CONTRACTS_STAY = Check(
    "contracts change only in the system that they are of", Mood.ALWAYS, ("I-63",), _Stay
)
CALLS_ADD_UP = Check("what is called off a contract adds up", Mood.ALWAYS, ("I-64",), _AddUp)
CONTRACTS_AGREE = Check(
    "everybody sees what is left of a contract", Mood.EVENTUALLY, ("I-64",), _Agree
)
