"""The table of a benchmark: as text, as JSON, and beside an earlier one."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import InputError
from repro import stamps
from repro.bench.timing import Amount, Row

_PACKAGES = ("keras", "tensorflow", "numpy", "numba", "scipy")


def table(rows: Sequence[Row | Amount], earlier: dict[tuple[str, str], float]) -> str:
    """Return the rows as text, part by part, each beside its ``earlier`` value."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'':{width}}  {'wall':>10} {'CPU':>10}  {'ms per':10} {'x last' if earlier else ''}".rstrip()]
    for position, row in enumerate(rows):
        if position == 0 or row.part != rows[position - 1].part:
            lines.append(f"\n{row.part}")
        if isinstance(row, Amount):
            numbers, value = f"{row.value:21,.1f}  {row.unit:10}", row.value
        else:
            cpu = "–" if row.cpu_ms is None else f"{row.cpu_ms:.3f}"
            numbers, value = f"{row.wall_ms:10.3f} {cpu:>10}  {row.per:10}", compared(row.wall_ms, row.cpu_ms)
        changed = f"{ratio(row.part, row.what, value, earlier):>6} " if earlier else ""
        lines.append(f"{row.what:{width}}  {numbers} {changed}{row.note}".rstrip())
    return "\n".join(lines)


def as_json(rows: Sequence[Row | Amount], peak: float) -> dict:
    """Return the content of ``--json``: machine, versions, peak, rows and amounts."""
    return {
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
        "versions": stamps.versions(_PACKAGES),
        "matmul_gflop_per_s": peak,
        "rows": [vars(row) for row in rows if isinstance(row, Row)],
        "amounts": [vars(row) for row in rows if isinstance(row, Amount)],
    }


def earlier_rows(path: Path) -> dict[tuple[str, str], float]:
    """Return the times (see ``compared``) and amounts of an earlier benchmark by (part, what), in each line's unit.

    Empty if there is no such file; raises InputError if it is not a benchmark.
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
    """Return the time to compare: CPU time, which other work disturbs less, else wall time."""
    return float(wall_ms if cpu_ms is None else cpu_ms)


def ratio(part: str, what: str, now: float, earlier: dict[tuple[str, str], float]) -> str:
    """Return a line's value as a multiple of the earlier one, such as 0.50; empty if the line is new."""
    before = earlier.get((part, what))
    return f"{now / before:.2f}" if before else ""
