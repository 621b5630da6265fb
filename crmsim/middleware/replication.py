"""Who gets what?

The CRM server knows *sites* (laptops), kinds of *replication objects*, and *subscriptions*: a
subscription says for which values of certain fields, the criteria, which sites want an object. From
these follow the sites that an object belongs to. Four kinds of objects differ in how:

- bulk: every site that subscribes gets everything; such things are published
  (`crmsim.middleware.publication`), and a publication that the model does not name is for all;
- intelligent: the sites whose criteria match; kept in a *lookup table*, and computed anew
  (*realigned*) when a criterion or a subscription changes;
- simple intelligent: the same, but computed for each message and kept nowhere, so what is sent once
  is never taken back;
- dependent: the sites that have the parent, kept and realigned with it.

Nothing here waits or sends; `crmsim.systems.replication` does.
Sources: CONTRIBUTING.md, S44 to S48.
"""

import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping

import attrs

from crmsim.errors import BadValue

__all__ = [
    "BY_CUSTOMER",
    "FIELD_SALES",
    "FIELD_SERVICE",
    "ORDERS_BY_REP",
    "Framework",
    "Job",
    "Key",
    "Kind",
    "Model",
    "Pattern",
    "Replication",
    "ReplicationObject",
    "RrQueue",
    "Subscription",
    "TakenAway",
    "matches",
    "pattern_of",
    "patterns",
    "united",
]

Key = tuple[str, str]
"""(name of the replication object, key of the instance)."""
Pattern = tuple[tuple[str, str], ...]
"""(criterion, value) in the order of the criteria; a criterion left out takes any value."""


class Kind(enum.Enum):
    """How the sites of an object are found."""

    BULK = "bulk"
    INTELLIGENT = "intelligent"
    SIMPLE = "simple intelligent"
    DEPENDENT = "dependent"


@attrs.frozen
class ReplicationObject:
    """A kind of thing that is replicated."""

    name: str
    kind: Kind
    criteria: tuple[str, ...] = ()
    """Fields that subscriptions may name; for intelligent objects."""
    parent: str = ""
    """What it depends on; for dependent objects."""
    in_erp: bool = False
    """Whether the ERP has it too. Bulk objects then come from there; records may be changed in
    both systems, and the change in CRM counts where the two cross."""

    def __attrs_post_init__(self) -> None:
        if self.name == "order" and self.kind in (Kind.SIMPLE, Kind.BULK):
            raise BadValue(f"orders change for long; they cannot be {self.kind.value}")
        if self.name == "order" and self.in_erp:
            raise BadValue("orders go to the ERP anyway; in_erp is for master data")
        by_criteria = self.kind in (Kind.INTELLIGENT, Kind.SIMPLE)
        if by_criteria is not bool(self.criteria):
            raise BadValue(f"{self.name!r} is {self.kind.value}: criteria are for intelligent ones")
        if (self.kind is Kind.DEPENDENT) is not bool(self.parent):
            raise BadValue(f"{self.name!r} is {self.kind.value}: a parent is for dependent ones")


@attrs.frozen
class Model:
    """All kinds of things that a landscape replicates, parents before what depends on them."""

    objects: tuple[ReplicationObject, ...]

    def __attrs_post_init__(self) -> None:
        seen: dict[str, Kind] = {}
        for one in self.objects:
            if one.name in seen:
                raise BadValue(f"{one.name!r} is there twice")
            if one.parent and one.parent not in seen:
                raise BadValue(
                    f"{one.name!r} depends on {one.parent!r}, which must stand before it"
                )
            if one.parent and seen[one.parent] in (Kind.SIMPLE, Kind.BULK):
                raise BadValue(f"nothing can depend on {one.parent!r}: nobody knows who has it")
            seen[one.name] = one.kind

    @property
    def parents(self) -> dict[str, str]:
        """Kind of thing -> what it depends on; empty when on nothing."""
        return {one.name: one.parent for one in self.objects}

    def of(self, name: str) -> ReplicationObject:
        """Return a kind of thing.

        Raises:
            BadValue: the landscape replicates no such thing.
        """
        for one in self.objects:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.objects)
        raise BadValue(f"{name!r} is not replicated; these are: {names}")


ORDERS_BY_REP = Model((ReplicationObject("order", Kind.INTELLIGENT, ("rep",)),))
"""Each laptop gets the orders of its rep."""
BY_CUSTOMER = Model(
    (
        ReplicationObject("customer", Kind.INTELLIGENT, ("rep", "region")),
        ReplicationObject("contact", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("activity", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("order", Kind.DEPENDENT, parent="customer"),
    )
)
"""Each laptop gets the customers that its subscriptions name, and all that depends on them."""


def _in_order(sites: Iterable[str]) -> tuple[str, ...]:
    """Return sites in order of their names, each once."""
    return tuple(sorted(set(sites)))


FIELD_SALES = Model(
    (
        ReplicationObject("customizing", Kind.BULK),
        ReplicationObject("organisation", Kind.BULK),
        ReplicationObject("products", Kind.BULK, in_erp=True),
        ReplicationObject("prices", Kind.BULK, in_erp=True),
        ReplicationObject("territory", Kind.INTELLIGENT, ("rep",)),
        ReplicationObject("customer", Kind.DEPENDENT, parent="territory", in_erp=True),
        ReplicationObject("contact", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("activity", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("note", Kind.DEPENDENT, parent="activity"),
        ReplicationObject("attachment", Kind.DEPENDENT, parent="activity"),
        ReplicationObject("opportunity", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("contract", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("order", Kind.DEPENDENT, parent="customer"),
    )
)
"""What a field force in sales works with: master data for all, and what belongs to territories."""
FIELD_SERVICE = Model(
    (
        ReplicationObject("customizing", Kind.BULK),
        ReplicationObject("products", Kind.BULK, in_erp=True),
        ReplicationObject("customer", Kind.INTELLIGENT, ("region",), in_erp=True),
        ReplicationObject("order", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("complaint", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("service_order", Kind.INTELLIGENT, ("technician",)),
        ReplicationObject("confirmation", Kind.DEPENDENT, parent="service_order"),
        ReplicationObject("stock", Kind.INTELLIGENT, ("technician",), in_erp=True),
        ReplicationObject("bill", Kind.INTELLIGENT, ("office",)),
    )
)
"""What technicians work with: the customers of a region, the service orders that somebody has given
them, what they confirm, and the parts in their vans. Bills are for the office."""


@attrs.frozen
class Subscription:
    """Which sites want the instances of an object whose criteria have these values."""

    name: str
    about: str
    """The name of the replication object."""
    pattern: Pattern
    sites: tuple[str, ...] = attrs.field(converter=_in_order)


def pattern_of(about: ReplicationObject, values: Mapping[str, str]) -> Pattern:
    """Return values of criteria in the order of the criteria.

    Raises:
        BadValue: nobody can subscribe to the object, or it has no such criterion.
    """
    if about.parent:
        raise BadValue(f"{about.name!r} goes where {about.parent!r} goes; subscribe to that")
    if not all(isinstance(value, str) for value in values.values()):
        raise BadValue(f"values of criteria are texts: {dict(values)}")
    for name in values:
        if name not in about.criteria:
            known = ", ".join(about.criteria) or "none"
            raise BadValue(f"{about.name!r} has no criterion {name!r}; it has: {known}")
    return tuple((name, values[name]) for name in about.criteria if name in values)


def patterns(about: ReplicationObject, fields: Mapping[str, str]) -> Iterator[Pattern]:
    """Yield every pattern that an instance matches: so many whatever the number of sites.

    >>> customer = ReplicationObject("customer", Kind.INTELLIGENT, ("rep", "region"))
    >>> len(list(patterns(customer, {"rep": "1", "region": "N"})))
    4
    """
    pairs = [(name, fields.get(name, "")) for name in about.criteria]
    for count in range(len(pairs) + 1):
        yield from itertools.combinations(pairs, count)


def matches(pattern: Pattern, fields: Mapping[str, str]) -> bool:
    """Say whether an instance has the values that a pattern names."""
    return all(fields.get(name, "") == value for name, value in pattern)


def united(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the sites of several groups, each once, in order of their names."""
    filled = [group for group in groups if group]
    if len(filled) == 1:
        return filled[0]
    return tuple(sorted({site for group in filled for site in group}))


class RrQueue(enum.Enum):
    """A queue of replication and realignment, in the order in which the demon looks at them."""

    SUBCHECK = "SUBCHECK"
    """A subscription was changed: find what it is about."""
    REALIGN = "REALIGN"
    """A criterion of an instance was changed: compute its sites anew."""
    DEPENDENCY = "DEPENDENCY"
    """The sites of a parent have changed: take what depends on it along."""
    AC_EXTRACT = "AC_EXTRACT"
    """A site needs everything again: find what that is. Before EXTRACT, where things may wait for
    what is found here."""
    EXTRACT = "EXTRACT"
    """A site has become one of the sites of an instance: send it all of it."""
    EXTRACTBLK = "EXTRACTBLK"
    """A site has become one of the sites of a publication: let it fetch it from the beginning."""


class Framework(enum.Enum):
    """How the demon works."""

    OLD = "one by one"
    """One message after the other; what depends on a parent is done together with it."""
    NEW = "blocks"
    """Many at once; what depends on a parent is done later, as one block."""


class TakenAway(enum.Enum):
    """What becomes of a change of something that was taken away from its laptop meanwhile."""

    ACCEPT = "accept"
    """It counts like any other: the server does not ask whose it is."""
    REJECT = "reject"
    """It is refused, and its author is told so."""


@attrs.frozen
class Replication:
    """How a landscape replicates."""

    model: Model
    framework: Framework = Framework.NEW
    taken_away: TakenAway = TakenAway.ACCEPT


@attrs.frozen
class Job:
    """Work for the demon."""

    number: int
    keys: tuple[Key, ...] = ()
    sites: tuple[str, ...] = ()
    """DEPENDENCY: which sites leave the parent. EXTRACT, EXTRACTBLK: which sites get it."""
    again: bool = False
    """EXTRACT, AC_EXTRACT: the sites have it already, and get it once more."""
    patterns: tuple[tuple[str, Pattern], ...] = ()
    """SUBCHECK: (replication object, pattern) of what may have come or gone."""
    since_ns: int = 0
    """When what it follows from came to the server."""
