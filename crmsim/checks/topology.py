"""Did every message take a permitted way?"""

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event

__all__ = ["NO_PUSH", "ONE_OF_EACH", "PERMITTED_WAYS"]

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
    """I-2: there is exactly one ERP, at most one APO, and every laptop is attached to exactly one
    station at a time.
    """

    def end(self, ending: Ending) -> None:
        topology = self.scene.topology
        self.judged = len(topology.sites())
        if len(topology.sites("erp")) != 1:
            self.blame(f"there are {len(topology.sites('erp'))} ERP systems")
        if len(topology.sites("apo")) > 1:
            self.blame(f"there are {len(topology.sites('apo'))} APO systems")
        for laptop in topology.sites("mobile"):
            near = list(topology.graph.successors(laptop))
            stations = [site for site in near if topology.kind(site) == "station"]
            if len(stations) != 1:
                self.blame(f"{laptop} is attached to {len(stations)} stations")


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


PERMITTED_WAYS = Check("every message takes a permitted way", Mood.ALWAYS, ("I-1",), _Ways)
ONE_OF_EACH = Check(
    "there is one ERP, and each laptop has one station", Mood.ALWAYS, ("I-2",), _OneOfEach
)
NO_PUSH = Check("nothing is pushed to a laptop", Mood.ALWAYS, ("I-4",), _NoPush)
