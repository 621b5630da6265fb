"""What does a laptop remember of the session that is under way, and of what does it remind itself?

All of it is lost in a crash, and nothing of it is needed after one.
"""

from typing import Any

import attrs

from crmsim.kernel.message import message
from crmsim.sync.session import Phase

__all__ = [
    "BreakOver",
    "LineDrops",
    "NoAnswer",
    "PhaseDue",
    "Session",
    "SessionDue",
    "WriteDue",
]


@message(about=("entry",))
class WriteDue:
    """The rep writes what the diary says next."""

    entry: int


@message(about=("session",))
class SessionDue:
    """It is time for a session."""

    session: int


@message(about=("session",))
class PhaseDue:
    """Work of a phase that takes time is done."""

    session: int
    phase: Phase


@message(about=("session",))
class NoAnswer:
    """A request got no answer in time."""

    session: int
    step: int
    attempt: int


@message(about=("session",))
class LineDrops:
    """The line breaks off."""

    session: int


@message(about=("session",))
class BreakOver:
    """The wait after a broken line is over."""

    session: int


@attrs.define
class Session:
    """The session that is under way; not durable."""

    number: int
    phase: Phase = Phase.INIT
    step: int = 0
    attempt: int = 0
    is_broken: bool = False
    break_phase: Phase | None = None
    """The phase in which the line breaks off, if it does."""
    request: Any = None
    """What was asked and is not answered yet."""
