"""Structures as the text of a CIF, and back."""

import warnings

from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

ROUNDING = 0.001  # Å


def structure_of(cif: str, primitive: bool = False) -> Structure:
    """Return the structure of a CIF's text, without the parser's warnings about rounding.

    For CIFs that this project wrote; those of a user are read by ``sources.cif_structures.cif_frames``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Structure.from_str(cif, fmt="cif", primitive=primitive)


def cif_text(structure: Structure) -> str:
    """Return a CIF with symmetry operations, or with all sites in P1 if the former would read back as another crystal.

    The cell is symmetrised already, so the tolerance here covers rounding only.
    """
    try:
        text = str(CifWriter(structure, symprec=ROUNDING))
        if structure_of(text).composition.reduced_formula == structure.composition.reduced_formula:
            return text
    except (ValueError, TypeError):  # spglib finds no symmetry, or the parser no structure
        pass
    return str(CifWriter(structure))
