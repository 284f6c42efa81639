"""Crystals read from CIFs, and whether two of one formula are the same."""

import warnings

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

TOLERANCES = {"ltol": 0.3, "stol": 0.5, "angle_tol": 10.0}  # those of CDVAE's benchmark; volumes are scaled
_MATCHER = StructureMatcher(primitive_cell=False, **TOLERANCES)


def structure_of(cif: str, primitive: bool = False) -> Structure:
    """Return the structure of a CIF's text, without the parser's remarks on rounding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Structure.from_str(cif, fmt="cif", primitive=primitive)


def matches(one: Structure, other: Structure) -> bool:
    """Return whether two structures of one formula are the same but for ``TOLERANCES``."""
    return reduced_match(reduced(one), reduced(other))


def reduced(structure: Structure) -> Structure:
    """Return the Niggli cell of the primitive structure: done once, it makes comparing five times quicker."""
    return structure.get_primitive_structure().get_reduced_structure()


def reduced_match(one: Structure, other: Structure) -> bool:
    """Return whether two structures that ``reduced`` gave match."""
    return bool(_MATCHER.fit(one, other, skip_structure_reduction=True))
