"""From maps to atoms, many at once: the UNet in batches, watershed and fits on all cores.

This module does not import Keras: its workers would each start TensorFlow.
"""

import os
from collections.abc import Callable, Iterator, Sequence
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
    DecodeParameters,
    Undecodable,
    decode_by_composition,
    decode_by_fit,
    decode_by_vote,
)
from models.decoding.species import AllowedElements
from models.decoding.watershed_parameters import PAPERS_READING, WatershedParameters
from models.site_count_classifier import SiteCountClassifier

if TYPE_CHECKING:
    import keras

    from repro.decoding.latents import LatentMaps

WORTH_SHARING = 24  # maps: about as many as one process decodes before others have started
NEEDS: dict[Way, str] = {"vote": "species", "fit": "occupied", "composition": "composition"}  # of ``MapToDecode``


@dataclass(frozen=True)
class Segmentation:
    """The UNet's output for B maps.

    ``probability`` (B, G, G, G, 95) of each species, and ``occupied`` (B, G, G, G), the probability that a voxel
    belongs to an atom.
    """

    probability: np.ndarray
    occupied: np.ndarray


@dataclass(frozen=True)
class MapToDecode:
    """One map with what is known about it, small enough to send to another process.

    ``maps`` (G, G, G, 4) float32; ``species`` (G, G, G) uint8, the most probable element of each voxel, and
    ``occupied`` (G, G, G) float32, a probability, if the map was segmented; ``composition`` (95,) and ``n_sites``,
    the number of sites, if the latent gives them.
    """

    maps: np.ndarray
    species: np.ndarray | None
    occupied: np.ndarray | None
    composition: np.ndarray | None
    n_sites: int | None


@dataclass(frozen=True)
class Decoder:
    """Turns maps into atoms by one of three ways (see ``models.decoding``).

    ``unet`` returns the network, which is read from its file when it is first called: the way ``composition`` does not
    need it. An atom is one of ``elements``. That way uses the ``arrangements`` of the training crystals' sites
    and ``site_counts``, which reads the number of sites from the latent. ``watershed`` says how voxels become regions.
    """

    unet: Callable[[], "keras.Model"]
    elements: AllowedElements
    arrangements: Arrangements
    site_counts: SiteCountClassifier | None = None
    watershed: WatershedParameters = PAPERS_READING

    def among(self, elements: AllowedElements) -> "Decoder":
        """Return the decoder whose atoms are of ``elements`` only."""
        return replace(self, elements=elements)

    def segment(self, maps: np.ndarray) -> Segmentation:
        """Return the UNet's segmentation of maps (B, G, G, G, 4)."""
        output = self.unet().predict_on_batch(maps)
        return Segmentation(np.asarray(output["species"]), np.asarray(output["occupied"])[..., 0])

    def prepare(self, found: "LatentMaps", segmentation: Segmentation | None = None) -> list[MapToDecode]:
        """Return each map with all that is known about it; ``vote`` and ``fit`` need the ``segmentation``."""
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

    def decode(
        self, pool: Executor | None, prepared: Sequence[MapToDecode], way: Way
    ) -> Iterator[Decoded | Undecodable]:
        """Yield in order the atoms of each prepared map, or the reason why it has none.

        ``pool`` does the work, or this process if it is None.

        Raises ValueError if the way is unknown, or if a map lacks what the way needs.
        """
        if way not in NEEDS:
            raise ValueError(f"The way is {way!r}: give one of {', '.join(NEEDS)}.")
        if any(getattr(one, NEEDS[way]) is None for one in prepared):
            raise ValueError(f"The way {way!r} needs each map's {NEEDS[way]}: give it, or choose another way.")
        parameters = DecodeParameters(watershed=self.watershed)
        decode = partial(_decode, way=way, elements=self.elements, known=self.arrangements, parameters=parameters)
        return map(decode, prepared) if pool is None else pool.map(decode, prepared, chunksize=2)

    def atoms(self, pool: Executor, found: "LatentMaps", way: Way) -> list[Decoded | Undecodable]:
        """Return the atoms of maps by one way; the UNet runs only if the way needs it."""
        segmentation = None if way == "composition" else self.segment(found.maps)
        return list(self.decode(pool, self.prepare(found, segmentation), way))


def _decode(
    one: MapToDecode, way: Way, elements: AllowedElements, known: Arrangements, parameters: DecodeParameters
) -> Decoded | Undecodable:
    density, coordinates = one.maps[..., 0], one.maps[..., 1:]
    if way == "composition":
        return decode_by_composition(density, coordinates, one.composition, elements, known, one.n_sites, parameters)
    if way == "fit":
        return decode_by_fit(density, coordinates, one.occupied, elements, one.species, parameters)
    return decode_by_vote(density, coordinates, one.species, one.occupied, parameters)


def decoding_pool(count: int, processes: int | None = None) -> AbstractContextManager[Executor]:
    """Return a context of a pool that decodes ``count`` maps, with one thread of linear algebra per worker.

    A few maps are decoded in this process, in less time than others need to start, and so are all if ``processes`` is
    1. The context raises InputError if a worker dies.
    """
    if processes == 1 or (count < WORTH_SHARING and processes is None):
        return ThreadPoolExecutor(1)
    return local_pool(processes or os.cpu_count() or 1, threads=1)
