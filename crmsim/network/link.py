"""What does one line between two sites do to what it carries?

A link is a value: one direction of one line. Two kinds tell different truths. A *datagram* link
loses, doubles and reorders single messages, as a radio packet network does. A *stream* link (a
modem call, a TCP or RFC connection) turns loss into delay, keeps the order, and when it breaks both
ends see it.
"""

import enum
from typing import Any

import attrs

from crmsim.chance import Constant, Distribution
from crmsim.errors import BadValue
from crmsim.units import Duration, Rate, Share, Size, days, hours, seconds

__all__ = ["Bursts", "Calendar", "Link", "LinkKind"]


class LinkKind(enum.Enum):
    """What a line promises."""

    DATAGRAM = "datagram"
    STREAM = "stream"


def _is_share(instance: Any, attribute: "attrs.Attribute[Share]", value: Share) -> None:
    if not 0 <= value <= 1:
        raise BadValue(f"{attribute.name} is {value}; a share lies between 0 and 1")


@attrs.frozen(kw_only=True)
class Bursts:
    """Loss in bursts (Gilbert 1960, Elliott 1963): the line is now good, now bad.

    The change from good to bad is a process in time with exponential stays, not a step per
    message: so one message more does not shift the bursts of all later ones.
    """

    good_loss: Share = attrs.field(default=Share(0.0), validator=_is_share)
    bad_loss: Share = attrs.field(default=Share(0.5), validator=_is_share)
    good_mean: Duration = seconds(60)
    bad_mean: Duration = seconds(4)

    def __attrs_post_init__(self) -> None:
        if self.good_mean <= 0 or self.bad_mean <= 0:
            raise BadValue("the mean stays of Bursts must be longer than zero")


@attrs.frozen
class Calendar:
    """When a line can be used: daily from `opens` to `closes`, on the first `days_open` of a week.

    Day 0 of the run is a Monday unless `first_weekday` (0 = Monday) says otherwise.
    """

    opens: Duration = hours(8)
    closes: Duration = hours(18)
    days_open: int = 7
    first_weekday: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= days(1):
            raise BadValue("a Calendar opens before it closes, both within one day")
        if not 1 <= self.days_open <= 7 or not 0 <= self.first_weekday <= 6:
            raise BadValue("days_open is 1 to 7 and first_weekday 0 to 6")

    def is_open(self, time_ns: int) -> bool:
        """Say whether the line can be used at this moment."""
        day, time_of_day_ns = divmod(time_ns, days(1))
        weekday = (day + self.first_weekday) % 7
        return weekday < self.days_open and self.opens <= time_of_day_ns < self.closes


@attrs.frozen(kw_only=True)
class Link:
    """One direction of a line. All shares are per message."""

    kind: LinkKind = LinkKind.DATAGRAM
    latency: Distribution = attrs.field(default=Constant(0.01))
    """Seconds from one end to the other, without the time to push the bytes in."""
    rate: Rate | None = None
    """Bytes per second that fit into the line; None for no limit."""
    buffer: Size | None = None
    """Bytes that may wait in front of the line; more is dropped. None for no limit."""
    loss: Share = attrs.field(default=Share(0.0), validator=_is_share)
    bursts: Bursts | None = None
    """Loss in bursts, on top of `loss`."""
    duplicate: Share = attrs.field(default=Share(0.0), validator=_is_share)
    """Share of messages that arrive twice (datagram only)."""
    reorder: Share = attrs.field(default=Share(0.0), validator=_is_share)
    """Share of messages that are kept back up to `reorder_window` (datagram only)."""
    reorder_window: Duration = seconds(2)
    corrupt: Share = attrs.field(default=Share(0.0), validator=_is_share)
    """Share of messages damaged on the way; the checksum finds it, so they count as lost."""
    calendar: Calendar | None = None
    """When the line can be used; None for always."""
    dial_up: bool = False
    """The line exists only while its caller holds it open."""
    retransmit: Duration = seconds(3)
    """Stream only: what one lost try costs; it doubles with each further one (RFC 6298)."""
    call_failure: Share = attrs.field(default=Share(0.0), validator=_is_share)
    """Stream only: share of calls (`ask`) that fail at once; nothing happened."""
    answer_loss: Share = attrs.field(default=Share(0.0), validator=_is_share)
    """Stream only: share of calls whose answer is lost; the thing happened."""

    def __attrs_post_init__(self) -> None:
        if self.kind is LinkKind.STREAM and (self.duplicate or self.reorder):
            raise BadValue("a stream neither doubles nor reorders; use kind=DATAGRAM")
        if self.kind is LinkKind.STREAM and (self.loss >= 1 or self.corrupt):
            raise BadValue("a stream repeats what it loses: loss below 100 %, no corrupt share")
        if self.kind is LinkKind.DATAGRAM and (self.call_failure or self.answer_loss):
            raise BadValue("only a stream has calls that fail; use loss, or kind=STREAM")
        if self.buffer is not None and self.rate is None:
            raise BadValue("a buffer fills up only in front of a limited rate; set rate too")
        if self.rate is not None and self.rate <= 0:
            raise BadValue("a rate is above zero, or None for no limit")
        if self.latency.at(2.0**-41) < 0:
            raise BadValue(f"{self.latency} can be negative; no message arrives before it is sent")
        if self.retransmit <= 0 or self.reorder_window < 0:
            raise BadValue("retransmit is longer than zero, reorder_window not negative")
