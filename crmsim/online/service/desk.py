"""What does the service office find to do?

It completes what technicians have confirmed, and sends again what the ERP has refused. Who does so,
and when: `crmsim.online.clerk`. Sources: CONTRIBUTING.md, S23; the rest is assumed.
"""

from crmsim.applications.service import (
    CONFIRMATION,
    OPEN,
    TRANSFER_TRIES,
    status_of,
    transfer_of,
    why_not_sent,
)
from crmsim.applications.status import Distribution
from crmsim.business.master import Record
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.online.clerk import REWORK_COUNT, ClerkHabits, Pile

__all__ = ["ServiceDesk"]


class ServiceDesk:
    """What CRM knows of the documents that wait for somebody in the service office.

    Args:
        actor: CRM's actor.
        clerk: When somebody works there; None when nobody does.
    """

    TABLE = "service list"
    ROLE = "service"

    def __init__(self, actor: Actor, clerk: ClerkHabits | None) -> None:
        self._pile = Pile(actor, self.TABLE, self.ROLE if clerk else "")

    def started(self) -> None:
        """Lay everything on the desk again after a crash."""
        self._pile.started()

    def put(self, change: Change, record: Record) -> None:
        """Lay a document on the desk if it needs somebody, else take it off the list."""
        is_needed = self._needs_clerk(record)
        self._pile.put(change, record.identity, record.version, is_needed=is_needed)

    @staticmethod
    def _needs_clerk(record: Record) -> bool:
        if record.object == CONFIRMATION and status_of(record) == OPEN:
            return True
        tries = int(dict(record.fields).get(TRANSFER_TRIES, "") or 0)
        is_refused = transfer_of(record) is Distribution.ERROR and why_not_sent(record) is None
        return is_refused and 0 < tries <= REWORK_COUNT
