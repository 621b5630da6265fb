"""What becomes of messages that a laptop could not read?

A laptop with old programs cannot import what the server sends in a newer form. It does not try for
ever: it puts such a message aside, goes on with the next one, and gives the message back in its
next session. There it lies until the laptop has new programs and somebody has it sent again (SAP:
message recovery). Sources: CONTRIBUTING.md, S54, S58; who does it, and when, is assumed.
"""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.replication import Job, Key, RrQueue
from crmsim.trace.kinds import ADMINISTERED, RETURNED

__all__ = ["ReturnAlert", "Returned", "SendAgain", "Unread"]


@attrs.frozen
class Unread:
    """A message that a laptop could not read."""

    place: int
    """Its place in the laptop's queue."""
    guid: str
    key: Key
    """What it is about."""
    release: int
    """From which release on programs can read it."""


@message(about=("site", "count"))
class ReturnAlert:
    """Messages lie here that a laptop gave back and could read by now. CRM to its operator."""

    site: str
    count: int


@message(about=("site",))
class SendAgain:
    """Send a laptop again what it gave back. Operator to CRM."""

    site: str


class Returned:
    """The messages that laptops have given back.

    Args:
        actor: CRM's actor.
        operator: The name of the actor who looks after them; None when nobody does.
        enqueue: Puts a job into a queue of replication and realignment.
    """

    TABLE = "returned messages"

    def __init__(
        self,
        actor: Actor,
        operator: str | None,
        enqueue: Callable[[Change, RrQueue, Job], None],
    ) -> None:
        self._actor = actor
        self._operator = operator
        self._enqueue = enqueue

    def started(self) -> None:
        """Tell the operator once more after a crash."""
        for site in dict.fromkeys(site for site, _ in self._actor.store.table(self.TABLE)):
            self._look(site)

    def take(self, change: Change, site: str, unread: Iterable[Unread]) -> None:
        """Keep what a laptop gives back, in the order of its queue, and each of it once.

        What was given back before may come again, also when it has been dealt with.
        """
        for one in unread:
            if one.place > change.get("returned up to", site, 0):
                change.put("returned up to", site, one.place)
                change.put(self.TABLE, (site, one.place), one)
                change.note(RETURNED, f"news {one.place} for {site}", guid=one.guid)
                change.then(lambda: self._look(site))

    def learn(self, change: Change, site: str, release: int) -> None:
        """Learn which release of its programs a laptop has by now."""
        if release != self._actor.store.get("releases", site, 1):
            change.put("releases", site, release)
            change.then(lambda: self._look(site))

    def readable(self, get: Callable[..., Any], site: str) -> list[Unread]:
        """Return what a laptop gave back and could read by now."""
        release = get("releases", site, 1)
        rows = self._actor.store.table(self.TABLE).items()
        return [one for (of, _), one in rows if of == site and one.release <= release]

    def _look(self, site: str) -> None:
        """Tell the operator, if something can be done."""
        found = self.readable(self._actor.store.get, site)
        if found and self._operator is not None:
            to: Address[Any] = self._actor.address(self._operator)
            self._actor.send(to, ReturnAlert(site, len(found)))

    def send_again(self, change: Change, site: str) -> None:
        """Send a laptop what holds by now of all that it gave back and can read."""
        for one in self.readable(change.get, site):
            change.delete(self.TABLE, (site, one.place))
            self._enqueue(change, RrQueue.EXTRACT, Job(0, (one.key,), (site,), again=True))
        change.note(ADMINISTERED, site, queue="", action="send again")
