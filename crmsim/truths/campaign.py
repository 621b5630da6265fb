"""Do all figures of all cases agree?

The cases are independent, so they are spread over processes. A level is how much work is spent:
*smoke* takes seconds and finds gross errors; *full* takes minutes and finds small ones.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from crmsim.truths import arq, conflicts, lines, little, offline, pool, queues, staleness
from crmsim.truths.case import Agreement, Case

__all__ = ["ALL_CASES", "validate"]

ALL_CASES: tuple[Case, ...] = (
    *queues.CASES,
    *pool.CASES,
    *lines.CASES,
    *arq.CASES,
    *offline.CASES,
    *little.CASES,
    *conflicts.CASES,
    *staleness.CASES,
)
"""Every case, in the order in which results show them."""


def validate(*, full: bool, seed: int, jobs: int) -> Iterator[tuple[Case, list[Agreement]]]:
    """Judge every case; yield each with its figures, in order.

    Args:
        full: Whether to spend minutes instead of seconds.
        seed: The seed of the whole campaign.
        jobs: How many processes share the work.
    """
    if jobs == 1:
        for index, case in enumerate(ALL_CASES):
            yield case, _judge(index, full, seed)
        return
    with ProcessPoolExecutor(jobs) as processes:
        futures = [processes.submit(_judge, i, full, seed) for i in range(len(ALL_CASES))]
        try:
            for case, future in zip(ALL_CASES, futures, strict=True):
                yield case, future.result()
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _judge(index: int, full: bool, seed: int) -> list[Agreement]:
    """Judge one case, in a process of the pool."""
    case = ALL_CASES[index]
    return case.judge(case.full if full else case.smoke, seed)
