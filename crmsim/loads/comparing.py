"""How does CRM find out in what it differs from the ERP, and CRM Online from the CDB?

It asks block by block, with questions that cost messages and the time of work processes, and knows
nothing but the answers. What seems to differ is asked for once more at the end, and is under way if
it lies in a queue on either side then, or has changed since the first look.
Sources: CONTRIBUTING.md, S63; the second look is assumed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from crmsim.formats.bapi import BapiContract, BapiMasters
from crmsim.formats.bdoc import MassBDoc, MessageBDoc, RecordBDoc
from crmsim.formats.loading import (
    CompareAnswer,
    CompareQuestion,
    LoadBlock,
    Row,
    contract_row,
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

__all__ = ["COMPARISONS", "REPORTS", "Comparing"]

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
        is_loading: Says whether a load of an object is under way.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        inbound: InboundQueues,
        outbound: OutboundQueues,
        is_loading: Callable[[str], bool],
    ) -> None:
        self._actor = actor
        self._model = model
        self._inbound = inbound
        self._outbound = outbound
        self._is_loading = is_loading

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
            self._outbound.enqueue(change, asking_queue(f"dima_{one.about}"), luw)

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
        moving = dict.fromkeys((*answer.moving, *self._moving(one.about)))
        is_loading = self._is_loading(one.about)
        found, versions = list(one.found), list(one.versions)
        for key in answer.question.keys:
            second = Sides(here.get(key), there.get(key))
            kind = judged_twice(first[key], second, is_moving=is_loading or key in moving)
            if kind is not None:
                found.append((key, kind))
            record = self._actor.store.get("records", (one.about, key))
            if kind not in (None, Difference.IN_FLIGHT) and record is not None:
                versions.append((key, record.version))
        looked_at = one.looked_at + len(answer.question.keys)
        one = attrs.evolve(one, found=tuple(found), versions=tuple(versions), looked_at=looked_at)
        self._ask(change, one)

    # --- what there is ---

    def report(self, about: str, against: str) -> Report | None:
        """Return what was found last about an object; None when nobody has looked."""
        found: Report | None = self._actor.store.get(REPORTS, (about, against))
        return found

    def _here(self, about: str, question: CompareQuestion) -> dict[str, Row]:
        """Return key -> fields of all that CRM Online has of an object."""
        store = self._actor.store
        if about == "contract" and question.comparison.endswith("erp"):
            rows = {key: contract_row(one) for key, one in store.table(REPORTED).items()}
        elif self._model.of(about).kind is Kind.BULK:
            rows = self._values("masters", about)
        else:
            rows = self._records("records", about)
        return rows if question.is_detailed else dict.fromkeys(rows, ())

    def _values(self, table: str, about: str) -> dict[str, Row]:
        held = self._actor.store.table(table).items()
        return {key: (("value", one.value),) for (name, key), one in held if name == about}

    def _records(self, table: str, about: str) -> dict[str, Row]:
        held = self._actor.store.table(table).items()
        return {key: one.fields for (name, key), one in held if name == about}

    def _answer(self, question: CompareQuestion) -> CompareAnswer:
        """Say what the CDB has."""
        about = question.about
        if self._model.of(about).kind is Kind.BULK:
            rows = self._values("cdb masters", about)
        else:
            rows = self._records("cdb records", about)
        keys, is_last = block_of(rows, question.after, question.count)
        if question.keys:
            keys, is_last = tuple(key for key in question.keys if key in rows), False
        told = tuple((key, rows[key] if question.is_detailed else ()) for key in keys)
        return CompareAnswer(question, told, is_last, ())

    def _moving(self, about: str) -> tuple[str, ...]:
        """Return the keys of what lies in a queue of CRM."""
        store = self._actor.store
        queues = (*store.table("inbound").values(), *store.table("outbound").values())
        bodies = [body_of(luw) for luws in queues for luw in luws]
        return tuple(dict.fromkeys(key for body in bodies for key in _keys_in(body, about)))


def _keys_in(body: Any, about: str) -> tuple[str, ...]:
    """Return the keys of what a unit of work says about an object."""
    if isinstance(body, MassBDoc):
        return tuple(one.key[1] for one in body.records if one.key[0] == about)
    if isinstance(body, BapiMasters):
        return tuple(key for key, _ in body.values) if body.publication == about else ()
    if isinstance(body, RecordBDoc):
        return (body.record.key,) if body.record.object == about else ()
    if isinstance(body, BapiContract):
        return (body.key,) if about == "contract" else ()
    if isinstance(body, LoadBlock):
        return body.keys if body.about == about else ()
    if isinstance(body, MessageBDoc) or body is None:
        return ()
    return (body.key,) if getattr(body, "object", "") == about else ()
