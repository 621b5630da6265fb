"""In which order do things happen?

The only place that decides order. Due actions wait in a calendar of buckets by time and are
performed by (due time, number of insertion). The seam for every other order is
`Strategy.choose(enabled)`: it may pick any pending action, and time moves to the chosen one.

Why not a plain heap? Measured on the kernel benchmark, buckets with a sort when a bucket's turn
comes cost about a quarter less than `heapq` with the same tuples: most insertions are an append.
"""

from bisect import insort
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

__all__ = ["LAST", "Action", "Schedule", "Strategy"]

Action = tuple[int, int, Callable[[Any], None] | None, Any, Any, int, int]
"""(due_ns, number, perform, what, whom, cause, stamp).

`perform` is called with the tuple; None stands for handing message `what` to address `whom`, the
commonest action, which the clock performs itself.
"""

LAST = 1 << 62
"""A number that sorts behind every insertion: "when all else of this instant is done"."""

_FEW, _MANY = 3, 128
"""Bucket sizes between which the width of a bucket is left alone."""
_JUDGE_EVERY = 256
"""Buckets between two judgements of the width."""


class Strategy(Protocol):
    """Chooses which pending action comes next; part of the identity of a run."""

    name: str

    def choose(self, enabled: Sequence[Action]) -> Action:
        """Return one of the pending actions, which come sorted by (due time, number)."""


class Schedule:
    """All pending actions, and what time it is."""

    __slots__ = (
        "_indexes",
        "_turns",
        "_weight",
        "buckets",
        "current",
        "end_index",
        "limit_ns",
        "now_ns",
        "number",
        "position",
        "shift",
        "strategy",
    )

    def __init__(self, strategy: Strategy | None = None) -> None:
        self.now_ns = 0
        self.number = 0
        """How many actions were ever inserted; the tie-break."""
        self.limit_ns = 0
        """No action due later is performed; -1 hands the turn to trio."""
        self.current: list[Action] = []
        """The bucket whose turn it is, sorted."""
        self.position = 0
        """Index in `current` of the next action."""
        self.strategy = strategy
        self.shift = 20
        """A bucket is 2**shift nanoseconds wide: about a millisecond, until load says otherwise."""
        self.buckets: dict[int, list[Action]] = {}
        """Index (time shifted) -> the actions of that span, unsorted."""
        self.end_index = -1
        """Index of the bucket whose turn it is."""
        self._indexes: list[int] = []
        self._turns = 0
        self._weight = 0

    def __len__(self) -> int:
        """Return how many actions are pending."""
        return len(self.current) - self.position + sum(map(len, self.buckets.values()))

    def push(
        self,
        due_ns: int,
        perform: Callable[[Any], None] | None,
        what: Any = None,
        whom: Any = None,
        cause: int = 0,
        stamp: int = 0,
    ) -> Action:
        """Insert an action behind all of the same due time; return it."""
        number = self.number = self.number + 1
        action = (due_ns, number, perform, what, whom, cause, stamp)
        self.insert(action)
        return action

    def push_last(self, due_ns: int, perform: Callable[[Any], None], what: Any = None) -> Action:
        """Insert an action behind all that is and will be due at that instant; return it."""
        self.number += 1
        action = (due_ns, LAST + self.number, perform, what, None, 0, 0)
        self.insert(action)
        return action

    def insert(self, action: Action) -> None:
        """Insert a ready-made action."""
        index = action[0] >> self.shift
        if index <= self.end_index:
            insort(self.current, action, self.position)  # a LAST one performed stays behind it
        elif index in self.buckets:
            self.buckets[index].append(action)
        else:
            self.open_bucket(index, action)

    def open_bucket(self, index: int, action: Action) -> None:
        """Begin a bucket with its first action."""
        self.buckets[index] = [action]
        heappush(self._indexes, index)

    def advance(self) -> bool:
        """Give the next bucket its turn, when the current one is used up; False when all is."""
        if not self._indexes:
            self.current = []
            self.position = 0
            return False
        self._turns += 1
        if self._turns >= _JUDGE_EVERY:
            self._judge_width()
        self.end_index = heappop(self._indexes)
        bucket = self.buckets.pop(self.end_index)
        if len(bucket) > 1:
            bucket.sort()
        self._weight += len(bucket)
        self.current = bucket
        self.position = 0
        return True

    def _judge_width(self) -> None:
        """Halve or double the width of the buckets until they hold a handful each."""
        mean = self._weight / self._turns
        self._turns = self._weight = 0
        if mean > _MANY:
            self._rebuild(-2)
        elif mean < _FEW and len(self._indexes) > _JUDGE_EVERY:
            self._rebuild(2)

    def _rebuild(self, step: int) -> None:
        self.shift = max(self.shift + step, 0)
        buckets: dict[int, list[Action]] = {}
        for bucket in self.buckets.values():
            for action in bucket:
                buckets.setdefault(action[0] >> self.shift, []).append(action)
        self.buckets = buckets
        self._indexes = list(buckets)
        heapify(self._indexes)
        self.end_index = (self.now_ns >> self.shift) - 1

    def next_due_ns(self) -> int | None:
        """Return when the next action is due, None when nothing is pending."""
        while self.position >= len(self.current):
            if not self.advance():
                return None
        return self.current[self.position][0]

    def pending(self) -> list[Action]:
        """Return every pending action, sorted."""
        later = [action for bucket in self.buckets.values() for action in bucket]
        return sorted(self.current[self.position :] + later)

    def remove(self, action: Action) -> None:
        """Take a pending action out."""
        if action in self.current[self.position :]:
            del self.current[self.current.index(action, self.position)]
            return
        index = action[0] >> self.shift
        self.buckets[index].remove(action)
        if not self.buckets[index]:
            del self.buckets[index]
            self._indexes.remove(index)
            heapify(self._indexes)
