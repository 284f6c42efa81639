"""Whether the atoms of a structure are too close to each other."""

import itertools

import numpy as np
from pymatgen.core import Structure

CROWDED = 0.7  # least ``closeness`` of a crystal: the networks were trained on none with closer atoms
USUAL_RADIUS = 1.5  # Å, for elements without an atomic radius
CDVAE_DISTANCE, CDVAE_VOLUME = 0.5, 0.1  # Å, Å³: least ones of a structure that CDVAE's protocol calls valid


def is_valid(structure: Structure, tolerance: float = 0.5) -> bool:
    """Return whether all sites are more than ``tolerance`` Å apart, as pymatgen defines it (Generation; F25)."""
    return bool(structure.is_valid(tol=tolerance))


def cdvae_fault(structure: Structure) -> str:
    """Return why CDVAE's protocol does not call a structure valid, in words; "" if it does.

    Distances are those between different sites; a site and its own images are not looked at.
    """
    distances = _between_sites(structure)
    if len(distances) and distances.min() < CDVAE_DISTANCE:
        return f"two sites are {distances.min():.2f} Å apart, at least {CDVAE_DISTANCE} Å are asked for"
    if structure.volume < CDVAE_VOLUME:
        return f"the cell has {structure.volume:.3f} Å³, at least {CDVAE_VOLUME} Å³ are asked for"
    return ""


def _between_sites(structure: Structure) -> np.ndarray:
    """Return the distances (n (n - 1),) in Å between different sites, each pair twice."""
    return structure.distance_matrix[~np.eye(len(structure), dtype=bool)]


def smallest_distance(structure: Structure) -> float:
    """Return the shortest distance in Å between two sites, periodic images of the same site included."""
    steps = np.array([step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)])
    images = np.linalg.norm(steps @ structure.lattice.get_niggli_reduced_lattice().matrix, axis=1)
    return float(min([*_between_sites(structure), images.min()]))


def closeness(structure: Structure) -> float:
    """Return the smallest ratio of the distance of two sites to the sum of their atomic radii; about 1 in a crystal."""
    radii = np.array([float(site.specie.atomic_radius or USUAL_RADIUS) for site in structure])
    first, second, _, distances = structure.get_neighbor_list(2 * radii.max())
    return float((distances / (radii[first] + radii[second])).min()) if len(distances) else 1.0
