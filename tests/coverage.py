"""Which test shows that a check, an expectation or a sabotage fires?

`python -m tests.coverage [--json FILE]` prints, for every invariant, its checks and the tests that
make them fire, and the same for every form of `land.expect`, every sabotage of the machine and
every configuration that must be noticed. A test says what it makes fire with
``@pytest.mark.fires(...)``. Exit code 1: something has no test.
"""

import argparse
import contextlib
import inspect
import io
import json
import re
import sys
from pathlib import Path

import pytest

from crmsim import ALL_CHECKS
from crmsim.measure.expect import Expect
from tests.configurations import CONFIGURATIONS, configuration
from tests.sabotages import SABOTAGES

ROOT = Path(__file__).parent.parent
Row = dict[str, object]


class Collector:
    """Reads the marks of all tests without running them."""

    def __init__(self) -> None:
        self.fired_by: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("fires"):
                for what in mark.args:
                    tests = self.fired_by.setdefault(name_of(what), [])
                    test = re.sub(r"\[.*", "", item.nodeid)
                    if test not in tests:
                        tests.append(test)


def name_of(what: object) -> str:
    """Return the name of a check, or the text that a mark names."""
    return what if isinstance(what, str) else str(what.name)  # type: ignore[attr-defined]


def collect() -> dict[str, list[str]]:
    """Return what fires -> the tests that show it."""
    collector = Collector()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        quiet = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
        everywhere = ["-o", "norecursedirs=.*"]  # campaigns, too
        options = ["--collect-only", "-q", "-p", "no:cacheprovider", *everywhere, *quiet]
        arguments = [*options, str(ROOT / "tests")]
        code = pytest.main(arguments, plugins=[collector])
    if code != 0:
        sys.exit(f"the tests cannot be collected:\n{told.getvalue()}")
    return collector.fired_by


def invariants(fired_by: dict[str, list[str]]) -> list[Row]:
    """Return a row per invariant: its checks and the tests that make them fire."""
    rows: dict[str, Row] = {}
    for check in ALL_CHECKS:
        for invariant in check.invariants:
            row = rows.setdefault(invariant, {"invariant": invariant, "checks": [], "fired_by": []})
            row["checks"].append(check.name)  # type: ignore[attr-defined]
            row["fired_by"] += fired_by.get(check.name, [])  # type: ignore[operator]
    return [rows[name] for name in sorted(rows, key=_by_number)]


def _by_number(invariant: str) -> tuple[str, int]:
    family, _, number = invariant.partition("-")
    return family, int(number) if number.isdigit() else 0


def forms() -> list[str]:
    """Return the forms of `land.expect`, by the names that marks use."""
    verbs = [name for name, _ in inspect.getmembers(Expect, inspect.isfunction)]
    return [f"expect.{verb}" for verb in verbs if not verb.startswith("_") and verb != "must_hold"]


def configurations() -> list[str]:
    """Return the configurations that must be noticed, by the names that marks use."""
    return [configuration(name) for name in CONFIGURATIONS]


def missing(fired_by: dict[str, list[str]]) -> list[str]:
    """Return what no test makes fire."""
    wanted = [check.name for check in ALL_CHECKS] + forms() + list(SABOTAGES) + configurations()
    return [name for name in wanted if not fired_by.get(name)]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the rows of the invariants as JSON")
    chosen = parser.parse_args()
    fired_by = collect()
    rows = invariants(fired_by)
    for row in rows:
        print(f"{row['invariant']:<6} {'; '.join(row['checks'])}")  # type: ignore[call-overload]
        for test in row["fired_by"]:  # type: ignore[attr-defined]
            print(f"         {test}")
    for title, names in (
        ("expectations", forms()),
        ("sabotages", list(SABOTAGES)),
        ("configurations", configurations()),
    ):
        print(f"\n{title}")
        for name in names:
            print(f"  {name}")
            for test in fired_by.get(name, ["(no test)"]):
                print(f"         {test}")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    lacking = missing(fired_by)
    print(f"\n{len(lacking)} without a test that makes them fire{': ' if lacking else ''}", end="")
    print("; ".join(lacking))
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
