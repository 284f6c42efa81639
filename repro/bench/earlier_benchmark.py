"""A benchmark beside an earlier one: each line by ratio."""

import json
from pathlib import Path

from data_prep.errors import InputError


def earlier_rows(path: Path) -> dict[tuple[str, str], float]:
    """Return the times (see ``compared``) and amounts of an earlier benchmark by (part, what), in each line's unit.

    Empty where there is no such file; raises InputError for one that is no benchmark.
    """
    if not path.exists():
        return {}
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        found = {(row["part"], row["what"]): compared(row["wall_ms"], row["cpu_ms"]) for row in written["rows"]}
        return found | {(row["part"], row["what"]): float(row["value"]) for row in written.get("amounts", [])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no benchmark to compare with ({error}): remove it, or name another.") from error


def compared(wall_ms: float, cpu_ms: float | None) -> float:
    """Return the time that is compared: the CPU's, which other work disturbs less, or else the wall's."""
    return float(wall_ms if cpu_ms is None else cpu_ms)


def ratio(part: str, what: str, now: float, earlier: dict[tuple[str, str], float]) -> str:
    """Return what a line takes now as a multiple of what it took: 0.50 is half; empty where it is new."""
    before = earlier.get((part, what))
    return f"{now / before:.2f}" if before else ""
