"""Runs of the order book that several tests look at, and ways to judge a changed history."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from crmsim import Check, Event, Journal, Result, Scenario, load_scenario
from crmsim.checks.check import Ending, Outcome, Scene, Verdict
from crmsim.kernel.durable import Change, Store
from crmsim.trace.kinds import KINDS

SCENARIO = Path(__file__).parent.parent / "scenarios" / "order_book.py"


@functools.cache
def order_book() -> Scenario:
    return load_scenario(str(SCENARIO))


@functools.cache
def small_run() -> Result:
    """A quiet run of 30 orders with all its trouble."""
    return order_book().run(seed=5, made_up_orders=30, made_up_days=10, made_up_reps=3, crashes=1)


def rejudge(
    check: Check,
    events: Iterable[Event],
    *,
    stores: dict[str, Store] | None = None,
    is_quiet: bool = True,
    scene: Scene | None = None,
    journal: Journal | None = None,
) -> Verdict:
    """Judge a history that may have been changed."""
    simulation = small_run().simulation
    if scene is None:
        scene = Scene(simulation.topology, lambda actor: actor)
    judge = check.judge(scene)
    feeds = judge.feeds()
    for event in events:
        if event.kind in feeds:
            feeds[event.kind](event)
    have = {name: site.store for name, site in simulation.sites.items()}
    ending = Ending(journal or simulation.journal, {**have, **(stores or {})}, is_quiet)
    return judge.finish(ending)


def history() -> list[Event]:
    return list(small_run().journal)


def changed_store(
    site: str, table: str, change: Callable[[dict[Any, Any]], None]
) -> dict[str, Store]:
    """Return a copy of a site's store with one table changed."""
    copy = Store()
    for name, rows in small_run().simulation.store(site).snapshot():
        edited = dict(rows)
        if name == table:
            change(edited)
        edit = Change(None, None, 0)  # type: ignore[arg-type]
        for key, value in edited.items():
            edit.put(name, key, value)
        copy.apply(edit)
    return {site: copy}


def event(
    kind: str, actor: str = "crm", subject: str = "x", number: int = 1, **detail: object
) -> Event:
    assert kind in KINDS
    return Event(number, number, actor, kind, subject, 0, detail)


def without(events: list[Event], chosen: Event) -> list[Event]:
    return [other for other in events if other is not chosen]


def twice(events: list[Event], chosen: Event) -> list[Event]:
    index = events.index(chosen)
    return [*events[: index + 1], chosen, *events[index + 1 :]]


def swapped(events: list[Event], one: Event, other: Event) -> list[Event]:
    i, j = events.index(one), events.index(other)
    changed = list(events)
    changed[i], changed[j] = changed[j], changed[i]
    return changed


def first(kind: str, **wanted: object) -> Event:
    for candidate in history():
        if candidate.kind == kind and all(
            (candidate.detail.get(name) == value) for name, value in wanted.items()
        ):
            return candidate
    raise LookupError(kind)


def fired(verdict: Verdict, *words: str) -> bool:
    text = " | ".join(evidence.text for evidence in verdict.evidence)
    return verdict.outcome is Outcome.VIOLATED and all(word in text for word in words)
