"""What does the planning system do (SAP: APO)?

It is asked when the items of an order can leave, and keeps for the order what it says then. What it
has promised is durable, and so is its answer to each check: a question that comes again gets the
same answer and promises nothing more. It knows orders by their number and never hears of BDocs or
laptops. Of what leaves the warehouse it hears nothing either: what it has promised counts as gone.
Sources: CONTRIBUTING.md, S21; the rest is assumed.
"""

import attrs

from crmsim.applications.atp import (
    Promise,
    Supply,
    schedule_of,
    under_promise,
    wanted_of,
)
from crmsim.applications.logistics import Stock
from crmsim.business.schedule import Confirmed
from crmsim.chance import Distribution, word_of
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.rfc.atp import AtpAnswer, AtpRequest
from crmsim.trace.kinds import PROMISED

__all__ = ["Apo"]


@message(about=("order", "check"))
class CheckDue:
    """A check has taken its time."""

    order: str
    check: int


@attrs.frozen
class _Answer:
    """What was said last about an order."""

    check: int
    schedule: tuple[Confirmed, ...]


class Apo(Actor):
    """The planning system as one actor.

    Args:
        crm: The name of CRM's actor.
        stock: How much there is of each product at the beginning, and how it is filled up.
        service_s: How long a check takes, in seconds.
    """

    def __init__(self, crm: str, stock: Stock, service_s: Distribution) -> None:
        self._crm = crm
        self._stock = stock
        self._service_s = service_s
        self._asked: dict[tuple[str, int], AtpRequest] = {}
        """(order, check) -> the last question about it, while it is being worked on."""

    @handles(AtpRequest)
    def asked(self, message: AtpRequest, sender: object) -> None:
        """Begin to work on a question, unless that has begun already."""
        key = message.order, message.check
        is_new = key not in self._asked
        self._asked[key] = message
        if is_new:
            u = self.luck("check").uniform(word_of(message.order), message.check)
            check_ns = int(self._service_s.at(u) * self.slowness * 1e9)
            self.after(check_ns, CheckDue(*key))

    @handles(CheckDue)
    def checked(self, message: CheckDue, sender: object) -> None:
        """Answer; what is old by now, because CRM has asked anew since, gets no answer."""
        request = self._asked.pop((message.order, message.check))
        known: _Answer | None = self.store.get("answers", request.order)
        if known is not None and known.check > request.check:
            return
        with self.commit() as change:
            if known is None or known.check < request.check:
                known = self._answer(change, request)
            attempt = request.attempt
            answer = AtpAnswer(request.order, request.check, attempt, known.schedule)
            change.send(self.address(self._crm), answer, attempt=attempt)

    def _answer(self, change: Change, request: AtpRequest) -> _Answer:
        """Promise what there is, keep that, and write it down."""
        question = request.question
        wanted = wanted_of(question.items)
        held: dict[str, tuple[Promise, ...]] = dict(self.store.get("promises", request.order, ()))
        rows = []
        for product in dict.fromkeys((*wanted, *held)):
            before = sum(one.pieces for one in held.get(product, ()))
            had = change.get("supplies", product) or Supply(self._stock.pieces, self._stock.pieces)
            supply, held[product] = under_promise(
                had, held.get(product, ()), wanted.get(product, 0), self._stock, self.now_ns
            )
            change.put("supplies", product, supply)
            now = sum(one.pieces for one in held[product])
            available = supply.there + supply.coming + now - before
            rows.append((product, wanted.get(product, 0), now, available, supply.ever))
        answer = _Answer(request.check, schedule_of(question.items, held))
        change.put("promises", request.order, tuple((p, h) for p, h in held.items() if h))
        change.put("answers", request.order, answer)
        change.note(
            PROMISED,
            question.reference,
            guid=question.guid,
            version=question.version,
            order=request.order,
            check=request.check,
            products=tuple(rows),
        )
        return answer
