"""How are durations, times of day, bytes, rates, shares and money written, read and shown?

Inside, a duration is a whole number of nanoseconds, a size a whole number of bytes, a rate a
number of bytes per second, a share a number between 0 and 1, and money an exact decimal. Outside,
each carries its unit: ``45min``, ``2MB``, ``40kbit/s``, ``10%``. A bare number for a duration is
an error, because nobody can know whether it means seconds or days.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import NewType

from crmsim.errors import BadValue

__all__ = [
    "Duration",
    "Rate",
    "Share",
    "Size",
    "days",
    "exact_duration",
    "hours",
    "milliseconds",
    "minutes",
    "parse_bool",
    "parse_duration",
    "parse_moment",
    "parse_rate",
    "parse_share",
    "parse_size",
    "seconds",
    "show_duration",
    "show_moment",
    "show_money",
    "show_rate",
    "show_share",
    "show_size",
    "to_seconds",
]

Duration = NewType("Duration", int)
"""A span of virtual time in whole nanoseconds."""

Size = NewType("Size", int)
"""A number of bytes."""

Rate = NewType("Rate", float)
"""Bytes per second of virtual time."""

Share = NewType("Share", float)
"""A probability or a part of a whole, 0 to 1."""

SECOND_NS = 1_000_000_000

_DURATION_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "min": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
    "d": 86_400 * SECOND_NS,
    "w": 7 * 86_400 * SECOND_NS,
}
_SIZE_BYTES = {
    "B": 1,
    "kB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1_024,
    "MiB": 1_024**2,
    "GiB": 1_024**3,
}
_RATE_BYTES_PER_S = {
    "bit/s": Fraction(1, 8),
    "kbit/s": Fraction(1_000, 8),
    "Mbit/s": Fraction(1_000_000, 8),
    "Gbit/s": Fraction(1_000_000_000, 8),
    "B/s": Fraction(1),
    "kB/s": Fraction(1_000),
    "MB/s": Fraction(1_000_000),
}
_QUANTITY = re.compile(r"\s*([+-]?\d+(?:_\d{3})*(?:\.\d+)?)\s*([A-Za-z%/]*)\s*")
_MOMENT = re.compile(r"\s*(?:(\d+)d\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\s*")


def seconds(count: float) -> Duration:
    """Return `count` seconds as a duration.

    >>> seconds(1.5)
    1500000000
    """
    return _duration(count, "s")


def milliseconds(count: float) -> Duration:
    """Return `count` milliseconds as a duration."""
    return _duration(count, "ms")


def minutes(count: float) -> Duration:
    """Return `count` minutes as a duration."""
    return _duration(count, "min")


def hours(count: float) -> Duration:
    """Return `count` hours as a duration."""
    return _duration(count, "h")


def days(count: float) -> Duration:
    """Return `count` days of 24 hours as a duration."""
    return _duration(count, "d")


def _duration(count: float, unit: str) -> Duration:
    return Duration(round(Fraction(count) * _DURATION_NS[unit]))


def to_seconds(duration_ns: int) -> float:
    """Return a duration or a moment in seconds."""
    return duration_ns / SECOND_NS


def _quantity(text: str, what: str, units: dict[str, object], example: str) -> tuple[Fraction, str]:
    match = _QUANTITY.fullmatch(text)
    names = ", ".join(units)
    if match is None:
        raise BadValue(f"{text!r} is no {what}; write a number and a unit, such as {example}")
    number, unit = match.groups()
    if not unit:
        raise BadValue(f"{text!r} has no unit; write {what}s with one of {names}, e.g. {example}")
    if unit not in units:
        raise BadValue(f"{unit!r} in {text!r} is no unit of a {what}; the units are {names}")
    return Fraction(number.replace("_", "")), unit


def parse_duration(text: str) -> Duration:
    """Read a duration such as ``250ms``, ``45min``, ``12h`` or ``3d``.

    Raises:
        BadValue: no number, no unit or an unknown unit, or less than zero.

    >>> parse_duration("45min") == minutes(45)
    True
    """
    number, unit = _quantity(text, "duration", dict(_DURATION_NS), "45min")
    if number < 0:
        raise BadValue(f"{text!r} is a negative duration; write zero or more, e.g. 0s")
    return Duration(round(number * _DURATION_NS[unit]))


def parse_moment(text: str) -> int:
    """Read a moment of virtual time: ``09:00`` of day 0, ``3d 10:00``, or a duration from 0.

    Returns:
        Nanoseconds since the start of the run (midnight of day 0).

    >>> parse_moment("3d 10:00") == days(3) + hours(10)
    True
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return parse_duration(text)
    day, hour, minute, second = (int(part or 0) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise BadValue(f"{text!r} is no time of day; write 00:00 to 23:59")
    return days(day) + hours(hour) + minutes(minute) + seconds(second)


def parse_size(text: str) -> Size:
    """Read a size such as ``500B``, ``2kB`` (2,000 bytes) or ``2KiB`` (2,048 bytes)."""
    number, unit = _quantity(text, "size", dict(_SIZE_BYTES), "2kB")
    size_bytes = number * _SIZE_BYTES[unit]
    if size_bytes < 0 or size_bytes.denominator != 1:
        raise BadValue(f"{text!r} is no whole number of bytes from zero up")
    return Size(int(size_bytes))


def parse_rate(text: str) -> Rate:
    """Read a data rate such as ``40kbit/s`` or ``1MB/s``."""
    number, unit = _quantity(text, "rate", dict(_RATE_BYTES_PER_S), "40kbit/s")
    if number <= 0:
        raise BadValue(f"{text!r} carries nothing; write a rate above zero, e.g. 40kbit/s")
    return Rate(float(number * _RATE_BYTES_PER_S[unit]))


def parse_share(text: str) -> Share:
    """Read a share: ``10%`` or a plain number from 0 to 1.

    >>> parse_share("10%")
    0.1
    """
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in ("", "%"):
        raise BadValue(f"{text!r} is no share; write a percentage such as 10%, or 0.1")
    share = Fraction(match[1].replace("_", "")) / (100 if match[2] else 1)
    if not 0 <= share <= 1:
        raise BadValue(f"{text!r} is out of range; a share lies between 0% and 100%")
    return Share(float(share))


def parse_bool(text: str) -> bool:
    """Read a switch: ``on`` or ``off``."""
    try:
        return {"on": True, "off": False}[text.strip().lower()]
    except KeyError:
        raise BadValue(f"{text!r} is no switch; write on or off") from None


def show_duration(duration_ns: int) -> str:
    """Show a duration in the two largest units that say something.

    >>> show_duration(hours(26.5))
    '1d 2.5h'
    >>> show_duration(milliseconds(12.5))
    '12.5ms'
    """
    if duration_ns < 0:
        return "-" + show_duration(-duration_ns)
    if duration_ns >= _DURATION_NS["d"]:
        whole, rest_ns = divmod(duration_ns, _DURATION_NS["d"])
        return f"{whole}d {_trim(rest_ns / _DURATION_NS['h'])}h" if rest_ns else f"{whole}d"
    for unit in ("h", "min", "s", "ms", "us"):
        if duration_ns >= _DURATION_NS[unit]:
            return f"{_trim(duration_ns / _DURATION_NS[unit])}{unit}"
    return f"{duration_ns}ns" if duration_ns else "0s"


def exact_duration(duration_ns: int) -> str:
    """Return a duration as `parse_duration` reads it back, in the largest unit that divides it.

    >>> exact_duration(hours(36)), exact_duration(milliseconds(1500))
    ('36h', '1500ms')
    """
    units = [unit for unit in reversed(_DURATION_NS) if unit != "w"]
    unit = next(unit for unit in units if duration_ns % _DURATION_NS[unit] == 0)
    return f"{duration_ns // _DURATION_NS[unit]}{unit}" if duration_ns else "0s"


def show_moment(time_ns: int) -> str:
    """Show a moment of virtual time as day and time of day.

    >>> show_moment(days(3) + hours(10))
    '3d 10:00:00'
    """
    day, rest_ns = divmod(time_ns, _DURATION_NS["d"])
    second, rest_ns = divmod(rest_ns, SECOND_NS)
    clock = f"{day}d {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{clock}.{rest_ns:09}".rstrip("0") if rest_ns else clock


def show_size(size_bytes: float) -> str:
    """Show a size in decimal units."""
    for unit in ("GB", "MB", "kB"):
        if size_bytes >= _SIZE_BYTES[unit]:
            return f"{_trim(size_bytes / _SIZE_BYTES[unit])}{unit}"
    return f"{_trim(size_bytes)}B"


def show_rate(rate_bytes_per_s: float) -> str:
    """Show a data rate in bits per second."""
    bits = rate_bytes_per_s * 8
    for unit, factor in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= factor:
            return f"{_trim(bits / factor)}{unit}"
    return f"{_trim(bits)}bit/s"


def show_share(share: float) -> str:
    """Show a share as a percentage."""
    return f"{_trim(share * 100)}%"


def show_money(amount: Decimal) -> str:
    """Show money exactly, with thousands separators and at least two decimals.

    >>> show_money(Decimal("1265793.0395"))
    '1,265,793.0395'
    """
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{places}f}"


def _trim(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
