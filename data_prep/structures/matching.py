"""Whether two structures of one formula are the same."""

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

TOLERANCES = {"ltol": 0.3, "stol": 0.5, "angle_tol": 10.0}  # those of CDVAE's benchmark; volumes are scaled
_MATCHER = StructureMatcher(primitive_cell=False, **TOLERANCES)


def matches(one: Structure, other: Structure) -> bool:
    """Return whether two structures of one formula are the same within ``TOLERANCES``."""
    return reduced_match(reduced(one), reduced(other))


def reduced(structure: Structure) -> Structure:
    """Return the Niggli cell of the primitive structure; reducing once makes many comparisons five times faster."""
    return structure.get_primitive_structure().get_reduced_structure()


def reduced_match(one: Structure, other: Structure) -> bool:
    """Return whether two structures match that ``reduced`` returned."""
    return bool(_MATCHER.fit(one, other, skip_structure_reduction=True))


def reduced_distance(one: Structure, other: Structure) -> float | None:
    """Return how far the sites of two structures that ``reduced`` returned are apart, None if they do not match.

    The root mean square over the sites, in units of (volume / sites)^(1/3), after the best superposition.
    """
    found = _MATCHER.get_rms_dist(one, other)
    return None if found is None else float(found[0])
