"""What can be sent from one actor to another, and how does one actor name another?

A message is a frozen attrs class made by `@message`. It knows what it is about: the fields that
give it an identity which lasts across runs, so that its luck on a line depends on nothing else.

An address belongs to the actor that holds it and leads to one other actor. It carries everything
that sending needs (the line, the luck, what the receiver declares), so that a message is sent
without looking anything up. For actors that know each other's message types it is written
`Address[CreateOrder | CancelOrder]`, and mypy rejects a wrong message before the run.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, dataclass_transform, overload

import attrs

from crmsim.chance import MASK, ODD_A, ODD_B, field_names, word_of
from crmsim.errors import BadMessage, BadValue
from crmsim.network.fabric import Arrival, Line
from crmsim.network.link import Link

if TYPE_CHECKING:
    from crmsim.kernel.seat import Seat

__all__ = [
    "Address",
    "Inside",
    "LineEnded",
    "is_counted",
    "is_message",
    "message",
    "refuse",
    "size_of",
]

C = TypeVar("C", bound=type)
HEADER_BYTES = 40
"""What a message costs on a line before its content (headers of IPv4 and TCP: RFC 791, 9293)."""


@overload
def message(cls: C) -> C: ...
@overload
def message(*, about: tuple[str, ...] | None = None) -> Callable[[C], C]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def message(cls: C | None = None, *, about: tuple[str, ...] | None = None) -> Any:
    """Make a class a message: attrs, frozen, slotted, hashable.

    Args:
        cls: The class, when used without brackets.
        about: The fields that say what the message is about, which keys its luck. Two messages
            about the same thing then share their luck unless they are sent with different numbers
            of `attempt`. When not given, it is about all its fields, and sendings of the same
            content are told apart by counting them, which costs memory for every message sent.

    Raises:
        BadValue: `about` names a field that the class does not have.
    """

    def decorate(plain: C) -> C:
        made: Any = attrs.frozen(plain)
        names = tuple(field.name for field in attrs.fields(made))
        chosen = names if about is None else about
        for name in chosen:
            if name not in names:
                raise BadValue(f"{plain.__name__} is about {name!r}, but it has only {names}")
        made.__init__ = _quick_init(made) or made.__init__
        made.__identity__ = _identity(made, chosen, check_hash=chosen != names)
        made.__about__ = chosen
        made.__counted__ = about is None
        if not hasattr(made, "size_bytes"):
            made.size_bytes = property(size_of)
        if not hasattr(made, "subject"):
            made.subject = property(_subject)
        return made  # type: ignore[no-any-return]

    return decorate if cls is None else decorate(cls)


def is_message(thing: type) -> bool:
    """Say whether a class was made by `@message`."""
    return hasattr(thing, "__identity__")


def is_counted(kind: type) -> bool:
    """Say whether equal sendings of a message type are told apart by counting them."""
    return bool(getattr(kind, "__counted__", True))


def _identity(cls: type, names: tuple[str, ...], *, check_hash: bool) -> Callable[[Any], int]:
    """Write the method that folds the chosen fields into one 64-bit word.

    It is generated code because it runs for every message: a whole number from 0 up is its own
    word, anything else goes through `word_of`. The last field is only xored in, because every draw
    folds the identity twice more.
    """
    start = word_of(f"message {cls.__name__}")
    lines = ["def __identity__(self):"]
    if check_hash:
        lines.append("    check_hashable(self)")
    for place, name in enumerate(names):
        lines += [
            f"    part = self.{name}",
            f"    if part.__class__ is not int or not 0 <= part <= {MASK}:",
            "        part = word_of(part)",
            f"    word = {'word' if place else start} ^ part",
        ]
        if place < len(names) - 1:
            lines += [
                f"    word = word * {ODD_A}",
                f"    word = (word ^ (word >> 64) ^ {ODD_B}) & {MASK}",
            ]
    lines.append("    return word" if names else f"    return {start}")
    space: dict[str, Any] = {"word_of": word_of, "check_hashable": _check_hashable}
    exec("\n".join(lines), space)
    method: Callable[[Any], int] = space["__identity__"]
    return method


def _check_hashable(thing: object) -> None:
    try:
        hash(thing)
    except TypeError as error:
        raise BadMessage(f"{thing!r} cannot be sent, because it is not hashable: {error}") from None


def _quick_init(cls: type) -> Callable[..., None] | None:
    """Write an `__init__` that sets the slots directly; None when attrs has more to do.

    A frozen attrs class goes through `object.__setattr__` by name for every field; the slot
    descriptors do the same in half the time.
    """
    fields = attrs.fields(cls)
    if hasattr(cls, "__attrs_post_init__") or any(
        field.validator or field.converter or not field.init or _is_factory(field.default)
        for field in fields
    ):
        return None
    space: dict[str, Any] = {
        f"set_{field.name}": getattr(cls, field.name).__set__ for field in fields
    }
    parameters = ["self"]
    seen_keyword_only = False
    for field in fields:
        if field.kw_only and not seen_keyword_only:
            parameters.append("*")
            seen_keyword_only = True
        space[f"default_{field.name}"] = field.default
        default = "" if field.default is attrs.NOTHING else f"=default_{field.name}"
        parameters.append(f"{field.alias}{default}")
    body = [f"    set_{field.name}(self, {field.alias})" for field in fields] or ["    pass"]
    exec("\n".join([f"def __init__({', '.join(parameters)}):", *body]), space)
    init: Callable[..., None] = space["__init__"]
    return init


def _is_factory(default: object) -> bool:
    return type(default).__name__ == "Factory"


def _subject(self: Any) -> str:
    return "/".join([str(getattr(self, name)) for name in type(self).__about__])


def size_of(thing: Any) -> int:
    """Return the bytes that a value takes on a line.

    The rule: a header for a message, 8 bytes for a number, the UTF-8 length of a text, the sum of
    the parts of a tuple or a record. A message class may define `size_bytes` itself.
    """
    sizer = _SIZERS.get(type(thing))
    if sizer is None:
        sizer = _SIZERS[type(thing)] = _sizer(type(thing))
    return sizer(thing)


_SIZERS: dict[type, Callable[[Any], int]] = {}
"""Class -> what measures its values."""


def _sizer(kind: type) -> Callable[[Any], int]:
    """Return what measures the values of a class; it runs for every part of every message."""
    own = HEADER_BYTES if is_message(kind) else 0
    if issubclass(kind, NoneType | bool):
        return lambda _: own + 1
    if issubclass(kind, int | float | Decimal):
        return lambda _: own + 8
    if issubclass(kind, str):
        return lambda text: own + (len(text) if text.isascii() else len(text.encode()))
    if issubclass(kind, bytes):
        return lambda data: own + len(data)
    if issubclass(kind, tuple | list):
        return lambda parts: own + _size_of_all(parts)
    if attrs.has(kind):
        return _sizer_of_fields(own, field_names(kind))
    return lambda _: own + 8


def _sizer_of_fields(own: int, names: Sequence[str]) -> Callable[[Any], int]:
    parts = attrgetter(*names) if len(names) > 1 else lambda thing: (getattr(thing, *names),)
    return (lambda thing: own + _size_of_all(parts(thing))) if names else lambda _: own


def _size_of_all(parts: Iterable[Any]) -> int:
    """Return the bytes that values take together; the two commonest kinds without another call."""
    total = 0
    for part in parts:
        kind = type(part)
        if kind is str:
            total += len(part) if part.isascii() else len(part.encode())
        elif kind is int:
            total += 8
        else:
            total += size_of(part)
    return total


def refuse(thing: object, sender: str, target: str) -> BadMessage:
    """Return the error for something that cannot be sent, naming both ends."""
    what = type(thing).__name__
    if not is_message(type(thing)):
        return BadMessage(
            f"{sender!r} sends a {what} to {target!r}, but {what} is no message; "
            "put @message above the class"
        )
    return BadMessage(
        f"{sender!r} sends {what} to {target!r}, which declares no such message; "
        f"give {target!r} a method with @handles({what}), or name it in `receives`"
    )


M_contra = TypeVar("M_contra", contravariant=True)


@message(about=("site",))
class LineEnded:
    """A dial-up line has ended: the other end hung up or crashed, or a stream broke.

    The kernel tells it to an actor that handles it. While a fault cuts or holds the line, nobody
    is told that the other end has hung up.
    """

    site: str
    """The site at the other end."""


class Inside:
    """The way between two actors of one site: only a crash of the site can happen to a message."""

    __slots__ = ("addresses", "epoch", "stamp")
    lucky = False
    loss_24 = 0
    link = Link()
    is_down = False

    def __init__(self) -> None:
        self.epoch = self.stamp = 0
        self.addresses: tuple[Any, ...] = ()
        """Who copies the state of this way, as for a `Line`."""

    def crash(self) -> None:
        """Lose what is under way inside the site."""
        self.epoch += 1
        self.stamp = self.epoch
        for address in self.addresses:
            address.follow()

    def arrival(self, stamp: int) -> Arrival:
        """Say that a message from before a crash is lost."""
        return Arrival.LOST

    def carry(self, now_ns: int, message: object, word: int) -> tuple[int, ...]:
        """Deliver at once."""
        return (0,)

    def quick(self, word: int) -> int:
        """Take no time."""
        return 0


class Address(Generic[M_contra]):
    """The way from one actor (`owner`) to another (`target`)."""

    __slots__ = (
        "accepts",
        "ask",
        "deliver",
        "epoch",
        "is_inside",
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

    def __init__(self, owner: "Seat", target: "Seat", line: Line | Inside) -> None:
        self.key = owner.simulation.luck.stream("way", f"{owner.name}>{target.name}").key
        self.owner = owner
        self.target = target
        self.line = line
        self.accepts: dict[type, bool] = target.accepts
        """Message type -> whether equal sendings are counted."""
        noted = owner.simulation.notes_deliveries
        self.deliver: Callable[[Any], None] = target.deliver_noted if noted else target.deliver
        self.schedule = owner.simulation.schedule
        self.is_inside = isinstance(line, Inside)
        """Whether it leads to an actor of the same site, over no line."""
        line.addresses = (*line.addresses, self)
        self.follow()
        self.seen: dict[int, int] | None = None
        """Identity -> how often it was sent this way, for messages that are counted."""
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

    def asking(self, number: int, answers: dict[type, bool]) -> "Address[Any]":
        """Return a copy whose way back answers question `number` of the owner."""
        if self.seen is None:
            self.seen = {}  # the copy counts with it
        forth, back = _AskAddress(self), _AskAddress(self.reply)
        forth.reply, back.reply = back, forth
        back.ask = number
        back.accepts = answers
        back.deliver = self.owner.answer
        return forth


class _AskAddress(Address[Any]):
    """An address that lives as long as one question: it looks at its line instead of copying it."""

    __slots__ = ()
    quick = None

    def __init__(self, original: Address[Any]) -> None:
        for name in Address.__slots__:
            if name not in ("epoch", "loss_24", "quick", "stamp"):
                setattr(self, name, getattr(original, name))

    @property
    def epoch(self) -> int:  # type: ignore[override]
        return self.line.epoch

    @property
    def stamp(self) -> int:  # type: ignore[override]
        return self.line.stamp
