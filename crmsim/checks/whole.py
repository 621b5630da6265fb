"""Does the history hang together, and is every document somewhere?"""

import enum

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.trace.journal import Event

__all__ = ["CAUSALITY", "DOCUMENTS_CONSERVE"]


class _Causality(Judge):
    """I-90: no event comes before its cause, time never goes back, and no system works with a
    version of a document that nobody has written yet.
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
        self._seen("saved", event)

    def on_committed(self, event: Event) -> None:
        self._not_before("saved", event, *self._seen("committed", event))

    def on_booked(self, event: Event) -> None:
        self._not_before("committed", event, *self._seen("booked", event))

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
    """Where a document is on its way."""

    WRITTEN = 1
    STORED = 2
    ACCEPTED = 3
    BOOKED = 4
    REFUSED = 5


class _Conservation(Judge):
    """Conservation of documents: every version of every document is written once, stored by the
    server, accepted or refused once, booked once, and never anywhere without having been at the
    stage before. When all is quiet each is booked, refused, or named as waiting for a person.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._stages: dict[tuple[str, int], _Stage] = {}
        self._of_message: dict[str, tuple[str, int]] = {}
        self._names: dict[str, str] = {}

    def _key(self, event: Event) -> tuple[str, int]:
        return str(event.detail["guid"]), int(str(event.detail["version"]))

    def _move(self, key: tuple[str, int], stage: _Stage, event: Event) -> None:
        self.judged += 1
        before = self._stages.get(key, 0)
        expected = _Stage.STORED if stage is _Stage.REFUSED else _Stage(stage - 1)
        if before != expected:
            was = _Stage(before).name.lower() if before else "nowhere"
            self.blame(
                f"order {self._names.get(key[0], key[0])} version {key[1]} became "
                f"{stage.name.lower()} while it was {was}",
                event,
            )
        self._stages[key] = stage

    def on_saved(self, event: Event) -> None:
        key = self._key(event)
        self.judged += 1
        self._names[key[0]] = event.subject
        if key in self._stages:
            self.blame(f"order {event.subject} version {key[1]} was written twice", event)
        self._stages[key] = _Stage.WRITTEN
        self._of_message[str(event.detail["message"])] = key

    def on_received(self, event: Event) -> None:
        key = self._of_message.get(event.subject)
        if key is not None:
            self._move(key, _Stage.STORED, event)

    def on_committed(self, event: Event) -> None:
        self._move(self._key(event), _Stage.ACCEPTED, event)

    def on_rejected(self, event: Event) -> None:
        key = self._of_message.get(event.subject)
        if key is not None:
            self._move(key, _Stage.REFUSED, event)

    def on_booked(self, event: Event) -> None:
        self._move(self._key(event), _Stage.BOOKED, event)

    def on_distributed(self, event: Event) -> None:
        if event.detail["status"] == "ERROR":  # the ERP refused what CRM had accepted
            self._stages[self._key(event)] = _Stage.REFUSED

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for (guid, version), stage in self._stages.items():
            name = self._names.get(guid, guid)
            if stage < _Stage.BOOKED and name not in ending.set_aside:
                self.blame(
                    f"all is quiet, but version {version} of order {name} was never booked "
                    f"(it is {stage.name.lower()})"
                )


CAUSALITY = Check("nothing comes before its cause", Mood.ALWAYS, ("I-90",), _Causality)
DOCUMENTS_CONSERVE = Check(
    "every document is at exactly one place on its way", Mood.ALWAYS, ("C.4",), _Conservation
)
