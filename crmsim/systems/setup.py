"""How is one CRM set up: with whom, how fast, and how does it decide where there is a choice?

Sources: CONTRIBUTING.md; what is assumed says so.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import attrs

from crmsim.applications.exchange import UNASKED, SalesExchange
from crmsim.applications.numbering import Numbering
from crmsim.chance import Distribution
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.middleware.queue import QueueKey, RetryPolicy
from crmsim.middleware.replication import Replication
from crmsim.online.atp import OnApoDown
from crmsim.online.clerk import ClerkHabits
from crmsim.online.orders import ConfirmAfter
from crmsim.online.recovery import OwnService, OwnServices
from crmsim.qrfc.partner import Poison, Staff
from crmsim.qrfc.wire import Guarantees
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.outflow import CdbOnError
from crmsim.units import Duration, hours, milliseconds

__all__ = ["Policies", "Setup"]


@attrs.frozen
class Policies:
    """How CRM decides where there is a choice."""

    on_lock: OnLock = OnLock.PARK
    """What becomes of a change of a document that is being distributed to the ERP."""
    park_limit: Duration = hours(2.5)
    """How long such a change waits aside at most; then it is refused (assumed: 30 times 5 min)."""
    conflict: ConflictPolicy = ConflictPolicy.FIELD_MERGE
    """What becomes of a change of what somebody else has changed meanwhile."""
    confirm_after: ConfirmAfter = ConfirmAfter.ONLINE
    """When a laptop is told that CRM has taken over its change of an order."""
    cdb_on_error: CdbOnError = CdbOnError.STORE
    """What becomes of orders with errors on their way to the laptops."""
    numbering: Numbering = Numbering.AT_TRANSFER
    """When an order of a laptop gets its number."""
    range_size: int = 100
    """How many numbers a laptop gets at a time; it gets more when it has fewer left (assumed)."""
    on_apo_down: OnApoDown = OnApoDown.WAIT
    """What becomes of an order when the planning system cannot say whether there is enough."""
    parallel_requests: int = 2
    """How many request loads run at once (assumed)."""
    per_record: Duration = milliseconds(50)
    """How long the work on a record of a block takes, of a load or of a comparison (assumed)."""


@attrs.frozen(kw_only=True)
class Setup:
    """All that one CRM is made of."""

    erp: str
    """The name of the ERP's actor."""
    laptops: Mapping[str, str]
    """Rep -> laptop."""
    replication: Replication
    """What is replicated, and how."""
    service_s: Distribution
    """How long the validation of a change takes, in seconds."""
    distribution_s: Distribution
    """How long it takes to pass a saved document on, in seconds."""
    staff: Staff
    """Work processes and operator of its site."""
    policy: RetryPolicy
    """When a LUW for the ERP is tried again."""
    guarantees: Guarantees
    """Which parts of "exactly once, in order" are on."""
    queue_key: QueueKey
    """What shares a queue to the ERP."""
    poisons: tuple[Poison, ...] = ()
    """LUWs that it cannot digest."""
    breakages: tuple[Breakage, ...] = ()
    """Which programs of the flow do not work, and when."""
    own_services: Mapping[Context, OwnService] = MappingProxyType({})
    """What a customer has added to the flow."""
    csa_key: QueueKey = QueueKey.PER_PARENT
    """What shares a queue inside CRM, on the way from a save to its receivers."""
    connections: int | None = None
    """How many LUWs are on their way to the ERP at once; None for any number."""
    policies: Policies = Policies()
    """How it decides where there is a choice."""
    clerk: ClerkHabits | None = None
    """When somebody completes and releases orders; None when nobody does."""
    service_clerk: ClerkHabits | None = None
    """When somebody in the service office completes confirmations; None when nobody does."""
    exchange: SalesExchange = UNASKED
    """How CRM and the ERP share sales transactions."""
    apo: Sequence[str] = ()
    """The name of the planning system, once it has been added; empty while there is none."""

    def __attrs_post_init__(self) -> None:
        OwnServices(self.own_services)  # refused here, with the line of the scenario

    @property
    def told(self) -> dict[str, object]:
        """What those who judge a run may know of it."""
        return {"conflict": self.policies.conflict, "exchange": self.exchange}
