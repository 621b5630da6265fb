"""What can happen to lines, told as values?

A fault is a frozen value: it can be printed, stored, compared and left out when a failing case is
shrunk. `Fabric.strike` makes it real, `ActiveFault.lift` ends it, and in between it counts every
message it touched: a fault that touched nothing is worth knowing.

Every fault that cuts a line says what becomes of messages already under way: ``drop`` (a broken
cable), ``hold`` (a router that keeps them until the line is back) or ``deliver`` (they had already
passed). There is no default, because each surprises somebody.
"""

from collections.abc import Iterator
from typing import Literal, Protocol

import attrs

from crmsim.errors import BadValue
from crmsim.units import Duration

__all__ = ["Fault", "Flap", "Hold", "NthMessage", "Outage", "Partition", "Slow", "UnderWay"]

UnderWay = Literal["drop", "hold", "deliver"]
_UNDER_WAY = ("drop", "hold", "deliver")


def _known_fate(instance: object, attribute: object, value: str) -> None:
    if value not in _UNDER_WAY:
        raise BadValue(f"under_way is {value!r}; it is one of {', '.join(_UNDER_WAY)}")


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _numbers(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


class _TwoGroups(Protocol):
    @property
    def ours(self) -> tuple[str, ...]: ...
    @property
    def theirs(self) -> tuple[str, ...]: ...
    @property
    def one_way(self) -> bool: ...


def _between(fault: _TwoGroups, source: str, target: str) -> bool:
    forth = source in fault.ours and target in fault.theirs
    back = source in fault.theirs and target in fault.ours
    return forth or (back and not fault.one_way)


@attrs.frozen
class Partition:
    """No line works between two groups of sites: a broken cable, a wrong firewall rule."""

    ours: tuple[str, ...] = attrs.field(converter=_names)
    theirs: tuple[str, ...] = attrs.field(converter=_names)
    under_way: UnderWay = attrs.field(validator=_known_fate, kw_only=True)
    one_way: bool = attrs.field(default=False, kw_only=True)
    """Cut only what goes from `ours` to `theirs`."""

    def covers(self, source: str, target: str) -> bool:
        """Say whether the line from `source` to `target` is cut."""
        return _between(self, source, target)


@attrs.frozen
class Outage:
    """No line of a site works: its router lost power."""

    site: str
    under_way: UnderWay = attrs.field(validator=_known_fate, kw_only=True)

    def covers(self, source: str, target: str) -> bool:
        """Say whether the line from `source` to `target` is cut."""
        return self.site in (source, target)


@attrs.frozen
class Hold:
    """Everything between two groups of sites waits and arrives, in order, once the fault is lifted.

    A congested or paused gateway that loses nothing.
    """

    ours: tuple[str, ...] = attrs.field(converter=_names)
    theirs: tuple[str, ...] = attrs.field(converter=_names)
    under_way: UnderWay = attrs.field(validator=_known_fate, kw_only=True)
    """What becomes of messages sent before the fault; later ones are always held."""
    one_way: bool = attrs.field(default=False, kw_only=True)

    def covers(self, source: str, target: str) -> bool:
        """Say whether the line from `source` to `target` is held."""
        return _between(self, source, target)


@attrs.frozen
class Slow:
    """Lines between two groups of sites take `factor` times as long: an overloaded cell."""

    ours: tuple[str, ...] = attrs.field(converter=_names)
    theirs: tuple[str, ...] = attrs.field(converter=_names)
    factor: float = attrs.field(kw_only=True)
    one_way: bool = attrs.field(default=False, kw_only=True)

    @factor.validator
    def _slower(self, attribute: object, value: float) -> None:
        if value < 1:
            raise BadValue(f"factor is {value}; a slow line takes 1 or more times as long")

    def covers(self, source: str, target: str) -> bool:
        """Say whether the line from `source` to `target` is slow."""
        return _between(self, source, target)


@attrs.frozen
class NthMessage:
    """Something happens to the n-th message of a type, counted from 1 on the lines it covers.

    A proxy that chokes on one message; the surest way to tell a story about "the lost answer".
    """

    message: str
    """The name of the message type."""
    numbers: tuple[int, ...] = attrs.field(converter=_numbers)
    verdict: Literal["drop", "double", "delay"] = "drop"
    delay: Duration = Duration(0)
    """With ``delay``: how much later it arrives. With ``double``: the gap to the copy."""
    source: str | None = None
    target: str | None = None

    def covers(self, source: str, target: str) -> bool:
        """Say whether messages from `source` to `target` are counted."""
        return self.source in (None, source) and self.target in (None, target)


@attrs.frozen
class Flap:
    """A fault that comes and goes: `down` long there, `up` long gone, again and again."""

    fault: "Partition | Outage | Hold | Slow"
    down: Duration
    up: Duration

    def __attrs_post_init__(self) -> None:
        if self.down <= 0 or self.up <= 0:
            raise BadValue("a Flap is down and up for longer than zero each")

    def spells(self, begin_ns: int, lasts_ns: int) -> Iterator[tuple[int, int]]:
        """Yield (beginning, span) of every spell of the fault within a span of time."""
        end_ns = begin_ns + lasts_ns
        while begin_ns < end_ns:
            yield begin_ns, min(self.down, end_ns - begin_ns)
            begin_ns += self.down + self.up


Fault = Partition | Outage | Hold | Slow | NthMessage
"""Any fault that `Fabric.strike` takes."""
