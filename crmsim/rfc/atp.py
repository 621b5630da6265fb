"""How does CRM ask the planning system whether there is enough, and how is it answered?

A synchronous remote call in SAP; here a question and an answer, since either can be lost. CRM asks
for items of sales orders, and for nothing else. A request names all items of an order, so that the
planning system sees too what is not wanted any more. A check is named by its order and its number,
whatever the attempt, so that a question that comes twice is the same one.
Sources: CONTRIBUTING.md, S21.
"""

import attrs

from crmsim.business.schedule import Confirmed, Wanted
from crmsim.kernel.message import message

__all__ = ["AtpAnswer", "AtpQuestion", "AtpRequest"]


@attrs.frozen
class AtpQuestion:
    """What is to leave."""

    reference: str
    guid: str
    version: int
    """The version of the order in CRM Online."""
    items: tuple[Wanted, ...]
    """All that is wanted; empty when the order is cancelled, and what it had is free again."""


@message(about=("order", "check"))
class AtpRequest:
    """When can this leave? CRM to the planning system."""

    order: str
    """The number of the order."""
    check: int
    """The how-manieth check of the order it is, from 1."""
    attempt: int
    question: AtpQuestion


@message(about=("order", "check", "attempt"))
class AtpAnswer:
    """So much of it, and then. The planning system to CRM."""

    order: str
    check: int
    attempt: int
    schedule: tuple[Confirmed, ...]
