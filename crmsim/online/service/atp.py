"""How does CRM find out whether there is enough for the goods of a service order?

As for orders (`crmsim.online.atp`): the save does not wait, the order is stored as unchecked, and
goes its way to the ERP with the answer. Only items that are sold are asked about.
Sources: CONTRIBUTING.md, S21; what happens when nobody answers is a parameter there.
"""

from crmsim.applications.service import (
    OPEN,
    PROMISED,
    REASON,
    SERVICE_ORDER,
    UNCHECKED,
    Effect,
    routed,
    why_not_sent,
)
from crmsim.business.master import Record
from crmsim.business.schedule import Wanted
from crmsim.business.service import items_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.atp import CHECKS, TRIES, Checks, CheckUnanswered, OnApoDown
from crmsim.rfc.atp import AtpAnswer, AtpQuestion
from crmsim.trace.kinds import CHECKED

__all__ = ["ServiceAvailability", "is_of_service"]

NOT_CHECKED = "nobody could check whether there is enough"


def is_of_service(name: str) -> bool:
    """Say whether a check is about a service order, and not about an order."""
    return name.startswith(f"{SERVICE_ORDER} ")


class ServiceAvailability:
    """Has the planning system check service orders.

    Args:
        actor: The actor whose store holds the database.
        checks: The questions to it.
        on_down: What becomes of a service order when it is out of reach.
    """

    def __init__(self, actor: Actor, checks: Checks, on_down: OnApoDown) -> None:
        self._actor = actor
        self._checks = checks
        self._on_down = on_down

    def opened(self, change: Change, after: Record) -> dict[str, str]:
        """Ask about a document that is being saved, if it must be; return what marks it then."""
        wanted = self._wanted(after)
        is_known = wanted == change.get("checked", after.identity)
        is_due = not is_known and why_not_sent(after) in (None, "it is not checked yet")
        if not self._checks.is_asked or after.object != SERVICE_ORDER or not is_due:
            return {}
        if not wanted:
            return {}
        name = after.identity
        self._checks.open(change, name, AtpQuestion(name, name, after.version, wanted))
        return {UNCHECKED: "yes"}

    @staticmethod
    def _wanted(after: Record) -> tuple[Wanted, ...]:
        items = items_of(dict(after.fields))
        return tuple(
            Wanted(item.line, item.product, item.quantity)
            for item in items
            if Effect.CHECK in routed(after.object, item)
        )

    def unanswered(self, due: CheckUnanswered) -> dict[str, str]:
        """Ask again, or return what the policy makes of the service order."""
        if not self._checks.is_open(due.order, due.check):
            return {}
        if due.attempt + 1 < TRIES or self._on_down is OnApoDown.WAIT:
            self._checks.ask(due.order, due.check, due.attempt + 1)
            return {}
        if self._on_down is OnApoDown.ACCEPT:
            return {UNCHECKED: ""}
        return {UNCHECKED: "", "status": OPEN, REASON: NOT_CHECKED}

    def answered(self, answer: AtpAnswer) -> dict[str, str]:
        """Return what was promised; nothing for an answer to something older."""
        if not self._checks.is_open(answer.order, answer.check):
            return {}
        pieces: dict[str, int] = {}
        day: dict[str, int] = {}
        for one in answer.schedule:
            pieces[one.line] = pieces.get(one.line, 0) + one.pieces
            day[one.line] = max(day.get(one.line, 0), one.day)
        told = {f"{PROMISED}{line}": f"{pieces[line]} on day {day[line]}" for line in pieces}
        return {UNCHECKED: "", **told}

    def end(self, change: Change, name: str, fields: dict[str, str]) -> None:
        """Forget a question that is answered, or that nobody will answer."""
        object_, _, number = name.partition(" ")
        record: Record = self._actor.store.get("records", (object_, number))
        change.delete(CHECKS, name)
        if "status" not in fields:
            change.put("checked", name, self._wanted(record))
        lines = tuple(
            (key.removeprefix(PROMISED), *_promise(text))
            for key, text in fields.items()
            if key.startswith(PROMISED)
        )
        outcome = "answered" if lines else "given up"
        change.note(CHECKED, name, guid=name, version=record.version, outcome=outcome, lines=lines)


def _promise(text: str) -> tuple[int, int]:
    """Return pieces and day of what was promised."""
    pieces, _, day = text.partition(" on day ")
    return int(pieces), int(day)
