"""How is the planning system asked?

A synchronous call in SAP; here a question and an answer, since either can be lost. What they are
about is carried unseen. A check is named by its order and its number, whatever the attempt, so that
a question that comes twice is the same one. Sources: CONTRIBUTING.md, S21.
"""

from crmsim.kernel.message import message

__all__ = ["AtpAnswer", "AtpRequest"]


@message(about=("order", "check"))
class AtpRequest:
    """When can this leave? CRM to the planning system."""

    order: str
    """The number of the order."""
    check: int
    """The how-manieth check of the order it is, from 1."""
    attempt: int
    body: object


@message(about=("order", "check", "attempt"))
class AtpAnswer:
    """So much of it, and then. The planning system to CRM."""

    order: str
    check: int
    attempt: int
    body: object
