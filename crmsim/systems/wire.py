"""What do CRM and the ERP say to each other?

Queued calls and their receipts. The messages carry what is to be done without looking at it, so
the ERP never hears of BDocs.
"""

from crmsim.kernel.message import message

__all__ = ["Receipt", "Transfer"]


@message(about=("queue", "luw"))
class Transfer:
    """The head of a queue goes from one system to the other."""

    queue: str
    luw: str
    body: object
    guid: str
    attempt: int


@message(about=("queue", "luw", "attempt"))
class Receipt:
    """The target holds this LUW durably."""

    queue: str
    luw: str
    attempt: int
