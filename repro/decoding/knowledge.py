"""What is fitted to the training crystals after the training of the networks.

The distribution of their latents, the number of sites that a latent encodes, and the arrangements of their sites.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from data_prep.box import shift_to_origin
from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal, all_families
from data_prep.shards import VoxelStore
from models.decoding.arrangements import Arrangements
from models.decoding.structure_types import StructureType
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.latents import Autoencoder, sample_posteriors
from repro.training.dataset import Dataset, batches

ENCODED_AT_ONCE = 50
CLASSIFIER_CRYSTALS = 2000  # at most so many crystals of the training part teach the numbers of sites
CLASSIFIER_SAMPLES = 3  # latents of each of them
INVERSE_REGULARISATION = 0.1  # of the logistic regression
COORDINATE_STEPS = 24  # fractional coordinates are rounded to 1/24
COMMON = 0.01  # an arrangement is kept if this share of the crystals has it
TYPE_SEEN = 3  # a structure type is kept if so many crystals have it
SIMPLE_FRACTION = 2e-3  # largest distance of a structure type's coordinates from simple fractions


def encode_crystals(
    autoencoder: Autoencoder, dataset: Dataset, store: VoxelStore, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and log-variance (n, L) of the chosen crystals, each under its own condition."""
    means, log_vars = [], []
    for part in batches(chosen, ENCODED_AT_ONCE):
        numbers = [dataset.crystals[index].numbers for index in part]
        mean, log_var = autoencoder.encode(store.maps(part), dataset.condition(part), numbers)
        means.append(mean)
        log_vars.append(log_var)
    return np.concatenate(means), np.concatenate(log_vars)


def fit_latent_sampler(dataset: Dataset, chosen: np.ndarray, mean: np.ndarray, log_var: np.ndarray) -> LatentSampler:
    """Return the distribution of the chosen crystals' latents, given their means and log-variances (n, L).

    A family without a crystal gets the mean variance of all.
    """
    of_crystals = [dataset.crystals[index].family for index in chosen]
    names = all_families(of_crystals)
    families = np.array([names.index(family) for family in of_crystals])
    variance = np.exp(log_var)
    everyone = np.ones(len(chosen), dtype=bool)
    members = [families == family if (families == family).any() else everyone for family in range(len(names))]
    noise = np.stack([variance[of_family].mean(axis=0) for of_family in members])
    return LatentSampler(mean, dataset.bins[chosen], families, noise)


def fit_site_counts(z_mean: np.ndarray, z_log_var: np.ndarray, sizes: np.ndarray, seed: int) -> SiteCountClassifier:
    """Return the classifier of the numbers of sites ``sizes`` (n,) of n crystals, given their posteriors (n, L).

    A multinomial logistic regression on samples from the posteriors; if all crystals have the same number of sites,
    that number.
    """
    if len(only := np.unique(sizes)) == 1:  # scikit-learn refuses a single class
        return SiteCountClassifier(only, np.zeros((z_mean.shape[1], 1)), np.zeros(1))
    z = sample_posteriors(z_mean, z_log_var, CLASSIFIER_SAMPLES, seed)
    regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300)
    fitted = regression.fit(z, np.tile(sizes, CLASSIFIER_SAMPLES))
    if len(fitted.classes_) == 2:  # scikit-learn keeps one score for two classes
        scores = np.concatenate([np.zeros_like(fitted.coef_), fitted.coef_])
        return SiteCountClassifier(fitted.classes_, scores.T, np.array([0.0, *fitted.intercept_]))
    return SiteCountClassifier(fitted.classes_, fitted.coef_.T, fitted.intercept_)


def fit_arrangements(crystals: Sequence[Crystal], rule: AngleRule) -> Arrangements:
    """Return arrangements, counts and structure types of ``crystals``, commonest first, with the rule's volumes."""
    counts: dict[int, Counter] = defaultdict(Counter)
    for crystal in crystals:
        counts[crystal.n_sites][tuple(sorted(np.unique(crystal.numbers, return_counts=True)[1].tolist())[::-1])] += 1
    return Arrangements(
        rule.volumes,
        _common_arrangements(crystals),
        {number: tuple(found) for number, found in counts.items()},
        _structure_types(crystals),
    )


def _common_arrangements(crystals: Sequence[Crystal]) -> dict[int, tuple[np.ndarray, ...]]:
    """Return by number of sites the arrangements that many crystals have."""
    seen: dict[int, Counter] = defaultdict(Counter)
    for crystal in crystals:
        sites = _rounded(shift_to_origin(crystal.fractional))
        seen[crystal.n_sites][tuple(map(tuple, sites[np.lexsort(sites.T)]))] += 1
    enough = max(2, COMMON * len(crystals))
    kept = {
        number: [np.array(sites) for sites, times in found.most_common() if times >= enough]
        for number, found in seen.items()
    }
    return {number: tuple(found) for number, found in kept.items() if found}


def _structure_types(crystals: Sequence[Crystal]) -> dict[int, tuple[StructureType, ...]]:
    """Return by number of sites the types that some crystals have, all of whose coordinates are simple fractions."""
    seen: dict[int, Counter] = defaultdict(Counter)
    for crystal in crystals:
        fractional = shift_to_origin(crystal.fractional)
        sites = _rounded(fractional)
        if np.abs(sites - fractional).max() < SIMPLE_FRACTION:
            order = np.lexsort(sites.T)
            seen[crystal.n_sites][tuple(map(tuple, sites[order])), _orbits(crystal.numbers[order])] += 1
    kept = {
        number: [
            StructureType(np.array(sites), np.array(orbits))
            for (sites, orbits), times in found.most_common()
            if times >= TYPE_SEEN
        ]
        for number, found in seen.items()
    }
    return {number: tuple(found) for number, found in kept.items() if found}


def _rounded(fractional: np.ndarray) -> np.ndarray:
    return np.round(fractional * COORDINATE_STEPS) / COORDINATE_STEPS


def _orbits(numbers: np.ndarray) -> tuple[int, ...]:
    """Return the species of each site, numbered from 0 in the order in which they occur."""
    order = list(dict.fromkeys(numbers.tolist()))
    return tuple(order.index(number) for number in numbers.tolist())
