"""The changes that a relaxation made to bonds, cell and energy (Table 3), and the files of relaxed crystals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

from data_prep.coordination import SHELL
from data_prep.crystal import file_name
from data_prep.files.atomic import write_text
from repro.relaxation.calculation_store import CONVERGED, structure_from
from repro.relaxation.calculator import formation_energy

COLUMNS = (
    "id", "formula", "status", "reason", "energy_per_atom", "formation_energy", "bonds_percent_of_cell",
    "bonds_percent", "cell_percent", "angle_change", "volume_percent", "a", "b", "c", "a_relaxed", "b_relaxed",
    "c_relaxed", "pressure", "largest_force", "seconds", "key", "folder", "relaxed",
)  # fmt: skip


def bonds(structure: Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bonds of a structure: sites (n,), their neighbours (n,) and the neighbours' cells (n, 3).

    Neighbours up to ``SHELL`` times a site's shortest distance are bonded to it.
    """
    reach, needed = 3.0, np.inf  # Å
    while needed > reach:
        reach *= 1.5
        centres, neighbours, images, distances = structure.get_neighbor_list(reach)
        shortest = np.full(len(structure), np.inf)
        np.minimum.at(shortest, centres, distances)
        needed = SHELL * shortest.max()  # infinite if a site has no neighbour yet
    near = distances <= SHELL * shortest[centres]
    return centres[near], neighbours[near], images[near]


def lengths(structure: Structure, found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the lengths (n,) in Å that the bonds ``found`` by ``bonds`` have in ``structure``."""
    centres, neighbours, images = found
    steps = structure.frac_coords[neighbours] + images - structure.frac_coords[centres]
    return np.linalg.norm(steps @ structure.lattice.matrix, axis=1)


def changes(start: Structure, final: Structure) -> dict[str, float]:
    """Return the changes from ``start`` to its relaxed form ``final``, of the same sites in the same order.

    ``bonds_percent_of_cell``: mean absolute change of the bond lengths in % of the mean cell length (the text's
    definition in Ab Initio Validation); ``bonds_percent``: in % of each bond; ``cell_percent``: mean absolute
    change of a, b, c in %; ``angle_change``: largest change of an angle in degrees; ``volume_percent``, signed.
    """
    found = bonds(start)
    before, after = lengths(start, found), lengths(final, found)
    old, new = np.array(start.lattice.abc), np.array(final.lattice.abc)
    angles = np.abs(np.subtract(final.lattice.angles, start.lattice.angles))
    return {
        "bonds_percent_of_cell": float(100 * np.abs(after - before).mean() / old.mean()),
        "bonds_percent": float(100 * np.mean(np.abs(after - before) / before)),
        "cell_percent": float(100 * np.mean(np.abs(new - old) / old)),
        "angle_change": float(angles.max()),
        "volume_percent": float(100 * (final.volume / start.volume - 1)),
    }


def displacement(start: Structure, final: Structure) -> float:
    """Return how far relaxation moved the sites, in Å: root mean square, without the cell's change and any drift."""
    steps = final.frac_coords - start.frac_coords
    steps -= np.round(steps)
    steps -= steps.mean(axis=0)
    return float(np.sqrt(np.square(steps @ final.lattice.matrix).sum(axis=1).mean()))


def rows(
    structures: Mapping[str, Structure], records: Mapping[str, dict], elements: Mapping[str, dict]
) -> dict[str, dict]:
    """Return the row under ``COLUMNS`` of each structure by its name: Å, degrees, eV/atom, eV/Å, GPa, s."""
    found = {}
    for name, start in structures.items():
        record = records[name]
        energy, reason = formation_energy(record, start, elements)
        row = {"id": name, "formula": start.composition.reduced_formula, "formation_energy": energy}
        row |= {key: record.get(key) for key in ("status", "energy_per_atom", "pressure", "largest_force", "seconds")}
        row |= {"reason": reason or record["reason"], "key": record.get("key"), "folder": record.get("folder")}
        row |= dict(zip("abc", start.lattice.abc, strict=True))
        if record["status"] == CONVERGED:
            final = structure_from(record["final"])
            row |= changes(start, final)
            row |= dict(zip(("a_relaxed", "b_relaxed", "c_relaxed"), final.lattice.abc, strict=True))
        found[name] = row
    return found


def write_cifs(rows: Mapping[str, dict], records: Mapping[str, dict], folder: Path) -> None:
    """Write the converged structures as CIFs into ``folder``, and enter each file as ``relaxed`` in its row."""
    for name, row in rows.items():
        if row["status"] == CONVERGED:
            path = folder / f"{file_name(name)}.cif"
            write_text(path, str(CifWriter(structure_from(records[name]["final"]))))
            row["relaxed"] = f"{folder.name}/{path.name}"
