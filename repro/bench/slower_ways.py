"""Slower ways to voxelise and to store a crystal, with which this project's are compared in the same run.

Each ``.._maps`` takes the arguments of ``voxelize`` and returns the same two maps (F5, F7).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from data_prep.box import GAUSSIAN_INTEGRAL, box_positions, coordinate_grid, voxel_centres
from data_prep.voxelize import TIE

RELEASED_COPIES = 11  # F9: a file for the structure and for each of its ten rotated copies


def per_voxel_maps(
    numbers: np.ndarray, fractional: np.ndarray, lengths: np.ndarray, radii: np.ndarray, grid: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps as the release computes them: all distances, then a Python loop over voxels and sites.

    The release assigns a voxel within reach of several sites to the nearest of *all* sites; here, as
    in ``voxelize``, it is assigned to the nearest of those within reach (F7).
    """
    positions, widths = box_positions(fractional, lengths), radii[numbers]
    distances = cdist(_points(lengths, grid), positions)  # (G^3, n)
    assigned = np.zeros(distances.shape)
    for voxel, row in enumerate(distances):
        for site, _ in enumerate(row):
            if distances[voxel, site] < widths[site]:
                if sum(assigned[voxel, :]) > 0:
                    only = np.zeros(len(row))
                    only[_nearest(row**2, widths)] = 1
                    assigned[voxel, :] = only
                else:
                    assigned[voxel, site] = 1
    density = np.exp(-(distances**2) / (2 * widths**2)) @ (numbers / (GAUSSIAN_INTEGRAL * widths**3))
    return density.reshape((grid,) * 3), (assigned @ numbers).reshape((grid,) * 3).astype(np.uint8)


def _nearest(squared, widths):
    """Return the index of the nearest site (last axis) within its width, the first listed of equally near ones."""
    inside = np.where(squared < widths**2, squared, np.inf)
    return np.argmax(inside <= inside.min(axis=-1, keepdims=True) + TIE, axis=-1)


def cdist_maps(
    numbers: np.ndarray, fractional: np.ndarray, lengths: np.ndarray, radii: np.ndarray, grid: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps from all distances at once, without a Python loop; the cost grows with voxels times sites."""
    positions, widths = box_positions(fractional, lengths), radii[numbers]
    squared = cdist(_points(lengths, grid), positions, "sqeuclidean")  # (G^3, n)
    density = np.exp(-squared / (2 * widths**2)) @ (numbers / (GAUSSIAN_INTEGRAL * widths**3))
    occupied = (squared < widths**2).any(axis=1)
    species = np.where(occupied, numbers[_nearest(squared, widths)], 0)
    return density.reshape((grid,) * 3), species.reshape((grid,) * 3).astype(np.uint8)


def separable_maps(
    numbers: np.ndarray, fractional: np.ndarray, lengths: np.ndarray, radii: np.ndarray, grid: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps from separable Gaussians in NumPy alone: one matrix product, and a window per site."""
    positions, widths = box_positions(fractional, lengths), radii[numbers]
    centres = [voxel_centres(length, grid) for length in lengths]
    squared = [(centres[axis] - positions[:, axis, None]) ** 2 for axis in range(3)]  # 3 of (n, G)
    x, y, z = (np.exp(-part / (2 * widths[:, None] ** 2)) for part in squared)
    x *= (numbers / (GAUSSIAN_INTEGRAL * widths**3))[:, None]
    planes = (y[:, :, None] * z[:, None, :]).reshape(len(numbers), -1)
    density = (x.T @ planes).reshape((grid,) * 3)

    species = np.zeros((grid,) * 3, dtype=np.uint8)
    nearest = np.full((grid,) * 3, np.inf)
    for site, width in enumerate(widths):
        near = [np.flatnonzero(part[site] < width**2) for part in squared]
        window = np.ix_(*near)
        x2, y2, z2 = (part[site][inside] for part, inside in zip(squared, near, strict=True))
        found = x2[:, None, None] + y2[:, None] + z2
        closer = (found < width**2) & (found < nearest[window] - TIE)
        nearest[window] = np.where(closer, found, nearest[window])
        species[window] = np.where(closer, numbers[site], species[window])
    return density, species


def _points(lengths, grid):
    """Return all voxel centres (G^3, 3) in Å."""
    axes = np.meshgrid(*(voxel_centres(length, grid) for length in lengths), indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, 3)


def write_released_files(folder: Path, name: str, density: np.ndarray, species: np.ndarray, lengths: np.ndarray) -> int:
    """Write a structure as the release stores it, float64 arrays for each of 11 copies; return the bytes.

    The copies are not rotated here, because only their number and size matter.
    """
    maps = {"density": density, "species": species, "coordinates": coordinate_grid(lengths, len(density))}
    paths = [(folder / f"{name}-{copy}-{kind}.npy", kind) for copy in range(RELEASED_COPIES) for kind in maps]
    for path, kind in paths:
        np.save(path, maps[kind].astype(np.float64))
    return sum(path.stat().st_size for path, _ in paths)


def read_released_batch(folder: Path, samples: Sequence[tuple[str, int]]) -> np.ndarray:
    """Return the networks' input (B, G, G, G, 4) float32 of (structure, copy) ``samples`` from such files."""
    batch = []
    for name, copy in samples:
        density, coordinates = (np.load(folder / f"{name}-{copy}-{kind}.npy") for kind in ("density", "coordinates"))
        batch.append(np.concatenate([density[..., None], coordinates], axis=-1))
    return np.stack(batch).astype(np.float32)
