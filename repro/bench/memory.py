"""The memory that a function takes: its peak, and whether it grows (on Linux; elsewhere nothing is measured)."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
_OWN = Path("/proc/self")
INTERVAL = 0.1  # s


def resident(field: str = "VmRSS", pid: str | int = "self") -> float | None:
    """Return a memory field of a process in MiB: ``VmRSS`` now, ``VmHWM`` at its peak; None if not available."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) / 1024 if found else None


def peak_of(function: Callable[[], Result]) -> tuple[Result, float | None]:
    """Return the result of ``function`` and the peak memory of this process meanwhile, in MiB."""
    try:
        (_OWN / "clear_refs").write_text("5")  # forgets the peak so far
    except OSError:
        return function(), None
    return function(), resident("VmHWM")


def watch(function: Callable[[], Result]) -> tuple[Result, list[float]]:
    """Return the result of ``function`` and the MiB of this process and its workers every 0.1 s."""
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            pids = ["self", *(child.pid for child in multiprocessing.active_children())]
            sizes = [resident(pid=pid) for pid in pids]
            if sizes[0] is not None:
                seen.append(sum(size or 0.0 for size in sizes))
            time.sleep(INTERVAL)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        return function(), seen
    finally:
        done.set()
        watcher.join()


def growth(seen: list[float]) -> tuple[float, float]:
    """Return the peaks in MiB of the second and of the last fifth of the time: equal if memory does not grow.

    In the first fifth workers start and caches fill.
    """
    fifth = max(1, len(seen) // 5)
    return max(seen[fifth : 2 * fifth] or seen), max(seen[-fifth:])
