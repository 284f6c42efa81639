"""Tasks for worker processes, in a module that a worker imports quickly."""

import os
import signal
import sys

from threadpoolctl import threadpool_info


def process_id(_) -> int:
    """Return the id of the process that does this task."""
    return os.getpid()


def killed(_) -> None:
    """Kill the process that does this task."""
    os.kill(os.getpid(), signal.SIGKILL)


def decoding_setup(_) -> tuple[set[int], bool]:
    """Return the threads of each library of linear algebra, and whether Keras is loaded, in a process that decodes."""
    import repro.decoding.decoder  # noqa: F401

    threads = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
    return threads, "keras" in sys.modules
