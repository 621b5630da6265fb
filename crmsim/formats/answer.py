"""How does CRM answer a laptop's change?

With a confirmation or a rejection, exactly one for each transaction message. A rejection carries
the before-image, so that the laptop can become consistent again. Sources: CONTRIBUTING.md, S30,
S54, S57.
"""

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.master import Record

__all__ = ["Confirmation", "Overruled", "Rejection"]


@attrs.frozen
class Overruled:
    """A field of a change that does not count, because somebody else changed it meanwhile."""

    segment: str
    key: str
    field: str
    wanted: str | None
    """What the author wrote; None when he took the item out."""
    kept: str | None
    """What counts; None when the item was taken out."""
    by_list: bool = False
    """Nobody has changed it; it gave way to CRM's price list."""

    @property
    def name(self) -> str:
        """What changes call it: of an item that was to be taken out, the item as a whole."""
        part = f"{self.segment} {self.key}".rstrip()
        return part if self.wanted is None else f"{part} {self.field}"


@attrs.frozen
class Confirmation:
    """CRM accepted a change; `document` is what CRM holds now, None when that is nothing."""

    message: str
    guid: str
    document: OrderDocument | Record | None
    save: int
    """The how-manieth save of the order in CRM Online that is."""
    overruled: tuple[Overruled, ...] = ()
    """What of the change does not count, though the rest does."""
    object: str = "order"
    """What it is about: an order, or the name of another replication object."""


@attrs.frozen
class Rejection:
    """CRM refused a change."""

    message: str
    guid: str
    reason: str
    before: OrderDocument | Record | None
    """The document as it was before; None when CRM never had it."""
    save: int = 0
    """The how-manieth save of the order in CRM Online the before-image is."""
    overruled: tuple[Overruled, ...] = ()
    """The fields that somebody else had changed, if that is the reason."""
    object: str = "order"
    """What it is about: an order, or the name of another replication object."""
