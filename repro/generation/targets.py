"""Where in the latent space new crystals are drawn (Generation; Ab Initio Validation; FINDINGS F18)."""

import difflib
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from data_prep.conditions import condition_bins, one_hot
from data_prep.crystal import FAMILIES, Crystal
from data_prep.elements import RADII
from data_prep.errors import InputError
from data_prep.quarantine import Rejected
from data_prep.sources.cif_folder import read_cif
from data_prep.voxelize import voxelize
from models.latent_sampler import LatentSampler
from repro.decoding.latents import encode
from repro.presets import GenerateParameters
from repro.training.dataset import Dataset
from repro.training.feeds import input_maps


@dataclass(frozen=True)
class Target:
    """A cloud of latent vectors.

    Around ``base`` with standard deviation ``spread``; without one where the ``encoded`` crystals of the
    condition lie, their distance from the middle times ``spread``, or N(0, spread).
    """

    name: str
    base: Crystal | None
    condition: int
    count: int
    spread: float
    seed: int
    encoded: LatentSampler | None = None

    def digest(self, allowed: np.ndarray) -> str:
        """Return a short hash that tells this target's partial results, of ``allowed`` elements, from another's."""
        base = None if self.base is None else [self.base.id, *self.base.lengths, *self.base.fractional.ravel()]
        text = json.dumps([self.name, base, self.condition, self.spread, self.seed, allowed.tolist()])
        text += " encoded" if self.encoded else ""
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def draw(self, start: int, stop: int, centre: np.ndarray) -> np.ndarray:
        """Return latent vectors ``start`` to ``stop`` (n, L); each depends on the seed and its number alone."""
        streams = [np.random.default_rng((self.seed, self.condition, number)) for number in range(start, stop)]
        if self.encoded:
            draws = [self.encoded.draw(self.condition, self.spread, rng) for rng in streams]
        else:
            draws = [centre + self.spread * rng.standard_normal(len(centre)) for rng in streams]
        return np.stack(draws).astype(np.float32)


def pipeline_targets(
    dataset: Dataset, parameters: GenerateParameters, seed: int, encoded: LatentSampler | None = None
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
        targets.append(at_random(condition, parameters.random_per_condition, seed, encoded, parameters.random_spread))
    return targets


def around(base: Crystal, condition: int, count: int, spread: float, seed: int) -> Target:
    """Return the target around a base compound, under the base's own condition (F18)."""
    return Target(f"{base.formula}-{base.id}", base, condition, count, spread, seed)


def at_random(
    condition: int, count: int, seed: int, encoded: LatentSampler | None = None, spread: float = 1.0
) -> Target:
    """Return the target of random sampling under one condition, where crystals were ``encoded`` or from N(0, 1).

    Raises InputError when no crystal was encoded under the condition.
    """
    if encoded and not (encoded.conditions == condition).any():
        raise InputError(
            f"No training crystal lies in decile {condition + 1} of the formation energies: "
            "draw under another --formation-energy, or from N(0, 1) with --random-from normal."
        )
    return Target(f"random-{condition}", None, condition, count, spread, seed, encoded)


def shares(count: int, parts: int) -> list[int]:
    """Return how many of ``count`` samples each of ``parts`` conditions gets: evenly, the first never less."""
    ends = [-(-count * part // parts) for part in range(parts + 1)]
    return [stop - start for start, stop in itertools.pairwise(ends)]


def centre_of(target: Target, encoder: keras.Model, grid: int, radii: str, n_conditions: int) -> np.ndarray:
    """Return the middle of the cloud (L,): the encoded base, or 0."""
    if target.base is None:
        return np.zeros(encoder.outputs[0].shape[-1], dtype=np.float32)
    base = target.base
    density, _ = voxelize(base.numbers, base.fractional, base.lengths, RADII[radii](), grid)
    condition = one_hot(np.array([target.condition]), n_conditions)
    z_mean, _ = encode(encoder, input_maps(density, base.lengths)[None], condition, [base.numbers])
    return z_mean[0]


def find_base(name: str, crystals: Sequence[Crystal]) -> Crystal:
    """Return the crystal that ``name`` means: a CIF file, an id, or a formula (the one of lowest energy).

    Raises InputError with the nearest names when there is none.
    """
    if name.lower().endswith(".cif"):
        return _base_from_cif(Path(name))
    matches = [crystal for crystal in crystals if name in (crystal.id, crystal.formula)]
    if matches:
        return min(matches, key=lambda crystal: crystal.formation_energy_per_atom)
    names = {crystal.formula for crystal in crystals} | {crystal.id for crystal in crystals}
    nearest = difflib.get_close_matches(name, sorted(names), n=5, cutoff=0.3)
    raise InputError(
        f"The base {name!r} is neither a formula nor an id of this run's crystals nor a CIF file; "
        f"the nearest are {', '.join(nearest) if nearest else 'none'}."
    )


def _base_from_cif(path: Path) -> Crystal:
    """Read one CIF as its primitive cell (F1); it has no formation energy."""
    if not path.exists():
        raise InputError(f"The base {path} does not exist.")
    found = read_cif((path, float("nan"), {}), cell="primitive")
    if isinstance(found, Rejected):
        raise InputError(f"The base {path} cannot be used ({found.reason}): {found.detail}.")
    return found


def condition_of(energy: float, edges: np.ndarray) -> int:
    """Return the decile of a formation energy in eV/atom."""
    return int(condition_bins(np.array([energy]), edges)[0])


def describe_condition(condition: int, edges: np.ndarray) -> str:
    """Return the decile in words, with its range in eV/atom."""
    bounds = ["-inf", *(f"{edge:.2f}" for edge in edges), "inf"]
    return f"decile {condition + 1} of {len(edges) + 1} ({bounds[condition]} to {bounds[condition + 1]} eV/atom)"
