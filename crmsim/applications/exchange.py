"""How do CRM and the ERP share sales transactions?

Who may change what both have, whether quotations are passed on, and how the two keep out of each
other's way: before somebody in CRM changes an order that the ERP has, CRM asks the ERP how far it
has got, and locks it there for a while (a lease). The lock has a number (its epoch), so a change
that comes after the lease is over is recognised.
Sources: CONTRIBUTING.md, S04, S06, S07, S08, S09, S10, S11; lease and policies are assumed.
"""

import enum

import attrs

from crmsim.business.document import Owner
from crmsim.errors import BadValue
from crmsim.units import Duration, minutes

__all__ = ["UNASKED", "Numbers", "OnErpDown", "SalesExchange", "SalesScenario", "owner_at_birth"]


class SalesScenario(enum.Enum):
    """Who may change an order that CRM and the ERP both have."""

    DEFAULT = "each its own"
    """The system in which it was born. Somebody at the ERP can change what was born in CRM too, but
    CRM is not told, and its next change writes over it."""
    A = "either"
    """Both, and each tells the other (SAP: scenario A, interdependent changes)."""
    X = "the ERP once it has"
    """CRM what was born there, until somebody at the ERP changes it: from then on it belongs to
    the ERP (SAP: scenario X)."""


class OnErpDown(enum.Enum):
    """What becomes of a laptop's change of an order about which the ERP cannot be asked."""

    PARK = "park"
    """It waits aside and is tried again; nothing else waits for it."""
    REJECT = "reject"
    """It is refused, and the rep has to make it again."""


class Numbers(enum.Enum):
    """How the ERP's numbers of orders go with those of CRM."""

    MATCH = "they match"
    """What comes from CRM keeps its number; the ERP's own orders are numbered out of another
    range."""
    OUTSIDE = "CRM's are outside"
    """The ERP refuses the numbers of CRM: they are in none of its ranges."""
    RENUMBERED = "the ERP gives its own"
    """What comes from CRM gets another number in the ERP."""
    OVERLAP = "they overlap"
    """Both hand out the same numbers."""


_CHOICES: dict[str, type[enum.Enum]] = {
    "scenario": SalesScenario,
    "on_erp_down": OnErpDown,
    "numbers": Numbers,
}


@attrs.frozen
class SalesExchange:
    """How CRM and the ERP share sales transactions."""

    scenario: SalesScenario = SalesScenario.DEFAULT
    quotations: bool = False
    """Whether CRM passes released quotations on to the ERP."""
    locks: bool = True
    """Whether CRM asks the ERP, and locks there, before it changes what the ERP has."""
    lease: Duration = minutes(30)
    """For how long the ERP keeps a lock of CRM that nobody gives back (assumed)."""
    on_erp_down: OnErpDown = OnErpDown.PARK
    numbers: Numbers = Numbers.MATCH

    def __attrs_post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            if not isinstance(getattr(self, name), kind):
                written = ", ".join(f"{kind.__name__}.{one.name}" for one in kind)
                raise BadValue(f"{name} is {getattr(self, name)!r}; write one of {written}")
        if self.lease < minutes(1):
            raise BadValue(
                f"lease is {self.lease} ns; a lock must last for a minute or more, or it is over "
                "before the ERP has answered"
            )

    def returns(self, owner: Owner) -> bool:
        """Say whether CRM is told of what people at the ERP change of an order."""
        return self.scenario is not SalesScenario.DEFAULT or owner is not Owner.CRM

    def owner_after(self, owner: Owner) -> Owner:
        """Return whose an order is after somebody at the ERP has changed it."""
        return Owner.ERP if self.scenario is SalesScenario.X else owner


UNASKED = SalesExchange(locks=False)
"""CRM changes what the ERP has without asking it."""


def owner_at_birth(exchange: SalesExchange, system: Owner) -> Owner:
    """Return whose an order is that is born in a system.

    >>> owner_at_birth(SalesExchange(SalesScenario.A), Owner.ERP)
    <Owner.BOTH: 'CRM and the ERP'>
    """
    return Owner.BOTH if exchange.scenario is SalesScenario.A else system
