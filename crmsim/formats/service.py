"""What do CRM and the ERP exchange about service orders, confirmations, complaints and bills?

Flat records that know nothing of BDocs or laptops. Sources: CONTRIBUTING.md, S21, S23, S26.
"""

import attrs

from crmsim.business.service import ServiceItem

__all__ = ["BapiService", "BapiServiceProgress", "BapiServiceResult", "ServiceNews"]


@attrs.frozen
class BapiService:
    """A document as CRM has it: do with it whatever its items lead to. CRM to ERP."""

    object: str
    """``service_order``, ``confirmation``, ``complaint`` or ``bill``."""
    key: str
    """Its number, the same in both systems."""
    version: int
    items: tuple[ServiceItem, ...]
    customer: str = ""
    place: str = ""
    """Out of which stock parts are taken."""
    order: str = ""
    """Of a confirmation: its service order. Of a complaint: the reference of the sales order."""
    reverses: str = ""
    """The key of the confirmation that it takes back; empty for none."""
    promised: tuple[tuple[str, int], ...] = ()
    """(line, day of the run) before which it does not leave."""

    @property
    def reference(self) -> str:
        """What people call it."""
        return f"{self.object} {self.key}"


@attrs.frozen
class BapiServiceResult:
    """A version of a document was posted, or was not, or not all of it. ERP to CRM."""

    object: str
    key: str
    version: int
    is_posted: bool
    number: int
    """The how-manieth thing that the ERP says about this document, from 1."""
    reason: str = ""
    is_mendable: bool = False
    """Refused, but somebody can put right what is missing; then it can be sent again."""


@attrs.frozen
class BapiServiceProgress:
    """How far the lines of a document have got. ERP to CRM."""

    object: str
    key: str
    number: int
    """The how-manieth thing that the ERP says about this document, from 1."""
    lines: tuple[tuple[str, int, int], ...]
    """(line, pieces in deliveries, pieces that have left or come)."""


ServiceNews = BapiServiceResult | BapiServiceProgress
"""What the ERP tells CRM about these documents."""
