"""Known structure types, held against a map whose composition is known: no fit is needed if one explains it.

A decoded map has errors that a free fit follows: a light atom drifts to wherever the residual of a heavy one is, and
two elements of similar amplitude change places. A structure type leaves neither freedom.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from data_prep.box import voxel_edges
from models.decoding.gaussians import density_of, voxel_axes
from models.decoding.species import AllowedElements


@dataclass(frozen=True)
class StructureType:
    """Sites, and which of them share a species.

    ``sites`` (n, 3) are fractional coordinates in the boxed frame; ``orbits`` (n,) int numbers the species of each
    site from 0, in the order in which they occur.
    """

    sites: np.ndarray
    orbits: np.ndarray


@dataclass(frozen=True)
class Match:
    """The structure type that explains a map best.

    ``numbers`` (n,) and ``cartesian`` (n, 3) in Å in the boxed frame; ``residual`` is the sum of the squared errors
    over all voxels divided by the sum of the squared density.
    """

    numbers: np.ndarray
    cartesian: np.ndarray
    residual: float


def best_match(
    density: np.ndarray,
    lengths: np.ndarray,
    numbers: np.ndarray,
    types: Sequence[StructureType],
    elements: AllowedElements,
) -> Match | None:
    """Return the type, and the species of its sites, whose density is nearest to the map; None if no type fits.

    ``density`` (G, G, G) in electrons/Å^3; cell ``lengths`` (3,) in Å; ``numbers`` (n,) the atomic numbers of all
    sites in any order, all among ``elements``. A type fits if it has as many sites of each species.
    """
    axes = voxel_axes(len(density), voxel_edges(lengths, len(density)))
    power = float(np.sum(np.square(density)))

    def match(numbers: np.ndarray, sites: np.ndarray) -> Match:
        cartesian = sites * lengths
        place = np.searchsorted(elements.numbers, numbers)
        rows = np.column_stack([np.log(elements.amplitudes[place]), np.log(elements.radii[place]), cartesian])
        error = density_of(rows, axes) - density
        return Match(numbers, cartesian, float(np.sum(np.square(error))) / power)

    found = [match(placed, one.sites) for one in types for placed in _placements(numbers, one.orbits)]
    return min(found, key=lambda one: one.residual, default=None)


def _placements(numbers: np.ndarray, orbits: np.ndarray) -> Iterator[np.ndarray]:
    """Yield each way (n,) to give the orbits one species each, with as many sites as ``numbers`` has of it."""
    species, wanted = np.unique(numbers, return_counts=True)
    sizes = np.bincount(orbits)
    if sorted(sizes) != sorted(wanted):
        return
    for order in permutations(range(len(species))):
        if np.array_equal(wanted[list(order)], sizes):
            yield species[list(order)][orbits]
