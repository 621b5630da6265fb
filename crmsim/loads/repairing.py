"""How is put right what a comparison has found?

From the leading system. Where the ERP leads, CRM asks for what is missing or different, and takes
out what the ERP has not got; what somebody has changed since the comparison stays. Where CRM leads,
it sends its records to the ERP once more, and has taken out there what it has not got itself.
Against the CDB CRM Online always leads. The leading system stays as it is.
Sources: CONTRIBUTING.md, S63; what may not be taken out is assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.business.master import Record
from crmsim.formats.loading import BapiRemoval
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.compare import Report
from crmsim.middleware.load import CRM_TO_CDB, ERP_TO_CRM, LoadKind
from crmsim.middleware.queue import Luw
from crmsim.online.contracts import REPORTED
from crmsim.online.online import ERP, OFFICE, Online
from crmsim.online.recovery import OUTDATED_NEWS, ErrorList
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import FORBIDDEN, REPAIRED

__all__ = ["REPAIRS", "Repairing"]

AskFor = Callable[
    [Change, str, LoadKind, str, int, tuple[str, ...], tuple[tuple[str, int], ...]], None
]
"""Begins a load: object, kind, way, block, keys, versions."""


REPAIRS = "repairs"
"""(object, against what) -> a repair that waits until it is compared."""


@attrs.frozen
class Repair:
    """What somebody wants to have put right."""

    about: str
    against: str
    leading: str
    block: int


class Repairing:
    """Puts right what differs.

    Args:
        actor: The actor whose store holds both databases.
        online: Where records are saved.
        outbound: The queues to the ERP.
        report: Returns what was found last of an object, and against what.
        is_comparing: Says whether that is just being compared.
        ask_for: Begins a load.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        outbound: OutboundQueues,
        report: Callable[[str, str], Report | None],
        is_comparing: Callable[..., bool],
        ask_for: AskFor,
    ) -> None:
        self._actor = actor
        self._online = online
        self._outbound = outbound
        self._report = report
        self._is_comparing = is_comparing
        self._ask_for = ask_for

    def begin(self, change: Change, about: str, against: str, leading: str, block: int) -> None:
        """Put right what the last comparison has found, as soon as it is done.

        Args:
            change: The commit that begins it.
            about: The name of the object.
            against: With what it was compared: ``erp`` or ``cdb``.
            leading: Who is right: ``erp`` or ``crm``.
            block: Records of a block of what is asked for.
        """
        report = self._report(about, against)
        if self._is_comparing(about, against):
            change.put(REPAIRS, (about, against), Repair(about, against, leading, block))
        elif report is not None:
            self._begin(change, report, leading, block)
        else:
            name = f"repair of {about}"
            reason = f"nobody has compared it with the {against}"
            change.note(FORBIDDEN, name, guid=name, reason=reason)

    def compared(self, change: Change, report: Report) -> None:
        """Begin the repair that has waited for a comparison."""
        row = report.about, report.against
        waiting: Repair | None = change.get(REPAIRS, row)
        if waiting is not None and not self._is_comparing(*row, but=report.comparison):
            change.delete(REPAIRS, row)
            self._begin(change, report, waiting.leading, waiting.block)

    def _begin(self, change: Change, report: Report, leading: str, block: int) -> None:
        if report.against == "cdb":
            kept = self._fetch(change, report, CRM_TO_CDB, report.differing, block)
        elif leading == "erp":
            wanted = tuple(sorted((*report.only_there, *report.different)))
            kept = self._fetch(change, report, ERP_TO_CRM, wanted, block)
            kept += tuple(key for key in report.only_here if not self._removed(change, report, key))
        else:
            kept = self._send(change, report)
        change.note(
            REPAIRED,
            report.about,
            guid=report.comparison,
            against=report.against,
            leading=leading,
            keys=report.differing,
            kept=kept,
        )

    def _fetch(
        self, change: Change, report: Report, way: str, keys: tuple[str, ...], block: int
    ) -> tuple[str, ...]:
        if keys:
            versions = report.versions
            self._ask_for(change, report.about, LoadKind.REQUEST, way, block, keys, versions)
        return ()

    def _removed(self, change: Change, report: Report, key: str) -> bool:
        """Take a record out of CRM that the ERP has not got; say whether it could be."""
        row = report.about, key
        held: Record | None = self._actor.store.get("records", row)
        if held is None or held.version != dict(report.versions).get(key):
            return False  # bulk, or gone or changed since
        if self._actor.store.get("dependents", row, ()):
            return False  # what depends on it would be left without it
        self._online.delete_record(change, row, ERP)
        change.delete(REPORTED, key)
        for name, failed in self._actor.store.table(ErrorList.TABLE).items():
            if failed.luw.guid == held.identity:  # it is from a time before the comparison
                change.put(OUTDATED_NEWS, name, True)
        return True

    def _send(self, change: Change, report: Report) -> tuple[str, ...]:
        """Send the ERP what CRM has, and have taken out what CRM has not; return what stays."""
        kept = []
        for key in (*report.only_here, *report.different):
            held: Record | None = self._actor.store.get("records", (report.about, key))
            if held is None:
                kept.append(key)
                continue
            self._online.change_record(
                change, (report.about, key), dict(held.fields), "", OFFICE, is_whole=True
            )
        for key in report.only_there:
            row = BapiRemoval(report.about, key)
            identity = f"{report.about} {key}"
            luw = Luw(f"removal of {identity} after {report.comparison}", row, identity)
            self._outbound.enqueue(change, f"R3AU_{identity}", luw)
        return tuple(kept)
