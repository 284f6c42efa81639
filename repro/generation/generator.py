"""Everything that turns a latent vector into a ranked crystal, in one object.

generator = repro.load_generator()
for candidate in generator.around("SrTiO3", count=20):
    print(candidate.formula, candidate.formation_energy_per_atom)
"""

import hashlib
import itertools
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Element
from tqdm import tqdm

from data_prep.cell_angles import AngleRule
from data_prep.conditions import condition_bins, one_hot
from data_prep.crystal import Crystal
from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.quarantine import screen
from data_prep.source_names import BASES
from data_prep.sources import read_source
from data_prep.voxelize import input_maps, voxelize
from models.decoding.species import AllowedElements, allowed_elements
from models.latent_sampler import LatentSampler
from repro.decoding.decoder import Decoder, decoding_pool
from repro.decoding.latents import Autoencoder
from repro.generation.candidates import Candidate, describe
from repro.generation.request import Request
from repro.generation.targets import Target, is_file, requested_targets
from repro.presets import GenerateParameters, RandomFrom, VoxelParameters
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import PropertyNetworks

BATCH = 20
MAX_BASE_SITES = 40  # Methods: "<= 40 atoms"


@dataclass(frozen=True)
class KnownFormulas:
    """The reduced formulas of the data, and of their training part."""

    all: Container[str]
    train: Container[str]


@dataclass(frozen=True)
class Generator:
    """The trained networks and what they need to know of the data.

    ``property_weights`` is the folder of the networks that rank the candidates; ``edges`` (9,) in eV/atom are the
    deciles of the condition; ``elements`` (k,) the atomic numbers of the training part; ``sampling`` how much is
    sampled and how, if nothing else is asked for.
    """

    autoencoder: Autoencoder
    decoder: Decoder
    property_weights: Path
    voxels: VoxelParameters
    sampling: GenerateParameters
    edges: np.ndarray
    elements: np.ndarray
    angle_rule: AngleRule
    latent_sampler: LatentSampler | None
    known: KnownFormulas

    @property
    def n_conditions(self) -> int:
        """Number of deciles."""
        return len(self.edges) + 1

    @cached_property
    def properties(self) -> PropertyNetworks:
        """The property networks, read when they are first needed."""
        return load_property_networks(self.property_weights)

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
        spread: float | None = None,
        formation_energy: float | None = None,
        elements: Sequence[str] = (),
        source: str = BASES,
    ) -> Iterator[Candidate]:
        """Yield ``count`` samples around a compound as they come: a formula or id of ``source``, or a CIF file.

        The others are those of ``Request``. Raises InputError naming the argument that asks for nothing, a base that
        is not there, or an element that the networks have never seen.
        """
        request = Request(base, count, formation_energy, spread, seed=seed, elements=tuple(elements))
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
    ) -> Iterator[Candidate]:
        """Yield ``count`` samples of the whole latent space as they come, evenly over the deciles.

        With a ``formation_energy`` (eV/atom) all are of its decile. The others are those of ``Request``. Raises
        InputError as ``around`` does.
        """
        request = Request(None, count, formation_energy, spread, random_from, seed, tuple(elements))
        return self._candidates(request, [])

    def _candidates(self, request: Request, source: Sequence[Crystal]) -> Iterator[Candidate]:
        targets = requested_targets(self, request, source)
        return itertools.chain.from_iterable(self.sample(targets, self.allowed(request.elements)))

    def sample(
        self, targets: Sequence[Target], allowed: AllowedElements, parts: Path | None = None, progress: bool = False
    ) -> Iterator[list[Candidate]]:
        """Yield the candidates of all targets, a batch at a time.

        Finished batches are kept under ``parts`` and not sampled again: a killed command goes on from there. Raises
        InputError at the call, not at the first batch, when the property networks cannot be read.
        """
        return self._batches(targets, allowed, parts, self.fingerprint(), progress)

    def _batches(
        self, targets: Sequence[Target], allowed: AllowedElements, parts: Path | None, made_by: str, progress: bool
    ) -> Iterator[list[Candidate]]:
        decoder = self.decoder.among(allowed)
        total = sum(target.count for target in targets)
        bar = tqdm(total=total, desc="generate", unit=" samples", disable=not progress)
        with decoding_pool(total) as pool, bar:
            for target in targets:
                centre = self._centre(target)
                for start in range(0, target.count, BATCH):
                    stop = min(start + BATCH, target.count)
                    name = f"{target.digest(allowed.numbers)}-{made_by}-{start:06d}-{stop:06d}.json"
                    found = _stored(parts / name) if parts else None
                    if found is None:
                        z = target.draw(start, stop, centre)
                        maps = self.autoencoder.decode(z, self._one_hot([target.condition] * len(z)))
                        outcomes = decoder.atoms(pool, maps, self.sampling.way)
                        found = describe(target, start, outcomes, self, pool)
                        if parts:
                            write_json(parts / name, [asdict(candidate) for candidate in found])
                    yield found
                    bar.update(stop - start)

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
        radii, grid = radii_of(self.voxels.radii), self.voxels.grid
        densities = [voxelize(one.numbers, one.fractional, one.lengths, radii, grid)[0] for one in crystals]
        return np.stack([input_maps(density, one.lengths) for density, one in zip(densities, crystals, strict=True)])

    def conditions_of(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the conditions (B, K) of crystals by their formation energies."""
        energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
        return self._one_hot(condition_bins(energies, self.edges))

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
        networks = [model for members in self.properties.by_property.values() for model in members]
        digest = hashlib.sha256(self.sampling.way.encode())
        for model in (self.autoencoder.encoder, self.autoencoder.decoder, self.decoder.unet, *networks):
            for array in model.get_weights():
                digest.update(array.tobytes())
        return digest.hexdigest()[:12]

    def _centre(self, target: Target) -> np.ndarray:
        """Return the middle of a cloud of latents (L,): the encoded base, or 0."""
        if target.base is None:
            return np.zeros(self.autoencoder.encoder.outputs[0].shape[-1], dtype=np.float32)
        maps, numbers = self.maps_of([target.base]), [target.base.numbers]
        return self.autoencoder.encode(maps, self._one_hot([target.condition]), numbers)[0][0]

    def _one_hot(self, conditions: Sequence[int]) -> np.ndarray:
        return one_hot(np.asarray(conditions), self.n_conditions)


def base_crystals(source: str) -> list[Crystal]:
    """Return the crystals of a source that a base compound may be chosen from, in their primitive cells."""
    found, _ = read_source(source)
    return screen(found, max_sites=MAX_BASE_SITES, require_label=False)[0]


def _stored(part: Path) -> list[Candidate] | None:
    """Return the candidates of a finished batch, None if missing or damaged: it is sampled again."""
    try:
        return [Candidate(**one) for one in json.loads(part.read_text())]
    except (OSError, ValueError, TypeError):  # a JSON fault is a ValueError
        return None
