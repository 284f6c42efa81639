"""The box around a cell and the geometry of its voxels (Methods; F2 to F4, F8).

The box is orthogonal, whatever the angles of the cell, and extends beyond it by a quarter of its length on each side.
"""

import numpy as np

MARGIN = 0.25  # F4: the box reaches from -0.25 a to 1.25 a along each axis
BOX = 1 + 2 * MARGIN  # box edge in units of the cell length
GAUSSIAN_INTEGRAL = (2 * np.pi) ** 1.5  # of a Gaussian of unit amplitude and width (F5)


def shift_to_origin(fractional: np.ndarray) -> np.ndarray:
    """Shift wrapped fractional coordinates (n, 3) so that the minimum along each axis is 0 (F3)."""
    return fractional - fractional.min(axis=0)


def box_positions(fractional: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the sites (n, 3) in Å in the boxed frame: shifted, times (a, b, c), angles ignored (F2, F3)."""
    return shift_to_origin(fractional) * lengths


def voxel_edges(lengths: np.ndarray, grid: int) -> np.ndarray:
    """Return the voxel edges (..., 3) in Å: the box of 1.5 cell lengths in ``grid`` voxels (F4)."""
    return np.asarray(lengths, dtype=np.float64) * BOX / grid


def voxel_centres(length: float, grid: int) -> np.ndarray:
    """Return the voxel centres (grid,) in Å along one axis: lower corner plus half a voxel (F4)."""
    edge = length * BOX / grid
    return -MARGIN * length + edge * (np.arange(grid) + 0.5)


def voxel_positions(index: np.ndarray, edges: np.ndarray, grid: int) -> np.ndarray:
    """Return the boxed-frame positions (n, 3) in Å of fractional voxel indices (n, 3).

    Index 0 is the centre of the first voxel: lower corner of the box plus half a voxel (F4).
    """
    corner = -MARGIN / BOX * grid * np.asarray(edges)
    return corner + (np.asarray(index) + 0.5) * edges


def coordinate_grid(lengths: np.ndarray, grid: int) -> np.ndarray:
    """Return the coordinate channels C, (..., grid, grid, grid, 3) float32 in Å, of cells (..., 3).

    Per axis ``linspace(0, 1.5 a, grid + 1)[:-1]``: lower corners, starting at 0 (F8).
    """
    steps = voxel_edges(lengths, grid)[..., None, :] * np.arange(grid)[:, None]  # (..., G, 3)
    grid_shape = (*steps.shape[:-2], grid, grid, grid, 3)
    coordinates = np.empty(grid_shape, dtype=np.float32)
    coordinates[..., 0] = steps[..., :, None, None, 0]
    coordinates[..., 1] = steps[..., None, :, None, 1]
    coordinates[..., 2] = steps[..., None, None, :, 2]
    return coordinates
