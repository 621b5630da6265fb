"""Which trouble does a hunted run get?

A profile says how often each family of trouble occurs. What exactly happens is drawn from the seed
alone, key by key: a family that is switched off moves no draw of another one. Moments are drawn
from those at which something happens in a calm run, so that trouble meets somebody; spans are drawn
relative to the waits of the protocols (a repetition, the patience of a session, the gap between two
sessions), because what is shorter or longer than all of them never gets interesting.

The budget keeps a case solvable: cuts end, whatever needs a person gets one, servers keep their
disks, and what is lost with the disk of a laptop is known by name.
"""

import enum
import math
from collections.abc import Callable
from typing import Any

import attrs

from crmsim.chance import Stream
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.scenario import Result
from crmsim.lab.trouble import (
    Broken,
    ClockOff,
    Crashed,
    CrashedAt,
    DemonStopped,
    Impatience,
    OneMessage,
    Paused,
    Poisoned,
    Slowed,
    Struck,
    Trouble,
)
from crmsim.middleware.flow import Context
from crmsim.network.faults import Hold, NthMessage, Outage, Partition, Slow
from crmsim.units import Duration, Share, hours, minutes, seconds

__all__ = ["FAMILIES", "Facts", "Profile", "draw", "facts_of"]

WAITS: tuple[Duration, ...] = (seconds(20), minutes(1), minutes(5), hours(10))
"""What the protocols wait for: a first repetition, a session's patience, the longest repetition,
the next session (the defaults of `RetryPolicy`, of sessions and of `Habits`)."""
FACTORS = (0.3, 1.1, 3.0)
"""Spans are so many times a wait: too short to be noticed, just too long, much too long."""
MOST = 4
"""The most that happens of one family in a run."""
BROKEN_CONTEXTS = (Context.MI0, Context.MO1, Context.MO2, Context.SO1)
"""Programs that may break: not the one for uploads, since what overtakes those is refused."""
LEAST_CUT: Duration = seconds(5)
"""The shortest partition: one that flickers is many faults."""


@attrs.frozen
class Facts:
    """What one must know of a landscape in order to trouble it; read from a calm run."""

    sites: tuple[tuple[str, str], ...]
    """(name, kind) of every site."""
    lines: tuple[tuple[str, str], ...]
    """Ends of every line, one direction of each."""
    messages: tuple[tuple[str, int], ...]
    """(type of message, how many were sent over lines)."""
    orders: tuple[str, ...]
    """References of the orders that were written."""
    moments_ns: tuple[int, ...]
    """When something was sent or executed, thinned out."""

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """Return the sites of some kinds."""
        return tuple(name for name, kind in self.sites if kind in kinds)


def facts_of(result: Result) -> Facts:
    """Read a calm run."""
    topology, journal = result.simulation.topology, result.simulation.journal
    counts: dict[str, int] = {}
    moments: dict[int, None] = {}
    orders: dict[str, None] = {}
    for event in journal.select("sent", "begun", "saved"):
        moments[event.time_ns] = None
        if event.kind == "sent":
            name = str(event.detail["message"])
            counts[name] = counts.get(name, 0) + 1
        elif event.kind == "saved":
            orders[event.subject] = None
    lines = tuple((a, b) for a, b, _ in topology.links() if a < b)
    step = max(len(moments) // 2_000, 1)
    sites = tuple((name, topology.kind(name)) for name in topology.sites())
    return Facts(sites, lines, tuple(counts.items()), tuple(orders), tuple(moments)[::step])


@attrs.frozen
class Draws:
    """The luck of one family in one run, and what it may choose from."""

    luck: Stream
    facts: Facts

    def one_of(self, things: Any, *key: int) -> Any:
        """Choose one thing."""
        return things[self.luck.below(len(things), *key)]

    def span(self, key: int) -> Duration:
        """Choose a span, relative to a wait of the protocols."""
        wait, factor = self.one_of(WAITS, key, 0), self.one_of(FACTORS, key, 1)
        return Duration(int(wait * factor))

    def moment_ns(self, lasts: int, key: int) -> int:
        """Choose a moment so that what begins then is at work when something happens."""
        busy_ns: int = self.one_of(self.facts.moments_ns, key, 2)
        return max(busy_ns - int(self.luck.uniform(key, 3) * lasts), 0)


Maker = Callable[[Draws, int], Any]


def _partition(draws: Draws, number: int) -> Any:
    laptops = draws.facts.of_kind("mobile")
    shape = draws.luck.below(3, number, 10)
    if shape == 0 or len(laptops) < 2:
        ours, theirs = draws.one_of(draws.facts.lines, number, 11)
        sides: Any = ((ours,), (theirs,))
    else:
        count = 1 if shape == 1 else max(len(laptops) // 2, 1)
        first = draws.luck.below(len(laptops), number, 12)
        cut = tuple(laptops[(first + step) % len(laptops)] for step in range(count))
        others = tuple(name for name, _ in draws.facts.sites if name not in cut)
        sides = (cut, others)
    if draws.luck.below(2, number, 13):
        sides = sides[::-1]
    under_way = draws.one_of(("drop", "hold", "deliver"), number, 14)
    one_way = bool(draws.luck.below(2, number, 15))
    lasts = Duration(max(draws.span(number), LEAST_CUT))
    fault = Partition(*sides, under_way=under_way, one_way=one_way)
    return Struck(fault, draws.moment_ns(lasts, number), lasts)


def _outage(draws: Draws, number: int) -> Any:
    site = draws.one_of(draws.facts.of_kind("station", "crm", "erp", "apo"), number, 10)
    lasts = Duration(max(draws.span(number), LEAST_CUT))
    fault = Outage(site, under_way=draws.one_of(("drop", "hold", "deliver"), number, 11))
    return Struck(fault, draws.moment_ns(lasts, number), lasts)


def _hold(draws: Draws, number: int) -> Any:
    ends = draws.one_of(draws.facts.lines, number, 10)
    lasts = draws.span(number)
    fault = Hold(*ends, under_way="hold", one_way=bool(draws.luck.below(2, number, 11)))
    return Struck(fault, draws.moment_ns(lasts, number), lasts)


def _slow(draws: Draws, number: int) -> Any:
    ends = draws.one_of(draws.facts.lines, number, 10)
    lasts = draws.span(number)
    fault = Slow(*ends, factor=float(draws.one_of((3, 30, 300), number, 11)))
    return Struck(fault, draws.moment_ns(lasts, number), lasts)


def _message(draws: Draws, number: int) -> Any:
    name, count = draws.one_of(draws.facts.messages, number, 10)
    which = 1 + draws.luck.below(count, number, 11)
    verdict = draws.one_of(("drop", "double", "delay"), number, 12)
    delay = Duration(0) if verdict == "drop" else draws.span(number)
    return OneMessage(NthMessage(name, which, verdict=verdict, delay=delay))


def _crash(draws: Draws, number: int) -> Any:
    down = Duration(max(draws.span(number), seconds(1)))
    site, _ = draws.one_of(draws.facts.sites, number, 10)
    return Crashed(site, draws.moment_ns(1, number), down)


def _disk(draws: Draws, number: int) -> Any:
    """Servers keep their disks; what is lost with a laptop's is set aside by name."""
    site = draws.one_of(draws.facts.of_kind("station", "mobile"), number, 10)
    down = Duration(max(draws.span(number), seconds(1)))
    return Crashed(site, draws.moment_ns(1, number), down, wipe=True)


def _crash_point(draws: Draws, number: int) -> Any:
    site, _ = draws.one_of(draws.facts.sites, number, 10)
    point = draws.one_of(tuple(CrashPoint), number, 11)
    down = Duration(max(draws.span(number), seconds(1)))
    return CrashedAt(site, point, draws.moment_ns(1, number), down)


def _pause(draws: Draws, number: int) -> Any:
    site, _ = draws.one_of(draws.facts.sites, number, 10)
    lasts = draws.span(number)
    return Paused(site, draws.moment_ns(lasts, number), lasts)


def _clock(draws: Draws, number: int) -> Any:
    site, _ = draws.one_of(draws.facts.sites, number, 10)
    sign = 1 if draws.luck.below(2, number, 11) else -1
    return ClockOff(site, Duration(sign * draws.span(number)))


def _slow_work(draws: Draws, number: int) -> Any:
    site = draws.one_of(draws.facts.of_kind("crm", "erp"), number, 10)
    lasts = draws.span(number)
    factor = float(draws.one_of((3, 30, 300), number, 11))
    return Slowed(site, factor, draws.moment_ns(lasts, number), lasts)


def _operator(draws: Draws, number: int) -> Any:
    site = draws.one_of(draws.facts.of_kind("crm", "erp"), number, 10)
    return Impatience(site, draws.moment_ns(1, number), minutes(5))


def _poison(draws: Draws, number: int) -> Any:
    return Poisoned(draws.one_of(draws.facts.orders, number, 10))


def _breakage(draws: Draws, number: int) -> Any:
    lasts = draws.span(number)
    context = draws.one_of(BROKEN_CONTEXTS, number, 10)
    return Broken(context, draws.moment_ns(lasts, number), lasts, Share(0.5))


def _demon(draws: Draws, number: int) -> Any:
    lasts = Duration(max(draws.span(number), 1))
    return DemonStopped(draws.moment_ns(lasts, number), lasts)


FAMILIES: dict[str, Maker] = {
    "partition": _partition,
    "outage": _outage,
    "hold": _hold,
    "slow": _slow,
    "message": _message,
    "crash": _crash,
    "disk": _disk,
    "crash point": _crash_point,
    "pause": _pause,
    "clock": _clock,
    "slow work": _slow_work,
    "operator": _operator,
    "poison": _poison,
    "breakage": _breakage,
    "demon": _demon,
}
"""Family -> how one deviation of it is drawn."""


class Profile(enum.Enum):
    """How much of which trouble there is."""

    CALM = "calm"
    """None at all: the control."""
    FLAKY_MOBILE = "flaky_mobile"
    """Lines that come and go, laptops that sleep or lose power."""
    BAD_OFFICE = "bad_office"
    """Servers that are slow, broken or restarted, and people who make mistakes."""
    DISASTER = "disaster"
    """Everything, and as much of it as there may be."""
    SWARM = "swarm"
    """In each run a random half of the families, each as often as luck has it: what only happens in
    the absence of something else gets its chance. One run in eight is calm, one has one family."""


_OF_PROFILE = {
    Profile.CALM: (),
    Profile.FLAKY_MOBILE: ("partition", "hold", "slow", "message", "pause", "crash point", "clock"),
    Profile.BAD_OFFICE: (
        *("outage", "crash", "disk", "crash point", "slow work"),
        *("operator", "poison", "breakage", "message", "demon"),
    ),
    Profile.DISASTER: tuple(FAMILIES),
}


def draw(profile: Profile, facts: Facts, luck: Callable[[str], Stream]) -> Trouble:
    """Draw the trouble of one run.

    Args:
        profile: How much of which trouble.
        facts: What there is to be troubled.
        luck: Name of a purpose -> the stream of its draws, keyed by the seed of the run.
    """
    found: list[Any] = []
    for family in _families(profile, luck("families")):
        draws = Draws(luck(family), facts)
        if not _possible(family, facts):
            continue
        count = MOST if profile is Profile.DISASTER else _count(draws.luck)
        found += [FAMILIES[family](draws, number) for number in range(count)]
    return Trouble(tuple(dict.fromkeys(found)))


def _families(profile: Profile, luck: Stream) -> tuple[str, ...]:
    if profile is not Profile.SWARM:
        return _OF_PROFILE[profile]
    names = tuple(FAMILIES)
    control = luck.below(8, 0)
    if control == 0:
        return ()
    if control == 1:
        return (names[luck.below(len(names), 1)],)
    return tuple(name for place, name in enumerate(names) if luck.below(2, 2, place))


def _count(luck: Stream) -> int:
    """Draw how often, from 1 to the most, small numbers more often."""
    return int(math.exp(luck.uniform(99) * math.log(MOST + 1)))


def _possible(family: str, facts: Facts) -> bool:
    """Say whether there is anything in the landscape that the family could hit."""
    needed = {
        "disk": facts.of_kind("station", "mobile"),
        "outage": facts.of_kind("station", "crm", "erp"),
        "slow work": facts.of_kind("crm", "erp"),
        "operator": facts.of_kind("crm", "erp"),
        "poison": facts.orders,
        "breakage": facts.of_kind("crm"),
        "demon": facts.of_kind("crm"),
        "message": facts.messages,
    }
    return bool(facts.moments_ns) and bool(needed.get(family, facts.lines))
