"""What experiments keep in ``results/RUN``, and whether it still belongs to the run's networks or generated crystals.

A result of trained networks lies in ``NAME.json`` and ``NAME.npz`` with the identity of the trainings. It is drawn
again while the networks are the same and computed anew when they are not. A result of generated crystals lies in
``NAME.json`` with the identity of the generation. It is computed anew at each call, or drawn again with ``--redraw``.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.json_files import read_json
from data_prep.files.npz import DamagedNpz, read_npz
from repro import stamps
from repro.run import Run
from repro.stages import identity_of

if TYPE_CHECKING:
    from experiments.stored_generation import Generation

CANDIDATES = Path("generate") / "candidates.csv"  # under results/RUN


@dataclass(frozen=True)
class Stored:
    """``facts`` of plain numbers, kept as JSON, and ``arrays`` by name, kept as NPZ."""

    facts: dict
    arrays: dict[str, np.ndarray]


def write(path: Path, identity: str, found: Stored) -> None:
    """Write ``path``.npz and ``path``.json, both with ``identity``; ``path`` has no suffix."""
    with replacing(path.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, identity=np.array(identity), **found.arrays)
    write_json(path.with_suffix(".json"), {"identity": identity} | found.facts)


def read(path: Path, identity: str) -> Stored | None:
    """Return what ``write`` left, or None if it is missing, damaged or of another ``identity``."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        arrays = read_npz(path.with_suffix(".npz"))
        identities = {facts.pop("identity"), str(arrays.pop("identity"))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DamagedNpz):
        return None
    return Stored(facts, arrays) if identities == {identity} else None


def identity_of_networks(run: Run, stages: Sequence[str]) -> str:
    """Return a hash of the trainings ``stages``; raises InputError if one is missing or stale."""
    return hashlib.sha256(" ".join(identity_of(stage, run) for stage in stages).encode()).hexdigest()


def of_networks(name: str, run: Run, stages: Sequence[str], compute: Callable[[Run], Stored]) -> Stored:
    """Return the stored result ``name`` of the run's trainings ``stages``, computed and stored first if need be."""
    path, identity = run.results / name, identity_of_networks(run, stages)
    found = read(path, identity)
    if found is None:
        write(path, identity, compute(run))
        found = read(path, identity)  # what is drawn is what is stored
    return found


def present(name: str, run: Run, stages: Sequence[str]) -> Stored | None:
    """Return the stored result ``name`` of the run's present networks, or None; it computes nothing."""
    try:
        return read(run.results / name, identity_of_networks(run, stages))
    except InputError:
        return None


def identity_of_generation(results: Path) -> str:
    """Return the sha256 of the table of candidates in ``results``, or nothing if there is none."""
    path = results / CANDIDATES
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def of_generation(name: str, run: Run, compute: Callable[["Generation"], dict]) -> dict:
    """Return ``compute`` of the run's generated crystals, stored as ``name``.json.

    Raises InputError without any, and if they were generated with other data or networks than the run has now.
    """
    from experiments.stored_generation import read_generation

    refuse_stale("generate", run)
    found = compute(read_generation(run.results, run.folder("data")))
    write_json(run.results / f"{name}.json", {"identity": identity_of_generation(run.results)} | found)
    return read_stored(run.results / f"{name}.json")  # what is drawn is what is stored


def refuse_stale(stage: str, run: Run) -> None:
    """Raise InputError if the run has made ``stage`` with other data or networks than it has now.

    A run of which only the results are left has no stamp to compare with.
    """
    if stamps.read(run.folder(stage)):
        identity_of(stage, run)


def read_stored(path: Path) -> dict:
    """Read a result that an experiment has stored as JSON; raises InputError if it is missing or damaged."""
    return read_json(path, f"run 'make {path.stem}'")
