"""In which ways can one run be made simpler?

Each function yields (what is changed, the case with the change). What is changed names the change,
so that nobody tries it twice. Whether the simpler case still fails is for the shrinker to find out.
"""

import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from crmsim.business.sales import SalesOrder
from crmsim.hunt.case import Case
from crmsim.lab.landscape import Landscape
from crmsim.lab.trouble import Broken, Call, Deviation, InOffice, Published, Trouble
from crmsim.mobile.rep import Habits
from crmsim.network.faults import Hold, Partition, Slow
from crmsim.network.link import Link
from crmsim.qrfc.wire import Guarantees
from crmsim.units import SECOND_NS, Duration, Share

__all__ = [
    "Step",
    "at_default",
    "calm_steps",
    "calmer",
    "fewer_items",
    "nearer_end",
    "rounder",
    "weaker",
]

Step = tuple[str, Case]
UNITS_NS = tuple(second * SECOND_NS for second in (86_400, 3_600, 60, 1))
"""A day, an hour, a minute, a second."""
LUCK = ("loss", "duplicate", "reorder", "corrupt", "call_failure", "answer_loss")
"""Fields of a line that are shares of what goes wrong by chance."""


# --- systems as they are by default ---


def at_default(case: Case) -> Iterator[Step]:
    """Leave out one argument of a building verb, so that its default holds."""
    for place, call in enumerate(case.built):
        parameters = inspect.signature(getattr(Landscape, call.verb)).parameters
        for name in call.named:
            is_own = name in parameters
            if is_own and parameters[name].default is not inspect.Parameter.empty:
                named = {key: value for key, value in call.named.items() if key != name}
                changed = _with_call(case, place, attrs.evolve(call, named=named))
                yield f"{name} of {_title(call)}", changed


def _title(call: Call) -> str:
    return str(call.named.get("name", call.verb.removeprefix("add_")))


def _with_call(case: Case, place: int, call: Call) -> Case:
    return attrs.evolve(case, built=(*case.built[:place], call, *case.built[place + 1 :]))


# --- less luck ---


def calmer(case: Case) -> Iterator[Step]:
    """Take the bad luck away: all of it, then one sort after the other."""
    steps = list(calm_steps(case))
    if len(steps) > 1:
        calm = case
        for what, _ in steps:
            calm = next((other for name, other in calm_steps(calm) if name == what), calm)
        yield "all bad luck", calm
    yield from steps


def calm_steps(case: Case) -> Iterator[Step]:
    """Yield what goes wrong by chance or by a setting, and the case without it."""
    for field in attrs.fields(Guarantees):
        if getattr(case.guarantees, field.name) != field.default:
            mended: dict[str, Any] = {field.name: field.default}
            guarantees = attrs.evolve(case.guarantees, **mended)
            yield f"{field.name}=off", attrs.evolve(case, guarantees=guarantees)
    for place, call in enumerate(case.built):
        link = call.named.get("link")
        for what, calm in _calmer_lines(link) if isinstance(link, Link) else ():
            told = f"{what} on the line of {_title(call)}"
            yield told, _with_call(case, place, _with(call, link=calm))
        habits = call.named.get("habits")
        if isinstance(habits, Habits) and habits.break_off:
            patient = attrs.evolve(habits, break_off=Share(0.0))
            told = f"break_off={habits.break_off} of {_title(call)}"
            yield told, _with_call(case, place, _with(call, habits=patient))


def _calmer_lines(link: Link) -> Iterator[tuple[str, Link]]:
    for name in LUCK:
        if getattr(link, name):
            none: dict[str, Any] = {name: 0.0}
            yield f"{name}={getattr(link, name)}", attrs.evolve(link, **none)
    if link.bursts is not None:
        yield "bursts", attrs.evolve(link, bursts=None)


def _with(call: Call, **named: Any) -> Call:
    return attrs.evolve(call, named={**call.named, **named})


# --- shorter documents, an earlier end ---


def fewer_items(case: Case) -> Iterator[Step]:
    """Leave one item to every order."""

    def shorter(entry: Any) -> Any:
        if not isinstance(entry.what, SalesOrder):
            return entry
        return attrs.evolve(entry, what=attrs.evolve(entry.what, items=entry.what.items[:1]))

    def cut(call: Call) -> Call:
        if call.verb != "add_laptop":
            return call
        return _with(call, diary=tuple(map(shorter, call.named["diary"])))

    yield "one item each", attrs.evolve(case, built=tuple(map(cut, case.built)))


def nearer_end(case: Case) -> Iterator[Step]:
    """Let the story come to its end earlier."""
    for part in (0, 1, 2, 3):
        end_ns = _floor(case.end_ns * part // 4, 3_600 * SECOND_NS)
        if end_ns < case.end_ns:
            yield f"end at {end_ns}", attrs.evolve(case, end_ns=end_ns)


# --- weaker and rounder deviations ---


def weaker(case: Case) -> Iterator[Step]:
    """Make one deviation shorter, slower to bite, or narrower."""
    for place, one in enumerate(case.trouble.deviations):
        for other in _weaker(one):
            yield f"{place}: {other}", _with_deviation(case, place, other)


def _with_deviation(case: Case, place: int, one: Deviation) -> Case:
    old = case.trouble.deviations
    return attrs.evolve(case, trouble=Trouble((*old[:place], one, *old[place + 1 :])))


def _weaker(one: Any) -> Iterator[Deviation]:
    if getattr(one, "wipe", False):
        yield attrs.evolve(one, wipe=False)
    for factor in (3.0, 30.0):
        if getattr(one, "factor", 0) > factor:
            yield attrs.evolve(one, factor=factor)
    if isinstance(one, Published) and len(one.values) > 1:
        items = list(one.values.items())
        yield attrs.evolve(one, values=dict(items[: len(items) // 2]))
    if isinstance(one, Broken) and one.share < 1:
        yield attrs.evolve(one, share=Share(1.0))  # no luck any more in what it hits
    if isinstance(one, InOffice):
        yield from _less_said(one.call)
    fault = getattr(one, "fault", None)
    if fault is not None:
        for other in _weaker_fault(fault):
            yield attrs.evolve(one, fault=other)
    for name, span in _spans(one):
        if span >= 2 * SECOND_NS:
            half = Duration(_round_down(span // 2))
            yield attrs.evolve(one, **{name: half})


def _less_said(call: Call) -> Iterator[Deviation]:
    """Leave out half of what is published, a field that is changed, or half of a span."""
    values = call.named.get("values")
    if isinstance(values, Mapping) and len(values) > 1:
        half = dict(list(values.items())[: len(values) // 2])
        yield InOffice(_with(call, values=half))
    own = inspect.signature(getattr(Landscape, call.verb)).parameters
    fields = [name for name in call.named if name not in own]
    for name in fields if len(fields) > 1 else ():
        named = {key: value for key, value in call.named.items() if key != name}
        yield InOffice(attrs.evolve(call, named=named))
    for name, span in _spans_of(call):
        if span >= 2 * SECOND_NS:
            yield InOffice(_with(call, **{name: Duration(_round_down(span // 2))}))


def _spans_of(call: Call) -> list[tuple[str, int]]:
    """Return the spans that a use of a verb names."""
    kinds = typing.get_type_hints(getattr(Landscape, call.verb))
    return [(name, value) for name, value in call.named.items() if kinds.get(name) is Duration]


def _weaker_fault(fault: Any) -> Iterator[Any]:
    if isinstance(fault, Partition | Hold | Slow):
        for name in ("ours", "theirs"):
            side = getattr(fault, name)
            for site in side if len(side) > 1 else ():
                alone: dict[str, Any] = {name: (site,)}
                yield attrs.evolve(fault, **alone)
    for factor in (3.0, 30.0):
        if getattr(fault, "factor", 0) > factor:
            yield attrs.evolve(fault, factor=factor)
    for name, span in _spans(fault):
        if span >= 2 * SECOND_NS:
            yield attrs.evolve(fault, **{name: Duration(_round_down(span // 2))})


def _spans(thing: Any) -> list[tuple[str, int]]:
    kinds = typing.get_type_hints(type(thing))
    return [(name, getattr(thing, name)) for name, kind in kinds.items() if kind is Duration]


def rounder(case: Case) -> Iterator[Step]:
    """Move a moment to a rounder one before it; all moments of writing together."""
    for place, one in enumerate(case.trouble.deviations):
        if isinstance(one, InOffice):
            for call in _rounder_calls(one.call):
                yield f"{place}: {call}", _with_deviation(case, place, InOffice(call))
            continue
        names = [name for name in ("at_ns", "after_ns") if getattr(one, name, None)]
        for name, value in [(n, getattr(one, n)) for n in names] + _spans(one):
            for unit in UNITS_NS:
                if value % unit and value > unit:
                    other = _changed(one, name, _floor(value, unit))
                    yield f"{place}: {other}", _with_deviation(case, place, other)
    for unit in UNITS_NS[1:]:
        yield f"written at whole {unit}", _written_at(case, unit)


def _rounder_calls(call: Call) -> Iterator[Call]:
    for unit in UNITS_NS:
        if call.at_ns and call.at_ns % unit and call.at_ns > unit:
            yield attrs.evolve(call, at_ns=_floor(call.at_ns, unit))
        for name, span in _spans_of(call):
            if span % unit and span > unit:
                yield _with(call, **{name: Duration(_floor(span, unit))})


def _changed(one: Any, name: str, value: int) -> Deviation:
    changed: Deviation = attrs.evolve(one, **{name: value})
    return changed


def _written_at(case: Case, unit: int) -> Case:
    def rounded(call: Call) -> Call:
        if call.verb != "add_laptop":
            return call
        diary = call.named["diary"]
        return _with(
            call, diary=tuple(attrs.evolve(e, time_ns=_floor(e.time_ns, unit)) for e in diary)
        )

    return attrs.evolve(case, built=tuple(map(rounded, case.built)))


def _floor(value: int, unit: int) -> int:
    return value - value % unit


def _round_down(span: int) -> int:
    """Return a span a little shorter, in whole minutes or seconds."""
    unit = UNITS_NS[2] if span >= 2 * UNITS_NS[2] else UNITS_NS[3]
    return max(_floor(span, unit), 1)
