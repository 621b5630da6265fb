"""Where do messages wait for a busy actor?

First in, first out, one reader, and a bound: a mailbox that is full refuses, and the message is
lost with the reason `mailbox_full`. Nothing grows without a limit or a judge.

A mailbox also adds up its depth over time, so that its mean depth is known exactly. By Little's law
that sum equals the time that all messages together spent waiting in it.
"""

from collections import deque
from typing import Any

import attrs

__all__ = ["Mailbox", "MailboxStatistics"]


@attrs.frozen
class MailboxStatistics:
    """How a mailbox fared."""

    waiting: int
    """Messages in it now."""
    most: int
    """The most there ever were."""
    refused: int
    """Messages lost because it was full."""
    bound: int
    area_ns: int
    """The depth added up over virtual time: message-nanoseconds spent waiting."""
    mean_waiting: float
    """Messages in it on average since the beginning of the run."""


class Mailbox:
    """The queue in front of one actor."""

    __slots__ = ("_area_ns", "_changed_ns", "bound", "most", "refused", "waiting")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.waiting: deque[Any] | tuple[()] = ()  # most mailboxes never hold anything
        self.most = 0
        self.refused = 0
        self._area_ns = 0
        self._changed_ns = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self.waiting)

    def put(self, item: Any, now_ns: int, *, always: bool = False) -> bool:
        """Add an item at the end; False when the mailbox is full and it was refused.

        Args:
            item: What is to wait.
            now_ns: Virtual time.
            always: Take it even when full; for timers and for what comes from inside
                the site, which cannot be lost.
        """
        if len(self.waiting) >= self.bound and not always:
            self.refused += 1
            return False
        if not isinstance(self.waiting, deque):
            self.waiting = deque()
        self._add_up(now_ns)
        self.waiting.append(item)
        self.most = max(self.most, len(self.waiting))
        return True

    def take(self, now_ns: int) -> Any:
        """Remove and return the first item."""
        assert isinstance(self.waiting, deque)
        self._add_up(now_ns)
        return self.waiting.popleft()

    def clear(self, now_ns: int) -> int:
        """Throw all away; return how many there were."""
        self._add_up(now_ns)
        count = len(self.waiting)
        self.waiting = ()
        return count

    def _add_up(self, now_ns: int) -> None:
        self._area_ns += len(self.waiting) * (now_ns - self._changed_ns)
        self._changed_ns = now_ns

    def statistics(self, now_ns: int) -> MailboxStatistics:
        """Return how the mailbox fared so far."""
        area_ns = self._area_ns + len(self.waiting) * (now_ns - self._changed_ns)
        mean = area_ns / now_ns if now_ns else 0.0
        return MailboxStatistics(
            len(self.waiting), self.most, self.refused, self.bound, area_ns, mean
        )
