"""Do CRM and the ERP keep to what they have agreed about the orders that both have?"""

from typing import Any

from crmsim.applications.exchange import UNASKED, SalesExchange, SalesScenario
from crmsim.business.document import Owner
from crmsim.business.sales import SalesKind
from crmsim.checks.backend import Finals
from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.trace.journal import Event

__all__ = [
    "ERP_CHANGES_STAY",
    "FOLLOW_UPS_IN_PLACE",
    "LOCKED_BEFORE_CHANGED",
    "LOCKS_APART",
    "ONE_SWITCH",
    "SHOWN_ONLY",
]


def _exchange(scene: Scene, ending: Ending) -> SalesExchange:
    """Return what was agreed."""
    found = UNASKED
    for crm in scene.topology.sites("crm"):
        found = ending.stores[crm].get("policies", "exchange", UNASKED)
    return found


class _ErpChangesStay(Judge):
    """I-54: where each system changes its own orders, nothing that people at the ERP did to an
    order of CRM changes it in CRM.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._born_in_erp: dict[str, None] = {}
        self._news: list[Event] = []

    def on_booked(self, event: Event) -> None:
        if event.detail.get("by") and event.detail["version"] == 1:
            self._born_in_erp[str(event.detail["guid"])] = None

    def on_committed(self, event: Event) -> None:
        self.judged += 1
        if event.detail.get("by") == "erp" and event.detail["guid"] not in self._born_in_erp:
            self._news.append(event)

    def end(self, ending: Ending) -> None:
        if _exchange(self.scene, ending).scenario is SalesScenario.DEFAULT:
            for event in self._news:
                self.blame(f"the ERP changed order {event.subject} of CRM in CRM Online", event)


class _ShownOnly(Finals):
    """I-55: what belongs to the ERP nobody changes in CRM or on a laptop, and none of it goes to
    the ERP; when all is quiet, CRM has it as the ERP has it.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._erps: dict[str, None] = {}
        """GUIDs of what belongs to the ERP, as CRM Online knows."""

    def on_committed(self, event: Event) -> None:
        super().on_committed(event)
        guid = str(event.detail["guid"])
        if guid in self._erps:
            self.judged += 1
            if event.detail.get("by") != "erp":
                self.blame(f"{event.subject} belongs to the ERP, and was changed in CRM", event)
        if event.detail.get("owner") == Owner.ERP.name:
            self._erps[guid] = None

    def on_enqueued(self, event: Event) -> None:
        is_here = self.scene.kind_of(event.actor) == "crm"
        is_upload = is_here and str(event.detail["queue"]).startswith("R3AU_")
        if is_upload and str(event.detail["guid"]) in self._erps:
            self.blame(f"{event.subject} belongs to the ERP, and is on its way there", event)

    def compare(self, ending: Ending) -> None:
        erp = self.erp(ending)
        for guid, record in self.crm(ending).items():
            document = record.document
            if document.owner is not Owner.ERP or document.order.reference in ending.waiting:
                continue
            self.judged += 1
            theirs = [booked.order.as_sales_order() for booked in erp.get(guid, ())]
            if theirs != [document.order]:
                self.blame(f"CRM does not show {document.order.reference} as the ERP has it")


class _OneSwitch(Judge):
    """I-56: an order changes hands at most once, and only from CRM to the ERP."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._owners: dict[str, str] = {}

    def on_committed(self, event: Event) -> None:
        guid, now = str(event.detail["guid"]), str(event.detail.get("owner", Owner.CRM.name))
        before = self._owners.setdefault(guid, now)
        self.judged += now != Owner.CRM.name
        if (before, now) not in ((now, now), (Owner.CRM.name, Owner.ERP.name)):
            self.blame(f"{event.subject} went from {before} to {now}", event)
        self._owners[guid] = now


class _LockedBeforeChanged(Judge):
    """I-60: what the ERP has too is changed in CRM only under a lock that the ERP has given for it,
    that CRM has not left yet, and whose lease is not over. So nobody changes it while the ERP
    cannot be reached.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._given: dict[tuple[str, int], None] = {}
        self._held: dict[str, int] = {}
        """Reference -> the lock that CRM has."""

    def on_locked(self, event: Event) -> None:
        epoch = int(str(event.detail["epoch"]))
        if self.scene.kind_of(event.actor) == "erp":
            self._given[event.subject, epoch] = None
        else:
            self._held[event.subject] = epoch

    def on_unlocked(self, event: Event) -> None:
        if self.scene.kind_of(event.actor) == "crm":
            self._held.pop(event.subject, None)
        else:
            self._given.pop((event.subject, int(str(event.detail["epoch"]))), None)

    def on_crashed(self, event: Event) -> None:
        if self.scene.topology.kind(event.actor) == "crm":
            self._held.clear()

    def on_committed(self, event: Event) -> None:
        if "epoch" not in event.detail:
            return
        self.judged += 1
        epoch = int(str(event.detail["epoch"]))
        if (event.subject, epoch) not in self._given or self._held.get(event.subject) != epoch:
            self.blame(f"{event.subject} was changed in CRM without a lock of the ERP", event)


class _LocksApart(Judge):
    """I-61: never have somebody in CRM and somebody at the ERP the same order open, and the ERP
    neither delivers nor bills what somebody in CRM has open.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._open: dict[str, str] = {}
        """Reference -> in which system somebody has it open."""
        self._epochs: dict[str, object] = {}
        """Reference -> the lock under which it was opened last."""

    def on_locked(self, event: Event) -> None:
        holder = str(event.detail["holder"])
        if holder != self.scene.kind_of(event.actor):
            return  # the ERP has given CRM a lock; CRM has the order open when it knows that
        self.judged += 1
        other = self._open.get(event.subject, holder)
        if other != holder:
            self.blame(f"{event.subject} is open in {holder} and in {other}", event)
        self._open[event.subject] = holder
        self._epochs[event.subject] = event.detail["epoch"]

    def on_unlocked(self, event: Event) -> None:
        is_lapsed = event.detail["why"] == "lease over"  # whoever stands still does not notice
        is_this = self._epochs.get(event.subject) == event.detail["epoch"]
        if event.detail["holder"] == self.scene.kind_of(event.actor) or (is_lapsed and is_this):
            self._open.pop(event.subject, None)

    def on_crashed(self, event: Event) -> None:
        kind = self.scene.topology.kind(event.actor)
        self._open = {one: who for one, who in self._open.items() if who != kind}

    def on_posted(self, event: Event) -> None:
        if self._open.get(event.subject) == "crm":
            self.blame(f"{event.subject} went on in the ERP while it was open in CRM", event)


class _FollowUps(Judge):
    """I-62: what follows a quotation of CRM that has gone to the ERP is made in the ERP; what
    follows one of the ERP may be made in CRM.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._gone: dict[str, None] = {}
        """References of quotations of CRM that the ERP has booked."""

    def on_booked(self, event: Event) -> None:
        if event.detail.get("object") == SalesKind.QUOTATION.value and "by" not in event.detail:
            self._gone[event.subject] = None

    def on_committed(self, event: Event) -> None:
        preceding: Any = event.detail.get("preceding")
        if not preceding or event.detail["version"] != 1:
            return
        self.judged += 1
        if preceding in self._gone and event.detail.get("by") != "erp":
            self.blame(f"{event.subject} follows {preceding}, which has gone to the ERP", event)


ERP_CHANGES_STAY = Check(
    "what people at the ERP do to CRM's orders stays there",
    Mood.ALWAYS,
    ("I-54",),
    _ErpChangesStay,
)
SHOWN_ONLY = Check("what belongs to the ERP is only shown", Mood.EVENTUALLY, ("I-55",), _ShownOnly)
ONE_SWITCH = Check("an order changes hands at most once", Mood.ALWAYS, ("I-56",), _OneSwitch)
LOCKED_BEFORE_CHANGED = Check(
    "what the ERP has too is changed under its lock", Mood.ALWAYS, ("I-60",), _LockedBeforeChanged
)
LOCKS_APART = Check(
    "no order is open in CRM and the ERP at once", Mood.ALWAYS, ("I-61",), _LocksApart
)
FOLLOW_UPS_IN_PLACE = Check(
    "what follows a quotation is made where it went", Mood.ALWAYS, ("I-62",), _FollowUps
)
