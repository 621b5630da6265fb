"""How much can be promised, and for when (SAP: ATP, available to promise)?

Of a product there is so much now that is promised to nobody, and perhaps a refill on its way. What
is there is promised for today, the rest out of the next refill; what that does not cover either is
not promised at all. An order keeps what it was promised as long as it wants it.
Sources: CONTRIBUTING.md, S21 (who checks what); the rule is assumed.
"""

from collections.abc import Iterable, Mapping

import attrs

from crmsim.applications.logistics import Stock
from crmsim.business.schedule import Confirmed, Wanted
from crmsim.units import days

__all__ = ["Promise", "Supply", "schedule_of", "supply_at", "under_promise", "wanted_of"]


@attrs.frozen
class Promise:
    """So many pieces of a product are kept for an order."""

    pieces: int
    from_ns: int
    """From when on they are there."""


@attrs.frozen
class Supply:
    """What there is of a product to promise."""

    there: int
    """Pieces that are there, and promised to nobody."""
    ever: int
    """Pieces that ever were there or are on their way."""
    coming: int = 0
    """Pieces of the refill on its way that are promised to nobody."""
    comes_ns: int | None = None
    """When that refill comes; None when none is on its way."""


def supply_at(supply: Supply, now_ns: int) -> Supply:
    """Return what there is after what has come by now."""
    if supply.comes_ns is None or supply.comes_ns > now_ns:
        return supply
    return Supply(supply.there + supply.coming, supply.ever)


def wanted_of(items: Iterable[Wanted]) -> dict[str, int]:
    """Return product -> pieces that all items together want."""
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.product] = wanted.get(item.product, 0) + item.pieces
    return wanted


def under_promise(
    supply: Supply, held: tuple[Promise, ...], wanted: int, stock: Stock, now_ns: int
) -> tuple[Supply, tuple[Promise, ...]]:
    """Return what is left to promise, and what an order is promised from now on.

    Args:
        supply: What there is of the product.
        held: What the order was promised before.
        wanted: Pieces that it wants by now.
        stock: How the product is filled up again.
        now_ns: The moment of the check.
    """
    supply = supply_at(supply, now_ns)
    missing = wanted - sum(one.pieces for one in held)
    if missing < 0:
        return _freed(supply, held, -missing)
    now = min(missing, supply.there)
    supply = attrs.evolve(supply, there=supply.there - now)
    if missing > now and supply.comes_ns is None:
        comes_ns = now_ns + stock.refill_after
        ever = supply.ever + stock.refill
        supply = attrs.evolve(supply, coming=stock.refill, comes_ns=comes_ns, ever=ever)
    later = min(missing - now, supply.coming)
    supply = attrs.evolve(supply, coming=supply.coming - later)
    more = ((now, now_ns), (later, supply.comes_ns or now_ns))
    return supply, (*held, *(Promise(pieces, from_ns) for pieces, from_ns in more if pieces))


def _freed(
    supply: Supply, held: tuple[Promise, ...], surplus: int
) -> tuple[Supply, tuple[Promise, ...]]:
    """Give back what an order does not want any more: what would come last goes first."""
    kept: list[Promise] = []
    for one in sorted(held, key=lambda promise: promise.from_ns, reverse=True):
        back = min(one.pieces, surplus)
        surplus -= back
        if one.from_ns == supply.comes_ns:
            supply = attrs.evolve(supply, coming=supply.coming + back)
        else:
            supply = attrs.evolve(supply, there=supply.there + back)
        if one.pieces > back:
            kept.append(attrs.evolve(one, pieces=one.pieces - back))
    return supply, tuple(reversed(kept))


def schedule_of(
    items: Iterable[Wanted], promises: Mapping[str, tuple[Promise, ...]]
) -> tuple[Confirmed, ...]:
    """Return which pieces of which line are confirmed for which day.

    Args:
        items: What is wanted; who stands first gets what is there first.
        promises: Product -> what the order was promised of it.
    """
    left: dict[str, dict[int, int]] = {}
    for product, held in promises.items():
        days_of = left.setdefault(product, {})
        for one in held:
            day = one.from_ns // days(1)
            days_of[day] = days_of.get(day, 0) + one.pieces
    found: list[Confirmed] = []
    for item in items:
        open_ = item.pieces
        days_of = left.get(item.product, {})
        for day in sorted(days_of):
            pieces = min(open_, days_of[day])
            if pieces:
                found.append(Confirmed(item.line, pieces, day))
                days_of[day] -= pieces
                open_ -= pieces
    return tuple(found)
