"""Where in the latent space new crystals are drawn (Generation; Ab Initio Validation; F18)."""

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data_prep.crystal import Crystal, all_families
from data_prep.errors import InputError
from models.latent_sampler import LatentSampler
from repro.generation.bases import choice, crystals_named, find_base, is_file
from repro.presets import GenerateParameters, RandomFrom
from repro.training.dataset import Dataset

if TYPE_CHECKING:
    from repro.generation.generator import Generator
    from repro.generation.request import Request


@dataclass(frozen=True)
class Target:
    """A cloud of latent vectors.

    Around ``base`` with standard deviation ``spread``, or, if there is a ``distance``, around crystals like the base of
    elements that far from its own, with the spread of their posteriors; without a base from the ``sampler``, distances
    from the middle times ``spread``, or from N(0, spread).
    """

    name: str
    base: Crystal | None
    condition: int
    count: int
    spread: float
    seed: int
    sampler: LatentSampler | None = None
    distance: float | None = None

    @property
    def sampling(self) -> str:
        """How the latents are sampled, in a word."""
        if self.base is None:
            if self.sampler is None:
                return "normal"
            return "posteriors" if self.sampler.one_by_one else "encoded"
        return "noise" if self.distance is None else "neighbours"

    def digest(self, allowed: np.ndarray) -> str:
        """Return a short hash by which partial results are known as this target's, of ``allowed`` elements."""
        base = None if self.base is None else [self.base.id, *self.base.lengths, *self.base.fractional.ravel()]
        text = json.dumps([self.name, base, self.condition, self.spread, self.seed, allowed.tolist()])
        text += f" {self.sampling} {self.distance}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def stream(self, number: int) -> np.random.Generator:
        """Return the random numbers of one sample: they depend on the seed and its number alone."""
        return np.random.default_rng((self.seed, self.condition, number))

    def latent(self, number: int, centre: np.ndarray) -> np.ndarray:
        """Return the latent vector (L,) of one sample about the ``centre`` (L,), or from the sampler."""
        stream = self.stream(number)
        if self.sampler:
            return self.sampler.draw(self.condition, self.spread, stream).astype(np.float32)
        return (centre + self.spread * stream.standard_normal(len(centre))).astype(np.float32)


def in_turn(targets: Sequence[Target]) -> list[tuple[Target, int]]:
    """Return every sample of all targets, its target and number: the first of each, then the second of each."""
    most = max((target.count for target in targets), default=0)
    return [(target, number) for number in range(most) for target in targets if number < target.count]


def around(base: Crystal, condition: int, count: int, spread: float, seed: int) -> Target:
    """Return the target around a base compound, under the base's own condition (F18)."""
    return Target(f"{base.formula}-{base.id}", base, condition, count, spread, seed)


def beside(base: Crystal, condition: int, count: int, distance: float, seed: int) -> Target:
    """Return the target around crystals like a base, of elements at a ``distance`` from its own (F46)."""
    return Target(f"{base.formula}-{base.id}-neighbours", base, condition, count, 1.0, seed, distance=distance)


def at_random(
    condition: int, count: int, seed: int, sampler: LatentSampler | None = None, spread: float = 1.0
) -> Target:
    """Return the target of random samples of a condition: from the ``sampler``, or from N(0, 1) (Generation; F18).

    Raises InputError when no training crystal lies in the decile.
    """
    if sampler and condition not in sampler.conditions:
        raise InputError(
            f"No training crystal lies in decile {condition + 1} of the formation energies: "
            "draw under another --formation-energy, or from N(0, 1) with --random-from normal."
        )
    return Target(f"random-{condition}", None, condition, count, spread, seed, sampler)


def pipeline_targets(
    dataset: Dataset, parameters: GenerateParameters, seed: int, sampler: LatentSampler | None = None
) -> list[Target]:
    """Return the targets of the pipeline's own run: bases of each family from the training part, and random ones."""
    rng = np.random.default_rng(seed)
    targets = []
    train = dataset.indices("train")
    for family in all_families(crystal.family for crystal in dataset.train):
        members = [index for index in train if dataset.crystals[index].family == family]
        for index in rng.permutation(members)[: parameters.bases_per_family]:
            base = dataset.crystals[index]
            condition, count = int(dataset.bins[index]), parameters.samples_per_base
            targets.append(around(base, condition, count, parameters.spread, seed))
            if parameters.around == "neighbours":
                targets.append(beside(base, condition, count, parameters.distance, seed))
    for condition in range(len(dataset.edges) + 1):
        targets.append(at_random(condition, parameters.random_per_condition, seed, sampler, parameters.random_spread))
    return targets


def requested_targets(generator: "Generator", request: "Request", source: Sequence[Crystal]) -> list[Target]:
    """Return the targets of a user's request; the base is one of ``source``, or a structure file.

    Raises InputError when there is no such base, or the generator cannot draw what is asked for.
    """
    if request.base is None:
        return _random_targets(generator, request)
    parameters, base = generator.sampling, find_base(request.base, source)
    if not is_file(request.base) and len(found := crystals_named(request.base, source)) > 1:
        print(choice(request.base, found))
    energy = base.formation_energy_per_atom if request.formation_energy is None else request.formation_energy
    if not math.isfinite(energy):
        energy = generator.predicted_energies([base])[0]
        print(f"{request.base} has no formation energy: the predicted {energy:.2f} eV/atom chooses the condition.")
    condition, count = generator.condition_of(energy), request.draws or parameters.samples_per_base
    if request.spread is None and parameters.around == "neighbours":
        distance = parameters.distance if request.distance is None else request.distance
        return [beside(base, condition, count, distance, request.seed)]
    spread = parameters.spread if request.spread is None else request.spread
    return [around(base, condition, count, spread, request.seed)]


def _random_targets(generator: "Generator", request: "Request") -> list[Target]:
    parameters = generator.sampling
    conditions: Sequence[int] = range(generator.n_conditions)
    if request.formation_energy is not None:
        conditions = [generator.condition_of(request.formation_energy)]
    counts = _shares(request.draws or parameters.random_per_condition * len(conditions), len(conditions))
    sampler = sampler_for(generator, request.random_from or parameters.random_from)
    spread = parameters.random_spread if request.spread is None else request.spread
    wanted = [(condition, count) for condition, count in zip(conditions, counts, strict=True) if count]
    return [at_random(condition, count, request.seed, sampler, spread) for condition, count in wanted]


def _shares(count: int, parts: int) -> list[int]:
    """Return how many of ``count`` samples each of ``parts`` conditions gets: evenly, the first never less."""
    ends = [-(-count * part // parts) for part in range(parts + 1)]
    return [stop - start for start, stop in itertools.pairwise(ends)]


def sampler_for(generator: "Generator", random_from: RandomFrom) -> LatentSampler | None:
    """Return the sampler of random latents, or None for N(0, 1); raises InputError if the generator has none."""
    if random_from == "normal":
        return None
    if generator.latent_sampler is None:
        raise InputError("This generator has no latents of training crystals to sample from: add --random-from normal.")
    sampler = generator.latent_sampler
    return replace(sampler, one_by_one=True) if random_from == "posteriors" else sampler
