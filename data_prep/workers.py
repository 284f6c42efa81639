"""Work in parallel: on the cores of this machine, or on the workers of a Dask cluster.

Both are executors with the interface of the standard library. Without a cluster its own pool is used: it starts in
a second and needs no further package, while Dask on one machine would need a scheduler and a server per worker.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from typing import TypeVar

from tqdm import tqdm

from data_prep.errors import InputError

AHEAD = 4  # waiting tasks per worker: enough to keep it busy, and memory does not grow with the number of tasks
SECONDS_TO_CONNECT = 15
WORTH_SHARING = 64  # CIF files: fewer are read before new processes have imported pymatgen
_PIECE = 8
_LOST = (
    "A worker was killed or its scheduler went away (often for lack of memory): "
    "the same command goes on from what is finished."
)

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int | None = None,
    scheduler: str | None = None,
    worth: int = 2,
) -> Iterator[Result]:
    """Yield ``function(task)`` of every task, in their order, computed by several processes.

    ``scheduler`` is the address of a Dask scheduler (``tcp://host:8786``), whose workers need this package and, for
    files, the same paths. Without one, ``workers`` processes of this machine compute (None: one per core, but only
    this process for fewer than ``worth`` tasks, which are done before other processes have started).
    At most ``AHEAD`` tasks per worker wait at a time. Raises InputError if the scheduler cannot be reached
    or a worker dies (Dask first gives a lost worker's task to others, three times).
    """
    workers = workers or (os.cpu_count() or 1 if len(tasks) >= worth else 1)
    if scheduler is None and min(workers, len(tasks)) < 2:
        yield from map(function, tasks)
        return
    with _executor(min(workers, len(tasks)), scheduler) as (pool, places):
        yield from _submitted(pool, function, tasks, AHEAD * places)


def in_order_with(
    state: State, function: Callable[[State, Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Yield ``function(state, task)`` of every task, in their order.

    The ``state``, which may be large, is given to each of ``workers`` processes once, with one thread of linear
    algebra; only two tasks per worker wait, so that few are in vain if the caller has had enough. One worker is this
    process. Raises InputError if a worker dies.
    """
    if workers < 2:
        yield from (function(state, task) for task in tasks)
        return
    with local_pool(workers, threads=1, state=state) as pool:
        yield from _submitted(pool, partial(_with_state, function), tasks, 2 * workers)


def _submitted(
    pool: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int
) -> Iterator[Result]:
    waiting = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _with_state(function: Callable[[State, Task], Result], task: Task) -> Result:
    return function(_state[0], task)


def on_all_cores(function: Callable[[Task], Result], items: Sequence[Task], description: str) -> list[Result]:
    """Return ``[function(item) for item in items]``, computed on all cores with a progress bar."""
    pieces = [(function, items[start : start + _PIECE]) for start in range(0, len(items), _PIECE)]
    results: list[Result] = []
    with tqdm(total=len(items), desc=description, disable=None) as bar:
        for found in in_order(_each, pieces, worth=WORTH_SHARING // _PIECE):
            results += found
            bar.update(len(found))
    return results


def _each(piece: tuple[Callable[[Task], Result], Sequence[Task]]) -> list[Result]:
    function, items = piece
    return [function(item) for item in items]


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    """Yield the executor and its number of workers."""
    if scheduler is None:
        with local_pool(workers) as pool:
            yield pool, workers
        return
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise InputError("--scheduler needs Dask: pip install '.[scale]' first.") from error
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"No Dask scheduler answers at {scheduler}: check --scheduler (tcp://host:8786).") from error
    with client:
        places = sum(client.nthreads().values())
        if not places:
            raise InputError(f"The Dask scheduler at {scheduler} has no workers: start dask worker {scheduler}.")
        try:
            yield client.get_executor(), places
        except (KilledWorker, CancelledError) as error:
            raise InputError(_LOST) from error


@contextmanager
def local_pool(workers: int, threads: int | None = None, state: object = None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``process_pool``; raises InputError if one of its workers dies."""
    try:
        with process_pool(workers, threads, state) as pool:
            yield pool
    except BrokenExecutor as error:
        raise InputError(_LOST) from error


def process_pool(workers: int, threads: int | None = None, state: object = None) -> ProcessPoolExecutor:
    """Return a pool of processes of this machine that end with this one, however it ends.

    A worker whose parent was killed would wait for the next task for ever. ``threads`` limits the linear algebra of
    each worker; ``state`` is what ``in_order_with`` gives them.
    """
    context = get_context("fork" if _can_fork() else "spawn")
    return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(threads, state))


def _can_fork() -> bool:
    """Return whether workers may start as copies of this process, at once, instead of importing everything anew.

    A copy of a process that runs a training framework can hang, and so can any on other systems than Linux.
    """
    return sys.platform == "linux" and not {"tensorflow", "jax", "torch"} & set(sys.modules)


_state: list[object] = [None]  # of a worker


def _start_worker(threads: int | None, state: object) -> None:
    _state[0] = state
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a copy has inherited what this process does at it
    if threads:
        import scipy.linalg  # noqa: F401  (its libraries must be loaded to be limited)
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
    threading.Thread(target=_wait_and_leave, daemon=True).start()


def _wait_and_leave() -> None:
    parent_process().join()
    os._exit(1)
