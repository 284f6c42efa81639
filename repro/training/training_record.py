"""The record of the trainings behind published weights: ``training.json`` and ``history.csv`` beside them.

What was trained elsewhere, or by an earlier version, has only what its own log says.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from data_prep.files.atomic import write_csv, write_json
from repro import stamps
from repro.run import Run
from repro.training.fit import HISTORY

RECORD = "training.json"
WATTS = {"cores": 15.0, "gpu": 700.0}  # assumed: of one core of a server, and of a large card, under load


def write_record(target: Path, run: Run, stages: Mapping[str, str]) -> None:
    """Write how the networks of ``stages`` (stage: the pattern of its training folders) came about into ``target``.

    Each stage has its seed, machine, commit, seconds, samples, versions, and an estimate of the energy; each epoch of
    each network a row of its losses.
    """
    rows, record = [], {}
    for stage, pattern in stages.items():
        stamp = stamps.read(run.folder(stage))
        counts = stamp["counts"]
        seconds = counts.get("seconds", stamp["seconds"])
        record[stage] = {
            "preset": run.preset.name,
            "source": run.source_name,
            "seed": run.preset.seed,
            "seconds": seconds,
            "kwh_estimate": round(_kilowatt_hours(seconds, stamp.get("machine", {}), counts.get("card")), 4),
            **{name: stamp.get(name) for name in ("commit", "machine", "finished", "versions")},
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


def _kilowatt_hours(seconds: float, machine: dict, card: str | None) -> float:
    """Return the energy that a training took, from assumed powers."""
    watts = WATTS["gpu"] if card or machine.get("gpu") else WATTS["cores"] * machine.get("cores", 2)
    return watts * seconds / 3.6e6
