"""Small scenarios of which studies are made, and ways to run a study and to look into its file."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import crmsim
from crmsim.cli import run_command

LATE = '''"""Is an order late when its line loses messages?"""

import enum
import os
import sys
from decimal import Decimal

from attrs import frozen

from crmsim import ALL_CHECKS, Landscape, scenario, setting
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.lab.metrics import order_metrics
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import Duration, Share, days, hours


class Mood(enum.Enum):
    CALM = "calm"
    TIRED = "tired, but willing"


@frozen
class Settings:
    loss: Share = setting(Share(0.0), "share of messages that the line loses")
    lasts: Duration = setting(days(1), "how long the story lasts")
    patience: Duration | None = setting(None, "how long somebody waits")
    mood: Mood = setting(Mood.CALM, "how somebody feels")
    erps: int = setting(1, "how many ERP systems there are", low=0)
    fault: str = setting("", "what goes wrong in the story or when it is measured")


def measure(result, warm_up_ns=0):
    found = dict(order_metrics(result, warm_up_ns))
    return {**found, **ODD.get(result.settings.fault, lambda seed: {})(result.seed)}


ODD = {
    "divides": lambda seed: {"x": 1 / 0},
    "leaves while measuring": lambda seed: sys.exit(0),
    "not finite": lambda seed: {"odd": float("nan") if seed % 2 else float("inf")},
    "sometimes none": lambda seed: {"odd": None if seed == 2 else seed},
    "sometimes missing": lambda seed: {} if seed == 2 else {"odd": seed},
    "not plain": lambda seed: {"odd": Decimal("2.50"), "who": Mood.TIRED, "t": {(1, 2): {seed}}},
}


@scenario(Settings, checks=ALL_CHECKS[:8], metrics=measure)
async def late(land: Landscape, settings: Settings) -> None:
    land.add_crm()
    for number in range(settings.erps):
        land.add_erp(wan(), name=f"erp{number or ''}", ship_days={"A-1": 2})
    land.add_station("station", wan())
    land.add_laptop(
        "laptop",
        gprs(dial_up=True, loss=settings.loss),
        rep="1",
        station="station",
        habits=Habits(),
        diary=(DiaryEntry(hours(10), ORDER),),
    )
    land.check()
    await land.run(hours(1))
    while settings.fault == "lasts for ever":
        await land.run(days(1))
    if settings.fault == "raises":
        {}["missing"]
    if settings.fault == "leaves":
        sys.exit(0)
    if settings.fault == "expects too much":
        land.expect.distance("laptop", "erp", lines=7)
    if settings.fault == "kills its process" and land.simulation.seed == 2:
        os._exit(3)
    await land.run(settings.lasts)
    if settings.fault != "stops":
        await land.settle()


ORDER = SalesOrder("", "A-1", "1", "customer", (OrderItem("tea", 3, Decimal("2.50")),))
'''
"""A scenario file; each run of it takes a hundredth of a second or two."""

IDLE = '''"""How large is a number?"""

import os

from attrs import frozen

from crmsim import Landscape, scenario, setting
from crmsim.chance import uniform_of, word_of
from crmsim.units import hours


@frozen
class Settings:
    factor: int = setting(1, "with what luck is multiplied")


def measure(result):
    if "STUDY_LOG" in os.environ:
        with open(os.environ["STUDY_LOG"], "a") as file:
            file.write(f"{result.settings.factor} {result.seed}\\n")
    return {"number": result.settings.factor * uniform_of(word_of(result.seed))}


@scenario(Settings, metrics=measure)
async def idle(land: Landscape, settings: Settings) -> None:
    await land.run(hours(1))
'''
"""A scenario file in which hardly anything happens, for studies of many runs."""


def write_scenarios(folder: Path) -> None:
    """Write both scenarios into a folder: `late.py` and `idle.py`."""
    (folder / "late.py").write_text(LATE, encoding="utf-8")
    (folder / "idle.py").write_text(IDLE, encoding="utf-8")


def here(capsys: Any, *words: object) -> tuple[int, str, str]:
    """Run a command line in this process."""
    code = run_command([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def begun(
    *words: object, folder: Path, stdin: Any = subprocess.DEVNULL, **environment: str
) -> "subprocess.Popen[str]":
    """Begin a command line of Python in another process, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, *(str(word) for word in words)],
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings(**environment),
        start_new_session=True,
    )


def surroundings(**more: str) -> Mapping[str, str]:
    """Return an environment in which other processes import this very crmsim."""
    house = str(Path(crmsim.__file__).parent.parent)
    paths = os.pathsep.join(filter(None, (house, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths, **more}


def ask(store: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the file of a study."""
    connection = sqlite3.connect(store)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


SCRIPT = '''"""A script, or a notebook: nothing guards the call at its end."""

from attrs import frozen

from crmsim import Landscape, scenario, setting
from crmsim.study.study import run_study
from crmsim.units import hours

NAMES = {"one", "two", "three"}


@frozen
class Settings:
    factor: int = setting(1, "with what the seed is multiplied")


def measure(result):
    return {"number": result.settings.factor * result.seed, "names": len(NAMES & {"one", "two"})}


@scenario(Settings, metrics=measure)
async def typed(land: Landscape, settings: Settings) -> None:
    await land.run(hours(1))


print("executed")
found = run_study(typed, {"factor": [1, 2]}, repeat=3, jobs=2, store="typed.sqlite")
print(*(cell.estimate("number").mean for cell in found.cells))
'''


def kept(store: Path) -> list[tuple[Any, ...]]:
    """Return all that a study has found out, cell by cell; not how long it took."""
    return ask(
        store,
        "SELECT settings, replication, seed, held, events, virtual_s, fingerprint, error,"
        " findings, metrics FROM runs JOIN cells USING (cell) ORDER BY settings, replication",
    )


def keys(store: Path) -> list[tuple[int, int]]:
    """Return (cell, replication) of each run that is kept; none when there is no study yet."""
    try:
        return ask(store, "SELECT cell, replication FROM runs")
    except sqlite3.OperationalError:
        return []


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; give up after minutes, so that nobody waits for ever."""
    for _ in range(12_000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it never was so")
