"""Do times stay within limits, when some of them are not over yet?

What has not ended is not left out: that would make a system look quick because its slowest work
never gets done. Older than a limit, it is over the limit; younger, nobody can know yet.
"""

import math
import re
from collections.abc import Mapping, Sequence

import attrs

from crmsim.checks.check import Evidence
from crmsim.errors import BadValue
from crmsim.trace.journal import Event
from crmsim.units import Duration, show_duration, show_moment

__all__ = ["Limits", "Pair", "judge_limits", "quantile"]

_QUANTILE = re.compile(r"p(\d{1,2})(?:_(\d+))?")


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the quantile by nearest rank; None of nothing.

    >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5)
    2.0
    """
    if not values:
        return None
    return sorted(values)[rank(len(values), share) - 1]


def rank(count: int, share: float) -> int:
    """Return which of so many numbers, counted from 1 in rising order, is the quantile."""
    return max(math.ceil(round(share * count, 9)), 1)  # 0.07 * 100 is a little more than 7


@attrs.frozen
class Pair:
    """A thing and how long it took."""

    name: str
    group: str
    """Within what its limits hold; empty for all together."""
    start: Event
    end: Event | None
    """None when it has not ended."""
    lasted_ns: int
    """Until its end; until now when it has not ended."""


@attrs.frozen
class Limits:
    """How long things may take: share of them -> at most so long, and a mean."""

    quantiles: tuple[tuple[str, float, Duration], ...]
    """(name, share, limit)."""
    mean: Duration | None = None

    @classmethod
    def read(cls, limits: Mapping[str, Duration]) -> "Limits":
        """Make limits of ``p95=..., max=..., mean=...``.

        Raises:
            BadValue: there is none, or a name or a duration makes no sense.
        """
        if not limits:
            raise BadValue("a latency has a limit: p95=hours(12), max=days(1) or mean=hours(2)")
        quantiles = []
        for name, limit in limits.items():
            if not isinstance(limit, int) or limit < 0:
                raise BadValue(f"{name}={limit!r} is no duration; write e.g. {name}=hours(12)")
            if name != "mean":
                quantiles.append((name, _share(name), limit))
        return cls(tuple(quantiles), limits.get("mean"))

    def __str__(self) -> str:
        """Say the limits in words."""
        told = [
            f"{'all' if share == 1 else f'{share * 100:g} %'} take at most {show_duration(limit)}"
            for _, share, limit in self.quantiles
        ]
        if self.mean is not None:
            told.append(f"on average at most {show_duration(self.mean)}")
        return ", ".join(told)


def _share(name: str) -> float:
    if name == "max":
        return 1.0
    match = _QUANTILE.fullmatch(name)
    if match is None or float(f"{match[1]}.{match[2] or 0}") == 0:
        raise BadValue(f"{name!r} is no limit of a latency; write p50, p95, p99_9, max or mean")
    return float(f"{match[1]}.{match[2] or 0}") / 100


def judge_limits(
    pairs: Sequence[Pair], limits: Limits, now_ns: int
) -> tuple[int, list[Evidence], bool]:
    """Return how many were judged, what is wrong, and whether something is undecided."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair)
    evidence: list[Evidence] = []
    is_open = False
    for name, members in groups.items():
        for _, share, limit in limits.quantiles:
            found, undecided = _judge_quantile(name, members, share, limit)
            evidence += found
            is_open = is_open or undecided
        if limits.mean is not None:
            found, undecided = _judge_mean(name, members, limits.mean)
            evidence += found
            is_open = is_open or undecided
    return len(pairs), evidence, is_open


def _judge_quantile(
    group: str, members: list[Pair], share: float, limit: Duration
) -> tuple[list[Evidence], bool]:
    over = [pair for pair in members if pair.lasted_ns > limit]
    young = [pair for pair in members if pair.end is None and pair.lasted_ns <= limit]
    allowed = len(members) - rank(len(members), share)
    if len(over) > allowed:
        worst = sorted(over, key=lambda pair: (-pair.lasted_ns, pair.start.number))
        told = f"{len(over)} of {len(members)} took longer than {show_duration(limit)}"
        unended = sum(pair.end is None for pair in over)
        told += f" ({unended} of them have not ended)" if unended else ""
        within = f"{group}: " if group else ""
        return [_evidence(f"{within}{told}; the longest: {_told(worst[0])}", worst[0])], False
    return [], len(over) + len(young) > allowed


def _judge_mean(group: str, members: list[Pair], limit: Duration) -> tuple[list[Evidence], bool]:
    """Judge the mean; what has not ended counts with its time up to now, which is too little."""
    total_ns = sum(pair.lasted_ns for pair in members)
    if total_ns <= limit * len(members):
        return [], any(pair.end is None for pair in members)
    mean_ns = total_ns // len(members)
    worst = max(members, key=lambda pair: (pair.lasted_ns, -pair.start.number))
    within = f"{group}: " if group else ""
    told = f"{within}on average {show_duration(mean_ns)}, more than {show_duration(limit)}"
    return [_evidence(f"{told}; the longest: {_told(worst)}", worst)], False


def _told(pair: Pair) -> str:
    until = "not ended" if pair.end is None else f"until {show_moment(pair.end.time_ns)}"
    begin = show_moment(pair.start.time_ns)
    return f"{pair.name}, {show_duration(pair.lasted_ns)} (from {begin}, {until})"


def _evidence(text: str, pair: Pair) -> Evidence:
    return Evidence(text, (pair.end or pair.start).number)
