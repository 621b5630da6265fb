"""What does CRM ask the ERP before somebody changes an order?

How far it has got there, and to have it locked. The answer comes at once or not at all (SAP: a
synchronous remote call). One asking is known by the start of CRM's programs that it was made in,
and by its place since then; a later one takes the place of an earlier one about the same order.
Sources: CONTRIBUTING.md, S08, S11.
"""

from crmsim.business.fulfilment import Progress
from crmsim.kernel.message import message

__all__ = ["LockAnswer", "LockRelease", "LockRequest"]


@message(about=("number", "start", "serial", "attempt"))
class LockRequest:
    """How far has this order got? Lock it for me, if wanted. CRM to ERP."""

    number: str
    start: int
    serial: int
    attempt: int
    is_to_lock: bool
    """False when CRM only wants to know."""


@message(about=("number", "start", "serial", "attempt"))
class LockAnswer:
    """How far an order has got, and whether it is locked. ERP to CRM."""

    number: str
    start: int
    serial: int
    attempt: int
    epoch: int
    """The number of the lock; 0 when it was not given."""
    version: int
    """The version that the ERP has; 0 when it has none."""
    progress: tuple[Progress, ...]
    changes: int
    """How many changes of it people at the ERP have made."""
    is_busy: bool = False
    """Somebody at the ERP is working on it just now."""
    is_waiting: bool = False
    """Something about it stands in a queue of the ERP."""


@message(about=("number", "epoch"))
class LockRelease:
    """Nothing comes of it; the lock is free. CRM to ERP."""

    number: str
    epoch: int
