"""What does the kernel keep for one actor?

A seat is the place that an actor takes in a simulation: its trio task, its mailbox, what it waits
for, and the number of its incarnation. The actor object comes and goes with crashes; the seat and
its addresses stay.

How an actor is resumed. It is a real trio task in a nursery. Unless it runs attached, it detaches
its coroutine while it waits, and the schedule resumes it by `coro.send`. A plain `def` handler is
called by the schedule directly, without touching the coroutine at all. The coroutine goes back to
trio to end, to raise, to be cancelled, and for a stretch of ordinary trio (`attached()`).

                    schedule --- handler (def) ----> returns
                        |
       you are here: a seat --- coro.send ---------> run() / async handler, until it waits again
                        |
                        +------ reattach ----------> trio, until the stretch or the task ends
"""

import traceback
import types
from bisect import insort
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import outcome
import trio

from crmsim.chance import MASK, ODD_A, ODD_B, Stream
from crmsim.errors import BadValue, NoRoute, TimedOut, Unreachable
from crmsim.kernel.actor import Actor
from crmsim.kernel.address import INSIDE, Address
from crmsim.kernel.durable import Change, CrashPoint
from crmsim.kernel.mailbox import Mailbox
from crmsim.kernel.message import is_message, refuse
from crmsim.kernel.site import Site, SiteCrashed
from crmsim.network.fabric import LOW_24, Arrival, Loss
from crmsim.trace.kinds import DELIVERED, DUPLICATED, FIRED, HELD, LOST, SENT, Kind

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

__all__ = ["DeadSeat", "Seat", "Timer"]

NOBODY: dict[type, Callable[..., None]] = {}
"""No handler can be called directly: the actor is busy, paused or gone."""
CANCEL, CRASH, EXPIRED = object(), object(), object()
"""What a waiting coroutine can be handed instead of something it waits for."""


@types.coroutine
def _suspend() -> Generator[None, Any, Any]:
    """Give the turn back to whoever resumed this coroutine; return what it hands over next."""
    return (yield None)


@attrs.define(eq=False)
class Timer:
    """A message to oneself that is still to come."""

    due_ns: int
    incarnation: int
    address: Address[Any]
    message: object
    is_live: bool = True

    def cancel(self) -> None:
        """Make it never ring; harmless when it rang already."""
        self.is_live = False


class DeadSeat:
    """The seat of an actor object whose site crashed: whatever it does has no effect."""

    alive = False

    def __init__(self, seat: "Seat") -> None:
        self.simulation = seat.simulation
        self.site = seat.site
        self.name = seat.name
        self.incarnation = -1
        self._seat = seat

    def own(self, address: object, message: object) -> None:
        """Drop and count."""
        self._drop(f"send {type(message).__name__}")

    def note(self, kind: Kind, subject: str, detail: dict[str, object]) -> int:
        """Drop and count."""
        self._drop(f"note {kind.name}")
        return 0

    def after(self, delay_ns: int, message: object) -> Timer:
        """Drop and count."""
        self._drop("after")
        return Timer(0, -1, self._seat.me, message, is_live=False)

    def change(self) -> Change:
        """Begin a change that will be dropped."""
        return Change(self.site, _Ghost(self), 0)

    def luck(self, purpose: str) -> Stream:
        """Return the luck it had."""
        return self._seat.luck(purpose)

    def address_of(self, name: str) -> Address[Any]:
        """Return the address it had."""
        return self._seat.address_of(name)

    def working(self, lasts_ns: int, subject: str) -> None:
        """Do nothing."""

    def open_line(self, to: object) -> None:
        """Drop and count."""
        self._drop("open line")

    def close_line(self, to: object) -> None:
        """Drop and count."""
        self._drop("close line")

    async def serve(self) -> None:
        """End at once."""
        raise SiteCrashed

    async def sleep(self, delay_ns: int) -> None:
        """End at once."""
        raise SiteCrashed

    async def receive(self, timeout_ns: int | None) -> object:
        """End at once."""
        raise SiteCrashed

    async def put_question(self, *question: object) -> object:
        """End at once."""
        raise SiteCrashed

    def _drop(self, what: str) -> None:
        self.simulation.drop(self, what)


@attrs.frozen
class _Ghost:
    """Stands for a crashed actor where a change names its actor."""

    _seat: DeadSeat

    @property
    def name(self) -> str:
        return self._seat.name


class Seat:
    """The kernel's side of one actor."""

    __slots__ = (
        "_addresses",
        "_ask_count",
        "_asked",
        "_coro",
        "_is_detached",
        "_lucks",
        "_names",
        "_plain",
        "_raise_cancel",
        "_run_in_context",
        "_stretch",
        "_token",
        "accepts",
        "actor",
        "alive",
        "cause",
        "direct",
        "draws",
        "factory",
        "incarnation",
        "mailbox",
        "name",
        "schedule",
        "sender",
        "simulation",
        "site",
        "task",
        "waits_for",
    )

    def __init__(
        self, simulation: "Simulation", site: Site, name: str, factory: Callable[[], Actor]
    ) -> None:
        self.simulation = simulation
        self.schedule = simulation.schedule
        self.draws = simulation.draws
        self.site = site
        self.name = name
        self.factory = factory
        self.actor = factory()
        self._take_seat()
        kind = type(self.actor)
        self._names = kind.handlers
        self.accepts = frozenset(kind.handlers) | frozenset(kind.receives)
        self.mailbox = Mailbox(kind.mailbox_bound)
        self._plain = kind.plain if simulation.is_detached else NOBODY
        self.direct = NOBODY
        """Message type -> plain handler, while a message can be handled at once; else empty."""
        self.alive = False
        self.waits_for = ""
        """What the coroutine waits for; empty while it runs."""
        self.incarnation = 0
        self.cause = 0
        self.sender: Address[Any] | None = None
        self.task: trio.lowlevel.Task | None = None
        self._coro: Any = None
        self._run_in_context: Any = None
        self._is_detached = False
        self._stretch: trio.CancelScope | None = None
        self._raise_cancel: Any = None
        self._token = 0
        self._ask_count = 0
        self._asked = 0
        self._addresses: dict[str, Address[Any]] = {}
        self._lucks: dict[str, Stream] | None = None

    # --- life and death -----------------------------------------------------------------------

    def start(self, cause: int) -> None:
        """Seat a fresh actor: a new object, a new trio task, the same store."""
        if self.incarnation:
            self.actor = self.factory()
            self._take_seat()
        self.incarnation += 1
        self.alive = True
        self.cause = cause
        simulation = self.simulation
        simulation.spawn(self._live, self.name)
        simulation.schedule.push(
            simulation.schedule.now_ns, self._begin, None, None, cause, self.incarnation
        )

    def _take_seat(self) -> None:
        """Let the actor act through this seat."""
        self.actor._seat = self

    def _begin(self, action: Any) -> None:
        self.simulation.other_count += 1
        if self.alive and action[6] == self.incarnation:
            self.resume(None)

    async def _live(self) -> None:
        """The outermost frame of the actor's coroutine."""
        self.task = trio.lowlevel.current_task()
        self._coro = self.task.coro
        self._run_in_context = self.task.context.run
        incarnation = self.incarnation
        try:
            if self.simulation.is_detached:
                self._is_detached = True
                self.waits_for = "start"
                await self._check(await trio.lowlevel.temporarily_detach_coroutine_object(self._abort))
            else:
                await self._wait("start")
            self.actor.started()
            await self.actor.run()
        except SiteCrashed:
            pass
        except trio.Cancelled:
            raise
        except BaseException as error:
            self.simulation.fail(self._explained(error), self.name, self._doing(), error)
        finally:
            if incarnation == self.incarnation:
                self.alive = False
                self.direct = NOBODY
            await self._go_home()

    def _doing(self) -> str:
        return self.waits_for

    async def _go_home(self) -> None:
        """Give the coroutine back to trio, where it can end."""
        if self._is_detached:
            self._is_detached = False
            assert self.task is not None
            await trio.lowlevel.reattach_detached_coroutine_object(self.task, None)

    def _explained(self, error: BaseException) -> str:
        if not (isinstance(error, RuntimeError) and "async context" in str(error)):
            return ""
        place = _last_own_line(error)
        return (
            f"{self.name!r} called trio while it was detached, at {place}; "
            "put that call into `async with self.attached():`"
        )

    def crash(self, cause: int) -> None:
        """Lose the actor: everything it does from now on has no effect."""
        if not self.alive:
            return
        self._bury()
        self.cause = cause
        lost_count = self.mailbox.clear()
        if lost_count:
            self.note(LOST, "mailbox", {"count": lost_count, "reason": "site crashed"})
        schedule = self.simulation.schedule
        schedule.push(schedule.now_ns, self._unwind, self.task)

    def _unwind(self, action: Any) -> None:
        """End the coroutine of a crashed actor, unless it ended by itself."""
        self.simulation.other_count += 1
        if action[3] is not self.task:
            return
        if self._stretch is not None:
            self._stretch.cancel()
            self.simulation.hand_over()
        elif self.waits_for:
            self.resume(CRASH)

    @property
    def is_on_stretch(self) -> bool:
        """Whether the actor is an ordinary trio task at the moment."""
        return self._stretch is not None

    # --- waiting and being resumed --------------------------------------------------------------

    def resume(self, value: Any) -> None:
        """Hand something to the waiting coroutine and let it run until it waits again."""
        simulation = self.simulation
        self.waits_for = ""
        if not self._is_detached:
            simulation.resumed_by_trio_count += 1
            assert self.task is not None
            trio.lowlevel.reschedule(self.task, outcome.Value(value))
            simulation.hand_over()
            return
        simulation.resumed_by_send_count += 1
        trapped = self._run_in_context(self._coro.send, value)
        while trapped is not None and self._is_detached:
            trapped = self._run_in_context(
                self._coro.throw, RuntimeError("must be called from async context")
            )
        if not self._is_detached:
            simulation.hand_over()

    async def _wait(self, reason: str) -> Any:
        """Wait until the schedule hands something over."""
        if not self.alive:
            raise SiteCrashed
        self.waits_for = reason
        if self._is_detached:
            value = await _suspend()
        else:
            value = await trio.lowlevel.wait_task_rescheduled(self._abort_attached)
        return await self._check(value)

    async def _check(self, value: Any) -> Any:
        self.waits_for = ""
        if value is CRASH:
            raise SiteCrashed
        if value is CANCEL:
            await self._go_home()
            self._raise_cancel()
        return value

    def _abort(self, raise_cancel: Any) -> trio.lowlevel.Abort:
        """Arrange for a detached coroutine to go home and be cancelled there."""
        self._raise_cancel = raise_cancel
        self.simulation.urgent.append(self._cancel)
        return trio.lowlevel.Abort.FAILED

    def _cancel(self) -> None:
        self._bury()
        if self._is_detached:
            self.resume(CANCEL)

    def _abort_attached(self, raise_cancel: Any) -> trio.lowlevel.Abort:
        self._bury()
        self.waits_for = ""
        return trio.lowlevel.Abort.SUCCEEDED

    def _bury(self) -> None:
        """Let nothing that the actor does from now on have an effect."""
        self.alive = False
        self.direct = NOBODY
        self._token += 1
        self.actor._seat = DeadSeat(self)

    def _wake(self, action: Any) -> None:
        """End a sleep or a timeout, unless what it was for is over."""
        self.simulation.other_count += 1
        if action[6] != self._token or not self.alive:
            self.simulation.stale_count += 1
            return
        if self.site.is_paused:
            self.site.late.append(action)
            return
        self.direct = NOBODY
        self.resume(action[3])

    def _alarm(self, delay_ns: int, value: object) -> None:
        self._token += 1
        schedule = self.simulation.schedule
        schedule.push(schedule.now_ns + delay_ns, self._wake, value, None, self.cause, self._token)

    async def sleep(self, delay_ns: int) -> None:
        """See `Actor.sleep`."""
        self._alarm(delay_ns, None)
        await self._wait("sleep")

    async def serve(self) -> None:
        """Handle message after message by the handlers of the actor."""
        while True:
            action = self.mailbox.take() if self.mailbox.waiting else await self._idle()
            result = self._handle(action)
            if result is not None:
                await result

    async def _idle(self) -> Any:
        if not self.site.is_paused:
            self.direct = self._plain
        action = await self._wait("serve")
        self.direct = NOBODY
        return action

    def _handle(self, action: Any) -> Any:
        """Call the handler of a message; return its coroutine when it is async."""
        self.cause = action[5]
        message, address = action[3], action[4]
        try:
            name, _ = self._names[message.__class__]
        except KeyError:
            raise refuse(message, address.owner.name, self.name) from None
        return getattr(self.actor, name)(message, address.reply)

    async def receive(self, timeout_ns: int | None) -> Any:
        """See `Actor.receive`."""
        if self.mailbox.waiting:
            action = self.mailbox.take()
        else:
            if timeout_ns is not None:
                self._alarm(timeout_ns, EXPIRED)
            action = await self._wait("receive")
            self._token += 1
        if action is EXPIRED:
            raise TimedOut(f"{self.name!r} got no message within its time")
        self.cause = action[5]
        self.sender = action[4].reply
        return action[3]

    async def put_question(
        self, to: Address[Any], message: Any, expect: type, timeout_ns: int | None
    ) -> Any:
        """See `Actor.ask`."""
        to = self.own(to)
        self._ask_count += 1
        number = self._asked = self._ask_count
        asking = to.asking(number, frozenset({expect}))
        self._must_be_reachable(asking, message)
        self.actor.send(asking, message)
        self._token += 1
        if timeout_ns is not None:
            self._alarm(timeout_ns, EXPIRED)
        answer = await self._wait(f"answer from {to.target.name!r}")
        self._asked = 0
        self._token += 1
        if answer is EXPIRED:
            raise TimedOut(f"{self.name!r} got no answer from {to.name!r} to {message} in time")
        return answer

    def _must_be_reachable(self, asking: Address[Any], message: Any) -> None:
        link = asking.line.link
        if asking.line.is_down:
            raise Unreachable(f"the line from {self.name!r} to {asking.name!r} is down")
        if link.call_failure and self.luck("call").happens(
            link.call_failure, message.__identity__(), self._ask_count
        ):
            raise Unreachable(f"the call from {self.name!r} to {asking.name!r} failed")

    def answer(self, action: Any) -> None:
        """Take an answer to a question; it bypasses the mailbox."""
        self.simulation.other_count += 1
        address = action[4]
        if not self._passes(action):
            return
        link = address.line.link
        stale = not self.alive or address.ask != self._asked
        if stale or (
            link.answer_loss
            and self.luck("answer").happens(
                link.answer_loss, action[3].__identity__(), self._asked
            )
        ):
            self.simulation.late_answer_count += stale
            if not stale:
                self._lose(action, "the call broke before the answer")
            return
        if self.site.is_paused:
            self.site.late.append(action)
            return
        self._asked = 0
        self.cause = action[5]
        self.resume(action[3])

    def break_questions(self, address_line: object) -> None:
        """End a question whose stream line broke: nobody knows whether it was acted upon."""
        if self._asked and self.waits_for.startswith("answer"):
            self._token += 1
            self._alarm(0, EXPIRED)

    # --- getting messages -----------------------------------------------------------------------

    def deliver(self, action: Any) -> None:
        """Take a message off the line: the road of nearly every message."""
        message, address = action[3], action[4]
        handler = self.direct.get(message.__class__)
        if handler is not None and action[6] == address.epoch:
            self.cause = action[5]
            handler(self.actor, message, address.reply)
        elif self._passes(action):
            self._accept(action, always=False)

    def deliver_noted(self, action: Any) -> None:
        """Take a message off the line and write that down."""
        if not self._passes(action):
            return
        message, address = action[3], action[4]
        cause = self.simulation.journal.note_passage(
            self.schedule.now_ns, DELIVERED, address, message, action[5], 0
        )
        self._accept((*action[:5], cause, action[6]), always=False)

    def _accept(self, action: Any, *, always: bool) -> None:
        """Handle an action now, or let it wait in the mailbox."""
        handler = self.direct.get(action[3].__class__)
        if handler is not None:
            self.cause = action[5]
            handler(self.actor, action[3], action[4].reply)
            return
        self.simulation.other_count += 1
        if self.waits_for in ("serve", "receive") and not self.site.is_paused and not self.mailbox:
            self.resume(action)
        elif not self.mailbox.put(action, always=always):
            self._lose(action, "mailbox_full")

    def rest(self) -> None:
        """Take nothing by direct call until the next `drain`."""
        self.direct = NOBODY

    def drain(self, action: Any) -> None:
        """Handle what piled up in the mailbox, one message a turn."""
        self.simulation.other_count += 1
        if not self.alive or self.site.is_paused:
            return
        if self.waits_for in ("serve", "receive") and self.mailbox.waiting:
            schedule = self.simulation.schedule
            schedule.push(schedule.now_ns, self.drain)
            self._accept_waiting()
        elif self.waits_for == "serve":
            self.direct = self._plain

    def _accept_waiting(self) -> None:
        action = self.mailbox.take()
        handler = self._plain.get(action[3].__class__)
        if handler is None or self.waits_for != "serve":
            self.resume(action)
        else:
            self.cause = action[5]
            handler(self.actor, action[3], action[4].reply)

    def _passes(self, action: Any) -> bool:
        """Judge a message at the far end of its line."""
        passes = self._judge(action)
        self.simulation.other_count += not passes
        return passes

    def _judge(self, action: Any) -> bool:
        line = action[4].line
        if action[6] != line.epoch:
            arrival = line.arrival(action[6])
            if arrival is Arrival.LOST:
                self._lose(action, Loss.CUT_OFF.value)
                return False
            if arrival is Arrival.HELD:
                line.hold(action)
                self._note_way(HELD, action, {})
                return False
        if not self.alive:
            reason = "the actor had ended" if self.site.is_up else "the site was down"
            self._lose(action, reason)
            return False
        return True

    def release(self, action: Any) -> None:
        """Deliver a message that a fault held back."""
        schedule = self.simulation.schedule
        line = action[4].line
        perform = action[2]
        schedule.push(schedule.now_ns, perform, action[3], action[4], action[5], line.stamp)

    def _lose(self, action: Any, reason: str) -> None:
        self.simulation.lost_count += 1
        self._note_way(LOST, action, {"reason": reason})

    def _note_way(self, kind: Kind, action: Any, detail: dict[str, object]) -> int:
        message, address = action[3], action[4]
        said = {
            "message": type(message).__name__,
            "from": address.owner.name,
            "to": address.target.name,
            **detail,
        }
        return self.simulation.note_for(
            address.owner.name, kind, message.subject, action[5], said
        )

    # --- sending ----------------------------------------------------------------------------------

    def send_carefully(self, to: Any, message: Any, attempt: int, word: int) -> None:
        """Send with a trace, or over a line that does more than delay."""
        line = to.line
        if self.draws is not None and line.lucky:
            self.draws.append(word)
        schedule = self.schedule
        now_ns = schedule.now_ns
        fate = line.carry(now_ns, message, word)
        cause = 0 if self.draws is None else self._note_sent(to, message, attempt, fate)
        if fate.__class__ is not tuple:
            self.simulation.lost_count += 1
            return
        for delay_ns in fate:
            schedule.push(now_ns + delay_ns, to.deliver, message, to, cause, line.stamp)

    def _note_sent(self, to: Any, message: Any, attempt: int, fate: Any) -> int:
        cause = self.simulation.journal.note_passage(
            self.schedule.now_ns, SENT, to, message, self.cause, attempt
        )
        if fate.__class__ is not tuple or len(fate) > 1:
            action = (0, 0, None, message, to, cause, 0)
            if fate.__class__ is tuple:
                self._note_way(DUPLICATED, action, {})
            else:
                self._note_way(LOST, action, {"reason": fate.value})
        return cause

    def own(self, address: Any, message: object = None) -> Address[Any]:
        """Return this actor's own address of the actor that a foreign address leads to."""
        if not isinstance(address, Address):
            raise BadValue(f"{self.name!r} sends to {address!r}; use an address, not a name")
        if address.owner is self:
            return address
        return self.address_of(address.target.name)

    def address_of(self, name: str) -> Address[Any]:
        """See `Actor.address`."""
        address = self._addresses.get(name)
        if address is None:
            target = self.simulation.seat_of(name)
            address = self._join(target)
        return address

    def _join(self, target: "Seat") -> Address[Any]:
        """Make the pair of addresses between this actor and another one."""
        if target is self:
            address = Address[Any](self, self, INSIDE)
            address.reply = address
        elif target.site is self.site:
            address, address_back = Address[Any](self, target, INSIDE), Address[Any](
                target, self, INSIDE
            )
            address.reply, address_back.reply = address_back, address
            target._addresses[self.name] = address_back
        else:
            forth, back = self.simulation.lines(self.site.name, target.site.name)
            address, address_back = Address[Any](self, target, forth), Address[Any](
                target, self, back
            )
            address.reply, address_back.reply = address_back, address
            target._addresses[self.name] = address_back
        self._addresses[target.name] = address
        return address

    @property
    def me(self) -> Address[Any]:
        """The address of the actor itself."""
        return self.address_of(self.name)

    # --- the other verbs ----------------------------------------------------------------------------

    def after(self, delay_ns: int, message: Any) -> Timer:
        """See `Actor.after`."""
        if delay_ns < 0:
            raise BadValue(f"{self.name!r} sets a timer of {delay_ns} ns; time does not go back")
        if not is_message(type(message)) or message.__class__ not in self.accepts:
            raise refuse(message, self.name, self.name)
        schedule = self.simulation.schedule
        timer = Timer(schedule.now_ns + delay_ns, self.incarnation, self.me, message)
        schedule.push(timer.due_ns, self._ring, timer, None, self.cause)
        return timer

    def _ring(self, action: Any) -> None:
        timer: Timer = action[3]
        if not timer.is_live or timer.incarnation != self.incarnation or not self.alive:
            self.simulation.stale_count += 1
            return
        if self.site.is_paused:
            self.site.late.append(action)
            return
        timer.is_live = False
        message = timer.message
        simulation = self.simulation
        cause = simulation.note_for(
            self.name, FIRED, type(message).__name__, action[5], {}
        )
        self._accept((action[0], action[1], None, message, timer.address, cause, 0), always=True)

    def note(self, kind: Kind, subject: str, detail: dict[str, object]) -> int:
        """See `Actor.note`; the event becomes the cause of what the actor does next."""
        self.cause = self.simulation.note_for(self.name, kind, subject, self.cause, detail)
        return self.cause

    def change(self) -> Change:
        """See `Actor.commit`."""
        return Change(self.site, self.actor, self.cause)

    def working(self, lasts_ns: int, subject: str) -> None:
        """See `Actor.working`."""
        self.site.strike(CrashPoint.DURING_IMPORT, max(lasts_ns // 2, 1))

    def luck(self, purpose: str) -> Stream:
        """See `Actor.luck`."""
        if self._lucks is None:
            self._lucks = {}
        if purpose not in self._lucks:
            self._lucks[purpose] = self.simulation.luck.stream(purpose, self.name)
        return self._lucks[purpose]

    def open_line(self, to: Address[Any]) -> None:
        """See `Actor.open_line`."""
        to = self.own(to)
        if not to.line.link.dial_up:
            raise NoRoute(f"the line from {self.name!r} to {to.name!r} is no dial-up line")
        to.line.open()
        to.reply.line.open()
        self.site.open_lines.append(to)

    def close_line(self, to: Address[Any]) -> None:
        """See `Actor.close_line`."""
        to = self.own(to)
        to.line.close()
        to.reply.line.close()
        if to in self.site.open_lines:
            self.site.open_lines.remove(to)

    @asynccontextmanager
    async def stretch(self) -> AsyncIterator[None]:
        """See `Actor.attached`."""
        was_detached = self._is_detached
        await self._go_home()
        try:
            with trio.CancelScope() as self._stretch:
                yield
        finally:
            self._stretch = None
        if not self.alive:
            raise SiteCrashed
        self._alarm(0, None)
        self.waits_for = "schedule"
        if was_detached:
            self._is_detached = True
            await self._check(await trio.lowlevel.temporarily_detach_coroutine_object(self._abort))
        else:
            await self._check(await trio.lowlevel.wait_task_rescheduled(self._abort_attached))


def _last_own_line(error: BaseException) -> str:
    """Return the last line of the traceback that is not trio's or the kernel's own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/trio/" not in f.filename and "/crmsim/kernel/" not in f.filename]
    if not own:
        return "an unknown place"
    return f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}"


