"""What may be called off a contract, and how much is left of it?

A contract says which products a customer will buy, how many pieces of each, and until when. An
order on it (a release order, or call-off) draws on it. Contracts of CRM are made and changed in
CRM and never go to the ERP; contracts of the ERP are made and changed there, and only shown in CRM
and on laptops. Orders on these are drawn in both systems.

In a record of CRM, numbers of pieces stand as text: ``coffee 50, tea 100``. A product that the
target does not name has no limit. Sources: CONTRIBUTING.md, S19, S20; the rules of quantities are
assumed.
"""

from collections.abc import Iterable, Mapping

import attrs

from crmsim.business.master import Record
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.errors import BadValue

__all__ = [
    "CLOSED",
    "DERIVED",
    "ERP",
    "EXPIRED",
    "OPEN",
    "Pieces",
    "is_of_erp",
    "left_over",
    "most_of",
    "must_be_contract",
    "must_be_target",
    "pieces_in",
    "pieces_of",
    "products_of",
    "progress_fields",
    "still_there",
    "sum_of",
    "target_of",
    "text_of",
    "why_ended",
    "why_not_draw",
    "why_not_lower",
    "why_not_open",
]

Pieces = Mapping[str, int]
"""Product -> pieces."""
ERP = "erp"
"""What field `system` of a contract of the ERP says; those of CRM have no such field."""
OPEN, CLOSED, EXPIRED = "open", "closed", "expired"
DERIVED = ("released", "remaining", "system")
"""Fields of a contract in CRM that nobody writes: they follow from its orders, and from its
origin."""


def pieces_of(text: str) -> dict[str, int]:
    """Return the pieces that a field of a contract tells.

    Raises:
        BadValue: it tells none.

    >>> pieces_of("coffee 50, green tea 100")
    {'coffee': 50, 'green tea': 100}
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        product, _, pieces = part.rpartition(" ")
        if not product or not pieces.removeprefix("-").isdecimal():
            raise BadValue(f"{part!r} is no number of pieces; write such as 'coffee 50, tea 100'")
        found[product.strip()] = int(pieces)
    return found


def text_of(pieces: Pieces) -> str:
    """Return pieces as they stand in a record.

    >>> text_of({"tea": 100, "coffee": 50})
    'coffee 50, tea 100'
    """
    return ", ".join(f"{product} {count}" for product, count in sorted(pieces.items()))


def is_of_erp(contract: Record) -> bool:
    """Say whether a contract is one of the ERP, so that CRM only shows it."""
    return dict(contract.fields).get("system") == ERP


def target_of(contract: Record) -> dict[str, int]:
    """Return how much can be called off a contract; what is not named has no limit."""
    return pieces_of(dict(contract.fields).get("target", ""))


def products_of(contract: Record) -> tuple[str, ...]:
    """Return what can be called off a contract."""
    named = dict(contract.fields).get("products", "").split(",")
    return tuple(dict.fromkeys(filter(None, (*map(str.strip, named), *target_of(contract)))))


def why_not_open(contract: Record, day: int) -> str | None:
    """Return why nothing new can be called off a contract on a day of the run, or None."""
    fields = dict(contract.fields)
    last = fields.get("valid_to", "")
    return why_ended(fields.get("status", OPEN), int(last) if last else None, day)


def why_ended(status: str, valid_to: int | None, day: int) -> str | None:
    """Return why a contract of such a status, and with such a last day, has ended, or None."""
    if status == CLOSED:
        return CLOSED
    return EXPIRED if valid_to is not None and day > valid_to else None


def pieces_in(items: Iterable[OrderItem], products: Iterable[str]) -> dict[str, int]:
    """Return how many pieces some items ask for, of some products."""
    found: dict[str, int] = {}
    wanted = tuple(products)
    for item in items:
        if item.product in wanted:
            found[item.product] = found.get(item.product, 0) + item.quantity
    return found


def left_over(target: Pieces, calls: Iterable[Pieces]) -> dict[str, int]:
    """Return what is left of a target after some calls."""
    left = dict(target)
    for call in calls:
        for product, pieces in call.items():
            if product in left:
                left[product] -= pieces
    return left


def sum_of(calls: Iterable[Pieces]) -> dict[str, int]:
    """Return how much some calls ask for together."""
    found: dict[str, int] = {}
    for call in calls:
        for product, pieces in call.items():
            found[product] = found.get(product, 0) + pieces
    return found


def most_of(one: Pieces, other: Pieces) -> dict[str, int]:
    """Return of every product the larger of two numbers of pieces."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def why_not_draw(
    key: str, wanted: Pieces, before: Pieces | None, left: Pieces, closed: str | None
) -> str | None:
    """Return why an order may not draw so much on a contract, or None.

    What it draws already stays its own, whatever has become of the contract since.

    Args:
        key: The contract.
        wanted: What the order is to draw.
        before: What it draws by now; None when it has never drawn on this contract.
        left: What all other orders leave of it; what is not named has no limit.
        closed: Why nothing new can be called off it; None when it is open.
    """
    held = before or {}
    more = [product for product, pieces in sorted(wanted.items()) if pieces > held.get(product, 0)]
    if closed is not None and (before is None or more):
        return f"contract {key} is {closed}"
    for product in more:
        if product in left and wanted[product] > left[product]:
            some = f"only {left[product]}" if left[product] > 0 else "no"
            return f"contract {key} has {some} {product} left"
    return None


def why_not_lower(key: str, target: Pieces, called: Pieces) -> str | None:
    """Return why a contract may not get a target, or None: what is called off it stays called."""
    for product, pieces in sorted(called.items()):
        if product in target and pieces > target[product]:
            return f"{pieces} {product} are called off contract {key} already"
    return None


def progress_fields(target: Pieces, calls: Iterable[Pieces]) -> dict[str, str]:
    """Return what a record of a contract says of its calls."""
    left = left_over(target, calls)
    released = {product: pieces - left[product] for product, pieces in target.items()}
    return {"released": text_of(released), "remaining": text_of(left)}


def still_there(
    contract: Record, items: Iterable[OrderItem], mine: Iterable[SalesOrder]
) -> tuple[OrderItem, ...]:
    """Return so much of some items as a record of a contract shows as left.

    Args:
        contract: As somebody sees it, who may not see the newest.
        items: What he wants.
        mine: His own orders that the record cannot know of yet.
    """
    products = products_of(contract)
    shown = pieces_of(dict(contract.fields).get("remaining", ""))
    theirs = (one for one in mine if one.contract == contract.key)
    left = left_over(shown, (pieces_in(one.items, products) for one in theirs))
    found = []
    for item in items:
        has_limit = item.product in left or item.product not in products
        pieces = min(item.quantity, left.get(item.product, 0)) if has_limit else item.quantity
        if pieces > 0:
            found.append(attrs.evolve(item, quantity=pieces))
            left = left_over(left, ({item.product: pieces},))
    return tuple(found)


def must_be_contract(key: str, fields: Mapping[str, str]) -> None:
    """Refuse what no contract of CRM can have.

    Raises:
        BadValue: a field is derived, or is not what it has to be.
    """
    for name in DERIVED:
        if name in fields:
            raise BadValue(
                f"{name!r} of contract {key!r} cannot be written: it follows from the orders; one "
                "of the ERP comes from add_contract_in_erp"
            )
    for product, pieces in pieces_of(fields.get("target", "")).items():
        must_be_target(key, {product: pieces})
    if fields.get("status", OPEN) not in (OPEN, CLOSED):
        raise BadValue(f"status of contract {key!r} is {OPEN!r} or {CLOSED!r}")
    last = fields.get("valid_to", "")
    if last and not last.isdecimal():
        raise BadValue(f"valid_to of contract {key!r} is a day of the run, such as '12': {last!r}")


def must_be_target(key: str, target: Pieces) -> None:
    """Refuse what cannot be called off.

    Raises:
        BadValue: there is nothing, fewer than one piece, or a name that no record can hold.
    """
    if not isinstance(target, Mapping) or not target:
        raise BadValue(f"the target of contract {key!r} is a table, such as {{'tea': 100}}")
    for product, pieces in target.items():
        if not isinstance(product, str) or not product.strip() or "," in product:
            raise BadValue(f"contract {key!r}: {product!r} is no name of a product")
        if not isinstance(pieces, int) or pieces < 1:
            raise BadValue(f"contract {key!r} is about one piece of {product!r} or more: {pieces}")
