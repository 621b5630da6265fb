"""How many runs does a hunt manage, and what does a second process bring?

The smallest landscape that has everything: one CRM, one ERP, one station, two laptops, ten orders,
trouble in seven runs of eight, every check on. Runs differ in length, so the figures are also given
for runs of 500 events. `twice` is what two processes do together over what one does alone.
"""

import itertools
import statistics
from pathlib import Path
from time import perf_counter

from crmsim.hunt.hunting import Hunt, hunt

SCENARIO = Path(__file__).parent.parent.parent / "scenarios" / "two_reps.py"
RUNS = 160


def measure(turns: int) -> dict[str, float]:
    """Return the figures of one core (the best turn), and the middle ratio of two to one."""
    rows = [_turn() for _ in range(turns)]
    events_per_s, runs_per_s, events_per_run, _ = max(rows)
    return {
        "runs_per_s": runs_per_s,
        "events_per_run": events_per_run,
        "runs_of_500_events_per_s": events_per_s / 500,
        "twice": statistics.median(row[3] for row in rows),
    }


def _turn() -> tuple[float, float, float, float]:
    what = Hunt(str(SCENARIO), {})
    one, events = _rate(what, 1, RUNS)
    both, _ = _rate(what, 2, 2 * RUNS)
    return one * events, one, events, both / one


def _rate(what: Hunt, jobs: int, count: int) -> tuple[float, float]:
    """Return runs a second and events a run, without what it takes to start."""
    runs = hunt(what, range(1, count + 1), jobs=jobs)
    list(itertools.islice(runs, 8 * jobs))
    began_s, events, done = perf_counter(), 0, 0
    for run in runs:
        events, done = events + run.events, done + 1
    return done / (perf_counter() - began_s), events / done
