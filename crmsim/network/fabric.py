"""What becomes of one message: when do which copies arrive?

`Line.carry(now, message, word)` answers with the delays of the copies that will arrive, or with the
reason why none will. All chance lies in `word`, the 64-bit draw of this message: its high 40 bits
choose the latency, its low 24 bits the loss, and words derived from it the rarer things. A line
keeps almost no state: when its last byte leaves, when its last stream message arrives, and which
faults hold it.
"""

import enum
import functools
import math
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol, cast

import attrs

from crmsim.chance import (
    ODD_A,
    ODD_B,
    Lognormal,
    Luck,
    fold,
    normal_quantile,
    uniform_of,
)
from crmsim.errors import BadValue
from crmsim.network.faults import Fault, Hold, NthMessage, Slow, UnderWay
from crmsim.network.link import Link, LinkKind

__all__ = ["ActiveFault", "Arrival", "Fabric", "Line", "Loss"]

LOW_24 = (1 << 24) - 1
_BREAKS_KEPT = 16
"""How many breaks a line remembers: a message under way across more of them counts as lost."""


class Loss(enum.Enum):
    """Why a message will never arrive."""

    LOST = "lost on the line"
    BURST = "lost in a burst"
    CORRUPTED = "damaged, found by the checksum"
    BUFFER_FULL = "the buffer in front of the line was full"
    LINE_DOWN = "the line was down"
    CUT_OFF = "the line broke while it was under way"
    LINE_CLOSED = "nobody held the dial-up line open"
    OUT_OF_HOURS = "the line was out of hours"
    FAULT = "taken by a fault"


class Arrival(enum.Enum):
    """What becomes of a message at the far end when the line changed while it was under way."""

    ARRIVES = "arrives"
    LOST = "lost"
    HELD = "held"


@attrs.define(eq=False)
class ActiveFault:
    """A fault at work, and how many messages it touched."""

    fault: Fault
    touched: int = 0
    lifted: bool = False
    counts: dict[str, int] = attrs.Factory(dict)
    """For an `NthMessage`: how many of the type were seen so far."""

    @property
    def name(self) -> str:
        """The fault as text."""
        return str(self.fault)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of it: it was lifted, or all it aimed at has passed."""
        fault = self.fault
        if isinstance(fault, NthMessage):
            return self.lifted or self.counts.get(fault.message, 0) >= max(fault.numbers)
        return self.lifted


class Follower(Protocol):
    """Somebody who keeps a copy of what a line is like."""

    def follow(self) -> None:
        """Copy it again."""


class Line:
    """One direction of one line at run time."""

    __slots__ = (
        "_bad_until_ns",
        "_breaks",
        "_burst_index",
        "_burst_luck",
        "_cuts",
        "_free_ns",
        "_holds",
        "_last_due_ns",
        "_rules",
        "_slow",
        "addresses",
        "delay_of",
        "epoch",
        "held",
        "is_open",
        "link",
        "loss_24",
        "lucky",
        "quick",
        "source",
        "stamp",
        "target",
    )

    def __init__(self, link: Link, luck: Luck, source: str, target: str) -> None:
        self.link = link
        self.source = source
        self.target = target
        self.addresses: tuple[Follower, ...] = ()
        """Who copies the state of this line for speed and must hear of every change."""
        self.epoch = 0
        """Grows by 2 whenever something befalls the messages under way."""
        self.stamp = 0
        """What a message sent now carries: the epoch, or one less (odd) while a fault holds the
        line, so that it is looked at again when it arrives."""
        self.is_open = not link.dial_up
        self.held: list[object] | None = None
        """Messages that a fault keeps back, in order of arrival; the kernel's own records."""
        # Tuples, because most lines never meet a fault and share the one empty tuple.
        self._cuts: tuple[ActiveFault, ...] = ()
        self._holds: tuple[ActiveFault, ...] = ()
        self._slow: tuple[ActiveFault, ...] = ()
        self._rules: tuple[ActiveFault, ...] = ()
        self._breaks: tuple[tuple[int, UnderWay, ActiveFault | None], ...] = ()
        self._free_ns = 0
        self._last_due_ns = 0
        self.loss_24 = round(link.loss * (1 << 24))
        """A message is lost when the low 24 bits of its word are below this."""
        self.delay_of = _delay(cast(Hashable, link.latency))
        """Word -> latency in nanoseconds."""
        bursts = link.bursts is not None
        self._burst_luck = luck.stream("bursts", f"{source}>{target}") if bursts else None
        self._burst_index = 0
        self._bad_until_ns = -1
        self._choose_way()

    def _choose_way(self) -> None:
        """Take the short way while the link asks for nothing but latency and loss."""
        link = self.link
        plain = (
            link.kind is LinkKind.DATAGRAM
            and link.rate is None
            and link.bursts is None
            and link.calendar is None
            and not (link.duplicate or link.reorder or link.corrupt)
            and not (self._cuts or self._slow or self._rules)
            and self.is_open
        )
        self.quick = self.delay_of if plain else None
        """The latency, when latency and loss are all there is; the kernel takes it directly."""
        self.lucky = not plain or bool(self.loss_24) or link.latency.variance > 0
        """Whether any draw can matter."""
        self.stamp = self.epoch - 1 if self._holds else self.epoch
        for address in self.addresses:
            address.follow()

    def carry(self, now_ns: int, message: object, word: int) -> tuple[int, ...] | Loss:
        """Return the delays of the copies that will arrive, or why none will."""
        loss = self._barred(now_ns)
        if loss is not None:
            return loss
        link = self.link
        wait_ns = self._push(now_ns, message)
        if wait_ns < 0:
            return Loss.BUFFER_FULL
        loss = self._lost(now_ns, word)
        if loss is not None:
            return loss
        delay_ns = wait_ns + int(self.delay_of(word) * self._slowness())
        if link.kind is LinkKind.STREAM:
            delay_ns += self._repeats_ns(now_ns, word)
            fate = self._judge(message, (delay_ns,))
            wait_ns = delay_ns + link.retransmit if isinstance(fate, Loss) else fate[0]
            return (self._in_order(now_ns, wait_ns),)
        return self._judge(message, self._copies(delay_ns, word))

    def _barred(self, now_ns: int) -> Loss | None:
        if self._cuts:
            for active in self._cuts:
                active.touched += 1
            return Loss.LINE_DOWN
        if not self.is_open:
            return Loss.LINE_CLOSED
        if self.link.calendar is not None and not self.link.calendar.is_open(now_ns):
            return Loss.OUT_OF_HOURS
        return None

    def _push(self, now_ns: int, message: object) -> int:
        """Return how long until the last byte is in the line, or -1 when the buffer is full."""
        link = self.link
        if link.rate is None:
            return 0
        size_bytes: int = message.size_bytes  # type: ignore[attr-defined]
        start_ns = max(now_ns, self._free_ns)
        waiting_bytes = (start_ns - now_ns) * link.rate / 1e9
        if link.buffer is not None and waiting_bytes + size_bytes > link.buffer:
            return -1
        self._free_ns = start_ns + math.ceil(size_bytes * 1e9 / link.rate)
        return self._free_ns - now_ns

    def _lost(self, now_ns: int, word: int) -> Loss | None:
        link = self.link
        if link.kind is LinkKind.STREAM:
            return None
        if word & LOW_24 < self.loss_24:
            return Loss.LOST
        if link.corrupt and uniform_of(fold(word ^ ODD_A, ODD_A)) < link.corrupt:
            return Loss.CORRUPTED
        return Loss.BURST if self._hit_by_burst(now_ns, word) else None

    def _hit_by_burst(self, now_ns: int, word: int) -> bool:
        bursts = self.link.bursts
        if bursts is None:
            return False
        share = bursts.bad_loss if self._is_bad(now_ns) else bursts.good_loss
        return share > 0 and uniform_of(fold(word ^ ODD_B, ODD_A)) < share

    def _is_bad(self, now_ns: int) -> bool:
        """Walk the stays of the burst process up to now: good, bad, good, ..."""
        bursts = self.link.bursts
        luck = self._burst_luck
        assert bursts is not None
        assert luck is not None
        while self._bad_until_ns <= now_ns:
            mean_ns = bursts.bad_mean if self._burst_index % 2 else bursts.good_mean
            stay_ns = -mean_ns * math.log1p(-luck.uniform(self._burst_index))
            self._bad_until_ns = max(self._bad_until_ns, 0) + math.ceil(stay_ns)
            self._burst_index += 1
        return self._burst_index % 2 == 0

    def _slowness(self) -> float:
        """Return how many times as long messages take: of several faults the worst one counts."""
        factor = 1.0
        for active in self._slow:
            assert isinstance(active.fault, Slow)
            factor = max(factor, active.fault.factor)
            active.touched += 1
        return factor

    def _repeats_ns(self, now_ns: int, word: int) -> int:
        """Return what the lost tries of a stream cost: 1, 1 + 2, 1 + 2 + 4 ... timeouts."""
        tries = int(self._hit_by_burst(now_ns, word))
        if self.loss_24:
            u = uniform_of(fold(word ^ ODD_A, ODD_B))
            tries += min(int(math.log(u) / math.log(self.link.loss)), 16)
        return self.link.retransmit * ((1 << tries) - 1)

    def _in_order(self, now_ns: int, delay_ns: int) -> int:
        self._last_due_ns = max(now_ns + delay_ns, self._last_due_ns)
        return self._last_due_ns - now_ns

    def _copies(self, delay_ns: int, word: int) -> tuple[int, ...]:
        link = self.link
        if link.reorder and uniform_of(fold(word ^ ODD_A, ODD_B)) < link.reorder:
            delay_ns += int(uniform_of(fold(word, ODD_B)) * link.reorder_window)
        if link.duplicate and uniform_of(fold(word ^ ODD_B, ODD_B)) < link.duplicate:
            second = int(self.delay_of(fold(word, ODD_A)) * self._slowness())
            return (delay_ns, delay_ns + second)
        return (delay_ns,)

    def _judge(self, message: object, delays: tuple[int, ...]) -> tuple[int, ...] | Loss:
        """Ask the faults that aim at the n-th message: each counts it, the first one decides."""
        name = type(message).__name__
        aimed: list[ActiveFault] = []
        for active in self._rules:
            fault = active.fault
            assert isinstance(fault, NthMessage)
            if fault.message == name:
                active.counts[name] = active.counts.get(name, 0) + 1
                if active.counts[name] in fault.numbers:
                    aimed.append(active)
        if not aimed:
            return delays
        decides = aimed[0]
        decides.touched += 1
        return _verdict(cast(NthMessage, decides.fault), delays)

    def open(self) -> None:
        """Let a dial-up line carry messages from now on."""
        self.is_open = True
        self._choose_way()

    def close(self) -> None:
        """Hang up: what is under way, or waits in front of the line, is lost."""
        if self.is_open:
            self.is_open = False
            self.cut("drop")
            self._free_ns = self._last_due_ns = 0

    def cut(self, under_way: UnderWay, active: ActiveFault | None = None) -> None:
        """Decide what becomes of the messages under way."""
        self.epoch += 2
        recent = self._breaks[-_BREAKS_KEPT:]
        self._breaks = (*recent, (self.epoch, under_way, active))
        self._choose_way()

    def arrival(self, stamp: int) -> Arrival:
        """Say what becomes of a message with this stamp that reaches the far end now."""
        sent_epoch = stamp + (stamp & 1)
        if self._breaks and sent_epoch < self._breaks[0][0] - 2:
            return Arrival.LOST
        since = [b for b in self._breaks if b[0] > sent_epoch and b[1] != "deliver"]
        for _, under_way, active in since:
            if active is not None:
                active.touched += 1
            if under_way == "drop":
                return Arrival.LOST
        if any(active is not None and not active.lifted for _, _, active in since):
            return Arrival.HELD
        before = [b[2] for b in self._breaks if b[0] <= sent_epoch]
        for active in self._holds:
            if active in before:
                active.touched += 1
                return Arrival.HELD
        return Arrival.ARRIVES

    @property
    def is_down(self) -> bool:
        """Whether a fault cuts the line or nobody holds it open."""
        return bool(self._cuts) or not self.is_open

    @property
    def is_clear(self) -> bool:
        """Whether no fault cuts or holds the line, so that the far end sees when it is closed."""
        return not (self._cuts or self._holds)

    def turns_away(self) -> bool:
        """Say whether a sender who looks first does not even try; a fault that cuts counts it."""
        for active in self._cuts:
            active.touched += 1
        return self.is_down

    def hold(self, item: object) -> None:
        """Keep a message back until the fault that holds it is lifted."""
        if self.held is None:
            self.held = []
        self.held.append(item)

    def strike(self, active: ActiveFault) -> None:
        """Let a fault begin on this line."""
        fault = active.fault
        group = _group(fault)
        setattr(self, group, (*getattr(self, group), active))
        if isinstance(fault, NthMessage | Slow):
            self._choose_way()
        else:
            self.cut(fault.under_way, active)

    def lift(self, active: ActiveFault) -> list[object]:
        """Let a fault end; return the held messages that go on now."""
        group = _group(active.fault)
        setattr(self, group, tuple(a for a in getattr(self, group) if a is not active))
        self._choose_way()
        if self._holds or self._cuts:
            return []
        released, self.held = self.held or [], None
        return released


def _group(fault: Fault) -> str:
    """Return the attribute of a line that holds the active faults of this sort."""
    if isinstance(fault, NthMessage):
        return "_rules"
    if isinstance(fault, Slow):
        return "_slow"
    return "_holds" if isinstance(fault, Hold) else "_cuts"


@functools.lru_cache(maxsize=4096)
def _delay(latency: Hashable) -> Callable[[int], int]:
    """Compile a latency: the high 40 bits of a word choose the nanoseconds."""
    at: Callable[[float], float] = latency.at  # type: ignore[attr-defined]
    if isinstance(latency, Lognormal):
        middle, sigma = math.log(latency.median) + math.log(1e9), latency.sigma
        exp = math.exp

        def lognormal(word: int) -> int:
            return int(exp(normal_quantile(((word >> 24) + 0.5) * 2.0**-40, middle, sigma)))

        return lognormal
    return lambda word: int(at(((word >> 24) + 0.5) * 2.0**-40) * 1e9)


def _verdict(fault: NthMessage, delays: tuple[int, ...]) -> tuple[int, ...] | Loss:
    if fault.verdict == "drop":
        return Loss.FAULT
    if fault.verdict == "double":
        return (*delays, delays[-1] + fault.delay)
    return tuple(delay_ns + fault.delay for delay_ns in delays)


class Fabric:
    """All lines of a landscape at run time."""

    def __init__(self, luck: Luck) -> None:
        self._luck = luck
        self.lines: dict[tuple[str, str], Line] = {}
        self.faults: list[ActiveFault] = []
        """Every fault that ever struck, in order."""

    def add(self, source: str, target: str, link: Link) -> Line:
        """Add the line from `source` to `target`."""
        line = Line(link, self._luck, source, target)
        self.lines[source, target] = line
        return line

    def of_site(self, site: str) -> Iterator[Line]:
        """Yield the lines that begin or end at a site."""
        return (line for ends, line in self.lines.items() if site in ends)

    def covered(self, fault: Fault) -> list[Line]:
        """Return the lines that a fault covers.

        Raises:
            BadValue: it covers none, so it could never do anything.
        """
        lines = [line for ends, line in self.lines.items() if fault.covers(*ends)]
        if not lines:
            raise BadValue(f"{fault} covers no line; the lines are {_names(self.lines)}")
        return lines

    def strike(self, fault: Fault) -> ActiveFault:
        """Let a fault begin on every line it covers."""
        lines = self.covered(fault)
        active = ActiveFault(fault)
        self.faults.append(active)
        for line in lines:
            line.strike(active)
        return active

    def lift(self, active: ActiveFault) -> list[object]:
        """Let a fault end; return the held messages that go on now, line by line."""
        active.lifted = True
        return [item for line in self.covered(active.fault) for item in line.lift(active)]


def _names(lines: dict[tuple[str, str], Line]) -> str:
    names = [f"{source}>{target}" for source, target in lines]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
