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
from crmsim.errors import BadValue
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change, Site, SiteCrashed
from crmsim.kernel.mailbox import Mailbox
from crmsim.kernel.message import Address
from crmsim.trace.kinds import LOST, Kind

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

__all__ = ["EXPIRED", "NOBODY", "Body", "DeadSeat", "Life", "Timer"]

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
    is_dead = True

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

    @property
    def sender(self) -> object:
        """The sender it had."""
        return self._seat.sender

    @asynccontextmanager
    async def stretch(self) -> AsyncIterator[None]:
        """End at once."""
        raise SiteCrashed
        yield

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


class Body:
    """The coroutine of one incarnation: a crash leaves it to its end, a restart makes a new one."""

    __slots__ = ("is_detached", "raise_cancel", "stretches", "task", "waits_for")

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = None
        self.is_detached = False
        self.waits_for = ""
        self.stretches: list[trio.CancelScope] = []
        self.raise_cancel: Any = None

    def resume(self, value: Any, simulation: "Simulation") -> None:
        """Hand something to the coroutine and let it run until it waits again."""
        task = self.task
        assert task is not None
        self.waits_for = ""
        if not self.is_detached:
            simulation.resumed_by_trio_count += 1
            trio.lowlevel.reschedule(task, outcome.Value(value))
            simulation.hand_over()
            return
        simulation.resumed_by_send_count += 1
        coro: Any = task.coro
        trapped = task.context.run(coro.send, value)
        while trapped is not None and self.is_detached:
            error = RuntimeError("must be called from async context")
            trapped = task.context.run(coro.throw, error)
        if not self.is_detached:
            simulation.hand_over()

    async def check(self, value: Any) -> Any:
        """Look at what the coroutine was resumed with."""
        self.waits_for = ""
        if value is CRASH:
            raise SiteCrashed
        if value is CANCEL:
            await self.go_home()
            self.raise_cancel()
        return value

    async def go_home(self) -> None:
        """Give the coroutine back to trio, where it can end."""
        if self.is_detached:
            self.is_detached = False
            assert self.task is not None
            await trio.lowlevel.reattach_detached_coroutine_object(self.task, None)


class Life:
    """The coroutine of one actor, and what it waits for; a `Seat` adds the messages."""

    __slots__ = (
        "_addresses",
        "_ask_count",
        "_lucks",
        "_names",
        "_plain",
        "_token",
        "accepts",
        "actor",
        "alive",
        "asked",
        "body",
        "cause",
        "direct",
        "draws",
        "factory",
        "handled",
        "incarnation",
        "mailbox",
        "name",
        "question",
        "schedule",
        "sender",
        "simulation",
        "site",
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
        self.accepts = kind.accepts
        self.mailbox = Mailbox(kind.mailbox_bound)
        self._plain = kind.plain if simulation.is_detached else NOBODY
        self.direct = NOBODY
        """Message type -> plain handler, while a message can be handled at once; else empty."""
        self.alive = False
        self.body = Body()
        self.incarnation = 0
        self.cause = 0
        self.sender: Address[Any] | None = None
        self.handled: Any = None
        """The message that the coroutine handles at the moment."""
        self.asked = 0
        """The number of the question that waits for its answer; 0 for none."""
        self.question: Any = None
        """(address, identity, attempt) of that question."""
        self._token = 0
        self._ask_count = 0
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
        self.body = Body()
        simulation = self.simulation
        simulation.spawn(self._live, self.body, self.name)
        simulation.schedule.push(simulation.schedule.now_ns, self._begin, self.body, None, cause)

    def _take_seat(self) -> None:
        """Let the actor act through this seat."""
        self.actor._seat = self

    def _begin(self, action: Any) -> None:
        self.simulation.other_count += 1
        if self.alive and action[3] is self.body:
            self.resume(None)

    async def _live(self, body: "Body") -> None:
        """The outermost frame of the actor's coroutine."""
        body.task = trio.lowlevel.current_task()
        try:
            if self.simulation.is_detached:
                body.is_detached = True
                body.waits_for = "start"
                await body.check(
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
            self.simulation.fail(self._explained(error), self.name, self.doing, error)
        finally:
            body.waits_for = ""
            if body is self.body:
                self.alive = False
                self.direct = NOBODY
            await body.go_home()

    is_dead = False

    @property
    def doing(self) -> str:
        """What the actor handles at the moment, in words; empty when nothing."""
        return "" if self.handled is None else f" handling {type(self.handled).__name__}"

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
        lost_count = self.mailbox.clear(self.schedule.now_ns)
        if lost_count:
            said: dict[str, object] = {"count": lost_count, "reason": "the site crashed"}
            self.simulation.note_for(self.name, LOST, "mailbox", cause, said)
        self.schedule.push(self.schedule.now_ns, self._unwind, self.body)

    def _unwind(self, action: Any) -> None:
        """End the coroutine of a crashed actor, unless it ended by itself."""
        self.simulation.other_count += 1
        body: Body = action[3]
        if body.stretches:
            body.stretches[0].cancel()
            self.simulation.hand_over()
        elif body.waits_for:
            body.resume(CRASH, self.simulation)

    # --- waiting and being resumed ---

    @property
    def waits_for(self) -> str:
        """What the coroutine waits for; empty while it runs."""
        return self.body.waits_for

    @property
    def is_on_stretch(self) -> bool:
        """Whether the actor is an ordinary trio task at the moment."""
        return bool(self.body.stretches)

    def resume(self, value: Any) -> None:
        """Hand something to the waiting coroutine and let it run until it waits again."""
        self.body.resume(value, self.simulation)

    async def _wait(self, reason: str) -> Any:
        """Wait until the schedule hands something over."""
        if not self.alive:
            raise SiteCrashed
        body = self.body
        if not body.is_detached and trio.lowlevel.current_task() is not body.task:
            raise BadValue(
                f"a task that {self.name!r} started waits with a verb of the actor; "
                "in such a task use trio's own sleep and events"
            )
        body.waits_for = reason
        if body.is_detached:
            value = await _suspend()
            return await body.check(value) if value is CRASH or value is CANCEL else value
        return await body.check(await trio.lowlevel.wait_task_rescheduled(self._abort_attached))

    def _abort(self, raise_cancel: Any) -> trio.lowlevel.Abort:
        """Arrange for a detached coroutine to go home and be cancelled there."""
        body = self.body
        body.raise_cancel = raise_cancel

        def cancel() -> None:
            self._bury()
            if body.is_detached:
                body.resume(CANCEL, self.simulation)

        self.simulation.urgent.append(cancel)
        return trio.lowlevel.Abort.FAILED

    def _abort_attached(self, raise_cancel: Any) -> trio.lowlevel.Abort:
        """End a wait of an attached coroutine: the run is over, or a trio scope was cancelled."""
        self._token += 1
        self.body.waits_for = ""
        if self.simulation.is_closing:
            self._bury()
        return trio.lowlevel.Abort.SUCCEEDED

    def _bury(self) -> None:
        """Let nothing that the actor does from now on have an effect."""
        self.alive = False
        self.direct = NOBODY
        self.asked = 0
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
        due_ns = self.schedule.now_ns + delay_ns
        self.schedule.push(due_ns, self._wake, value, None, self.cause, self._token)

    async def sleep(self, delay_ns: int) -> None:
        """See `Actor.sleep`."""
        self._alarm(delay_ns, None)
        await self._wait("sleep")

    @asynccontextmanager
    async def stretch(self) -> AsyncIterator[None]:
        """See `Actor.attached`."""
        body = self.body
        was_detached = body.is_detached
        await body.go_home()
        try:
            with trio.CancelScope() as scope:
                body.stretches.append(scope)
                yield
        finally:
            body.stretches.remove(scope)
        if not self.alive or body is not self.body:
            raise SiteCrashed
        self._alarm(0, None)
        body.waits_for = "schedule"
        if was_detached:
            body.is_detached = True
            await body.check(await trio.lowlevel.temporarily_detach_coroutine_object(self._abort))
        else:
            await body.check(await trio.lowlevel.wait_task_rescheduled(self._abort_attached))


def _last_own_line(error: BaseException) -> str:
    """Return the last line of the traceback that is not trio's or the kernel's own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/trio/" not in f.filename and "/crmsim/kernel/" not in f.filename]
    if not own:
        return "an unknown place"
    return f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}"
