"""The standard primitive cell of a cubic crystal: the same one whatever cell, origin and order of sites it came in.

The networks see a cell, not a crystal: a box along its axes, from its first site (F2, F3). One crystal has infinitely
many primitive cells, and the networks know the one with equal edges and equal angles.
"""

import itertools
import math

import numpy as np
from pymatgen.core import Element, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

CUBIC = range(195, 231)  # international numbers of the cubic space groups
ANGLES = (60.0, 90.0, math.degrees(math.acos(-1 / 3)))  # of face-centred, simple and body-centred cells
SAME_ANGLE = 1.0  # degrees: relaxed cells of cubic crystals deviate by up to 0.4
SAME_LENGTH = 0.02  # of a length: they deviate by up to 0.015
SAME_PLACE = 1e-4  # of a cell length
IDEAL = 0.01  # Å: in the standard cell the sites are at their ideal places

_SIGNED_PERMUTATIONS = [
    np.diag(signs)[list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def has_standard_axes(lengths: np.ndarray, angles: np.ndarray) -> bool:
    """Return whether a cell of ``lengths`` (3,) and ``angles`` (3,) in degrees has the shape of a standard one.

    Its edges are equal, and its angles are all 60 (face-centred), 90 (simple) or 109.47 degrees (body-centred).
    """
    equal = np.ptp(lengths) <= SAME_LENGTH * np.mean(lengths)
    return bool(equal and any(np.all(np.abs(np.asarray(angles) - angle) < SAME_ANGLE) for angle in ANGLES))


def standard_primitive(analyser: SpacegroupAnalyzer) -> Structure:
    """Return the standard primitive cell of the cubic crystal that ``analyser`` examined.

    Axes: half the sums of two cubic axes if the lattice is face-centred (angles of 60 degrees), half the sums of two
    less the third if it is body-centred (109.47 degrees), else the cubic axes. Origin: a site of the rarest element,
    the least electronegative one if several are equally rare. Sites: by electronegativity, then by coordinates. Of
    the cells that differ by a rotation of the lattice or by the site at the origin the one whose coordinates, in this
    order, are smallest; a mirror image only if the crystal is its own. Sites are moved to the symmetry that was found.
    """
    structure = analyser.get_primitive_standard_structure()
    candidates = _candidates(structure)
    order = _element_order(structure)
    labels = _place_labels(candidates)
    keys = np.concatenate([np.broadcast_to(order[:, None], (*labels.shape[:2], 1)), labels], axis=2)
    sorting = [np.lexsort(key.T[::-1]) for key in keys]
    best = min(range(len(keys)), key=lambda one: keys[one][sorting[one]].ravel().tolist())
    species = [structure[int(site)].specie for site in sorting[best]]
    return Structure(structure.lattice, species, candidates[best][sorting[best]])


def _candidates(structure: Structure) -> np.ndarray:
    """Return the coordinates (c, n, 3) of equivalent descriptions, in [0, 1): an origin and a rotation each."""
    symmetry = SpacegroupAnalyzer(structure, symprec=IDEAL).get_symmetry_dataset()
    chiral = all(np.linalg.det(rotation) > 0 for rotation in symmetry.rotations)
    matrix = structure.lattice.matrix
    turns = [
        np.rint(matrix @ turn.T @ np.linalg.inv(matrix))
        for turn in _SIGNED_PERMUTATIONS
        if not chiral or np.linalg.det(turn) > 0
    ]
    origins = {symmetry.equivalent_atoms[site]: site for site in _origin_sites(structure)}  # one of each orbit
    places = structure.frac_coords
    found = np.array([(places - places[origin]) @ turn for origin in origins.values() for turn in turns])
    found -= np.floor(found)
    return np.where(found > 1 - SAME_PLACE, 0.0, found)


def _origin_sites(structure: Structure) -> list[int]:
    counts = structure.composition.element_composition
    rarest = min(counts.values())
    element = min((one for one in counts if counts[one] == rarest), key=electronegativity)
    return [site for site, it in enumerate(structure) if it.specie.symbol == element.symbol]


def electronegativity(element: Element) -> tuple[float, int]:
    """Return Pauling's electronegativity, infinite for the elements that have none, and the atomic number."""
    value = Element(element.symbol).X
    return (value if math.isfinite(value) else math.inf, element.Z)


def _element_order(structure: Structure) -> np.ndarray:
    ranked = sorted(structure.composition.element_composition, key=electronegativity)
    place = {element.symbol: rank for rank, element in enumerate(ranked)}
    return np.array([place[site.specie.symbol] for site in structure])


def _place_labels(coordinates: np.ndarray) -> np.ndarray:
    """Return whole numbers that order the coordinates and are equal for those that differ by rounding alone."""
    values, back = np.unique(coordinates, return_inverse=True)
    return np.cumsum(np.diff(values, prepend=values[0]) > SAME_PLACE)[back].reshape(coordinates.shape)
