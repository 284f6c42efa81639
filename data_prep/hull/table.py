"""The table of a hull in a folder: its vertices, the systems that it covers, and a manifest with checksums."""

import csv
import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import csv_text, write_gzip, write_json
from data_prep.files.checksum import file_sha256
from data_prep.files.json_files import read_json
from data_prep.hull import FOLDER
from data_prep.hull.convex_hull import Hull, Phase
from data_prep.hull.known_phases import KnownPhases

VERTICES, SYSTEMS, MANIFEST = "vertices.csv.gz", "systems.csv.gz", "manifest.json"
ON_HULL = 1e-6  # eV/atom
_REMEDY = "clone the project again, or write the table with 'python -m data_prep.hull'"


def vertices(phases: Sequence[Phase]) -> list[Phase]:
    """Return the phases that lie on the hull of all of them, by number of elements and formula."""
    hull = Hull(phases)
    stable = [phase for phase in phases if hull.energy_above(phase.composition, phase.energy) <= ON_HULL]
    return sorted(stable, key=lambda phase: (len(phase.counts), phase.formula))


def write_hull(folder: Path, known: KnownPhases, stable: Sequence[Phase], facts: dict) -> dict:
    """Write the ``stable`` ones of the known phases; return the manifest, ``facts`` among it.

    Systems in which a compound is known, but none is stable, are listed by themselves: they are covered too.
    """
    on_hull = {phase.system for phase in stable}
    others = sorted("-".join(sorted(system)) for system in known.systems - on_hull)
    rows = [{"formula": one.formula, "formation_energy_per_atom": f"{one.energy:.5f}", "id": one.id} for one in stable]
    write_gzip(folder / VERTICES, csv_text(rows))
    write_gzip(folder / SYSTEMS, csv_text([{"system": system} for system in others], ("system",)))
    counts = {
        "vertices": len(stable),
        "elements": sum(len(phase.counts) == 1 for phase in stable),
        "systems": len(on_hull) + len(others),
        "compositions": len(known.phases),
        "doubted": [f"{phase.formula} {phase.id}" for phase in known.doubted],
    }
    sums = {name: file_sha256(folder / name) for name in (VERTICES, SYSTEMS)}
    manifest = {"sha256": sums, **counts, **facts}
    write_json(folder / MANIFEST, manifest)
    return manifest


@lru_cache(maxsize=4)
def load_hull(folder: Path = FOLDER) -> Hull:
    """Return the hull whose table is in ``folder``; raises InputError naming a file that is missing or damaged."""
    manifest = read_json(folder / MANIFEST, _REMEDY)
    try:
        for name in (VERTICES, SYSTEMS):
            if not (folder / name).is_file() or file_sha256(folder / name) != manifest["sha256"][name]:
                raise InputError(f"{folder / name} is not whole: its checksum is not that of {MANIFEST}; {_REMEDY}.")
        phases = [
            Phase(row["formula"], float(row["formation_energy_per_atom"]), row["id"])
            for row in _rows(folder / VERTICES)
        ]
        systems = {frozenset(row["system"].split("-")) for row in _rows(folder / SYSTEMS)}
        return Hull(phases, systems, f"the hull of {manifest['label_generation']}")
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} holds no table of a hull ({type(error).__name__}: {error}): {_REMEDY}.") from error


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
