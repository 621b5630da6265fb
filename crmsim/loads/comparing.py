"""How does CRM find out in what it differs from the ERP, and CRM Online from the CDB?

It asks block by block, with questions that cost messages and the time of work processes, and knows
nothing but the answers. What seems to differ is asked for once more at the end, and is under way if
it lies in a queue on either side then, or has changed since the first look.
Sources: CONTRIBUTING.md, S63; the second look is assumed.
"""

from collections.abc import Callable, Mapping

import attrs

from crmsim.applications.status import Distribution, OrderRecord
from crmsim.business.document import OrderDocument
from crmsim.business.master import MasterRecord, Record
from crmsim.formats.bdoc import MassBDoc, MessageBDoc, RecordBDoc
from crmsim.formats.loading import (
    CompareAnswer,
    CompareQuestion,
    Row,
    contract_row,
    keys_in,
    order_row,
)
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.compare import (
    Comparison,
    Difference,
    Report,
    Sides,
    differences,
    judged_twice,
)
from crmsim.middleware.load import asking_queue, block_of
from crmsim.middleware.queue import Luw
from crmsim.middleware.replication import Kind, Model
from crmsim.online.contracts import REPORTED
from crmsim.online.recovery import body_of
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import COMPARED

__all__ = ["COMPARISONS", "REPORTS", "Comparing", "row_of"]

COMPARISONS = "comparisons"
"""Name -> a comparison that goes on."""
REPORTS = "reports"
"""(object, against what) -> what was found last."""


class Comparing:
    """The comparisons of one CRM.

    Args:
        actor: The actor whose store holds both databases.
        model: What is replicated.
        inbound: The queues in which it asks itself.
        outbound: The queues in which it asks the ERP.
        is_loading: Says of an object, a target and a key whether a load of that is under way.
        ended: Is told of each comparison that is done.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        inbound: InboundQueues,
        outbound: OutboundQueues,
        is_loading: Callable[[str, str, str], bool],
        ended: Callable[[Change, Report], None],
    ) -> None:
        self._actor = actor
        self._model = model
        self._inbound = inbound
        self._outbound = outbound
        self._is_loading = is_loading
        self._ended = ended

    def begin(
        self, change: Change, about: str, against: str, block: int, *, is_detailed: bool
    ) -> None:
        """Begin to compare.

        Args:
            change: The commit that does it.
            about: The name of what is compared.
            against: ``erp`` or ``cdb``.
            block: For how many things one question asks at most.
            is_detailed: Whether fields are compared too, or only keys.
        """
        count = 1 + int(change.get("changes", COMPARISONS, 0))
        change.put("changes", COMPARISONS, count)
        name = f"comparison {count} of {about} with the {against}"
        began_ns = self._actor.now_ns
        self._ask(change, Comparison(name, about, against, is_detailed, block, began_ns))

    def _ask(self, change: Change, one: Comparison) -> None:
        """Put the next question, or bring the comparison to its end."""
        keys: tuple[str, ...] = ()
        if one.after is None:
            left = one.suspects[one.looked_at : one.looked_at + one.block]
            keys = tuple(key for key, _ in left)
            if not keys:
                self._end(change, one)
                return
        one = attrs.evolve(one, questions=one.questions + 1)
        change.put(COMPARISONS, one.name, one)
        question = CompareQuestion(
            one.name, one.about, one.questions, one.is_detailed, one.after or "", one.block, keys
        )
        luw = Luw(f"question {one.questions} of {one.name}", question, one.name)
        if one.against == "cdb":
            self._inbound.put_in(change, f"CDB_{one.about.upper()}", luw)
        else:
            self._outbound.enqueue(change, asking_queue(one.about), luw)  # behind filters

    def _end(self, change: Change, one: Comparison) -> None:
        report = one.report
        change.delete(COMPARISONS, one.name)
        change.put(REPORTS, (one.about, one.against), report)
        change.note(
            COMPARED,
            one.name,
            guid=one.name,
            about=one.about,
            against=one.against,
            detailed=one.is_detailed,
            began_ns=one.began_ns,
            compared=one.compared,
            questions=one.questions,
            suspects=len(one.suspects),
            only_here=report.only_here,
            only_there=report.only_there,
            different=report.different,
            in_flight=report.in_flight,
        )
        self._ended(change, report)

    # --- answers ---

    def take(self, change: Change, body: CompareAnswer | CompareQuestion) -> None:
        """Compare with what is answered; a question to CRM itself is answered here."""
        answer = body if isinstance(body, CompareAnswer) else self._answer(body)
        question = answer.question
        one: Comparison | None = self._actor.store.get(COMPARISONS, question.comparison)
        if one is None or one.questions != question.number:
            return  # it came a second time
        here, there = self._here(one.about, question), dict(answer.rows)
        if question.keys:
            self._look_again(change, one, answer, here, there)
            return
        last = None if answer.is_last else answer.rows[-1][0]
        mine = {
            key: row
            for key, row in here.items()
            if key > question.after and (last is None or key <= last)
        }
        suspects = (*one.suspects, *differences(mine, there).items())
        compared = one.compared + len({**mine, **there})
        one = attrs.evolve(one, after=last, suspects=suspects, compared=compared)
        self._ask(change, one)

    def _look_again(
        self,
        change: Change,
        one: Comparison,
        answer: CompareAnswer,
        here: Mapping[str, Row],
        there: Mapping[str, Row],
    ) -> None:
        first = dict(one.suspects)
        moving = dict.fromkeys((*answer.moving, *self._moving(one.about, one.against)))
        target = "cdb" if one.against == "cdb" else "crm"
        found, versions = list(one.found), list(one.versions)
        for key in answer.question.keys:
            second = Sides(here.get(key), there.get(key))
            is_moving = key in moving or self._is_loading(one.about, target, key)
            kind = judged_twice(first[key], second, is_moving=is_moving)
            if kind is not None:
                found.append((key, kind))
            record = self._actor.store.get("records", (one.about, key))
            if kind not in (None, Difference.IN_FLIGHT) and record is not None:
                versions.append((key, record.version))
        looked_at = one.looked_at + len(answer.question.keys)
        one = attrs.evolve(one, found=tuple(found), versions=tuple(versions), looked_at=looked_at)
        self._ask(change, one)

    # --- what there is ---

    def is_comparing(self, about: str, against: str, but: str = "") -> bool:
        """Say whether a comparison goes on, leaving out the one that is just done."""
        return any(
            (one.about, one.against) == (about, against) and one.name != but
            for one in self._actor.store.table(COMPARISONS).values()
        )

    def report(self, about: str, against: str) -> Report | None:
        """Return what was found last about an object; None when nobody has looked."""
        found: Report | None = self._actor.store.get(REPORTS, (about, against))
        return found

    def _here(self, about: str, question: CompareQuestion) -> dict[str, Row]:
        """Return key -> fields of all that CRM Online has of an object."""
        store = self._actor.store
        is_with_erp = question.comparison.endswith("erp")
        if about == "contract" and is_with_erp:
            rows = {key: contract_row(one) for key, one in store.table(REPORTED).items()}
        else:
            rows = self._rows("", about, in_full=not is_with_erp)
        return rows if question.is_detailed else dict.fromkeys(rows, ())

    def _rows(self, database: str, about: str, *, in_full: bool) -> dict[str, Row]:
        """Return key -> fields of all that a database of CRM has of an object.

        Args:
            database: ``cdb `` or nothing, which means CRM Online.
            about: The name of the object.
            in_full: With what only CRM has: the version, and what it depends on.
        """
        if about == "order":
            return self._orders(database, in_full=in_full)
        table = "masters" if self._model.of(about).kind is Kind.BULK else "records"
        held = self._actor.store.table(f"{database}{table}").items()
        return {key: row_of(one, in_full=in_full) for (name, key), one in held if name == about}

    def _orders(self, database: str, *, in_full: bool) -> dict[str, Row]:
        """Return number -> fields of the orders of a database that the other side should have.

        Against the ERP these are those that are or were to go there; what contains errors is not
        sent down.
        """
        if database:
            documents = [row.document for row in self._actor.store.table("cdb").values()]
        else:
            records: list[OrderRecord] = list(self._actor.store.table("orders").values())
            documents = [one.document for one in records if in_full or _is_for_erp(one)]
        return {
            one.number: document_row(one) if in_full else order_row(one.order)
            for one in documents
            if one.is_sound or not in_full
        }

    def _answer(self, question: CompareQuestion) -> CompareAnswer:
        """Say what the CDB has."""
        rows = self._rows("cdb ", question.about, in_full=True)
        keys, is_last = block_of(rows, question.after, question.count)
        if question.keys:
            keys, is_last = tuple(key for key in question.keys if key in rows), False
        told = tuple((key, rows[key] if question.is_detailed else ()) for key in keys)
        return CompareAnswer(question, told, is_last, ())

    def _moving(self, about: str, against: str) -> tuple[str, ...]:
        """Return the keys of what lies in a queue of CRM: on the way to the CDB, or on any way."""
        store = self._actor.store
        queues = (*store.table("inbound").values(), *store.table("outbound").values())
        bodies = [body_of(luw) for luws in queues for luw in luws]
        if against == "cdb":
            bodies = [
                body for body in bodies if isinstance(body, MassBDoc | RecordBDoc | MessageBDoc)
            ]
        return tuple(dict.fromkeys(key for body in bodies for key in _keys_in(body, about)))


def _is_for_erp(record: OrderRecord) -> bool:
    """Say whether the ERP has an order, or should have it."""
    return record.is_in_erp or record.distribution is not Distribution.NOT_RELEVANT


def document_row(document: OrderDocument) -> Row:
    """Return the fields of an order with what is known of its fate, for a comparison."""
    fate = (("its fate", document.fate.value), ("its progress", str(document.progress)))
    return (*order_row(document.order), *fate)


def row_of(held: Record | MasterRecord, *, in_full: bool) -> Row:
    """Return the fields of something, for a comparison.

    Args:
        held: The record.
        in_full: With what only CRM has: the version, and what it depends on.
    """
    if isinstance(held, MasterRecord):
        row: Row = (("value", held.value),)
        return (*row, ("its version", str(held.version))) if in_full else row
    more = (("its parent", held.parent), ("its version", str(held.version)))
    return (*held.fields, *more) if in_full else held.fields


def _keys_in(body: object, about: str) -> tuple[str, ...]:
    """Return the keys of what a unit of work says about an object, also on its way inside CRM."""
    if isinstance(body, MassBDoc):
        return tuple(one.key[1] for one in body.records if one.key[0] == about)
    if isinstance(body, RecordBDoc):
        return (body.record.key,) if body.record.object == about else ()
    if isinstance(body, MessageBDoc):
        return (body.document.number,) if about == "order" else ()
    return keys_in(body, about)
