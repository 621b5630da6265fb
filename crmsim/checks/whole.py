"""Does the history hang together, did every message take a permitted way, is nothing missing?"""

import enum

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, is_order
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event

__all__ = [
    "CAUSALITY",
    "DOCUMENTS_CONSERVE",
    "NO_PUSH",
    "ONE_OF_EACH",
    "PERMITTED_WAYS",
]


NEIGHBOURS = (
    {"mobile", "station"},
    {"station", "crm"},
    {"crm", "erp"},
    {"crm", "apo"},
    {"crm", "channel"},
)
"""The channel matrix once more, in the judge's own words: it must not trust the builder."""


class _Ways(Judge):
    """I-1: every message goes between systems that may speak to each other: laptop and station,
    station and CRM, CRM and ERP (or APO, or another channel). No laptop ever reaches the ERP.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._known: dict[tuple[str, str], bool] = {}

    def on_sent(self, event: Event) -> None:
        self.judged += 1
        way = (event.actor, str(event.detail["to"]))
        if way not in self._known:
            self._known[way] = self._may(*way)
        if not self._known[way]:
            self.blame(f"{way[0]} sent {event.detail['message']} straight to {way[1]}", event)

    def _may(self, sender: str, target: str) -> bool:
        source_site, target_site = self.scene.site_of(sender), self.scene.site_of(target)
        kinds = {self.scene.topology.kind(source_site), self.scene.topology.kind(target_site)}
        return source_site == target_site or kinds in NEIGHBOURS


class _OneOfEach(Judge):
    """I-2: there is exactly one ERP and at most one APO; every laptop has a line to one station or
    several, and is attached to one of them at a time: within a session it speaks to one station,
    and no other one answers, until it has hung up and called anew.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._kinds: dict[str, str] = {}
        self._attached: dict[str, str] = {}
        """Laptop -> the station that its session is with."""

    def _kind_of(self, actor: str) -> str:
        if actor not in self._kinds:
            self._kinds[actor] = self.scene.kind_of(actor)
        return self._kinds[actor]

    def on_sent(self, event: Event) -> None:
        ends = event.actor, str(event.detail["to"])
        kinds = tuple(self._kind_of(end) for end in ends)
        if kinds == ("mobile", "station"):
            laptop, station = ends
            self._attached.setdefault(laptop, station)
        elif kinds == ("station", "mobile"):
            station, laptop = ends
        else:
            return
        self.judged += 1
        if self._attached.get(laptop, station) != station:
            told = f"{ends[0]} sent {event.detail['message']} to {ends[1]}"
            self.blame(f"{told} while {laptop} was at {self._attached[laptop]}", event)

    def _is_free(self, event: Event) -> None:
        self._attached.pop(event.actor, None)

    on_redialled = on_broken = on_crashed = _is_free

    def on_entered(self, event: Event) -> None:
        if not Phase(event.detail["phase"]).is_on_line:
            self._is_free(event)

    def end(self, ending: Ending) -> None:
        topology = self.scene.topology
        self.judged += len(topology.sites())
        if len(topology.sites("erp")) != 1:
            self.blame(f"there are {len(topology.sites('erp'))} ERP systems")
        if len(topology.sites("apo")) > 1:
            self.blame(f"there are {len(topology.sites('apo'))} APO systems")
        for laptop in topology.sites("mobile"):
            near = list(topology.graph.successors(laptop))
            stations = [site for site in near if topology.kind(site) == "station"]
            if not stations:
                self.blame(f"{laptop} has no station")


class _NoPush(Judge):
    """I-4: whatever a station sends to a laptop, it sends inside a session that the laptop began.
    Nothing is ever pushed.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._on_line: set[str] = set()
        self._laptops: dict[str, bool] = {}

    def _is_laptop(self, actor: str) -> bool:
        if actor not in self._laptops:
            site = self.scene.site_of(actor)
            self._laptops[actor] = self.scene.topology.kind(site) == "mobile"
        return self._laptops[actor]

    def on_sent(self, event: Event) -> None:
        target = str(event.detail["to"])
        if self._is_laptop(target):
            self.judged += 1
            if target not in self._on_line:
                self.blame(
                    f"{event.actor} sent {event.detail['message']} to {target}, "
                    "which was in no session",
                    event,
                )

    def on_entered(self, event: Event) -> None:
        if Phase(event.detail["phase"]).is_on_line:
            self._on_line.add(event.actor)
        else:
            self._on_line.discard(event.actor)

    def on_broken(self, event: Event) -> None:
        self._on_line.discard(event.actor)

    def on_crashed(self, event: Event) -> None:
        self._on_line.discard(event.actor)


class _Causality(Judge):
    """I-90: no event comes before its cause, time never goes back, and no system works with a
    version of a document that nobody has written yet: there are never more versions than saves.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._versions: dict[tuple[str, str], int] = {}

    def _seen(self, stage: str, event: Event) -> tuple[str, int]:
        guid, version = str(event.detail["guid"]), int(str(event.detail["version"]))
        key = (stage, guid)
        self._versions[key] = max(version, self._versions.get(key, 0))
        return guid, version

    def _not_before(self, stage: str, event: Event, guid: str, version: int) -> None:
        known = self._versions.get((stage, guid), 0)
        if version > known:
            self.blame(
                f"{event.actor} {event.kind} version {version} of {event.subject}, "
                f"but only version {known} had been {stage}",
                event,
            )

    def on_saved(self, event: Event) -> None:
        key = "saved", str(event.detail["guid"])
        self._versions[key] = self._versions.get(key, 0) + 1

    def on_committed(self, event: Event) -> None:
        if "by" in event.detail:  # written in CRM itself
            self.on_saved(event)
        self._not_before("saved", event, *self._seen("committed", event))

    def on_booked(self, event: Event) -> None:
        guid, version = self._seen("booked", event)
        if "by" in event.detail:  # written in the ERP itself
            self.on_saved(event)
        else:
            self._not_before("committed", event, guid, version)

    def end(self, ending: Ending) -> None:
        latest_ns = 0
        for number, (time_ns, cause) in enumerate(ending.journal.spans(), 1):
            self.judged += 1
            if time_ns < latest_ns:
                self.blame(f"time went back at event {number}", ending.journal.event(number))
            if cause >= number:
                self.blame(
                    f"event {number} comes before its cause {cause}", ending.journal.event(number)
                )
            latest_ns = time_ns


class _Stage(enum.IntEnum):
    """Where a change is on its way."""

    WRITTEN = 1
    STORED = 2
    ACCEPTED = 3
    BOOKED = 4
    REFUSED = 5


class _Conservation(Judge):
    """Conservation of documents: every change of every document is written once, stored by the
    server, and accepted or refused once; every version that CRM made of it is booked once; and
    nothing is anywhere without having been at the stage before. What people at the ERP write, and
    CRM is told of, is stored in CRM once. When all is quiet each is booked, refused, or named as
    waiting for a person; unless a later one has taken the place of it on the way.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._stages: dict[str, _Stage] = {}
        self._versions: dict[tuple[str, int], str] = {}
        """(GUID, version of CRM) -> the message that made it."""
        self._guids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._stays: dict[str, None] = {}
        """Changes that left an order without items, with errors, or unreleased, or that were
        replaced before anybody had checked whether there is enough: such a version stays in CRM."""
        self._unchecked: dict[str, str] = {}
        """GUID -> the change that is still to be checked."""
        self._latest: dict[str, str] = {}
        """GUID -> the change that CRM has accepted last."""
        self._replaced: dict[str, None] = {}
        """Changes that were on their way to the ERP when news of the ERP came across."""

    def _move(self, message: str, stage: _Stage, event: Event) -> None:
        self.judged += 1
        before = self._stages.get(message, 0)
        expected = _Stage.STORED if stage is _Stage.REFUSED else _Stage(stage - 1)
        if before != expected:
            was = _Stage(before).name.lower() if before else "nowhere"
            self.blame(
                f"{self._told(message)} became {stage.name.lower()} while it was {was}", event
            )
        self._stages[message] = stage

    def _told(self, message: str) -> str:
        return f"{message} (order {self._names.get(self._guids.get(message, ''), 'unknown')})"

    def on_saved(self, event: Event) -> None:
        if not is_order(event):
            return
        message, guid = str(event.detail["message"]), str(event.detail["guid"])
        self.judged += 1
        self._names[guid], self._guids[message] = event.subject, guid
        if message in self._stages:
            self.blame(f"{self._told(message)} was written twice", event)
        self._stages[message] = _Stage.WRITTEN

    def on_received(self, event: Event) -> None:
        if event.subject in self._guids:
            self._move(event.subject, _Stage.STORED, event)

    def on_committed(self, event: Event) -> None:
        message, version = str(event.detail["message"]), int(str(event.detail["version"]))
        if not is_order(event):
            return
        guid = str(event.detail["guid"])
        latest, self._latest[guid] = self._latest.get(guid, ""), message
        if event.detail.get("by") == "erp":
            self._take_over(event, message, latest)
            return
        if "by" in event.detail:  # written in CRM itself: nobody has sent it
            self._guids[message] = str(event.detail["guid"])
            self._names[self._guids[message]] = event.subject
            self._stages[message] = _Stage.STORED
        if event.detail.get("errors") or event.detail.get("locked"):
            self._stays[message] = None
        if not int(str(event.detail["items"])):
            self._stays[message] = None
        replaced = self._unchecked.pop(str(event.detail["guid"]), None)
        if replaced is not None:
            self._stays[replaced] = None
        if event.detail.get("unchecked"):
            self._unchecked[str(event.detail["guid"])] = message
        self._move(message, _Stage.ACCEPTED, event)
        self._versions[str(event.detail["guid"]), version] = message

    def on_checked(self, event: Event) -> None:
        self._unchecked.pop(str(event.detail["guid"]), None)

    def _take_over(self, event: Event, message: str, latest: str) -> None:
        """Let a change that was written in the ERP be in CRM; if it is merged, it goes back."""
        if self._stages.get(latest) is _Stage.ACCEPTED:
            self._replaced[latest] = None
        if self._stages.get(message) is _Stage.WRITTEN:
            self._stages[message] = _Stage.STORED
        self._move(message, _Stage.ACCEPTED, event)
        if event.detail.get("merged"):
            version = int(str(event.detail["version"]))
            self._versions[str(event.detail["guid"]), version] = message
        else:
            self._stages[message] = _Stage.BOOKED

    def on_confirmed(self, event: Event) -> None:
        if event.subject in self._guids and self._stages[event.subject] < _Stage.ACCEPTED:
            self.blame(f"{self._told(event.subject)} was confirmed and never stored", event)

    def on_rejected(self, event: Event) -> None:
        if event.subject in self._guids:
            self._move(event.subject, _Stage.REFUSED, event)

    def on_booked(self, event: Event) -> None:
        if not is_order(event):
            return
        if "by" in event.detail:
            self._write_in_erp(event)
            return
        message = self._message_of(event)
        self._move(message, _Stage.BOOKED, event)

    def _write_in_erp(self, event: Event) -> None:
        """Let something be written in the ERP; unless CRM is not told, it is to come there."""
        message = str(event.detail.get("message", ""))
        if message:
            guid = str(event.detail["guid"])
            self._names[guid], self._guids[message] = event.subject, guid
            self._stages[message] = _Stage.WRITTEN

    def _message_of(self, event: Event) -> str:
        key = str(event.detail["guid"]), int(str(event.detail["version"]))
        return self._versions.get(key, f"version {key[1]} of {event.subject}")

    def on_distributed(self, event: Event) -> None:
        if event.detail["status"] == "ERROR":  # the ERP refused what CRM had accepted
            self._stages[self._message_of(event)] = _Stage.REFUSED

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for message, stage in self._stages.items():
            name = self._names.get(self._guids.get(message, ""), "")
            is_void = message in self._stays or message in self._replaced
            stays = stage is _Stage.ACCEPTED and is_void
            if stage < _Stage.BOOKED and not stays and name not in ending.set_aside:
                self.blame(
                    f"all is quiet, but {self._told(message)} was never booked "
                    f"(it is {stage.name.lower()})"
                )


PERMITTED_WAYS = Check("every message takes a permitted way", Mood.ALWAYS, ("I-1",), _Ways)
ONE_OF_EACH = Check(
    "there is one ERP, and each laptop is with one station at a time",
    Mood.ALWAYS,
    ("I-2",),
    _OneOfEach,
)
NO_PUSH = Check("nothing is pushed to a laptop", Mood.ALWAYS, ("I-4",), _NoPush)
CAUSALITY = Check("nothing comes before its cause", Mood.ALWAYS, ("I-90",), _Causality)
DOCUMENTS_CONSERVE = Check(
    "every document is at exactly one place on its way", Mood.ALWAYS, ("C.4",), _Conservation
)
