"""May this be done with this document now? A guard answers with a reason, or with None for yes.

Sources: CONTRIBUTING.md, S04 (what may be transferred), S07 and S11 (what may be changed).
"""

from crmsim.business.document import Fate, OrderDocument
from crmsim.business.sales import SalesOrder

__all__ = ["why_not_change", "why_not_transfer"]


def why_not_transfer(order: SalesOrder) -> str | None:
    """Return why an order may not go to the ERP, or None."""
    if not order.items:
        return "an order without items is never transferred"
    return None


def why_not_change(document: OrderDocument) -> str | None:
    """Return why the quantities of an order may no longer change, or None."""
    if document.fate is Fate.SHIPPED:
        return f"order {document.number} is fully delivered; its quantities are final"
    return None
