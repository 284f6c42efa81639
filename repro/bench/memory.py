"""How much memory something takes: its peak, and whether it grows (Linux; elsewhere nothing is measured)."""

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
    """Return a memory field of a process in MiB: ``VmRSS`` now, ``VmHWM`` at its peak; None where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) / 1024 if found else None


def peak_of(function: Callable[[], Result]) -> tuple[Result, float | None]:
    """Return what ``function`` returns and the peak in MiB of this process meanwhile, all that it holds counted."""
    try:
        (_OWN / "clear_refs").write_text("5")  # forgets the peak so far
    except OSError:
        return function(), None
    return function(), resident("VmHWM")


def watch(function: Callable[[], Result]) -> tuple[Result, list[float]]:
    """Return what ``function`` returns and the MiB of this process and its workers, every tenth of a second."""
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
    """Return the peaks in MiB of the second fifth and of the last fifth of the time: equal where memory is flat.

    The first fifth is left out: workers start and caches fill.
    """
    fifth = max(1, len(seen) // 5)
    return max(seen[fifth : 2 * fifth] or seen), max(seen[-fifth:])
