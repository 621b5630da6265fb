"""Was the way from CRM to the ERP, and from CRM Online to the CDB, kept as it must be?"""

from collections.abc import Callable
from functools import partial
from typing import Any

from crmsim.applications.exchange import UNASKED
from crmsim.applications.status import Distribution
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget, is_order
from crmsim.checks.laptops.selection import Selection
from crmsim.erp.extraction import FILTERS
from crmsim.kernel.durable import Store
from crmsim.loads.loads import UNLOADED
from crmsim.middleware.load import NO_FILTER, Filter
from crmsim.trace.journal import Event

__all__ = [
    "CDB_HOLDS",
    "LOCK_IS_KEPT",
    "MASTER_DATA_AGREES",
    "PUBLISHED_TO_ALL",
    "STATUS_IS_TRUE",
    "TRANSFERABLE_ONLY",
    "passes_filter",
]

UNCHECKED = "before anybody has checked whether there is enough"


class _Transferable(Judge):
    """I-50: of all sales transactions, only one with at least one item, without errors, which need
    not be released nor checked for availability any more, is put into a queue to the ERP; a
    quotation only if quotations go there at all, and once it is released; a confirmation once it is
    completed.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._why_not: dict[str, str] = {}
        """GUID -> what CRM Online has against a transfer; empty for nothing."""
        self._records: dict[str, None] = {}
        self._is_order: dict[str, bool] = {}
        self._quotations: list[Event] = []
        """Those that were put into a queue to the ERP."""

    def on_changed(self, event: Event) -> None:
        self._records[str(event.detail["guid"])] = None
        values: Any = event.detail.get("values", ())
        if event.subject.startswith("confirmation "):
            is_done = ("header status", "completed") in values
            is_known = self._why_not.get(event.subject) == ""
            self._why_not[event.subject] = "" if is_done or is_known else "and nobody completed it"

    def on_committed(self, event: Event) -> None:
        why_not = "" if int(str(event.detail["items"])) else "without an item"
        if event.detail.get("errors"):
            why_not = "with errors"
        elif event.detail.get("locked"):
            why_not = "unreleased"
        elif not is_order(event) and not event.detail.get("released"):
            why_not = f"as a {event.detail['object']} that is not released"
        elif event.detail.get("unchecked"):
            why_not = UNCHECKED
        self._is_order[str(event.detail["guid"])] = is_order(event)
        self._why_not[str(event.detail["guid"])] = why_not

    def on_checked(self, event: Event) -> None:
        guid = str(event.detail["guid"])
        if event.detail["outcome"] == "cancelled":
            self._why_not[guid] = "though it was cancelled"
        elif self._why_not.get(guid) == UNCHECKED:
            self._why_not[guid] = ""

    def on_enqueued(self, event: Event) -> None:
        kind = self.scene.kind_of(event.actor)
        if kind != "crm" or not str(event.detail["queue"]).startswith("R3AU_"):
            return
        guid = str(event.detail["guid"])
        is_other = guid in self._records and guid not in self._why_not
        if is_other or event.subject.startswith("removal of "):
            return
        self.judged += 1
        why_not = self._why_not.get(guid, "without an item")
        if why_not:
            self.blame(f"{event.subject} is on its way to the ERP {why_not}", event)
        elif not self._is_order.get(guid, True):
            self._quotations.append(event)

    def end(self, ending: Ending) -> None:
        """Judge quotations by what was agreed about them."""
        for crm in self.scene.topology.sites("crm"):
            if not ending.stores[crm].get("policies", "exchange", UNASKED).quotations:
                for event in self._quotations:
                    self.blame(f"{event.subject} is a quotation; none goes to the ERP", event)


class _LockIsKept(Judge):
    """I-51: while a document is being distributed to the ERP, nobody changes it in CRM Online, and
    nothing is made there that follows it. What the ERP itself has changed is taken over all the
    same.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._status: dict[str, str] = {}
        self._guids: dict[str, str] = {}
        self._begun: dict[str, int] = {}
        """GUID -> the version with which its transfer began."""

    def on_distributed(self, event: Event) -> None:
        self._status[str(event.detail["guid"])] = str(event.detail["status"])
        self._begun[str(event.detail["guid"])] = int(str(event.detail["version"]))

    def on_changed(self, event: Event) -> None:
        if event.subject not in self._status:
            return
        self.judged += 1
        is_ours = not event.detail["number"]
        is_later = int(str(event.detail["version"])) != self._begun[event.subject]
        if is_ours and is_later and self._status[event.subject] == Distribution.TO_BE.name:
            self.blame(f"{event.subject} was changed while it was being distributed", event)

    def on_committed(self, event: Event) -> None:
        self.judged += 1
        self._guids[event.subject] = guid = str(event.detail["guid"])
        preceding = self._guids.get(str(event.detail.get("preceding", "")), "")
        is_news = event.detail.get("by") == "erp"
        if self._status.get(guid) == Distribution.TO_BE.name and not is_news:
            self.blame(f"{event.subject} was changed while it was being distributed", event)
        if self._status.get(preceding) == Distribution.TO_BE.name and not is_news:
            self.blame(f"{event.subject} follows what was being distributed", event)


class _StatusIsTrue(Finals):
    """I-53: when all is quiet, a document that CRM calls distributed is in the ERP in the version
    that CRM sent last, or took over from there; one with a distribution error is there in an older
    version, or not at all.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sent: dict[str, int] = {}

    def on_committed(self, event: Event) -> None:
        super().on_committed(event)
        if event.detail.get("by") == "erp":
            self._sent[str(event.detail["guid"])] = int(str(event.detail["version"]))

    def on_distributed(self, event: Event) -> None:
        if event.detail["status"] == Distribution.TO_BE.name:
            self._sent[str(event.detail["guid"])] = int(str(event.detail["version"]))

    def compare(self, ending: Ending) -> None:
        erp = self.erp(ending)
        for guid, record in self.crm(ending).items():
            order, sent = record.document.order, self._sent.get(guid, 0)
            if record.distribution not in (Distribution.DONE, Distribution.ERROR):
                continue
            self.judged += 1
            versions = [booked.order.version for booked in erp.get(guid, ())]
            if record.distribution is Distribution.DONE and versions != [sent]:
                self.blame(
                    f"CRM calls order {order.reference} distributed in version {sent}, "
                    f"the ERP has {_versions(versions)}"
                )
            if record.distribution is Distribution.ERROR and order.version in versions:
                self.blame(
                    f"CRM calls the transfer of order {order.reference} failed, but the ERP has "
                    f"its version {order.version}"
                )


def _versions(versions: list[Any]) -> str:
    return "version " + ", ".join(map(str, versions)) if versions else "nothing"


class _CdbHolds(Finals):
    """I-38, I-88: when all is quiet, the CDB holds every order that a laptop holds, in the state it
    has in CRM Online, and none that CRM Online does not hold; of everything else it holds the same
    as CRM Online, unless somebody wants nothing of its kind to go there.
    """

    def compare(self, ending: Ending) -> None:
        online = self.crm(ending)
        cdb = dict(ending.stores[self.site("crm")].table("cdb"))
        held = {local.document.order.guid: laptop for laptop, local in self.locals(ending)}
        for guid, reference in self._written.items():
            if reference in ending.waiting:
                continue
            self.judged += 1
            if guid in held and guid not in cdb:
                self.blame(f"{held[guid]} holds order {reference}, the CDB does not")
            elif guid in cdb and (
                guid not in online or online[guid].document != cdb[guid].document
            ):
                self.blame(f"order {reference} is not the same in CRM Online and in the CDB")
        store = ending.stores[self.site("crm")]
        ours, theirs = dict(store.table("records")), dict(store.table("cdb records"))
        off = store.table("bridges off")
        for key in {**ours, **theirs}:
            is_left_out = " ".join(key) in ending.waiting or not _is_judged(key, ending)
            if not is_left_out and key[0] not in off:
                self.judged += 1
                if ours.get(key) != theirs.get(key):
                    self.blame(f"{' '.join(key)} is not the same in CRM Online and in the CDB")


class _Published(Finals):
    """I-82: what is published flows from CRM to the laptops only: a laptop never has a record that
    the CDB has not spread, and leaves none out; when all is quiet, CRM Online, the CDB and every
    laptop that subscribes (or all of them, if nobody can) hold the same records, and no other
    laptop has any. A publication that waits for a person is left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._spread: dict[str, int] = {}
        self._imported: dict[tuple[str, str], int] = {}

    def on_replaced(self, event: Event) -> None:
        forget(self._imported, event.subject)

    def on_spread(self, event: Event) -> None:
        self._spread[event.subject] = int(str(event.detail["last"]))

    def on_imported(self, event: Event) -> None:
        if event.detail["what"] != "bulk":
            if event.detail["what"] == "removal":
                self._imported.pop((event.actor, str(event.detail["guid"])), None)
            return
        self.judged += 1
        name = str(event.detail["publication"])
        first, last = int(str(event.detail["first"])), int(str(event.detail["position"]))
        before = self._imported.get((event.actor, name), 0)
        if first != before + 1:
            self.blame(f"{event.actor} imported {name} {first} after {before}", event)
        if last > self._spread.get(name, 0):
            self.blame(f"{event.actor} imported {name} {last}, which was never spread", event)
        self._imported[event.actor, name] = last

    def compare(self, ending: Ending) -> None:
        store = ending.stores[self.site("crm")]
        online, cdb = (
            {key: row for key, row in store.table(name).items() if _is_judged(key, ending)}
            for name in ("masters", "cdb masters")
        )
        if online != cdb:
            self.blame("CRM Online and the CDB do not hold the same records for all")
        selection = Selection(store)
        for laptop in self.scene.topology.sites("mobile"):
            if laptop not in ending.set_aside:
                mine = {k: row for k, row in cdb.items() if selection.gets_bulk(k[0], laptop)}
                self.judged += len(mine)
                held = ending.stores[laptop].table("masters").items()
                self._same(laptop, {k: row for k, row in held if _is_judged(k, ending)}, mine)

    def _same(self, laptop: str, held: dict[Any, Any], cdb: dict[Any, Any]) -> None:
        for (publication, key), record in cdb.items():
            if held.get((publication, key)) != record:
                self.blame(f"{laptop} has not got {publication} {key} as it was published last")
        for publication, key in held:
            if (publication, key) not in cdb:
                self.blame(f"{laptop} holds {publication} {key}, which is not for it")


class _MasterData(Finals):
    """I-88: when all is quiet, CRM Online and the ERP hold the same customers, and the products and
    prices that come from the ERP. Left out is what waits for a person, what does not pass the
    filter, and what has never been loaded.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._passes: Callable[[tuple[str, str], Any], bool] = lambda row, content: True

    def compare(self, ending: Ending) -> None:
        crm, erp = ending.stores[self.site("crm")], ending.stores[self.site("erp")]
        in_erp = {name for name, one in crm.table("model").items() if one.in_erp}
        in_erp -= {*crm.table(UNLOADED)}
        self._passes = partial(passes_filter, erp)
        ours = {row: one.fields for row, one in crm.table("records").items() if row[0] in in_erp}
        theirs = {row: one.fields for row, one in erp.table("records").items() if row[0] in in_erp}
        self._same(ours, theirs, ending)
        masters = {row: one.value for row, one in crm.table("masters").items() if row[0] in in_erp}
        values = {row: value for row, value in erp.table("masters").items() if row[0] in in_erp}
        self._same(masters, values, ending)

    def _same(self, ours: dict[Any, Any], theirs: dict[Any, Any], ending: Ending) -> None:
        for row in {**ours, **theirs}:
            name = " ".join(row)
            if name in ending.set_aside or not _is_judged(row, ending):
                continue
            if row in theirs and not self._passes(row, theirs[row]):
                continue
            self.judged += 1
            if row not in theirs or row not in ours:
                where = "the ERP" if row in ours else "CRM Online"
                self.blame(f"{where} has not got {name}")
            elif ours[row] != theirs[row]:
                self.blame(f"{name} is not the same in CRM Online and in the ERP")


def passes_filter(erp: Store, row: tuple[str, str], content: Any) -> bool:
    """Say whether something of the ERP passes the filter of its kind.

    Args:
        erp: The store of the ERP.
        row: (object, key).
        content: Its fields, or the value of what is published.
    """
    fields = (("value", content),) if isinstance(content, str) else content
    wanted: Filter = erp.get(FILTERS, row[0], NO_FILTER)
    return wanted.passes({**dict(fields), "key": row[1]})


def _is_judged(key: tuple[str, str], ending: Ending) -> bool:
    """Say whether the publication of a record does not wait for a person."""
    return f"publication {key[0]}" not in ending.set_aside


TRANSFERABLE_ONLY = Check(
    "only what may be transferred goes to the ERP", Mood.ALWAYS, ("I-50",), _Transferable
)
LOCK_IS_KEPT = Check(
    "nobody changes what is being distributed", Mood.ALWAYS, ("I-51",), _LockIsKept
)
STATUS_IS_TRUE = Check("the distribution status is true", Mood.EVENTUALLY, ("I-53",), _StatusIsTrue)
CDB_HOLDS = Check(
    "the CDB holds what the laptops need", Mood.EVENTUALLY, ("I-38", "I-88"), _CdbHolds
)
MASTER_DATA_AGREES = Check(
    "CRM and the ERP agree on master data", Mood.EVENTUALLY, ("I-88",), _MasterData
)
PUBLISHED_TO_ALL = Check(
    "every laptop holds what is published to all", Mood.EVENTUALLY, ("I-45", "I-82"), _Published
)
