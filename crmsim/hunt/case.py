"""What exactly is a run, so that it can be cut down?

A scenario is a program; a case is the list of what that program did: how the landscape was built,
what happened in it and when, and where it came to its end. A listener takes it down while the story
is told without trouble. What was drawn by chance while the story was told is a plain value in the
case, so laptops, orders and happenings can be left out one by one, and nobody else's luck changes.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from crmsim.checks.check import Check
from crmsim.kernel.simulation import Simulation
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, Scenario
from crmsim.lab.trouble import (
    NO_TROUBLE,
    Administered,
    Broken,
    Call,
    ClockOff,
    Crashed,
    CrashedAt,
    Deviation,
    Impatience,
    InOffice,
    OneMessage,
    Paused,
    Poisoned,
    Published,
    Slowed,
    Struck,
    Trouble,
    crashes_everywhere,
)
from crmsim.network.fabric import ActiveFault
from crmsim.network.faults import Fault, Flap, NthMessage
from crmsim.qrfc.wire import Guarantees
from crmsim.quiet.settle import Quiet
from crmsim.trace.kinds import Level
from crmsim.units import Duration, days, parse_duration, parse_moment

__all__ = ["Case", "Fixed", "as_it_is", "take_down"]

BUILDING = (
    *("replicate", "exchange", "add_crm", "add_erp", "add_station", "add_laptop"),
    *("add_subscription", "add_record", "add_channel", "add_apo"),
    *("add_contract_in_erp", "add_record_in_erp", "add_stock"),
)
"""The verbs that build a landscape."""
OFFICE = (
    *("change", "subscribe", "unsubscribe", "set_demon", "extract", "replace_laptop"),
    *("change_in_erp", "publish_in_erp", "create_order", "change_order", "check_distribution"),
    *("create_order_in_erp", "change_order_in_erp", "set_numbers_in_erp", "receive_goods"),
    *("change_format", "update_client"),
    *("change_contract_in_erp", "load", "request_load", "synchronise", "abort_load"),
    *("set_filter", "set_delta", "set_bridge", "compare", "repair"),
    *("delete", "lock_user", "unlock_user", "deactivate_site", "activate_site"),
    "plan_downtime",
)
"""The verbs of what people in the office do."""
BUDGET: Duration = days(60)
"""How long a story that never settled gets to come to rest."""


@attrs.frozen
class Fixed:
    """Settings of a story in which nothing can be changed."""


@attrs.frozen
class Case:
    """One run, told as values."""

    scenario: str
    """Where it comes from."""
    seed: int
    checks: tuple[Check, ...]
    guarantees: Guarantees
    built: tuple[Call, ...]
    """How the landscape is built; every argument has its name."""
    trouble: Trouble
    """What happens in it: by the scenario's own plan, and on top of it."""
    end_ns: int
    """When the story is over and all is to come to rest."""
    budget: Duration
    keep_still: tuple[str, ...] = ()
    story: Callable[[Landscape], Awaitable[None]] | None = attrs.field(default=None, repr=False)
    """The story itself, where it cannot be told as a list; then only the trouble is a list."""

    @property
    def laptops(self) -> tuple[str, ...]:
        """The names of the laptops."""
        return tuple(call.named["name"] for call in self.built if call.verb == "add_laptop")

    @property
    def orders(self) -> tuple[str, ...]:
        """The references of the orders that are written."""
        diaries = [call.named["diary"] for call in self.built if "diary" in call.named]
        return tuple(dict.fromkeys(entry.what.reference for diary in diaries for entry in diary))

    async def tell(self, land: Landscape, settings: Any) -> None:
        """Tell the story."""
        if self.story is not None:
            await self.story(land)
            return
        land.guarantees = self.guarantees
        for call in self.built:
            call.make(land)
        await land.run_until(self.end_ns)
        await land.settle(self.budget, keep_still=self.keep_still)

    def run(self, level: Level = Level.BUSINESS) -> Result:
        """Run it."""
        story = Scenario("case", "", Fixed, self.tell, self.checks)
        return story.run_with(Fixed(), seed=self.seed, level=level, trouble=self.trouble)


class _Listener(Landscape):
    """A landscape that takes down how it is built and what its story does."""

    def __init__(self, simulation: Simulation, trouble: Trouble) -> None:
        super().__init__(simulation, trouble)
        self.built: list[Call] = []
        self.deviations: list[Deviation] = []
        self.ended: tuple[int, Duration, tuple[str, ...]] | None = None
        self._is_inside = False
        """Whether a verb is at work that was taken down already."""
        self._open: list[tuple[ActiveFault, int]] = []
        """Faults that nobody has lifted yet, and when they began."""

    # --- building ---

    def note_built(self, verb: str, named: dict[str, Any]) -> None:
        """Take down a building verb; what goes wrong by plan is a happening of its own."""
        if named.get("operator_s") is not None:  # else nobody would look after it
            if verb == "add_erp":
                poisons = named.pop("poisons", ())
                self.deviations += [Poisoned(one.reference, one.mended_by) for one in poisons]
            if verb == "add_crm":
                for one in named.pop("breakages", ()):
                    lasts = Duration(one.ends_ns - one.begins_ns)
                    self.deviations.append(Broken(one.context, one.begins_ns, lasts, one.share))
        self.built.append(Call(verb, named=named))

    # --- the story ---

    def at(
        self,
        moment: int | str,
        do: Fault | Flap | Callable[..., object],
        /,
        *arguments: Any,
        for_: Duration | str | None = None,
        **named: Any,
    ) -> None:
        super().at(moment, do, *arguments, for_=for_, **named)
        if isinstance(do, Fault | Flap):
            at_ns = parse_moment(moment) if isinstance(moment, str) else moment
            span_ns = parse_duration(for_) if isinstance(for_, str) else for_
            assert span_ns is not None
            spells = do.spells(at_ns, span_ns) if isinstance(do, Flap) else [(at_ns, span_ns)]
            fault = do.fault if isinstance(do, Flap) else do
            self._took(*(Struck(fault, begin_ns, Duration(span)) for begin_ns, span in spells))

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[ActiveFault]:
        active = self.strike(fault)
        try:
            yield active
        finally:
            self.lift(active)

    def strike(self, fault: Fault) -> ActiveFault:
        active = super().strike(fault)
        if isinstance(fault, NthMessage):
            self._took(OneMessage(fault, self.now_ns or None))
        else:
            self._open.append((active, self.now_ns))
        return active

    def lift(self, active: ActiveFault) -> None:
        super().lift(active)
        self._over(lambda one: one is active)

    def _over(self, is_it: Callable[[ActiveFault], bool]) -> None:
        """Take down how long faults lasted that end now."""
        for active, at_ns in self._open:
            if is_it(active):
                self._took(Struck(active.fault, at_ns, Duration(max(self.now_ns - at_ns, 1))))
        self._open = [row for row in self._open if not is_it(row[0])]

    def publish(self, publication: str, values: Any, *, crm: str = "crm") -> None:
        super().publish(publication, values, crm=crm)
        self._took(Published(publication, dict(values), self.now_ns, crm))

    def administer(self, site: str, what: str, queue: str) -> None:
        super().administer(site, what, queue)
        self._took(Administered(site, what, queue, self.now_ns))

    def pause(self, site: str, *, lasts: Duration) -> None:
        super().pause(site, lasts=lasts)
        self._took(Paused(site, self.now_ns, lasts))

    def set_clock(self, site: str, *, ahead: Duration) -> None:
        super().set_clock(site, ahead=ahead)
        self._took(ClockOff(site, ahead, self.now_ns or None))

    def slow_down(self, site: str, *, factor: float, lasts: Duration) -> None:
        super().slow_down(site, factor=factor, lasts=lasts)
        self._took(Slowed(site, factor, self.now_ns, lasts))

    def start_anew(self, site: str, *, within: Duration) -> None:
        super().start_anew(site, within=within)
        self._took(Impatience(site, self.now_ns, within))

    def crash(self, site: str, *, down: Duration, wipe: bool = False, point: Any = None) -> None:
        super().crash(site, down=down, wipe=wipe, point=point)
        if point is None:
            self._took(Crashed(site, self.now_ns, down, wipe))
        else:
            self._took(CrashedAt(site, point, self.now_ns, down))

    def plan_crashes(self, count: int, span: Duration) -> None:
        super().plan_crashes(count, span)
        for one in crashes_everywhere(self.simulation, count, span):
            self._took(CrashedAt(one.site, one.point, one.after, one.down))

    async def settle(self, budget: Duration = BUDGET, *, keep_still: Sequence[str] = ()) -> Quiet:
        self._over(lambda one: True)
        self.ended = self.now_ns, budget, tuple(keep_still)
        return await super().settle(budget, keep_still=keep_still)

    def _took(self, *deviations: Deviation) -> None:
        self.deviations += deviations


def _listening(verb: str, note: Callable[[_Listener, str, dict[str, Any]], None]) -> Any:
    """Return a verb that is taken down, unless another verb uses it."""
    plain = getattr(Landscape, verb)
    signature = inspect.signature(plain)

    def listened(self: _Listener, *arguments: Any, **named: Any) -> None:
        if self._is_inside:
            plain(self, *arguments, **named)
            return
        bound = dict(signature.bind(self, *arguments, **named).arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                bound |= bound.pop(parameter.name, {})
        del bound["self"]
        note(self, verb, bound)
        self._is_inside = True
        try:
            plain(self, *arguments, **named)
        finally:
            self._is_inside = False

    return listened


def _note_office(listener: _Listener, verb: str, named: dict[str, Any]) -> None:
    listener.deviations.append(InOffice(Call(verb, named=named, at_ns=listener.now_ns)))


for _verb in BUILDING:
    setattr(_Listener, _verb, _listening(_verb, _Listener.note_built))
for _verb in OFFICE:
    setattr(_Listener, _verb, _listening(_verb, _note_office))


def take_down(scenario: Scenario, settings: Any, seed: int, trouble: Trouble = NO_TROUBLE) -> Case:
    """Tell a scenario without trouble and take down what it does; then add the trouble.

    A story that looks at the landscape and decides by what it sees is taken down as it decided
    without trouble. If it ends early even then, it is taken down as far as it got.
    """
    lands: list[_Listener] = []

    def listen(simulation: Simulation, trouble: Trouble) -> _Listener:
        lands.append(_Listener(simulation, trouble))
        return lands[-1]

    scenario.run_with(settings, seed=seed, make_land=listen)
    [land] = lands
    end_ns, budget, keep_still = land.ended or (land.now_ns, BUDGET, ())
    return Case(
        scenario.name,
        seed,
        scenario.checks,
        land.guarantees,
        tuple(land.built),
        Trouble((*land.deviations, *trouble.deviations)),
        end_ns,
        budget,
        keep_still,
    )


def as_it_is(scenario: Scenario, settings: Any, seed: int, trouble: Trouble) -> Case:
    """Return a case that tells the story of a scenario anew; only the trouble can be left out."""
    return Case(
        scenario.name,
        seed,
        scenario.checks,
        Guarantees(),
        (),
        trouble,
        0,
        BUDGET,
        story=lambda land: scenario.story(land, settings),
    )
