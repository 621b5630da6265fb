"""What goes wrong in a run besides what its scenario tells?

Trouble is a set of deviations, each a frozen value: it can be printed, stored, compared and left
out. Each says afterwards how often it touched something: one that changed nothing is worth knowing.
Every deviation is something that can happen in a real landscape; none breaks a promise that disks
or lines make.
"""

import abc
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from crmsim.kernel.durable import CrashAt, CrashPoint
from crmsim.kernel.simulation import Simulation
from crmsim.middleware.flow import BROKEN_STATES, Breakage, Context
from crmsim.middleware.status import BDocState
from crmsim.network.fabric import ActiveFault
from crmsim.network.faults import Fault, NthMessage
from crmsim.qrfc.partner import Poison
from crmsim.trace.journal import Event
from crmsim.units import Duration, Share, minutes

if TYPE_CHECKING:
    from crmsim.lab.landscape import Landscape

__all__ = [
    "CRASH_KINDS",
    "NO_TROUBLE",
    "Administered",
    "Broken",
    "Call",
    "ClockOff",
    "Crashed",
    "CrashedAt",
    "DemonStopped",
    "Deviation",
    "Impatience",
    "InOffice",
    "OneMessage",
    "Paused",
    "Poisoned",
    "Published",
    "Slowed",
    "Struck",
    "Trouble",
    "crashes_everywhere",
]


@attrs.frozen
class Call:
    """One use of a verb of the landscape, now or planned for a moment."""

    verb: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = MappingProxyType({})
    at_ns: int | None = None
    """When; None for at once."""

    def make(self, land: "Landscape") -> None:
        """Use the verb."""
        verb = getattr(land, self.verb)
        if self.at_ns is None:
            verb(*self.arguments, **self.named)
        else:
            land.at(self.at_ns, verb, *self.arguments, **self.named)


class Deviation(abc.ABC):
    """One thing that goes wrong."""

    family: ClassVar[str]
    """Which sort of trouble it is; families are switched on and off together."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen in a landscape that is built; nothing, if it was built with it."""
        return ()

    @abc.abstractmethod
    def touched(self, simulation: Simulation) -> int:
        """Return how often it touched something."""


@attrs.frozen
class Struck(Deviation):
    """A fault of the network that begins at a moment and lasts for a while."""

    fault: Fault
    at_ns: int
    lasts: Duration

    @property
    def family(self) -> str:  # type: ignore[override]
        """The name of the fault: partition, outage, hold or slow."""
        return type(self.fault).__name__.lower()

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("at", (self.at_ns, self.fault), {"for_": self.lasts}),)

    def touched(self, simulation: Simulation) -> int:
        """Return how many messages it touched."""
        return _touched(simulation, self.fault)


@attrs.frozen
class OneMessage(Deviation):
    """The n-th message of a type is lost, doubled or late."""

    fault: NthMessage
    at_ns: int | None = None
    """From when on messages are counted; None for from the beginning."""
    family: ClassVar[str] = "message"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("strike", (self.fault,), at_ns=self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how many messages it touched."""
        return _touched(simulation, self.fault)


def _touched(simulation: Simulation, fault: Fault) -> int:
    found: Iterable[ActiveFault] = simulation.fabric.faults
    return sum(active.touched for active in found if active.fault == fault)


def _events(
    simulation: Simulation, kind: str, first_ns: int, last_ns: int, actor: str | None = None
) -> Iterator[Event]:
    """Yield the events of a kind between two moments, both included."""
    for event in simulation.journal.select(kind, actor=actor):
        if first_ns <= event.time_ns <= last_ns:
            yield event


@attrs.frozen
class Crashed(Deviation):
    """A site loses power at a moment, and with `wipe` its disk."""

    site: str
    at_ns: int
    down: Duration
    wipe: bool = False

    @property
    def family(self) -> str:  # type: ignore[override]
        """Crashes with and without the disk are two families."""
        return "disk" if self.wipe else "crash"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        disk = {"wipe": True} if self.wipe else {}
        return (Call("crash", (self.site,), {"down": self.down, **disk}, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return whether the site was up at that moment, and so crashed."""
        return sum(1 for _ in _events(simulation, "crashed", self.at_ns, self.at_ns, self.site))


@attrs.frozen
class CrashedAt(Deviation):
    """A site loses power at an awkward point of its work, the first time after a moment.

    In the middle of a commit, the commit is undone as a whole: a torn write that the log of the
    database repairs.
    """

    site: str
    point: CrashPoint
    after_ns: int
    down: Duration
    family: ClassVar[str] = "crash point"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        named = {"down": self.down, "point": self.point}
        return (Call("crash", (self.site,), named, self.after_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how often the site crashed at that point."""
        events = simulation.journal.select("crashed", actor=self.site)
        return sum(e.detail["point"] == self.point.value for e in events)


@attrs.frozen
class Paused(Deviation):
    """A site stands still for a while: a laptop that sleeps, a virtual machine that is moved."""

    site: str
    at_ns: int
    lasts: Duration
    family: ClassVar[str] = "pause"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("pause", (self.site,), {"lasts": self.lasts}, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return whether the site was up at that moment, and so stood still."""
        return sum(1 for _ in _events(simulation, "paused", self.at_ns, self.at_ns, self.site))


@attrs.frozen
class ClockOff(Deviation):
    """The clock of a site is wrong, from a moment on or from the beginning."""

    site: str
    ahead: Duration
    at_ns: int | None = None
    family: ClassVar[str] = "clock"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("set_clock", (self.site,), {"ahead": self.ahead}, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how often somebody did something at that site."""
        return sum(1 for _ in simulation.journal.select("sent", actor=self.site))


@attrs.frozen
class Slowed(Deviation):
    """All work of a server takes several times as long for a while: a backup, a runaway report."""

    site: str
    factor: float
    at_ns: int
    lasts: Duration
    family: ClassVar[str] = "slow work"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        named = {"factor": self.factor, "lasts": self.lasts}
        return (Call("slow_down", (self.site,), named, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how many units of work began meanwhile."""
        last_ns = self.at_ns + self.lasts - 1
        return sum(1 for _ in _events(simulation, "begun", self.at_ns, last_ns, self.site))


@attrs.frozen
class Impatience(Deviation):
    """Somebody starts work anew that a work process has in hand, the first time after a moment."""

    site: str
    at_ns: int
    within: Duration
    family: ClassVar[str] = "operator"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("start_anew", (self.site,), {"within": self.within}, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how often a queue was activated in that span."""
        last_ns = self.at_ns + self.within
        events = _events(simulation, "administered", self.at_ns, last_ns, self.site)
        return sum(event.detail["action"] == "activate" for event in events)


@attrs.frozen
class Poisoned(Deviation):
    """The ERP cannot digest an order, until somebody has put something right."""

    reference: str
    mended_by: str = "activate"
    family: ClassVar[str] = "poison"

    @property
    def poison(self) -> Poison:
        """What the ERP is given."""
        return Poison(self.reference, self.mended_by)

    def touched(self, simulation: Simulation) -> int:
        """Return how many queues it stopped."""
        events = simulation.journal.select("failed")
        return sum(event.detail["reason"] == "SYSFAIL" for event in events)


@attrs.frozen
class Broken(Deviation):
    """A program of CRM's flow does not work for a while."""

    context: Context
    at_ns: int
    lasts: Duration
    share: Share = Share(0.5)
    family: ClassVar[str] = "breakage"

    @property
    def breakage(self) -> Breakage:
        """What CRM is given."""
        return Breakage(self.context, self.at_ns, self.at_ns + self.lasts, self.share)

    def touched(self, simulation: Simulation) -> int:
        """Return how many BDocs failed meanwhile."""
        last_ns = self.at_ns + self.lasts - 1
        events = _events(simulation, "flowed", self.at_ns, last_ns)
        return sum(_failed(event.detail["states"]) for event in events)


def _failed(states: Any) -> bool:
    return BDocState(states[-1]) in BROKEN_STATES


@attrs.frozen
class Published(Deviation):
    """CRM publishes records to every laptop; no trouble by itself, but more that can go wrong."""

    publication: str
    values: Mapping[str, str] = attrs.field(eq=lambda values: tuple(values.items()))
    at_ns: int
    crm: str = "crm"
    family: ClassVar[str] = "publication"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        where = {} if self.crm == "crm" else {"crm": self.crm}
        return (Call("publish", (self.publication, self.values), where, self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how many records were published."""
        return len(self.values)


@attrs.frozen
class DemonStopped(Deviation):
    """The demon of replication and realignment stands still for a while."""

    at_ns: int
    lasts: Duration
    family: ClassVar[str] = "demon"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (
            Call("set_demon", named={"is_running": False}, at_ns=self.at_ns),
            Call("set_demon", named={"is_running": True}, at_ns=self.at_ns + self.lasts),
        )

    def touched(self, simulation: Simulation) -> int:
        """Return how much was realigned late because of it."""
        end_ns = self.at_ns + self.lasts
        return sum(
            self.at_ns <= int(str(event.detail["asked_ns"])) <= end_ns <= event.time_ns
            for event in simulation.journal.select("realigned")
        )


@attrs.frozen
class InOffice(Deviation):
    """Somebody in the office does something: changes a customer, a subscription, the demon."""

    call: Call
    family: ClassVar[str] = "office"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (self.call,)

    def touched(self, simulation: Simulation) -> int:
        """Return that it happened."""
        return 1


@attrs.frozen
class Administered(Deviation):
    """Somebody does something by hand about a queue."""

    site: str
    what: str
    queue: str
    at_ns: int
    family: ClassVar[str] = "by hand"

    @property
    def calls(self) -> tuple[Call, ...]:
        """What makes it happen."""
        return (Call("administer", (self.site, self.what, self.queue), at_ns=self.at_ns),)

    def touched(self, simulation: Simulation) -> int:
        """Return how often something was done by hand at that moment."""
        events = _events(simulation, "administered", self.at_ns, self.at_ns, self.site)
        return sum(event.detail["action"] == self.what for event in events)


@attrs.frozen
class Trouble:
    """Everything that goes wrong in one run."""

    deviations: tuple[Deviation, ...] = ()

    @property
    def poisons(self) -> tuple[Poison, ...]:
        """What the ERP cannot digest."""
        return tuple(one.poison for one in self.deviations if isinstance(one, Poisoned))

    @property
    def breakages(self) -> tuple[Breakage, ...]:
        """Which programs of CRM do not work."""
        return tuple(one.breakage for one in self.deviations if isinstance(one, Broken))

    def plan(self, land: "Landscape") -> None:
        """Make all of it happen in a landscape that is built."""
        for deviation in self.deviations:
            for call in deviation.calls:
                call.make(land)


NO_TROUBLE = Trouble()
"""Nothing goes wrong but what the scenario tells."""


CRASH_KINDS = ("mobile", "station", "crm", "erp")
"""Kinds of sites that can be made to crash at every named point."""
DOWN_MEAN: Duration = minutes(30)
"""How long a crashed site stays down on average (assumed)."""


def crashes_everywhere(simulation: Simulation, count: int, span: Duration) -> Iterator[CrashAt]:
    """Yield `count` crashes of each kind of site at each named point, spread over a span from now.

    Which site, when, and for how long is keyed by kind, point and number of the crash.
    """
    for kind, point, number in product(CRASH_KINDS, CrashPoint, range(count)):
        luck = simulation.luck.stream("crash plan", f"{kind} {point.value}")
        sites = simulation.topology.sites(kind)
        site = sites[luck.below(len(sites), number, 0)]
        after = simulation.now_ns + luck.below(max(span, 1), number, 1)
        down = minutes(1) + int(DOWN_MEAN * -math.log(luck.uniform(number, 2)))
        yield CrashAt(site, point, after, Duration(down))
