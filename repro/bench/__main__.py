"""python -m repro.bench: the speed of each leg on this machine, beside slower ways of doing the same."""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.errors import InputError
from data_prep.exits import stopping
from data_prep.files.atomic import write_json
from data_prep.shards import build_shards
from repro.backend import start_backend
from repro.bench.bench_table import as_json, earlier_rows, table
from repro.bench.made_crystals import made_crystals
from repro.presets import LAPTOP

GRID = LAPTOP.voxels.grid
# Quoted, not measured here: times on other machines cannot be compared with these.
QUOTED = (
    "For comparison, measured elsewhere (2 cores, AVX2, November 2026): a Numba prototype of the separable method "
    "took 0.20, 0.18 and 1.16 CPU-ms for 2, 8 and 40 sites."
)


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(prog="python -m repro.bench", description=__doc__.splitlines()[0])
    main.add_argument("--json", type=Path, help="also write the rows to this file")
    main.add_argument("--against", type=Path, help="earlier rows to compare with (default: those that --json replaces)")
    main.add_argument("--scale", type=int, default=0, metavar="N", help="also voxelise and feed N structures (N/10 MB)")
    main.add_argument("--folder", type=Path, help="folder for the temporary shards")
    return main


def main(arguments: list[str] | None = None) -> int:
    """Measure everything, print one table and return 0; leaves with exit code 2 and a sentence if it cannot."""
    options = parser().parse_args(arguments)
    with stopping("The benchmark", after="nothing was written"):
        measure(**vars(options))
    return 0


def measure(json: Path | None, against: Path | None, scale: int, folder: Path | None) -> None:
    """Measure everything, print one table and write it to ``json``; ``against`` are earlier rows to compare with."""
    if scale < 0:
        raise InputError(f"--scale {scale} is no number of structures: give 1 or more, or leave it out.")
    if folder and not folder.is_dir():
        raise InputError(f"--folder {folder} is no folder: make it first, or name another.")
    earlier = earlier_rows(against or json) if against or json else {}
    crystals = made_crystals(192)
    with TemporaryDirectory(dir=folder) as temporary:
        build_shards(Path(temporary), crystals, GRID, "ionic", shard_size=96)
        start_backend()
        from repro.bench.time_legs import measure_all  # imports Keras

        peak, rows = measure_all(crystals, Path(temporary), scale)
    print(table(rows, earlier))
    print(f"\nMatrix product, the machine's peak here: {peak:.0f} GFLOP/s (float32, {os.cpu_count()} cores).\n{QUOTED}")
    if json:
        write_json(json, as_json(rows, peak))
        print(f"Written to {json}.")


if __name__ == "__main__":
    sys.exit(main())
