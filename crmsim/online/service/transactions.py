"""What does CRM Online do with service orders, confirmations, complaints and bills?

They are records. Whoever saves one, the same commit decides whether it goes to the ERP, and marks
it as being distributed; until the ERP has answered nobody may change it. A technician's
confirmation waits until somebody in the office has completed it. What the ERP has posted of a
confirmation is billed here, and so are the memos of a complaint once they are approved.
Sources: CONTRIBUTING.md, S21, S22, S23, S24, S26; who does what when is assumed.
"""

from collections.abc import Mapping

import attrs

from crmsim.applications.service import (
    BILL,
    CANCELLED,
    COMPLAINT,
    COMPLETED,
    CONFIRMATION,
    OPEN,
    REASON,
    SERVICE_OBJECTS,
    SERVICE_ORDER,
    TRANSFER,
    TRANSFER_TRIES,
    done_fields,
    is_being_distributed,
    items_for_erp,
    memos_of,
    promised_of,
    status_of,
    transfer_of,
    why_not_billed,
    why_not_changed,
    why_not_sent,
)
from crmsim.applications.status import Distribution, DistributionEvent, next_status
from crmsim.business.master import Record, key_of
from crmsim.business.service import Category, item_fields, items_of
from crmsim.formats.service import BapiService, BapiServiceProgress, BapiServiceResult
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.replication import Key
from crmsim.online.atp import Checks, CheckUnanswered, OnApoDown
from crmsim.online.online import ERP, OFFICE, Online
from crmsim.online.service.atp import ServiceAvailability
from crmsim.online.service.desk import ServiceDesk
from crmsim.rfc.atp import AtpAnswer
from crmsim.trace.kinds import DISTRIBUTED

__all__ = ["ServiceTransactions", "bapi_service"]

GIVEN_UP = "its transfer came to no end"
ACCEPTED = "accepted items"
"""Name of a document -> its items, as the ERP has taken them last."""


class ServiceTransactions:
    """Service orders, confirmations, complaints and bills in CRM Online.

    Args:
        actor: The actor whose store holds the database.
        online: Where they are saved.
        desk: Where somebody in the office finds what to do.
        checks: The questions to the planning system.
        on_down: What becomes of a service order when that is out of reach.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        desk: ServiceDesk,
        checks: Checks,
        on_down: OnApoDown,
    ) -> None:
        self._actor = actor
        self._online = online
        self._desk = desk
        self._availability = ServiceAvailability(actor, checks, on_down)

    # --- what people want ---

    def held(self, key: Key) -> Record | None:
        """Return a document as CRM Online has it; None when there is none."""
        found: Record | None = self._actor.store.get("records", key)
        return found

    def is_being_distributed(self, key: Key) -> bool:
        """Say whether a document is on its way to the ERP, so that nobody may change it."""
        return is_being_distributed(self.held(key))

    def why_not_here(self, key: Key, fields: Mapping[str, str]) -> str | None:
        """Return why somebody in CRM cannot create a document, or change it so, or None."""
        if key[0] not in SERVICE_OBJECTS:
            return "only the ERP moves goods" if key[0] == "stock" else None
        if key[0] == BILL:
            return "bills are written by CRM itself"
        after = self._after(key, fields)
        reason = self._why_not_changed(self.held(key), after, by_laptop=False)
        return reason or self._why_billed(after)

    def why_not_from_laptop(self, before: Record | None, after: Record) -> str | None:
        """Return why a technician cannot create a document, or change it so, or None."""
        return self._why_not_changed(before, after, by_laptop=True)

    def _why_not_changed(
        self, before: Record | None, after: Record, *, by_laptop: bool
    ) -> str | None:
        accepted = {one.line: one for one in self._actor.store.get(ACCEPTED, after.identity, ())}
        reason = why_not_changed(before, after, by_laptop=by_laptop, accepted=accepted)
        return reason or self._why_not_reversed(after)

    def _after(self, key: Key, fields: Mapping[str, str]) -> Record:
        held = self.held(key) or Record(*key)
        merged = {**dict(held.fields), **fields}
        return attrs.evolve(held, fields=tuple(sorted(merged.items())))

    def _why_not_reversed(self, after: Record) -> str | None:
        """Return why a confirmation cannot take back another one, or None."""
        reverses = dict(after.fields).get("reverses", "")
        if after.object != CONFIRMATION or not reverses:
            return None
        original = self.held((CONFIRMATION, reverses))
        if original is None:
            return f"there is no {CONFIRMATION} {reverses}"
        if transfer_of(original) is not Distribution.DONE:
            return f"{original.identity} is not posted, so there is nothing to take back"
        if dict(original.fields).get("reverses"):
            return f"{original.identity} takes back another one itself; confirm anew instead"
        items = [items_of(dict(one.fields)) for one in (original, after)]
        if items[0] != items[1] or original.parent != after.parent:
            return f"it is not about the order and the items of {original.identity}"
        return None

    def _why_billed(self, after: Record) -> str | None:
        """Return why the memos of a complaint cannot change any more, or None."""
        held = self.held((after.object, after.key))
        if held is None or self._bill_of_memos(held) is None or memos_of(held) == memos_of(after):
            return None
        return "its memos are billed already; write another complaint"

    def completed(self, change: Change, key: Key, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Return fields of a document that is being saved, with what CRM itself says of it.

        Args:
            change: The commit that saves it.
            key: Which document.
            fields: Field -> new value.
        """
        if key[0] not in SERVICE_OBJECTS:
            return fields
        held = self.held(key)
        if held is not None and TRANSFER_TRIES in dict(held.fields):
            fields = {TRANSFER_TRIES: "", **fields}  # who changes it begins to count anew
        after = self._after(key, fields)
        version = after.version + (held is not None)
        asked = self._availability.opened(change, attrs.evolve(after, version=version))
        whole = {**fields, **asked}
        if why_not_sent(self._after(key, whole)) is None:
            whole |= self._sent(change, after, version)
        record = self._after(key, whole)
        self._desk.put(change, attrs.evolve(record, version=version))
        self._bill_memos(change, record)
        return whole

    def _sent(self, change: Change, after: Record, version: int) -> dict[str, str]:
        """Mark a document that is being saved as being distributed."""
        status = next_status(transfer_of(after), DistributionEvent.SAVED)
        self._note(change, after, version, status)
        return {TRANSFER: status.value, REASON: ""}

    def _note(
        self, change: Change, record: Record, version: int, status: Distribution, reason: str = ""
    ) -> None:
        more = {"reason": reason} if reason else {}
        name = record.identity
        change.note(DISTRIBUTED, name, status=status.name, guid=name, version=version, **more)

    def complete(self, change: Change, name: str, version: int) -> None:
        """Do what somebody in the office does about a document, unless it has changed meanwhile."""
        if self._actor.store.get(ServiceDesk.TABLE, name) != version:
            return
        key = key_of(name)
        record = self.held(key)
        assert record is not None, "what lies on the desk is there"
        is_open = record.object == CONFIRMATION and status_of(record) == OPEN
        tries = {TRANSFER_TRIES: dict(record.fields).get(TRANSFER_TRIES, "")}
        whole = self.completed(change, key, {"status": COMPLETED} if is_open else tries)
        self._online.change_record(change, key, whole, "", OFFICE)

    def unanswered(self, due: CheckUnanswered) -> None:
        """The planning system has not answered in time: ask again, or let the policy decide."""
        fields = self._availability.unanswered(due)
        if fields:
            self._end_check(due.order, fields)

    def answered(self, answer: AtpAnswer) -> None:
        """Store what was promised; an answer to something older changes nothing."""
        fields = self._availability.answered(answer)
        if fields:
            self._end_check(answer.order, fields)

    def _end_check(self, name: str, fields: dict[str, str]) -> None:
        """Let a service order go its way to the ERP."""
        with self._actor.commit() as change:
            self._availability.end(change, name, fields)
            whole = self.completed(change, key_of(name), fields)
            self._online.change_record(change, key_of(name), whole, "", OFFICE)

    # --- what the ERP tells ---

    def settle(self, change: Change, news: BapiServiceResult) -> bool:
        """Take over the ERP's answer to a transfer; say whether the document is free by it."""
        key = news.object, news.key
        record = self.held(key)
        if record is None or self._sent_version(record) != news.version:
            return False  # an answer to something older
        is_late = news.is_posted and dict(record.fields).get(REASON) == GIVEN_UP
        if not (is_late or is_being_distributed(record)):
            return False
        event = DistributionEvent.ACCEPTED if news.is_posted else DistributionEvent.REFUSED
        if is_late:
            event = DistributionEvent.TAKEN_OVER
        status = next_status(transfer_of(record), event)
        self._note(change, record, news.version, status, news.reason)
        tries = int(dict(record.fields).get(TRANSFER_TRIES, "") or 0)
        is_again = not news.is_posted and news.is_mendable
        fields = {
            TRANSFER: status.value,
            REASON: news.reason,
            TRANSFER_TRIES: str(tries + 1) if is_again else "",
        }
        if news.is_posted:
            change.put(ACCEPTED, record.identity, items_of(dict(record.fields)))
            self._take_back(change, record)
        saved = self._online.change_record(change, key, fields, "", ERP, number=news.number)
        self._desk.put(change, saved)
        if news.is_posted and record.object == CONFIRMATION:
            self._bill(change, record)
        return True

    def being_distributed(self) -> list[Record]:
        """Return what is on its way to the ERP."""
        rows = self._actor.store.table("records").values()
        return [record for record in rows if is_being_distributed(record)]

    def give_up(self, change: Change, record: Record) -> int:
        """End a transfer of which nothing is under way any more; return the version of it."""
        status = next_status(Distribution.TO_BE, DistributionEvent.GIVEN_UP)
        version = self._sent_version(record)
        self._note(change, record, version, status, GIVEN_UP)
        fields = {TRANSFER: status.value, REASON: GIVEN_UP, TRANSFER_TRIES: "1"}
        key = record.object, record.key
        self._desk.put(change, self._online.change_record(change, key, fields, "", ERP))
        return version

    def _sent_version(self, record: Record) -> int:
        """Return which version of a document is on its way to the ERP."""
        version: int = self._actor.store.get("sent", (record.object, record.key), 0)
        return version

    def _take_back(self, change: Change, record: Record) -> None:
        """Mark what a confirmation has taken back."""
        reverses = dict(record.fields).get("reverses", "")
        if record.object == CONFIRMATION and reverses:
            original = {"status": CANCELLED, "reversed by": record.key}
            self._online.change_record(change, (CONFIRMATION, reverses), original, "", OFFICE)

    def progress(self, change: Change, news: BapiServiceProgress) -> None:
        """Show how far the lines of a document have got; late news take nothing back."""
        key = news.object, news.key
        record = self.held(key)
        assert record is not None, "the ERP has it from CRM"
        fields = done_fields(record, {line: (one, two) for line, one, two in news.lines})
        if any(dict(record.fields).get(name) != text for name, text in fields.items()):
            saved = self._online.change_record(change, key, fields, "", ERP, number=news.number)
            self._bill_memos(change, saved)

    # --- bills ---

    def _bill(self, change: Change, record: Record) -> None:
        """Bill what was confirmed; what is taken back is credited."""
        fields = dict(record.fields)
        items = items_of(fields)
        kind = "credit" if fields.get("reverses") else "invoice"
        if kind == "credit":
            original = self.held((CONFIRMATION, fields["reverses"]))
            items = () if original is None else items_of(dict(original.fields))
            items = tuple(attrs.evolve(one, category=Category.CREDIT) for one in items)
        order = self.held((SERVICE_ORDER, record.parent))
        customer = "" if order is None else dict(order.fields).get("customer", "")
        self._write_bill(change, record, kind, customer, item_fields(items))

    def _bill_memos(self, change: Change, record: Record) -> None:
        """Bill the memos of a complaint, once they are approved and what comes back has come."""
        is_billed = self._bill_of_memos(record) is not None
        if record.object == COMPLAINT and not is_billed and why_not_billed(record) is None:
            self._write_bill(change, record, "memo", record.parent, item_fields(memos_of(record)))

    def _bill_of_memos(self, record: Record) -> Record | None:
        """Return the bill that the memos of a complaint have led to; None when there is none."""
        return self.held((BILL, f"{record.object}/{record.key}"))

    def _write_bill(
        self, change: Change, of: Record, kind: str, customer: str, items: dict[str, str]
    ) -> None:
        key = BILL, f"{of.object}/{of.key}"
        fields = {"of": of.identity, "kind": kind, "customer": customer, "status": COMPLETED}
        whole = self.completed(change, key, {**fields, **items})
        self._online.change_record(change, key, whole, "", OFFICE)


def bapi_service(record: Record) -> BapiService:
    """Convert a document to the structure that CRM and the ERP exchange."""
    fields = dict(record.fields)
    promised = tuple((line, day) for line, (_, day) in promised_of(fields).items())
    is_confirmation = record.object == CONFIRMATION
    customer = record.parent if record.object == COMPLAINT else fields.get("customer", "")
    return BapiService(
        record.object,
        record.key,
        record.version,
        items_for_erp(record),
        customer,
        fields.get("place", ""),
        record.parent if is_confirmation else fields.get("order", ""),
        fields.get("reverses", ""),
        promised,
    )
