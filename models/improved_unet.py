"""The UNet that also receives the local Gaussians of a density map (not in the paper; F33, F36).

Every atom is a Gaussian. Close to one atom the logarithm of the density is a parabola, and its
derivatives give the Gaussian's width, its height and the distance to its centre:

    u = ln rho = ln A - d^2 / (2 r^2),   r^2 = -3 / laplacian(u),   d^2 / r^2 = r^2 |grad u|^2

Finite differences give these exactly for a single atom. The UNet receives them beside the density and
corrects them for the overlap of atoms; a voxel's element is the one with the nearest amplitude and
radius. So two numbers are regressed, while the paper's network has to learn every element separately.

Shapes are for a 32^3 grid. B batch, G grid edge, E species (95, Z = 0..94).
"""

import keras
import numpy as np
from keras import layers, ops

from data_prep.box import GAUSSIAN_INTEGRAL
from models.table6 import UNetParameters
from models.unet import unet_features

FLOOR = 0.01  # electrons/Å^3, added to the density before the logarithm: what a decoder leaves between atoms
WIDTHS = (0.15, 3.0)  # Å, range of the radii
MAX_DISTANCE = 8.0  # upper limit of d^2 / r^2: beyond it another atom is nearer
MIN_AMPLITUDE, MAX_AMPLITUDE = -6.0, 5.0  # range of ln A
START_SPREAD = np.log(0.1)  # logarithm of the uncertainty of ln A and ln r before the training
MIN_SPREAD = 0.01  # of ln A and ln r: elements nearer than this are not distinguished


class LocalGaussians(layers.Layer):
    """Compute for every voxel the Gaussian that has the density's derivatives there."""

    def call(self, maps):
        """Return (B, G, G, G, 8) from maps (B, G, G, G, 4): ln A, ln r, d^2/r^2, ln density, d/r (3), ln voxel edge.

        Amplitudes in electrons/Å^3, lengths in Å.
        """
        u = ops.log(ops.maximum(maps[..., :1], 0.0) + FLOOR)  # (B, G, G, G, 1)
        edges = [_edge(maps[..., 1:], axis) for axis in (1, 2, 3)]  # (B, 1, 1, 1, 1) each
        slopes, curvatures = zip(*(_derivatives(u, axis, edges[axis - 1]) for axis in (1, 2, 3)), strict=True)
        low, high = WIDTHS
        inverse_square = ops.clip(-sum(curvatures) / 3.0, high**-2, low**-2)  # 1 / r^2
        radius = 1.0 / ops.sqrt(inverse_square)
        distance = ops.minimum(sum(ops.square(slope) for slope in slopes) / inverse_square, MAX_DISTANCE)
        amplitude = ops.clip(u + distance / 2.0, MIN_AMPLITUDE, MAX_AMPLITUDE)
        towards = [ops.clip(slope * radius, -3.0, 3.0) for slope in slopes]
        spacing = ops.broadcast_to(ops.log(sum(edges) / 3.0), ops.shape(u))
        return ops.concatenate([amplitude, ops.log(radius), distance, u, *towards, spacing], axis=-1)


def _edge(coordinates, axis: int):
    """Return the voxel edge (B, 1, 1, 1, 1) in Å along an axis, after any rotation of the coordinate channels."""
    steps = _part(coordinates, axis, 1, None) - _part(coordinates, axis, 0, -1)
    step = ops.abs(ops.mean(steps, axis=(1, 2, 3)))  # (B, 3)
    return ops.reshape(ops.maximum(ops.sum(step, axis=-1), 1e-2), (-1, 1, 1, 1, 1))


def _derivatives(u, axis: int, edge):
    """Return first and second derivative of u (B, G, G, G, 1) along an axis; outside the box u is constant."""
    before = ops.concatenate([_part(u, axis, 0, 1), _part(u, axis, 0, -1)], axis=axis)
    after = ops.concatenate([_part(u, axis, 1, None), _part(u, axis, -1, None)], axis=axis)
    return (after - before) / (2.0 * edge), (after - 2.0 * u + before) / ops.square(edge)


def _part(array, axis: int, start: int, stop: int | None):
    return array[(slice(None),) * axis + (slice(start, stop),)]


class NearestElement(layers.Layer):
    """Compute the probability of each species from ln amplitude, ln radius, their spreads and the occupancy.

    The table of the elements' ln A and ln r (``radii`` (E,) in Å; F5, F6) is fixed; a bias per element is learned.
    """

    def __init__(self, radii: np.ndarray, **kwargs):
        super().__init__(**kwargs)
        numbers = np.arange(1, len(radii))
        widths = np.asarray(radii, dtype=np.float64)[1:]
        amplitudes = numbers / (GAUSSIAN_INTEGRAL * widths**3)
        self._table = np.log(np.stack([amplitudes, widths])).astype(np.float32)  # (2, E - 1)

    def build(self, gaussians_shape, occupied_shape):
        """Create the bias (E - 1,)."""
        self.bias = self.add_weight(shape=(self._table.shape[1],), initializer="zeros", name="bias")

    def call(self, gaussians, occupied):
        """Return (B, G, G, G, E).

        ``gaussians`` (B, G, G, G, 4) are ln A, ln r and the logarithms of their spreads; ``occupied`` (B, G, G, G, 1)
        is the probability that the voxel belongs to an atom.
        """
        value, weight = gaussians[..., :2], 0.5 / ops.square(ops.exp(gaussians[..., 2:]) + MIN_SPREAD)
        # -w (v - e)^2 = -w v^2 + 2 w v e - w e^2: the first is equal for all elements, one matrix product is the rest.
        terms = ops.concatenate([weight * value, weight], axis=-1)  # (B, G, G, G, 4)
        table = np.concatenate([2.0 * self._table, -np.square(self._table)])  # (4, E - 1)
        score = ops.matmul(terms, ops.convert_to_tensor(table, dtype=terms.dtype)) + self.bias
        return ops.concatenate([1.0 - occupied, occupied * ops.softmax(score, axis=-1)], axis=-1)


def build_improved_unet(parameters: UNetParameters, radii: np.ndarray, grid: int | None = None) -> keras.Model:
    """Return the UNet: maps (B, G, G, G, 4) to ``species`` (B, G, G, G, 95) and ``occupied`` (B, G, G, G, 1).

    As ``build_unet``, except that ``species`` 0 is the probability that the voxel is empty. ``radii`` (95,) in Å.
    """
    maps = layers.Input((grid, grid, grid, 4), name="maps")
    local = LocalGaussians(name="local_gaussians")(maps)  # (B, 32, 32, 32, 8)
    x = unet_features(local, parameters)  # (B, 32, 32, 32, 4 filters)
    start = keras.initializers.Constant([0.0, 0.0, START_SPREAD, START_SPREAD])
    zeros = {"kernel_initializer": "zeros", "bias_initializer": start}
    correction = layers.Conv3D(4, 1, name="correction", **zeros)(x)
    uncorrected = layers.Concatenate(name="padded")([local[..., :2], ops.zeros_like(local[..., :2])])
    gaussians = layers.Add(name="gaussians")([uncorrected, correction])  # (B, 32, 32, 32, 4)
    nearness = layers.Conv3D(1, 1, name="nearness")(x)
    near = ops.minimum(local[..., 2:3], 2.0)
    inside = layers.Rescaling(-2.0, 2.0, name="inside")(near)  # 0 at d = r, the edge of an atom (F7)
    occupied = layers.Activation("sigmoid", name="occupied")(layers.Add(name="occupancy")([nearness, inside]))
    species = NearestElement(radii, name="species")(gaussians, occupied)
    return keras.Model(maps, {"species": species, "occupied": occupied}, name="unet")
