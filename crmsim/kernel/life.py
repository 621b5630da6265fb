"""How is an actor's coroutine started, resumed, cancelled and brought to its end?

It is a real trio task in a nursery. Unless it runs attached, it detaches its coroutine while it
waits, and the schedule resumes it by `coro.send`. A plain `def` handler is called by the schedule
directly, without touching the coroutine at all. The coroutine goes back to trio to end, to raise,
to be cancelled, and for a stretch of ordinary trio (`attached()`).

                    schedule --- handler (def) ----> returns
                        |
       you are here: a life --- coro.send ---------> run() / async handler, until it waits again
                        |
                        +------ reattach ----------> trio, until the stretch or the task ends

Every wait has a token that goes stale, so that a wake-up left over from before a crash or an answer
wakes nobody.
"""

import traceback
import types
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import outcome
import trio

from crmsim.chance import Stream
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change, Site, SiteCrashed
from crmsim.kernel.mailbox import Mailbox
from crmsim.kernel.message import Address
from crmsim.trace.kinds import LOST, Kind

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

__all__ = ["EXPIRED", "NOBODY", "DeadSeat", "Life", "Timer"]

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

    def __init__(self, seat: Any) -> None:
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
        stream: Stream = self._seat.luck(purpose)
        return stream

    def address_of(self, name: str) -> Address[Any]:
        """Return the address it had."""
        address: Address[Any] = self._seat.address_of(name)
        return address

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
        return str(self._seat.name)


class Life:
    """The coroutine of one actor, and what it waits for; a `Seat` adds the messages."""

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

    # --- life and death ---

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
                await self._check(
                    await trio.lowlevel.temporarily_detach_coroutine_object(self._abort)
                )
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
            said: dict[str, object] = {"count": lost_count, "reason": "the site crashed"}
            self.simulation.note_for(self.name, LOST, "mailbox", cause, said)
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

    # --- waiting and being resumed ---

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
