"""What does a second process bring to a study?

The same cells and seeds are run by this process alone and by two others, in turns. `twice` is how
many times as fast two are. Starting them counts, as it does for whoever waits for the study.
"""

import statistics
from pathlib import Path
from time import perf_counter

from crmsim.lab.runs import load_scenario
from crmsim.study.design import grid
from crmsim.study.executors import spread, workers
from crmsim.study.study import Plan
from crmsim.study.work import lost_row, packed, run_row

SCENARIO = Path(__file__).parent.parent.parent / "scenarios" / "order_book.py"
REPEAT = 24


def measure(turns: int) -> dict[str, float]:
    """Return runs a second of one process (the best turn), and the middle ratio of two to one."""
    rows = [(_seconds(1), _seconds(2)) for _ in range(turns)]
    runs = 2 * REPEAT
    return {
        "runs_per_s_one_process": runs / min(one for one, _ in rows),
        "runs_per_s_two_processes": runs / min(two for _, two in rows),
        "twice": statistics.median(one / two for one, two in rows),
    }


def _seconds(processes: int) -> float:
    scenario = load_scenario(str(SCENARIO))
    cells = tuple(grid(scenario.settings, {"loss": ["0%", "20%"]}, {"made_up_orders": 100}))
    plan, parcel = Plan(scenario, cells, REPEAT), packed(scenario)
    jobs = [
        ((number, replication), plan.job(parcel, cell, replication))
        for replication in range(1, REPEAT + 1)
        for number, cell in enumerate(cells)
    ]
    began_s = perf_counter()
    with workers(processes, len(jobs)) as crew:
        rows = [row for _, row in spread(crew, run_row, jobs, lost_row)]
    assert all(row["held"] for row in rows)
    return perf_counter() - began_s
