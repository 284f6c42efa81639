"""Lattice lengths from the coordinate channels of a map (F8, F16).

The coordinate channels hold, per axis, the lower corner of each voxel measured from the box's lower
corner: on a perfect grid 0, 1.5 a/G, 2 x 1.5 a/G, .. up to 1.5 a (G - 1)/G.
"""

import numpy as np

from data_prep.box import BOX


def lattice_least_squares(coordinates: np.ndarray) -> np.ndarray:
    """Return the cell lengths (..., 3) in Å as the slope of each channel along its own axis.

    ``coordinates`` (..., G, G, G, 3) in Å; all G^3 voxels of a channel are used (F16).
    """
    grid = coordinates.shape[-2]
    index = np.arange(grid) - (grid - 1) / 2
    profiles = np.stack([_profile(coordinates, axis) for axis in range(3)], axis=-2)  # (..., 3, G)
    steps = profiles @ (index / np.sum(index**2))
    return steps * grid / BOX


def lattice_minmax(coordinates: np.ndarray) -> np.ndarray:
    """Return the cell lengths (..., 3) in Å by the release's formula, for comparison.

    (maximum - minimum of the channel) / 1.5 / (1 - 1/G), minus 1/G of it: 1/G too small on a perfect
    grid, nearer to the truth if a decoder overshoots (F16).
    """
    grid = coordinates.shape[-2]
    extent = coordinates.max(axis=(-4, -3, -2)) - coordinates.min(axis=(-4, -3, -2))
    lengths = extent.astype(np.float64) / BOX / (1 - 1 / grid)
    return lengths * (1 - 1 / grid)


def _profile(coordinates: np.ndarray, axis: int) -> np.ndarray:
    """Mean of channel ``axis`` over the two other axes, (..., G)."""
    channel = coordinates[..., axis]
    others = tuple(other - 3 for other in range(3) if other != axis)
    return channel.mean(axis=others, dtype=np.float64)
