"""What does a field force do in a working week?

Reps look after territories in teams of one to four, so most customers are shared. On a working day
a rep notes down visits, works on opportunities, writes orders and quotations, and corrects what is
known of a customer; the office does its part in CRM, prices change, some customers go to another
territory. Customers order in the shop and ask how their orders stand, on the telephone or the rep.
Every choice is keyed by the thing it is about, so another rep or another day moves no other one.

How many of each a day brings is a default that was chosen to be plausible for a field force of the
years around 2005; there are no public figures (assumed).
"""

from collections.abc import Iterator
from decimal import Decimal

import attrs

from crmsim.business.enquiry import Enquiry
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.chance import Luck, Stream, word_of
from crmsim.mobile.rep import DiaryEntry
from crmsim.units import Share, days, hours

__all__ = ["FieldForce", "catalogue_price", "product"]

TEAM_SIZES = ((1, 0.25), (2, 0.40), (3, 0.25), (4, 0.10))
"""How many reps share a territory -> share of the territories; about two on average (assumed)."""
OPENS_NS, CLOSES_NS = hours(8.5), hours(17.5)
"""Working hours in which reps write (assumed)."""
PRODUCTS = 60
SPECIAL = "made to measure"
"""A product that is on no price list."""
PHASES = ("first talk", "offer", "decision")


def product(number: int) -> str:
    """Return the name of a product."""
    return f"P{number:03}"


def catalogue_price(number: int) -> Decimal:
    """Return the price of a product in the printed catalogue."""
    return Decimal(5 + number % 40)


@attrs.frozen(kw_only=True)
class FieldForce:
    """Who there is, and how much a day brings."""

    reps: int
    customers: int
    """Customers of each territory."""
    luck: Luck
    team_sizes: tuple[tuple[int, float], ...] = TEAM_SIZES
    working_days: int = 5
    """How many days the diaries are about; day 0 is a Monday."""
    visits: int = 6
    """Visits, calls and letters of a rep and day: new ones and changes."""
    opportunities: int = 2
    orders: int = 3
    """Orders and quotations of a rep and day: new ones and changes."""
    corrections: int = 1
    """What a rep corrects of customers on a day."""
    enquiries: int = 1
    """How many customers ask a rep on a day how an order stands."""
    items_mean: float = 5.0
    private: Share = Share(0.05)
    """Share of new visits that are private."""
    incomplete: Share = Share(0.02)
    """Share of new visits without what CRM insists on."""
    unpriced: Share = Share(0.05)
    """Share of orders with something that is on no price list."""
    quotations: Share = Share(0.15)
    """Share of new orders that are offers only."""

    @property
    def teams(self) -> tuple[tuple[int, ...], ...]:
        """Which reps share a territory; territories are numbered from 1."""
        drawn = self.luck.stream("team sizes")
        teams: list[tuple[int, ...]] = []
        first = 1
        while first <= self.reps:
            size = self._size_of_team(drawn.uniform(len(teams)))
            last = min(first + size, self.reps + 1)
            teams.append(tuple(range(first, last)))
            first = last
        return tuple(teams)

    def _size_of_team(self, u: float) -> int:
        for size, share in self.team_sizes:
            u -= share
            if u < 0:
                return size
        return self.team_sizes[-1][0]

    def customers_of(self, territory: int) -> tuple[str, ...]:
        """Return the keys of the customers of a territory at the beginning."""
        return tuple(f"{territory}-{number}" for number in range(1, self.customers + 1))

    def diary(self, rep: int, territory: int, team: tuple[int, ...]) -> tuple[DiaryEntry, ...]:
        """Return what a rep does in the week, in order of time."""
        drawn = self.luck.stream("working week", f"rep {rep}")
        day_of_rep = _Days(self, drawn, rep, self.customers_of(territory), team)
        entries = [entry for day in range(self.working_days) for entry in day_of_rep.entries(day)]
        return tuple(sorted(entries, key=lambda entry: (entry.time_ns, entry.what.reference)))


Fields = tuple[tuple[str, str], ...]


@attrs.frozen
class _Days:
    """The days of one rep."""

    force: FieldForce
    drawn: Stream
    rep: int
    customers: tuple[str, ...]
    team: tuple[int, ...]

    def entries(self, day: int) -> Iterator[DiaryEntry]:
        """Yield what is written on a day."""
        force = self.force
        for number in range(force.visits):
            yield from self._visit(day, number, self._time_ns(day, f"visit {number}"))
        for number in range(force.opportunities):
            yield self._opportunity(day, number, self._time_ns(day, f"opportunity {number}"))
        for number in range(force.orders):
            yield from self._order(day, number, self._time_ns(day, f"order {number}"))
        for number in range(force.corrections):
            yield self._correction(day, number, self._time_ns(day, f"correction {number}"))
        for number in range(force.enquiries if day else 0):
            wish = Enquiry(self._known_order(day, f"enquiry {number}"))
            yield DiaryEntry(self._time_ns(day, f"enquiry {number}"), wish)

    def _time_ns(self, day: int, what: str) -> int:
        return days(day) + OPENS_NS + self._below(CLOSES_NS - OPENS_NS, day, what, 0)

    def _below(self, count: int, day: int, what: str, draw: int) -> int:
        return self.drawn.below(count, word_of(f"{day} {what}"), draw)

    def _happens(self, share: float, day: int, what: str, draw: int) -> bool:
        return self.drawn.happens(share, word_of(f"{day} {what}"), draw)

    def _customer(self, day: int, what: str) -> str:
        return self.customers[self._below(len(self.customers), day, what, 1)]

    def _visit(self, day: int, number: int, time_ns: int) -> Iterator[DiaryEntry]:
        """One visit in three is about one of yesterday's: changed, or dropped altogether."""
        what, customer = f"visit {number}", self._customer(day, f"visit {number}")
        if number % 3 == 2:
            key = f"{self.rep}.{day - 1}.{number - 1}" if day else f"{customer} last year"
            result = (("result", f"result {self._below(9, day, what, 3)}"),)
            if self._happens(0.1, day, what, 2):
                yield DiaryEntry(time_ns, RecordEdit("delete", "activity", key))
            else:
                yield DiaryEntry(time_ns, RecordEdit("change", "activity", key, result))
            return
        key = f"{self.rep}.{day}.{number}"
        fields: Fields = (("type", ("visit", "call", "letter")[self._below(3, day, what, 4)]),)
        if not self._happens(self.force.incomplete, day, what, 5):
            fields += (("subject", f"subject {self._below(50, day, what, 6)}"),)
        is_private = self._happens(self.force.private, day, what, 7)
        edit = RecordEdit("create", "activity", key, fields, customer, is_private)
        yield DiaryEntry(time_ns, edit)
        if not is_private and self._happens(0.2, day, what, 8):
            text = (("text", f"note {self._below(1_000, day, what, 9)}"),)
            note = RecordEdit("create", "note", f"{key} note", text, key)
            yield DiaryEntry(time_ns + 1, note)

    def _opportunity(self, day: int, number: int, time_ns: int) -> DiaryEntry:
        """Every other one is about one of the team's that is there already."""
        what, customer = f"opportunity {number}", self._customer(day, f"opportunity {number}")
        phase = PHASES[self._below(3, day, what, 2)]
        value = f"{1 + self._below(90, day, what, 3)}000"
        if number % 2:
            changed = (("phase", phase), ("value", value))
            edit = RecordEdit("change", "opportunity", f"{customer} lead", changed)
            return DiaryEntry(time_ns, edit)
        fields: Fields = (("phase", phase), ("value", value), ("authority", "knows the boss"))
        if not self._happens(0.2, day, what, 4):
            fields += (("closes", "next quarter"),)
        key = f"{self.rep}.{day}.{number}"
        return DiaryEntry(time_ns, RecordEdit("create", "opportunity", key, fields, customer))

    def _order(self, day: int, number: int, time_ns: int) -> Iterator[DiaryEntry]:
        """One in three is a change of an order of yesterday, one's own or a mate's.

        Some new ones are corrected within the hour, mostly before they are sent.
        """
        what = f"order {number}"
        if day and number % 3 == 2:
            quantity = 1 + self._below(40, day, what, 2)
            edit = OrderEdit(self._known_order(day, what), items=((1, (("quantity", quantity),)),))
            yield DiaryEntry(time_ns, edit)
            return
        items = tuple(self._item(day, what, place) for place in range(self._size(day, what)))
        if self._happens(self.force.unpriced, day, what, 3):
            items = (*items, OrderItem(SPECIAL, 1, Decimal(0)))
        is_offer = self._happens(self.force.quotations, day, what, 4)
        order = SalesOrder(
            "",
            f"{self.rep}-{day}-{number}",
            f"{self.rep}",
            self._customer(day, what),
            items,
            kind=SalesKind.QUOTATION if is_offer else SalesKind.ORDER,
            at_list_prices=True,
        )
        yield DiaryEntry(time_ns, order)
        if self._happens(0.15, day, what, 5):
            quantity = 1 + self._below(40, day, what, 6)
            edit = OrderEdit(order.reference, items=((1, (("quantity", quantity),)),))
            later_ns = hours(0.1) + self._below(hours(0.9), day, what, 7)
            yield DiaryEntry(time_ns + later_ns, edit)

    def _known_order(self, day: int, what: str) -> str:
        """Return the reference of an order that somebody of the team wrote the day before."""
        author = self.team[self._below(len(self.team), day, what, 30)]
        return f"{author}-{day - 1}-{self._below(2, day, what, 31)}"

    def _size(self, day: int, what: str) -> int:
        """Return how many items an order has: geometric, up to six times the mean."""
        count = 1
        more = 1 - 1 / self.force.items_mean
        while count < 6 * self.force.items_mean and self._happens(more, day, what, 100 + count):
            count += 1
        return count

    def _item(self, day: int, what: str, place: int) -> OrderItem:
        number = self._below(PRODUCTS, day, what, 200 + place)
        quantity = 1 + self._below(20, day, what, 300 + place)
        return OrderItem(product(number), quantity, catalogue_price(number))

    def _correction(self, day: int, number: int, time_ns: int) -> DiaryEntry:
        what = f"correction {number}"
        name = ("telephone", "remark")[self._below(2, day, what, 2)]
        fields = ((name, f"{name} {self._below(1_000, day, what, 3)}"),)
        customer = self._customer(day, what)
        return DiaryEntry(time_ns, RecordEdit("change", "customer", customer, fields))
