"""With which verbs is the story of a landscape told?

A landscape is what a scenario gets as `land`. First it is built (`crmsim.lab.building`), then its
story is told: run, sleep, at, start_soon, faults, crashes, settle. What people do meanwhile stands
in `crmsim.lab.office`, `crmsim.lab.back_office` and `crmsim.lab.loads.loading`.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

from crmsim.applications.pricing import exact_sum, net_value
from crmsim.errors import BadValue
from crmsim.kernel.durable import CrashAt, CrashPoint, SiteCrashed
from crmsim.kernel.simulation import Simulation
from crmsim.lab.loads.loading import Loading
from crmsim.lab.trouble import NO_TROUBLE, Trouble, crashes_everywhere
from crmsim.measure.expect import Expect
from crmsim.middleware.queue import QueueStatus
from crmsim.mobile.client import MobileClient
from crmsim.network.fabric import ActiveFault
from crmsim.network.faults import Fault, Flap, NthMessage
from crmsim.qrfc.partner import QueuePartner, QueueRow
from crmsim.qrfc.wire import ACTIONS, Action
from crmsim.quiet.settle import Quiet, settle
from crmsim.units import (
    Duration,
    days,
    milliseconds,
    minutes,
    parse_duration,
    parse_moment,
    seconds,
    show_duration,
)

__all__ = ["Built", "Landscape"]


STOP_PATIENCE: Duration = minutes(10)
"""How long one waits at most until a system that is to be stopped has done its work (assumed)."""
LOOK_AGAIN: Duration = seconds(1)
"""How often one looks whether it has (assumed)."""


class Built(BaseException):
    """Ends a story of which only the map is wanted; never leaves the lab."""


class Landscape(Loading):
    """The systems of one run and the verbs of its story."""

    def __init__(
        self,
        simulation: Simulation,
        trouble: Trouble = NO_TROUBLE,
        *,
        only_build: bool = False,
    ) -> None:
        super().__init__(simulation, trouble)
        self._only_build = only_build
        self._has_begun = False
        self.quiet: Quiet | None = None
        """What `settle` found; None when it was never asked for."""
        self.expect = Expect(simulation)
        """What the story expects, and what became of it."""

    def _begin(self) -> None:
        """Go no further than this when only the map is wanted; let trouble begin with the story."""
        if self._only_build:
            raise Built
        if not self._has_begun:
            self._has_begun = True
            self._trouble.plan(self)

    @property
    def now_ns(self) -> int:
        """Virtual time, in nanoseconds since midnight of day 0."""
        return self.simulation.now_ns

    async def run(self, span: Duration) -> None:
        """Let the world go on for a span of virtual time."""
        self._begin()
        await self.simulation.run_until(self.now_ns + span)

    async def run_until(self, moment: int | str) -> None:
        """Let the world go on until a moment, such as ``3d 10:00``, with all that is due at it."""
        self._begin()
        await self.simulation.run_until(_moment(moment))

    async def sleep(self, span: Duration) -> None:
        """Wait, as one task of the story among others; ordered, unlike `trio.sleep`."""
        self._begin()
        await self.simulation.sleep(span)

    def start_soon(self, work: Callable[..., Awaitable[object]], *arguments: Any) -> None:
        """Start a further task of the story."""
        self.simulation.start_soon(work, *arguments)

    def at(
        self,
        moment: int | str,
        do: "Fault | Flap | Callable[..., object]",
        /,
        *arguments: Any,
        for_: Duration | str | None = None,
        **named: Any,
    ) -> None:
        """Plan something for a moment: a plain call, or a fault with ``for_=`` how long.

        Raises:
            BadValue: the moment is over, or a fault is planned without an end.
        """
        if callable(do):
            self.simulation.at(_moment(moment), partial(do, *arguments, **named))
            return
        if for_ is None:
            raise BadValue(f"{do} needs an end: at({moment!r}, ..., for_='45min')")
        span_ns = parse_duration(for_) if isinstance(for_, str) else for_
        self.simulation.plan(do, _moment(moment), span_ns)

    def fault(self, fault: Fault) -> AbstractContextManager[ActiveFault]:
        """Let a fault last as long as a `with` block."""
        return self.simulation.fault(fault)

    def strike(self, fault: Fault) -> ActiveFault:
        """Let a fault begin now; `lift` ends it."""
        return self.simulation.strike(fault)

    def lift(self, active: ActiveFault) -> None:
        """Let a fault end that `strike` began; what it held goes on its way."""
        self.simulation.lift(active)

    def administer(self, site: str, what: str, queue: str) -> None:
        """Do something by hand about an inbound queue now.

        A queue can be locked before anything stands in it. What cannot be done to it as it is now
        is refused, and the history says so.

        Args:
            site: Whose queue it is: that of CRM or of the ERP.
            what: ``activate``, ``delete LUW``, ``delete queue``, ``park``, ``lock`` or ``unlock``.
            queue: Its name, as the monitor shows it.

        Raises:
            BadValue: the site has no queues, or nobody can do such a thing.
        """
        if what not in ACTIONS:
            raise BadValue(f"nobody can {what!r} a queue; write {', '.join(ACTIONS)}")
        self._do_by_hand(site, what, queue)

    def _do_by_hand(self, site: str, what: str, queue: str) -> None:
        partner = self._partner(site)
        if self.simulation.site(site).is_up:
            partner.administered(Action(queue, "", what), None)
        else:
            self.simulation.drop(partner, f"{what} {queue}")

    def monitor(self, site: str) -> list[QueueRow]:
        """Return what the queue monitors of CRM or the ERP show now.

        Raises:
            BadValue: the site has no queues.
        """
        return self._partner(site).monitor()

    def _partner(self, site: str) -> QueuePartner:
        actor = self.simulation.actor(site)
        if not isinstance(actor, QueuePartner):
            raise BadValue(f"{site!r} has no queues; CRM and the ERP have")
        return actor

    def pause(self, site: str, *, lasts: Duration) -> None:
        """Let a site stand still for a while: its memory stays, messages pile up."""
        self.simulation.site(site).pause()
        self.simulation.at(self.now_ns + lasts, self.simulation.site(site).resume)

    def set_clock(self, site: str, *, ahead: Duration) -> None:
        """Let the clock of a site be wrong from now on; behind, when `ahead` is negative."""
        self.simulation.site(site).clock_offset_ns = ahead

    def slow_down(self, site: str, *, factor: float, lasts: Duration) -> None:
        """Let all work of a site take `factor` times as long for a while.

        Raises:
            BadValue: the factor is below 1.
        """
        if factor < 1:
            raise BadValue(f"factor is {factor}; slow work takes 1 or more times as long")
        slowed = self.simulation.site(site).slowed
        slowed.append(factor)
        self.simulation.at(self.now_ns + lasts, slowed.remove, factor)

    def start_anew(self, site: str, *, within: Duration) -> None:
        """Let an impatient person activate the first queue of a site in which work is being done.

        If none is, that person looks again every second, until `within` is over.
        """
        end_ns = self.now_ns + within

        def look() -> None:
            for row in self.monitor(site):
                if row.side == "inbound" and row.status is QueueStatus.RUNNING:
                    self._do_by_hand(site, "activate", row.queue)
                    return
            if self.now_ns < end_ns:
                self.simulation.at(self.now_ns + seconds(1), look)

        look()

    def crash(
        self, site: str, *, down: Duration, wipe: bool = False, point: CrashPoint | None = None
    ) -> None:
        """Crash a site, now or the next time that it comes to a point; it restarts by itself.

        Args:
            site: Which one.
            down: How long until it restarts.
            wipe: It loses its disk too, with all that was not sent. A laptop then gets everything
                anew with its next call; what was on the lost disk alone is set aside by name.
            point: The point of its work at which it crashes (not with `wipe`); None for now.

        Raises:
            BadValue: a server is to lose its disk, or one is to be lost at a point of the work; or
                the site is to be down for no time.
        """
        if wipe and self.simulation.topology.kind(site) not in ("station", "mobile"):
            raise BadValue(f"{site!r} keeps its disk; only stations and laptops can lose theirs")
        if wipe and point is not None:
            raise BadValue("a disk is lost now, not at a point of the work; leave out one of them")
        _must_last("down", down)
        if point is not None:
            self.simulation.plan_crash(CrashAt(site, point, self.now_ns, down))
            return
        self._fall(site, down, wipe=wipe)

    def _fall(self, site: str, down: Duration, *, wipe: bool = False, point: str = "") -> None:
        """Let a site crash now, and restart unless it crashes again meanwhile."""
        place = self.simulation.site(site)
        place.crash(point, wipe=wipe)
        crash_count = place.crash_count

        def rise() -> None:
            if place.crash_count == crash_count:
                place.restart()

        self.simulation.at(self.now_ns + down, rise)

    def plan_downtime(
        self,
        site: str,
        *,
        begins: Duration,
        lasts: Duration,
        until: int | str,
        weekdays: Sequence[int] = range(7),
        first_weekday: int = 0,
    ) -> None:
        """Plan that CRM or the ERP is down again and again, in good order.

        When a window begins, no new work begins there. As soon as what was begun is done the system
        goes down, and with the end of the window it comes back. What is not done within ten minutes
        (or half a short window) is broken off, and begun anew afterwards.

        Args:
            site: CRM or the ERP.
            begins: At which time of the day.
            lasts: How long; it may last beyond midnight.
            until: Windows that begin at this moment or later are not planned any more.
            weekdays: On which days of the week it begins: 0 is Monday, 6 Sunday.
            first_weekday: Which of them day 0 is.

        Raises:
            BadValue: the site has no queues, there is no such time or day, a window lasts for no
                time or into the next one, or there is none at all.
        """
        self._partner(site)
        _must_last("lasts", lasts)
        windows = list(_windows(begins, lasts, weekdays, first_weekday, _moment(until)))
        for begin_ns, end_ns in windows:
            if begin_ns >= self.now_ns:
                self.simulation.at(begin_ns, partial(self._stop, site, begin_ns, end_ns))
        if not any(begin_ns >= self.now_ns for begin_ns, _ in windows):
            raise BadValue(f"no downtime of {site!r} begins before {until}; plan it for longer")

    def _stop(self, site: str, begin_ns: int, end_ns: int) -> None:
        """Let a system go down until a moment, as soon as what was begun there is done."""
        place, partner = self.simulation.site(site), self._partner(site)
        is_late = self.now_ns - begin_ns >= min(STOP_PATIENCE, (end_ns - begin_ns) // 2)
        is_done = place.is_up and not place.is_paused and partner.close()
        if place.is_up and (is_late or (is_done and not place.store.is_writing)):
            self._fall(site, Duration(end_ns - self.now_ns), point="planned stop")
            return
        look_ns = self.now_ns + (LOOK_AGAIN if not is_done else milliseconds(1))
        if look_ns < end_ns:
            self.simulation.at(look_ns, partial(self._stop, site, begin_ns, end_ns))

    def replace_laptop(self, site: str, *, down: Duration, patience: Duration = days(2)) -> None:
        """Replace a laptop in good order: its rep writes no more, sends what is left, gets another.

        The other one is empty, and gets everything with its first call. If the outbox does not get
        empty in time, what is left in it is lost.

        Args:
            site: The laptop.
            down: How long the rep is without any.
            patience: How long one waits until all is sent.

        Raises:
            BadValue: it is no laptop, or a span is none.
        """
        self._must_be_laptops((site,))
        _must_last("down", down)
        _must_last("patience", patience)
        end_ns = self.now_ns + patience

        def look() -> None:
            laptop = self.simulation.actor(site)
            place = self.simulation.site(site)
            assert isinstance(laptop, MobileClient)
            is_usable = place.is_up and not place.is_paused
            if is_usable and (laptop.is_drained or self.now_ns >= end_ns):
                self._fall(site, down, wipe=True)
                return
            if is_usable:
                with suppress(SiteCrashed):
                    laptop.stop_using()
            self.simulation.at(self.now_ns + minutes(10), look)

        look()

    def plan_crashes(self, count: int, span: Duration) -> None:
        """Crash each kind of site `count` times at each named point, spread over a span.

        Which laptop, when, and for how long is keyed by kind, point and number of the crash.
        """
        for crash in crashes_everywhere(self.simulation, count, span):
            self.simulation.plan_crash(crash)

    @property
    def value_on_laptops(self) -> Decimal:
        """What the orders are worth that the reps see on their laptops, exactly."""
        laptops = self.simulation.topology.sites("mobile")
        return exact_sum(
            net_value(local.document.order.items)
            for laptop in laptops
            for local in self.simulation.store(laptop).table("orders").values()
        )

    async def settle(self, budget: Duration = days(60), *, keep_still: Sequence[str] = ()) -> Quiet:
        """Run until all is quiet, or until the budget of virtual time is used up.

        What was aimed at a message that has not come yet is given up.

        Args:
            budget: How much virtual time there is; not reaching quiet in it is a finding.
            keep_still: Laptops that neither work nor call from now on; fewer than half of them.

        Raises:
            BadValue: something else than a minority of the laptops is to be kept still.
        """
        self._begin()
        for active in self.simulation.fabric.faults:
            if isinstance(active.fault, NthMessage) and not active.is_over:
                self.simulation.lift(active)
        self.quiet = await settle(self.simulation, budget, keep_still, self.left_to_do)
        return self.quiet


def _windows(
    begins: Duration, lasts: Duration, weekdays: Sequence[int], first_weekday: int, until_ns: int
) -> Iterator[tuple[int, int]]:
    """Yield (beginning, end) of every downtime that begins before a moment.

    Raises:
        BadValue: there is no such time or day, or one lasts into the next one.
    """
    if not 0 <= begins < days(1):
        raise BadValue(f"begins is {show_duration(begins)}; it is a time of the day, below 24h")
    wanted = sorted(dict.fromkeys(weekdays))
    if not wanted or any(day not in range(7) for day in (*wanted, first_weekday)):
        raise BadValue(f"weekdays are 0 (Monday) to 6, one or more: {list(weekdays)}")
    gaps = [later - day for day, later in pairwise((*wanted, wanted[0] + 7))]
    if lasts > days(min(gaps)):
        raise BadValue(f"a downtime of {show_duration(lasts)} lasts into the next one")
    for day in range(until_ns // days(1) + 1):
        begin_ns = days(day) + begins
        if (day + first_weekday) % 7 in wanted and begin_ns < until_ns:
            yield begin_ns, begin_ns + lasts


def _must_last(name: str, span: Duration) -> None:
    if span <= 0:
        raise BadValue(f"{name} is {show_duration(span)}; it lasts longer than nothing")


def _moment(moment: int | str) -> int:
    return parse_moment(moment) if isinstance(moment, str) else moment
