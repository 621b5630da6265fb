"""One seed, one history: in any process, under any hash seed, detached and attached."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = "scenarios/order_book.py"
ROOT = Path(__file__).parent.parent
SMALL = ["--set", "made_up_orders=40", "--set", "made_up_days=14"]


def fingerprint(*more: str, python: str = sys.executable, flags=(), **environment: str) -> str:
    command = [python, *flags, "-m", "crmsim", "run", SCENARIO, "--seed", "4", *SMALL, *more]
    done = subprocess.run(
        [*command, "--json", "-"],
        cwd=ROOT,
        env={**os.environ, "HYPOTHESIS_NO_PLUGINS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return f"{told['fingerprint']['level']}:{told['fingerprint']['value']}"


@pytest.fixture(scope="module")
def reference() -> str:
    return fingerprint(PYTHONHASHSEED="0")


@pytest.mark.parametrize("seed", ["1", "random", "4242"])
def test_the_hash_seed_does_not_matter(reference, seed):
    assert fingerprint(PYTHONHASHSEED=seed) == reference


def test_optimised_python_does_not_matter(reference):
    assert fingerprint(flags=["-O"]) == reference


def test_attached_actors_have_the_same_history(reference):
    assert fingerprint("--set", "actors=attached") == reference


def test_a_run_inside_this_process_has_the_same_history(reference):
    from .stories import order_book

    junk = [object() for _ in range(10_000)]  # another heap
    result = order_book().run(seed=4, made_up_orders=40, made_up_days=14)
    assert str(result.fingerprint) == reference
    assert len(junk) == 10_000


def test_another_seed_or_setting_has_another_history(reference):
    assert fingerprint("--set", "loss=11%") != reference
    assert fingerprint("--set", "crashes=3") != reference


def test_attached_and_detached_resume_actors_in_different_ways():
    from .stories import order_book

    found = {}
    for actors in ("detached", "attached"):
        result = order_book().run(seed=4, made_up_orders=20, made_up_days=7, actors=actors)
        found[actors] = result.statistics
    assert found["detached"].resumed_by_trio == 0
    assert found["detached"].handled_directly > 1000
    assert found["attached"].resumed_by_send == 0
    assert found["attached"].handled_directly == 0
    assert found["attached"].resumed_by_trio > 1000


def other_pythons() -> list[str]:
    """Return interpreters that the environment names, each with crmsim installed."""
    named = os.environ.get("CRMSIM_OTHER_PYTHONS", "").split(os.pathsep)
    return [python for python in named if python and shutil.which(python)]


for python in other_pythons():

    def check(reference, python=python):
        assert fingerprint(python=python) == reference

    globals()[f"test_the_history_is_the_same_on_{Path(python).parent.parent.name}"] = check
