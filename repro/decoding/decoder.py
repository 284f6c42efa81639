"""Many maps to atoms at once: the UNet in batches, watershed and fit on all cores.

This module does not import Keras: its workers would each start TensorFlow.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from data_prep.workers import local_pool
from models.decoding.arrangements import Arrangements
from models.decoding.atoms import Decoded, Undecodable, decode_atoms, decode_told
from models.decoding.fitted_species import Candidates

if TYPE_CHECKING:
    import keras

WORTH_SHARING = 24  # maps: about what one process decodes while others start


@dataclass(frozen=True)
class Segmented:
    """What is known of one map, small enough to send to another process.

    ``maps`` (G, G, G, 4) float32; ``species`` (G, G, G) uint8, the most probable element of each
    voxel; ``occupied`` (G, G, G) float32 probability; ``composition`` (95,) and ``count`` of
    sites what the latent says of it.
    """

    maps: np.ndarray
    species: np.ndarray | None
    occupied: np.ndarray | None
    composition: np.ndarray | None = None
    count: int | None = None


def segment(
    unet: "keras.Model",
    maps: np.ndarray,
    compositions: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> tuple[list[Segmented], np.ndarray]:
    """Return the segmentation of each of ``maps`` (B, G, G, G, 4), and the probabilities (B, G, G, G, C).

    ``compositions`` (B, 95) and ``counts`` (B,) travel with the maps of a latent that says them.
    """
    output = unet.predict_on_batch(maps)
    probability, occupied = np.asarray(output["species"]), np.asarray(output["occupied"])[..., 0]
    species = probability.argmax(axis=-1).astype(np.uint8)
    parts = zip(np.asarray(maps), species, occupied, *_told(len(species), compositions, counts), strict=True)
    return [Segmented(*part) for part in parts], probability


def decoder_pool(count: int, processes: int | None = None) -> AbstractContextManager[Executor]:
    """Return a pool of workers for ``decode_all`` of ``count`` maps, one thread of linear algebra each.

    A worker reads the number of threads when it imports NumPy, before any initializer could run: it has to
    inherit it. A few maps are decoded in this process before another has started. To be entered; what runs
    inside raises InputError where a worker dies.
    """
    if count < WORTH_SHARING and processes is None:
        return ThreadPoolExecutor(1)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return local_pool(processes or os.cpu_count() or 1)


def decode_all(
    pool: Executor,
    segmented: Iterable[Segmented],
    species_from: str,
    candidates: Candidates,
    prior: Arrangements | None = None,
) -> Iterable[Decoded | Undecodable]:
    """Yield the atoms of each segmented map, or why there are none, in order.

    A fit of a map whose composition is told uses it and the ``prior`` (see ``decode_told``), else what the
    UNet says (see ``decode_atoms``).
    """
    decode = partial(_decode, species_from=species_from, candidates=candidates, prior=prior)
    return pool.map(decode, segmented, chunksize=2)


def needs_segmentation(species_from: str, compositions: np.ndarray | None) -> bool:
    """Return whether maps are decoded by what the UNet says of them: not those whose composition is told."""
    return species_from != "fit" or compositions is None


def unsegmented(maps: np.ndarray, compositions: np.ndarray, counts: np.ndarray | None = None) -> list[Segmented]:
    """Return maps (B, G, G, G, 4) with their compositions (B, 95) and ``counts`` (B,): a fit needs no more."""
    return [
        Segmented(one, None, None, *told)
        for one, *told in zip(maps, *_told(len(maps), compositions, counts), strict=True)
    ]


def _told(size: int, compositions: np.ndarray | None, counts: np.ndarray | None) -> tuple[Sequence, Sequence]:
    """Return what the latent says of each of ``size`` maps, None where it says nothing."""
    nothing = [None] * size
    numbers = nothing if counts is None else [int(count) for count in counts]
    return (nothing if compositions is None else compositions), numbers


def _decode(
    segmented: Segmented, species_from: str, candidates: Candidates, prior: Arrangements | None
) -> Decoded | Undecodable:
    density, coordinates = segmented.maps[..., 0], segmented.maps[..., 1:]
    if not needs_segmentation(species_from, segmented.composition):
        return decode_told(density, coordinates, segmented.composition, candidates, prior, count=segmented.count)
    return decode_atoms(
        density,
        coordinates,
        segmented.species,
        segmented.occupied,
        species_from=species_from,
        candidates=candidates,
    )


def batches(items: Sequence, size: int) -> Iterable[Sequence]:
    """Yield ``items`` in pieces of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
