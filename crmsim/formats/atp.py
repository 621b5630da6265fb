"""What do CRM and the planning system say to each other about availability?

CRM asks for items of sales orders, and for nothing else. A request names all items of an order, so
that the planning system sees too what is not wanted any more. Sources: CONTRIBUTING.md, S21.
"""

import attrs

from crmsim.business.schedule import Wanted

__all__ = ["AtpQuestion"]


@attrs.frozen
class AtpQuestion:
    """When can this leave? CRM to the planning system."""

    reference: str
    guid: str
    version: int
    """The version of the order in CRM Online."""
    items: tuple[Wanted, ...]
    """All that is wanted; empty when the order is cancelled, and what it had is free again."""
