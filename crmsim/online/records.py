"""How does the CRM server decide on what laptops do to customers, visits and opportunities?

CRM Online decides with what it knows itself: whether a laptop may do such a thing at all, whether
what it depends on is there, whether the customer is blocked, what somebody else has changed
meanwhile. Sources: CONTRIBUTING.md, S02, S03, S30, S57; conflicts are assumed.
"""

from collections.abc import Mapping

import attrs

from crmsim.applications.directions import named, why_frozen, why_not_from_laptop, why_not_so
from crmsim.applications.service import CONFIRMATION, is_maintained
from crmsim.business.master import Record
from crmsim.formats.bdoc import SyncBDoc, Task, record_of
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.replication import Key, Model
from crmsim.online.answers import Answers
from crmsim.online.online import Online
from crmsim.online.service.transactions import ServiceTransactions
from crmsim.sync.conflict import ConflictPolicy, resolve

__all__ = ["Records"]


class Records:
    """Validates what laptops do to records.

    Args:
        actor: The actor whose store holds both databases.
        model: What is replicated.
        online: Where it is saved.
        answers: Tells the laptop what became of it.
        conflict: What becomes of a change of what somebody else has changed meanwhile.
        service: Decides on service orders and what belongs to them.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        online: Online,
        answers: Answers,
        conflict: ConflictPolicy,
        service: ServiceTransactions,
    ) -> None:
        self._actor = actor
        self._model = model
        self._online = online
        self._answers = answers
        self._conflict = conflict
        self._service = service

    def validate(self, change: Change, bdoc: SyncBDoc, reason: str | None) -> None:
        """MI0: take a change over, or refuse it.

        Args:
            change: The commit that does it.
            bdoc: The change.
            reason: Why it is refused anyway; None when it is not.
        """
        held: Record | None = self._actor.store.get("records", bdoc.key)
        reason = reason or why_not_from_laptop(bdoc.object, bdoc.task.value)
        if reason is not None:
            self._reject(change, bdoc, reason)
        elif bdoc.task is Task.INSERT:
            self._create(change, bdoc, held)
        elif held is None:
            self._miss(change, bdoc)
        else:
            self._merge(change, bdoc, held)

    def why_not_here(self, key: Key, fields: Mapping[str, str], parent: str) -> str | None:
        """Return why somebody in CRM cannot create or change a record, or None."""
        held: Record | None = self._actor.store.get("records", key)
        if self._actor.store.get("deleted", key) is not None:
            return "it has been deleted"
        above = self._model.of(key[0]).parent
        is_deep = bool(above) and above != "customer" and bool(self._model.of(above).parent)
        is_deep = is_deep or key[0] == CONFIRMATION  # its technician is that of its order
        is_placed = is_deep and (bool(parent) or held is None)  # else nobody knows whose it is
        if is_placed and self._actor.store.get("records", (above, parent)) is None:
            return f"CRM knows no {above} {parent}".rstrip()
        if held is None:
            return None
        merged = tuple(sorted({**dict(held.fields), **fields}.items()))
        return why_frozen(held, attrs.evolve(held, fields=merged))

    def _create(self, change: Change, bdoc: SyncBDoc, held: Record | None) -> None:
        record = record_of(*bdoc.key, None, bdoc.segments)
        assert record is not None, "a creation brings all of it"
        if held is not None:
            self._answer_again(change, bdoc, held, record)
            return
        reason = self._why_not_there(bdoc, record) or self._why_not_so(None, record)
        if reason is not None:
            self._reject(change, bdoc, reason)
            return
        self._save(change, bdoc, dict(record.fields), record.parent)

    def _why_not_there(self, bdoc: SyncBDoc, record: Record) -> str | None:
        """Return why a thing cannot come to be where it is to be, or None."""
        if self._actor.store.get("deleted", bdoc.key) is not None:
            return "it has been deleted"
        kind = self._model.of(bdoc.object)
        above = kind.parent, record.parent
        if kind.parent and self._actor.store.get("records", above) is None:
            return f"CRM knows no {kind.parent} {record.parent}".rstrip()
        return None

    def _why_not_so(self, before: Record | None, after: Record) -> str | None:
        customer = None
        if after.object != "customer":
            key = "customer", self._online.customer_of(after)
            customer = self._actor.store.get("records", key)
        reason = why_not_so(before, after, customer)
        return reason or self._service.why_not_from_laptop(before, after)

    def _answer_again(self, change: Change, bdoc: SyncBDoc, held: Record, record: Record) -> None:
        """Answer a creation of what is there already; it counts only if it is the same."""
        theirs = tuple(pair for pair in held.fields if not is_maintained(held.object, pair[0]))
        is_same = (theirs, held.parent) == (record.fields, record.parent)
        if is_same and self._is_known_to(bdoc):
            self._answers.confirm(change, bdoc, held, held.version)
        else:
            why = f"there is {named(bdoc.object)} {held.key} already, another"
            self._reject(change, bdoc, why)

    def _miss(self, change: Change, bdoc: SyncBDoc) -> None:
        """Answer a change of what is not there: it need not be deleted twice."""
        version: int | None = self._actor.store.get("deleted", bdoc.key)
        if version is None:
            self._reject(change, bdoc, f"CRM knows no such {bdoc.object}")
        elif bdoc.task is Task.DELETE:
            self._answers.confirm(change, bdoc, None, version)
        else:
            self._reject(change, bdoc, "it has been deleted")

    def _merge(self, change: Change, bdoc: SyncBDoc, held: Record) -> None:
        """Take over what of a change counts; refuse it if nothing does."""
        if self._is_for_namesake(bdoc):
            why = "its author means another one, whose creation was refused"
            self._reject(change, bdoc, why)
            return
        stamps = dict(self._actor.store.get("stamps", bdoc.guid, ()))
        merged = resolve(
            self._conflict,
            held,
            stamps,
            bdoc.base,
            bdoc.site,
            bdoc.segments,
            dict(bdoc.older),
        )
        if merged.reason is not None:
            self._answers.reject(
                change, bdoc, merged.reason, *self._before_image(bdoc.key), merged.overruled
            )
            return
        after = record_of(*bdoc.key, held, merged.segments)
        if after is None:
            self._delete(change, bdoc)
            return
        reason = self._why_not_so(held, after)
        if reason is not None:
            self._reject(change, bdoc, reason)
            return
        fields = {name: str(value) for one in merged.segments for name, value in one.fields}
        whole = self._service.completed(change, bdoc.key, fields)
        record = self._online.change_record(change, bdoc.key, whole, "", bdoc.site, bdoc)
        self._answers.confirm(change, bdoc, record, record.version, merged.overruled)

    def _save(self, change: Change, bdoc: SyncBDoc, fields: dict[str, str], parent: str) -> None:
        whole = self._service.completed(change, bdoc.key, fields)
        record = self._online.change_record(change, bdoc.key, whole, parent, bdoc.site, bdoc)
        self._answers.confirm(change, bdoc, record, record.version)

    def _delete(self, change: Change, bdoc: SyncBDoc) -> None:
        version = self._online.delete_record(change, bdoc.key, bdoc.site, bdoc)
        self._answers.confirm(change, bdoc, None, version)

    def _reject(self, change: Change, bdoc: SyncBDoc, reason: str) -> None:
        """Refuse a change; who meant another thing than what others have is not shown theirs."""
        is_another = bdoc.task is Task.INSERT or self._is_for_namesake(bdoc)
        is_there = is_another and self._actor.store.get("records", bdoc.key) is not None
        is_theirs = is_there and not self._is_known_to(bdoc)
        before = (None, 0) if is_theirs else self._before_image(bdoc.key)
        self._answers.reject(change, bdoc, reason, *before, exists=is_there)

    def _is_for_namesake(self, bdoc: SyncBDoc) -> bool:
        """Say whether a change is for what its author had made of that name, and was refused."""
        return not bdoc.base and self._answers.has_refused_creation(bdoc)

    def _is_known_to(self, bdoc: SyncBDoc) -> bool:
        """Say whether a thing belongs on the laptop; if the CDB has it not yet, who has made it."""
        store = self._actor.store
        sites: tuple[str, ...] | None = store.get("lookup", bdoc.key)
        if sites is None:
            return store.get("latest", (bdoc.guid, bdoc.site)) is not None
        return bdoc.site in sites

    def _before_image(self, key: Key) -> tuple[Record | None, int]:
        """Return a record as the CDB holds it; what has not come there is as CRM Online has it."""
        store = self._actor.store
        online: Record | None = store.get("records", key)
        if online is None:
            return None, 0
        record: Record = store.get("cdb records", key, online)
        return record, record.version
