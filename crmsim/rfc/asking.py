"""How does CRM ask the ERP something that must be answered at once?

It asks, and asks again when no answer comes; after a few times it takes the ERP for out of reach.
A crash forgets what was asked. Sources: CONTRIBUTING.md, S07, S08; patience is assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.kernel.actor import Actor
from crmsim.kernel.message import message
from crmsim.rfc.lock import LockAnswer, LockRequest
from crmsim.units import Duration, seconds

__all__ = ["AskAgain", "Asking"]

ANSWER_WITHIN: Duration = seconds(10)
"""After how long CRM asks again (assumed)."""
TRIES = 3
"""How often CRM asks before it takes the ERP for out of reach (assumed)."""

Then = Callable[[LockAnswer | None], None]
"""What is done with an answer; None when there was none."""


@message(about=("serial", "attempt"))
class AskAgain:
    """The ERP has not answered in time."""

    serial: int
    attempt: int


@attrs.frozen
class _Question:
    number: str
    is_to_lock: bool
    then: Then


class Asking:
    """What CRM has asked the ERP and has no answer to yet.

    Args:
        actor: CRM's actor.
        erp: The name of the ERP's actor.
    """

    def __init__(self, actor: Actor, erp: str) -> None:
        self._actor = actor
        self._erp = erp
        self._serial = 0
        self._questions: dict[int, _Question] = {}

    def count_start(self) -> None:
        """Count the starts of the programs, so that answers to an earlier one are known as such."""
        with self._actor.commit() as change:
            change.put("counts", "starts", self._start + 1)

    @property
    def _start(self) -> int:
        return int(self._actor.store.get("counts", "starts", 0))

    def ask(self, number: str, then: Then, *, is_to_lock: bool) -> None:
        """Ask how far an order has got, and have it locked if wanted.

        `then` gets the answer, or None when the ERP does not answer. It is not called in a commit.
        """
        self._serial += 1
        self._questions[self._serial] = _Question(number, is_to_lock, then)
        self._send(self._serial, 0)

    def _send(self, serial: int, attempt: int) -> None:
        one = self._questions[serial]
        request = LockRequest(one.number, self._start, serial, attempt, one.is_to_lock)
        self._actor.send(self._actor.address(self._erp), request, attempt=attempt)
        self._actor.after(ANSWER_WITHIN, AskAgain(serial, attempt))

    def again(self, due: AskAgain) -> None:
        """Ask once more, or give up."""
        if due.serial not in self._questions:
            return
        if due.attempt + 1 < TRIES:
            self._send(due.serial, due.attempt + 1)
        else:
            self._questions.pop(due.serial).then(None)

    def answered(self, answer: LockAnswer) -> None:
        """Pass an answer on, unless it is one too many, or to a question from before a crash."""
        if answer.start == self._start and answer.serial in self._questions:
            self._questions.pop(answer.serial).then(answer)
