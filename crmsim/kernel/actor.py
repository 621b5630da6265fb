"""What is an actor, and what can it do?

Subclass `Actor` and write a method per message type::

    class Erp(Actor):
        @handles(CreateOrder)
        def create(self, message: CreateOrder, sender: Address[OrderCreated]) -> None:
            with self.commit() as change:
                change.put("orders", message.number, message)
                change.send(sender, OrderCreated(message.number))

One message at a time, to completion. A handler may be `async def` and wait (`sleep`, `ask`); a
plain `def` is cheaper. A life that is easier told as a story overrides `run`. Attributes of the
object are lost in a crash; `self.store` is not.

Handlers and lives can be interrupted by Ctrl-C; the verbs they call are kernel code and cannot, so
no message is ever half sent.
"""

import inspect
from bisect import insort
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs
import trio

from crmsim.chance import MASK, ODD_A, ODD_B, TURN, Stream, field_names
from crmsim.errors import BadMessage, BadValue
from crmsim.kernel.durable import Change, Store
from crmsim.kernel.message import Address, is_counted, is_message, refuse
from crmsim.network.fabric import LOW_24
from crmsim.trace.kinds import Kind

if TYPE_CHECKING:
    from crmsim.kernel.life import Timer

__all__ = ["Actor", "handles", "span_ns"]

M = TypeVar("M")
R = TypeVar("R")
H = TypeVar("H", bound=Callable[..., Any])


def handles(*kinds: type) -> Callable[[H], H]:
    """Mark a method as the handler of one or more message types.

    Raises:
        BadMessage: one of the types was not made by `@message`.
    """
    for kind in kinds:
        if not is_message(kind):
            raise BadMessage(f"@handles({kind.__name__}): put @message above class {kind.__name__}")

    def mark(method: H) -> H:
        method.__handles__ = kinds  # type: ignore[attr-defined]
        trio.lowlevel.disable_ki_protection(method)
        return method

    return mark


class Actor:
    """Somebody with a mailbox, a memory that a crash wipes, and a store that it does not."""

    receives: ClassVar[tuple[type, ...]] = ()
    """Message types that `run` takes by `receive`, besides those with a handler."""
    serves: ClassVar[bool] = False
    """Whether a life of its own may wait for ever without being a deadlock."""
    mailbox_bound: ClassVar[int] = 10_000
    """How many messages may wait; one more is lost with reason `mailbox_full`."""

    handlers: ClassVar[dict[type, tuple[str, bool]]] = {}
    """Message type -> (name of the method, whether it is async)."""
    accepts: ClassVar[dict[type, bool]] = {}
    """Every message type it takes -> whether equal sendings of it are counted."""
    plain: ClassVar[dict[type, Callable[..., None]]] = {}
    """Message type -> handler that is no coroutine, which the schedule may call directly."""
    has_life: ClassVar[bool] = False
    """Whether the class overrides `run`."""

    _seat: Any

    def __init_subclass__(cls, **options: Any) -> None:
        """Collect the handlers of the class and of the classes it extends."""
        super().__init_subclass__(**options)
        cls.handlers = {}
        for ancestor in reversed(cls.__mro__):
            for name, method in vars(ancestor).items():
                for kind in getattr(method, "__handles__", ()):
                    final = getattr(cls, name)  # a subclass may have written it anew
                    trio.lowlevel.disable_ki_protection(final)
                    cls.handlers[kind] = (name, inspect.iscoroutinefunction(final))
        for name in ("run", "started"):
            if name in vars(cls):
                trio.lowlevel.disable_ki_protection(vars(cls)[name])
        cls.has_life = cls.run is not Actor.run
        cls.plain = {
            kind: getattr(cls, name)
            for kind, (name, is_async) in cls.handlers.items()
            if not is_async and not cls.has_life
        }
        for kind in cls.receives:
            if not is_message(kind):
                raise BadMessage(f"{cls.__name__}.receives names {kind.__name__}, no message")
        kinds = dict.fromkeys((*cls.handlers, *cls.receives))
        cls.accepts = {kind: is_counted(kind) for kind in kinds}

    def started(self) -> None:
        """Take up work on the durable state; called at every start and restart."""

    async def run(self) -> None:
        """Live. The default serves messages by their handlers for ever."""
        await self._seat.serve()

    def state(self) -> tuple[tuple[str, object], ...]:
        """Return what the actor remembers as one frozen, hashable value."""
        memory = {name: _freeze(v) for name, v in vars(self).items() if not name.startswith("_")}
        return tuple(sorted(memory.items()))

    # The verbs. Each is kernel code: protected from Ctrl-C.

    @property
    def now_ns(self) -> int:
        """What the clock of this site shows, in nanoseconds since midnight of day 0.

        That is virtual time, unless the clock of the site is wrong.
        """
        return int(self._seat.simulation.schedule.now_ns + self._seat.site.clock_offset_ns)

    @property
    def slowness(self) -> float:
        """How many times as long as usual work takes at this site now.

        Of several things that slow it down, the worst one counts.
        """
        return float(max(self._seat.site.slowed, default=1.0))

    @property
    def name(self) -> str:
        """The name of this actor."""
        return str(self._seat.name)

    @property
    def store(self) -> Store:
        """The durable store of the site."""
        store: Store = self._seat.site.store
        return store

    @property
    def disk(self) -> int:
        """Which disk this site has now: 0 for the first, 1 after that one was lost, ..."""
        return int(self._seat.site.disk)

    def address(self, name: str) -> Address[Any]:
        """Return the address of another actor.

        Raises:
            UnknownSite: there is no such actor.
            NoRoute: no line leads to its site.
        """
        address: Address[Any] = self._seat.address_of(name)
        return address

    def luck(self, purpose: str) -> Stream:
        """Return the luck of this actor for a purpose, to be drawn by identity."""
        stream: Stream = self._seat.luck(purpose)
        return stream

    @trio.lowlevel.enable_ki_protection
    def send(self, to: Address[M], message: M, *, attempt: int | None = None) -> None:
        """Give a message to the line. Never waits; nobody says whether it arrives.

        Args:
            to: An address of this actor.
            message: A message that the receiver declares.
            attempt: Which try at the same thing this is, from 0; counted when not given.

        Raises:
            BadMessage: it is no message, not hashable, or the receiver does not declare it.
        """
        # The road of every message, so it is written out in one piece.
        try:
            is_own = to.owner is self._seat
        except AttributeError:
            is_own = False
        if not is_own:
            to = self._seat.own(to, message)
            if to is None:
                return  # the site crashed: nothing that this object does has an effect
        counted = to.accepts.get(type(message))
        if counted is None:
            raise refuse(message, self.name, to.name)
        identity = message.__identity__()  # type: ignore[attr-defined]
        x = (identity ^ to.key) * ODD_A
        if attempt is None and counted:
            attempt = to.count(identity)
        if attempt:
            x ^= attempt * ODD_B
        y = ((x ^ (x >> 64)) & MASK) * TURN
        word = (y ^ (y >> 64)) & MASK
        quick = to.quick
        if quick is None or word & LOW_24 < to.loss_24:
            self._seat.send_carefully(to, message, identity, attempt or 0, word)
            return
        schedule = to.schedule
        due_ns = schedule.now_ns + quick(word)
        number = schedule.number = schedule.number + 1
        action = (due_ns, number, None, message, to, 0, to.stamp)
        index = due_ns >> schedule.shift
        if index > schedule.end_index:
            try:
                schedule.buckets[index].append(action)
            except KeyError:
                schedule.open_bucket(index, action)
        else:
            insort(schedule.current, action, schedule.position)

    @trio.lowlevel.enable_ki_protection
    def after(self, delay_ns: int, message: object) -> "Timer":
        """Send a message to oneself later; the timer it returns can be cancelled.

        Raises:
            BadValue: the delay is negative.
            BadMessage: this actor does not declare the message.
        """
        timer: Timer = self._seat.after(delay_ns, message)
        return timer

    @trio.lowlevel.enable_ki_protection
    async def sleep(self, delay_ns: int) -> None:
        """Wait for a span of virtual time; messages wait in the mailbox meanwhile."""
        await self._seat.sleep(span_ns(delay_ns, f"{self.name!r} sleeps"))

    @trio.lowlevel.enable_ki_protection
    async def receive(self, timeout_ns: int | None = None) -> Any:
        """Wait for the next message and return it; its sender is then `self.sender`.

        Raises:
            TimedOut: none came within the time.
        """
        return await self._seat.receive(timeout_ns)

    @property
    def sender(self) -> Address[Any]:
        """The sender of the message that `receive` returned last."""
        sender: Address[Any] = self._seat.sender
        return sender

    @trio.lowlevel.enable_ki_protection
    async def ask(
        self, to: Address[M], message: M, expect: type[R], *, timeout_ns: int | None = None
    ) -> R:
        """Send a question and wait for the answer, which bypasses the mailbox.

        Raises:
            Unreachable: the line was down or the call failed; nothing happened.
            TimedOut: no answer came in time; the other side may have acted all the same.
        """
        answer: R = await self._seat.put_question(to, message, expect, timeout_ns)
        return answer

    @trio.lowlevel.enable_ki_protection
    def note(self, kind: Kind, subject: str, **detail: object) -> int:
        """Write an event into the journal; return its number."""
        return int(self._seat.note(kind, subject, detail))

    @trio.lowlevel.enable_ki_protection
    def commit(self) -> Change:
        """Begin a change of the durable store; leave the `with` block to commit it."""
        change: Change = self._seat.change()
        return change

    @trio.lowlevel.enable_ki_protection
    def working(self, lasts_ns: int, subject: str) -> None:
        """Say that an import is under way for so long: a place where a crash can be aimed at."""
        self._seat.working(lasts_ns, subject)

    @trio.lowlevel.enable_ki_protection
    def open_line(self, to: Address[Any]) -> None:
        """Dial: both directions of the line to `to` carry messages from now on."""
        self._seat.open_line(to)

    @trio.lowlevel.enable_ki_protection
    def close_line(self, to: Address[Any]) -> None:
        """Hang up: what is under way in either direction is lost.

        If the other end handles `LineEnded`, it is told.
        """
        self._seat.close_line(to)

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        """Spend a stretch as an ordinary trio task: `trio.sleep`, nurseries, `move_on_after`.

        Raises:
            trio.Cancelled: inside the block, when the site crashes meanwhile.
        """
        async with self._seat.stretch():
            yield


def span_ns(span: int, what: str) -> int:
    """Return a span of virtual time, if it is one.

    Raises:
        BadValue: it is negative or no whole number of nanoseconds.
    """
    if not isinstance(span, int):
        raise BadValue(f"{what} {span!r}; write whole nanoseconds, e.g. seconds(1.5)")
    if span < 0:
        raise BadValue(f"{what} {span} ns; time does not go back")
    return span


def _freeze(value: object) -> object:
    if isinstance(value, dict):
        return tuple((_freeze(key), _freeze(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(_freeze(item) for item in value)
    if isinstance(value, Address):
        return repr(value)
    if attrs.has(type(value)) and type(value).__hash__ is None:
        names = field_names(type(value))
        return (type(value).__name__, *(_freeze(getattr(value, name)) for name in names))
    if type(value).__hash__ is None:
        return _freeze(list(value)) if hasattr(value, "__iter__") else repr(value)
    return value
