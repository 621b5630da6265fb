"""Which checks are there?"""

from crmsim.checks.backend import (
    AGREEMENT,
    EXACTLY_ONCE_IN_ERP,
    FATES_ARE_KNOWN,
    NO_LOCK_IS_LEFT,
    SHIPPED_AS_PLANNED,
    TOTALS_ARE_EQUAL,
)
from crmsim.checks.bdocs import (
    BDOC_RECEIVERS,
    BDOC_STATES,
    BDOCS_END,
    CDB_FOLLOWS,
    NEWEST_STAYS,
    NO_LOOPS,
    NOTHING_REFUSED_GOES_OUT,
    ONE_QUEUE_PER_DOCUMENT,
    ONLINE_FIRST,
    RECOVERED_ONCE,
    SAVED_AND_ENQUEUED,
)
from crmsim.checks.check import Check
from crmsim.checks.distribution import (
    CDB_HOLDS,
    LOCK_IS_KEPT,
    PUBLISHED_TO_ALL,
    STATUS_IS_TRUE,
    TRANSFERABLE_ONLY,
)
from crmsim.checks.queues import (
    BACKLOG_DRAINS,
    BLOCKED_UNTIL_HELPED,
    EFFECT_ONCE,
    HEAD_OF_LINE,
    IN_ORDER,
    ISOLATION,
    ONE_AT_A_TIME,
    QUEUES_CONSERVE,
)
from crmsim.checks.sessions import (
    ANSWERED_ONCE,
    IMPORT_IN_ORDER,
    MESSAGES_ONCE,
    PHASES_IN_ORDER,
    RECEIPTS_FIRST,
    VALIDATED_IN_ORDER,
)
from crmsim.checks.topology import NO_PUSH, ONE_OF_EACH, PERMITTED_WAYS
from crmsim.checks.whole import CAUSALITY, DOCUMENTS_CONSERVE

__all__ = ["ALL_CHECKS"]

ALL_CHECKS: tuple[Check, ...] = (
    PERMITTED_WAYS,
    ONE_OF_EACH,
    NO_PUSH,
    PHASES_IN_ORDER,
    IN_ORDER,
    ONE_AT_A_TIME,
    HEAD_OF_LINE,
    EFFECT_ONCE,
    QUEUES_CONSERVE,
    BLOCKED_UNTIL_HELPED,
    ISOLATION,
    BACKLOG_DRAINS,
    ONE_QUEUE_PER_DOCUMENT,
    SAVED_AND_ENQUEUED,
    BDOC_STATES,
    BDOC_RECEIVERS,
    BDOCS_END,
    NOTHING_REFUSED_GOES_OUT,
    NEWEST_STAYS,
    RECOVERED_ONCE,
    NO_LOOPS,
    ONLINE_FIRST,
    CDB_FOLLOWS,
    VALIDATED_IN_ORDER,
    RECEIPTS_FIRST,
    MESSAGES_ONCE,
    IMPORT_IN_ORDER,
    ANSWERED_ONCE,
    CAUSALITY,
    DOCUMENTS_CONSERVE,
    EXACTLY_ONCE_IN_ERP,
    SHIPPED_AS_PLANNED,
    TRANSFERABLE_ONLY,
    LOCK_IS_KEPT,
    NO_LOCK_IS_LEFT,
    STATUS_IS_TRUE,
    CDB_HOLDS,
    PUBLISHED_TO_ALL,
    FATES_ARE_KNOWN,
    AGREEMENT,
    TOTALS_ARE_EQUAL,
)
"""Every check there is, in the order in which results show them."""
