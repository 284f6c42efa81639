"""The symmetry of a decoded structure, whose sites are slightly off their ideal positions."""

from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.structures.validity import is_valid

SYMMETRY_TOLERANCE = 0.2  # Å: a decoded site is off by about 0.1. Deposited cells: ``quarantine.SYMPREC``


def symmetrised(structure: Structure) -> tuple[Structure, int | None]:
    """Return the standard primitive cell of the symmetry found within 0.2 Å, and its space group.

    The structure stays as it is if spglib finds no symmetry (None), or if the standard cell is not valid.
    """
    try:
        analyzer = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
        standard = analyzer.get_primitive_standard_structure()
    except (ValueError, TypeError):  # spglib finds no symmetry
        return structure, None
    found = int(analyzer.get_space_group_number())
    return (standard, found) if is_valid(standard) else (structure, found)
