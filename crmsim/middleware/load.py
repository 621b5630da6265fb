"""How does a load go: which are there, what waits for what, and what does it take along?

A load takes what one system has already to another one, in blocks. The initial load takes all that
passes a filter, the request load what was asked for by its keys, the synchronisation load only what
differs. While an initial load runs, the queues with single changes of the same object stand still.
Sources: CONTRIBUTING.md, S37, S63, S69; states and transitions are those of the monitor of loads as
far as they are public, else assumed.
"""

import enum
from collections.abc import Iterable, Mapping

import attrs

from crmsim.errors import BadValue
from crmsim.middleware.replication import Model

__all__ = [
    "CRM_TO_CDB",
    "ERP_TO_CDB",
    "ERP_TO_CRM",
    "NO_FILTER",
    "TRANSITIONS",
    "Filter",
    "Load",
    "LoadEvent",
    "LoadKind",
    "LoadStatus",
    "WrongLoadEvent",
    "after_event",
    "asking_queue",
    "block_of",
    "filter_of",
    "is_work_about",
    "load_queue",
    "superior_of",
]

ERP_TO_CRM, ERP_TO_CDB, CRM_TO_CDB = "erp to crm", "erp to cdb", "crm to cdb"
"""From where to where a load goes."""


class LoadKind(enum.Enum):
    """What a load takes along."""

    INITIAL = "initial load"
    """All that passes the filter."""
    REQUEST = "request load"
    """What is asked for by its keys."""
    SYNCHRONISATION = "synchronisation load"
    """Only what differs."""


class LoadStatus(enum.Enum):
    """How far a load is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self in (LoadStatus.DONE, LoadStatus.ABORTED)


class LoadEvent(enum.Enum):
    """What happens to a load."""

    STARTED = "started"
    BLOCK_TAKEN = "a block taken over"
    LAST_TAKEN = "the last block taken over"
    ABORTED = "aborted by somebody"


TRANSITIONS: dict[tuple[LoadStatus, LoadEvent], LoadStatus] = {
    (LoadStatus.WAITING, LoadEvent.STARTED): LoadStatus.RUNNING,
    (LoadStatus.WAITING, LoadEvent.ABORTED): LoadStatus.ABORTED,
    (LoadStatus.RUNNING, LoadEvent.BLOCK_TAKEN): LoadStatus.RUNNING,
    (LoadStatus.RUNNING, LoadEvent.LAST_TAKEN): LoadStatus.DONE,
    (LoadStatus.RUNNING, LoadEvent.ABORTED): LoadStatus.ABORTED,
}
"""Every transition there is; any other pair is a `WrongLoadEvent`."""


class WrongLoadEvent(BadValue):
    """Something happened to a load that cannot happen in its status."""


def after_event(status: LoadStatus, event: LoadEvent) -> LoadStatus:
    """Return the status of a load after an event.

    Raises:
        WrongLoadEvent: the event cannot happen in this status.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise WrongLoadEvent(f"a load that is {status.value} cannot be {event.value}") from None


@attrs.frozen
class Load:
    """One load, as CRM keeps it until it is over."""

    name: str
    about: str
    """The name of what is loaded."""
    kind: LoadKind
    way: str
    """From where to where: ``erp to crm``, ``erp to cdb`` or ``crm to cdb``."""
    block: int
    """How many records a block holds at most."""
    status: LoadStatus = LoadStatus.WAITING
    keys: tuple[str, ...] = ()
    """Of a request: what is asked for."""
    versions: tuple[tuple[str, int], ...] = ()
    """Of a repair: key -> version in CRM that the leading system may overwrite."""
    taken: tuple[int, ...] = ()
    """The numbers of the blocks that were taken over."""

    def after(self, event: LoadEvent) -> "Load":
        """Return the load after an event.

        Raises:
            WrongLoadEvent: the event cannot happen in its status.
        """
        return attrs.evolve(self, status=after_event(self.status, event))

    def brings(self, key: str) -> bool:
        """Say whether something with this key may be in it."""
        return self.kind is not LoadKind.REQUEST or key in self.keys

    @property
    def suspends(self) -> str:
        """The family of queues that stand still while it runs; empty for none."""
        if self.kind is not LoadKind.INITIAL:
            return ""
        return "CSA" if self.way == CRM_TO_CDB else "R3AD"


@attrs.frozen
class Filter:
    """What of an object is exchanged: all whose fields have these values."""

    values: tuple[tuple[str, str], ...] = ()
    """(field, value); none lets everything pass. The key of a record counts as its field `key`."""

    def passes(self, facts: Mapping[str, str]) -> bool:
        """Say whether something passes.

        >>> north = Filter((("region", "north"),))
        >>> north.passes({"region": "north"}), north.passes({"region": "south"}), north.passes({})
        (True, False, False)
        """
        return all(facts.get(name, "") == value for name, value in self.values)


NO_FILTER = Filter()
"""Lets everything pass."""


def filter_of(values: Mapping[str, str]) -> Filter:
    """Return a filter by values of fields.

    Raises:
        BadValue: a value is no text.
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise BadValue(f"the filter wants {name}={value!r}; values are texts")
    return Filter(tuple(sorted(values.items())))


def block_of(keys: Iterable[str], after: str, size: int) -> tuple[tuple[str, ...], bool]:
    """Return the next block of keys, and whether it is the last one.

    Args:
        keys: All there are, in any order.
        after: The last key of the block before; empty for the first block.
        size: How many keys a block holds at most.

    >>> block_of(["c", "a", "b"], "", 2), block_of(["c", "a", "b"], "b", 2)
    ((('a', 'b'), False), (('c',), True))
    """
    left = sorted(key for key in keys if key > after)
    return tuple(left[:size]), len(left) <= size


def superior_of(model: Model, about: str) -> str:
    """Return what has to be loaded from the ERP before an object; empty for nothing."""
    parent = model.of(about).parent
    while parent and not model.of(parent).in_erp:
        parent = model.of(parent).parent
    return parent


def asking_queue(about: str) -> str:
    """Return the queue in which CRM asks the ERP for loads of an object (S37).

    >>> asking_queue("customer")
    'CR_CUSTOMER'
    """
    return f"CR_{about.upper()}"


def load_queue(kind: LoadKind, about: str, name: str) -> str:
    """Return the queue in which the blocks of a load come from the ERP; requests have one each.

    >>> load_queue(LoadKind.INITIAL, "customer", "initial load 1 of customer")
    'R3AI_CUSTOMER'
    >>> load_queue(LoadKind.REQUEST, "customer", "request load 7 of customer")
    'R3AR_CUSTOMER_7'
    """
    if kind is LoadKind.REQUEST:
        number = name.split()[2]
        return f"R3AR_{about.upper()}_{number}"
    return f"R3AI_{about.upper()}"


def is_work_about(about: str, queue: str, guid: str) -> bool:
    """Say whether a unit of work with a single change is about an object.

    Args:
        about: The name of the object.
        queue: The queue in which the work stands.
        guid: The document that it is about.

    >>> is_work_about("customer", "R3AD_customer C1", "customer C1")
    True
    >>> is_work_about("prices", "R3AD_prices", "change 1 of prices in erp")
    True
    """
    return guid.partition(" ")[0] == about or queue.partition("_")[2] == about
