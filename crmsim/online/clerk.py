"""What does the clerk do?

Between the laptop and the ERP another person may stand: a clerk, who completes what is missing in
an order, chooses the contract, and releases it; and who, once the reason is mended, sends once more
what the ERP has refused. A clerk works at certain hours, on one order after the other, in the order
in which they came; until then the order waits in CRM. Sources: CONTRIBUTING.md, S04 (distribution
lock, application log), S20 (the user chooses the contract); hours and speed are assumed.
"""

from decimal import Decimal

import attrs

from crmsim.applications.pricing import list_price
from crmsim.applications.status import Distribution, OrderRecord
from crmsim.business.document import OrderDocument
from crmsim.chance import Distribution as Chances
from crmsim.chance import Exponential, word_of
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.units import Duration, days, hours, minutes

__all__ = [
    "Clerk",
    "ClerkHabits",
    "Completed",
    "Desk",
    "LayAgain",
    "Paper",
    "Pile",
    "clerk_of",
    "completed",
]

REWORK_COUNT = 5
"""How often a clerk tries to get an order through that the ERP refuses (assumed)."""
LATER: Duration = minutes(10)
"""After how long a clerk tries again what was locked (assumed)."""
HANDLING_S = Exponential(180.0)
"""How long a clerk needs for an order: three minutes on average (assumed)."""


@attrs.frozen
class ClerkHabits:
    """When a clerk works, and how fast."""

    releases: bool = True
    """Whether every order from outside waits for a release; else only what contains errors."""
    handling_s: Chances = HANDLING_S
    """Seconds for one order: three minutes on average (assumed)."""
    every: Duration | None = None
    """The clerk begins only every so often after the office opens, and works off what lies there;
    None for at once."""
    opens: Duration = hours(8)
    closes: Duration = hours(17)
    working_days: int = 5
    first_weekday: int = 0
    """Which weekday day 0 is; 0 is Monday."""

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= days(1):
            raise BadValue("a clerk begins before the day's work ends, within one day")
        if self.every is not None and not 0 < self.every <= self.closes - self.opens:
            raise BadValue("a clerk begins every so often, at least once in a day's work")
        if not 1 <= self.working_days <= 7:
            raise BadValue(f"a clerk works on 1 to 7 days a week, not on {self.working_days}")

    def next_moment_ns(self, now_ns: int) -> int:
        """Return when a clerk can begin with something that is there now."""
        day = now_ns // days(1)
        while True:
            if (day + self.first_weekday) % 7 < self.working_days:
                begin_ns = max(self._round_ns(day, now_ns), days(day) + self.opens)
                if begin_ns < days(day) + self.closes:
                    return begin_ns
            day += 1

    def _round_ns(self, day: int, now_ns: int) -> int:
        """Return when the next round of a day begins that does not begin before now."""
        if self.every is None:
            return now_ns
        first_ns = days(day) + self.opens
        return first_ns + max(-((first_ns - now_ns) // self.every), 0) * self.every


@message(about=("guid", "version"))
class Paper:
    """An order waits for the clerk. CRM to its clerk."""

    guid: str
    version: int


@message(about=("guid", "version"))
class Completed:
    """The clerk has dealt with an order. Clerk to CRM."""

    guid: str
    version: int


@message(about=("guid", "version"))
class HandlingDue:
    """The clerk is done with an order."""

    guid: str
    version: int


class Clerk(Actor):
    """Completes and releases orders.

    Args:
        crm: The name of CRM's actor.
        habits: When the clerk works, and how fast.
    """

    def __init__(self, crm: str, habits: ClerkHabits) -> None:
        self._crm = crm
        self._habits = habits
        self._papers: dict[str, Paper] = {}
        """What lies on the desk, in the order in which it came."""
        self._is_busy = False

    @handles(Paper)
    def lay(self, message: Paper, sender: object) -> None:
        """Lay an order on the desk; a newer version takes the place of an older one."""
        self._papers[message.guid] = message
        if not self._is_busy:
            self._begin()

    def _begin(self, *, goes_on: bool = False) -> None:
        """Take up the first paper: at once if others were worked off before it, as time permits."""
        paper = next(iter(self._papers.values()))
        self._is_busy = True
        u = self.luck("handling").uniform(word_of(paper.guid), paper.version)
        handling_ns = int(self._habits.handling_s.at(u) * 1e9)
        habits = attrs.evolve(self._habits, every=None) if goes_on else self._habits
        begin_ns = habits.next_moment_ns(self.now_ns)
        self.after(begin_ns - self.now_ns + handling_ns, HandlingDue(paper.guid, paper.version))

    @handles(HandlingDue)
    def finish(self, message: HandlingDue, sender: object) -> None:
        """Hand an order on, and take up the next one."""
        paper = self._papers.pop(message.guid)
        self._is_busy = False
        self.send(self.address(self._crm), Completed(paper.guid, paper.version))
        if self._papers:
            self._begin(goes_on=True)


@message(about=("guid", "version"))
class LayAgain:
    """An order that was not to be had may be by now."""

    guid: str
    version: int


def clerk_of(crm: str, role: str) -> str:
    """Return the name of the actor who works in an office of CRM.

    >>> clerk_of("crm", "service")
    'crm-service'
    """
    return f"{crm}-{role}"


class Pile:
    """Papers that wait for one clerk; CRM keeps them, so that a crash loses none.

    Args:
        actor: CRM's actor.
        table: Name of the document -> its version, of all that wait.
        role: What the clerk does there; empty when there is none.
    """

    def __init__(self, actor: Actor, table: str, role: str) -> None:
        self._actor = actor
        self._table = table
        self._role = role

    def started(self) -> None:
        """Lay everything on the desk again after a crash."""
        for guid, version in list(self._actor.store.table(self._table).items()):
            self.lay(guid, version)

    def put(self, change: Change, guid: str, version: int, *, is_needed: bool) -> None:
        """Lay a document on the desk if it needs the clerk, else take it off the list."""
        if not (self._role and is_needed):
            change.delete(self._table, guid)
            return
        change.put(self._table, guid, version)
        change.then(lambda: self.lay(guid, version))

    def lay(self, guid: str, version: int) -> None:
        """Lay a document on the desk."""
        if self._role:
            clerk = self._actor.address(clerk_of(self._actor.name, self._role))
            self._actor.send(clerk, Paper(guid, version))


class Desk:
    """What CRM knows of the papers that wait for its clerk.

    Args:
        actor: CRM's actor.
        clerk: When the clerk works; None when there is none.
    """

    TABLE = "clerk list"
    ROLE = "clerk"

    def __init__(self, actor: Actor, clerk: ClerkHabits | None) -> None:
        self._actor = actor
        self._pile = Pile(actor, self.TABLE, self.ROLE if clerk else "")
        self.releases = clerk is not None and clerk.releases
        """Whether every order from outside waits for a release."""

    def started(self) -> None:
        """Lay everything on the desk again after a crash."""
        self._pile.started()

    def put(self, change: Change, record: OrderRecord) -> None:
        """Lay a document on the desk if it needs somebody, else take it off the list."""
        order = record.document.order
        is_needed = self._needs_clerk(record)
        self._pile.put(change, order.guid, order.version, is_needed=is_needed)

    @staticmethod
    def _needs_clerk(record: OrderRecord) -> bool:
        is_refused = record.distribution is Distribution.ERROR and record.is_mendable
        if is_refused and record.refused_count <= REWORK_COUNT:
            return True
        return bool(record.document.errors) or record.document.is_locked

    def lay_later(self, guid: str, version: int) -> None:
        """Lay a document on the desk again, after a while: it was not to be had just now."""
        self._actor.after(LATER, LayAgain(guid, version))

    def lay_again(self, again: "LayAgain") -> None:
        """Lay a document on the desk, unless it has changed meanwhile."""
        if self._actor.store.get(self.TABLE, again.guid) == again.version:
            self._pile.lay(again.guid, again.version)


LIST_PRICE = Decimal(10)
"""What a clerk writes where neither the order nor the list has a price (assumed)."""


def completed(actor: Actor, document: OrderDocument) -> OrderDocument:
    """Return a document as the clerk leaves it: priced, with a contract, released.

    What the ERP refused for the sake of its contract is taken off that.
    """
    items = []
    for item in document.order.items:
        price = list_price(actor.store.get, item.product)
        price = LIST_PRICE if price is None else price
        items.append(item if item.unit_price else attrs.evolve(item, unit_price=price))
    order = attrs.evolve(document.order, items=tuple(items))
    record: OrderRecord = actor.store.get("orders", document.number)
    for error in (*document.errors, record.refusal):
        first, fits, choice = error.partition(" fit: ")
        if fits and first == "several contracts":
            order = attrs.evolve(order, contract=choice.split(", ")[0])
        elif error.startswith("contract "):
            order = attrs.evolve(order, contract="")
    return attrs.evolve(document, order=order, is_locked=False)
