"""What the fence refuses while a run goes on, what only the lint finds, and what both let pass."""

import contextlib
import datetime
import importlib
import json
import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import types
import uuid

import pytest
import trio

from crmsim.cli import run_command
from crmsim.errors import ActorFailed, BadInput, EscapedSimulation
from crmsim.fence import ESCAPES, LUCK, fence
from crmsim.hunt.lint import MODULES, MORE, lint
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import message
from crmsim.kernel.simulation import Simulation
from crmsim.units import seconds

FENCED = {
    "time.time": lambda: time.time(),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.perf_counter": lambda: time.perf_counter(),
    "time.sleep": lambda: time.sleep(0),
    "random.random": lambda: random.random(),
    "random.shuffle": lambda: random.shuffle([1, 2]),
    "random.seed": lambda: random.seed(1),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "os.urandom": lambda: os.urandom(4),
    "secrets.token_hex": lambda: secrets.token_hex(),
    "socket.socket": lambda: socket.socket(),
    "threading.Thread": lambda: threading.Thread(target=print).start(),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=False),
    "os.system": lambda: os.system("true"),
}
"""Name -> code that goes through the attribute of a module or a class."""
ONLY_READ = (
    "from time import time\nnow = time()",
    "from datetime import datetime\nnow = datetime.now()",
    "import datetime as dt\nnow = dt.date.today()",
    "import random\nluck = random.Random()",
    "from random import shuffle as mix\nmix([1, 2])",
    "import numpy as np\nu = np.random.random()",
    "import numpy as np\nluck = np.random.default_rng()",
    "import numpy as np\nluck = np.random.default_rng(None)",
    "import random\nluck = random.Random(x=None)",
    "from random import *",
    "class A:\n    def f(self):\n        self.names: set[str] = set()\n"
    "    def g(self):\n        return [n for n in self.names]",
    "names: 'set[str]' = make()\nall_of = list(names)",
    "def f(names: AbstractSet[str]):\n    yield from names",
    "both = {}.keys() & {}.keys()\nall_of = list(both)",
    "names = {'a'}\nall_of = []\nall_of.extend(names)",
    "numbers = sorted([], key=id)",
    "import attrs, uuid\n@attrs.frozen\nclass A:\n    key: str = attrs.field(factory=uuid.uuid4)",
    "for name in {'a', 'b'}:\n    pass",
    "names = set('ab')\nfirst = list(names)",
    "names = {'a'} | {'b'}\ntext = ','.join(names)",
    "def f(names: set[str]):\n    return [name for name in names]",
    "names: frozenset = frozenset('ab')\nnumbered = dict(enumerate(names))",
    "names = set('ab')\none = names.pop()",
    "names = set('ab')\nall_of = [*names.union('c')]",
    "names = set('ab')\ntext = ','.join(n for n in names)",
    "places = dict.fromkeys({'a', 'b'})",
    "key = id(object())",
    "key = hash('a')",
    "import threading",
    "from concurrent.futures import ThreadPoolExecutor",
    "import urllib.request",
    "async def numbers():\n    yield 1",
)
"""Pieces of code that the lint finds."""
FINE = (
    "import random\nluck = random.Random(7)",
    "names = {'a', 'b'}\nfor name in sorted(names):\n    pass",
    "names = {'a', 'b'}\nfound = 'a' in names and len(names) > 1 and max(names)",
    "names = {name for name in {'a', 'b'}}",
    "names = set('ab')\nnames = sorted(names)\nfor name in names:\n    pass",
    "total = sum(n for n in {1, 2})",
    "def f():\n    names = {1}\ndef g(names: list[str]):\n    return [name for name in names]",
    "import time\nnow = time.time()  # crmsim: ok",
    "time = 3\nlater = time + 1",
    "from contextlib import asynccontextmanager\n@asynccontextmanager\nasync def f():\n    yield 1",
    "async def f():\n    def inner():\n        yield 1",
    "import pytest\n@pytest.fixture\nasync def f():\n    yield 1",
    "import numpy as np\ndef f(luck: np.random.Generator):\n    return np.random.RandomState(7)",
    "from .random import choice\nx = choice()",
    "random = stream()\nu = random.uniform(1)",
    "both = {*{'a'}, *{'b'}}",
    "names = {1, 2}\nordered = sorted(map(str, names))",
    "names = {1, 2}\nordered = sorted([n for n in names])",
    "numbers = [1]\nlast = numbers.pop()",
)


@message
class Go:
    """Do it."""


class Careless(Actor):
    """Does something when it is told to."""

    def __init__(self, do: object) -> None:
        self.do = do
        self.said: list[object] = []

    @handles(Go)
    def go(self, message: Go, sender: object) -> None:
        self.said.append(self.do())


class Waiting(Careless):
    """Does it in a life of its own."""

    async def run(self) -> None:
        await self.sleep(seconds(1))
        self.said.append(self.do())


def run_with(do: object, cls: type = Careless) -> Actor:
    simulation = Simulation()
    simulation.add_site("here", "site")
    simulation.seat("here", lambda: cls(do), "actor")
    actor = None

    async def story(_: object) -> None:
        nonlocal actor
        actor = simulation.actor("actor")
        if cls is Careless:
            actor.after(0, Go())
        await simulation.run_until(seconds(2))

    simulation.tell(story)
    assert actor is not None
    return actor


@pytest.mark.parametrize("cls", [Careless, Waiting])
@pytest.mark.parametrize("name", FENCED)
def test_an_actor_cannot_leave_its_world(name, cls):
    with pytest.raises(ActorFailed, match=name.replace(".", r"\.")) as caught:
        run_with(FENCED[name], cls)
    assert isinstance(caught.value.__cause__, EscapedSimulation)
    line = FENCED[name].__code__.co_firstlineno
    assert f"test_fence.py, line {line}: {name}()" in str(caught.value)


def test_a_story_cannot_either():
    simulation = Simulation()

    async def story(_: object) -> None:
        await trio.to_thread.run_sync(print)

    with pytest.raises(EscapedSimulation, match="starts a thread or a process; make it an actor"):
        simulation.tell(story)


def test_supervision_does_not_hide_it():
    simulation = Simulation()
    site = simulation.add_site("here", "site")
    site.restart_after_ns = seconds(1)
    simulation.seat("here", lambda: Waiting(lambda: random.random()), "actor")
    with pytest.raises(ActorFailed, match=r"random\.random"):
        simulation.run(seconds(10))


def test_library_code_may_read_the_clock_but_not_draw_luck():
    record = run_with(lambda: logging.makeLogRecord({"msg": "x"})).said[0]
    assert isinstance(record, logging.LogRecord)
    library = types.ModuleType("library")
    file = os.path.join(os.path.dirname(random.__file__), "site-packages", "library.py")
    code = "import random\ndef draw():\n    return random.random()\n"
    exec(compile(code, file, "exec"), library.__dict__)
    with pytest.raises(ActorFailed, match=r"test_fence\.py, line \d+: random\.random"):
        run_with(lambda: library.draw())


def test_outside_of_a_run_everything_is_as_it_was():
    plain = {name: _plain(name) for name in ESCAPES}
    run_with(lambda: None)
    with contextlib.suppress(ActorFailed):
        run_with(lambda: time.time())
    with fence(), fence():
        assert time.time() > 0, "nobody's actor"
        assert _plain("time.time") is not plain["time.time"]
    assert {name: _plain(name) for name in ESCAPES} == plain


def _plain(name: str) -> object:
    module, *parts = name.split(".")
    thing = importlib.import_module(module)
    for part in parts:
        thing = getattr(thing, part)
    return thing


def test_others_go_on_undisturbed_while_a_run_is_under_way():
    seen = []
    begun, done = threading.Event(), threading.Event()

    def look() -> None:
        begun.wait(10)
        seen.append((time.time(), random.random()))
        done.set()

    other = threading.Thread(target=look)
    other.start()

    def wait_for_it() -> None:
        begun.set()
        done.wait(10)

    run_with(wait_for_it)
    other.join()
    assert len(seen) == 1


@pytest.mark.parametrize("name", FENCED)
def test_the_lint_finds_what_the_fence_refuses(tmp_path, name):
    path = tmp_path / "code.py"
    module = name.split(".")[0]
    path.write_text(f"import {module}\nx = {name}()\n")
    found = lint(path)
    assert found, name
    assert any(module in remark.text for remark in found)


@pytest.mark.parametrize("code", ONLY_READ)
def test_the_lint_finds_what_the_fence_cannot_see(tmp_path, code):
    path = tmp_path / "code.py"
    path.write_text(code + "\n")
    assert len(lint(path)) == 1, lint(path)


@pytest.mark.parametrize("code", FINE)
def test_the_lint_lets_pass_what_is_fine(tmp_path, code):
    path = tmp_path / "code.py"
    path.write_text(code + "\n")
    assert lint(path) == []


def test_the_lint_has_nothing_to_say_of_our_own_scenarios():
    from pathlib import Path

    for path in sorted((Path(__file__).parent.parent / "scenarios").glob("*.py")):
        assert lint(path) == []


def test_the_command_says_where_and_ends_with_its_exit_code(tmp_path, capsys):
    bad, good, broken = (tmp_path / f"{name}.py" for name in ("bad", "good", "broken"))
    bad.write_text("import time\n\nnow = time.time()\n")
    good.write_text("x = 1\n")
    broken.write_text("def\n")
    out = tmp_path / "out.json"
    assert run_command(["lint", str(bad), str(good), "--json", str(out)]) == 1
    told = capsys.readouterr().out
    assert told == f"{bad}:3:7: time.time reads the wall clock; use self.now_ns\n"
    [remark] = json.loads(out.read_text())["remarks"]
    assert (remark["line"], remark["column"]) == (3, 7)
    assert run_command(["lint", str(good)]) == 0
    assert run_command(["lint", str(broken)]) == 2
    assert "cannot be read as Python" in capsys.readouterr().err
    with pytest.raises(BadInput):
        lint(tmp_path / "missing.py")


def test_the_table_in_contributing_says_which_is_caught_by_which():
    from pathlib import Path

    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
    table = text.split("## What the fence and the lint catch")[1].split("\n## ")[0]
    for name in [*ESCAPES, *MORE, *MODULES]:
        short = name.removesuffix(".__init__").removesuffix(".start")
        listed = short in table or f"{short.rpartition('.')[0]}.*" in table
        assert listed, f"{short} is missing"


def test_what_the_fence_misses_is_what_the_table_says():
    """Names imported one by one, and methods of built-in classes, go past the fence."""
    from random import random as draw

    assert 0 <= run_with(lambda: draw()).said[0] < 1
    assert run_with(lambda: datetime.datetime.now()).said[0] > datetime.datetime(2020, 1, 1)
    assert ESCAPES["random.random"] is LUCK
    assert sys.version_info >= (3, 11)


def test_a_module_may_be_imported_inside_a_run(tmp_path, monkeypatch):
    (tmp_path / "imported_in_a_run.py").write_text("import random\nstart = random.random()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert 0 <= run_with(lambda: importlib.import_module("imported_in_a_run")).said[0].start < 1


def test_a_function_kept_beyond_the_run_does_as_before():
    def keep() -> type:
        return type("Clock", (), {"now": time.monotonic})

    clock = run_with(keep).said[0]
    assert clock().now() > 0
    assert clock.now.__name__ == "monotonic"


def test_a_platform_without_some_of_it_is_fenced_all_the_same(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(ActorFailed, match=r"time\.time"):
        run_with(lambda: time.time())


def test_a_fence_that_cannot_go_up_leaves_nothing_standing(monkeypatch):
    plain = time.time
    monkeypatch.setitem(ESCAPES, "no_such_module.thing", LUCK)
    with pytest.raises(ModuleNotFoundError):
        run_with(lambda: None)
    assert time.time is plain
    monkeypatch.delitem(ESCAPES, "no_such_module.thing")
    with pytest.raises(ActorFailed, match=r"time\.time"):
        run_with(lambda: time.time())
