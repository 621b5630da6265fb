"""What do CRM and a laptop exchange about a document?

A synchronisation BDoc (business document) carries one document with the task that it stands for.
Sources: CONTRIBUTING.md, S33, S35.
"""

import enum

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.sales import SalesOrder

__all__ = ["SyncBDoc", "Task", "Update"]


class Task(enum.Enum):
    """What became of the document."""

    INSERT = "insert"
    UPDATE = "update"


@attrs.frozen
class SyncBDoc:
    """A change that a laptop made, on its way to CRM."""

    message: str
    """Identity of the transaction message: site and number of the save."""
    site: str
    number: int
    """The how-manieth save of the site this is, from 1."""
    task: Task
    order: SalesOrder


@attrs.frozen
class Update:
    """What CRM tells a laptop about a document of the laptop's rep."""

    document: OrderDocument

    @property
    def guid(self) -> str:
        """The document it is about."""
        return self.document.order.guid
