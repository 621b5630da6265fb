"""Did BDocs keep to their states, and did nothing go out that was not let in?"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.trace.journal import Event

__all__ = [
    "BDOCS_END",
    "BDOC_RECEIVERS",
    "BDOC_STATES",
    "CDB_FOLLOWS",
    "NEWEST_STAYS",
    "NOTHING_REFUSED_GOES_OUT",
    "NO_LOOPS",
    "ONE_QUEUE_PER_DOCUMENT",
    "ONLINE_FIRST",
    "RECOVERED_ONCE",
    "SAVED_AND_ENQUEUED",
]

STEPS = {
    "I01": "I02 D01 E03",
    "I02": "I03 E03",
    "I03": "I04 T01 E01 E03 E04 E05 E06 E07 E08 E09",
    "I04": "F02 F05 O01 T01 E01 E03 E04 E05 E06 E07 E08 E09",
    "D01": "I02 E03",
    "T01": "R01 E01 E03",
    "R01": "I02 E01 E03",
    "O01": "F04 E02 E03",
    "E02": "F04 I02 F03 E03",
    "E03": "F03",
    "E04": "F01 I02 F03 E03",
    **dict.fromkeys(("E01", "E05", "E06", "E07", "E08", "E09"), "I02 F03 E03"),
}
"""State -> states that may follow, once more and in the judge's own words: it must not trust the
table of the flow. A final state has none."""
Version = tuple[str, int]
"""(GUID, version of the document)"""


def _version(event: Event) -> Version:
    return str(event.detail["guid"]), int(str(event.detail["version"]))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple | list) else ()


class _States(Judge):
    """I-16: a BDoc goes from state to state only as the table of its states permits, and a final
    state is the end.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._at: dict[str, str] = {}

    def on_flowed(self, event: Event) -> None:
        at = self._at.get(event.subject, "")
        for state in _texts(event.detail["states"]):
            self.judged += 1
            if at.startswith("F") and state == "I01":
                at = ""  # without memory of what was seen, a copy begins anew
            if at and state not in STEPS.get(at, "").split():
                self.blame(f"BDoc {event.subject} went from {at} to {state}", event)
            at = state
        self._at[event.subject] = at


class _Receivers(Judge):
    """I-18: a BDoc is confirmed by all exactly when every receiver answered yes; while it is sent
    to receivers at least one is open and none has failed; in the state of a receiver's error at
    least one has failed. What was saved in CRM Online without errors is not confirmed before the
    CDB has it, unless it has been deleted meanwhile, or nothing of its kind is to go there.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._in_cdb: set[str] = set()
        self._with_errors: set[str] = set()
        self._orders: set[str] = set()
        self._unbridged: set[str] = set()
        """Kinds of things that do not go to the CDB now."""
        self._past_the_cdb: set[str] = set()
        """BDocs that were handed over when theirs did not."""

    def on_customized(self, event: Event) -> None:
        if (event.detail["what"], event.detail["value"]) == ("bridge", "off"):
            self._unbridged.add(event.subject)
        elif event.detail["what"] == "bridge":
            self._unbridged.discard(event.subject)

    def on_committed(self, event: Event) -> None:
        self._orders.add(str(event.detail["guid"]))
        if event.detail.get("errors"):
            self._with_errors.add(str(event.detail["guid"]))

    def on_replicated(self, event: Event) -> None:
        self._in_cdb.add(str(event.detail["guid"]))

    on_deleted = on_replicated

    def on_flowed(self, event: Event) -> None:
        states, guid = _texts(event.detail["states"]), str(event.detail["guid"])
        if self._unbridged and "O01" in states:
            kind = "order" if guid in self._orders else guid.partition(" ")[0]
            if kind in self._unbridged:
                self._past_the_cdb.add(event.subject)
        is_confirmed = states[-1:] == ("F04",) and event.detail["context"] == "MO1"
        is_there = guid in self._in_cdb or guid in self._with_errors
        if is_confirmed and not is_there and event.subject not in self._past_the_cdb:
            self.blame(f"BDoc {event.subject} is confirmed by all, but not in the CDB", event)
        opened, failed = _texts(event.detail["open"]), _texts(event.detail["failed"])
        self.judged += 1
        wrong = {
            "F04": bool(opened or failed),
            "O01": not opened or bool(failed),
            "E02": not failed,
        }
        if states and wrong.get(states[-1], False):
            told = f"open: {', '.join(opened) or 'none'}; failed: {', '.join(failed) or 'none'}"
            self.blame(f"BDoc {event.subject} is in {states[-1]} ({told})", event)


class _End(Judge):
    """I-19: when all is quiet, every BDoc is in a final state or in an error state, where it waits
    for a person and is counted. Documents that wait for a person are left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._at: dict[str, tuple[str, str]] = {}
        self._names: dict[str, str] = {}

    def on_saved(self, event: Event) -> None:
        self._names[str(event.detail["guid"])] = event.subject

    on_committed = on_saved

    def on_flowed(self, event: Event) -> None:
        self._at[event.subject] = (_texts(event.detail["states"])[-1], str(event.detail["guid"]))

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for bdoc, (state, guid) in self._at.items():
            if {self._names.get(guid, guid), bdoc} & ending.set_aside:
                continue  # what is no order goes by its name
            self.judged += 1
            if state[0] not in "FE":
                self.blame(f"all is quiet, but BDoc {bdoc} is still in {state}")


class _OnlineFirst(Judge):
    """I-3: whatever a laptop wrote reaches the ERP only after CRM Online has stored it. What people
    at the ERP write there is no such thing.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._online: set[Version] = set()

    def on_committed(self, event: Event) -> None:
        self._online.add(_version(event))

    def on_booked(self, event: Event) -> None:
        self.judged += 1
        if _version(event) not in self._online and "by" not in event.detail:
            self.blame(
                f"the ERP booked version {event.detail['version']} of {event.subject}, "
                "which CRM Online never stored",
                event,
            )


class _CdbFollows(Judge):
    """I-5: the CDB stores only what CRM Online stored before; nothing else writes it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._online: dict[str, int] = {}

    def on_committed(self, event: Event) -> None:
        guid, version = _version(event)
        self._online[guid] = max(version, self._online.get(guid, 0))

    on_changed = on_deleted = on_committed

    def on_replicated(self, event: Event) -> None:
        self.judged += 1
        guid, version = _version(event)
        if version > self._online.get(guid, 0):
            self.blame(
                f"the CDB stored version {version} of {event.subject}, but CRM Online only had "
                f"version {self._online.get(guid, 0)}",
                event,
            )


class _Refused(Judge):
    """I-17: what CRM refused goes no further: no BDoc of that version of a document goes out to
    receivers.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._online: set[Version] = set()

    def on_committed(self, event: Event) -> None:
        self._online.add(_version(event))

    on_changed = on_deleted = on_committed

    def on_flowed(self, event: Event) -> None:
        if event.detail["context"] != "MO1":
            return
        self.judged += 1
        if _version(event) not in self._online:
            self.blame(
                f"BDoc {event.subject} goes out with version {event.detail['version']}, "
                "which was never accepted",
                event,
            )


class _NoLoops(Judge):
    """I-20: a version of a document goes to the ERP at most once, and what the ERP says of it is
    never sent back to it.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sent: dict[tuple[str, str], int] = {}

    def on_enqueued(self, event: Event) -> None:
        queue = str(event.detail["queue"])
        kind = self.scene.kind_of(event.actor)
        if kind != "crm" or not queue.startswith("R3AU_"):
            return
        self.judged += 1
        key = (queue, event.subject)
        if key in self._sent:
            self.blame(
                f"{event.subject} was sent to the ERP again (first: event {self._sent[key]})", event
            )
        self._sent.setdefault(key, event.number)


class _OneQueue(Judge):
    """I-12: all units of work (LUWs) about one document in one direction use one queue, so that
    they keep their order. Where a queue is one of a customer, it changes with the customer, as its
    sender knows him; in its target a unit stands in the queue that it was sent in.
    """

    FAMILIES = ("R3AU_", "R3AD_", "CSA_")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._customers: dict[tuple[str, str], str] = {}
        self._sent: dict[tuple[str, str], tuple[str, str]] = {}
        """(family, unit) -> (sender, queue)."""
        self._queues: dict[tuple[str, str, str, str], str] = {}

    def on_committed(self, event: Event) -> None:
        key = event.actor, str(event.detail["guid"])
        self._customers[key] = str(event.detail["customer"])

    on_booked = on_changed = on_deleted = on_committed

    on_deleted = on_changed

    def on_enqueued(self, event: Event) -> None:
        queue, guid = str(event.detail["queue"]), str(event.detail.get("guid", ""))
        family = next((name for name in self.FAMILIES if queue.startswith(name)), None)
        if family is None or not guid or "home" in event.detail:
            return
        self.judged += 1
        sent = self._sent.setdefault((family, event.subject), (event.actor, queue))
        if event.actor != sent[0]:  # the target may not have heard yet that the customer changed
            if queue != sent[1]:
                self.blame(
                    f"{event.subject} was sent in queue {sent[1]}, but came in {queue}", event
                )
            return
        customer = self._customers.get((event.actor, guid), "")
        used = self._queues.setdefault((event.actor, family, guid, customer), queue)
        if used != queue:
            self.blame(
                f"{event.subject} went into queue {queue}, but earlier work on its document into "
                f"{used}",
                event,
            )


class _SavedAndEnqueued(Judge):
    """I-14: a save in CRM Online and the entry in its queue happen together: no save without an
    entry, no entry for a document that was never saved.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._saved: dict[str, Event] = {}
        self._known: set[str] = set()

    def _settle(self, time_ns: int) -> None:
        for guid, event in list(self._saved.items()):
            if event.time_ns < time_ns:
                self.blame(f"{event.subject} was saved in CRM Online, but not enqueued", event)
                del self._saved[guid]

    def on_committed(self, event: Event) -> None:
        self._settle(event.time_ns)
        self.judged += 1
        guid = str(event.detail["guid"])
        self._saved[guid] = event
        self._known.add(guid)

    on_published = on_changed = on_deleted = on_committed

    def on_enqueued(self, event: Event) -> None:
        if not str(event.detail["queue"]).startswith("CSA_"):
            return
        self._settle(event.time_ns)
        guid = str(event.detail["guid"])
        self._saved.pop(guid, None)
        if guid not in self._known:
            self.blame(f"{event.subject} was enqueued, but its document was never saved", event)

    def end(self, ending: Ending) -> None:
        for event in self._saved.values():
            self.blame(f"{event.subject} was saved in CRM Online, but not enqueued", event)


class _NewestStays(Judge):
    """I-21: what a person has processed again never lowers the version of a document in CRM Online,
    is never taken over after a later change of the document by the same laptop, never puts an older
    save into the CDB than it has, and never puts an older change of the ERP into a field of a
    record than it has.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._online: dict[str, int] = {}
        self._saves: dict[str, int] = {}
        self._places: dict[str, tuple[str, int, int]] = {}
        """Change -> (laptop, disk, number)."""
        self._disks: dict[str, int] = {}
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}
        """(document, laptop) -> disk and number of its latest change that was taken over."""
        self._of_erp: dict[tuple[str, str], int] = {}
        """(record, field) -> the newest change in the ERP that came to it."""
        self._deleted: dict[str, None] = {}

    def on_saved(self, event: Event) -> None:
        number, disk = int(str(event.detail["number"])), self._disks.get(event.actor, 0)
        self._places[str(event.detail["message"])] = event.actor, disk, number

    def on_wiped(self, event: Event) -> None:
        self._disks[event.actor] = int(str(event.detail["disk"]))

    def on_deleted(self, event: Event) -> None:
        self._deleted[event.subject] = None

    def on_changed(self, event: Event) -> None:
        if event.subject in self._deleted and not event.detail.get("again"):
            self.blame(f"{event.subject} rose again after it had been deleted", event)
        number = int(str(event.detail["number"]))
        for field in _texts(event.detail["fields"]) if number else ():
            self.judged += 1
            key = event.subject, field
            if number < self._of_erp.get(key, 0):
                self.blame(
                    f"{field} of {event.subject} went back to change {number} of the ERP after "
                    f"change {self._of_erp[key]}",
                    event,
                )
            self._of_erp[key] = max(number, self._of_erp.get(key, 0))

    def on_committed(self, event: Event) -> None:
        self.judged += 1
        guid, version = _version(event)
        if version < self._online.get(guid, 0):
            self.blame(
                f"CRM Online went back from version {self._online[guid]} of {event.subject} to "
                f"version {version}",
                event,
            )
        self._online[guid] = max(version, self._online.get(guid, 0))
        message = str(event.detail["message"])
        if message in self._places:
            laptop, *place = self._places[message]
            latest = self._latest.get((guid, laptop), (0, 0))
            if tuple(place) < latest:
                self.blame(f"{message} was taken over after a later change of it", event)
            self._latest[guid, laptop] = max((place[0], place[1]), latest)

    def on_replicated(self, event: Event) -> None:
        self.judged += 1
        guid, save = str(event.detail["guid"]), int(str(event.detail["save"]))
        if save < self._saves.get(guid, 0):
            self.blame(
                f"the CDB went back from save {self._saves[guid]} of {event.subject} to "
                f"save {save}",
                event,
            )
        self._saves[guid] = max(save, self._saves.get(guid, 0))


class _RecoveredOnce(Judge):
    """I-22: a BDoc that a person has set to processed is never executed again, and one that was
    taken off the error list is processed again once, not twice, unless it comes back there.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._recovered: dict[str, Event] = {}

    def on_administered(self, event: Event) -> None:
        if event.detail["action"] not in ("reprocess", "set processed"):
            return
        self.judged += 1
        before = self._recovered.get(event.subject)
        if before is not None:
            self.blame(
                f"BDoc {event.subject} was recovered again (first: event {before.number}, "
                f"{before.detail['action']})",
                event,
            )
        self._recovered[event.subject] = event

    def on_flowed(self, event: Event) -> None:
        before = self._recovered.get(event.subject)
        states = _texts(event.detail["states"])
        if before is None:
            return
        if before.detail["action"] == "reprocess":
            if states[-1].startswith("E"):
                del self._recovered[event.subject]  # it came back into the list
        elif states[-1] != "F03":
            self.blame(
                f"BDoc {event.subject} was set to processed by event {before.number} and still "
                f"went to {states[-1]}",
                event,
            )


BDOC_STATES = Check("BDocs keep to their states", Mood.ALWAYS, ("I-16",), _States)
BDOC_RECEIVERS = Check(
    "a BDoc is done when all its receivers have answered yes", Mood.ALWAYS, ("I-18",), _Receivers
)
BDOCS_END = Check("every BDoc comes to an end", Mood.EVENTUALLY, ("I-19",), _End)
ONLINE_FIRST = Check(
    "nothing reaches the ERP that CRM has not stored", Mood.ALWAYS, ("I-3",), _OnlineFirst
)
CDB_FOLLOWS = Check("the CDB follows CRM Online", Mood.ALWAYS, ("I-5",), _CdbFollows)
NOTHING_REFUSED_GOES_OUT = Check(
    "what CRM refused goes no further", Mood.ALWAYS, ("I-17",), _Refused
)
NO_LOOPS = Check("no change goes in circles", Mood.ALWAYS, ("I-20",), _NoLoops)
ONE_QUEUE_PER_DOCUMENT = Check(
    "work on one document stays in one queue", Mood.ALWAYS, ("I-12",), _OneQueue
)
SAVED_AND_ENQUEUED = Check(
    "a save and its queue entry happen together", Mood.ALWAYS, ("I-14",), _SavedAndEnqueued
)
NEWEST_STAYS = Check(
    "an older state never replaces a newer one", Mood.ALWAYS, ("I-21",), _NewestStays
)
RECOVERED_ONCE = Check("a BDoc is recovered once only", Mood.ALWAYS, ("I-22",), _RecoveredOnce)
