"""The true maps of a crystal, as tests of the decoding need them."""

import numpy as np

from data_prep.box import box_positions, coordinate_grid, voxel_edges
from data_prep.crystal import Crystal
from data_prep.elements import ionic_radii
from data_prep.voxelize import voxelize

RADII = ionic_radii()


def maps(crystal: Crystal, grid: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return density (G, G, G), coordinates (G, G, G, 3) in Å and species (G, G, G)."""
    density, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, RADII, grid)
    return density, coordinate_grid(crystal.lengths, grid), species


def density_and_sites(
    crystal: Crystal, grid: int = 32, radii: np.ndarray = RADII
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return density (G, G, G), voxel edges (3,) in Å and the true sites (n, 3) in Å in the boxed frame."""
    density, _ = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, radii, grid)
    return density, voxel_edges(crystal.lengths, grid), box_positions(crystal.fractional, crystal.lengths)
