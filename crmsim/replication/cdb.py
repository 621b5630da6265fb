"""What does the CDB hold of a document?

Sources: CONTRIBUTING.md, S30, S40.
"""

import attrs

from crmsim.business.document import OrderDocument

__all__ = ["CdbRow"]


@attrs.frozen
class CdbRow:
    """A document as the CDB holds it."""

    document: OrderDocument
    save: int
    """The how-manieth save of the document in CRM Online this is."""
    shown: OrderDocument | None = None
    """As laptops have been told of it: the newest state without errors."""
    shown_save: int = 0
    """Which save that is."""
