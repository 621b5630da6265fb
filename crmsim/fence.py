"""Which calls would let the real world into a run, and how are they refused?

A run repeats only if nothing in it depends on the wall clock, on luck that no seed decides, on the
network or on threads. While a run is going on, such calls are refused when code of the user's makes
them inside an actor or a story, with file and line. What goes through the attribute of a module
(``time.time()``) is caught here, and so is every socket, thread and process. What escapes this
(``from time import time``, ``datetime.now()``) is found by `crmsim lint` without running.

Library code may read the clock, for a log line; it may not draw luck or start a thread on behalf of
an actor.
"""

import importlib
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

from crmsim.errors import EscapedSimulation

__all__ = ["CLOCK", "ESCAPES", "LUCK", "NETWORK", "SLEEP", "THREAD", "Escape", "fence"]

HOUSE = str(Path(__file__).parent) + os.sep
KERNEL = str(Path(__file__).parent / "kernel") + os.sep
PACKAGES = tuple(
    path + os.sep
    for path in (
        *(sysconfig.get_path("purelib"), sysconfig.get_path("platlib")),
        *(*site.getsitepackages(), site.getusersitepackages()),
    )
)
STANDARD = sysconfig.get_path("stdlib") + os.sep
IMPORT = "<frozen importlib"


@attrs.frozen
class Escape:
    """A way out of the simulated world."""

    what: str
    """What such a call does, after "it ..."."""
    remedy: str
    libraries_may: bool = False
    """Whether library code may do it on behalf of an actor."""


CLOCK = Escape("reads the wall clock", "use self.now_ns", libraries_may=True)
SLEEP = Escape("waits in real time", "use await self.sleep(seconds(1))")
LUCK = Escape("draws luck that no seed decides", 'use self.luck("what for")')
NETWORK = Escape("opens a real socket", "send a message over a line of the simulation")
THREAD = Escape("starts a thread or a process", "make it an actor")

ESCAPES: dict[str, Escape] = {
    **dict.fromkeys(
        (
            *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns"),
            *("time.perf_counter", "time.perf_counter_ns", "time.process_time"),
        ),
        CLOCK,
    ),
    "time.sleep": SLEEP,
    **dict.fromkeys(
        (
            *("random.random", "random.uniform", "random.randint", "random.randrange"),
            *("random.choice", "random.choices", "random.sample", "random.shuffle"),
            *("random.gauss", "random.normalvariate", "random.lognormvariate"),
            *("random.expovariate", "random.betavariate", "random.gammavariate"),
            *("random.triangular", "random.vonmisesvariate", "random.paretovariate"),
            *("random.weibullvariate", "random.getrandbits", "random.randbytes", "random.seed"),
            *("uuid.uuid1", "uuid.uuid4", "os.urandom"),
            *("secrets.token_bytes", "secrets.token_hex", "secrets.token_urlsafe"),
            *("secrets.randbelow", "secrets.randbits", "secrets.choice"),
        ),
        LUCK,
    ),
    "socket.socket.__init__": NETWORK,
    "threading.Thread.start": THREAD,
    "subprocess.Popen.__init__": THREAD,
    **dict.fromkeys(("trio.to_thread.run_sync", "os.fork", "os.system"), THREAD),
}
"""What is fenced: dotted name -> what it is."""

_lock = threading.Lock()
_runs = 0
_plain: list[tuple[Any, str, Any]] = []
"""(owner, attribute, what it was) of everything that is replaced now."""


@contextmanager
def fence() -> Iterator[None]:
    """Refuse ways out of the simulated world while the block lasts; blocks may overlap."""
    global _runs
    with _lock:
        _runs += 1
        if _runs == 1:
            try:
                _put_up()
            except BaseException:
                _take_down()
                _runs = 0
                raise
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                _take_down()


def _put_up() -> None:
    for name, escape in ESCAPES.items():
        owner, attribute = _owner_of(name)
        plain = getattr(owner, attribute, None)
        if plain is None:
            continue  # there is no such thing on this platform
        _plain.append((owner, attribute, plain))
        setattr(owner, attribute, _refusing(name, escape, plain, isinstance(owner, type)))


def _take_down() -> None:
    while _plain:
        owner, attribute, plain = _plain.pop()
        setattr(owner, attribute, plain)


def _owner_of(name: str) -> tuple[Any, str]:
    """Return the module or class that holds a dotted name, and the last part of it."""
    module, *parts, attribute = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in parts:
        owner = getattr(owner, part)
    return owner, attribute


def _refusing(
    name: str, escape: Escape, plain: Callable[..., Any], is_method: bool
) -> Callable[..., Any]:
    def refusing(*arguments: Any, **named: Any) -> Any:
        culprit = _culprit(sys._getframe(1 if is_method else 2), escape)
        if culprit is not None:
            called = name.removesuffix(".__init__").removesuffix(".start")
            raise EscapedSimulation(
                f"{culprit.f_code.co_filename}, line {culprit.f_lineno}: {called}() "
                f"{escape.what}; {escape.remedy}"
            )
        return plain(*arguments, **named)

    return refusing if is_method else _Stand(plain, refusing)


class _Stand:
    """Stands in for a function of a module; like that one, it is no method where a class holds it.

    Who keeps it beyond the run keeps a function that does as before.
    """

    def __init__(self, plain: Callable[..., Any], refusing: Callable[..., Any]) -> None:
        self._plain = plain
        self._refusing = refusing

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._refusing(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


def _culprit(frame: FrameType | None, escape: Escape) -> FrameType | None:
    """Return the place in the user's code, inside an actor or a story, that makes a call.

    None when there is none: the call comes from outside the run, or from the machine itself, or a
    module is being imported. What the kernel calls is the user's, wherever it is installed; between
    that and the call there may be libraries.
    """
    frames: list[FrameType] = []
    while frame is not None and not frame.f_code.co_filename.startswith(KERNEL):
        frames.append(frame)
        frame = frame.f_back
    if frame is None or any(_file(one).startswith(IMPORT) for one in frames):
        return None
    others = [one for one in frames if not _file(one).startswith((HOUSE, STANDARD, "<"))]
    if not others:
        return None
    own = _file(others[-1])
    ours = [one for one in others if _file(one) == own or not _file(one).startswith(PACKAGES)]
    if escape.libraries_may and ours[0] is not frames[0]:
        return None
    return ours[0]


def _file(frame: FrameType) -> str:
    """Return the file of a frame; a cell of a notebook counts as one."""
    file = frame.f_code.co_filename
    return file.removeprefix("<") if file.startswith("<ipython") else file
