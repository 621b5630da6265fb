"""What do service orders, confirmations, complaints and bills lead to, and who may change them?

One table says for each kind of document and each category of item which documents it leads to, and
where. All the rest follows from it: what is transferred at all, what the planning system is asked
about, what is delivered or fetched, and what is posted at once. Memos of complaints lead to nothing
in the ERP: they are billed in CRM, and the bill is posted there.
Sources: CONTRIBUTING.md, S21 (service orders), S22 (billing), S23, S24, S25 (confirmations), S26
(complaints); what is left open there is assumed.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from crmsim.applications.status import Distribution
from crmsim.business.master import Record
from crmsim.business.service import Category, ServiceItem, items_of
from crmsim.errors import BadValue

__all__ = [
    "APPROVED",
    "BILL",
    "CANCELLED",
    "COMPLAINT",
    "COMPLETED",
    "CONFIRMATION",
    "MAINTAINED_FIELDS",
    "NOT_CHECKED",
    "OPEN",
    "REASON",
    "RELEASED",
    "ROUTES",
    "SERVICE_OBJECTS",
    "SERVICE_ORDER",
    "TRANSFER",
    "TRANSFER_TRIES",
    "UNCHECKED",
    "Effect",
    "done_fields",
    "done_of",
    "is_being_distributed",
    "is_maintained",
    "items_for_erp",
    "memos_of",
    "must_be_service",
    "promised_fields",
    "promised_of",
    "routed",
    "status_of",
    "transfer_of",
    "why_not_billed",
    "why_not_changed",
    "why_not_sent",
]

SERVICE_ORDER, CONFIRMATION, COMPLAINT, BILL = (
    "service_order",
    "confirmation",
    "complaint",
    "bill",
)
SERVICE_OBJECTS = (SERVICE_ORDER, CONFIRMATION, COMPLAINT, BILL)
"""Kinds of documents that are routed by the categories of their items."""
OPEN, RELEASED, COMPLETED, CANCELLED = "open", "released", "completed", "cancelled"
APPROVED = "approved"
"""Field of a complaint: ``yes`` when somebody has approved its memos."""
TRANSFER, REASON = "transfer", "refusal"
"""Fields in which CRM says how far a document got on its way to the ERP, and why not further."""
TRANSFER_TRIES = "refusals"
"""Field: how often the ERP has refused it since it took it last."""
UNCHECKED = "unchecked"
"""Field: ``yes`` while nobody has checked yet whether there is enough."""
MAINTAINED_FIELDS = (TRANSFER, REASON, TRANSFER_TRIES, UNCHECKED)
"""Fields that CRM fills, and nobody else; so are those whose names begin as below."""
NOT_CHECKED = "it is not checked yet"
"""Why a document does not go to the ERP whose goods nobody has checked."""
DONE, PROMISED = "done ", "promised "
"""How fields begin that say how far a line has got, and what was promised for it."""


class Effect(enum.Enum):
    """What an item leads to, and in which component."""

    CHECK = "availability check (APO)"
    DELIVERY = "delivery, then goods issue (SD)"
    RECEIPT = "returns delivery, then goods receipt (SD)"
    COSTS = "controlling object (CO)"
    """An internal order of the service order, on which its costs are collected."""
    GOODS_ISSUE = "goods issue (MM)"
    TIME_RECORD = "time record (HR)"
    COST_POSTING = "cost posting (CO)"
    RESERVATION = "reservation (MM)"
    SCRAPPING = "scrapping (MM)"
    POSTING = "receivable (FI) and revenue (CO)"


_OUT, _IN = (Effect.DELIVERY,), (Effect.RECEIPT,)
ROUTES: Mapping[tuple[str, Category], tuple[Effect, ...]] = MappingProxyType(
    {
        (SERVICE_ORDER, Category.SALES): (Effect.CHECK, Effect.DELIVERY, Effect.COSTS),
        (SERVICE_ORDER, Category.SERVICE): (Effect.COSTS,),
        (SERVICE_ORDER, Category.PART): (Effect.COSTS,),
        (SERVICE_ORDER, Category.EXPENSE): (Effect.COSTS,),
        (CONFIRMATION, Category.PART): (Effect.GOODS_ISSUE, Effect.COST_POSTING),
        (CONFIRMATION, Category.SERVICE): (Effect.TIME_RECORD, Effect.COST_POSTING),
        (CONFIRMATION, Category.EXPENSE): (Effect.COST_POSTING,),
        (COMPLAINT, Category.RETURN_REQUEST): _IN,
        (COMPLAINT, Category.RETURN): _IN,
        (COMPLAINT, Category.SUBSTITUTE): _OUT,
        (COMPLAINT, Category.CREDIT): (),
        (COMPLAINT, Category.DEBIT): (),
        (COMPLAINT, Category.REPAIR_IN): _IN,
        (COMPLAINT, Category.REPAIR_OUT): _OUT,
        (COMPLAINT, Category.LOAN): _OUT,
        (COMPLAINT, Category.LOAN_BACK): _IN,
        (COMPLAINT, Category.SCRAP): (Effect.SCRAPPING,),
        (COMPLAINT, Category.PART): (Effect.RESERVATION,),
        (BILL, Category.SALES): (Effect.POSTING,),
        (BILL, Category.SERVICE): (Effect.POSTING,),
        (BILL, Category.PART): (Effect.POSTING,),
        (BILL, Category.EXPENSE): (Effect.POSTING,),
        (BILL, Category.CREDIT): (Effect.POSTING,),
        (BILL, Category.DEBIT): (Effect.POSTING,),
    }
)
"""(kind of document, category) -> what it leads to; a pair that is missing cannot be."""
_STATUSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SERVICE_ORDER: (OPEN, RELEASED, COMPLETED),
        CONFIRMATION: (OPEN, COMPLETED, CANCELLED),
        COMPLAINT: (OPEN, RELEASED, COMPLETED),
        BILL: (COMPLETED,),
    }
)
_SENT_WHEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SERVICE_ORDER: (RELEASED, COMPLETED),
        CONFIRMATION: (COMPLETED,),
        COMPLAINT: (RELEASED, COMPLETED),
        BILL: (COMPLETED,),
    }
)
"""Kind of document -> states in which it goes to the ERP."""


def routed(object_: str, item: ServiceItem) -> tuple[Effect, ...]:
    """Return what an item leads to; nothing, if there can be no such item."""
    return ROUTES.get((object_, item.category), ())


def items_for_erp(record: Record) -> tuple[ServiceItem, ...]:
    """Return the items of a document that lead to something in the ERP."""
    items = items_of(dict(record.fields))
    return tuple(item for item in items if {*routed(record.object, item)} - {Effect.CHECK})


def is_maintained(object_: str, name: str) -> bool:
    """Say whether CRM fills a field, and nobody else."""
    is_progress = name.startswith((DONE, PROMISED))
    return object_ in SERVICE_OBJECTS and (name in MAINTAINED_FIELDS or is_progress)


def status_of(record: Record) -> str:
    """Return the state of a document; one that does not say is open."""
    return dict(record.fields).get("status", OPEN)


def transfer_of(record: Record) -> Distribution:
    """Return how far a document got on its way to the ERP."""
    text = dict(record.fields).get(TRANSFER, Distribution.NOT_RELEVANT.value)
    return Distribution(text)


def is_being_distributed(record: Record | None) -> bool:
    """Say whether a document is on its way to the ERP, so that nobody may change it."""
    if record is None or record.object not in SERVICE_OBJECTS:
        return False
    return transfer_of(record) is Distribution.TO_BE


def why_not_sent(record: Record) -> str | None:
    """Return why a document does not go to the ERP, or None.

    Args:
        record: The document, as it is to be saved.
    """
    fields = dict(record.fields)
    if not items_for_erp(record):
        return "it has no item that the ERP has to know of"
    if status_of(record) not in _SENT_WHEN[record.object]:
        return f"it is {status_of(record)}"
    return NOT_CHECKED if fields.get(UNCHECKED) == "yes" else None


def why_not_changed(
    before: Record | None,
    wanted: Record,
    *,
    by_laptop: bool,
    accepted: Mapping[str, ServiceItem] = MappingProxyType({}),
) -> str | None:
    """Return why a document cannot be created, or changed to this, or None.

    Args:
        before: As CRM Online has it; None for a new one.
        wanted: As it is to be.
        by_laptop: Whether a technician wants it; otherwise somebody in CRM does.
        accepted: Line -> item, as the ERP has taken them last.
    """
    if wanted.object not in SERVICE_OBJECTS:
        return None
    reason = _why_not_so(wanted) or _why_not_theirs(before, wanted, by_laptop=by_laptop)
    if before is None:
        return reason
    reason = reason or _why_not_now(before) or _why_not_items(before, wanted, accepted)
    return reason or _why_not_heard_of(before, wanted)


def must_be_service(object_: str, fields: Mapping[str, str]) -> None:
    """Refuse what nobody can want of a service order, or of what belongs to one.

    Args:
        object_: What it is; anything else may be as it likes.
        fields: Field -> value that somebody wants it to have.

    Raises:
        BadValue: something is no item, or cannot be one of it; it is never in such a state; or only
            CRM itself fills a field.
    """
    if object_ not in SERVICE_OBJECTS:
        return
    reason = _why_not_so(Record(object_, "", tuple(fields.items())))
    maintained = [name for name in fields if is_maintained(object_, name)]
    if reason is None and maintained:
        reason = f"only CRM itself fills the field {maintained[0]!r}"
    if reason is None and fields.get(APPROVED, "no") not in ("yes", "no"):
        reason = f"{APPROVED} is {fields[APPROVED]!r}; write 'yes' or 'no'"
    if reason is not None:
        raise BadValue(reason)


def _why_not_so(wanted: Record) -> str | None:
    is_known = "status" in dict(wanted.fields)
    if is_known and status_of(wanted) not in _STATUSES[wanted.object]:
        states = ", ".join(_STATUSES[wanted.object])
        return f"a {wanted.object} is never {status_of(wanted)!r}; it is {states}"
    for item in items_of(dict(wanted.fields)):
        if (wanted.object, item.category) not in ROUTES:
            return f"no {wanted.object} has an item of the category {item.category.value!r}"
    return None


def _why_not_theirs(before: Record | None, wanted: Record, *, by_laptop: bool) -> str | None:
    """Return why something is not for whoever wants it, or None."""
    had = {} if before is None else dict(before.fields)
    changed = [name for name, value in wanted.fields if had.get(name, "") != value]
    maintained = [name for name in changed if is_maintained(wanted.object, name)]
    if maintained:
        return f"only CRM itself fills the field {maintained[0]!r}"
    if by_laptop and wanted.object == CONFIRMATION and status_of(wanted) != OPEN:
        return "a technician confirms; completing that is for the office"
    return None


def _why_not_now(before: Record) -> str | None:
    """Return why a document cannot be changed in the state that it is in, or None."""
    if is_being_distributed(before):
        return "it is being distributed to the ERP; try again later"
    if before.object == BILL:
        return "a bill is never changed"
    if before.object == CONFIRMATION and status_of(before) != OPEN:
        return f"it is {status_of(before)}; write another one that reverses it"
    return None


def _why_not_heard_of(before: Record, wanted: Record) -> str | None:
    """Return why the ERP, which has a document, would not hear of a change of it, or None."""
    reason = why_not_sent(wanted)
    if transfer_of(before) is not Distribution.DONE or reason in (None, NOT_CHECKED):
        return None
    return f"the ERP has it, and would not hear of this change: {reason}"


def _why_not_items(
    before: Record, wanted: Record, accepted: Mapping[str, ServiceItem]
) -> str | None:
    """Return which item is final, or None; it can be put back to what the ERP delivers of it."""
    new = {item.line: item for item in items_of(dict(wanted.fields))}
    was_sent = transfer_of(before) is not Distribution.NOT_RELEVANT
    done = done_of(before)
    for item in items_of(dict(before.fields)):
        line, now = item.line, new.get(item.line)
        is_put_back = now is not None and now == accepted.get(line)
        if now != item and any(done.get(line, (0, 0))) and not is_put_back:
            return f"item {line} is delivered already, in part or as a whole"
        if was_sent and now is not None and now.category is not item.category:
            return f"the category of item {line} cannot change once it has been transferred"
    return None


def done_of(record: Record) -> dict[str, tuple[int, int]]:
    """Return line -> (pieces in deliveries, pieces that have left or come), as CRM knows it."""
    found = {}
    for name, text in record.fields:
        if name.startswith(DONE) and text:
            delivered, moved = text.split(" / ")
            found[name.removeprefix(DONE)] = int(delivered), int(moved)
    return found


def done_fields(record: Record, news: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return the fields that say how far lines have got; late news take nothing back."""
    known = done_of(record)
    fields = {}
    for line, (delivered, moved) in news.items():
        had = known.get(line, (0, 0))
        fields[f"{DONE}{line}"] = f"{max(delivered, had[0])} / {max(moved, had[1])}"
    return fields


def promised_of(fields: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return line -> (pieces, day of the run) of what the planning system has promised."""
    found = {}
    for name, text in fields.items():
        if name.startswith(PROMISED) and text:
            pieces, day = text.split(" on day ")
            found[name.removeprefix(PROMISED)] = int(pieces), int(day)
    return found


def promised_fields(promised: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return the fields that say what was promised: line -> (pieces, day of the run)."""
    return {f"{PROMISED}{line}": f"{n} on day {day}" for line, (n, day) in promised.items()}


def memos_of(record: Record) -> tuple[ServiceItem, ...]:
    """Return what of a complaint is settled by a bill."""
    items = items_of(dict(record.fields)) if record.object == COMPLAINT else ()
    return tuple(one for one in items if one.category in (Category.CREDIT, Category.DEBIT))


def why_not_billed(record: Record) -> str | None:
    """Return why the memos of a complaint are not billed yet, or None.

    A customer gets his money when somebody has approved it and what he sends back has come.
    """
    if not memos_of(record):
        return "it has no memos"
    if status_of(record) == OPEN:
        return "it is open"
    if dict(record.fields).get(APPROVED) != "yes":
        return "nobody has approved its memos"
    done = done_of(record)
    for item in items_of(dict(record.fields)):
        awaited = Effect.RECEIPT in routed(record.object, item)
        if awaited and done.get(item.line, (0, 0))[1] < item.quantity:
            return f"item {item.line} has not come yet"
    return None
