"""python -m repro.bench: how fast each leg is on this machine, beside slower ways of doing the same."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.atomic import write_json
from data_prep.shards import build_shards
from repro import stamps
from repro.backend import start_backend
from repro.bench.crystals import made_crystals
from repro.bench.timing import Row
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
    return main


def main(arguments: list[str] | None = None) -> int:
    """Measure everything, print one table, and return the exit code: 0, or 2 where ``--json`` cannot be written."""
    options = parser().parse_args(arguments)
    crystals = made_crystals(192)
    with TemporaryDirectory() as folder:
        build_shards(Path(folder), crystals, GRID, "ionic", shard_size=96)
        start_backend()
        peak, rows = import_module("repro.bench.rows").measure_all(crystals, Path(folder))
    print(table(rows))
    print(f"\nMatrix product, the machine's peak here: {peak:.0f} GFLOP/s (float32, {os.cpu_count()} cores).\n{QUOTED}")
    if options.json:
        try:
            write_json(options.json, as_json(rows, peak))
        except OSError as error:
            print(f"\n{options.json} could not be written: {error.strerror or error}.", file=sys.stderr)
            return 2
        print(f"Written to {options.json}.")
    return 0


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text; a row of the same part is compared with the first of its pair."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'':{width}}  {'wall':>10} {'CPU':>10}  ms per"]
    for position, row in enumerate(rows):
        if position == 0 or row.part != rows[position - 1].part:
            lines.append(f"\n{row.part}")
        lines.append(f"{row.what:{width}}  {row.wall_ms:10.3f} {row.cpu_ms:10.3f}  {row.per:10} {row.note}".rstrip())
    return "\n".join(lines)


def as_json(rows: Sequence[Row], peak: float) -> dict:
    """Return what ``--json`` writes: machine, versions, peak and rows."""
    return {
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
        "versions": stamps.versions(_PACKAGES),
        "matmul_gflop_per_s": peak,
        "rows": [vars(row) for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
