"""How old is what a laptop shows when somebody asks?

A laptop is as old as its last session. Who asks at a random moment is more likely to ask in a long
gap between two sessions than in a short one, so what he is shown is on average older than half the
mean gap (the inspection paradox): E[G^2] / 2E[G] for gaps G. Here whole laptops with real sessions
are asked, and so is what they show: a quotation that the office changes again and again.
"""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from attrs import frozen

from crmsim.business.enquiry import Enquiry
from crmsim.business.sales import OrderEdit, OrderItem, SalesKind, SalesOrder
from crmsim.chance import Exponential
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import scenario
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.units import days, hours, minutes

__all__ = ["CASES"]

SOURCE = "Feller 1971, An Introduction to Probability Theory II, section I.4"
HOUR_NS, WEEK = hours(1), 7
"""An hour, and how many days a week has."""
REFERENCE = "Q"
"""What customers ask for, and what the office changes."""
ASKED_PER_WEEK, CHANGED_PER_WEEK = 400, 60
LASTS_H = 0.01
"""How much a moment may be off because a session lasts: half a minute."""

TWICE = Habits(times=((hours(8), minutes(30)), (hours(10), minutes(30))), working_days=7)
"""Two calls a day, with a short gap between them and a long one."""


@frozen
class Settings:
    """When the laptop calls, and for how many weeks it is asked."""

    habits: Habits = TWICE
    weeks: int = 1


@scenario(Settings, checks=())
async def asked(land: Landscape, settings: Settings) -> None:
    """How old is what customers are told?"""
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    land.add_laptop(
        "laptop",
        gprs(dial_up=True),
        rep="1",
        station="station",
        habits=settings.habits,
        diary=_enquiries(land, settings.weeks),
    )
    item = OrderItem("tea", 1, Decimal(1))
    quotation = SalesOrder("", REFERENCE, "1", "C1", (item,), kind=SalesKind.QUOTATION)
    land.at("0d 00:10", land.create_order, quotation)
    for number, moment_ns in enumerate(_changes(land, settings.weeks)):
        edit = OrderEdit(REFERENCE, header=(("text", f"{number}"),))
        land.at(moment_ns, land.change_order, edit)
    await land.run_until(days(WEEK * (settings.weeks + 1)))


def _enquiries(land: Landscape, weeks: int) -> tuple[DiaryEntry, ...]:
    """Return enquiries at random moments of some whole weeks, from the second one on."""
    luck = land.simulation.luck.stream("moment of an enquiry")
    shares = sorted(luck.uniform(number) for number in range(ASKED_PER_WEEK * weeks))
    return tuple(
        DiaryEntry(days(WEEK) + int(share * days(WEEK * weeks)), Enquiry(REFERENCE))
        for share in shares
    )


def _changes(land: Landscape, weeks: int) -> Iterator[int]:
    """Yield random moments, independent of each other, at which the office changes something."""
    luck = land.simulation.luck.stream("moment of a change")
    gap, number = Exponential(days(WEEK) / CHANGED_PER_WEEK), 0
    moment_ns = minutes(20) + int(gap.at(luck.uniform(number)))
    while moment_ns < days(WEEK * (weeks + 1)):
        yield moment_ns
        number += 1
        moment_ns += int(gap.at(luck.uniform(number)))


def _replicate(habits: Habits, seed: int, size: int) -> Sample:
    """Ask a laptop, and measure how old it is and what it has missed."""
    result = asked.run(seed=seed, habits=habits, weeks=size)
    ages_h: list[float] = []
    missed: list[int] = []
    sessions_ns: list[int] = []
    save = 0
    for event in result.journal.select("finished", "committed", "read"):
        if event.kind == "finished":
            sessions_ns.append(event.time_ns)
        elif event.kind == "committed":
            save = int(str(event.detail["save"]))
        else:
            ages_h.append((event.time_ns - sessions_ns[-1]) / HOUR_NS)
            missed.append(save - int(str(event.detail["save"])))
    age_h = sum(ages_h) / len(ages_h)
    return sample_of(
        result.simulation,
        age_h=age_h,
        over_h=age_h - _by_gaps_h(sessions_ns, days(WEEK), days(WEEK * (size + 1))),
        missed=sum(missed) / len(missed),
        asked=len(ages_h) / size,
    )


def _by_gaps_h(sessions_ns: list[int], begin_ns: int, end_ns: int) -> float:
    """Return the mean age between two moments: half the squares of the gaps, over their sum."""
    area = 0.0
    for last, following in itertools.pairwise((*sessions_ns, end_ns)):
        younger, older = max(begin_ns - last, 0), min(following, end_ns) - last
        if older > younger:  # the first gap has begun before, and is counted from then on
            area += ((older / HOUR_NS) ** 2 - (younger / HOUR_NS) ** 2) / 2
    return area / ((end_ns - begin_ns) / HOUR_NS)


def _case(name: str, habits: Habits) -> Case:
    """Return the case of a laptop with such habits."""
    gaps_h = tuple(_gaps_h(habits))
    square = sum(mean * mean + variance for mean, variance in gaps_h)
    age_h = square / (2 * sum(mean for mean, _ in gaps_h))
    missed = age_h * CHANGED_PER_WEEK / (24 * WEEK)
    figures = (
        Figure("age_h", "age of a laptop at a random moment, h", age_h, bias=LASTS_H),
        Figure("over_h", "the same, over what the gaps of that run say, h", 0.0, bias=LASTS_H),
        Figure("missed", "changes that a customer is not told of", missed, bias=missed * 0.01),
        Figure("asked", "enquiries that were answered in a week", ASKED_PER_WEEK, exact=True),
    )
    return Case(
        f"age of a laptop, {name}",
        SOURCE,
        figures,
        partial(_replicate, habits),
        Effort(20, 2),
        Effort(30, 20),
    )


def _gaps_h(habits: Habits) -> Iterator[tuple[float, float]]:
    """Yield mean and variance of every gap between two sessions of a week."""
    calls = [
        (24 * day + time_ns / HOUR_NS, (spread_ns / HOUR_NS) ** 2 / 3)
        for day in range(habits.working_days)
        for time_ns, spread_ns in habits.times
    ]
    first, first_variance = calls[0]
    following = [*calls[1:], (first + 24 * WEEK, first_variance)]
    for (begin, variance), (end, next_variance) in zip(calls, following, strict=True):
        yield end - begin, variance + next_variance


CASES: tuple[Case, ...] = (
    _case("at 8 and 10 o'clock every day", TWICE),
    _case("morning and evening of working days", Habits()),
)
