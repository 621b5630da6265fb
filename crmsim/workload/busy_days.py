"""What do an office that takes orders and some reps write on a few working days?

The office writes most orders in CRM Online while customers are on the telephone, at an even rate;
some customers call again, and their orders are changed. Reps write theirs on laptops and change
some of them, too. Every choice is keyed by the order it is about. How many of each a day brings is
assumed.
"""

from collections.abc import Iterator
from decimal import Decimal

import attrs

from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.chance import Luck, Stream, word_of
from crmsim.lab.landscape import Landscape
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import Duration, Share, days, hours, minutes

__all__ = ["CLOSES_NS", "OPENS_NS", "BusyDays", "add_busy_days"]

OPENS_NS, CLOSES_NS = hours(8), hours(18)
"""Working hours (assumed)."""
AGAIN_AFTER: Duration = minutes(10)
"""How soon a customer calls again at the earliest (assumed)."""


@attrs.frozen(kw_only=True)
class BusyDays:
    """What is written."""

    luck: Luck
    days: int
    """Days on which it is written."""
    office_orders: int
    """Orders that the office writes a day."""
    office_edits: Share
    """Share of these that the office changes within two hours."""
    reps: int
    rep_orders: int
    """Orders that each rep writes a day."""
    rep_edits: Share
    """Share of these that their rep changes within four hours."""

    @property
    def stream(self) -> Stream:
        """The luck of it all."""
        return self.luck.stream("busy days")

    def in_office(self) -> Iterator[tuple[int, SalesOrder | OrderEdit]]:
        """Yield what the office writes, and when."""
        for day in range(self.days):
            for number in range(self.office_orders):
                name = f"office-{day}-{number}"
                rep = 1 + self.stream.below(self.reps, word_of(name), 6)
                share, within = self.office_edits, hours(2)
                yield from self._written(name, rep, day, share, within)

    def diary(self, rep: int) -> tuple[DiaryEntry, ...]:
        """Return what a rep writes, in order of time."""
        entries = [
            DiaryEntry(time_ns, what)
            for day in range(self.days)
            for number in range(self.rep_orders)
            for time_ns, what in self._written(
                f"{rep}-{day}-{number}", rep, day, self.rep_edits, hours(4)
            )
        ]
        return tuple(sorted(entries, key=lambda entry: (entry.time_ns, entry.what.reference)))

    def _written(
        self, name: str, rep: int, day: int, share: Share, within: Duration
    ) -> Iterator[tuple[int, SalesOrder | OrderEdit]]:
        """Yield an order, and perhaps a change of it."""
        luck, key = self.stream, word_of(name)
        time_ns = days(day) + OPENS_NS + luck.below(CLOSES_NS - OPENS_NS, key, 0)
        item = OrderItem("tea", 1 + luck.below(40, key, 1), Decimal(20))
        customer = f"C{rep}-{luck.below(20, key, 2)}"
        yield time_ns, SalesOrder("", name, f"{rep}", customer, (item,))
        if luck.happens(share, key, 3):
            again_ns = time_ns + AGAIN_AFTER + luck.below(within - AGAIN_AFTER, key, 4)
            quantity = 1 + luck.below(40, key, 5)
            yield again_ns, OrderEdit(name, items=((1, (("quantity", quantity),)),))


def add_busy_days(land: Landscape, work: BusyDays, *, calls: int) -> None:
    """Add a station and the laptops, and plan what the office does.

    Args:
        land: With CRM and the ERP.
        work: What is written.
        calls: Calls of each laptop on a day.
    """
    land.add_station("station", wan())
    for rep in range(1, work.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits.spread_evenly(calls),
            diary=work.diary(rep),
        )
    for time_ns, what in work.in_office():
        verb = land.create_order if isinstance(what, SalesOrder) else land.change_order
        land.at(time_ns, verb, what)
