"""Where do messages wait for a busy actor?

First in, first out, one reader, and a bound: a mailbox that is full refuses, and the message is
lost with the reason `mailbox_full`. Nothing grows without a limit or a judge.
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


class Mailbox:
    """The queue in front of one actor."""

    __slots__ = ("bound", "most", "refused", "waiting")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.waiting: deque[Any] | tuple[()] = ()  # most mailboxes never hold anything
        self.most = 0
        self.refused = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self.waiting)

    def put(self, item: Any, *, always: bool = False) -> bool:
        """Add an item at the end; False when the mailbox is full and it was refused.

        Args:
            item: What is to wait.
            always: Take it even when full; for an actor's own timers, which cannot be lost.
        """
        if len(self.waiting) >= self.bound and not always:
            self.refused += 1
            return False
        if not isinstance(self.waiting, deque):
            self.waiting = deque()
        self.waiting.append(item)
        self.most = max(self.most, len(self.waiting))
        return True

    def take(self) -> Any:
        """Remove and return the first item."""
        assert isinstance(self.waiting, deque)
        return self.waiting.popleft()

    def clear(self) -> int:
        """Throw all away; return how many there were."""
        count = len(self.waiting)
        self.waiting = ()
        return count

    def statistics(self) -> MailboxStatistics:
        """Return how the mailbox fared so far."""
        return MailboxStatistics(len(self.waiting), self.most, self.refused, self.bound)
