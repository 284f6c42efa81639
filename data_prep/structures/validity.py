"""Whether the atoms of a structure are too close to each other."""

import itertools

import numpy as np
from pymatgen.core import Structure

CROWDED = 0.7  # least ``closeness`` of a crystal: the networks were trained on none with closer atoms
USUAL_RADIUS = 1.5  # Å, for elements without an atomic radius


def is_valid(structure: Structure, tolerance: float = 0.5) -> bool:
    """Return whether all sites are more than ``tolerance`` Å apart, as pymatgen defines it (Generation; F25)."""
    return bool(structure.is_valid(tol=tolerance))


def smallest_distance(structure: Structure) -> float:
    """Return the shortest distance in Å between two sites, periodic images of the same site included."""
    distances = structure.distance_matrix
    others = distances[~np.eye(len(structure), dtype=bool)]
    steps = np.array([step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)])
    images = np.linalg.norm(steps @ structure.lattice.get_niggli_reduced_lattice().matrix, axis=1)
    return float(min([*others, images.min()]))


def closeness(structure: Structure) -> float:
    """Return the smallest ratio of the distance of two sites to the sum of their atomic radii; about 1 in a crystal."""
    radii = np.array([float(site.specie.atomic_radius or USUAL_RADIUS) for site in structure])
    first, second, _, distances = structure.get_neighbor_list(2 * radii.max())
    return float((distances / (radii[first] + radii[second])).min()) if len(distances) else 1.0
