"""What a user waits for: one CIF predicted, the first new crystal, crystals a second; each command in a process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_prep.crystal import Crystal
from data_prep.graphs import crystal_graph
from repro.bench.timing import Amount, Row, Timing, row, time_in_turn
from repro.network_folders import PROPERTY_NETWORKS
from repro.properties.network_folder import load_property_networks

PART = "commands, from their start"
REPEATS = 3
COUNT = 100  # candidates
BASE = "NiAl"
SHORTEST = 0.02  # s
GENERATED = {"around a base": ("--base", BASE), "at random": ("--random",)}
IMPROVED = PROPERTY_NETWORKS.with_name("cgcnn-improved")


def command_rows(crystals: Sequence[Crystal], folder: Path) -> Iterator[Row | Amount]:
    """Time ``predict`` of one file and of graphs, and ``generate`` around a base and at random."""
    path = folder / "one.cif"
    crystals[0].structure().to(str(path), fmt="cif")
    runs = [_run(["predict", str(path)]) for _ in range(REPEATS)]
    best = min(runs, key=lambda run: run[0].wall)
    yield row(PART, "predict one CIF", best[0], 1, "file", "the best of three")
    yield Amount(PART, "predict one CIF, memory", best[1], "MiB")
    graphs = [crystal_graph(crystal) for crystal in crystals] * 5
    for weights in (PROPERTY_NETWORKS, IMPROVED):
        networks = load_property_networks(weights)
        timing = time_in_turn({"predict": lambda networks=networks: networks.predict(graphs)}, REPEATS)["predict"]
        note = f"{len(graphs) / timing.wall:,.0f} crystals/s"
        yield row(PART, f"eight properties of a small cell, {weights.name}", timing, len(graphs), "crystal", note)
    for name, asked in GENERATED.items():
        yield from _generation(name, asked, folder / f"generated-{name.split()[-1]}")


def _generation(name: str, asked: Sequence[str], out: Path) -> Iterator[Row]:
    """Time ``generate`` to its first candidate and to its end, and how fast they come between."""
    start = time.time()
    whole, _ = _run(["generate", *asked, "--count", str(COUNT), "--out", str(out)])
    written = sorted(path.stat().st_mtime for path in (out / "cifs").glob("*.cif"))
    first, last = written[0], written[-1]
    yield row(PART, f"generate {name}, the first candidate", Timing(first - start, None, 1), 1, "command")
    listed = f"{len(written)} listed"
    yield row(PART, f"generate {name}, all", whole, 1, "command", listed)
    later = [moment for moment in written if moment > first] or [last + SHORTEST]
    rate = len(later) / max(last - first, SHORTEST)
    each = Timing(1 / rate, None, 1)
    yield row(PART, f"generate {name}, after the first", each, 1, "candidate", f"{rate:.0f} a second")


def _run(arguments: Sequence[str]) -> tuple[Timing, float]:
    """Return the time of a command with its processes, and its own peak of memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python -m repro {' '.join(arguments)} ended with {process.returncode}")
    return Timing(time.perf_counter() - start, used.ru_utime + used.ru_stime, 1), used.ru_maxrss / 1024
