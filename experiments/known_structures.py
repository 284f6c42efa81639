"""Generated crystals beside known ones of the same formula: which one, whether they match, how they differ."""

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Lattice, Structure

from data_prep.crystal import Crystal
from data_prep.property_labels import PROPERTIES, is_physical, raw_value
from data_prep.quarantine import Unusable, symmetry
from data_prep.structures.matching import TOLERANCES, matches

MATCHING = (
    "Structures match by pymatgen's StructureMatcher with ltol 0.3, stol 0.5, angle_tol 10, volumes scaled, "
    "within one reduced formula."
)
COMPARED = (
    "Lengths are of primitive cells. Two cells are alike if both hold as many sites and ours has three lattice vectors "
    "within 30 % and 10° of the known cell's. Then these are compared, else the edges of two different cells, as some "
    "of the paper's must be. Of several known crystals the one that matches counts, else the one of lowest energy."
)


def reference(structure: Structure, crystals: Sequence[Crystal]) -> tuple[Crystal, bool]:
    """Return the known crystal that a structure is compared with, and whether the two match.

    ``crystals`` have the structure's formula, the lowest energy first: the first that matches, else the first.
    """
    for crystal in crystals:
        if matches(structure, crystal.structure()):
            return crystal, True
    return crystals[0], False


def standard(structure: Structure) -> Structure:
    """Return the primitive standard cell, or the structure itself if spglib finds no symmetry."""
    try:
        return symmetry(structure).get_primitive_standard_structure()
    except Unusable:
        return structure


def errors(row: dict, structure: Structure, crystal: Crystal) -> dict:
    """Return the differences between a candidate and a known crystal.

    ``a``, ``b``, ``c`` in Å, ``volume`` in % per atom; ``same_cell`` says whether the lengths are of like cells;
    properties in the units of ``PROPERTIES``, None without a physical label or without a prediction.
    """
    ours, known = standard(structure), standard(crystal.structure())
    alike = like_cell(ours.lattice, known.lattice) if len(ours) == len(known) else None
    lengths = np.abs(np.array((alike or ours.lattice).abc) - known.lattice.abc).tolist()
    volume = (ours.volume / len(ours)) / (known.volume / len(known)) - 1
    found = dict(zip("abc", lengths, strict=True)) | {"volume": 100 * abs(volume), "same_cell": alike is not None}
    return found | {name: _property_error(row, crystal, name) for name in PROPERTIES}


def like_cell(ours: Lattice, known: Lattice) -> Lattice | None:
    """Return the primitive cell of ``ours`` whose edges are closest to those of ``known``, None if none is near."""
    mappings = ours.find_all_mappings(known, TOLERANCES["ltol"], TOLERANCES["angle_tol"], skip_rotation_matrix=True)
    cells = [cell for cell, _, scale in mappings if abs(round(np.linalg.det(scale))) == 1]
    return min(cells, key=lambda cell: float(np.abs(np.array(cell.abc) - known.abc).sum()), default=None)


def _property_error(row: dict, crystal: Crystal, name: str) -> float | None:
    predicted, label = row.get(name), raw_value(crystal, name)
    if predicted is None or not is_physical(label, name):
        return None
    return abs(predicted - label)
