"""python -m repro.bench: how fast each leg is on this machine, beside slower ways of doing the same."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.shards import build_shards
from repro import stamps
from repro.backend import start_backend
from repro.bench.earlier_benchmark import compared, earlier_rows, ratio
from repro.bench.made_crystals import made_crystals
from repro.bench.timing import Amount, Row
from repro.exits import stopping, terminate_like_interrupt
from repro.presets import LAPTOP

GRID = LAPTOP.voxels.grid
_PACKAGES = ("keras", "tensorflow", "numpy", "numba", "scipy")
# Quoted, not measured here: times of other implementations on other machines do not mix with these.
QUOTED = (
    "For comparison, measured elsewhere (2 cores, AVX2, November 2026): a Numba prototype of the separable method "
    "took 0.20, 0.18 and 1.16 CPU-ms for 2, 8 and 40 sites."
)


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(prog="python -m repro.bench", description=__doc__.splitlines()[0])
    main.add_argument("--json", type=Path, help="also write the rows to this file")
    main.add_argument("--against", type=Path, help="earlier rows to compare with (default: what --json replaces)")
    main.add_argument("--scale", type=int, default=0, metavar="N", help="also draw and feed N structures (N/10 MB)")
    main.add_argument("--folder", type=Path, help="where shards are written for the time being")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Measure everything, print one table and return 0; leaves with exit code 2 and a sentence if it cannot."""
    options = parser().parse_args(arguments)
    with stopping("The benchmark", after="nothing was written"):
        _measure(options)
    return 0


def _measure(options: argparse.Namespace) -> None:
    if options.scale < 0:
        raise InputError(f"--scale {options.scale} is no number of structures: give 1 or more, or leave it out.")
    if options.folder and not options.folder.is_dir():
        raise InputError(f"--folder {options.folder} is no folder: make it first, or name another.")
    earlier = earlier_rows(options.against or options.json) if options.against or options.json else {}
    crystals = made_crystals(192)
    with TemporaryDirectory(dir=options.folder) as folder:
        build_shards(Path(folder), crystals, GRID, "ionic", shard_size=96)
        start_backend()
        from repro.bench.time_legs import measure_all  # imports Keras

        peak, rows = measure_all(crystals, Path(folder), options.scale)
    print(table(rows, earlier))
    print(f"\nMatrix product, the machine's peak here: {peak:.0f} GFLOP/s (float32, {os.cpu_count()} cores).\n{QUOTED}")
    if options.json:
        write_json(options.json, as_json(rows, peak))
        print(f"Written to {options.json}.")


def table(rows: Sequence[Row | Amount], earlier: dict[tuple[str, str], float]) -> str:
    """Return the rows as text; a row of the same part is compared with the first of its pair, all with ``earlier``."""
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
    """Return what ``--json`` writes: machine, versions, peak, rows and amounts."""
    return {
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
        "versions": stamps.versions(_PACKAGES),
        "matmul_gflop_per_s": peak,
        "rows": [vars(row) for row in rows if isinstance(row, Row)],
        "amounts": [vars(row) for row in rows if isinstance(row, Amount)],
    }


if __name__ == "__main__":
    terminate_like_interrupt()
    sys.exit(main())
