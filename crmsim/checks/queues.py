"""Did queues keep their order, and was every unit of work done exactly once?"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.middleware.load import CRM_TO_CDB, LoadKind, LoadStatus, is_work_about
from crmsim.middleware.queue import laptop_of
from crmsim.trace.journal import Event
from crmsim.units import Duration, days, show_moment

__all__ = [
    "BACKLOG_DRAINS",
    "BLOCKED_UNTIL_HELPED",
    "EFFECT_ONCE",
    "HEAD_OF_LINE",
    "IN_ORDER",
    "ISOLATION",
    "ONE_AT_A_TIME",
    "QUEUES_CONSERVE",
    "suspended_by",
]

Queue = tuple[str, str]
"""(actor, name of the queue): the same name lives in two systems."""


Unit = tuple[str, object]
"""(LUW, serial number of its row): two copies of one LUW are two rows."""


def _unit(event: Event) -> Unit:
    return event.subject, event.detail.get("serial")


def _queue(event: Event) -> Queue:
    return event.actor, str(event.detail["queue"])


def _told(queue: Queue) -> str:
    return f"queue {queue[1]} of {queue[0]}"


class _InOrder(Judge):
    """I-6: the units of work (LUWs) of a queue begin in the order in which they were enqueued."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._places: dict[Queue, dict[Unit, int]] = {}
        self._latest: dict[Queue, tuple[int, str]] = {}

    def on_enqueued(self, event: Event) -> None:
        places = self._places.setdefault(_queue(event), {})
        places[_unit(event)] = len(places)

    def on_begun(self, event: Event) -> None:
        queue = _queue(event)
        place = self._places.get(queue, {}).get(_unit(event))
        if place is None:
            self.blame(f"{event.subject} began in {_told(queue)} without being enqueued", event)
            return
        self.judged += 1
        latest, name = self._latest.get(queue, (-1, ""))
        if place < latest:
            self.blame(
                f"{event.subject} began after {name} in {_told(queue)}, "
                "though it was enqueued before it",
                event,
            )
        else:
            self._latest[queue] = (place, event.subject)


class _OneAtATime(Judge):
    """I-7: at most one unit of work (LUW) of a queue is between its beginning and its end."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._running: dict[Queue, dict[Unit, None]] = {}
        self._of_site: dict[str, set[Queue]] = {}

    def on_begun(self, event: Event) -> None:
        self.judged += 1
        queue = _queue(event)
        running = self._running.setdefault(queue, {})
        self._of_site.setdefault(self.scene.site_of(event.actor), set()).add(queue)
        others = [unit[0] for unit in running if unit != _unit(event)]
        if others:
            self.blame(
                f"{event.subject} began while {others[0]} was still running in {_told(queue)}",
                event,
            )
        running[_unit(event)] = None

    def on_ended(self, event: Event) -> None:
        self._running.get(_queue(event), {}).pop(_unit(event), None)

    on_failed = on_ended

    def on_crashed(self, event: Event) -> None:
        for queue in self._of_site.pop(event.actor, set()):
            self._running.pop(queue, None)


class _HeadOfLine(Judge):
    """I-8: a unit of work (LUW) never begins before all earlier ones of its queue have ended, or a
    person has taken them out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._waiting: dict[Queue, dict[Unit, None]] = {}

    def on_enqueued(self, event: Event) -> None:
        self._waiting.setdefault(_queue(event), {})[_unit(event)] = None

    def on_begun(self, event: Event) -> None:
        self.judged += 1
        queue = _queue(event)
        head = next(iter(self._waiting.get(queue, {})), None)
        if head != _unit(event):
            ahead = "it no longer stood there" if head is None else f"{head[0]} stood before it"
            self.blame(f"{event.subject} began in {_told(queue)}, but {ahead}", event)

    def on_ended(self, event: Event) -> None:
        self._waiting.get(_queue(event), {}).pop(_unit(event), None)

    on_administered = on_ended


class _EffectOnce(Judge):
    """I-9: a unit of work (LUW) changes its target at most once, however often it is transmitted,
    repeated after a restart or started again by hand.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._effects: dict[tuple[object, str], int] = {}

    def on_effected(self, event: Event) -> None:
        self.judged += 1
        key = (event.detail["target"], event.subject)
        if key in self._effects:
            self.blame(
                f"{event.subject} took effect in {key[0]} a second time "
                f"(first: event {self._effects[key]})",
                event,
            )
        self._effects.setdefault(key, event.number)


class _Conserve(Judge):
    """I-10: what was put into a queue is done, still lies in it, or was taken out by a person:
    nothing vanishes and nothing comes from nowhere. An outbox goes with the disk that it is on, and
    what lay ready for that disk with it; both are counted.
    """

    TABLES = ("outbound", "inbound")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._balance: dict[Queue, int] = {}

    def on_enqueued(self, event: Event) -> None:
        queue = _queue(event)
        self._balance[queue] = self._balance.get(queue, 0) + 1
        self.judged += 1

    def on_ended(self, event: Event) -> None:
        self._take(event)

    def on_administered(self, event: Event) -> None:
        if "serial" in event.detail:
            self._take(event)

    def on_wiped(self, event: Event) -> None:
        self._balance.pop((event.actor, "outbox"), None)

    def on_replaced(self, event: Event) -> None:
        queue = event.actor, f"CRM_SITE_{event.subject} out"
        thrown_away = int(str(event.detail["thrown_away"]))
        if self._balance.get(queue, 0) != thrown_away:
            self.blame(f"{_told(queue)} was emptied of {thrown_away}, which is not what it held")
        self._balance.pop(queue, None)

    def on_saved(self, event: Event) -> None:
        queue = (event.actor, "outbox")
        self._balance[queue] = self._balance.get(queue, 0) + 1

    def on_cleared(self, event: Event) -> None:
        name = str(event.detail["queue"])
        if name == "outbox" or name.endswith(" out"):
            self._take(event)

    def _take(self, event: Event) -> None:
        queue = _queue(event)
        self._balance[queue] = self._balance.get(queue, 0) - 1
        if self._balance[queue] < 0:
            self.blame(f"{event.subject} left {_told(queue)}, which held nothing", event)

    def end(self, ending: Ending) -> None:
        for queue, balance in self._balance.items():
            lying = self._lying(ending, queue)
            if balance != lying:
                self.blame(f"{_told(queue)}: {balance} should lie in it, {lying} do")

    def _lying(self, ending: Ending, queue: Queue) -> int:
        store = ending.stores[self.scene.site_of(queue[0])]
        if queue[1] == "outbox":
            return len(store.table("outbox"))
        if queue[1].endswith(" out"):
            lying = store.get("site queues", laptop_of(queue[1]))
            return 0 if lying is None else len(lying.contents)
        return sum(len(store.get(table, queue[1], ())) for table in self.TABLES)


class _Blocked(Judge):
    """I-11: after a dump (SYSFAIL) or a cancellation by the application (ANORETRY), nothing begins
    in that queue by itself until a person has done something about it; nor in a queue that was
    locked, until it is unlocked.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._blocked: dict[Queue, Event] = {}

    def on_failed(self, event: Event) -> None:
        if event.detail.get("reason") in ("SYSFAIL", "ANORETRY"):
            self.judged += 1
            if self._why(_queue(event)) != "STOP":
                self._blocked[_queue(event)] = event

    def on_administered(self, event: Event) -> None:
        queue, action = _queue(event), str(event.detail["action"])
        if "refused" in action:
            return
        if action == "lock":
            self.judged += 1
            self._blocked[queue] = event
        elif action == "unlock" or self._why(queue) != "STOP":
            self._blocked.pop(queue, None)

    def _why(self, queue: Queue) -> str:
        """Return the state that a queue is blocked in; empty when it is not."""
        stuck = self._blocked.get(queue)
        return "" if stuck is None else str(stuck.detail.get("reason", "STOP"))

    def on_begun(self, event: Event) -> None:
        stuck = self._blocked.get(_queue(event))
        if stuck is not None:
            self.blame(
                f"{event.subject} began in {_told(_queue(event))}, which was in "
                f"{self._why(_queue(event))} since event {stuck.number}",
                event,
            )


def suspended_by(event: Event) -> tuple[str, str, str] | None:
    """Return (actor, family of queues, object) that a load suspends or releases; None for none."""
    if event.detail["load_kind"] != LoadKind.INITIAL.value:
        return None
    family = "CSA" if event.detail["way"] == CRM_TO_CDB else "R3AD"
    return event.actor, family, str(event.detail["about"])


class _Isolation(Judge):
    """I-13: queues do not wait for each other. A unit of work (LUW) at the head of its queue begins
    at once, or at the moment at which a work process becomes free; a queue that is blocked delays
    no other one. Left out are heads whose wait is their own: put off, repeated, started once more
    by a person, found after a crash; and single changes of what is just being loaded.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._waiting: dict[Queue, dict[Unit, str]] = {}
        """Queue -> its units of work -> what each is about."""
        self._ready_ns: dict[Queue, int] = {}
        """Queue -> since when its head could begin; absent when it runs or waits for its own."""
        self._freed_ns: dict[str, int] = {}
        self._linked: dict[Queue, dict[Queue, None]] = {}
        """Queue -> queues whose work has to be the head here too."""
        self._running: dict[Queue, None] = {}
        self._loading: dict[tuple[str, str, str], None] = {}
        """(actor, family of queues, object) of which single changes are suspended."""

    def on_loaded(self, event: Event) -> None:
        row = suspended_by(event)
        if row is None:
            return
        if event.detail["status"] == LoadStatus.RUNNING.value:
            self._loading[row] = None
        else:
            self._loading.pop(row, None)
        for queue, waiting in self._waiting.items():
            is_idle = bool(waiting) and queue not in self._running
            if is_idle and queue[0] == event.actor and queue[1].startswith(row[1]):
                self._could_begin(queue, event.time_ns)

    def _could_begin(self, queue: Queue, time_ns: int) -> None:
        """Remember since when a head could begin; not at all where a load holds it up."""
        guid = next(iter(self._waiting[queue].values()))
        is_held_up = any(
            actor == queue[0]
            and queue[1].startswith(family)
            and is_work_about(what, queue[1], guid)
            for actor, family, what in self._loading
        )
        if is_held_up:
            self._ready_ns.pop(queue, None)
        else:
            self._ready_ns[queue] = time_ns

    def on_enqueued(self, event: Event) -> None:
        queue = _queue(event)
        waiting = self._waiting.setdefault(queue, {})
        waiting[_unit(event)] = str(event.detail.get("guid", ""))
        if "home" in event.detail:
            home = (event.actor, str(event.detail["home"]))
            self._linked.setdefault(queue, {})[home] = None
        if len(waiting) == 1:
            self._could_begin(queue, event.time_ns)

    def on_begun(self, event: Event) -> None:
        queue = _queue(event)
        ready_ns = self._ready_ns.pop(queue, None)
        self._running[queue] = None
        if ready_ns is None:
            return
        self.judged += 1
        if event.time_ns not in (ready_ns, self._freed_ns.get(event.actor)):
            self.blame(
                f"{event.subject} could begin in {_told(queue)} since {show_moment(ready_ns)}; it "
                "waited for something else than a free work process",
                event,
            )

    def on_ended(self, event: Event) -> None:
        self._freed_ns[event.actor] = event.time_ns
        self._take_out(event)

    def on_failed(self, event: Event) -> None:
        self._freed_ns[event.actor] = event.time_ns
        self._running.pop(_queue(event), None)

    def on_administered(self, event: Event) -> None:
        queue, action = _queue(event), str(event.detail["action"])
        if action == "lock":
            self._ready_ns.pop(queue, None)
        if action == "lock" or "refused" in action:
            return
        if "serial" in event.detail:
            self._take_out(event)
        for free in (queue, *self._linked.get(queue, ())):
            if self._waiting.get(free) and free not in self._running:
                self._could_begin(free, event.time_ns)

    def _take_out(self, event: Event) -> None:
        queue = _queue(event)
        waiting = self._waiting.get(queue, {})
        waiting.pop(_unit(event), None)
        self._running.pop(queue, None)
        if waiting:
            self._could_begin(queue, event.time_ns)
        else:
            self._ready_ns.pop(queue, None)

    def on_crashed(self, event: Event) -> None:
        for queue in [*self._ready_ns, *self._running]:
            if self.scene.site_of(queue[0]) == event.actor:
                self._ready_ns.pop(queue, None)
                self._running.pop(queue, None)

    on_paused = on_crashed


BACKLOG_BOUND: Duration = days(1)
"""Within which time of the end of all trouble a unit of work must reach the ERP (assumed)."""


class _Backlog(Judge):
    """I-15: what waits in CRM for the ERP takes effect there within a day of the end of the trouble
    that held it up: a fault of the network, a crash, a pause, a queue that was stuck. What still
    stands in a stuck queue is left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._since_ns: dict[str, tuple[int, str]] = {}
        """LUW -> (when it came, its queue)"""
        self._troubles: dict[str, None] = {}
        self._over_ns = 0
        self._stuck: dict[str, None] = {}
        self._helped_ns: dict[str, int] = {}
        """Queue -> when somebody did something about it last."""

    def on_enqueued(self, event: Event) -> None:
        queue = str(event.detail["queue"])
        if queue.startswith("R3AU_") and self.scene.kind_of(event.actor) == "crm":
            self._since_ns.setdefault(event.subject, (event.time_ns, queue))

    def on_effected(self, event: Event) -> None:
        if self.scene.kind_of(event.actor) == "erp" and event.subject in self._since_ns:
            self.judged += 1
            since_ns, queue = self._since_ns.pop(event.subject)
            begin_ns = max(since_ns, self._helped_ns.get(queue, 0))
            self._compare(event.subject, begin_ns, event.time_ns, event)

    def _compare(self, luw: str, since_ns: int, end_ns: int, event: Event | None = None) -> None:
        late_ns = end_ns - max(since_ns, self._over_ns)
        if late_ns > BACKLOG_BOUND and not self._troubles:
            since = show_moment(max(since_ns, self._over_ns))
            what = "still waits for" if event is None else "had to wait for"
            self.blame(f"{luw} {what} the ERP, though nothing holds it up since {since}", event)

    def on_struck(self, event: Event) -> None:
        self._troubles[event.subject] = None

    def on_lifted(self, event: Event) -> None:
        self._troubles.pop(event.subject, None)
        self._over_ns = event.time_ns

    def on_crashed(self, event: Event) -> None:
        if self.scene.topology.kind(event.actor) in ("crm", "erp"):
            self._troubles[event.actor] = None

    on_paused = on_crashed

    def on_restarted(self, event: Event) -> None:
        if self.scene.topology.kind(event.actor) in ("crm", "erp"):
            self._troubles.pop(event.actor, None)
            self._over_ns = event.time_ns

    on_resumed = on_restarted

    def on_failed(self, event: Event) -> None:
        if event.detail["reason"] in ("SYSFAIL", "ANORETRY"):
            self._stuck[str(event.detail["queue"])] = None

    def on_administered(self, event: Event) -> None:
        queue, action = str(event.detail["queue"]), str(event.detail["action"])
        if "refused" in action:
            return
        if action == "lock":
            self._stuck[queue] = None
        else:
            self._stuck.pop(queue, None)
            self._helped_ns[queue] = event.time_ns
        if "serial" in event.detail:
            self._since_ns.pop(event.subject, None)

    def end(self, ending: Ending) -> None:
        for luw, (since_ns, queue) in self._since_ns.items():
            if queue not in self._stuck:
                self.judged += 1
                self._compare(luw, max(since_ns, self._helped_ns.get(queue, 0)), ending.end_ns)


IN_ORDER = Check("units of work begin in the order of their queue", Mood.ALWAYS, ("I-6",), _InOrder)
ONE_AT_A_TIME = Check("a queue works on one unit at a time", Mood.ALWAYS, ("I-7",), _OneAtATime)
HEAD_OF_LINE = Check(
    "no unit of work overtakes the head of its queue", Mood.ALWAYS, ("I-8",), _HeadOfLine
)
EFFECT_ONCE = Check("no unit of work takes effect twice", Mood.ALWAYS, ("I-9",), _EffectOnce)
BLOCKED_UNTIL_HELPED = Check("a blocked queue waits for a person", Mood.ALWAYS, ("I-11",), _Blocked)
QUEUES_CONSERVE = Check("queues lose and invent nothing", Mood.ALWAYS, ("I-10",), _Conserve)
ISOLATION = Check("queues do not wait for each other", Mood.ALWAYS, ("I-13",), _Isolation)
BACKLOG_DRAINS = Check(
    "what waits for the ERP gets there when the trouble is over",
    Mood.EVENTUALLY,
    ("I-15",),
    _Backlog,
)
