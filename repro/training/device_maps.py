"""Maps drawn by ``keras.ops`` where the network computes: a large card takes more of them than processors draw.

The maps are those of ``data_prep.voxelize``, in float32: a relative error below 1e-5 in the density, the same
species map. Everything is done site by site with exact products of single numbers; a matrix product would be
rounded to ten bits on a card that computes them so. B crystals, S sites with padding behind them, G grid edge.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from data_prep.box import BOX, GAUSSIAN_INTEGRAL, MARGIN
from repro.training.feeds import ERROR_WIDTH

TIE = 1e-5  # Å^2, in float32: a voxel as near to two sites belongs to the one listed first
ERROR_REACH = 6  # voxels: four widths, as SciPy cuts a Gaussian


class Crystals(NamedTuple):
    """What describes B crystals: ``numbers`` (B, S) int, 0 for padding; ``sites`` (B, S, 3), fractional coordinates
    shifted to the origin (``data_prep.box.shift_to_origin``), in float32; ``lengths`` (B, 3) in Å.
    """

    numbers: keras.KerasTensor
    sites: keras.KerasTensor
    lengths: keras.KerasTensor


class Turns(NamedTuple):
    """Rotations of B maps as arrays (``data_prep.rotations``): ``axes`` (B, 3) int and ``flips`` (B, 3) bool."""

    axes: keras.KerasTensor
    flips: keras.KerasTensor


class Lines(NamedTuple):
    """What maps are products and sums of, the rotations applied: ``offsets`` (B, S, 3, G), from each site to the
    voxels' centres along each axis, and ``corners`` (B, 3, G), both in Å; ``axes`` (B, 3), of the cell, now here.
    """

    offsets: keras.KerasTensor
    corners: keras.KerasTensor
    axes: keras.KerasTensor


def lines_of(crystals: Crystals, grid: int, turns: Turns | None = None) -> Lines:
    """Return the lines that the maps of crystals are drawn from (F3, F4, F8), rotated by ``turns``."""
    lengths = crystals.lengths
    placed = _tensor(-MARGIN + BOX * (np.arange(grid) + 0.5) / grid)  # in cell lengths, exact in float32
    offsets = (placed - ops.expand_dims(crystals.sites, -1)) * ops.reshape(lengths, (-1, 1, 3, 1))
    corners = ops.expand_dims(lengths, -1) * _tensor(BOX * np.arange(grid) / grid)
    if turns is None:
        return Lines(offsets, corners, ops.broadcast_to(ops.arange(3), ops.shape(lengths)))
    return Lines(_turned(offsets, turns), _turned(ops.expand_dims(corners, 1), turns)[:, 0], turns.axes)


def _turned(lines, turns: Turns):
    """Return lines (B, S, 3, G) in another order of the axes, backwards where flipped, by products with 0 and 1."""
    chosen = ops.cast(ops.one_hot(turns.axes, 3), "float32")  # (B, 3 new, 3 old)
    turned = sum(
        ops.reshape(chosen[:, :, old], (-1, 1, 3, 1)) * lines[:, :, old : old + 1] for old in range(3)
    )  # (B, S, 3, G)
    return ops.where(ops.reshape(turns.flips, (-1, 1, 3, 1)), ops.flip(turned, axis=-1), turned)


def draw_density(numbers, lines: Lines, radii: np.ndarray):
    """Return the density (B, G, G, G) in electrons/Å^3 as ``voxelize`` draws it (F5); ``radii`` (95,) in Å."""
    widths = np.where(np.isfinite(radii), radii, 1.0)
    peaks = np.arange(len(radii)) / (GAUSSIAN_INTEGRAL * widths**3)  # 0 for the padding
    factors = ops.exp(-0.5 * ops.square(lines.offsets / _of_each(numbers, widths)[..., None, None]))  # (B, S, 3, G)
    along_x = factors[:, :, 0] * _of_each(numbers, peaks)[..., None]
    return sum(
        _along(along_x[:, site], 0) * _along(factors[:, site, 1], 1) * _along(factors[:, site, 2], 2)
        for site in range(numbers.shape[1])
    )


def draw_species(numbers, lines: Lines, radii: np.ndarray):
    """Return the species map (B, G, G, G) int32 as ``voxelize`` draws it (F7): the nearest site within its radius."""
    limit = _of_each(numbers, np.where(np.isfinite(radii), np.square(radii), 0.0))[..., None, None, None]
    labels = ops.cast(numbers, "int32")[..., None, None, None]
    squares = ops.square(lines.offsets)
    species, nearest = 0, np.float32(np.inf)
    for site in range(numbers.shape[1]):
        distance = _along(squares[:, site, 0], 0) + _along(squares[:, site, 1], 1) + _along(squares[:, site, 2], 2)
        nearer = ops.logical_and(distance < limit[:, site], distance < nearest - TIE)
        species = ops.where(nearer, labels[:, site], species)
        nearest = ops.where(nearer, distance, nearest)
    return species


def draw_coordinates(lines: Lines):
    """Return the coordinate channels (B, G, G, G, 3) in Å as ``coordinate_grid`` does (F8)."""
    channels = []
    for channel in range(3):
        here = ops.cast(ops.equal(lines.axes, channel), "float32")[..., None] * lines.corners  # one of three not zero
        channels.append(sum(_along(here[:, axis], axis) for axis in range(3)))
    return ops.stack(channels, axis=-1)


def _of_each(numbers, table: np.ndarray):
    """Return what a table (95,) has for each site, (B, S) float32."""
    return ops.take(_tensor(table), ops.cast(numbers, "int32"))


def _tensor(array: np.ndarray):
    return ops.convert_to_tensor(array.astype(np.float32))


def _along(line, axis: int):
    """Return lines (B, G) as (B, G, 1, 1), (B, 1, G, 1) or (B, 1, 1, G)."""
    shape = [1, 1, 1]
    shape[axis] = line.shape[-1]
    return ops.reshape(line, (-1, *shape))


def smooth_errors(noise, density, size):
    """Return a density (B, G, G, G) with the smooth errors of ``feeds.with_errors``, given white noise of its shape.

    ``size`` (B,).
    """
    grid = density.shape[-1]
    smoothing = _tensor(_circulant(grid))
    for _ in range(3):  # along each axis in turn; three turns of the axes are none
        noise = ops.transpose(ops.matmul(noise, smoothing), (0, 3, 1, 2))
    smooth = noise / ops.std(noise, axis=(1, 2, 3), keepdims=True)
    error = ops.reshape(size, (-1, 1, 1, 1)) * (0.02 + 0.3 * density) * smooth
    return ops.maximum(density + error, 0.0)


def _circulant(grid: int) -> np.ndarray:
    """Return the matrix (G, G) that smooths a periodic line by a Gaussian of ``ERROR_WIDTH``."""
    reach = np.arange(-ERROR_REACH, ERROR_REACH + 1)
    weights = np.exp(-0.5 * (reach / ERROR_WIDTH) ** 2)
    matrix = np.zeros((grid, grid))
    for step, weight in zip(reach, weights / weights.sum(), strict=True):
        matrix[np.arange(grid), (np.arange(grid) + step) % grid] += weight
    return matrix


class MapDrawing(layers.Layer):
    """Draws the maps of crystals with rotations and errors: the way from ``CrystalFeed`` to a network.

    ``radii`` (95,) in Å; ``labels`` adds what a UNet learns; ``errors`` those of a decoder, in training.
    """

    def __init__(self, radii: np.ndarray, grid: int, labels: bool, errors: bool, seed: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.radii, self.grid = np.asarray(radii, dtype=np.float64), grid
        self.labels, self.errors = labels, errors
        self.seed_generator = keras.random.SeedGenerator(seed)

    def save_own_variables(self, store):
        """Save the state of the noise, so that a resumed training draws what an undisturbed one would."""
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        """Load the state of the noise."""
        self.seed_generator.state.assign(store["seed_state"])

    def call(self, inputs: dict, training: bool | None = None) -> dict:
        """Return ``maps`` (B, G, G, G, 4), and with labels ``species`` (B, G, G, G) int32 and ``occupied`` (.., 1).

        ``inputs`` has the fields of ``Crystals`` and ``Turns``, and ``error`` (B,), the size of each map's errors.
        """
        crystals, turns = (kind(*(inputs[name] for name in kind._fields)) for kind in (Crystals, Turns))
        lines = lines_of(crystals, self.grid, turns)
        density = draw_density(crystals.numbers, lines, self.radii)
        if self.errors and training:
            noise = keras.random.normal(ops.shape(density), seed=self.seed_generator)
            density = smooth_errors(noise, density, inputs["error"])
        drawn = {"maps": ops.concatenate([density[..., None], draw_coordinates(lines)], axis=-1)}
        if self.labels:
            species = draw_species(crystals.numbers, lines, self.radii)
            drawn |= {"species": species, "occupied": ops.cast(species > 0, "float32")[..., None]}
        return drawn
