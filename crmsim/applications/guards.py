"""May this be done with this document now? A guard answers with a reason, or with None for yes.

What of an order may still change stands in `crmsim.applications.changes`.
What may be called off contracts: `crmsim.applications.contracts`.
Sources: CONTRIBUTING.md, S04 (what may be transferred), S06 (quotations), S16 (errors), S20
(contracts).
"""

from crmsim.applications.directions import why_blocked
from crmsim.applications.status import OrderRecord
from crmsim.business.document import Fate, OrderDocument, Owner
from crmsim.business.master import Record
from crmsim.business.sales import SalesKind, SalesOrder

__all__ = [
    "TAKEN",
    "errors_of",
    "why_not_create",
    "why_not_follow",
    "why_not_move",
    "why_not_transfer",
    "why_only_shown",
]


TAKEN = "there is an order of that name already"
"""Why an order cannot come to be, in CRM or in the ERP."""


def why_not_create(order: SalesOrder, customer: Record | None) -> str | None:
    """Return why an order or a quotation cannot come to be, or None.

    Args:
        order: What somebody wrote.
        customer: Whose it is; None when nothing is known of the customer.
    """
    if not order.items:
        return "an order without items is never transferred"
    return why_blocked(customer)


def why_not_move(before: SalesOrder, after: SalesOrder, customer: Record | None) -> str | None:
    """Return why an order cannot go to another customer, or None.

    Args:
        before: As it is.
        after: As it is to be.
        customer: Whose it is to be; None when nothing is known of the customer.
    """
    is_moved = before.customer != after.customer
    return why_not_create(after, customer) if is_moved and after.items else None


def why_only_shown(document: OrderDocument) -> str | None:
    """Return why nobody in CRM, or on a laptop, may change an order, or None."""
    return "it belongs to the ERP; here it is only shown" if document.owner is Owner.ERP else None


def why_not_follow(quotation: OrderRecord | None) -> str | None:
    """Return why nothing can be made in CRM out of a quotation now, or None.

    Args:
        quotation: As CRM Online has it; None when there is none of that name.
    """
    if quotation is None or quotation.document.order.kind is not SalesKind.QUOTATION:
        return "CRM knows no such quotation"
    if quotation.is_under_way:
        return "the quotation is being distributed; try again later"
    if quotation.is_in_erp and quotation.document.owner is not Owner.ERP:
        return "the quotation has gone to the ERP; what follows it is made there"
    return None


def errors_of(
    order: SalesOrder, fitting: tuple[str, ...] = (), why_not_draw: str | None = None
) -> tuple[str, ...]:
    """Return what is wrong with an order that CRM stores all the same.

    Args:
        order: The order.
        fitting: The contracts that it may draw on.
        why_not_draw: Why it may not draw on the one that it names; None when it may.
    """
    unpriced = [item.product for item in order.items if not item.unit_price]
    found = [f"{product} has no price" for product in dict.fromkeys(unpriced)]
    if len(fitting) > 1 and not order.contract:
        found.append(f"several contracts fit: {', '.join(fitting)}")
    if why_not_draw is not None:
        found.append(why_not_draw)
    return tuple(found)


def why_not_transfer(document: OrderDocument, *, quotations: bool = False) -> str | None:
    """Return why a document may not go to the ERP, or None.

    Args:
        document: An order or a quotation.
        quotations: Whether quotations go there at all.
    """
    order = document.order
    if not order.items:
        return "an order without items is never transferred"
    if document.owner is Owner.ERP:
        return "it belongs to the ERP"
    if order.kind is SalesKind.QUOTATION and not quotations:
        return "the transfer of quotations is switched off"
    if order.kind is SalesKind.QUOTATION and not order.is_released:
        return "the quotation is not released"
    if document.errors:
        return f"it contains errors: {'; '.join(document.errors)}"
    if document.is_locked:
        return "nobody has released it yet"
    if document.fate is Fate.CANCELLED:
        return "it was cancelled, because nobody could check whether there is enough"
    if document.is_unchecked:
        return "nobody has checked yet whether there is enough"
    return None
