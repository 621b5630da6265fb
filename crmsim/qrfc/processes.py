"""Who executes the LUWs of a system?

A work process (SAP: dialog work process) is an actor that does one piece of work at a time. A pool
of them at the site of a system is all the hands that the system has. Sources: CONTRIBUTING.md, S41.
"""

from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address, message

__all__ = ["Executed", "Work", "WorkProcess", "work_process_names"]


@message(about=("queue", "serial"))
class Work:
    """A LUW is given to a work process."""

    queue: str
    serial: int
    lasts_ns: int


@message(about=("queue", "serial"))
class Executed:
    """A work process has done its work on a LUW."""

    queue: str
    serial: int


class WorkProcess(Actor):
    """One pair of hands."""

    @handles(Work)
    async def work(self, message: Work, sender: Address[Executed]) -> None:
        """Work for as long as it lasts, then say so."""
        await self.sleep(message.lasts_ns)
        self.send(sender, Executed(message.queue, message.serial))


def work_process_names(site: str, count: int) -> tuple[str, ...]:
    """Return the names of a pool of work processes at a site."""
    return tuple(f"{site}-process-{number}" for number in range(1, count + 1))
