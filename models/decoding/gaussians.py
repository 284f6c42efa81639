"""A sum of isotropic Gaussians on an orthogonal grid, and the derivatives a least-squares fit needs.

Each Gaussian is a product of three one-dimensional factors, so the gradient and the Gauss-Newton matrix
over *all* voxels follow from one-dimensional tables: an iteration takes a millisecond or two, and no
voxels have to be selected.

A Gaussian is a row (ln amplitude, ln width, x, y, z): electrons/Å^3, Å, and Å in the boxed frame.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data_prep.box import voxel_positions

LN_AMPLITUDE, LN_WIDTH, POSITION = 0, 1, slice(2, 5)

# The derivatives of A ex ey ez as products of one-dimensional factors: 0 is e, 1 is de/dx, 2 is
# the axis' share of de/d(ln width). Seven products; _FOLD sums them to the five parameters.
_FACTORS = np.array([[0, 1, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 2, 0], [0, 0, 0, 1, 0, 0, 2]])
_FOLD = np.array(
    [
        [1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
    ],
    dtype=np.float64,
)


def voxel_axes(grid: int, edges: np.ndarray) -> list[np.ndarray]:
    """Return the voxel centres along each axis, three (G,) in Å, for voxel ``edges`` (3,) in Å (F4)."""
    centres = voxel_positions(np.arange(grid)[:, None], np.asarray(edges), grid)
    return [centres[:, axis] for axis in range(3)]


@dataclass(frozen=True)
class Factors:
    """The one-dimensional factors of Gaussians ``rows`` (n, 5) along the ``axes``, computed once for all that is asked.

    ``along`` (3, 3, n, G) by axis: the factor e of each Gaussian and its two derivatives.
    """

    rows: np.ndarray
    along: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, axes: list[np.ndarray]) -> "Factors":
        """Return those at the voxel centres ``axes``, three (G,) in Å."""
        width = np.exp(rows[:, LN_WIDTH, None])
        offset = (np.stack(axes)[:, None] - rows[:, POSITION].T[:, :, None]) / width  # (3, n, G)
        square = offset**2
        value = np.exp(-0.5 * square)
        return cls(rows, np.stack([value, value * offset / width, value * square], axis=1))

    @cached_property
    def products(self) -> list[np.ndarray]:
        """Per axis, the factors of the seven derivative products of every Gaussian, (n * 7, G)."""
        g = self.along.shape[-1]
        return [self.along[axis][_FACTORS[axis]].swapaxes(0, 1).reshape(-1, g) for axis in range(3)]

    def density(self) -> np.ndarray:
        """Return the density (G, G, G) in electrons/Å^3."""
        x, y, z = self.along[:, 0]
        planes = (y[:, :, None] * z[:, None, :]).reshape(len(self.rows), -1)
        return ((np.exp(self.rows[:, :1]) * x).T @ planes).reshape([self.along.shape[-1]] * 3)

    def gradient(self, error: np.ndarray) -> np.ndarray:
        """Return the derivative of half the sum of squared errors with respect to the flattened rows, (5 n,).

        ``error`` (G, G, G) is ``density()`` minus the density that is fitted.
        """
        (x, y, z), g, n = self.along, len(error), len(self.rows)
        along_z = (error.reshape(-1, g) @ z.reshape(-1, g).T).reshape(g, g, 3, n).transpose(3, 2, 0, 1)
        along_yz = along_z @ y.transpose(1, 2, 0)[:, None]  # (n, 3 of z, G, 3 of y)
        every = x.transpose(1, 0, 2)[:, None] @ along_yz  # (n, 3 of z, 3 of x, 3 of y)
        products = every[:, _FACTORS[2], _FACTORS[0], _FACTORS[1]]
        return (np.exp(self.rows[:, :1]) * (products @ _FOLD.T)).ravel()

    def normal_matrix(self) -> np.ndarray:
        """Return the Gauss-Newton matrix J^T J of the fit, (5 n, 5 n): inner products factor over the axes."""
        x, y, z = self.products
        n = len(self.rows)
        overlaps = (x @ x.T) * (y @ y.T) * (z @ z.T)  # (7 n, 7 n)
        folded = _FOLD @ overlaps.reshape(n, 7, 7 * n)
        folded = (folded.reshape(5 * n, n, 7) @ _FOLD.T).reshape(5 * n, 5 * n)
        amplitude = np.repeat(np.exp(self.rows[:, LN_AMPLITUDE]), 5)
        return amplitude[:, None] * folded * amplitude


def density_of(rows: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Return the density (G, G, G) of Gaussians (n, 5) at the voxel centres ``axes``, three (G,) in Å."""
    return Factors.of(rows, axes).density()
