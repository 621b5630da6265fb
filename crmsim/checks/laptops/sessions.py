"""Did laptops and server catch up without losing, doubling or reordering anything?"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.middleware.queue import laptop_of
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event

__all__ = [
    "IMPORT_IN_ORDER",
    "MESSAGES_ONCE",
    "PHASES_IN_ORDER",
    "RECEIPTS_FIRST",
    "VALIDATED_IN_ORDER",
]


Place = tuple[int, int]
"""(disk of the laptop, number of a save on it)."""


class _ValidatedInOrder(Judge):
    """I-25: CRM validates the changes of one laptop in the order they were saved, except those it
    parked; for one document the order always holds. What a person has processed again comes late
    by its nature and is not judged here.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._saves: dict[str, tuple[str, Place, str]] = {}
        self._disks: dict[str, int] = {}
        self._parked: set[str] = set()
        self._processed_again: set[str] = set()
        self._latest_of_site: dict[str, Place] = {}
        self._latest_of_document: dict[tuple[str, str], Place] = {}

    def on_saved(self, event: Event) -> None:
        place = self._disks.get(event.actor, 0), int(str(event.detail["number"]))
        message, guid = str(event.detail["message"]), str(event.detail["guid"])
        self._saves[message] = (event.actor, place, guid)

    def on_wiped(self, event: Event) -> None:
        self._disks[event.actor] = int(str(event.detail["disk"]))

    def on_parked(self, event: Event) -> None:
        self._parked.add(event.subject)

    def on_administered(self, event: Event) -> None:
        if event.detail["action"] == "reprocess":
            self._processed_again.add(event.subject)

    def on_effected(self, event: Event) -> None:
        if event.subject not in self._saves or event.subject in self._processed_again:
            return
        self.judged += 1
        site, place, guid = self._saves[event.subject]
        of_document = self._latest_of_document.get((site, guid), (0, 0))
        of_site = self._latest_of_site.get(site, (0, 0))
        if place < of_document:
            self.blame(f"{event.subject} was validated after a later change of its document", event)
        elif place < of_site and event.subject not in self._parked:
            self.blame(f"{event.subject} was validated after a later change of {site}", event)
        self._latest_of_document[site, guid] = max(place, of_document)
        if event.subject not in self._parked:
            self._latest_of_site[site] = max(place, of_site)


class _ReceiptsFirst(Judge):
    """I-26: a laptop forgets a change only after the server holds it durably; the server forgets
    what it has for a laptop only after the laptop holds it durably.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._held: set[str] = set()

    def on_received(self, event: Event) -> None:
        self._held.add(event.subject)

    def on_cleared(self, event: Event) -> None:
        self.judged += 1
        if event.subject not in self._held:
            self.blame(f"{event.actor} forgot {event.subject} before the other side held it", event)


class _MessagesOnce(Judge):
    """I-27: whatever crashes or breaks off, each message of a session takes effect at most once,
    and exactly once when all is quiet: uploads in CRM, downloads on the laptop. What lay ready for
    a disk that was lost is not due any more.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._due: dict[str, str] = {}
        self._ready: dict[str, dict[str, None]] = {}
        """Laptop -> news for it that it has not imported."""
        self._fetched: dict[str, None] = {}
        """News that CRM has forgotten, because the laptop holds it."""
        self._done: dict[str, int] = {}

    def on_saved(self, event: Event) -> None:
        self._due[str(event.detail["message"])] = "CRM"

    def on_enqueued(self, event: Event) -> None:
        if str(event.detail["queue"]).endswith(" out"):
            self._due[event.subject] = "its laptop"
            laptop = laptop_of(str(event.detail["queue"]))
            self._ready.setdefault(laptop, {})[event.subject] = None

    def on_cleared(self, event: Event) -> None:
        if str(event.detail["queue"]).endswith(" out"):
            self._fetched[event.subject] = None

    def on_wiped(self, event: Event) -> None:
        ready = self._ready.get(event.actor, {})
        for news in [news for news in ready if news in self._fetched]:
            del ready[news]
            self._due.pop(news, None)

    def on_replaced(self, event: Event) -> None:
        for news in self._ready.pop(event.subject, {}):
            self._due.pop(news, None)

    def on_effected(self, event: Event) -> None:
        self._count(event)

    def on_imported(self, event: Event) -> None:
        self._ready.get(event.actor, {}).pop(event.subject, None)
        self._count(event)

    def _count(self, event: Event) -> None:
        if event.subject not in self._due:
            return
        self.judged += 1
        self._done[event.subject] = self._done.get(event.subject, 0) + 1
        if self._done[event.subject] > 1:
            where = self._due[event.subject]
            self.blame(f"{event.subject} took effect a second time in {where}", event)

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for message, where in self._due.items():
            if message not in self._done and message not in ending.set_aside:
                self.blame(f"all is quiet, but {message} never took effect in {where}")


class _ImportInOrder(Judge):
    """I-28: a laptop imports in the order of its queue, and each publication in its order; that
    begins anew on a new disk, or when it was taken away meanwhile.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._latest: dict[tuple[str, str], int] = {}

    def on_replaced(self, event: Event) -> None:
        for laptop, publication in list(self._latest):
            if laptop == event.subject and publication:
                del self._latest[laptop, publication]

    def on_imported(self, event: Event) -> None:
        self.judged += 1
        position = int(str(event.detail["position"]))
        self._latest.pop((event.actor, str(event.detail.get("guid") or "-")), None)
        queue = event.actor, str(event.detail.get("publication", ""))
        if position <= self._latest.get(queue, 0):
            self.blame(
                f"{event.actor} imported position {position} after {self._latest[queue]}",
                event,
            )
        self._latest[queue] = max(position, self._latest.get(queue, 0))


class _Phases(Judge):
    """I-23 and I-24: a session goes through its phases in order (INIT, AUTH, SEND, RECEIVE, IMPORT,
    FINAL; a broken one may go straight to IMPORT), no session begins while another one of the same
    laptop goes on, and nothing is sent while the laptop imports.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._at: dict[str, tuple[str, Phase]] = {}
        self._broken: set[str] = set()

    def on_entered(self, event: Event) -> None:
        self.judged += 1
        phase = Phase(event.detail["phase"])
        session, before = self._at.get(event.actor, ("", None))
        if phase is Phase.INIT:
            if session:
                self.blame(f"{event.subject} began while {session} was still going on", event)
        elif session != event.subject or before is None or _place(phase) <= _place(before):
            self.blame(f"{event.subject} entered {phase.value} out of order", event)
        self._at[event.actor] = (event.subject, phase)
        if phase is Phase.FINAL and event.subject in self._broken:
            self._at.pop(event.actor)  # it imported what it had, and that was its end

    def on_broken(self, event: Event) -> None:
        self._broken.add(event.subject)
        if Phase(event.detail["phase"]) in (Phase.INIT, Phase.IMPORT, Phase.FINAL):
            self._at.pop(event.actor, None)

    def on_finished(self, event: Event) -> None:
        self._at.pop(event.actor, None)

    def on_crashed(self, event: Event) -> None:
        self._at.pop(event.actor, None)

    def on_sent(self, event: Event) -> None:
        _, phase = self._at.get(event.actor, ("", None))
        if phase in (Phase.IMPORT, Phase.FINAL):
            self.blame(f"{event.actor} sent {event.detail['message']} during {phase.value}", event)


def _place(phase: Phase) -> int:
    return list(Phase).index(phase)


VALIDATED_IN_ORDER = Check(
    "changes are validated in the order they were saved",
    Mood.ALWAYS,
    ("I-25",),
    _ValidatedInOrder,
)
RECEIPTS_FIRST = Check(
    "nobody forgets what the other side does not hold", Mood.ALWAYS, ("I-26",), _ReceiptsFirst
)
MESSAGES_ONCE = Check(
    "every message of a session takes effect exactly once",
    Mood.EVENTUALLY,
    ("I-27",),
    _MessagesOnce,
)
IMPORT_IN_ORDER = Check(
    "laptops import in the order of their queue", Mood.ALWAYS, ("I-28",), _ImportInOrder
)
PHASES_IN_ORDER = Check(
    "sessions go through their phases in order", Mood.ALWAYS, ("I-23", "I-24"), _Phases
)
