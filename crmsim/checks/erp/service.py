"""Is what comes of service orders, confirmations and complaints posted once, and right?"""

from collections.abc import Iterator
from typing import Any

from crmsim.applications.service import (
    BILL,
    COMPLAINT,
    CONFIRMATION,
    SERVICE_OBJECTS,
    SERVICE_ORDER,
    Effect,
    done_of,
    is_being_distributed,
    routed,
    transfer_of,
)
from crmsim.applications.status import Distribution
from crmsim.business.master import Record
from crmsim.business.postings import Sort, pieces_by_line
from crmsim.business.service import Category, ServiceItem, items_of
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.erp.service.book import AT_ONCE
from crmsim.erp.service.goods import ANNOUNCED, MOVED, SERVICE, postings_of
from crmsim.erp.service.warehouse import FIRST_STOCK, STOCK
from crmsim.mobile.holdings import shown_pieces
from crmsim.trace.journal import Event

__all__ = [
    "MEMOS_STAY_IN_CRM",
    "ONE_SALES_DOCUMENT",
    "POSTED_ONCE",
    "RETURNED_AS_DELIVERED",
    "SERVICE_IS_KNOWN",
    "STOCKS_ADD_UP",
]

RETURNS = (Category.RETURN.value, Category.RETURN_REQUEST.value)
MEMOS = (Category.CREDIT.value, Category.DEBIT.value)


def _items(event: Event) -> tuple[tuple[str, str, str, int, str], ...]:
    """Return (line, category, product, pieces, line that it is about) of what the ERP stored."""
    found: Any = event.detail["items"]
    return tuple(found)


class _PostedOnce(Finals):
    """I-72: of each line of a confirmation, what it leads to (a part: a goods issue and its costs;
    work: a time record and its costs; an expense: its costs) is posted once, of all its pieces, and
    nothing before the confirmation is completed in CRM. When all is quiet, everything that CRM
    calls posted is.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._completed: dict[str, None] = {}
        self._pieces: dict[tuple[str, str], int] = {}
        self._posted: dict[tuple[str, str, str], int] = {}

    def on_changed(self, event: Event) -> None:
        values: Any = event.detail.get("values", ())
        if ("header status", "completed") in values:
            self._completed[event.subject] = None

    def on_stored(self, event: Event) -> None:
        if event.detail["object"] == CONFIRMATION:
            for line, _, _, pieces, _ in _items(event):
                self._pieces[event.subject, line] = pieces

    def on_recorded(self, event: Event) -> None:
        if not event.subject.startswith(f"{CONFIRMATION} "):
            return
        self.judged += 1
        line, sort = str(event.detail["line"]), str(event.detail["document"])
        pieces = int(str(event.detail["pieces"]))
        name = f"{sort} of line {line} of {event.subject}"
        if event.subject not in self._completed:
            self.blame(f"{name} was posted, but nobody has completed that", event)
        if abs(pieces) != self._pieces.get((event.subject, line)):
            self.blame(f"{name} is about {pieces} of it", event)
        row = event.subject, line, sort
        self._posted[row] = self._posted.get(row, 0) + 1
        if self._posted[row] > 1:
            self.blame(f"{name} was posted {self._posted[row]} times", event)

    def compare(self, ending: Ending) -> None:
        for record in _held(ending, self.site("crm"), CONFIRMATION):
            is_posted = transfer_of(record) is Distribution.DONE
            if not is_posted or record.identity in ending.waiting:
                continue
            for item in items_of(dict(record.fields)):
                for effect in routed(CONFIRMATION, item):
                    self.judged += 1
                    row = record.identity, item.line, AT_ONCE[effect].value
                    if row not in self._posted:
                        self.blame(f"{row[2]} of line {item.line} of {record.identity} is missing")


def _held(ending: Ending, crm: str, *objects: str) -> Iterator[Record]:
    """Yield the records of some kinds that CRM Online has in the end."""
    for (object_, _), record in ending.stores[crm].table("records").items():
        if object_ in objects:
            yield record


class _OneSalesDocument(Judge):
    """I-71: the ERP has one sales document of a service order, with the items that are sold,
    and one internal order for its costs. What is delivered, in part or as a whole, stays as it
    is, and no more leaves than was ordered.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._names: dict[str, str] = {}
        self._items: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._sums: dict[tuple[str, str, str], int] = {}

    def on_stored(self, event: Event) -> None:
        if event.detail["object"] != SERVICE_ORDER:
            return
        self.judged += 1
        name = str(event.detail["name"])
        if self._names.setdefault(event.subject, name) != name:
            self.blame(f"{event.subject} has a second sales document in the ERP", event)
        sold: Any = event.detail["sold"]
        items = {row[0]: row for row in _items(event)}
        wanted = tuple(row[0] for row in _items(event) if row[1] == Category.SALES.value)
        if tuple(sold) != wanted:
            self.blame(f"the sales document of {event.subject} has {sold}, not {wanted}", event)
        for (subject, line), before in list(self._items.items()):
            is_final = self._sums.get((event.subject, line, Sort.DELIVERY.value), 0)
            if subject == event.subject and is_final and items.get(line) != before:
                self.blame(f"line {line} of {event.subject} changed after its delivery", event)
        self._items |= {(event.subject, line): row for line, row in items.items()}

    def on_recorded(self, event: Event) -> None:
        if not event.subject.startswith(f"{SERVICE_ORDER} "):
            return
        self.judged += 1
        line, sort = str(event.detail["line"]), str(event.detail["document"])
        row = event.subject, line, sort
        self._sums[row] = self._sums.get(row, 0) + int(str(event.detail["pieces"]))
        if sort == Sort.INTERNAL_ORDER.value:
            most = 1
        elif sort == Sort.GOODS_ISSUE.value:
            most = self._sums.get((event.subject, line, Sort.DELIVERY.value), 0)
        else:
            most = int(self._items.get((event.subject, line), ("", "", "", 0, ""))[3])
        if self._sums[row] > most:
            self.blame(f"{self._sums[row]} of {sort} of {event.subject}, {most} at most", event)


class _MemosStay(Judge):
    """I-74: of a complaint, only items of the kinds that the ERP knows lead to documents there, and
    memos to none; each bill of CRM is posted once as what the customer owes, and once as revenue.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._categories: dict[tuple[str, str], str] = {}
        self._bills: dict[tuple[str, str], int] = {}

    def on_stored(self, event: Event) -> None:
        if event.detail["object"] != COMPLAINT:
            return
        for line, category, *_ in _items(event):
            self._categories[event.subject, line] = category
            self.judged += 1
            if category in MEMOS:
                self.blame(f"the ERP got line {line} of {event.subject}, which is a memo", event)

    def on_recorded(self, event: Event) -> None:
        line, sort = str(event.detail["line"]), str(event.detail["document"])
        if event.subject.startswith(f"{COMPLAINT} "):
            self.judged += 1
            category = self._categories.get((event.subject, line), "")
            is_taken_back = int(str(event.detail["pieces"])) < 0
            if not is_taken_back and not self._is_led_to(category, sort):
                self.blame(f"line {line} of {event.subject} led to a {sort}", event)
        elif event.subject.startswith(f"{BILL} "):
            self.judged += 1
            row = event.subject, sort
            self._bills[row] = self._bills.get(row, 0) + 1
            if self._bills[row] > 1:
                self.blame(f"{event.subject} was posted {self._bills[row]} times as {sort}", event)

    @staticmethod
    def _is_led_to(category: str, sort: str) -> bool:
        known = {one.value: one for one in Category}
        if category not in known:
            return False
        effects = routed(COMPLAINT, ServiceItem("1", known[category], "any", 1))
        moves = {Effect.DELIVERY: ("delivery", "goods issue")}
        moves[Effect.RECEIPT] = ("returns delivery", "goods receipt")
        return any(
            sort in moves.get(one, ()) or (one in AT_ONCE and AT_ONCE[one].value == sort)
            for one in effects
        )


class _Returned(Judge):
    """I-75: of an item of an order no more comes back than had left before."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._lines: dict[str, dict[str, str]] = {}
        """Order -> number of an item -> its line."""
        self._issued: dict[tuple[str, str], int] = {}
        self._about: dict[tuple[str, str], tuple[str, str]] = {}
        """(complaint, line) -> (order, number of the item) that comes back."""
        self._back: dict[tuple[str, str], int] = {}

    def on_booked(self, event: Event) -> None:
        lines: Any = event.detail["lines"]
        self._lines[event.subject] = {f"{n}": row[0] for n, row in enumerate(lines, 1)}

    def on_posted(self, event: Event) -> None:
        if event.detail["document"] == Sort.GOODS_ISSUE.value:
            items: Any = event.detail["items"]
            for line, pieces, _ in items:
                row = event.subject, line
                self._issued[row] = self._issued.get(row, 0) + pieces

    def on_stored(self, event: Event) -> None:
        for line, category, _, _, of in _items(event):
            if event.detail["object"] == COMPLAINT and category in RETURNS:
                self._about[event.subject, line] = str(event.detail["order"]), of

    def on_recorded(self, event: Event) -> None:
        about = self._about.get((event.subject, str(event.detail["line"])))
        if about is None or event.detail["document"] != Sort.GOODS_RECEIPT.value:
            return
        self.judged += 1
        self._back[about] = self._back.get(about, 0) + int(str(event.detail["pieces"]))
        order, place = about
        most = self._issued.get((order, self._lines.get(order, {}).get(place, "")), 0)
        if self._back[about] > most:
            told = f"{self._back[about]} pieces of item {place} of order {order} came back"
            self.blame(f"{told}, and {most} had left", event)


class _StocksAddUp(Finals):
    """I-73: when all is quiet, what lies in a stock is what was there at the beginning, less what
    has left, plus what has come. A technician's laptop shows the same, less what he has confirmed
    and the ERP has not posted.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._moved: dict[str, int] = {}

    def on_recorded(self, event: Event) -> None:
        place, sort = str(event.detail["place"]), event.detail["document"]
        if place:
            sign = -1 if sort == Sort.GOODS_ISSUE.value else 1
            key = f"{place}/{event.detail['product']}"
            pieces = sign * int(str(event.detail["pieces"]))
            self._moved[key] = self._moved.get(key, 0) + pieces

    def compare(self, ending: Ending) -> None:
        erp = ending.stores[self.site("erp")]
        unposted = {
            dict(one.fields).get("place", "")
            for one in _held(ending, self.site("crm"), CONFIRMATION)
            if transfer_of(one) is not Distribution.DONE
        }
        for key, first in erp.table(FIRST_STOCK).items():
            self.judged += 1
            fields = dict(erp.get("records", (STOCK, key)).fields)
            wanted = first + self._moved.get(key, 0)
            if int(fields["pieces"]) != wanted:
                self.blame(f"{key} has {fields['pieces']} pieces, but {wanted} should be there")
            if fields["place"] not in unposted and f"{STOCK} {key}" not in ending.set_aside:
                self._compare_laptops(ending, key, fields)

    def _compare_laptops(self, ending: Ending, key: str, fields: dict[str, str]) -> None:
        for laptop in self.scene.topology.sites("mobile"):
            row = fields["place"], fields["product"]
            shown = shown_pieces(ending.stores[laptop], *row, counts_along=True)
            if shown not in (None, int(fields["pieces"])) and laptop not in ending.set_aside:
                self.blame(f"{laptop} shows {shown} of {key}, the ERP has {fields['pieces']}")


class _ServiceIsKnown(Finals):
    """I-52, I-53, I-57, I-88: when all is quiet, no service order, confirmation, complaint, bill is
    still on its way to the ERP; of what CRM calls distributed the ERP has the same items, and CRM
    shows how far they have got there.
    """

    def compare(self, ending: Ending) -> None:
        erp = ending.stores[self.site("erp")]
        for record in _held(ending, self.site("crm"), *SERVICE_OBJECTS):
            name = record.identity
            if name in ending.waiting:
                continue
            self.judged += 1
            if is_being_distributed(record):
                self.blame(f"{name} is still being distributed")
            elif transfer_of(record) is Distribution.DONE:
                self._compare(record, erp)

    def _compare(self, record: Record, erp: Any) -> None:
        stored = erp.get(SERVICE, record.identity)
        if stored is None:
            self.blame(f"CRM calls {record.identity} distributed, the ERP has not got it")
            return
        wanted = {
            item
            for item in items_of(dict(record.fields))
            if {*routed(record.object, item)} - {Effect.CHECK}
        }
        if wanted != {*stored.document.items}:
            self.blame(f"{record.identity} is not the same in CRM and in the ERP")
        postings = postings_of(erp.get, record.identity)
        announced, moved = pieces_by_line(postings, *ANNOUNCED), pieces_by_line(postings, *MOVED)
        if record.object == CONFIRMATION:
            return
        done = {line: (pieces, moved.get(line, 0)) for line, pieces in announced.items()}
        if done != done_of(record):
            self.blame(f"CRM shows {done_of(record)} of {record.identity}, the ERP has {done}")


POSTED_ONCE = Check(
    "what was confirmed is posted exactly once, and not before it is completed",
    Mood.EVENTUALLY,
    ("I-72",),
    _PostedOnce,
)
ONE_SALES_DOCUMENT = Check(
    "a service order has one sales document, and what is delivered of it stays",
    Mood.ALWAYS,
    ("I-71",),
    _OneSalesDocument,
)
MEMOS_STAY_IN_CRM = Check(
    "complaints lead to what they should, and each bill is posted once",
    Mood.ALWAYS,
    ("I-74",),
    _MemosStay,
)
RETURNED_AS_DELIVERED = Check("no more comes back than has left", Mood.ALWAYS, ("I-75",), _Returned)
STOCKS_ADD_UP = Check("stocks add up, also in the van", Mood.EVENTUALLY, ("I-73",), _StocksAddUp)
SERVICE_IS_KNOWN = Check(
    "CRM knows what the ERP has done about service transactions",
    Mood.EVENTUALLY,
    ("I-52", "I-53", "I-57", "I-88"),
    _ServiceIsKnown,
)
