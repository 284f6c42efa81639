"""Where in the latent space new crystals are drawn (Generation; Ab Initio Validation; FINDINGS F18)."""

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_prep.crystal import FAMILIES, Crystal
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

    Around ``base`` with standard deviation ``spread``; without a base from the ``sampler``, distances from the
    middle times ``spread``, or from N(0, spread).
    """

    name: str
    base: Crystal | None
    condition: int
    count: int
    spread: float
    seed: int
    sampler: LatentSampler | None = None

    def digest(self, allowed: np.ndarray) -> str:
        """Return a short hash by which partial results are known as this target's, of ``allowed`` elements."""
        base = None if self.base is None else [self.base.id, *self.base.lengths, *self.base.fractional.ravel()]
        text = json.dumps([self.name, base, self.condition, self.spread, self.seed, allowed.tolist()])
        text += " encoded" if self.sampler else ""
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def draw(self, start: int, stop: int, centre: np.ndarray) -> np.ndarray:
        """Return latent vectors ``start`` to ``stop`` (n, L); each depends on the seed and its number alone."""
        streams = [np.random.default_rng((self.seed, self.condition, number)) for number in range(start, stop)]
        if self.sampler:
            draws = [self.sampler.draw(self.condition, self.spread, rng) for rng in streams]
        else:
            draws = [centre + self.spread * rng.standard_normal(len(centre)) for rng in streams]
        return np.stack(draws).astype(np.float32)


def around(base: Crystal, condition: int, count: int, spread: float, seed: int) -> Target:
    """Return the target around a base compound, under the base's own condition (F18)."""
    return Target(f"{base.formula}-{base.id}", base, condition, count, spread, seed)


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
    for family in FAMILIES:
        members = [index for index in train if dataset.crystals[index].family == family]
        for index in rng.permutation(members)[: parameters.bases_per_family]:
            base = dataset.crystals[index]
            targets.append(around(base, int(dataset.bins[index]), parameters.samples_per_base, parameters.spread, seed))
    for condition in range(len(dataset.edges) + 1):
        targets.append(at_random(condition, parameters.random_per_condition, seed, sampler, parameters.random_spread))
    return targets


def requested_targets(generator: "Generator", request: "Request", source: Sequence[Crystal]) -> list[Target]:
    """Return the targets of a user's request; the base is one of ``source``, or a CIF file.

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
    spread = parameters.spread if request.spread is None else request.spread
    count = request.count or parameters.samples_per_base
    return [around(base, generator.condition_of(energy), count, spread, request.seed)]


def _random_targets(generator: "Generator", request: "Request") -> list[Target]:
    parameters = generator.sampling
    conditions: Sequence[int] = range(generator.n_conditions)
    if request.formation_energy is not None:
        conditions = [generator.condition_of(request.formation_energy)]
    counts = _shares(request.count or parameters.random_per_condition * len(conditions), len(conditions))
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
    return generator.latent_sampler
