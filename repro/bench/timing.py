"""Wall and CPU time of functions to compare, measured in turn in one run."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Medians over ``repeats`` calls, in seconds.

    ``cpu`` is summed over the process's threads; None if other processes do the work.
    """

    wall: float
    cpu: float | None
    repeats: int


@dataclass(frozen=True)
class Row:
    """One line of the table: milliseconds per ``per`` (a structure, a sample), medians over ``repeats``."""

    part: str
    what: str
    wall_ms: float
    cpu_ms: float | None
    per: str
    repeats: int
    note: str = ""


@dataclass(frozen=True)
class Amount:
    """One line of the table that is not a time: a size, a rate, a peak of memory."""

    part: str
    what: str
    value: float
    unit: str
    note: str = ""


def time_in_turn(functions: dict[str, Callable[[], object]], repeats: int, warm_up: int = 1) -> dict[str, Timing]:
    """Call each function ``warm_up`` times unmeasured, then all of them in turn ``repeats`` times.

    In turn, so that a change of the machine's load affects all of them equally.
    """
    for _ in range(warm_up):
        for function in functions.values():
            function()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            measured[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: Timing(statistics.median(wall for wall, _ in pairs), statistics.median(cpu for _, cpu in pairs), repeats)
        for name, pairs in measured.items()
    }


def row(part: str, what: str, timing: Timing, items: int, per: str, note: str = "") -> Row:
    """Return the line of the table for a timing of ``items`` items."""
    cpu = None if timing.cpu is None else 1e3 * timing.cpu / items
    return Row(part, what, 1e3 * timing.wall / items, cpu, per, timing.repeats, note)
