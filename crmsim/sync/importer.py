"""What does a laptop make of what it receives?

A change that the rep made and that is not answered yet stays on top of whatever arrives: the import
goes underneath, into the base copy. A confirmation lifts the change into the base, a rejection
takes it away. What does not belong on the laptop any more goes, but not before its answer has come.
Sources: CONTRIBUTING.md, S54, S55, S57; the overlay is assumed.
"""

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Update

__all__ = ["LocalOrder", "after_import", "after_receipt", "after_removal", "after_save"]


@attrs.frozen
class LocalOrder:
    """An order on a laptop: the server's copy, and what the rep changed on top of it."""

    base: OrderDocument | None
    mine: SalesOrder | None
    """The rep's own version while an answer is outstanding."""
    temporary: str
    """What the laptop calls it before it has a number."""
    pending: int = 0
    """Saves without an answer."""
    upload: int = 0
    """Of these, how many the server has receipted."""
    refusal: str = ""
    """The reason of the last rejection, until the rep has dealt with it."""
    save: int = 0
    """The how-manieth save of the order in CRM Online the server's copy is."""
    leaves: bool = False
    """It does not belong here any more, and goes when what the rep changed is answered."""

    @property
    def document(self) -> OrderDocument:
        """The order as the rep sees it."""
        if self.base is None:
            assert self.mine is not None
            return OrderDocument(self.mine, self.temporary)
        return self.base if self.mine is None else attrs.evolve(self.base, order=self.mine)


def after_save(local: LocalOrder | None, order: SalesOrder, temporary: str) -> LocalOrder:
    """Return the order after the rep saved it; whoever saves anew has dealt with a refusal."""
    if local is None:
        return LocalOrder(None, order, temporary, pending=1)
    return attrs.evolve(local, mine=order, pending=local.pending + 1, refusal="")


def after_receipt(local: LocalOrder) -> LocalOrder:
    """Return the order after the server receipted one of its saves."""
    return attrs.evolve(local, upload=min(local.upload + 1, local.pending))


def after_import(
    local: LocalOrder | None, content: Confirmation | Rejection | Update
) -> LocalOrder | None:
    """Return the order after an import, None when it is gone from the laptop."""
    if isinstance(content, Update):
        if local is None:
            number = content.document.number
            return LocalOrder(content.document, None, number, save=content.save)
        return attrs.evolve(_moved_on(local, content.document, content.save), leaves=False)
    if local is None:
        return None  # an answer about something that an earlier rejection took away
    pending = max(local.pending - 1, 0)
    counted = attrs.evolve(local, pending=pending, upload=min(max(local.upload - 1, 0), pending))
    if isinstance(content, Confirmation):
        return _answered(_moved_on(counted, content.document, content.save), counted.refusal)
    if content.before is None:
        return None
    return _answered(_moved_on(counted, content.before, content.save), content.reason)


def _moved_on(local: LocalOrder, document: OrderDocument, save: int) -> LocalOrder:
    """Return the order with a newer copy of the server's; an older one, late, changes nothing."""
    return local if save < local.save else attrs.evolve(local, base=document, save=save)


def after_removal(local: LocalOrder | None) -> LocalOrder | None:
    """Return the order after the server took it away: what is not answered yet stays until then."""
    return attrs.evolve(local, leaves=True) if local is not None and local.pending else None


def _answered(local: LocalOrder, refusal: str) -> LocalOrder | None:
    """Return the order after an answer; a refusal of what has come through after all is none."""
    if local.pending:
        return attrs.evolve(local, refusal=refusal)
    if local.leaves:
        return None
    wanted, base = local.mine, local.base
    is_as_wanted = wanted is not None and base is not None and wanted == base.order
    return attrs.evolve(local, mine=None, refusal="" if is_as_wanted else refusal)
