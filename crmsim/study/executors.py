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
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
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


@attrs.frozen
class Workers:
    """Who executes runs, and how many at a time."""

    executor: Executor
    count: int


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
def workers(jobs: int, address: str = "") -> Iterator[Workers]:
    """Open workers; when something goes wrong, or at Ctrl-C, they are ended at once.

    Args:
        jobs: Processes of this machine; 1 for this very process.
        address: ``dask://HOST:PORT`` of a scheduler; empty for processes of this machine.

    Raises:
        BadInput: no cluster answers at this address.
    """
    if address:
        with _cluster(address) as found:
            yield found
    elif jobs == 1:
        yield Workers(_Here(), 1)
    else:
        with _processes(jobs) as executor:
            yield Workers(executor, jobs)


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    # loky and not ProcessPoolExecutor: it takes scenarios of a notebook, and a script that starts
    # a study needs no `if __name__ == "__main__"`
    import loky

    pool = loky.ProcessPoolExecutor(jobs, initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown()


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
    if not address.startswith(DASK) or ":" not in place:
        raise BadInput(f"--executor {address}: write dask://HOST:PORT")
    try:
        from distributed import Client
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
            yield Workers(executor, max(sum(client.nthreads().values()), 1))
        except BaseException:
            executor.shutdown(wait=False)
            raise


def spread(
    crew: Workers, do: Callable[[Task], Found], tasks: Iterable[tuple[Key, Task]]
) -> Iterator[tuple[Key, Found]]:
    """Yield the key of each task with what `do` returned of it, as it is done."""
    coming = iter(tasks)
    under_way: dict[Future[Found], Key] = {}
    while True:
        for key, task in coming:
            under_way[crew.executor.submit(do, task)] = key
            if len(under_way) >= 2 * crew.count:
                break
        if not under_way:
            return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            yield under_way.pop(future), future.result()
