"""Are goods and bills as they must be, and does everybody see how far they have got?"""

from typing import Any

from crmsim.business.fulfilment import Posting, progress_of
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.trace.journal import Event

__all__ = ["FINAL_STAYS", "PROGRESS_IS_TRUE", "QUANTITIES_FIT"]

Pieces = dict[tuple[str, str], int]
"""(order in the ERP, line) -> pieces."""


def _items(event: Event) -> tuple[tuple[str, int, str], ...]:
    items = event.detail["items"]
    assert isinstance(items, tuple)
    return items


class _Quantities(Judge):
    """I-58: no more leaves than is delivered, no more is delivered than was ordered, and no more is
    billed than has left (or, where orders are billed at once, than was ordered). Each document
    follows one that was posted for the same order, and what goes into the books is what was billed.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._ordered: Pieces = {}
        self._sums: dict[str, Pieces] = {posting.value: {} for posting in Posting}
        self._values: dict[str, tuple[tuple[str, int, str], ...]] = {}
        """Number of a document -> its items."""
        self._orders: dict[str, str] = {}
        """Number of a document -> the order."""

    def on_booked(self, event: Event) -> None:
        key = str(event.detail["number"])
        self._orders[key] = key
        lines: Any = event.detail["lines"]
        for row in [row for row in self._ordered if row[0] == key]:
            del self._ordered[row]
        self._ordered |= {(key, line): quantity for line, quantity, *_ in lines}

    def on_posted(self, event: Event) -> None:
        self.judged += 1
        posting, key = str(event.detail["document"]), str(event.detail["order"])
        number, preceding = str(event.detail["number"]), str(event.detail["preceding"])
        if self._orders.get(preceding) != key:
            self.blame(f"{posting} {number} follows {preceding}, no document of order {key}", event)
        if posting == Posting.ACCOUNTING.value and self._values.get(preceding) != _items(event):
            self.blame(f"{posting} {number} is about something else than bill {preceding}", event)
        self._orders[number], self._values[number] = key, _items(event)
        sums = self._sums[posting]
        for line, quantity, _ in _items(event):
            sums[key, line] = sums.get((key, line), 0) + quantity
            self._compare(event, posting, (key, line), preceding)

    def _compare(self, event: Event, posting: str, row: tuple[str, str], preceding: str) -> None:
        limits = {
            Posting.DELIVERY.value: ("ordered", self._ordered),
            Posting.PICKING.value: ("delivered", self._sums[Posting.DELIVERY.value]),
            Posting.GOODS_ISSUE.value: ("picked", self._sums[Posting.PICKING.value]),
            Posting.BILLING.value: ("issued", self._sums[Posting.GOODS_ISSUE.value]),
            Posting.ACCOUNTING.value: ("billed", self._sums[Posting.BILLING.value]),
        }
        word, limit = limits[posting]
        if posting == Posting.BILLING.value and preceding == row[0]:
            word, limit = "ordered", self._ordered  # billed at once, by the order
        pieces, most = self._sums[posting][row], limit.get(row, 0)
        if pieces > most:
            self.blame(
                f"order {event.subject}: {pieces} pieces of line {row[1]} in documents of the sort "
                f"{posting}, {most} {word}",
                event,
            )


class _ProgressIsTrue(Finals):
    """I-57: what CRM shows of deliveries and bills never runs ahead of the ERP and never goes back;
    when all is quiet, it is what the ERP has posted.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._posted: dict[tuple[str, str, str], int] = {}
        """(GUID, line, sort of document) -> pieces."""
        self._shown: dict[tuple[str, str, str], int] = {}

    def on_posted(self, event: Event) -> None:
        for line, quantity, _ in _items(event):
            row = str(event.detail["guid"]), line, str(event.detail["document"])
            self._posted[row] = self._posted.get(row, 0) + quantity

    def on_progressed(self, event: Event) -> None:
        lines: Any = event.detail["lines"]
        sorts = Posting.DELIVERY, Posting.GOODS_ISSUE, Posting.BILLING
        for line, *counts in lines:
            for posting, pieces in zip(sorts, counts, strict=True):
                self.judged += 1
                row = str(event.detail["guid"]), line, posting.value
                if pieces > self._posted.get(row, 0):
                    self.blame(
                        f"CRM shows {pieces} pieces of line {line} of order {event.subject} as "
                        f"{posting.value}, the ERP has posted {self._posted.get(row, 0)}",
                        event,
                    )
                if pieces < self._shown.get(row, 0):
                    self.blame(
                        f"CRM shows fewer pieces of line {line} of order {event.subject} as "
                        f"{posting.value} than before",
                        event,
                    )
                self._shown[row] = pieces

    def compare(self, ending: Ending) -> None:
        documents = ending.stores[self.site("erp")].table("documents")
        for record in self.crm(ending).values():
            order, number = record.document.order, record.document.number
            posted = progress_of(documents.get(number, ()))
            if order.reference in ending.waiting or not posted:
                continue
            self.judged += 1
            if sorted(posted, key=repr) != sorted(record.document.progress, key=repr):
                self.blame(
                    f"CRM does not show what the ERP has delivered and billed of order "
                    f"{order.reference}"
                )


class _FinalStays(Judge):
    """I-59: what is delivered or billed stays as it is. After that, no change of an order that
    the ERP books makes it fewer than are delivered, takes the line out, makes it another product,
    or, if it is fully delivered, another quantity; once it is billed, the price stays too.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._lines: dict[str, dict[str, tuple[Any, ...]]] = {}
        self._delivered: Pieces = {}
        self._billed: Pieces = {}

    def on_posted(self, event: Event) -> None:
        sums = {Posting.DELIVERY.value: self._delivered, Posting.BILLING.value: self._billed}
        pieces = sums.get(str(event.detail["document"]), {})
        for line, quantity, _ in _items(event):
            row = str(event.detail["order"]), line
            pieces[row] = pieces.get(row, 0) + quantity

    def on_booked(self, event: Event) -> None:
        key, rows = str(event.detail["number"]), event.detail["lines"]
        assert isinstance(rows, tuple)
        lines = {str(row[0]): row[1:] for row in rows}
        for line, before in self._lines.get(key, {}).items():
            delivered = self._delivered.get((key, line), 0)
            billed = self._billed.get((key, line), 0)
            if delivered or billed:
                self.judged += 1
                what = self._broken(before, lines.get(line), delivered, billed)
                if what:
                    self.blame(f"order {event.subject}, line {line}: {what}", event)
        self._lines[key] = lines

    @staticmethod
    def _broken(
        before: tuple[Any, ...], after: tuple[Any, ...] | None, delivered: int, billed: int
    ) -> str:
        """Return what of a line has changed that is final; empty for nothing."""
        if after is None:
            return "it was taken out, though it is delivered"
        (old, price, product), (new, now, wanted) = before, after
        if product != wanted:
            return f"it was {product} when it was delivered, and became {wanted}"
        if new < delivered:
            return f"{delivered} pieces are delivered, and it became {new}"
        if new != old and delivered >= old:
            return f"all {old} pieces were delivered, and it became {new}"
        return "its price changed after it was billed" if billed and price != now else ""


QUANTITIES_FIT = Check(
    "no more leaves than was ordered, and no more is billed than has left",
    Mood.ALWAYS,
    ("I-58",),
    _Quantities,
)
PROGRESS_IS_TRUE = Check(
    "what CRM shows of deliveries and bills is true", Mood.EVENTUALLY, ("I-57",), _ProgressIsTrue
)
FINAL_STAYS = Check("what is delivered or billed stays", Mood.ALWAYS, ("I-59",), _FinalStays)
