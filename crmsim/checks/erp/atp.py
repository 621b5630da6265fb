"""Was the planning system asked about the right things, and did it promise only what there is?"""

from typing import Any

from crmsim.business.document import Fate, Owner
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, is_order
from crmsim.trace.journal import Event

__all__ = ["PROMISES_ARE_SOUND"]

WAYS = {"AtpRequest": ("crm", "apo"), "AtpAnswer": ("apo", "crm")}
"""Message -> the kinds of systems that it goes from and to."""


class _Promises(Judge):
    """I-76: whether there is enough is asked by CRM alone, of the planning system alone, and only
    for items of sales orders that could go to the ERP. It never promises an order more than it
    wants, nor more than was available then, nor more in all than there ever was; and it promises
    nothing twice for the same check. When all is quiet, CRM shows what was promised last, but for
    orders that people at the ERP may change, and nothing is kept for an order that was cancelled.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._askable: dict[tuple[str, int], str] = {}
        """(GUID, version) that CRM Online stored -> why it may not be asked about, or empty."""
        self._checks: dict[tuple[str, int], None] = {}
        self._held: dict[tuple[str, str], int] = {}
        """(order, product) -> pieces that it is promised."""
        self._sums: dict[str, int] = {}
        """Product -> pieces that all orders are promised."""

    def on_sent(self, event: Event) -> None:
        way = WAYS.get(str(event.detail["message"]))
        if way is None:
            return
        self.judged += 1
        ends = event.actor, str(event.detail["to"])
        kinds = tuple(self.scene.kind_of(end) for end in ends)
        if kinds != way:
            self.blame(f"{ends[0]} sent {event.detail['message']} to {ends[1]}", event)

    def on_committed(self, event: Event) -> None:
        why_not = "" if int(str(event.detail["items"])) else "has no item"
        if not is_order(event):
            why_not = f"is a {event.detail['object']}"
        elif event.detail.get("errors"):
            why_not = "contains errors"
        elif event.detail.get("locked"):
            why_not = "is not released"
        self._askable[str(event.detail["guid"]), int(str(event.detail["version"]))] = why_not

    def on_changed(self, event: Event) -> None:
        if event.subject.startswith("service_order "):
            row = event.subject, int(str(event.detail["version"]))
            self._askable[row] = ""

    def on_promised(self, event: Event) -> None:
        self.judged += 1
        order, check = str(event.detail["order"]), int(str(event.detail["check"]))
        version = str(event.detail["guid"]), int(str(event.detail["version"]))
        why_not = self._askable.get(version, "was never stored in that version")
        if why_not:
            self.blame(f"order {event.subject} was checked, but {why_not}", event)
        if (order, check) in self._checks:
            self.blame(f"check {check} of order {event.subject} was answered anew", event)
        self._checks[order, check] = None
        products: Any = event.detail["products"]
        for product, wanted, promised, available, ever in products:
            more = promised - self._held.get((order, product), 0)
            self._held[order, product] = promised
            self._sums[product] = self._sums.get(product, 0) + more
            told = f"order {event.subject} was promised {promised} {product}"
            if promised > wanted:
                self.blame(f"{told}, and wants {wanted}", event)
            if more > available:
                self.blame(f"{told}, {more} of them now; {available} were available", event)
            if self._sums[product] > ever:
                self.blame(f"{told}; that makes {self._sums[product]} of {ever} in all", event)

    def end(self, ending: Ending) -> None:
        sites = self.scene.topology.sites
        if not (ending.is_quiet and self._checks and sites("crm")):
            return
        for record in ending.stores[sites("crm")[0]].table("orders").values():
            document, order = record.document, record.document.order
            is_cancelled = document.fate is Fate.CANCELLED
            is_judged = document.owner is Owner.CRM and (document.schedule or is_cancelled)
            if order.reference in ending.waiting or not is_judged:
                continue
            products = {item.line: item.product for item in order.items}
            shown: dict[str, int] = {}
            for one in document.schedule:
                product = products.get(one.line, "")
                shown[product] = shown.get(product, 0) + one.pieces
            number = document.number
            held = {p: n for (key, p), n in self._held.items() if key == number and n}
            self.judged += 1
            if shown != held:
                self.blame(
                    f"CRM shows {_told(shown)} as confirmed for order {order.reference}, "
                    f"{_told(held)} is promised"
                )


def _told(pieces: dict[str, int]) -> str:
    return ", ".join(f"{count} {product}" for product, count in pieces.items()) or "nothing"


PROMISES_ARE_SOUND = Check(
    "nothing is promised that is not there", Mood.ALWAYS, ("I-76",), _Promises
)
