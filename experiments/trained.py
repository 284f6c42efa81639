"""What the figures of the latent space share: their command line, and what they keep of a run's trained networks.

``python -m experiments.NAME --preset P --source S --run RUN``. What was computed lies in ``results/RUN`` as
``NAME.json`` and ``NAME.npz``, with the identity of the trainings it came from: it is drawn again as long as that
holds, and computed anew when the networks are others.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.npz import DamagedNpz, read_npz
from repro.presets import PRESETS
from repro.run import Run, default_name
from repro.stages import identity_of


@dataclass(frozen=True)
class Stored:
    """``facts`` of plain numbers, kept as JSON, and ``arrays`` by name, kept as NPZ."""

    facts: dict
    arrays: dict[str, np.ndarray]


def command(name: str, description: str) -> argparse.ArgumentParser:
    """Return the command line: which run, in the words of ``python -m repro``."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}", description=description)
    parser.add_argument("--preset", choices=PRESETS, default="laptop", help="sizes and budgets (default: laptop)")
    parser.add_argument("--source", default="embedded", help="where the crystals come from (default: embedded)")
    parser.add_argument("--run", help="name of the folder under runs/ and results/ (default: preset and source)")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("ICSG_SHARED", "../shared")))
    return parser


def run_of(options: argparse.Namespace) -> Run:
    """Return the run that the command line names."""
    name = options.run or default_name(options.preset, options.source)
    return Run(PRESETS[options.preset], options.source, name, options.shared)


def read_by(run: Run, networks: Sequence[str]) -> list[Path]:
    """Return the stage folders that a figure of these trainings reads: theirs, the crystals' and the maps'."""
    return [run.folder(name) for name in ("data", "voxelize", *networks)]


def identity_of_networks(run: Run, stages: Sequence[str]) -> str:
    """Return a hash of the trainings ``stages``; raises InputError, one sentence, when one is missing or stale."""
    return hashlib.sha256(" ".join(identity_of(stage, run) for stage in stages).encode()).hexdigest()


def write(path: Path, identity: str, found: Stored) -> None:
    """Write ``path``.npz and ``path``.json, both with ``identity``; ``path`` has no suffix."""
    with replacing(path.with_name(path.name + ".npz")) as temporary:
        np.savez_compressed(temporary, identity=np.array(identity), **found.arrays)
    write_json(path.with_name(path.name + ".json"), {"identity": identity} | found.facts)


def read(path: Path, identity: str) -> Stored | None:
    """Return what ``write`` left, or None where there is nothing, or something damaged or of another ``identity``."""
    try:
        facts = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        arrays = read_npz(path.with_name(path.name + ".npz"))
        identities = {facts.pop("identity"), str(arrays.pop("identity"))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DamagedNpz):
        return None
    return Stored(facts, arrays) if identities == {identity} else None


def obtain(path: Path, identity: str, compute: Callable[[], Stored]) -> Stored:
    """Return what is stored under ``path``, or ``compute`` it and store it."""
    found = read(path, identity)
    if found is None:
        write(path, identity, compute())
        found = read(path, identity)  # what is drawn is what is stored
    return found


def present(name: str, run: Run, stages: Sequence[str]) -> Stored | None:
    """Return the stored result of the run's present networks; None where there is none: it computes nothing."""
    try:
        return read(run.results / name, identity_of_networks(run, stages))
    except InputError:
        return None
