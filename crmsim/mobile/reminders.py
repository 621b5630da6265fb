"""What does a laptop remember of the session that is under way, and of what does it remind itself?

All of it is lost in a crash, and nothing of it is needed after one.
"""

from typing import Any

import attrs

from crmsim.kernel.message import message
from crmsim.sync.session import Phase

__all__ = [
    "BreakOver",
    "CorrectionDue",
    "LineDrops",
    "NetworkGone",
    "NoAnswer",
    "PhaseDue",
    "RedialDue",
    "Session",
    "SessionDue",
    "WriteDue",
]


@message(about=("entry",))
class WriteDue:
    """The rep writes what the diary says next."""

    entry: int


@message(about=("message",))
class CorrectionDue:
    """The rep gets round to what the inbox says about a change."""

    message: str


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
class NetworkGone:
    """The network that a session was begun with is out of reach."""

    session: int


@message(about=("session", "call"))
class RedialDue:
    """It is time to call a station again, or another one."""

    session: int
    call: int
    """The how-manieth call of the session it will be, from 0."""
    reason: str
    """Why the one before came to nothing."""


@message(about=("session",))
class BreakOver:
    """The wait after a broken line is over."""

    session: int


@attrs.define
class Session:
    """The session that is under way; not durable."""

    number: int
    station: str
    """The station that it is with, or has called last."""
    phase: Phase = Phase.INIT
    step: int = 0
    attempt: int = 0
    first_attempt: int = 0
    """The attempt with which the last request, or the last call, began."""
    call: int = 0
    """The how-manieth call of the session it is at, from 0."""
    is_broken: bool = False
    break_phase: Phase | None = None
    """The phase in which the line breaks off, if it does."""
    request: Any = None
    """What was asked and is not answered yet."""

    @property
    def needs_line(self) -> bool:
        """Whether it holds a line, or waits for one, so that the end of the line ends it."""
        return self.phase.is_on_line and not self.is_broken
