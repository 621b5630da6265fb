"""What holds the sites, the lines and the schedule together, and drives them to the horizon?

A simulation seats actors at sites and runs them in a trio nursery on a virtual clock. It is driven
in one of four ways:

- ``simulation.run(until=days(2))``: a plain call, also inside a Jupyter cell or an async test;
- ``simulation.tell(story)``: a plain call that runs an async function as the story of the run;
- ``async with simulation.running()``: inside a trio run that goes by this simulation's clock;
- ``with simulation.stepping() as steps``: action by action from outside, across notebook cells.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import trio

from crmsim.chance import Luck
from crmsim.errors import (
    BadValue,
    CrmsimError,
    Deadlock,
    Livelock,
    UnknownSite,
)
from crmsim.fence import fence
from crmsim.kernel.actor import Actor, span_ns
from crmsim.kernel.clock import VirtualClock, collector_off
from crmsim.kernel.driving import Steps, Turns, run_in_thread
from crmsim.kernel.durable import CrashAt, Site, Store
from crmsim.kernel.schedule import Action, Schedule, Strategy
from crmsim.kernel.seat import Seat
from crmsim.kernel.watch import (
    Statistics,
    TurnWatch,
    call_unprotected,
    doer_of,
    explained,
    gets_nowhere,
    loop_of,
    single,
    stuck_actors,
)
from crmsim.network.fabric import ActiveFault, Fabric, Line
from crmsim.network.faults import Fault, Flap, Outage, Partition
from crmsim.network.link import Link, LinkKind
from crmsim.network.topology import Topology
from crmsim.trace.journal import Draw, Journal
from crmsim.trace.kinds import DROPPED, LIFTED, STRUCK, Kind, Level
from crmsim.units import show_moment

__all__ = ["Simulation"]

R = TypeVar("R")


class Simulation:
    """One run of one landscape.

    Args:
        topology: Sites and links; more can be added. None starts with an empty map.
        seed: The seed of the run; every draw depends on it.
        level: What the journal keeps.
        strategy: Who chooses among pending actions; None for the timed order.
        detached: Whether waiting actors are resumed by the schedule (quick) or by trio.
        log_draws: Whether the journal keeps what every random draw was for.
    """

    def __init__(
        self,
        topology: Topology | None = None,
        *,
        seed: int = 0,
        level: Level = Level.BUSINESS,
        strategy: Strategy | None = None,
        detached: bool = True,
        log_draws: bool = False,
    ) -> None:
        self.topology = topology = Topology() if topology is None else topology
        self.seed = seed
        self.journal = Journal(level)
        self.is_traced = level > Level.OFF
        self.notes_deliveries = level >= Level.MESSAGES
        self.draws = self.journal.draws if self.is_traced else None
        self.luck = Luck(seed, self.draws, self._log_draw if log_draws else None)
        self.is_detached = detached
        self.schedule = Schedule(strategy)
        self.clock = VirtualClock(
            self.schedule, self._action_failed, self._nothing_due, self._judge_slice
        )
        self.urgent = self.clock.urgent
        self.fabric = Fabric(self.luck)
        self.sites: dict[str, Site] = {}
        self.failure: BaseException | None = None
        self.other_count = 0
        self.resumed_by_send_count = 0
        self.resumed_by_trio_count = 0
        self.lost_count = 0
        self.dropped_count = 0
        self.stale_count = 0
        self.late_answer_count = 0
        self._seats: dict[str, Seat] = {}
        self._nursery: trio.Nursery | None = None
        self.is_closing = False
        self.was_run = False
        """Whether it runs or ran; a simulation runs once."""
        self._root: trio.CancelScope | None = None
        self.turns = Turns(self)
        self.watch = TurnWatch(self)
        for name in topology.sites():
            self.sites[name] = Site(self, name, topology.kind(name))
        for source, target, link in topology.links():
            self.fabric.add(source, target, link)

    def add_site(self, name: str, kind: str = "site") -> Site:
        """Add a site to the topology and to the world.

        Raises:
            BadValue: the name is taken.
            ForbiddenLink: the permitted channels rule it out.
        """
        self.topology.add_site(name, kind)
        site = self.sites[name] = Site(self, name, kind)
        return site

    def connect(self, source: str, target: str, link: Link, back: Link | None = None) -> None:
        """Join two sites in both directions, in the topology and in the world.

        Raises:
            ForbiddenLink: the permitted channels rule it out.
        """
        self.topology.connect(source, target, link, back)
        self.fabric.add(source, target, link)
        self.fabric.add(target, source, link if back is None else back)

    def seat(self, site: str, factory: Callable[[], Actor], name: str | None = None) -> None:
        """Give an actor a seat at a site; `factory` makes it anew after every crash.

        Args:
            site: The name of a site of the topology.
            factory: An `Actor` class, or anything that returns a fresh actor when called.
            name: The name of the actor; that of the site when not given.

        Raises:
            UnknownSite: there is no such site.
            BadValue: the name is taken.
        """
        place = self.site(site)
        actor_name = site if name is None else name
        if actor_name in self._seats:
            raise BadValue(f"there is already an actor {actor_name!r}; actor names are unique")
        seat = Seat(self, place, actor_name, factory)
        self._seats[actor_name] = seat
        place.seats.append(seat)
        if self._nursery is not None and place.is_up:
            seat.start(0)

    def site(self, name: str) -> Site:
        """Return a site.

        Raises:
            UnknownSite: there is no such site.
        """
        try:
            return self.sites[name]
        except KeyError:
            known = ", ".join(list(self.sites)[:8])
            raise UnknownSite(f"there is no site {name!r}; the sites are {known}") from None

    def store(self, site: str) -> Store:
        """Return the durable store of a site, to fill it before the run or to read it after."""
        return self.site(site).store

    def seat_of(self, name: str) -> Seat:
        """Return the seat of an actor.

        Raises:
            UnknownSite: there is no such actor.
        """
        try:
            return self._seats[name]
        except KeyError:
            known = ", ".join(list(self._seats)[:8])
            raise UnknownSite(f"there is no actor {name!r}; the actors are {known}") from None

    def actor(self, name: str) -> Any:
        """Return the actor object that sits on a seat now."""
        return self.seat_of(name).actor

    @property
    def actors(self) -> list[str]:
        """The names of all actors, in the order they were seated."""
        return list(self._seats)

    def lines(self, source: str, target: str) -> tuple[Line, Line]:
        """Return both directions between two sites.

        Raises:
            NoRoute: no link joins them.
        """
        self.topology.link(source, target)
        return self.fabric.lines[source, target], self.fabric.lines[target, source]

    def run(self, until: int | None = None) -> None:
        """Run until a moment of virtual time, or until nothing is due any more.

        Raises:
            Deadlock: nothing is due and an actor waits for something that cannot come.
            ActorFailed: a handler or a life raised.
        """
        self.tell(lambda simulation: simulation.run_until(until))

    def tell(self, story: Callable[["Simulation"], Awaitable[R]]) -> R:
        """Run an async function as the story of the run, from start to end.

        A plain call. Inside a running trio loop (an async test) it goes through a thread.
        """
        if trio.lowlevel.in_trio_run():
            return run_in_thread(self, lambda: self._run_trio(story))
        return self._run_trio(story)

    def _run_trio(self, story: Callable[["Simulation"], Awaitable[R]]) -> R:
        self._must_be_fresh()
        results: list[R] = []
        trio.run(self._main, story, results, clock=self.clock)
        return results[0] if results else None  # type: ignore[return-value]

    async def _main(self, story: Any, results: list[Any]) -> None:
        async with self.running():
            results.append(await story(self))

    def _must_be_fresh(self) -> None:
        if self.was_run:
            raise BadValue("a simulation runs once; build a new one, or drive it by stepping()")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Simulation"]:
        """Let the world live as long as the block, in a trio run on this simulation's clock.

        This is how an async test drives a simulation: pytest-trio runs a test on the clock that
        its fixture is (see `crmsim.pytest_plugin`). Wait in it for virtual time only: a thread or
        `trio.testing.wait_all_tasks_blocked` takes real time, in which virtual time runs on to its
        end.

        Raises:
            BadValue: the trio run goes by another clock, or the simulation ran before.
            Deadlock: nothing is due and an actor waits for something that cannot come.
            ActorFailed: a handler or a life raised.
        """
        self._must_be_fresh()
        if trio.lowlevel.current_clock() not in (self, self.clock):
            raise BadValue(
                "this trio run goes by another clock; run on simulation.clock, or request the "
                "fixture `simulation` of crmsim's pytest plugin"
            )
        self.was_run = True
        trio.lowlevel.add_instrument(self.watch)
        try:
            with collector_off(), fence():
                async with self._world():
                    yield self
        except BaseExceptionGroup as group:
            if self.failure is None:
                raise single(group) from None
        finally:
            trio.lowlevel.remove_instrument(self.watch)
        if self.failure is not None:
            raise self.failure

    @asynccontextmanager
    async def _world(self) -> AsyncIterator[None]:
        self.watch.is_watching = self.clock.is_running = True
        with trio.CancelScope() as self._root:
            async with trio.open_nursery() as self._nursery:
                for seat in self._seats.values():
                    if seat.site.is_up:
                        seat.start(0)
                try:
                    yield
                finally:
                    self._close()
                    self._nursery.cancel_scope.cancel()

    def stepping(self) -> Steps:
        """Drive the run from outside; see `Steps`."""
        return Steps(self)

    async def run_until(self, until: int | None) -> None:
        """Let the world go on until a moment, with all that is due at it; None: until all is done.

        Raises:
            BadValue: the moment lies in the past.
        """
        if until is None:
            await self.turns.wait_for_end()
            return
        if until < self.schedule.now_ns:
            raise BadValue(
                f"run until {show_moment(until)}, but it is {show_moment(self.schedule.now_ns)}"
            )
        await self.turns.take(self.turns.plan(until, last=True))

    async def sleep(self, delay_ns: int) -> None:
        """Let the world go on for a span of virtual time; ordered, unlike `trio.sleep`."""
        due_ns = self.schedule.now_ns + span_ns(delay_ns, "a story sleeps")
        await self.turns.take(self.turns.plan(due_ns))

    def start_soon(self, work: Callable[..., Awaitable[object]], *arguments: Any) -> None:
        """Start a further task of the story; tasks start in the order they were asked for."""
        assert self._nursery is not None, "start_soon is a verb of a running story"

        turn = self.turns.plan(self.schedule.now_ns)

        async def wait_for_turn() -> None:
            await self.turns.take(turn)
            await work(*arguments)

        with self.watch.looking_away():  # the new task only waits for its turn yet
            self._nursery.start_soon(wait_for_turn, name=getattr(work, "__qualname__", repr(work)))

    def at(self, time_ns: int, do: Callable[..., object], *arguments: Any) -> None:
        """Call a plain function at a moment of virtual time."""
        if time_ns < self.schedule.now_ns:
            raise BadValue(f"{show_moment(time_ns)} is over; it is {show_moment(self.now_ns)}")

        def perform(action: Action) -> None:
            self.other_count += 1
            call_unprotected(do, arguments)

        self.schedule.push(time_ns, perform)

    def spawn(self, life: Callable[[Any], Awaitable[None]], body: object, name: str) -> None:
        """Start the trio task of an actor."""
        assert self._nursery is not None
        self._nursery.start_soon(life, body, name=name)
        self.hand_over()

    def _close(self) -> None:
        self.is_closing = True
        self.clock.is_running = False
        self.watch.is_watching = False

    def stop(self) -> None:
        """End the run where it stands, without an error."""
        self._close()
        if self._root is not None:
            self._root.cancel()
        self.hand_over()

    def hand_over(self) -> None:
        """End the slice after this action: a trio task can run."""
        self.schedule.limit_ns = -1

    def fail(self, hint: str, actor: str, doing: str, error: BaseException) -> None:
        """End the run because of an error in an actor, or restart its site if it is supervised."""
        seat = self._seats.get(actor)
        if seat is not None and seat.site.supervise(error):
            self.hand_over()
            return
        if self.failure is None and not self.is_closing:
            where = f"{actor!r}{doing} at {show_moment(self.now_ns)}, seed {self.seed}"
            self._end_with(explained(hint, where, error))
        self.hand_over()

    def _action_failed(self, action: Action, error: BaseException) -> None:
        who, doing = doer_of(action)
        if who:
            self.fail("", who, doing, error)
        elif isinstance(error, CrmsimError | KeyboardInterrupt):
            self._end_with(error)
        else:
            self.fail("", "the story", "", error)

    def _end_with(self, failure: BaseException) -> None:
        self.failure = self.failure or failure
        self.stop()

    def _nothing_due(self) -> None:
        """Nothing is due and no deadline is set: all is done, or somebody waits in vain."""
        stuck = stuck_actors(self._seats.values())
        if not stuck and self.turns.end():
            return
        if self.failure is None and not self.is_closing:
            who = "; ".join(stuck) or "the story waits for something that no action will bring"
            told = f"nothing is due any more at {show_moment(self.now_ns)}, but {who}"
            self._end_with(Deadlock(told))

    def _judge_slice(self, still_count: int) -> None:
        """End a run that gets nowhere."""
        since = self.turns.end_awaited_since
        is_watched = since is not None and self.clock.pause_point is None
        waited_count = self.clock.action_count - (since or 0) if is_watched else 0
        told = gets_nowhere(still_count, waited_count)
        if told:
            again = loop_of(self.schedule.pending()[:50])
            now = show_moment(self.now_ns)
            self._end_with(Livelock(f"at {now}: {told}; what comes round: {again}"))

    def drop(self, actor: Any, what: str) -> None:
        """Count what a crashed actor tried to do."""
        if not self.is_closing:
            self.dropped_count += 1
            self.note_for(actor.name, DROPPED, what, 0, {})

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[ActiveFault]:
        """Let a fault of the network last as long as the `with` block."""
        active = self.strike(fault)
        try:
            yield active
        finally:
            self.lift(active)

    def strike(self, fault: Fault) -> ActiveFault:
        """Let a fault of the network begin now."""
        active = self.fabric.strike(fault)
        self.note_for("network", STRUCK, active.name, 0, {})
        if isinstance(fault, Partition | Outage) and fault.under_way == "drop":
            for line in self.fabric.covered(fault):
                self._break_questions(line)
        return active

    def lift(self, active: ActiveFault) -> None:
        """Let a fault end; what it held goes on its way."""
        released: list[Any] = self.fabric.lift(active)
        self.note_for("network", LIFTED, active.name, 0, {"touched": active.touched})
        for action in released:
            action[4].target.release(action)

    def plan(self, fault: Fault | Flap, at_ns: int, lasts_ns: int) -> None:
        """Let a fault begin at a moment and end after a span."""
        if isinstance(fault, Flap):
            for begin_ns, span_ns in fault.spells(at_ns, lasts_ns):
                self.plan(fault.fault, begin_ns, span_ns)
            return
        self.fabric.covered(fault)

        def begin() -> None:
            active = self.strike(fault)
            self.at(self.now_ns + lasts_ns, self.lift, active)

        self.at(at_ns, begin)

    def plan_crash(self, crash: CrashAt) -> None:
        """Arm a crash of a site at a named point."""
        self.site(crash.site).plan(crash)

    def break_streams(self, site: str) -> None:
        """Break the stream lines of a site that crashed: both ends see it."""
        for line in self.fabric.of_site(site):
            if line.link.kind is LinkKind.STREAM:
                line.cut("drop")
                self._break_questions(line)

    def hang_up(self, line: Line) -> None:
        """Close one direction of a dial-up line: what is under way is lost."""
        line.close()
        self._break_questions(line)

    def _break_questions(self, line: Line) -> None:
        if line.link.kind is LinkKind.STREAM:
            for site in (line.source, line.target):
                for seat in self.sites[site].seats:
                    seat.broken(line)

    @property
    def now_ns(self) -> int:
        """Virtual time, in nanoseconds since midnight of day 0."""
        return self.schedule.now_ns

    def note_for(
        self, actor: str, kind: Kind, subject: str, cause: int, detail: dict[str, object]
    ) -> int:
        """Write an event of an actor into the journal; return its number."""
        return self.journal.note(self.schedule.now_ns, actor, kind, subject, cause, detail)

    def _log_draw(
        self, purpose: str, component: str, identity: int, attempt: int, word: int
    ) -> None:
        journal = self.journal
        draw = Draw(len(journal), self.now_ns, purpose, component, identity, attempt, word)
        journal.draw_log.append(draw)

    def is_at_home(self, task_name: str) -> bool:
        """Say whether a task is an actor's whose order the schedule decides."""
        seat = self._seats.get(task_name)
        return seat is not None and not seat.is_on_stretch

    @property
    def raw_turns(self) -> list[tuple[str, ...]]:
        """Tasks of the story that trio, not the schedule, had to put in order."""
        return self.watch.found

    def states(self) -> dict[str, tuple[tuple[str, object], ...]]:
        """Return what every actor remembers, frozen and hashable."""
        return {name: seat.actor.state() for name, seat in self._seats.items()}

    def statistics(self) -> Statistics:
        """Return how the machine itself fared so far."""
        return Statistics.of(self)
