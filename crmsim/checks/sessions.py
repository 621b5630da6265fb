"""Did laptops and server catch up without losing, doubling or reordering anything?"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget
from crmsim.middleware.queue import laptop_of
from crmsim.sync.conflict import ConflictPolicy
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event

__all__ = [
    "ANSWERED_ONCE",
    "COUNTERS_ARE_TRUE",
    "IMPORT_IN_ORDER",
    "MESSAGES_ONCE",
    "NOTHING_SILENT",
    "PHASES_IN_ORDER",
    "RECEIPTS_FIRST",
    "REFUSED_LEAVES_NOTHING",
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


class _AnsweredOnce(Judge):
    """I-29: every change of a laptop gets at most one answer, confirmation or rejection, and
    exactly one when all is quiet. A laptop that has lost its disk asks for no answer any more.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._answers: dict[str, int] = {}
        self._imported: dict[str, int] = {}
        self._asked: dict[str, dict[str, None]] = {}
        """Laptop -> changes that are saved on its disk."""
        self._gone: dict[str, None] = {}
        """Changes of disks that are lost."""

    def on_saved(self, event: Event) -> None:
        message = str(event.detail["message"])
        self._answers.setdefault(message, 0)
        self._asked.setdefault(event.actor, {})[message] = None

    def on_wiped(self, event: Event) -> None:
        self._gone |= self._asked.pop(event.actor, {})

    def on_imported(self, event: Event) -> None:
        message = str(event.detail.get("answers", ""))
        if message:
            self._imported[message] = self._imported.get(message, 0) + 1
            if message in self._gone:
                self.blame(f"{event.actor} got an answer to {message} of a lost disk", event)
            if self._imported[message] > 1:
                self.blame(f"{event.actor} got a second answer to {message}", event)

    def on_confirmed(self, event: Event) -> None:
        self.judged += 1
        self._answers[event.subject] = self._answers.get(event.subject, 0) + 1
        if self._answers[event.subject] > 1:
            self.blame(f"{event.subject} was answered a second time", event)

    on_rejected = on_confirmed

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for message, count in self._answers.items():
            if message in ending.set_aside:
                continue
            if count == 0:
                self.blame(f"all is quiet, but nobody ever answered {message}")
            elif message not in self._imported and message not in self._gone:
                self.blame(f"all is quiet, but the answer to {message} never reached its laptop")


class _Counters(Judge):
    """I-30: of every document, a laptop counts as many changes without an answer as there are, and
    never more of them as uploaded than that; when all is quiet, both are 0.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._open: dict[tuple[str, str], dict[str, None]] = {}
        """(laptop, document) -> changes without an answer."""
        self._creations: dict[str, None] = {}

    def on_saved(self, event: Event) -> None:
        key, message = (event.actor, str(event.detail["guid"])), str(event.detail["message"])
        if event.detail.get("task") == "insert":
            self._creations[message] = None
        self._open.setdefault(key, {})[message] = None
        self._compare(key, event)

    def on_imported(self, event: Event) -> None:
        key = event.actor, str(event.detail.get("guid", ""))
        message = str(event.detail.get("answers", ""))
        if not message or key not in self._open:
            return
        self._open[key].pop(message, None)
        if event.detail["what"] == "rejection" and message in self._creations:
            self._open.pop(key)  # a refused creation takes all changes of it away
            return
        self._compare(key, event)

    def _compare(self, key: tuple[str, str], event: Event) -> None:
        self.judged += 1
        pending, upload = (int(str(event.detail.get(n, 0))) for n in ("pending", "upload"))
        if pending != len(self._open[key]):
            self.blame(
                f"{key[0]} counts {pending} changes of {event.subject} without an answer; there "
                f"are {len(self._open[key])}",
                event,
            )
        if not 0 <= upload <= pending:
            self.blame(f"{key[0]} counts {upload} of {pending} changes as uploaded", event)

    def on_wiped(self, event: Event) -> None:
        forget(self._open, event.actor)

    def end(self, ending: Ending) -> None:
        for laptop in self.scene.topology.sites("mobile") if ending.is_quiet else ():
            for local in ending.stores[laptop].table("orders").values():
                reference = local.document.order.reference
                if reference in ending.waiting or laptop in ending.set_aside:
                    continue
                self.judged += 1
                if local.pending or local.upload:
                    self.blame(f"all is quiet, but {laptop} counts changes of order {reference}")


class _NoTrace(Judge):
    """I-33, I-34: a creation that was refused leaves nothing behind: not on its laptop, not in CRM
    Online or the CDB, not in the ERP and not on other laptops, unless it was accepted later.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._created: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        """Document -> the message that was to create it."""

    def on_saved(self, event: Event) -> None:
        if event.detail.get("task") == "insert":
            self._created[str(event.detail["message"])] = str(event.detail["guid"])

    def on_rejected(self, event: Event) -> None:
        guid = self._created.get(event.subject)
        if guid is not None:
            self._refused[guid] = event.subject

    def on_committed(self, event: Event) -> None:
        self._refused.pop(str(event.detail["guid"]), None)

    def end(self, ending: Ending) -> None:
        for guid, message in self._refused.items() if ending.is_quiet else ():
            self.judged += 1
            for site, store in ending.stores.items():
                rows = (*store.table("orders").values(), *store.table("cdb").values())
                if site not in ending.set_aside and any(guid == _guid_in(row) for row in rows):
                    self.blame(f"{message} was refused, but {site} has what it was to create")


def _guid_in(row: object) -> str:
    document = getattr(row, "document", row)
    return str(getattr(getattr(document, "order", None), "guid", ""))


class _NothingSilent(Judge):
    """I-80: no change of a field is lost without a word: of what a confirmed change of a laptop
    wanted, CRM Online had each field as wanted when it took the change over, or the laptop's inbox
    says that it does not count; never both.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._wanted: dict[str, dict[str, str]] = {}
        self._had: dict[str, dict[str, str]] = {}

    def on_saved(self, event: Event) -> None:
        wanted = _pairs(event)
        if wanted:
            self._wanted[str(event.detail["message"])] = wanted

    def on_committed(self, event: Event) -> None:
        self._had[str(event.detail["message"])] = _pairs(event)

    def on_imported(self, event: Event) -> None:
        message = str(event.detail.get("answers", ""))
        wanted, had = self._wanted.pop(message, None), self._had.pop(message, {})
        if wanted is None or event.detail["what"] == "rejection":
            return
        self.judged += 1
        told = event.detail.get("told", ())
        told_of = set(map(str, told)) if isinstance(told, tuple | list) else set()
        counts = {name for name, value in wanted.items() if had.get(name) == value}
        for name in wanted:
            if name not in counts and name not in told_of:
                self.blame(f"{message} was confirmed, but {name} of it counts nowhere", event)
            if name in counts and name in told_of:
                self.blame(f"{message}: {name} counts, though its author was told no", event)


def _pairs(event: Event) -> dict[str, str]:
    fields = event.detail.get("fields", ())
    return dict(fields) if isinstance(fields, tuple | list) else {}


class _PolicyHolds(Judge):
    """I-81: conflicts are settled as the policy of CRM says. Unless the last writer wins, no change
    takes the place of what another laptop had put into the same field since the save that its
    author had seen; if the whole document counts, none is taken over after any change by another.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._saves: dict[str, tuple[str, int]] = {}
        """Change -> (laptop, save of CRM Online that its author had seen)."""
        self._fields: dict[tuple[str, str], tuple[str, int, str]] = {}
        """(document, field) -> (laptop, save, value) that changed it last."""
        self._latest: dict[str, dict[str, int]] = {}
        """Document -> laptop -> save that its latest change became."""
        self._over_field: list[tuple[str, Event]] = []
        self._over_document: list[tuple[str, Event]] = []

    def on_saved(self, event: Event) -> None:
        base = int(str(event.detail.get("base", 0)))
        self._saves[str(event.detail["message"])] = event.actor, base

    def on_committed(self, event: Event) -> None:
        message, guid = str(event.detail["message"]), str(event.detail["guid"])
        if message not in self._saves or "save" not in event.detail:
            return
        laptop, base = self._saves[message]
        save = int(str(event.detail["save"]))
        latest = self._latest.setdefault(guid, {})
        self.judged += 1
        if any(made > base for other, made in latest.items() if other != laptop):
            self._over_document.append((f"{message} was taken over as a whole", event))
        for name, value in _pairs(event).items():
            other, made, before = self._fields.get((guid, name), (laptop, 0, value))
            if other != laptop and made > base and before != value:
                self._over_field.append((f"{message} overwrote {name} of {other}", event))
            if before != value or other == laptop:
                self._fields[guid, name] = laptop, save, value
        latest[laptop] = save

    def end(self, ending: Ending) -> None:
        for crm in self.scene.topology.sites("crm"):
            policy = ending.stores[crm].get("policies", "conflict")
            blamed = {
                ConflictPolicy.FIELD_MERGE: self._over_field,
                ConflictPolicy.DOCUMENT: self._over_document,
            }.get(policy, [])
            for text, event in blamed:
                self.blame(f"{text}, which its author had not seen ({policy.value})", event)


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
ANSWERED_ONCE = Check(
    "every change gets exactly one answer", Mood.EVENTUALLY, ("I-29",), _AnsweredOnce
)
COUNTERS_ARE_TRUE = Check(
    "laptops count the changes that nobody has answered", Mood.ALWAYS, ("I-30",), _Counters
)
REFUSED_LEAVES_NOTHING = Check(
    "a refused creation leaves nothing behind", Mood.EVENTUALLY, ("I-33", "I-34"), _NoTrace
)
NOTHING_SILENT = Check(
    "no change of a field is lost without a word", Mood.ALWAYS, ("I-80",), _NothingSilent
)
POLICY_HOLDS = Check(
    "conflicts are settled as the policy says", Mood.ALWAYS, ("I-81",), _PolicyHolds
)
PHASES_IN_ORDER = Check(
    "sessions go through their phases in order", Mood.ALWAYS, ("I-23", "I-24"), _Phases
)
