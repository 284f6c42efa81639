"""Batches for the networks: each epoch's feed is a pure function of (seed, epoch)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np
from scipy.ndimage import gaussian_filter

from data_prep.crystal import Crystal
from data_prep.elements import radii_of
from data_prep.graphs import Graph, pack_batch
from data_prep.rotations import IDENTITY, Rotation, random_rotation, rotate
from data_prep.shards import VoxelStore
from data_prep.substitution import Substitution, composition_shares, fit_substitution
from data_prep.voxelize import input_maps, voxelize
from repro.training.dataset import Dataset

# Threads that prepare batches. With one thread Keras leaves prefetching to tf.data, whose tuner delays the end of
# every ``fit`` by seconds (16 s after an epoch of 41,000 crystals).
WORKERS = 2
ERROR_WIDTH = 1.5  # voxels, correlation length of a decoder's errors


def copy_rotation(seed: int, structure: int, copy: int) -> Rotation:
    """Return the rotation of one augmented copy; copy 0 is the original (Methods; F9).

    A copy keeps its rotation for the whole training: the augmented set is fixed, as the paper's.
    """
    if copy == 0:
        return IDENTITY
    return random_rotation(np.random.default_rng((seed, structure, copy)))


class SampleOrder:
    """The endless sequence of training samples: one seeded shuffle after another.

    A sample is (structure, copy): every structure of ``indices`` once unchanged and ``rotations`` times rotated.
    An epoch has ``steps_per_epoch`` batches, or if that is 0, the whole batches of one pass over the samples: the rest,
    fewer than a batch, begins the next epoch, and of a single epoch, as in validation, is left out.
    """

    def __init__(self, indices: Sequence[int], rotations: int, batch_size: int, steps_per_epoch: int, seed: int):
        self.indices, self.copies, self.seed = np.asarray(indices), rotations + 1, seed
        self.batch_size = min(batch_size, len(self))
        self.steps = steps_per_epoch or len(self) // self.batch_size

    def __len__(self) -> int:
        return len(self.indices) * self.copies

    def batch(self, epoch: int, step: int) -> list[tuple[int, int]]:
        """Return the samples (structure, copy) of one batch."""
        start = (epoch * self.steps + step) * self.batch_size
        chosen = []
        for position in range(start, start + self.batch_size):
            shuffle, offset = divmod(position, len(self))
            structure, copy = divmod(int(_shuffle(self.seed, shuffle, len(self))[offset]), self.copies)
            chosen.append((int(self.indices[structure]), copy))
        return chosen


@lru_cache(maxsize=2)
def _shuffle(seed: int, number: int, size: int) -> np.ndarray:
    return np.random.default_rng((seed, number)).permutation(size)


@dataclass(frozen=True)
class Exchange:
    """The run's ``crystals``, and the ``share`` of samples in which their elements are exchanged for others."""

    crystals: Sequence[Crystal]
    share: float = 0.0
    rule: Substitution | None = None
    radii: np.ndarray | None = None  # (95,) in Å, indexed by Z

    def made(
        self, index: int, grid: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """Return numbers, lengths, density and species map of an exchanged crystal, or None to use the real one."""
        found = self.exchanged(index, rng)
        if found is None:
            return None
        numbers, lengths = found
        return numbers, lengths, *voxelize(numbers, self.crystals[index].fractional, lengths, self.radii, grid)

    def exchanged(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """Return numbers (n,) and lengths (3,) of an exchanged crystal, or None to use the real one."""
        return None if rng.random() >= self.share else self.rule.exchange(self.crystals[index], rng)


def exchange_of(dataset: Dataset, share: float, radii: str) -> Exchange:
    """Return the exchange of a run: elements are those of the training part, and no held-out formula is made."""
    if not share:
        return Exchange(dataset.crystals)
    train = dataset.indices("train")
    held_out = np.setdiff1d(np.arange(len(dataset.crystals)), train)
    rule = fit_substitution(*([dataset.crystals[index] for index in part] for part in (train, held_out)))
    return Exchange(dataset.crystals, share, rule, radii_of(radii))


class VAEFeed(keras.utils.PyDataset):
    """Batches of maps (B, G, G, G, 4), condition (B, K) and composition (B, 95) for one epoch.

    ``exchange`` gives a share of the samples other elements; these have no condition (all 0).
    """

    def __init__(self, store: VoxelStore, conditions: np.ndarray, order: SampleOrder, epoch: int, exchange: Exchange):
        super().__init__(workers=WORKERS)
        self.store, self.conditions, self.order = store, conditions, order
        self.epoch, self.exchange = epoch, exchange

    def __len__(self) -> int:
        return self.order.steps

    def __getitem__(self, step: int):
        rng = np.random.default_rng((self.order.seed, self.epoch, step))
        samples = [self._sample(index, copy, rng) for index, copy in self.order.batch(self.epoch, step)]
        maps, conditions, compositions = (np.stack(arrays) for arrays in zip(*samples, strict=True))
        return ({"maps": maps, "condition": conditions, "composition": compositions},)

    def _sample(self, index: int, copy: int, rng: np.random.Generator):
        numbers, condition = self.exchange.crystals[index].numbers, self.conditions[index]
        density, lengths = self.store.density(index), self.store.lengths[index]
        made = self.exchange.made(index, self.store.grid, rng)
        if made is not None:
            numbers, lengths, density, _ = made
            condition = np.zeros_like(condition)
        maps = rotate(input_maps(density, lengths), copy_rotation(self.order.seed, index, copy))
        return maps, condition, composition_shares(numbers)


class UNetFeed(keras.utils.PyDataset):
    """Batches of maps with species (B, G, G, G) and occupancy (B, G, G, G, 1) for one epoch.

    A batch holds windows with an edge of ``crop`` voxels around a random occupied voxel, or whole maps if it is 0.
    ``exchange`` gives a share of the samples other elements. ``noise`` is the greatest size of the errors that are
    added to the density (see ``with_errors``).
    """

    def __init__(
        self, store: VoxelStore, order: SampleOrder, crop: int, epoch: int, exchange: Exchange, noise: float = 0.0
    ):
        super().__init__(workers=WORKERS)
        self.store, self.order, self.crop, self.epoch = store, order, crop, epoch
        self.exchange, self.noise = exchange, noise

    def __len__(self) -> int:
        return self.order.steps

    def __getitem__(self, step: int):
        samples = self.order.batch(self.epoch, step)
        rng = np.random.default_rng((self.order.seed, self.epoch, step))
        maps, species = zip(*(self._sample(index, copy, rng) for index, copy in samples), strict=True)
        labels = np.stack(species).astype(np.int32)
        occupied = (labels > 0)[..., None].astype(np.float32)
        return np.stack(maps), {"species": labels, "occupied": occupied}

    def _sample(self, index: int, copy: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        rotation = copy_rotation(self.order.seed, index, copy)
        density, species, lengths = self.store.density(index), self.store.species(index), self.store.lengths[index]
        made = self.exchange.made(index, self.store.grid, rng)
        if made is not None:
            _, lengths, density, species = made
        if self.noise:
            density = with_errors(density, self.noise * rng.random(), rng)
        maps, species = rotate(input_maps(density, lengths), rotation), rotate(species, rotation)
        if not self.crop:
            return maps, species
        window = crop_window(species, self.crop, rng)
        return maps[window], species[window]


def with_errors(density: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return a density map (G, G, G) with smooth errors like a decoder's: about a third at a peak if ``size`` is 1."""
    smooth = gaussian_filter(rng.standard_normal(density.shape, dtype=np.float32), ERROR_WIDTH, mode="wrap")
    error = size * (0.02 + 0.3 * density) * smooth / smooth.std()
    return np.maximum(density + error, 0.0)


def crop_window(species: np.ndarray, edge: int, rng: np.random.Generator) -> tuple[slice, slice, slice]:
    """Return a window of ``edge`` voxels that holds a random occupied voxel at a random place in it."""
    grid = species.shape[0]
    occupied = np.flatnonzero(species)
    centre = (
        np.unravel_index(occupied[rng.integers(len(occupied))], species.shape) if len(occupied) else (grid // 2,) * 3
    )
    starts = np.clip(np.array(centre) - rng.integers(edge, size=3), 0, grid - edge)
    return tuple(slice(int(start), int(start) + edge) for start in starts)


class GraphFeed(keras.utils.PyDataset):
    """Batches of packed graphs with their targets (B, 1) for one epoch."""

    def __init__(self, graphs: Sequence[Graph], targets: np.ndarray, batches: list[np.ndarray]):
        super().__init__(workers=WORKERS)
        self.graphs, self.targets, self.batches = graphs, targets, batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int):
        chosen = self.batches[step]
        return pack_batch([self.graphs[index] for index in chosen]), self.targets[chosen, None]


def shuffled_batches(indices: np.ndarray, batch_size: int, seed: int, epoch: int, passes: int = 1) -> list[np.ndarray]:
    """Return the batches of one epoch: ``passes`` passes over the indices, each in the order of a seeded shuffle."""
    rng = np.random.default_rng((seed, epoch))
    shuffled = (rng.permutation(indices) for _ in range(passes))
    return [part[start : start + batch_size] for part in shuffled for start in range(0, len(part), batch_size)]
