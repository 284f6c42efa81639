"""A decoded crystal made ideal: the symmetry found in it, whether it is valid, its CIF.

This module does not import Keras: workers run it, and each would start TensorFlow.
"""

from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.structures.matching import structure_of
from repro.evaluation.metrics import is_valid, smallest_distance

USUAL_RADIUS = 1.5  # Å, of elements without an atomic radius
ROUNDING = 0.001  # Å
SYMMETRY_TOLERANCE = 0.2  # Å: a decoded site is off by about a tenth


@dataclass(frozen=True)
class IdealCrystal:
    """A decoded crystal with the symmetry found; without symmetry (None) and ``cif`` (None) where it is not valid.

    ``smallest_distance`` in Å; ``closeness`` as the function of that name says.
    """

    structure: Structure
    valid: bool
    spacegroup: int | None
    smallest_distance: float
    closeness: float
    charge_balanced: bool
    cif: str | None


def idealise(decoded: Structure) -> IdealCrystal:
    """Return what is to be known of a decoded crystal without any network."""
    valid = is_valid(decoded)
    structure, spacegroup = symmetrised(decoded) if valid else (decoded, None)
    return IdealCrystal(
        structure,
        valid,
        spacegroup,
        smallest_distance(structure),
        closeness(structure),
        bool(structure.composition.oxi_state_guesses()) if valid else False,
        cif_text(structure) if valid else None,
    )


def symmetrised(structure: Structure) -> tuple[Structure, int | None]:
    """Return the standard primitive cell of the symmetry found within 0.2 Å, and its space group.

    A structure whose symmetry cannot be determined, or would bring sites together, stays as it is.
    """
    try:
        analyzer = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
        standard = analyzer.get_primitive_standard_structure()
    except (ValueError, TypeError):  # spglib finds no symmetry
        return structure, None
    found = int(analyzer.get_space_group_number())
    return (standard, found) if is_valid(standard) else (structure, found)


def cif_text(structure: Structure) -> str:
    """Return a CIF with the symmetry's operations, or of the bare cell where that would read back as another crystal.

    The cell is symmetrised already, so the tolerance here is only rounding.
    """
    try:
        text = str(CifWriter(structure, symprec=ROUNDING))
        if structure_of(text).composition.reduced_formula == structure.composition.reduced_formula:
            return text
    except (ValueError, TypeError):  # spglib finds no symmetry, or the parser no structure
        pass
    return str(CifWriter(structure))


def closeness(structure: Structure) -> float:
    """Return the smallest ratio of the distance of two sites to the sum of their atomic radii; about 1 in a crystal."""
    radii = np.array([float(site.specie.atomic_radius or USUAL_RADIUS) for site in structure])
    near = structure.get_neighbor_list(2 * radii.max())
    first, second, _, distances = near
    return float((distances / (radii[first] + radii[second])).min()) if len(distances) else 1.0
