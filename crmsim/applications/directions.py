"""Which system may do what with which kind of document?

One table says it for all that laptops work with: what they may create, change and delete, what is
only shown to them, whether CRM takes over what is incomplete and sends it down, and what of it no
other system knows. Both ends read it: the laptop does not let its rep save what the table forbids,
and CRM refuses it, should it come all the same. Sources: CONTRIBUTING.md, S02 (activities), S03
(opportunities), S16 (sales transactions), S19 and S20 (contracts), S23 and S75 (mobile
service), S57 (notes and attachments).
"""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from crmsim.business.master import Record

__all__ = [
    "DIRECTIONS",
    "DISPLAY",
    "Direction",
    "direction_of",
    "lacks_of",
    "named",
    "why_blocked",
    "why_frozen",
    "why_not_from_laptop",
    "why_not_so",
]


@attrs.frozen
class Direction:
    """What may be done with a kind of document, and where it goes."""

    from_laptops: tuple[str, ...] = ()
    """What a laptop may do: ``insert``, ``update``, ``delete``."""
    may_be_private: bool = False
    """Whether one can be marked as private; then it stays on its laptop."""
    is_kept_incomplete: bool = False
    """Whether CRM stores one that lacks something, and sends it to laptops; else it refuses it."""
    needs: tuple[str, ...] = ()
    """Fields without which one is incomplete."""
    frozen_fields: tuple[str, ...] = ()
    """Fields that nobody changes once one has been transferred."""
    own_fields: tuple[str, ...] = ()
    """Fields that exist only on laptops; CRM neither gets nor touches them."""


ALL_WAYS = ("insert", "update", "delete")
DISPLAY = Direction()
"""Shown on laptops, and nothing else."""
DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {
        "activity": Direction(
            ALL_WAYS, may_be_private=True, needs=("type", "subject"), frozen_fields=("type",)
        ),
        "note": Direction(ALL_WAYS, needs=("text",)),
        "attachment": Direction(ALL_WAYS, needs=("name",)),
        "opportunity": Direction(
            ("insert", "update"),
            is_kept_incomplete=True,
            needs=("phase", "closes"),
            own_fields=("authority", "result"),
        ),
        "customer": Direction(("insert", "update")),
        "contact": Direction(("insert", "update")),
        "order": Direction(("insert", "update"), is_kept_incomplete=True),
        "contract": DISPLAY,
        "service_order": Direction(("insert", "update"), needs=("customer",)),
        "confirmation": Direction(("insert",), needs=("technician",)),
    }
)
"""Kind of document -> what may be done with it. Anything else is only shown."""


def direction_of(object_: str) -> Direction:
    """Return what may be done with a kind of document."""
    return DIRECTIONS.get(object_, DISPLAY)


def named(object_: str) -> str:
    """Return what people call one of a kind.

    >>> named("opportunity")
    'an opportunity'
    """
    return f"an {object_}" if object_[:1] in "aeiou" else f"a {object_}"


def why_not_from_laptop(object_: str, task: str) -> str | None:
    """Return why a laptop may not do something to a kind of document, or None.

    >>> why_not_from_laptop("contract", "update")
    'a contract is only shown on laptops'
    """
    allowed = direction_of(object_).from_laptops
    if task in allowed:
        return None
    if not allowed:
        return f"{named(object_)} is only shown on laptops"
    return f"no laptop can {task} {named(object_)}"


def lacks_of(record: Record) -> tuple[str, ...]:
    """Return what is missing in a record."""
    has = dict(record.fields)
    return tuple(name for name in direction_of(record.object).needs if not has.get(name))


def why_not_so(before: Record | None, after: Record, customer: Record | None) -> str | None:
    """Return why a record that a laptop sends may not be as it is, or None.

    Args:
        before: As CRM Online has it; None when it is new.
        after: As it is to be.
        customer: The customer that it belongs to; None when there is none.
    """
    direction = direction_of(after.object)
    lacks = lacks_of(after)
    if lacks and not direction.is_kept_incomplete:
        return f"{named(after.object)} needs a {lacks[0]}"
    return why_blocked(customer) if before is None else why_frozen(before, after)


def why_blocked(customer: Record | None) -> str | None:
    """Return why nothing new can be taken for a customer, or None."""
    is_blocked = customer is not None and dict(customer.fields).get("blocked") == "yes"
    return "its customer is blocked" if is_blocked else None


def why_frozen(before: Record, after: Record) -> str | None:
    """Return why a record cannot change as it is to, whoever changes it, or None."""
    old, new = dict(before.fields), dict(after.fields)
    for name in direction_of(after.object).frozen_fields:
        if old.get(name) != new.get(name):
            of = named(after.object)
            return f"the {name} of {of} cannot change once it has been transferred"
    return None
