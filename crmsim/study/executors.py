"""Who executes the runs of a study?

Anything that follows `concurrent.futures` will do: processes of this machine, or a Dask cluster. A
few more runs than there are workers are handed out at a time, so that an interruption loses little
and thousands of runs wait here rather than there.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import attrs

from crmsim.errors import BadInput

__all__ = ["Workers", "spread", "workers"]

Key = TypeVar("Key")
Task = TypeVar("Task")
Found = TypeVar("Found")
DASK = "dask://"
LOOK_S = 0.5
"""How often a worker looks whether the process that it works for is still there."""


@attrs.define
class Workers:
    """Who executes runs, and how many at a time."""

    executor: Executor
    count: int
    death: type[Exception] | tuple[()] = ()
    """What a task raises whose worker died, be it through this task or through another."""
    successor: Callable[[], Executor] | None = None
    """Who goes on when workers have died; None when these themselves can."""

    def go_on(self) -> None:
        """Be ready again after workers have died."""
        if self.successor is not None:
            self.executor = self.successor()


class _Here(Executor):
    """Executes in this process, one after the other."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # it belongs to whoever asks for the result
            future.set_exception(error)
        return future


@contextmanager
def workers(jobs: int, tasks: int, address: str = "") -> Iterator[Workers]:
    """Open workers; when something goes wrong, or at Ctrl-C, they are ended at once.

    Args:
        jobs: Processes of this machine; 1 for this very process.
        tasks: How much there is to do; no more processes are opened than that.
        address: ``dask://HOST:PORT`` of a scheduler; empty for processes of this machine.

    Raises:
        BadInput: no cluster answers at this address.
    """
    if address:
        with _cluster(address) as crew:
            yield crew
    elif jobs == 1:
        yield Workers(_Here(), 1)
    else:
        with _processes(min(jobs, tasks)) as crew:
            yield crew


@contextmanager
def _processes(count: int) -> Iterator[Workers]:
    crew = Workers(_pool(count), count, BrokenExecutor, lambda: _pool(count))
    try:
        yield crew
    except BaseException:
        pool: Any = crew.executor
        pool.shutdown(wait=True, kill_workers=True)
        raise
    crew.executor.shutdown()


def _pool(count: int) -> Executor:
    # loky and not ProcessPoolExecutor: it takes scenarios of a notebook, and a script that starts
    # a study needs no `if __name__ == "__main__"`
    import loky

    pool: Executor = loky.ProcessPoolExecutor(count, initializer=_begin, initargs=(os.getpid(),))
    resource_tracker.ensure_running()  # it would let Ctrl-C through when it is started later
    with _interrupt_held_back():
        pool.submit(os.getpid)  # now they are started
    return pool


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Let Ctrl-C wait; processes that are started meanwhile never see it, however early."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the process that hands out the runs; end with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Workers]:
    place = address.removeprefix(DASK)
    if not address.startswith(DASK) or not place.rpartition(":")[2].isdecimal():
        raise BadInput(f"--executor {address}: write dask://HOST:PORT")
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise BadInput(
            '--executor needs the library distributed: pip install "crmsim[dask]"'
        ) from None
    try:
        client = Client(f"tcp://{place}", timeout="5s", set_as_default=False)
    except OSError as error:
        raise BadInput(f"--executor {address}: no Dask scheduler answers there ({error})") from None
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield Workers(executor, max(sum(client.nthreads().values()), 1), KilledWorker)
        except CancelledError:
            raise BadInput(
                f"--executor {address}: the cluster went away; begin again with another one"
            ) from None
        except BaseException:
            executor.shutdown(wait=False)
            raise


def spread(
    crew: Workers,
    do: Callable[[Task], Found],
    tasks: Iterable[tuple[Key, Task]],
    lost: Callable[[Task], Found],
) -> Iterator[tuple[Key, Found]]:
    """Yield the key of each task with what `do` returned of it, as it is done.

    A worker that dies takes others with it, and nobody can tell whose fault it was. So all that was
    under way is done once more, one after the other; `lost` says what is yielded of a task with
    which a worker dies again.
    """
    coming = iter(tasks)
    under_way: dict[Future[Found], tuple[Key, Task]] = {}
    while True:
        for key, task in coming:
            under_way[_submitted(crew, do, task)] = key, task
            if len(under_way) >= 2 * crew.count:
                break
        if not under_way:
            return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        again = []
        while done:
            future = done.pop()
            key, task = under_way.pop(future)
            try:
                found = future.result()
            except crew.death:
                again.append((key, task))
                done, _ = wait(under_way)
            else:
                yield key, found
        if again:
            crew.go_on()
        for key, task in again:
            try:
                found = crew.executor.submit(do, task).result()
            except crew.death:
                crew.go_on()
                found = lost(task)
            yield key, found


def _submitted(crew: Workers, do: Callable[[Task], Found], task: Task) -> "Future[Found]":
    try:
        return crew.executor.submit(do, task)
    except crew.death as error:  # it happened since the last look
        future: Future[Found] = Future()
        future.set_exception(error)
        return future
