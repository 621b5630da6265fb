"""Does waiting for somebody who is mostly away follow theory?

A laptop that calls now and then is a server on vacation: what changes meanwhile waits for its next
call. The longer the longest gaps, the longer the average change waits; that surprises most people.
"""

from array import array
from functools import partial

from crmsim.chance import Constant, Distribution, Exponential, Uniform
from crmsim.errors import TimedOut
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.life import Timer
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.network.link import Link
from crmsim.trace.kinds import Level
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.truths.stations import (
    BOUNDLESS,
    Customer,
    Server,
    Source,
    after_warm_up,
    mean_s,
    world_of,
)
from crmsim.units import hours, seconds

__all__ = ["CASES"]

INSPECTION = "Feller 1971, An Introduction to Probability Theory II, section I.4"
VACATIONS = "Levy and Yechiali 1975; Fuhrmann and Cooper 1985"
BREAKDOWNS = "White and Christie 1958; Avi-Itzhak and Naor 1963"

SMOKE, FULL = Effort(20, 4_000), Effort(30, 40_000)


@message(about=("number",))
class ChangeDue:
    """The rep changes something."""

    number: int


@message(about=("number",))
class CallDue:
    """The laptop calls."""

    number: int


@message(about=())
class HangUp:
    """The call is over."""


@message(about=("number",))
class Change:
    """Something that the rep changed."""

    number: int
    made_ns: int


class Rep(Actor):
    """Changes something at random times, and calls now and then.

    Args:
        gap_s: The time between two calls.
        per_gap: How many changes there are in a gap on average.
        calls: How often the rep calls.
    """

    def __init__(self, gap_s: Distribution, per_gap: float, calls: int) -> None:
        self._gap_s = gap_s
        self._rate_per_s = per_gap / gap_s.mean
        self._calls = calls
        self._outbox: list[Change] = []
        self.is_done = False
        self.backlogs = array("q")

    def started(self) -> None:
        """Plan the first change and the first call."""
        self._plan_change(0)
        self._plan_call(0)

    def _plan_change(self, number: int) -> None:
        gap = Exponential(1 / self._rate_per_s).at(self.luck("change").uniform(number))
        self.after(int(gap * 1e9), ChangeDue(number))

    def _plan_call(self, number: int) -> None:
        self.after(int(self._gap_s.at(self.luck("call").uniform(number)) * 1e9), CallDue(number))

    @handles(ChangeDue)
    def change(self, message: ChangeDue, sender: object) -> None:
        """Put a change into the outbox."""
        if not self.is_done:
            self._outbox.append(Change(message.number, self.now_ns))
            self._plan_change(message.number + 1)

    @handles(CallDue)
    def call(self, message: CallDue, sender: object) -> None:
        """Dial, send everything, and hang up a second later."""
        self.backlogs.append(len(self._outbox))
        office = self.address("office")
        self.open_line(office)
        for change in self._outbox:
            self.send(office, change)
        self._outbox.clear()
        self.after(seconds(1), HangUp())
        self.is_done = message.number + 1 == self._calls
        if not self.is_done:
            self._plan_call(message.number + 1)

    @handles(HangUp)
    def hang_up(self, message: HangUp, sender: object) -> None:
        """End the call."""
        self.close_line(self.address("office"))


class Office(Actor):
    """Takes what the rep sends."""

    def __init__(self) -> None:
        self.waits_ns = array("q")

    @handles(Change)
    def take(self, message: Change, sender: object) -> None:
        """Note how long the change waited."""
        self.waits_ns.append(self.now_ns - message.made_ns)


CHANGES_PER_GAP = 2.0


def next_call(gap_s: Distribution, seed: int, size: int) -> Sample:
    """Let a rep change things and call, and measure what waits for how long."""
    world = Simulation(seed=seed, level=Level.METRICS)
    world.add_site("rep")
    world.add_site("office")
    world.connect("rep", "office", Link(latency=Constant(0.0), dial_up=True))
    world.seat("rep", lambda: Rep(gap_s, CHANGES_PER_GAP, size))
    world.seat("office", Office)
    world.run()
    backlogs = world.actor("rep").backlogs
    seen = sum(count * count for count in backlogs) / max(sum(backlogs), 1)
    return sample_of(
        world,
        wait_h=mean_s(world.actor("office").waits_ns) / 3_600,
        backlog=sum(backlogs) / len(backlogs),
        seen=seen,
    )


def next_call_case(name: str, gap_h: Distribution, gap_s: Distribution) -> Case:
    """Return the case of a change that waits for the next call: E[I^2] / 2E[I]."""
    square = gap_h.variance + gap_h.mean**2
    seen = CHANGES_PER_GAP * square / gap_h.mean**2 + 1
    wait_h = square / (2 * gap_h.mean)
    figures = (
        Figure("wait_h", "mean wait of a change, h", wait_h, bias=wait_h * 0.002),
        Figure("backlog", "changes found by a call", CHANGES_PER_GAP),
        Figure("seen", "changes in the call of a random change", seen, bias=seen * 0.002),
    )
    run = partial(next_call, gap_s)
    return Case(f"next call, gaps {name}", INSPECTION, figures, run, SMOKE, FULL)


class VacationServer(Server):
    """Serves until nobody is left, then goes away; comes back, and goes again if nobody came."""

    receives = (Customer,)
    serves = True

    def __init__(self, service_s: Distribution, away_s: Distribution) -> None:
        super().__init__(service_s)
        self._away_s = away_s

    async def run(self) -> None:
        """Serve and go away, for ever."""
        away = self.luck("away")
        vacations = 0
        while True:
            try:
                customer = await self.receive(timeout_ns=0)
            except TimedOut:
                await self.sleep(int(self._away_s.at(away.uniform(vacations)) * 1e9))
                vacations += 1
            else:
                await self.serve(customer, None)


def vacation(load: float, away_s: Distribution, seed: int, size: int) -> Sample:
    """Run customers past a server that goes away."""
    world = world_of(
        seed,
        ("source", lambda: Source("server", Exponential(1 / load), size)),
        ("server", lambda: VacationServer(Exponential(1), away_s)),
    )

    async def until_served(simulation: Simulation) -> None:
        while simulation.actor("server").served < size:
            await simulation.sleep(hours(1))

    world.tell(until_served)
    return sample_of(world, wait=mean_s(after_warm_up(world.actor("server").waits_ns)))


def vacation_case(name: str, load: float, away_s: Distribution) -> Case:
    """Return the case of exhaustive service with vacations: M/G/1 plus E[V^2] / 2E[V]."""
    away = (away_s.variance + away_s.mean**2) / (2 * away_s.mean)
    figures = (Figure("wait", "mean wait, s", load / (1 - load) + away),)
    run = partial(vacation, load, away_s)
    return Case(f"server on vacation, {name}", VACATIONS, figures, run, SMOKE, FULL)


@message(about=("number",))
class Switch:
    """The line comes or goes."""

    number: int


@message(about=("number",))
class Done:
    """The customer in service is done."""

    number: int


class OnOffServer(Actor):
    """Works while its line is up; what is interrupted goes on later where it stopped.

    Args:
        up_s: How long it is up.
        down_s: How long it is down.
        count: How many customers there will be.
    """

    mailbox_bound = BOUNDLESS

    def __init__(self, up_s: Distribution, down_s: Distribution, count: int) -> None:
        self._spells_s = (up_s, down_s)
        self._count = count
        self._waiting: list[Customer] = []
        self._is_up = True
        self._timer: Timer | None = None
        self._left_ns = 0
        self.stays_ns = array("q")

    def started(self) -> None:
        """Plan the end of the first spell."""
        self._plan_switch(0)

    def _plan_switch(self, number: int) -> None:
        spell_s = self._spells_s[number % 2].at(self.luck("spell").uniform(number))
        self.after(int(spell_s * 1e9), Switch(number))

    @handles(Switch)
    def switch(self, message: Switch, sender: object) -> None:
        """Go down or come up."""
        self._is_up = not self._is_up
        if self._is_up:
            self._work()
        elif self._timer is not None:
            self._left_ns = self._timer.due_ns - self.now_ns
            self._timer.cancel()
            self._timer = None
        if len(self.stays_ns) < self._count:
            self._plan_switch(message.number + 1)

    @handles(Customer)
    def arrive(self, message: Customer, sender: object) -> None:
        """Line up."""
        self._waiting.append(message)
        if len(self._waiting) == 1:
            self._begin()

    def _begin(self) -> None:
        u = self.luck("service time").uniform(self._waiting[0].number)
        self._left_ns = int(Exponential(1).at(u) * 1e9)
        self._work()

    def _work(self) -> None:
        if self._is_up and self._waiting:
            self._timer = self.after(self._left_ns, Done(self._waiting[0].number))

    @handles(Done)
    def done(self, message: Done, sender: object) -> None:
        """Let a customer go."""
        self._timer = None
        customer = self._waiting.pop(0)
        self.stays_ns.append(self.now_ns - customer.born_ns)
        if self._waiting:
            self._begin()


def on_off(arrivals: float, fails: float, heals: float, seed: int, size: int) -> Sample:
    """Run customers past a server that is up and down at random."""
    world = world_of(
        seed,
        ("source", lambda: Source("server", Exponential(1 / arrivals), size)),
        ("server", lambda: OnOffServer(Exponential(1 / fails), Exponential(1 / heals), size)),
    )
    world.run()
    stay = mean_s(after_warm_up(world.actor("server").stays_ns))
    return sample_of(world, stay=stay)


def on_off_case(arrivals: float, fails: float, heals: float) -> Case:
    """Return the case of an M/M/1 server of rate 1 whose line comes and goes."""
    both = fails + heals
    stay = (both**2 + fails) / (both * (heals - arrivals * both))
    figures = (Figure("stay", "mean time in the system, s", stay),)
    run = partial(on_off, arrivals, fails, heals)
    name = f"server that is up {heals / both:.0%} of the time, {arrivals} customers a second"
    return Case(name, BREAKDOWNS, figures, run, SMOKE, FULL)


DAY_H, DAY_S = 24.0, 86_400.0

CASES = (
    next_call_case("of 24 h each", Constant(DAY_H), Constant(DAY_S)),
    next_call_case("exponential, 24 h", Exponential(DAY_H), Exponential(DAY_S)),
    next_call_case("uniform, 0 to 48 h", Uniform(0, 2 * DAY_H), Uniform(0, 2 * DAY_S)),
    vacation_case("2 s each", 0.5, Constant(2.0)),
    vacation_case("exponential, 2 s", 0.5, Exponential(2.0)),
    on_off_case(0.1, 0.2, 0.2),
    on_off_case(0.05, 0.9, 0.1),
)
