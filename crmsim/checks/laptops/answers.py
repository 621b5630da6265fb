"""Was every change answered, was nothing lost without a word, did conflicts end as agreed?"""

from collections.abc import Iterator

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget
from crmsim.kernel.durable import Store
from crmsim.sync.conflict import ConflictPolicy
from crmsim.trace.journal import Event

__all__ = [
    "ANSWERED_ONCE",
    "BEFORE_IMAGES",
    "COUNTERS_ARE_TRUE",
    "NOTHING_SILENT",
    "OWN_ANSWERS",
    "POLICY_HOLDS",
    "REFUSED_LEAVES_NOTHING",
]


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

    on_unread = on_imported

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
        if key not in self._open or event.detail["what"] == "removal":
            return
        self._open[key].pop(message, None)  # news answer nothing, and leave everything on top
        if event.detail["what"] == "rejection" and message in self._creations:
            self._open.pop(key)  # a refused creation takes all changes of it away
            return
        self._compare(key, event)

    on_unread = on_imported

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
            store = ending.stores[laptop]
            for local in (*store.table("orders").values(), *store.table("overlays").values()):
                if local.reference in ending.waiting or laptop in ending.set_aside:
                    continue
                self.judged += 1
                if local.pending or local.upload:
                    kind = "order " if local.object == "order" else ""
                    self.blame(
                        f"all is quiet, but {laptop} counts changes of {kind}{local.reference}"
                    )


class _OwnAnswers(Judge):
    """I-31: an answer comes to the laptop that made the change, and to no other."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._authors: dict[str, str] = {}

    def on_saved(self, event: Event) -> None:
        self._authors[str(event.detail["message"])] = event.actor

    def on_imported(self, event: Event) -> None:
        message = str(event.detail.get("answers", ""))
        if not message:
            return
        self.judged += 1
        author = self._authors.get(message, "nobody")
        if author != event.actor:
            self.blame(f"{event.actor} got the answer to {message}, which is {author}'s", event)

    on_unread = on_imported


class _BeforeImages(Judge):
    """I-32: when a change has been refused, its author's laptop shows what the server has of the
    fields that it was about, but for those that the author has changed again. A before-image that
    is older than what the laptop has by then is left out.
    """

    def on_imported(self, event: Event) -> None:
        if "before" not in event.detail:
            return
        before, shows = _pairs(event, "before"), _pairs(event, "shows")
        again = event.detail["again"]
        still = set(map(str, again)) if isinstance(again, tuple | list) else set()
        for name, value in before.items():
            self.judged += 1
            is_covered = name in still or any(name.startswith(f"{part} ") for part in still)
            if not is_covered and shows.get(name) != value:
                self.blame(
                    f"{event.actor} shows {shows.get(name)} for {name} after a refusal, the server "
                    f"has {value}",
                    event,
                )


class _NoTrace(Judge):
    """I-33, I-34: a creation that was refused leaves nothing behind: not on its laptop, not in CRM
    Online or the CDB, not in the ERP and not on other laptops, unless it was accepted later, or
    CRM has another one of that name.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._created: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        """Document -> the message that was to create it."""

    def on_saved(self, event: Event) -> None:
        if event.detail.get("task") == "insert":
            guid = str(event.detail["guid"])
            self._created[str(event.detail["message"])] = guid
            self._refused.pop(guid, None)  # its author makes it anew

    def on_rejected(self, event: Event) -> None:
        guid = self._created.get(event.subject)
        if guid is not None and not event.detail.get("exists"):
            self._refused[guid] = event.subject

    def on_committed(self, event: Event) -> None:
        self._refused.pop(str(event.detail["guid"]), None)

    on_changed = on_committed

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet or not self._refused:
            return
        for site, store in ending.stores.items():
            if site in ending.set_aside:
                continue
            here = dict.fromkeys(_guids_in(store))
            for guid, message in self._refused.items():
                self.judged += 1
                if guid in here:
                    self.blame(f"{message} was refused, but {site} has what it was to create")


def _guids_in(store: Store) -> Iterator[str]:
    """Yield what messages call each thing that a system holds."""
    for table in ("orders", "cdb"):
        for row in store.table(table).values():
            document = getattr(row, "document", row)
            yield str(getattr(getattr(document, "order", None), "guid", ""))
    for table in ("records", "cdb records"):
        yield from (record.identity for record in store.table(table).values())
    yield from store.table("overlays")


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

    def on_changed(self, event: Event) -> None:
        if event.detail.get("message"):
            self._had[str(event.detail["message"])] = _pairs(event, "values")

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


def _pairs(event: Event, name: str = "fields") -> dict[str, str]:
    fields = event.detail.get(name, ())
    return dict(fields) if isinstance(fields, tuple | list) else {}


class _PolicyHolds(Judge):
    """I-81: conflicts are settled as the policy of CRM says. Unless the last writer wins, no change
    takes the place of what another laptop had put into the same field since the save that its
    author had seen; if the whole document counts, none is taken over after any change by another.
    Nothing is deleted that another has changed since.
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
        if "save" in event.detail:
            self._take(event, int(str(event.detail["save"])), _pairs(event))

    def on_changed(self, event: Event) -> None:
        names = event.detail["fields"]
        changed = {f"header {name}" for name in names} if isinstance(names, tuple | list) else set()
        pairs = {n: value for n, value in _pairs(event, "values").items() if n in changed}
        save = int(str(event.detail["version"]))
        if pairs and save > 1:  # who writes what is there already has changed nothing
            self._take(event, save, pairs)

    def _take(self, event: Event, save: int, pairs: dict[str, str]) -> None:
        message, guid = str(event.detail.get("message", "")), str(event.detail["guid"])
        if "by" in event.detail:  # whoever writes in CRM itself sees what is there
            author = str(event.detail["by"]), save - 1
        elif message in self._saves:
            author = self._saves[message]
        else:
            return
        laptop, base = author
        if not pairs and ("by" in event.detail or event.kind == "changed"):
            return  # only released, or nothing that was not so already
        latest = self._latest.setdefault(guid, {})
        self.judged += 1
        if any(made > base for other, made in latest.items() if other != laptop):
            self._over_document.append((f"{message} was taken over as a whole", event))
        for name, value in pairs.items():
            other, made, before = self._fields.get((guid, name), (laptop, 0, value))
            if other != laptop and made > base and before != value:
                self._over_field.append((f"{message} overwrote {name} of {other}", event))
            if before != value or other == laptop:
                self._fields[guid, name] = laptop, save, value
        latest[laptop] = save

    def on_deleted(self, event: Event) -> None:
        guid, message = str(event.detail["guid"]), str(event.detail["message"])
        author, base = self._saves.get(message, ("CRM", int(str(event.detail["version"]))))
        latest = self._latest.pop(guid, {})
        if any(made > base for other, made in latest.items() if other != author):
            told = f"{message} deleted what somebody else had changed"
            self._over_document.append((told, event))
            self._over_field.append((told, event))

    def end(self, ending: Ending) -> None:
        for crm in self.scene.topology.sites("crm"):
            policy = ending.stores[crm].get("policies", "conflict")
            blamed = {
                ConflictPolicy.FIELD_MERGE: self._over_field,
                ConflictPolicy.DOCUMENT: self._over_document,
            }.get(policy, [])
            for text, event in blamed:
                self.blame(f"{text}, which its author had not seen ({policy.value})", event)


ANSWERED_ONCE = Check(
    "every change gets exactly one answer", Mood.EVENTUALLY, ("I-29",), _AnsweredOnce
)
COUNTERS_ARE_TRUE = Check(
    "laptops count the changes that nobody has answered", Mood.ALWAYS, ("I-30",), _Counters
)
REFUSED_LEAVES_NOTHING = Check(
    "a refused creation leaves nothing behind", Mood.EVENTUALLY, ("I-33", "I-34"), _NoTrace
)
OWN_ANSWERS = Check("answers come to their authors alone", Mood.ALWAYS, ("I-31",), _OwnAnswers)
BEFORE_IMAGES = Check(
    "what was refused goes back to what the server has", Mood.ALWAYS, ("I-32",), _BeforeImages
)
NOTHING_SILENT = Check(
    "no change of a field is lost without a word", Mood.ALWAYS, ("I-80",), _NothingSilent
)
POLICY_HOLDS = Check(
    "conflicts are settled as the policy says", Mood.ALWAYS, ("I-81",), _PolicyHolds
)
