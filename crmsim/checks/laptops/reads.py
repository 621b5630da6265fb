"""Did whoever asked hear what was known where he asked?

What a laptop knows is old by nature, but never older than its last session. What CRM Online knows
is what was written there, on whatever channel.
"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget
from crmsim.middleware.queue import laptop_of
from crmsim.middleware.replication import Kind
from crmsim.trace.journal import Event

__all__ = ["OWN_WRITES_ARE_SEEN", "STALENESS_IS_BOUNDED", "WITHIN_THE_CDB"]


class _OwnWrites(Judge):
    """Read your writes: on every channel that is served by CRM Online, whoever asks sees what CRM
    Online had stored by then, wherever it was written; on a laptop the rep sees everything that he
    wrote there and nobody has answered.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._online: dict[str, int] = {}
        self._open: dict[tuple[str, str], dict[str, None]] = {}
        """(laptop, document) -> changes without an answer."""
        self._creations: dict[str, None] = {}

    def on_committed(self, event: Event) -> None:
        guid, save = str(event.detail["guid"]), int(str(event.detail.get("save", 0)))
        self._online[guid] = max(save, self._online.get(guid, 0))

    def on_saved(self, event: Event) -> None:
        key, message = (event.actor, str(event.detail["guid"])), str(event.detail["message"])
        self._open.setdefault(key, {})[message] = None
        if event.detail["task"] == "insert":
            self._creations[message] = None

    def on_imported(self, event: Event) -> None:
        key = event.actor, str(event.detail.get("guid", ""))
        message = str(event.detail.get("answers", ""))
        if message and key in self._open:
            self._open[key].pop(message, None)
            if event.detail["what"] == "rejection" and message in self._creations:
                self._open.pop(key)  # a refused creation takes all changes of it away

    on_unread = on_imported

    def on_wiped(self, event: Event) -> None:
        forget(self._open, event.actor)

    def on_read(self, event: Event) -> None:
        self.judged += 1
        guid = str(event.detail["guid"])
        save, pending = (int(str(event.detail[name])) for name in ("save", "pending"))
        if event.detail["channel"] == "rep":
            due = len(self._open.get((event.actor, guid), {}))
            if pending != due:
                self.blame(f"{event.actor} saw {pending} of {due} changes of his own", event)
        elif save < self._online.get(guid, 0):
            self.blame(
                f"{event.detail['channel']} saw save {save} of {event.subject}, though CRM Online "
                f"had save {self._online[guid]}",
                event,
            )


class _Bounded(Judge):
    """Bounded staleness: whoever asks a rep sees at least what lay ready for the laptop when its
    last whole session began to receive. What has left the laptop, could not be read there, or was
    for a disk that is lost, is left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._ready: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """(laptop, document) -> (event, save) of what was put into its queue."""
        self._began: dict[str, int] = {}
        """Laptop -> the event with which its session began to receive."""
        self._since: dict[str, int] = {}
        """Laptop -> the same of the last session that was whole."""

    def on_enqueued(self, event: Event) -> None:
        queue = str(event.detail["queue"])
        if not queue.endswith(" out"):
            return
        key = laptop_of(queue), str(event.detail["guid"])
        if event.detail["what"] == "delete":
            self._ready.pop(key, None)
        elif event.detail["what"] in ("insert", "update"):
            save = int(str(event.detail["version"]))
            self._ready.setdefault(key, []).append((event.number, save))

    def on_entered(self, event: Event) -> None:
        if event.detail["phase"] == "RECEIVE":
            self._began[event.actor] = event.number

    def on_finished(self, event: Event) -> None:
        self._since[event.actor] = self._began.get(event.actor, 0)

    def on_unread(self, event: Event) -> None:
        self._ready.pop((event.actor, str(event.detail["guid"])), None)

    def on_wiped(self, event: Event) -> None:
        forget(self._ready, event.actor)

    def on_replaced(self, event: Event) -> None:
        forget(self._ready, event.subject)  # what lay ready for the old disk is thrown away

    def on_read(self, event: Event) -> None:
        if event.detail["channel"] != "rep":
            return
        self.judged += 1
        laptop, guid = event.actor, str(event.detail["guid"])
        ready, since = self._ready.get((laptop, guid), []), self._since.get(laptop, 0)
        due = max((save for number, save in ready if number < since), default=0)
        seen = int(str(event.detail["save"]))
        if seen < due:
            self.blame(
                f"{laptop} saw save {seen} of {event.subject}, though save {due} lay ready before "
                "its last session",
                event,
            )


class _WithinCdb(Judge):
    """When all is quiet, the laptops together hold nothing that the CDB does not hold: it is the
    union of what is on them. What waits for a person is left out, and what is sent once and never
    taken back.
    """

    def end(self, ending: Ending) -> None:
        servers = self.scene.topology.sites("crm")
        if not ending.is_quiet or not servers:
            return
        store = ending.stores[servers[0]]
        orders, records = store.table("cdb"), store.table("cdb records")
        kinds = {name: one.kind for name, one in store.table("model").items()}
        for laptop in self.scene.topology.sites("mobile"):
            if laptop in ending.set_aside:
                continue
            for guid, local in ending.stores[laptop].table("orders").items():
                if local.base is not None and local.reference not in ending.waiting:
                    self._compare(laptop, f"order {local.reference}", is_there=guid in orders)
            for key in ending.stores[laptop].table("records"):
                is_kept = kinds.get(key[0]) in (Kind.INTELLIGENT, Kind.DEPENDENT)
                if is_kept and " ".join(key) not in ending.waiting:
                    self._compare(laptop, " ".join(key), is_there=key in records)

    def _compare(self, laptop: str, name: str, *, is_there: bool) -> None:
        self.judged += 1
        if not is_there:
            self.blame(f"{laptop} holds {name}, the CDB does not")


OWN_WRITES_ARE_SEEN = Check(
    "whoever asks sees what was written where he asks", Mood.ALWAYS, ("S-1",), _OwnWrites
)
STALENESS_IS_BOUNDED = Check(
    "no laptop is older than its last session", Mood.ALWAYS, ("S-2",), _Bounded
)
WITHIN_THE_CDB = Check(
    "laptops hold nothing that the CDB does not hold", Mood.EVENTUALLY, ("S-3",), _WithinCdb
)
