"""Why does the ERP not take what CRM sends?

Sources: CONTRIBUTING.md, S04, S21; how often it lacks master data is assumed.
"""

import attrs

from crmsim.chance import word_of
from crmsim.kernel.actor import Actor
from crmsim.units import Share

__all__ = ["BAD_MASTER_DATA", "Refusal", "lacks_master_data", "refused"]


@attrs.frozen
class Refusal:
    """Why a document of CRM, or a part of it, is not taken."""

    reason: str
    is_mendable: bool = False
    """Whether somebody can put that right: data of the ERP, or what is in the document."""


BAD_MASTER_DATA = Refusal("the ERP lacks master data for it", is_mendable=True)


def refused(reason: str | None, *, is_mendable: bool) -> Refusal | None:
    """Return the refusal for a reason; None when there is none."""
    return None if reason is None else Refusal(reason, is_mendable)


def lacks_master_data(actor: Actor, share: Share, reference: str, version: int) -> bool:
    """Say whether the ERP lacks data for a version of a document; each has its own luck.

    Args:
        actor: The actor of the ERP.
        share: Of how many versions it does.
        reference: What people call the document.
        version: Which one.
    """
    return actor.luck("refusal").uniform(word_of(reference), version) < share
