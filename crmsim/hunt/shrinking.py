"""What is the least that still goes wrong?

A failing case is cut down as long as the same check fails on the same kind of object: families of
trouble, single deviations, laptops, orders, settings of systems and lines, spans and moments, the
length of the story. What is left is 1-minimal: without any one of its deviations the check holds,
and the result shows that.

Single deviations are left out by delta debugging (Zeller and Hildebrandt 2002). Every candidate is
run; nothing is taken for granted. That leaving something out moves nobody else's luck is what makes
this quick: a candidate differs from the case only where something was left out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeVar

import attrs

from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit
from crmsim.errors import ModelError
from crmsim.hunt.case import Case
from crmsim.hunt.finding import ENDED_EARLY, QUIET, Finding, all_findings_of
from crmsim.hunt.script import in_code
from crmsim.hunt.weaker import (
    Step,
    at_default,
    calm_steps,
    calmer,
    fewer_items,
    nearer_end,
    rounder,
    weaker,
)
from crmsim.lab.trouble import Call, Deviation, InOffice, Trouble

__all__ = ["RUNS", "Shrunk", "Without", "deviations_of", "minimal", "shrink"]

T = TypeVar("T")
RUNS = 600
"""How many candidates are run at most for one finding."""


@attrs.frozen
class Without:
    """What becomes of a case when one deviation is left out."""

    what: str
    holds: bool


@attrs.frozen
class Shrunk:
    """A case that was cut down."""

    case: Case
    finding: Finding
    """What still goes wrong."""
    runs: int
    """Candidates that were run."""
    without: tuple[Without, ...]
    """Each deviation that is left, and that all is well without it."""
    is_minimal: bool
    """Whether no deviation can be left out; False when the runs were used up before."""


class _UsedUp(Exception):
    """No more runs."""


class _Trial:
    """Runs candidates and says whether the same thing still goes wrong."""

    def __init__(self, case: Case, finding: Finding, most: int, until_s: float) -> None:
        checks = tuple(check for check in case.checks if check.name == finding.check)
        own = finding.check not in (QUIET, ENDED_EARLY)
        self.case = attrs.evolve(case, checks=checks) if own else case
        self.finding = finding
        self.runs = 0
        self._most = most
        self._until_s = until_s
        self._known: dict[str, bool] = {}

    def fails(self, case: Case) -> bool:
        """Say whether the same check fails on the same kind of object."""
        key = repr(case)
        if key not in self._known:
            if self.runs >= self._most or perf_counter() > self._until_s:
                raise _UsedUp
            self.runs += 1
            self._known[key] = self.found_in(case) is not None
        return self._known[key]

    def found_in(self, case: Case) -> Finding | None:
        """Run a case and return the same finding; None if there is none."""
        try:
            found = all_findings_of(case.run())
        except ModelError:
            return None  # what was left out was needed: nobody can build that
        return next((one for one in found if one.is_like(self.finding)), None)

    def take(self, case: Case) -> bool:
        """Go on with a case if it still fails."""
        if case == self.case or not self.fails(case):
            return False
        self.case = case
        return True


def minimal(things: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Return a part of the things that still fails and of which none can be left out.

    Args:
        things: A list that fails.
        fails: Says whether a part of it does.

    >>> minimal(range(100), lambda part: {3, 77} <= set(part))
    (3, 77)
    """
    left, pieces = tuple(things), 2
    if left and fails(()):
        return ()
    while len(left) >= 2:
        size = -(-len(left) // pieces)
        for start in range(0, len(left), size):
            rest = left[:start] + left[start + size :]
            if fails(rest):
                left, pieces = rest, max(pieces - 1, 2)
                break
        else:
            if size == 1:
                break
            pieces = min(2 * pieces, len(left))
    return left


def shrink(
    case: Case, finding: Finding, most: int = RUNS, until_s: float = math.inf
) -> Shrunk | None:
    """Cut a failing case down; None when it does not fail as a case of its own.

    Args:
        case: What failed.
        finding: How.
        most: How many candidates may be run.
        until_s: When to stop, by `time.perf_counter`.
    """
    trial = _Trial(case, finding, most, until_s)
    try:
        if not trial.fails(trial.case):
            return None
        _cut_down(trial)
        without = _without_each(trial)
    except _UsedUp:
        without = ()
    left = trial.found_in(trial.case)
    if left is None:
        return None
    small = attrs.evolve(trial.case, checks=case.checks)
    is_minimal = len(without) == len(deviations_of(trial.case)) and all(w.holds for w in without)
    return Shrunk(small, left, trial.runs, without, is_minimal)


def _cut_down(trial: _Trial) -> None:
    before: Case | None = None
    _drop_families(trial)
    while before != trial.case:
        before = trial.case
        _drop_deviations(trial)
        _drop_laptops(trial)
        _drop_orders(trial)
        _drop_edits(trial)
        _drop_records(trial)
        for variants in (at_default, calmer, fewer_items, weaker, nearer_end, rounder):
            _vary(trial, variants)


def _vary(trial: _Trial, variants: Callable[[Case], Iterator[Step]]) -> None:
    """Take simpler variants as long as one still fails; none is tried twice."""
    tried: set[str] = set()
    has_changed = True
    while has_changed:
        has_changed = False
        for what, variant in variants(trial.case):
            if what not in tried:
                tried.add(what)
                if trial.take(variant):
                    has_changed = True
                    break


def _drop_families(trial: _Trial) -> None:
    deviations = trial.case.trouble.deviations
    for family in dict.fromkeys(one.family for one in deviations):
        left = [one for one in trial.case.trouble.deviations if one.family != family]
        trial.take(with_deviations(trial.case, left))


def _drop_deviations(trial: _Trial) -> None:
    case = trial.case
    left = minimal(case.trouble.deviations, lambda part: trial.fails(with_deviations(case, part)))
    trial.take(with_deviations(case, left))


def _drop_laptops(trial: _Trial) -> None:
    case = trial.case
    left = minimal(case.laptops, lambda part: trial.fails(with_laptops(case, part)))
    trial.take(with_laptops(case, left))


def _drop_orders(trial: _Trial) -> None:
    case = trial.case
    left = minimal(case.orders, lambda part: trial.fails(with_orders(case, part)))
    trial.take(with_orders(case, left))


# --- a case with less in it ---


def with_deviations(case: Case, deviations: Sequence[Deviation]) -> Case:
    """Return a case with other trouble."""
    return attrs.evolve(case, trouble=Trouble(tuple(deviations)))


def _stations_of(named: str | tuple[str, ...]) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else named


def with_laptops(case: Case, laptops: Sequence[str]) -> Case:
    """Return a case with some of its laptops; stations that nobody calls go too."""
    gone = set(case.laptops) - set(laptops)
    built = [one for call in _without(case.built, gone) for one in _without_subscribers(call, gone)]
    called = {
        name
        for call in built
        if call.verb == "add_laptop"
        for name in _stations_of(call.named["station"])
    }
    idle = {
        call.named["name"]
        for call in built
        if call.verb == "add_station" and called and call.named["name"] not in called
    }
    built = _without(built, idle)
    left = [_without_sites(one, gone | idle) for one in case.trouble.deviations]
    trouble = Trouble(tuple(one for one in left if one is not None))
    keep_still = tuple(name for name in case.keep_still if name not in gone)
    return attrs.evolve(case, built=tuple(built), trouble=trouble, keep_still=keep_still)


def _without(built: Sequence[Call], sites: set[str]) -> list[Call]:
    """Leave out what adds some sites; the name of a subscription is not that of a site."""
    return [
        call
        for call in built
        if call.verb == "add_subscription" or call.named.get("name") not in sites
    ]


def _without_sites(one: Any, gone: set[str]) -> Any:
    """Return a deviation that does not mention some sites; None if nothing is left of it."""
    if getattr(one, "site", None) in gone:
        return None
    if isinstance(one, InOffice):
        left = list(_without_subscribers(one.call, gone))
        return InOffice(left[0]) if left and one.call.named.get("site") not in gone else None
    fault = getattr(one, "fault", None)
    if fault is None:
        return one
    if {getattr(fault, name, None) for name in ("site", "source", "target")} & gone:
        return None
    sides = {name: getattr(fault, name) for name in ("ours", "theirs") if hasattr(fault, name)}
    kept = {name: tuple(s for s in side if s not in gone) for name, side in sides.items()}
    if not all(kept.values()):
        return None
    return attrs.evolve(one, fault=attrs.evolve(fault, **kept)) if kept != sides else one


def _without_subscribers(call: Call, gone: set[str]) -> Iterator[Call]:
    """Yield a call without the laptops that are gone; nothing when it was about them alone."""
    sites = call.named.get("sites")
    if sites is None:
        yield call
        return
    left = tuple(site for site in sites if site not in gone)
    if left or not sites:
        yield _with_named(call, sites=left)


def _drop_records(trial: _Trial) -> None:
    case = trial.case
    droppable = ("add_record", "add_subscription")
    records = tuple(call for call in case.built if call.verb in droppable)

    def with_records(part: Sequence[Call]) -> Case:
        kept = [call for call in case.built if call.verb not in droppable or call in part]
        return attrs.evolve(case, built=tuple(kept))

    trial.take(with_records(minimal(records, lambda part: trial.fails(with_records(part)))))


def _drop_edits(trial: _Trial) -> None:
    """Leave out edits one by one: a document is more than the least that is written."""
    case = trial.case
    edits = tuple(
        (call.named["name"], place)
        for call in case.built
        if "diary" in call.named
        for place, entry in enumerate(call.named["diary"])
        if isinstance(entry.what, OrderEdit | RecordEdit)
    )

    def with_edits(part: Sequence[tuple[str, int]]) -> Case:
        kept = set(part)

        def fewer(call: Call) -> Call:
            if "diary" not in call.named:
                return call
            diary = tuple(
                entry
                for place, entry in enumerate(call.named["diary"])
                if not isinstance(entry.what, OrderEdit | RecordEdit)
                or (call.named["name"], place) in kept
            )
            return _with_named(call, diary=diary)

        return attrs.evolve(case, built=tuple(map(fewer, case.built)))

    trial.take(with_edits(minimal(edits, lambda part: trial.fails(with_edits(part)))))


def with_orders(case: Case, orders: Sequence[str]) -> Case:
    """Return a case in which only some orders are written."""
    kept = set(orders)

    def fewer(call: Call) -> Call:
        if call.verb == "add_erp" and call.named.get("ship_days"):
            plan: Mapping[str, int] = call.named["ship_days"]
            left = {order: day for order, day in plan.items() if order in kept}
            return _with_named(call, ship_days=left)
        if "diary" not in call.named:
            return call
        diary = tuple(e for e in call.named["diary"] if e.what.reference in kept)
        return _with_named(call, diary=diary)

    def is_about_kept(one: Deviation) -> bool:
        return getattr(one, "reference", None) is None or getattr(one, "reference", None) in kept

    trouble = Trouble(tuple(one for one in case.trouble.deviations if is_about_kept(one)))
    return attrs.evolve(case, built=tuple(map(fewer, case.built)), trouble=trouble)


def _with_named(call: Call, **named: Any) -> Call:
    return attrs.evolve(call, named={**call.named, **named})


# --- what is left, and that nothing of it can go ---


def deviations_of(case: Case) -> list[tuple[str, Case]]:
    """Return (what deviates, the case without it): planned trouble, luck of lines and habits."""
    found = []
    deviations = case.trouble.deviations
    for place, one in enumerate(deviations):
        rest = (*deviations[:place], *deviations[place + 1 :])
        found.append((in_code(one), with_deviations(case, rest)))
    return [*found, *calm_steps(case)]


def _without_each(trial: _Trial) -> tuple[Without, ...]:
    """Leave each deviation out once; go on cutting when the case fails without one."""
    while True:
        shown = [(what, rest, trial.fails(rest)) for what, rest in deviations_of(trial.case)]
        again = next((rest for _, rest, fails in shown if fails), None)
        if again is None:
            return tuple(Without(what, not fails) for what, _, fails in shown)
        trial.take(again)
        _cut_down(trial)
