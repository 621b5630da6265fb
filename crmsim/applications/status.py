"""Which states does a document of a system go through?

The distribution status says how far a CRM document got on its way to the ERP. While it is TO_BE
(SAP: system status I1054, "document is being distributed, changes not possible") nobody may change
the document. Sources: CONTRIBUTING.md, S04, S13, S14.
"""

import enum

import attrs

from crmsim.business.document import OrderDocument
from crmsim.errors import BadValue

__all__ = ["DISTRIBUTION", "Distribution", "DistributionEvent", "OrderRecord", "next_status"]


class Distribution(enum.Enum):
    """How far a CRM document got on its way to the ERP."""

    NOT_RELEVANT = "not relevant"
    TO_BE = "to be distributed (I1054)"
    DONE = "distributed"
    ERROR = "distribution error"


class DistributionEvent(enum.Enum):
    """What moves the distribution status."""

    SAVED = "saved and transferable"
    ACCEPTED = "the ERP accepted it"
    REFUSED = "the ERP refused it"
    MERGED = "merged with a change of the ERP"
    """Both have changed it; what became of that goes to the ERP."""
    TAKEN_OVER = "as the ERP has it"
    """CRM has taken over what the ERP has; what was on its way is void."""
    GIVEN_UP = "its transfer was given up"
    """Nothing is on its way any more, and the ERP has not got it."""


DISTRIBUTION: dict[tuple[Distribution, DistributionEvent], Distribution] = {
    (Distribution.NOT_RELEVANT, DistributionEvent.SAVED): Distribution.TO_BE,
    (Distribution.DONE, DistributionEvent.SAVED): Distribution.TO_BE,
    (Distribution.ERROR, DistributionEvent.SAVED): Distribution.TO_BE,
    (Distribution.TO_BE, DistributionEvent.ACCEPTED): Distribution.DONE,
    (Distribution.TO_BE, DistributionEvent.REFUSED): Distribution.ERROR,
    (Distribution.TO_BE, DistributionEvent.MERGED): Distribution.TO_BE,
    (Distribution.DONE, DistributionEvent.MERGED): Distribution.TO_BE,
    (Distribution.ERROR, DistributionEvent.MERGED): Distribution.TO_BE,
    (Distribution.NOT_RELEVANT, DistributionEvent.MERGED): Distribution.TO_BE,
    (Distribution.NOT_RELEVANT, DistributionEvent.TAKEN_OVER): Distribution.NOT_RELEVANT,
    (Distribution.TO_BE, DistributionEvent.TAKEN_OVER): Distribution.DONE,
    (Distribution.DONE, DistributionEvent.TAKEN_OVER): Distribution.DONE,
    (Distribution.ERROR, DistributionEvent.TAKEN_OVER): Distribution.DONE,
    (Distribution.TO_BE, DistributionEvent.GIVEN_UP): Distribution.ERROR,
}
"""Every transition there is; any other pair is an error."""


def next_status(status: Distribution, event: DistributionEvent) -> Distribution:
    """Return the status after an event.

    Raises:
        BadValue: the event cannot happen in this status.
    """
    try:
        return DISTRIBUTION[status, event]
    except KeyError:
        raise BadValue(f"a document that is {status.value!r} cannot be {event.value!r}") from None


@attrs.frozen
class OrderRecord:
    """An order as CRM Online holds it."""

    document: OrderDocument
    distribution: Distribution = Distribution.NOT_RELEVANT
    is_in_erp: bool = False
    """Whether the ERP has some version of it."""
    erp_changes: int = 0
    """How many changes that people at the ERP made are in it."""
    epoch: int = 0
    """The lock in the ERP under which it was changed last; 0 for none."""
    refusal: str = ""
    """Why the ERP refused it last (SAP: the application log); empty when it did not."""
    is_mendable: bool = False
    """Whether somebody can do something about that."""
    refused_count: int = 0
    """How often the ERP has refused it since it took it last."""

    @property
    def is_under_way(self) -> bool:
        """Whether it is being distributed to the ERP, so that nobody may change it."""
        return self.distribution is Distribution.TO_BE
