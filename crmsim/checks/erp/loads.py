"""Did loads bring everything once, and did comparisons tell the truth?"""

from collections.abc import Mapping
from typing import Any

from crmsim.applications.status import Distribution
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.checks.distribution import passes_filter
from crmsim.checks.queues import suspended_by
from crmsim.erp.contracts import FLOWS
from crmsim.kernel.durable import Store
from crmsim.loads.comparing import REPORTS, row_of
from crmsim.loads.loads import UNLOADED
from crmsim.middleware.compare import Report, Sides
from crmsim.middleware.load import LoadKind, LoadStatus, is_work_about
from crmsim.trace.journal import Event

__all__ = [
    "COMPARISONS_ARE_TRUE",
    "DELTAS_WAIT",
    "LOADED_AGREES",
    "LOADS_ARE_REPEATABLE",
    "SUPERIORS_FIRST",
]

Row = tuple[tuple[str, str], ...]
"""(field, value) of one thing."""


class _DeltasWait(Judge):
    """I-83: while the initial load of an object runs, no single change of it begins to be executed
    in CRM. What somebody has locked stays locked when the load is over.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._loading: dict[tuple[str, str, str], Event] = {}

    def on_loaded(self, event: Event) -> None:
        row = suspended_by(event)
        if row is not None and event.detail["status"] == LoadStatus.RUNNING.value:
            self._loading[row] = event
        elif row is not None and event.detail["status"] != LoadStatus.WAITING.value:
            self._loading.pop(row, None)

    def on_begun(self, event: Event) -> None:
        if not self._loading:
            return
        queue, guid = str(event.detail["queue"]), str(event.detail.get("guid", ""))
        self.judged += 1
        for (actor, family, about), load in self._loading.items():
            is_held = event.actor == actor and queue.startswith(family)
            if is_held and is_work_about(about, queue, guid):
                self.blame(f"{event.subject} began, though {load.subject} was running", event)


class _SuperiorsFirst(Judge):
    """I-84: no load of something that depends on another object begins, and no block of it is taken
    over, before the first load of that object is done; if it was never loaded in the run, it had
    been before.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._open: dict[tuple[str, str], str] = {}
        """(object, way) -> its initial load that is not done."""

    def on_loaded(self, event: Event) -> None:
        detail = event.detail
        row, status = (str(detail["about"]), str(detail["way"])), detail["status"]
        if detail["load_kind"] != LoadKind.INITIAL.value:
            return
        if status == LoadStatus.RUNNING.value and detail["superior"]:
            self._compare(event, str(detail["superior"]), row[1])
        if status == LoadStatus.DONE.value:
            self._open.pop(row, None)
        else:
            self._open[row] = event.subject

    def on_unpacked(self, event: Event) -> None:
        if event.detail["superior"] and str(event.detail["guid"]).startswith("initial"):
            self._compare(event, str(event.detail["superior"]), "erp to crm")

    def _compare(self, event: Event, superior: str, way: str) -> None:
        self.judged += 1
        if (superior, way) in self._open:
            other = self._open[superior, way]
            self.blame(f"{event.subject} went on before {other} was done", event)


class _Repeatable(Judge):
    """I-85: a load never saves anew in CRM Online what is there already: each record that a block
    changes has another value in some field than before.
    """

    def on_changed(self, event: Event) -> None:
        if "load" not in event.detail:
            return
        self.judged += 1
        version = int(str(event.detail["version"]))
        if not event.detail["fields"] and version > 1:
            self.blame(f"{event.detail['load']} saved {event.subject} as it was", event)

    def on_unpacked(self, event: Event) -> None:
        self.judged += int(str(event.detail["count"]))


class _Agrees(Finals):
    """I-86: when all is quiet, CRM has of each object that comes from the ERP exactly what passes
    its filter, and as the ERP has it; what has never been loaded and what waits for a person is
    left out. So a delta that was off for a while shows, and a filter that was changed.
    """

    def compare(self, ending: Ending) -> None:
        crm, erp = ending.stores[self.site("crm")], ending.stores[self.site("erp")]
        if not any(True for store in (crm, erp) for _ in _touched(store)):
            return
        for about, one in crm.table("model").items():
            is_judged = one.in_erp and about not in crm.table(UNLOADED)
            if is_judged and f"publication {about}" not in ending.set_aside:
                for key, sides in _differing(crm, erp, about).items():
                    self._judge(ending, f"{about} {key}", sides)

    def _judge(self, ending: Ending, name: str, sides: Sides) -> None:
        if name in ending.set_aside:
            return
        self.judged += 1
        if sides.difference is not None:
            told = {
                "only in CRM": "is in CRM, but the ERP has none that passes the filter",
                "only in the other system": "passes the filter of the ERP, but CRM has none",
                "not the same": "is not the same in CRM and in the ERP",
            }
            self.blame(f"{name} {told[sides.difference.value]}")


def _touched(store: Store) -> list[object]:
    """Return what says that something was loaded, filtered, or compared at all."""
    tables = (REPORTS, "bridges off", FLOWS, "filters")
    found = [row for table in tables for row in store.table(table)]
    return [*found, *(row for row in store.table("changes") if row == "loads")]


def _differing(crm: Store, erp: Store, about: str) -> dict[str, Sides]:
    """Return key -> both sides of each thing of a kind, as far as it passes the filter."""
    here = _rows(crm, about)
    there = {
        key: row for key, row in _rows(erp, about).items() if passes_filter(erp, (about, key), row)
    }
    return {key: Sides(here.get(key), there.get(key)) for key in {**here, **there}}


def _rows(store: Store, about: str) -> dict[str, Row]:
    """Return key -> fields of all of a kind that CRM Online or the ERP holds."""
    found: dict[str, Row] = {}
    masters: Mapping[Any, Any] = store.table("masters")
    for (name, key), one in masters.items():
        if name == about:
            found[key] = (("value", one if isinstance(one, str) else one.value),)
    for (name, key), record in store.table("records").items():
        if name == about:
            found[key] = record.fields
    return found


def _in_full(crm: Store, about: str, database: str) -> dict[str, Row]:
    """Return the same of CRM Online or the CDB, with what only these two have."""
    return {
        key: row_of(one, in_full=True)
        for table in ("masters", "records")
        for (name, key), one in crm.table(f"{database}{table}").items()
        if name == about
    }


def _orders_of(crm: Store, erp: Store | None) -> dict[str, Sides]:
    """Return number -> an order in CRM and in the ERP, or in the CDB if there is no ERP given."""
    records: list[Any] = list(crm.table("orders").values())
    if erp is None:
        here = {one.document.number: one.document for one in records}
        there = {one.document.number: one.document for one in crm.table("cdb").values()}
        whole = {
            key: tuple(
                None if one is None or one.errors else (("", str(one)),)
                for one in (here.get(key), there.get(key))
            )
            for key in {**here, **there}
        }
        return {key: Sides(*both) for key, both in whole.items()}
    ours = {
        one.document.number: _told_of(one.document.order)
        for one in records
        if one.is_in_erp or one.distribution is not Distribution.NOT_RELEVANT
    }
    theirs = {one.order.number: _told_of(one.order) for one in erp.table("orders").values()}
    return {key: Sides(ours.get(key), theirs.get(key)) for key in {**ours, **theirs}}


def _told_of(order: Any) -> Row:
    """Return what CRM and the ERP tell each other of an order."""
    rows = [(item.line, str(item)) for item in order.items]
    head = order.reference, order.customer, order.kind.value, order.text
    return (("head", str(head)), *sorted(rows))


class _ComparisonsAreTrue(Finals):
    """I-87: a comparison reports exactly what differs: if nothing was changed since the last one of
    an object began, and nothing waits, what it says is what the systems hold when all is quiet. And
    a repair changes nothing in the ERP if that leads: what it brings to CRM is never stored in the
    ERP as a change of CRM, unless somebody has processed an older one again.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._began_ns: dict[tuple[str, str], int] = {}
        self._changed_ns: dict[str, int] = {}
        """Object -> when it was changed last, wherever."""
        self._brought: dict[tuple[str, int], Event] = {}
        """(record, version) that a load has made in CRM."""
        self._asked_ns: dict[str, int] = {}
        """Comparison -> when its first question was asked; CRM's own clock may be wrong."""
        self._again: set[str] = set()
        """What somebody has processed again: it goes out as it is by now, whoever made it so."""

    def on_administered(self, event: Event) -> None:
        if event.detail["action"] == "reprocess":
            self._again.add(str(event.detail.get("guid", "")))

    def on_enqueued(self, event: Event) -> None:
        if event.subject.startswith("question 1 of "):
            self._asked_ns.setdefault(event.subject.removeprefix("question 1 of "), event.time_ns)

    def on_effected(self, event: Event) -> None:
        if event.subject.startswith("filter "):  # only now does the ERP know of it
            self._changed_ns[event.subject.rpartition(" ")[2]] = event.time_ns

    def on_compared(self, event: Event) -> None:
        row = str(event.detail["about"]), str(event.detail["against"])
        self._began_ns[row] = self._asked_ns[event.subject]

    def _touch(self, event: Event) -> None:
        self._changed_ns[event.subject.partition(" ")[0]] = event.time_ns

    on_repaired = on_customized = on_published = on_deleted = on_spread = _touch

    def on_replicated(self, event: Event) -> None:
        is_record = " " in str(event.detail["guid"])
        self._changed_ns[event.subject.partition(" ")[0] if is_record else "order"] = event.time_ns

    def on_committed(self, event: Event) -> None:
        self._changed_ns["order"] = event.time_ns

    def on_progressed(self, event: Event) -> None:
        self._changed_ns["order"] = event.time_ns

    def on_booked(self, event: Event) -> None:
        super().on_booked(event)
        self._changed_ns["order"] = event.time_ns

    def on_changed(self, event: Event) -> None:
        self._touch(event)
        if "load" in event.detail:
            self._brought[event.subject, int(str(event.detail["version"]))] = event

    def on_maintained(self, event: Event) -> None:
        self._touch(event)
        brought = self._brought.get((event.subject, int(str(event.detail["version"]))))
        is_again = event.subject in self._again
        if brought is not None and event.detail["by"] == "crm" and not is_again:
            self.blame(
                f"{brought.detail['load']} brought {event.subject} from the ERP, and it went back",
                event,
            )

    def compare(self, ending: Ending) -> None:
        crm, erp = ending.stores[self.site("crm")], ending.stores[self.site("erp")]
        for (about, against), began_ns in self._began_ns.items():
            report: Report = crm.get(REPORTS, (about, against))
            is_old = self._changed_ns.get(about, -1) >= began_ns
            if is_old or about == "contract" or report.in_flight:
                continue
            self.judged += report.compared
            if about == "order":
                sides = _orders_of(crm, erp if against == "erp" else None)
            elif against == "erp":
                sides = _differing(crm, erp, about)
            else:
                here, there = (_in_full(crm, about, name) for name in ("", "cdb "))
                sides = {key: Sides(here.get(key), there.get(key)) for key in {**here, **there}}
            if not report.is_detailed:
                sides = {key: _header_of(one) for key, one in sides.items()}
            true = sorted(key for key, one in sides.items() if one.difference is not None)
            if true != list(report.differing):
                self.blame(f"{report.comparison} found {report.differing}; true is {tuple(true)}")


def _header_of(sides: Sides) -> Sides:
    """Return whether something is on both sides, and no more."""
    here, there = (None if row is None else () for row in (sides.here, sides.there))
    return Sides(here, there)


DELTAS_WAIT = Check(
    "single changes wait while their object is loaded", Mood.ALWAYS, ("I-83",), _DeltasWait
)
SUPERIORS_FIRST = Check(
    "what others depend on is loaded first", Mood.ALWAYS, ("I-84",), _SuperiorsFirst
)
LOADS_ARE_REPEATABLE = Check(
    "loading once more changes nothing", Mood.ALWAYS, ("I-85",), _Repeatable
)
LOADED_AGREES = Check(
    "CRM has of the ERP's data exactly what passes the filter",
    Mood.EVENTUALLY,
    ("I-86",),
    _Agrees,
)
COMPARISONS_ARE_TRUE = Check(
    "comparisons find exactly what differs", Mood.EVENTUALLY, ("I-87",), _ComparisonsAreTrue
)
