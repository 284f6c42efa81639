"""From maps to atoms, many at once: the UNet in batches, watershed and fits on all cores.

This module does not import Keras: its workers would each start TensorFlow.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from data_prep.workers import local_pool
from models.decoding import Way
from models.decoding.arrangements import Arrangements
from models.decoding.atoms import (
    Decoded,
    Undecodable,
    decode_by_composition,
    decode_by_fit,
    decode_by_vote,
)
from models.decoding.species import AllowedElements
from models.site_count_classifier import SiteCountClassifier

if TYPE_CHECKING:
    import keras

    from repro.decoding.latents import LatentMaps

WORTH_SHARING = 24  # maps: about what one process decodes before others have started


@dataclass(frozen=True)
class Segmentation:
    """B maps as the UNet sees them.

    ``probability`` (B, G, G, G, 95) of each species and ``occupied`` (B, G, G, G), that a voxel belongs to an atom.
    """

    probability: np.ndarray
    occupied: np.ndarray


@dataclass(frozen=True)
class MapToDecode:
    """What is known of one map, small enough to send to another process.

    ``maps`` (G, G, G, 4) float32; ``species`` (G, G, G) uint8, the most probable element of each voxel, and
    ``occupied`` (G, G, G) float32, a probability, if it was segmented; ``composition`` (95,) and ``n_sites``, the
    number of sites, if the latent gives them.
    """

    maps: np.ndarray
    species: np.ndarray | None
    occupied: np.ndarray | None
    composition: np.ndarray | None
    n_sites: int | None


@dataclass(frozen=True)
class Decoder:
    """Turns maps into atoms by one of three ways (see ``models.decoding``).

    ``elements`` are those that an atom may be; ``arrangements`` of the training crystals' sites and ``site_counts``,
    the number of sites that a latent means, serve the way ``composition``.
    """

    unet: "keras.Model"
    elements: AllowedElements
    arrangements: Arrangements
    site_counts: SiteCountClassifier | None = None

    def among(self, elements: AllowedElements) -> "Decoder":
        """Return the decoder whose atoms are of ``elements`` only."""
        return replace(self, elements=elements)

    def segment(self, maps: np.ndarray) -> Segmentation:
        """Return what the UNet sees in maps (B, G, G, G, 4)."""
        output = self.unet.predict_on_batch(maps)
        return Segmentation(np.asarray(output["species"]), np.asarray(output["occupied"])[..., 0])

    def prepare(self, found: "LatentMaps", segmentation: Segmentation | None = None) -> list[MapToDecode]:
        """Return each map with all that is known of it; ``segmentation`` is needed by ``vote`` and ``fit``."""
        nothing = [None] * len(found.maps)
        species, occupied = nothing, nothing
        if segmentation is not None:
            species = segmentation.probability.argmax(axis=-1).astype(np.uint8)
            occupied = segmentation.occupied
        composition = nothing if found.composition is None else found.composition
        counts = nothing
        if self.site_counts is not None and found.composition is not None and found.z is not None:
            counts = [int(count) for count in self.site_counts.choose(found.z)]
        parts = zip(found.maps, species, occupied, composition, counts, strict=True)
        return [MapToDecode(*part) for part in parts]

    def decode(self, pool: Executor, prepared: Sequence[MapToDecode], way: Way) -> Iterator[Decoded | Undecodable]:
        """Yield the atoms of each prepared map, or why there are none, in order; ``pool`` does the work."""
        decode = partial(_decode, way=way, elements=self.elements, arrangements=self.arrangements)
        return pool.map(decode, prepared, chunksize=2)

    def atoms(self, pool: Executor, found: "LatentMaps", way: Way) -> list[Decoded | Undecodable]:
        """Return the atoms of maps by one way; the UNet is asked only if the way needs it."""
        segmentation = None if way == "composition" else self.segment(found.maps)
        return list(self.decode(pool, self.prepare(found, segmentation), way))


def _decode(one: MapToDecode, way: Way, elements: AllowedElements, arrangements: Arrangements) -> Decoded | Undecodable:
    density, coordinates = one.maps[..., 0], one.maps[..., 1:]
    if way == "composition":
        return decode_by_composition(density, coordinates, one.composition, elements, arrangements, one.n_sites)
    if way == "fit":
        return decode_by_fit(density, coordinates, one.occupied, elements, one.species)
    return decode_by_vote(density, coordinates, one.species, one.occupied)


def decoding_pool(count: int, processes: int | None = None) -> AbstractContextManager[Executor]:
    """Return a pool of workers that decodes ``count`` maps, one thread of linear algebra each; to be entered.

    A few maps are decoded in this process before another has started. What runs inside raises InputError if a
    worker dies.
    """
    if count < WORTH_SHARING and processes is None:
        return ThreadPoolExecutor(1)
    return local_pool(processes or os.cpu_count() or 1, threads=1)
