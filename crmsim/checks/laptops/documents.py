"""Was every kind of document treated as its own rules say?

Visits, opportunities, sales transactions, contracts: what stays at home, what is kept back, what
never changes, which number is whose.
"""

from typing import Any

from crmsim.applications.contracts import DERIVED
from crmsim.applications.directions import direction_of, lacks_of
from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.business.sales import SalesKind
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget
from crmsim.checks.laptops.selection import held_by
from crmsim.middleware.queue import laptop_of
from crmsim.trace.journal import Event

__all__ = [
    "CONTRACTS_ARE_FOUND",
    "ERRORS_STAY_UP",
    "FLAGS_ARE_TRUE",
    "NEVER_IN_THE_ERP",
    "NUMBERS_ARE_UNIQUE",
    "OWN_FIELDS_SURVIVE",
    "PRIVATE_STAYS_HOME",
    "REFERENCES_RESOLVE",
    "TYPES_ARE_FROZEN",
]

NOT_FOR_ERP = ("activity", "note", "attachment", "opportunity", "contract")
"""What the ERP has no use for, or has as its own."""


class _Private(Judge):
    """I-36: as long as an appointment is marked as private, its laptop saves nothing of it that is
    to be sent, and nothing of it comes to CRM from there.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._private: dict[tuple[str, str], None] = {}

    def on_kept(self, event: Event) -> None:
        key = event.actor, str(event.detail["guid"])
        if event.detail["private"]:
            self.judged += 1
            self._private[key] = None
        else:
            self._private.pop(key, None)

    def on_saved(self, event: Event) -> None:
        if (event.actor, str(event.detail["guid"])) in self._private:
            self.blame(f"{event.subject} is private, but {event.actor} is to send it", event)

    def on_enqueued(self, event: Event) -> None:
        queue = str(event.detail["queue"])
        if not queue.startswith("CRM_SITE_") or queue.endswith(" out"):
            return
        laptop, guid = laptop_of(queue), str(event.detail.get("guid", ""))
        if (laptop, guid) in self._private:
            self.blame(f"{guid} is private, but has come from {laptop}", event)

    def on_wiped(self, event: Event) -> None:
        forget(self._private, event.actor)


class _NeverInErp(Judge):
    """I-66, I-63: no activity, no opportunity and no contract of CRM is ever put into a queue to
    the ERP.
    """

    def on_enqueued(self, event: Event) -> None:
        if not str(event.detail["queue"]).startswith("R3AU_"):
            return
        self.judged += 1
        kind = str(event.detail.get("guid", "")).partition(" ")[0]
        if kind in NOT_FOR_ERP:
            self.blame(f"{event.detail['guid']} is on its way to the ERP", event)


class _TypesFrozen(Judge):
    """I-67: the type of an activity never changes once it has been transferred."""

    def on_changed(self, event: Event) -> None:
        frozen = direction_of(event.subject.partition(" ")[0]).frozen_fields
        if not frozen:
            return
        self.judged += 1
        fields = event.detail["fields"]
        changed = fields if isinstance(fields, tuple | list) else ()
        for name in frozen:
            if name in changed and int(str(event.detail["version"])) > 1:
                self.blame(f"the {name} of {event.subject} was changed", event)


class _ErrorsStayUp(Judge):
    """I-68: a sales transaction that contains errors is put into no queue of a laptop as data; only
    the answer to its author brings it.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._with_errors: dict[tuple[str, int], None] = {}

    def on_committed(self, event: Event) -> None:
        if event.detail.get("errors"):
            key = str(event.detail["guid"]), int(str(event.detail["save"]))
            self._with_errors[key] = None

    def on_enqueued(self, event: Event) -> None:
        if event.detail.get("what") not in ("insert", "update"):
            return
        self.judged += 1
        key = str(event.detail["guid"]), int(str(event.detail["version"]))
        if key in self._with_errors:
            self.blame(f"{event.subject} brings an order that contains errors", event)


class _Contracts(Judge):
    """I-65: an order for which several contracts fit contains an error until somebody chooses one;
    if only one fits, the order draws on it, unless somebody has chosen another one. A contract with
    a target or an end may not have fitted when the order came, so an order that draws on none is
    accused only if there is one without. Customers whose contracts were changed meanwhile, but for
    what is released, are left out; when one went to another customer, all are.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._changed: dict[str, None] = {}
        self._is_carried = False

    def on_changed(self, event: Event) -> None:
        fields: Any = event.detail["fields"]
        is_more = event.detail["carried"] or set(fields) - set(DERIVED)
        if event.subject.startswith("contract ") and is_more:
            self._changed[str(event.detail["customer"])] = None
            self._is_carried = self._is_carried or bool(event.detail["carried"])

    def end(self, ending: Ending) -> None:
        for crm in self.scene.topology.sites("crm") if ending.is_quiet else ():
            store = ending.stores[crm]
            for row in store.table("orders").values():
                customer = row.document.order.customer
                keys = store.get("contracts", customer, ())
                if keys and customer not in self._changed and not self._is_carried:
                    records = [store.get("records", ("contract", key)) for key in keys]
                    self._compare(row.document, [one for one in records if one is not None])

    def _compare(self, document: OrderDocument, contracts: list[Record]) -> None:
        order = document.order
        if order.kind is not SalesKind.ORDER:
            return
        self.judged += 1
        fits = []
        for contract in contracts:
            fields = dict(contract.fields)
            products = [name.strip() for name in fields.get("products", "").split(",")]
            is_limited = fields.get("target") or fields.get("valid_to")
            is_open = fields.get("status") != "closed" and not is_limited
            if is_open and any(item.product in products for item in order.items):
                fits.append(contract.key)
        has_error = any("contracts fit" in one for one in document.errors)
        if len(fits) > 1 and not order.contract and not has_error:
            self.blame(f"several contracts fit order {order.reference}, and nobody was asked")
        if len(fits) == 1 and not order.contract and not has_error:
            self.blame(f"order {order.reference} does not draw on contract {fits[0]}")


class _Flags(Judge):
    """I-69: when all is quiet, an opportunity is marked as incomplete, in CRM and on every laptop
    that holds it, exactly when something is missing in it.
    """

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for crm in self.scene.topology.sites("crm"):
            for key, record in ending.stores[crm].table("records").items():
                if (
                    direction_of(key[0]).is_kept_incomplete
                    and record.identity not in ending.waiting
                ):
                    self._compare(ending, crm, key, record)

    def _compare(self, ending: Ending, crm: str, key: tuple[str, str], record: Record) -> None:
        self.judged += 1
        wanted = lacks_of(record)
        if record.lacks != wanted:
            self.blame(f"{crm} marks {' '.join(key)} wrongly")
        for laptop in self.scene.topology.sites("mobile"):
            held = ending.stores[laptop].get("records", key)
            if held is not None and laptop not in ending.set_aside and held.lacks != wanted:
                self.blame(f"{laptop} marks {' '.join(key)} wrongly")


class _OwnFields(Judge):
    """I-70: what a rep wrote into a field that exists only on laptops is there as he wrote it last,
    whatever has come from CRM since, as long as the document is on the laptop.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._wrote: dict[tuple[str, str], dict[str, str]] = {}
        """(laptop, document) -> field -> value."""
        self._creations: dict[str, None] = {}

    def on_kept(self, event: Event) -> None:
        fields = event.detail["fields"]
        if isinstance(fields, tuple | list) and fields:
            key = event.actor, str(event.detail["guid"])
            self._wrote.setdefault(key, {}).update(dict(fields))

    def on_saved(self, event: Event) -> None:
        if event.detail["task"] == "insert":
            self._creations[str(event.detail["message"])] = None

    def on_imported(self, event: Event) -> None:
        is_refused = str(event.detail.get("answers", "")) in self._creations
        is_refused = is_refused and event.detail["what"] == "rejection"
        if is_refused or event.detail["what"] == "removal":
            self._wrote.pop((event.actor, str(event.detail["guid"])), None)

    def on_wiped(self, event: Event) -> None:
        forget(self._wrote, event.actor)

    def end(self, ending: Ending) -> None:
        for (laptop, guid), wanted in self._wrote.items() if ending.is_quiet else ():
            store = ending.stores[laptop]
            key = guid.partition(" ")[0], guid.partition(" ")[2]
            if key not in held_by(store):
                continue
            self.judged += 1
            has = dict(store.get("own fields", guid, ()))
            for name, value in wanted.items():
                if has.get(name) != value:
                    self.blame(f"{laptop} has lost {name} of {guid}")


class _Numbers(Judge):
    """I-77, I-78: every document has one number and every number one document, in CRM as in the
    ERP, and both know a document by the same.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._number_of: dict[str, str] = {}
        self._guid_of: dict[str, str] = {}

    def on_committed(self, event: Event) -> None:
        self.judged += 1
        guid, number = str(event.detail["guid"]), str(event.detail["number"])
        if self._number_of.setdefault(guid, number) != number:
            self.blame(f"{event.subject} was number {self._number_of[guid]}, now {number}", event)
        if self._guid_of.setdefault(number, guid) != guid:
            self.blame(f"number {number} is that of two documents", event)

    on_booked = on_committed


class _References(Judge):
    """I-79: whatever number a document gets, a laptop finds it by what its rep calls it."""

    def end(self, ending: Ending) -> None:
        for laptop in self.scene.topology.sites("mobile") if ending.is_quiet else ():
            store = ending.stores[laptop]
            for guid, local in store.table("orders").items():
                self.judged += 1
                if store.get("references", local.reference) != guid:
                    self.blame(f"{laptop} does not find order {local.reference} ({guid})")


PRIVATE_STAYS_HOME = Check(
    "private appointments stay on their laptop", Mood.ALWAYS, ("I-36",), _Private
)
NEVER_IN_THE_ERP = Check(
    "what the ERP has no use for never goes there", Mood.ALWAYS, ("I-63", "I-66"), _NeverInErp
)
TYPES_ARE_FROZEN = Check(
    "the type of an activity never changes", Mood.ALWAYS, ("I-67",), _TypesFrozen
)
ERRORS_STAY_UP = Check(
    "what contains errors is sent down to no laptop", Mood.ALWAYS, ("I-68",), _ErrorsStayUp
)
CONTRACTS_ARE_FOUND = Check(
    "orders draw on the contract that fits", Mood.EVENTUALLY, ("I-65",), _Contracts
)
FLAGS_ARE_TRUE = Check(
    "what is incomplete is marked everywhere", Mood.EVENTUALLY, ("I-69",), _Flags
)
OWN_FIELDS_SURVIVE = Check(
    "fields that only laptops have survive", Mood.EVENTUALLY, ("I-70",), _OwnFields
)
NUMBERS_ARE_UNIQUE = Check(
    "every document has a number of its own", Mood.ALWAYS, ("I-77", "I-78"), _Numbers
)
REFERENCES_RESOLVE = Check(
    "every document is found by its name", Mood.EVENTUALLY, ("I-79",), _References
)
