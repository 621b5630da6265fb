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

HOUSE = str(Path(__file__).parent)
KERNEL = str(Path(__file__).parent / "kernel")
PACKAGES = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
STANDARD = sysconfig.get_path("stdlib")


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
            _put_up()
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
        plain = getattr(owner, attribute)
        _plain.append((owner, attribute, plain))
        setattr(owner, attribute, _refusing(name, escape, plain))


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


def _refusing(name: str, escape: Escape, plain: Callable[..., Any]) -> Callable[..., Any]:
    def refusing(*arguments: Any, **named: Any) -> Any:
        culprit = _culprit(sys._getframe(1), escape)
        if culprit is not None:
            called = name.removesuffix(".__init__").removesuffix(".start")
            raise EscapedSimulation(
                f"{culprit.f_code.co_filename}, line {culprit.f_lineno}: {called}() "
                f"{escape.what}; {escape.remedy}"
            )
        return plain(*arguments, **named)

    return refusing


def _culprit(frame: FrameType | None, escape: Escape) -> FrameType | None:
    """Return the place in the user's code, inside an actor or a story, that makes a call.

    None when there is none: the call comes from outside the run, or from the machine itself.
    """
    found: FrameType | None = None
    is_direct = True
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(KERNEL):
            return found  # the kernel called it: all that is below runs inside the simulation
        if found is None and _is_of_user(file):
            if escape.libraries_may and not is_direct:
                return None
            found = frame
        is_direct = False
        frame = frame.f_back
    return None


def _is_of_user(file: str) -> bool:
    return not file.startswith((HOUSE, STANDARD, "<frozen", "<attrs", *PACKAGES))
