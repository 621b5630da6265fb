"""How does CRM find out whether there is enough for the goods of a service order?

As for orders (`crmsim.online.atp`): the save does not wait, the order is stored as unchecked, and
goes its way to the ERP with the answer. Only items that are sold are asked about. When none is left
the order does not wait, but the planning system hears that nothing of it is wanted any more.
Sources: CONTRIBUTING.md, S21; what happens when nobody answers is a parameter there.
"""

from crmsim.applications.service import (
    NOT_CHECKED,
    OPEN,
    PROMISED,
    REASON,
    SERVICE_ORDER,
    UNCHECKED,
    Effect,
    promised_fields,
    promised_of,
    routed,
    transfer_of,
    why_not_sent,
)
from crmsim.applications.status import Distribution
from crmsim.business.master import Record, key_of
from crmsim.business.schedule import Wanted
from crmsim.business.service import items_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.atp import CHECKS, TRIES, Check, Checks, CheckUnanswered, OnApoDown
from crmsim.rfc.atp import AtpAnswer, AtpQuestion
from crmsim.trace.kinds import CHECKED

__all__ = ["ServiceAvailability", "is_of_service"]

NOBODY_CHECKED = "nobody could check whether there is enough"


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
        """Ask about a document that is being saved, if it must be; return what CRM says of it."""
        if not self._checks.is_asked or after.object != SERVICE_ORDER:
            return {}
        name, wanted = after.identity, self._wanted(after)
        row: Check | None = change.get(CHECKS, name)
        known = change.get("checked", name, ()) if row is None else row.question.items
        fields = _void_promises(after, wanted)
        is_due = not wanted or why_not_sent(after) in (None, NOT_CHECKED)
        if wanted == known or not is_due:
            return fields
        change.delete("checked", name)
        self._checks.open(change, name, AtpQuestion(name, name, after.version, wanted))
        return {**fields, UNCHECKED: "yes" if wanted else ""}

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
        if due.attempt + 1 < TRIES or not self._gives_up(self._record(due.order)):
            self._checks.ask(due.order, due.check, due.attempt + 1)
            return {}
        if self._on_down is OnApoDown.ACCEPT:
            return {UNCHECKED: ""}
        return {UNCHECKED: "", "status": OPEN, REASON: NOBODY_CHECKED}

    def _gives_up(self, record: Record) -> bool:
        """Say whether nobody is asked about a service order any more when nobody answers."""
        if not _is_unchecked(record) or self._on_down is OnApoDown.WAIT:
            return False  # it waits for nothing, but what it had must be given back
        is_new = transfer_of(record) is Distribution.NOT_RELEVANT
        return is_new or self._on_down is OnApoDown.ACCEPT

    def answered(self, answer: AtpAnswer) -> dict[str, str]:
        """Return what was promised; nothing for an answer that no service order waits for."""
        name = answer.order
        if not self._checks.is_open(name, answer.check):
            return {}
        if not _is_unchecked(self._record(name)):
            with self._actor.commit() as change:
                change.delete(CHECKS, name)  # what it had is free, and that is known now
            return {}
        pieces: dict[str, int] = {}
        day: dict[str, int] = {}
        for one in answer.schedule:
            pieces[one.line] = pieces.get(one.line, 0) + one.pieces
            day[one.line] = max(day.get(one.line, 0), one.day)
        told = {line: (pieces[line], day[line]) for line in pieces}
        return {UNCHECKED: "", **promised_fields(told)}

    def end(self, change: Change, name: str, fields: dict[str, str]) -> None:
        """Forget a question that is answered, or that nobody will answer.

        What is open again because of that gives back what it may have been promised all the same.
        """
        row: Check = change.get(CHECKS, name)
        record = self._record(name)
        change.delete(CHECKS, name)
        if "status" in fields:
            self._checks.open(change, name, AtpQuestion(name, name, record.version, ()))
        else:
            change.put("checked", name, row.question.items)
        lines = tuple((line, *promise) for line, promise in promised_of(fields).items())
        outcome = "answered" if lines else "given up"
        change.note(CHECKED, name, guid=name, version=record.version, outcome=outcome, lines=lines)

    def _record(self, name: str) -> Record:
        found: Record = self._actor.store.get("records", key_of(name))
        return found


def _is_unchecked(record: Record) -> bool:
    return dict(record.fields).get(UNCHECKED) == "yes"


def _void_promises(after: Record, wanted: tuple[Wanted, ...]) -> dict[str, str]:
    """Return the fields, empty now, that said what was promised for lines that are gone."""
    lines = {one.line: None for one in wanted}
    return {f"{PROMISED}{one}": "" for one in promised_of(dict(after.fields)) if one not in lines}
