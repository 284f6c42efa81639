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


class Maps(NamedTuple):
    """``density`` (B, G, G, G) in electrons/Å^3, ``species`` (B, G, G, G) int32, ``coordinates`` (B, G, G, G, 3)."""

    density: keras.KerasTensor
    species: keras.KerasTensor
    coordinates: keras.KerasTensor


def draw_maps(crystals: Crystals, radii: np.ndarray, grid: int, turns: Turns | None = None) -> Maps:
    """Return the maps of crystals as ``voxelize`` and ``coordinate_grid`` draw them (F3 to F8), each rotated.

    ``radii`` (95,) in Å, indexed by Z.
    """
    numbers, sites, lengths = crystals
    placed = (-MARGIN + BOX * (np.arange(grid) + 0.5) / grid).astype(np.float32)  # in cell lengths, exact in float32
    offsets = (placed - ops.expand_dims(sites, -1)) * ops.reshape(lengths, (-1, 1, 3, 1))  # (B, S, 3, G), Å
    corners = ops.expand_dims(lengths, -1) * (BOX * np.arange(grid) / grid).astype(np.float32)  # (B, 3, G), Å
    axes = ops.broadcast_to(ops.arange(3), ops.shape(lengths))
    if turns is not None:
        offsets, corners = _turned(offsets, turns), _turned(ops.expand_dims(corners, 1), turns)[:, 0]
        axes = turns.axes
    density, species = _density_and_species(ops.cast(numbers, "int32"), offsets, np.asarray(radii, dtype=np.float64))
    return Maps(density, species, _coordinates(corners, axes, grid))


def _turned(lines, turns: Turns):
    """Return lines (B, S, 3, G) in another order of the axes, backwards where flipped, by products with 0 and 1."""
    chosen = ops.cast(ops.one_hot(turns.axes, 3), "float32")  # (B, 3 new, 3 old)
    turned = sum(
        ops.reshape(chosen[:, :, old], (-1, 1, 3, 1)) * lines[:, :, old : old + 1] for old in range(3)
    )  # (B, S, 3, G)
    return ops.where(ops.reshape(turns.flips, (-1, 1, 3, 1)), ops.flip(turned, axis=-1), turned)


def _density_and_species(numbers, offsets, radii: np.ndarray):
    """Return both maps (B, G, G, G), the sites one after another, given offsets (B, S, 3, G) in Å."""
    widths = np.where(np.isfinite(radii), radii, 1.0)
    peaks = np.arange(len(radii)) / (GAUSSIAN_INTEGRAL * widths**3)  # 0 for the padding
    table = np.stack([peaks, widths, np.isfinite(radii) * widths**2]).astype(np.float32)
    peak, width, limit = (ops.take(ops.convert_to_tensor(row), numbers) for row in table)  # (B, S) each
    factors = ops.exp(-0.5 * ops.square(offsets / width[..., None, None]))  # (B, S, 3, G)
    squares = ops.square(offsets)
    density = species = nearest = None
    for site in range(numbers.shape[1]):
        product = _along(factors[:, site, 0] * peak[:, site, None], 0) * _along(factors[:, site, 1], 1)
        product = product * _along(factors[:, site, 2], 2)
        distance = _along(squares[:, site, 0], 0) + _along(squares[:, site, 1], 1) + _along(squares[:, site, 2], 2)
        inside = distance < limit[:, site, None, None, None]
        label = numbers[:, site, None, None, None]
        if site == 0:
            density = product
            species = ops.where(inside, label, 0)
            nearest = ops.where(inside, distance, np.float32(np.inf))
        else:
            nearer = ops.logical_and(inside, distance < nearest - TIE)
            density = density + product
            species = ops.where(nearer, label, species)
            nearest = ops.where(nearer, distance, nearest)
    return density, species


def _coordinates(corners, axes, grid: int):
    """Return the coordinate channels (B, G, G, G, 3): channel c rises along the axis that ``axes`` (B, 3) has at c."""
    channels = []
    for channel in range(3):
        here = ops.cast(ops.equal(axes, channel), "float32")[..., None] * corners  # (B, 3, G), one of three not zero
        channels.append(sum(_along(here[:, axis], axis) for axis in range(3)))
    return ops.stack(channels, axis=-1)


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
    smoothing = ops.convert_to_tensor(_circulant(grid))
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
    return matrix.astype(np.float32)


class MapDrawing(layers.Layer):
    """Turns the batches of ``CrystalFeed`` into those of ``UNetFeed`` and ``VAEFeed``: drawn, turned, with errors."""

    def __init__(self, radii: np.ndarray, grid: int, errors: bool, seed: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.radii, self.grid, self.errors = np.asarray(radii), grid, errors
        self.seed_generator = keras.random.SeedGenerator(seed)

    def save_own_variables(self, store):
        """Save the state of the noise, so that a resumed training draws what an undisturbed one would."""
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        """Load the state of the noise."""
        self.seed_generator.state.assign(store["seed_state"])

    def call(self, inputs: dict, training: bool = False) -> dict:
        """Return ``maps`` (B, G, G, G, 4), ``species`` (B, G, G, G) int32 and ``occupied`` (B, G, G, G, 1)."""
        crystals = Crystals(*(inputs[name] for name in Crystals._fields))
        drawn = draw_maps(crystals, self.radii, self.grid, Turns(*(inputs[name] for name in Turns._fields)))
        density = drawn.density
        if self.errors and training:
            noise = keras.random.normal(ops.shape(density), seed=self.seed_generator)
            density = smooth_errors(noise, density, inputs["error"])
        return {
            "maps": ops.concatenate([density[..., None], drawn.coordinates], axis=-1),
            "species": drawn.species,
            "occupied": ops.cast(drawn.species > 0, "float32")[..., None],
        }
