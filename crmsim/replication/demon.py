"""Who works through what has to be realigned, and how fast?

Jobs stand in the queues of replication and realignment (SAP: SMOHQUEUE) until the queue demon gets
round to them. There is one demon, and it does one turn at a time: a job in the old framework, a
block of them in the new one. It can stand still; then every laptop grows old.
Sources: CONTRIBUTING.md, S44, S45.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

import attrs
from pyrsistent import PDeque, pdeque

from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.replication import Framework, Job, RrQueue
from crmsim.trace.kinds import ADMINISTERED, ENQUEUED, WORKED

__all__ = ["BLOCK_COUNT", "DemonDone", "Jobs", "QueueDemon"]

BLOCK_COUNT = 50
"""Jobs that the new framework takes at once (assumed)."""
TABLE = "rr"


@message(about=("number",))
class DemonWork:
    """A turn of the demon begins."""

    number: int
    lasts_ns: int


@message(about=("number",))
class DemonDone:
    """The demon has done its work."""

    number: int


class QueueDemon(Actor):
    """The one pair of hands that works through the queues of replication and realignment."""

    @handles(DemonWork)
    async def work(self, message: DemonWork, sender: Address[DemonDone]) -> None:
        """Work for as long as it lasts, then say so."""
        await self.sleep(message.lasts_ns)
        self.send(sender, DemonDone(message.number))


class Jobs:
    """The queues of replication and realignment, and what the demon has in hand of them.

    Args:
        actor: The actor whose store holds them.
        framework: How the demon works.
        demon: The name of the demon.
        lasts_ns: How long a turn takes, for the jobs of a queue.
        perform: Does a job as part of a commit.
    """

    def __init__(
        self,
        actor: Actor,
        framework: Framework,
        demon: str,
        lasts_ns: Callable[[RrQueue, tuple[Job, ...]], int],
        perform: Callable[[Change, RrQueue, Job], None],
    ) -> None:
        self._actor = actor
        self._framework = framework
        self._demon = demon
        self._lasts_ns = lasts_ns
        self._perform = perform
        self._in_hand: tuple[RrQueue, tuple[Job, ...]] | None = None
        """What the demon is working at; not durable."""

    def started(self) -> None:
        """Let the demon begin again after a crash."""
        self._go_on()

    def enqueue(self, change: Change, queue: RrQueue, job: Job) -> None:
        """Put a job at the end of its queue."""
        number = 1 + int(change.get("counts", "jobs", 0))
        change.put("counts", "jobs", number)
        since_ns = job.since_ns or self._actor.now_ns
        numbered = attrs.evolve(job, number=number, since_ns=since_ns)
        jobs: PDeque[Job] = change.get(TABLE, queue.value, pdeque())
        change.put(TABLE, queue.value, jobs.append(numbered))
        change.then(self._go_on)

    @property
    def is_running(self) -> bool:
        """Whether the demon works."""
        return not self._actor.store.get("demon", "stopped", False)

    def set_running(self, change: Change, *, is_running: bool) -> None:
        """Let the demon stand still, or work again."""
        change.put("demon", "stopped", not is_running)
        action = "start the demon" if is_running else "stop the demon"
        change.note(ADMINISTERED, "R&R", queue="", action=action)
        change.then(self._go_on)

    def _go_on(self) -> None:
        if self._in_hand is not None or not self.is_running:
            return
        for queue in RrQueue:
            jobs: PDeque[Job] = self._actor.store.get(TABLE, queue.value, pdeque())
            if jobs:
                is_block = self._framework is Framework.NEW and queue is not RrQueue.SUBCHECK
                taken = tuple(islice(jobs, BLOCK_COUNT if is_block else 1))
                self._in_hand = queue, taken
                lasts_ns = int(self._lasts_ns(queue, taken) * self._actor.slowness)
                demon: Address[Any] = self._actor.address(self._demon)
                self._actor.send(demon, DemonWork(taken[0].number, lasts_ns))
                return

    def done(self) -> None:
        """Make the effect of a turn durable; then the next one begins."""
        assert self._in_hand is not None, "the demon says so once for each turn"
        queue, jobs = self._in_hand
        with self._actor.commit() as change:
            left: PDeque[Job] = change.get(TABLE, queue.value, pdeque())
            change.put(TABLE, queue.value, left.popleft(len(jobs)))
            for job in jobs:
                self._perform(change, queue, job)
            told = sum(kind is ENQUEUED for kind, _, _ in change.notes)
            change.note(WORKED, queue.value, jobs=len(jobs), messages=told)
            change.then(self._turn_over)

    def _turn_over(self) -> None:
        self._in_hand = None
        self._go_on()
