"""How does one actor name another?

An address belongs to the actor that holds it and leads to one other actor. It carries everything
that sending needs (the line, the luck, what the receiver declares), so that a message is sent
without looking anything up. For actors that know each other's message types it is written
`Address[CreateOrder | CancelOrder]`, and mypy rejects a wrong message before the run.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from crmsim.network.fabric import Line
from crmsim.network.link import Link

if TYPE_CHECKING:
    from crmsim.kernel.seat import Seat

__all__ = ["Address"]

M_contra = TypeVar("M_contra", contravariant=True)


class _NoLine:
    """The way between two actors of one site: nothing can happen to a message."""

    __slots__ = ()
    epoch = 0
    stamp = 0
    lucky = False
    loss_24 = 0
    link = Link()
    is_down = False

    def carry(self, now_ns: int, message: object, word: int) -> tuple[int, ...]:
        """Deliver at once."""
        return (0,)

    def quick(self, word: int) -> int:
        """Take no time."""
        return 0


INSIDE: Any = _NoLine()
"""The way between two actors of one site."""


class Address(Generic[M_contra]):
    """The way from one actor (`owner`) to another (`target`)."""

    __slots__ = (
        "accepts",
        "ask",
        "deliver",
        "epoch",
        "key",
        "line",
        "loss_24",
        "owner",
        "quick",
        "reply",
        "schedule",
        "seen",
        "stamp",
        "target",
    )

    def __init__(self, owner: "Seat", target: "Seat", line: Line) -> None:
        self.key = owner.simulation.luck.stream("way", f"{owner.name}>{target.name}").key
        self.owner = owner
        self.target = target
        self.line = line
        self.accepts: frozenset[type] = target.accepts
        noted = owner.simulation.notes_deliveries
        self.deliver: Callable[[Any], None] = target.deliver_noted if noted else target.deliver
        self.schedule = owner.simulation.schedule
        if line is not INSIDE:
            line.addresses = (*line.addresses, self)
        self.follow()
        self.seen: dict[int, int] | None = None
        """Identity of a message -> how often it was sent this way, for messages that are counted."""
        self.reply: Any = None
        """The address of the way back, which a handler gets as `sender`."""
        self.ask = 0
        """The number of the question that this address answers; 0 for an ordinary address."""

    def follow(self) -> None:
        """Copy what the line is like, so that the quick way need not look there."""
        line = self.line
        traced = self.owner.draws is not None
        self.quick = None if traced else line.quick
        """The latency by the word drawn, when nothing else can happen and no trace is kept."""
        self.loss_24 = line.loss_24
        self.epoch = line.epoch
        self.stamp = line.stamp

    @property
    def name(self) -> str:
        """The name of the actor it leads to."""
        return self.target.name

    @property
    def site(self) -> str:
        """The name of the site it leads to."""
        return self.target.site.name

    def __repr__(self) -> str:
        """Show both ends."""
        return f"<Address {self.owner.name} > {self.target.name}>"

    def count(self, identity: int) -> int:
        """Return how often a message of this identity was sent this way before."""
        if self.seen is None:
            self.seen = {}
        attempt = self.seen.get(identity, 0)
        self.seen[identity] = attempt + 1
        return attempt

    def asking(self, number: int, answers: frozenset[type]) -> "Address[Any]":
        """Return a copy whose way back answers question `number` of the owner."""
        if self.seen is None:
            self.seen = {}  # the copy counts with it
        forth, back = self._copy(), self.reply._copy()
        forth.reply, back.reply = back, forth
        back.ask = number
        back.accepts = answers
        back.deliver = self.owner.answer
        return forth

    def _copy(self) -> "Address[Any]":
        twin: Address[Any] = object.__new__(Address)
        for name in Address.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin
