"""From a crystal to its maps: electron density, species, Cartesian coordinates (Methods; F2 to F8).

The box is orthogonal, so that a Gaussian is a product of three one-dimensional ones and a site costs
three exponentials per plane instead of one per voxel.
"""

import numpy as np
from numba import njit

from data_prep.box import GAUSSIAN_INTEGRAL, box_positions, coordinate_grid, voxel_centres

TIE = 1e-9  # Å^2: a voxel equally near to two sites belongs to the one listed first


def voxelize(
    numbers: np.ndarray, fractional: np.ndarray, lengths: np.ndarray, radii: np.ndarray, grid: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the density map (grid,)*3 float64 in electrons/Å^3 and the species map (grid,)*3 uint8.

    ``numbers`` (n,), wrapped ``fractional`` (n, 3), ``lengths`` (3,) in Å, ``radii`` (95,) in Å
    indexed by Z. Density: sum of Z / ((2 pi)^1.5 r^3) exp(-d^2 / 2 r^2) at the voxel centres
    (Methods; F5). Species: Z of the nearest site among those with d < r, else 0 (Methods; F7); a
    voxel equally near to two sites takes the one listed first. No periodic images (F3).
    """
    positions = box_positions(fractional, lengths)
    widths = radii[numbers]
    centres = np.stack([voxel_centres(length, grid) for length in lengths])  # (3, G)
    density = _density(numbers, positions, widths, centres)
    species = np.zeros((grid, grid, grid), dtype=np.uint8)
    _label_nearest(species, np.asarray(numbers, dtype=np.uint8), positions, widths, centres)
    return density, species


def input_maps(density: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the networks' input (G, G, G, 4) float32: density, Cx, Cy, Cz, not normalised (F8)."""
    maps = np.empty((*density.shape, 4), dtype=np.float32)
    maps[..., 0] = density
    maps[..., 1:] = coordinate_grid(lengths, density.shape[0])
    return maps


def _density(numbers: np.ndarray, positions: np.ndarray, widths: np.ndarray, centres: np.ndarray) -> np.ndarray:
    offsets = centres[None] - positions[:, :, None]  # (n, 3, G)
    factors = np.exp(-(offsets**2) / (2 * widths[:, None, None] ** 2))
    factors[:, 0] *= (numbers / (GAUSSIAN_INTEGRAL * widths**3))[:, None]
    return _sum_of_products(factors)


@njit(cache=True)
def _sum_of_products(factors):  # pragma: no cover (compiled)
    """Return sum over n of x_n(i) y_n(j) z_n(k) from ``factors`` (n, 3, G)."""
    sites, _, grid = factors.shape
    total = np.zeros((grid, grid, grid), dtype=np.float64)
    for i in range(grid):
        for site in range(sites):
            for j in range(grid):
                xy = factors[site, 0, i] * factors[site, 1, j]
                for k in range(grid):
                    total[i, j, k] += xy * factors[site, 2, k]
    return total


@njit(cache=True)
def _label_nearest(species, numbers, positions, widths, centres):  # pragma: no cover (compiled)
    """Fill ``species`` in place, visiting only the window of one radius around each site."""
    grid = centres.shape[1]
    nearest = np.full((grid, grid, grid), np.inf, dtype=np.float64)
    for site in range(len(numbers)):
        low = np.empty(3, dtype=np.int64)
        high = np.empty(3, dtype=np.int64)
        for axis in range(3):
            start, edge = centres[axis, 0], centres[axis, 1] - centres[axis, 0]
            low[axis] = max(0, int(np.floor((positions[site, axis] - widths[site] - start) / edge)))
            high[axis] = min(grid, int(np.ceil((positions[site, axis] + widths[site] - start) / edge)) + 1)
        limit = widths[site] ** 2
        for i in range(low[0], high[0]):
            dx = (centres[0, i] - positions[site, 0]) ** 2
            for j in range(low[1], high[1]):
                dxy = dx + (centres[1, j] - positions[site, 1]) ** 2
                if dxy >= limit:
                    continue
                for k in range(low[2], high[2]):
                    squared = dxy + (centres[2, k] - positions[site, 2]) ** 2
                    if squared < limit and squared < nearest[i, j, k] - TIE:
                        nearest[i, j, k] = squared
                        species[i, j, k] = numbers[site]
