"""What waited for the ERP, from when until when, and how many at once?

A wait begins and ends with events of the journal. What has not ended when the run does goes on
until then. All of it needs a journal of level ``business`` or more.
"""

from collections.abc import Callable, Iterable, Sequence

import attrs

from crmsim.trace.journal import Event, Journal
from crmsim.units import to_seconds

__all__ = [
    "Upload",
    "Wait",
    "between",
    "busy_share",
    "deepest",
    "drained_after_s",
    "from_to",
    "lasted_s",
    "locks",
    "lying_in",
    "overlapping",
    "uploads",
    "ways_to_the_erp",
    "went_on_s",
]


@attrs.frozen
class Wait:
    """Something that waited."""

    what: str
    begin_ns: int
    end_ns: int | None = None
    """None when it never ended."""


Judge = Callable[[Event], str | None]
"""Says what a wait of a key is about that an event begins or ends; None when it does neither."""


def between(journal: Journal, kinds: Sequence[str], begins: Judge, ends: Judge) -> list[Wait]:
    """Return the waits of a journal, those that ended first; a second beginning changes nothing.

    Args:
        journal: What happened.
        kinds: The kinds of events that are looked at.
        begins: Says what a wait is about that an event begins.
        ends: Says what a wait is about that an event ends.
    """
    open_: dict[str, int] = {}
    found: list[Wait] = []
    for event in journal.select(*kinds):
        begun, ended = begins(event), ends(event)
        if ended is not None and ended in open_:
            found.append(Wait(ended, open_.pop(ended), event.time_ns))
        if begun is not None:
            open_.setdefault(begun, event.time_ns)
    return [*found, *(Wait(what, begin_ns) for what, begin_ns in open_.items())]


def from_to(journal: Journal, begin: str, end: str) -> list[Wait]:
    """Return the waits of documents from their first event of a kind to the next of another one."""
    return between(
        journal,
        (begin, end),
        lambda event: event.subject if event.kind == begin else None,
        lambda event: event.subject if event.kind == end else None,
    )


def ways_to_the_erp(journal: Journal, crm: str = "crm", erp: str = "erp") -> list[Wait]:
    """Return how long each unit of work was on its way: from CRM's queue to its end in the ERP.

    One that a person takes out ends then.
    """
    return between(
        journal,
        ("enqueued", "ended", "administered"),
        lambda event: event.subject if _is_in(event, "enqueued", crm, "R3AU_") else None,
        lambda event: event.subject if _is_out(event, erp, "R3AU_") else None,
    )


def lying_in(journal: Journal, actor: str, family: str) -> list[Wait]:
    """Return what lay in the queues of a system: from when it came until it was done.

    Args:
        journal: What happened.
        actor: Whose queues they are.
        family: How their names begin: ``R3AU_``, ``R3AD_``, ``CRM_SITE_``.
    """
    return between(
        journal,
        ("enqueued", "ended", "administered"),
        lambda event: _row(event) if _is_in(event, "enqueued", actor, family) else None,
        lambda event: _row(event) if _is_out(event, actor, family) else None,
    )


def _is_in(event: Event, kind: str, actor: str, family: str) -> bool:
    is_there = event.kind == kind and event.actor == actor
    return is_there and str(event.detail["queue"]).startswith(family)


def _is_out(event: Event, actor: str, family: str) -> bool:
    """Say whether something leaves a queue: it is done, or a person takes it out."""
    is_taken = event.kind == "administered" and "serial" in event.detail
    return (event.kind == "ended" or is_taken) and _is_in(event, event.kind, actor, family)


def _row(event: Event) -> str:
    return f"{event.detail['queue']} {event.detail['serial']}"


def locks(journal: Journal) -> list[Wait]:
    """Return how long each document was locked because it was being distributed (I1054)."""

    def locked(event: Event, *, is_locked: bool) -> str | None:
        return event.subject if (event.detail["status"] == "TO_BE") is is_locked else None

    return between(
        journal,
        ("distributed",),
        lambda event: locked(event, is_locked=True),
        lambda event: locked(event, is_locked=False),
    )


@attrs.frozen
class Upload:
    """A new order of a laptop on its way into CRM Online."""

    saved_ns: int
    received_ns: int
    """When CRM had it in a queue."""
    committed_ns: int


def uploads(journal: Journal, crm: str = "crm") -> list[Upload]:
    """Return the new orders of laptops that CRM has stored, in the order in which it did."""
    saved: dict[str, int] = {}
    received: dict[str, int] = {}
    found: list[Upload] = []
    for event in journal.select("saved", "received", "committed"):
        message = str(event.detail.get("message"))
        if event.kind == "saved" and event.detail["task"] == "insert":
            saved[message] = event.time_ns
        elif event.kind == "received" and event.actor == crm and event.subject in saved:
            received.setdefault(event.subject, event.time_ns)
        elif event.kind == "committed" and message in received:
            found.append(Upload(saved[message], received[message], event.time_ns))
    return found


def overlapping(waits: Iterable[Wait], begin_ns: int, end_ns: int) -> list[Wait]:
    """Return the waits that have a part in a span of time."""
    return [
        wait
        for wait in waits
        if wait.begin_ns < end_ns and (wait.end_ns is None or wait.end_ns > begin_ns)
    ]


def lasted_s(waits: Iterable[Wait]) -> list[float]:
    """Return how long the waits lasted that ended, in seconds."""
    return [to_seconds(wait.end_ns - wait.begin_ns) for wait in waits if wait.end_ns is not None]


def went_on_s(waits: Iterable[Wait], now_ns: int) -> list[float]:
    """Return how long waits lasted, in seconds; what has not ended, up to now."""
    return [
        to_seconds((now_ns if wait.end_ns is None else wait.end_ns) - wait.begin_ns)
        for wait in waits
    ]


def _steps(waits: Iterable[Wait]) -> list[tuple[int, int]]:
    """Return (moment, how many wait from then on), in order of time."""
    changes: dict[int, int] = {}
    for wait in waits:
        changes[wait.begin_ns] = changes.get(wait.begin_ns, 0) + 1
        if wait.end_ns is not None:
            changes[wait.end_ns] = changes.get(wait.end_ns, 0) - 1
    depth, found = 0, []
    for time_ns in sorted(changes):
        depth += changes[time_ns]
        found.append((time_ns, depth))
    return found


def deepest(waits: Iterable[Wait], begin_ns: int, end_ns: int) -> int:
    """Return how many waited at once at most within a span of time."""
    now, most = 0, 0
    for time_ns, depth in _steps(waits):
        if time_ns <= begin_ns:
            now = depth
        elif time_ns < end_ns:
            most = max(most, depth)
    return max(now, most)


def drained_after_s(waits: Iterable[Wait], begin_ns: int, end_ns: int) -> float | None:
    """Return how long after its end a trouble had left no more behind than there was before it.

    Args:
        waits: What waits.
        begin_ns: When the trouble began; how many waited at most before is normal.
        end_ns: When it ended.

    Returns:
        Seconds; None when that never came.
    """
    normal, now = 0, 0
    for time_ns, depth in _steps(waits):
        if time_ns < begin_ns:
            normal = max(normal, depth)
        if time_ns <= end_ns:
            now = depth
        elif now <= normal:
            return 0.0
        elif depth <= normal:
            return to_seconds(time_ns - end_ns)
    return 0.0 if now <= normal else None


def busy_share(
    journal: Journal, actor: str, families: tuple[str, ...], processes: int, span: tuple[int, int]
) -> float:
    """Return which share of their time the work processes of a system worked, from 0 to 1.

    Args:
        journal: What happened.
        actor: The system.
        families: How the names of the queues begin that it executes.
        processes: How many work processes it has.
        span: From when until when.
    """
    since: dict[str, int] = {}
    worked_ns = 0
    for event in journal.select("begun", "ended", "failed", "crashed"):
        if event.actor != actor:
            continue
        if event.kind == "crashed":
            ended = list(since.values())
            since.clear()
        elif not str(event.detail["queue"]).startswith(families):
            continue
        elif event.kind == "begun":
            since.setdefault(_row(event), event.time_ns)
            continue
        else:
            row = _row(event)
            ended = [since.pop(row)] if row in since else []
        worked_ns += sum(_within(begin_ns, event.time_ns, span) for begin_ns in ended)
    worked_ns += sum(_within(begin_ns, span[1], span) for begin_ns in since.values())
    return worked_ns / (processes * max(span[1] - span[0], 1))


def _within(begin_ns: int, end_ns: int, span: tuple[int, int]) -> int:
    return max(min(end_ns, span[1]) - max(begin_ns, span[0]), 0)
