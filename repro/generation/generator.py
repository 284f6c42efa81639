"""Everything that turns a latent vector into a ranked crystal, in one object.

generator = repro.load_generator()
for candidate in generator.around("SrTiO3", count=20):
    print(candidate.formula, candidate.formation_energy_per_atom)
"""

import hashlib
import itertools
import json
import os
from collections import abc
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Element
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from data_prep.cell_angles import AngleRule
from data_prep.conditions import condition_bins, one_hot
from data_prep.crystal import Crystal
from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.formula_digests import FormulaDigests
from data_prep.graphs import crystal_graph
from data_prep.hull.convex_hull import Hull
from data_prep.hull.table import load_hull
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.source_names import BASES
from data_prep.workers import in_order_with
from models.cell_volume import VolumeRegression
from models.decoding.species import AllowedElements, allowed_elements
from models.element_roles import ElementRoles
from models.latent_sampler import LatentSampler
from repro.decoding.decoder import WORTH_SHARING, Decoder
from repro.decoding.latents import Autoencoder
from repro.generation.bases import base_crystals, is_file
from repro.generation.candidates import Candidate
from repro.generation.chemical_neighbours import Neighbourhood
from repro.generation.funnel import Funnel
from repro.generation.known_crystals import KnownCrystals, known, published_known
from repro.generation.request import Request
from repro.generation.sampling import Sampling
from repro.generation.targets import Target, in_turn, requested_targets
from repro.network_folders import identity_of_predictions
from repro.presets import GenerateParameters, RandomFrom, VoxelParameters
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import PropertyNetworks
from repro.training.dataset import batches

BATCH = 10  # samples: a core lists the first of them within a second
Batches = abc.Generator[list[Candidate], None, None]  # this module has a Generator of its own


@dataclass(frozen=True)
class KnownFormulas:
    """The reduced formulas of the data, and of their training part."""

    all: Container[str]
    train: Container[str]


@dataclass(frozen=True)
class Generator:
    """The trained networks and what they need to know of the data.

    ``identity`` is a hash of the folder that it was read from; ``property_weights`` is the folder of the networks that
    rank the candidates; ``edges`` (9,) in eV/atom are the deciles of the condition; ``elements`` (k,) the atomic
    numbers of the training part; ``sampling`` how much is sampled and how, if nothing else is asked for; ``roles``
    those of the elements in the training part; ``volumes`` those that fit the atoms of a cell, if cells get them;
    ``data`` the crystals that it was made from, training part and others, if they are at hand.
    """

    autoencoder: Autoencoder
    decoder: Decoder
    identity: str
    property_weights: Path
    voxels: VoxelParameters
    sampling: GenerateParameters
    edges: np.ndarray
    elements: np.ndarray
    angle_rule: AngleRule
    latent_sampler: LatentSampler | None
    known: KnownFormulas
    roles: ElementRoles
    volumes: VolumeRegression | None = None
    data: Sequence[Crystal] | None = None

    @property
    def n_conditions(self) -> int:
        """Number of deciles."""
        return len(self.edges) + 1

    @cached_property
    def properties(self) -> PropertyNetworks:
        """The property networks, read when they are first needed; with one thread, as other processes read them.

        More threads would change the last digits of what is prepared from the weights.
        """
        with threadpool_limits(1, "blas"):
            return load_property_networks(self.property_weights)

    @cached_property
    def hull(self) -> Hull:
        """The convex hull of known compounds, read when it is first needed."""
        return load_hull()

    @cached_property
    def known_crystals(self) -> KnownCrystals:
        """The crystals of its data, if they are at hand or are those of the published generator; else none."""
        if self.data is not None:
            return known(self.data)
        published = published_known()
        same = self.known.all == FormulaDigests.of(one.formula for one in published.crystals)
        return published if same else KnownCrystals([])

    def for_other_processes(self, decoder: Decoder) -> "Generator":
        """Return the generator with another ``decoder`` and the networks and hull that were read; without the data."""
        other = replace(self, decoder=decoder, data=None)
        vars(other).update({name: vars(self)[name] for name in ("properties", "hull") if name in vars(self)})
        return other

    def condition_of(self, energy: float) -> int:
        """Return the decile of a formation energy in eV/atom, counted from 0."""
        return int(condition_bins(np.array([energy]), self.edges)[0])

    def describe_condition(self, condition: int) -> str:
        """Return the decile in words, with its range in eV/atom."""
        bounds = ["-inf", *(f"{edge:.2f}" for edge in self.edges), "inf"]
        return f"decile {condition + 1} of {self.n_conditions} ({bounds[condition]} to {bounds[condition + 1]} eV/atom)"

    def around(
        self,
        base: str,
        count: int = 100,
        *,
        seed: int = 0,
        distance: float | None = None,
        spread: float | None = None,
        formation_energy: float | None = None,
        elements: Sequence[str] = (),
        known: bool = False,
        source: str = BASES,
    ) -> Iterator[Candidate]:
        """Yield ``count`` distinct new crystals around a compound: a formula or id of ``source``, or a file.

        The others are those of ``Request``. They come as they are found, fewer if the search ends. Raises InputError
        naming the argument that asks for nothing, a base that is not there, or an element that the networks have never
        seen.
        """
        request = Request(
            base, count, None, formation_energy, distance, spread, None, seed, tuple(elements), known=known
        )
        return self._candidates(request, [] if is_file(base) else base_crystals(source))

    def random(
        self,
        count: int = 100,
        *,
        seed: int = 0,
        spread: float | None = None,
        formation_energy: float | None = None,
        random_from: RandomFrom | None = None,
        elements: Sequence[str] = (),
        known: bool = False,
    ) -> Iterator[Candidate]:
        """Yield ``count`` distinct new crystals from the whole latent space, evenly over the deciles.

        With a ``formation_energy`` (eV/atom) all are of its decile. The others are those of ``Request``. They come as
        they are found, fewer if the search ends. Raises InputError as ``around`` does.
        """
        request = Request(
            None, count, None, formation_energy, None, spread, random_from, seed, tuple(elements), known=known
        )
        return self._candidates(request, [])

    def _candidates(self, request: Request, source: Sequence[Crystal]) -> Iterator[Candidate]:
        targets = requested_targets(self, request, source)
        # Other processes would run the user's script again, unless it guards against that.
        sampled = self.sample(targets, self.allowed(request.elements), processes=1)
        found = Funnel(request.listed, request.count).pour(sampled)
        return itertools.chain.from_iterable(passed for _, passed in found)

    def sample(
        self,
        targets: Sequence[Target],
        allowed: AllowedElements,
        parts: Path | None = None,
        progress: bool = False,
        processes: int | None = None,
    ) -> Batches:
        """Yield the candidates of all targets, a batch at a time, each with some of every target.

        Finished batches are kept under ``parts`` and not sampled again: a killed command goes on from there. As many
        ``processes`` share the work as there are cores, or as many as given. Raises InputError at the call, not at the
        first batch, when the property networks cannot be read.
        """
        # What all processes need is read once, in this one; they may be copies of it only if it runs no UNet.
        _ = self.properties, self.hull, self.known_crystals
        if self.sampling.way != "composition":
            self.decoder.unet()
        return self._batches(targets, allowed, parts, self.fingerprint(), progress, processes)

    def _batches(
        self,
        targets: Sequence[Target],
        allowed: AllowedElements,
        parts: Path | None,
        made_by: str,
        progress: bool,
        processes: int | None,
    ) -> Batches:
        sampling = Sampling(self, self.decoder.among(allowed), {one.name: self._centre(one) for one in targets})
        pieces = list(batches(in_turn(targets), BATCH))
        places = [parts / f"{_digest(samples, allowed)}-{made_by}.json" if parts else None for samples in pieces]
        stored = [_stored(part) if part else None for part in places]
        tasks = (sampling.task(*piece) for piece in zip(pieces, stored, strict=True))
        total = sum(map(len, pieces))
        workers = processes or (os.cpu_count() or 1 if total >= WORTH_SHARING else 1)
        found = in_order_with(sampling.without_unet(), Sampling.candidates, tasks, workers)
        with closing(found), tqdm(total=total, desc="generate", unit=" samples", disable=not progress) as bar:
            for part, kept, candidates in zip(places, stored, found, strict=True):
                if part and kept is None:
                    write_json(part, [asdict(candidate) for candidate in candidates])
                bar.update(len(candidates))
                yield self.known_crystals.beside(candidates)

    def latents(
        self, samples: Sequence[tuple[Target, int]], centres: dict[str, np.ndarray], allowed: AllowedElements
    ) -> np.ndarray:
        """Return the latent vectors (n, L) of samples; neighbours of a base are encoded together."""
        latents: dict[int, np.ndarray] = {}
        moved, streams = {}, {}
        for place, (target, number) in enumerate(samples):
            if target.distance is None:
                latents[place] = target.latent(number, centres[target.name])
            else:
                streams[place] = target.stream(number)
                volumes = self.volumes or VolumeRegression({})
                near = Neighbourhood(allowed.numbers, target.distance, volumes, self.roles)
                moved[place] = near.sample(target.base, streams[place])
        if moved:
            crystals = list(moved.values())
            conditions = self.one_hot([samples[place][0].condition for place in moved])
            means, log_vars = self.autoencoder.encode(
                self.maps_of(crystals), conditions, [crystal.numbers for crystal in crystals]
            )
            for place, mean, log_var in zip(moved, means, log_vars, strict=True):
                latents[place] = mean + np.exp(log_var / 2) * streams[place].standard_normal(len(mean))
        return np.stack([latents[place] for place in range(len(samples))]).astype(np.float32)

    def allowed(self, symbols: Sequence[str] = ()) -> AllowedElements:
        """Return the elements that an atom may be: those of the training part, or ``symbols`` among them.

        Raises InputError for a symbol that is no element, or that the networks have never seen.
        """
        numbers = self.elements
        if symbols:
            given = ",".join(symbols)
            unknown = [symbol for symbol in symbols if not Element.is_valid_symbol(symbol)]
            if unknown:
                raise InputError(f"--elements {given}: {', '.join(unknown)} is no element; write --elements Na,Cl.")
            numbers = np.array(sorted({Element(symbol).Z for symbol in symbols}))
            if unseen := sorted(set(numbers.tolist()) - set(self.elements.tolist())):
                named = ", ".join(Element.from_Z(z).symbol for z in unseen)
                raise InputError(f"--elements {given}: the networks have never seen {named}; leave it out.")
        return allowed_elements(radii_of(self.voxels.radii), numbers)

    def maps_of(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the networks' input (B, G, G, G, 4) of crystals."""
        from data_prep.voxelize import input_maps, voxelize  # numba: random samples need none

        radii, grid = radii_of(self.voxels.radii), self.voxels.grid
        densities = [voxelize(one.numbers, one.fractional, one.lengths, radii, grid)[0] for one in crystals]
        return np.stack([input_maps(density, one.lengths) for density, one in zip(densities, crystals, strict=True)])

    def conditions_of(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the conditions (B, K) of crystals by their formation energies."""
        energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
        return self.one_hot(condition_bins(energies, self.edges))

    def predicted_energies(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the formation energies (B,) in eV/atom that the property networks predict.

        Raises InputError when they do not predict it.
        """
        if FORMATION_ENERGY not in self.properties.by_property:
            raise InputError(f"{crystals[0].id} has no formation energy: give one with --formation-energy (eV/atom).")
        graphs = [crystal_graph(crystal) for crystal in crystals]
        return self.properties.only(FORMATION_ENERGY).predict(graphs)[FORMATION_ENERGY].values.astype(np.float64)

    def fingerprint(self) -> str:
        """Return a short hash of the weights behind a candidate: partial results of other networks are not used."""
        parts = self.identity, identity_of_predictions(self.property_weights), self.sampling.way
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]

    def _centre(self, target: Target) -> np.ndarray:
        """Return the middle of a cloud of latents (L,): the encoded base, or 0."""
        if target.base is None:
            return np.zeros(self.autoencoder.decoder.latent, dtype=np.float32)
        maps, numbers = self.maps_of([target.base]), [target.base.numbers]
        return self.autoencoder.encode(maps, self.one_hot([target.condition]), numbers)[0][0]

    def one_hot(self, conditions: Sequence[int]) -> np.ndarray:
        """Return conditions (B,), counted from 0, as vectors (B, K)."""
        return one_hot(np.asarray(conditions), self.n_conditions)


def _digest(samples: Sequence[tuple[Target, int]], allowed: AllowedElements) -> str:
    """Return a short hash by which a batch's partial result is known."""
    text = " ".join(f"{target.digest(allowed.numbers)}-{number}" for target, number in samples)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stored(part: Path) -> list[Candidate] | None:
    """Return the candidates of a finished batch, None if missing or damaged: it is sampled again."""
    try:
        return [Candidate(**one) for one in json.loads(part.read_text())]
    except (OSError, ValueError, TypeError):  # a JSON fault is a ValueError
        return None
