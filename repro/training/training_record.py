"""The record of the trainings behind published weights: ``training.json`` and ``history.csv`` beside them.

What was trained elsewhere, or by an earlier version, has only what its own log says. ``remark``, written by hand, adds
what is known beside it.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.files.atomic import write_csv, write_json
from repro import stamps
from repro.run import Run

RECORD = "training.json"
HISTORY = "history.csv"  # in the folder of a training as well, there without a column for the network
WATTS = {"cores": 15.0, "gpu": 700.0}  # assumed: of one core of a server, and of a large card, under load


def write_record(target: Path, run: Run, stages: Mapping[str, str]) -> None:
    """Write how the networks of ``stages`` (stage: the pattern of its training folders) came about into ``target``.

    Each stage has its seed, machine, commit, seconds, samples, versions, and an estimate of the energy; each epoch of
    each network a row of its losses. A history of the networks that were there before is removed.
    """
    rows, record = [], {}
    for stage, pattern in stages.items():
        stamp = stamps.read(run.folder(stage))
        counts = stamp["counts"]
        seconds = _seconds(stamp)
        known = {} if "imported" in counts else stamp  # the stamp of networks trained elsewhere is that of taking them
        record[stage] = {
            "preset": run.preset.name,
            "source": run.source_name,
            "seed": run.preset.seed,
            "seconds": seconds,
            "kwh_estimate": round(kilowatt_hours(seconds, known.get("machine"), counts.get("card")), 4),
            **{name: known.get(name) for name in ("commit", "machine", "finished", "versions")},
            "counts": counts,
        }
        for path in sorted(run.folder(stage).glob(f"{pattern}{HISTORY}")):
            name = path.parent.name if path.parent != run.folder(stage) else stage
            with open(path, newline="") as file:
                rows += [{"network": name, **row} for row in csv.DictReader(file)]
    write_json(target / RECORD, record)
    if rows:
        columns = dict.fromkeys(name for row in rows for name in row)
        write_csv(target / HISTORY, rows, tuple(columns))
    else:
        (target / HISTORY).unlink(missing_ok=True)


def _seconds(stamp: dict) -> float:
    """Return how long a training took: of a resumed one the stamp itself knows the last sitting only."""
    counts = stamp["counts"]
    networks = sum(network.get("seconds", 0) for network in counts.get("networks", {}).values())
    return counts.get("seconds", max(stamp["seconds"], networks))


def kilowatt_hours(seconds: float, machine: Mapping[str, Any] | None, card: str | None = None) -> float:
    """Return the energy that a training took, from the assumed ``WATTS``; of two cores if no ``machine`` is known."""
    known = machine or {}
    watts = WATTS["gpu"] if card or known.get("gpu") else WATTS["cores"] * (known.get("cores") or 2)
    return watts * seconds / 3.6e6
