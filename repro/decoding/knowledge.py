"""What the training crystals teach a trained VAE about its latents and about where atoms are.

All of it is fitted after the training: where encoded crystals lie, how many sites a latent means, and the
arrangements of sites that occur.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from data_prep.box import shift_to_origin
from data_prep.cell_angles import AngleRule
from data_prep.crystal import FAMILIES, Crystal
from data_prep.shards import VoxelStore
from models.decoding.arrangements import Arrangements
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.latents import Autoencoder
from repro.training.dataset import Dataset, batches

ENCODED_AT_ONCE = 50
CLASSIFIED = 2000  # crystals of the training part that the numbers of sites are learned from
DRAWS = 3  # latents of each of them
STRENGTH = 0.1  # inverse of the regularisation
ROUNDED = 24  # fractional coordinates are told apart to 1/24
SHARE = 0.01  # of the crystals, that an arrangement must have


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
    """Return where the chosen crystals' latents lie, from their means and log-variances (n, L)."""
    families = np.array([FAMILIES.index(dataset.crystals[index].family) for index in chosen])
    variance = np.exp(log_var)
    everyone = np.ones(len(chosen), dtype=bool)
    members = [families == family if (families == family).any() else everyone for family in range(len(FAMILIES))]
    return LatentSampler(mean, dataset.bins[chosen], families, np.stack([variance[of].mean(axis=0) for of in members]))


def fit_site_counts(z_mean: np.ndarray, z_log_var: np.ndarray, sizes: np.ndarray, seed: int) -> SiteCountClassifier:
    """Return the multinomial logistic regression of the numbers of sites ``sizes`` (n,) on draws from the
    posteriors (n, L) of n crystals; if all have the same number of sites, that number.
    """
    if len(only := np.unique(sizes)) == 1:  # scikit-learn refuses a single class
        return SiteCountClassifier(only, np.zeros((z_mean.shape[1], 1)), np.zeros(1))
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((DRAWS, *z_mean.shape), dtype=np.float32)
    z = (z_mean + np.exp(z_log_var / 2) * noise).reshape(-1, z_mean.shape[-1])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(z, np.tile(sizes, DRAWS))
    if len(fitted.classes_) == 2:  # scikit-learn keeps one score for two classes
        scores = np.concatenate([np.zeros_like(fitted.coef_), fitted.coef_])
        return SiteCountClassifier(fitted.classes_, scores.T, np.array([0.0, *fitted.intercept_]))
    return SiteCountClassifier(fitted.classes_, fitted.coef_.T, fitted.intercept_)


def fit_arrangements(crystals: Sequence[Crystal], rule: AngleRule) -> Arrangements:
    """Return the arrangements and counts that occur in ``crystals``, commonest first, with the rule's volumes."""
    arrangements: dict[int, Counter] = defaultdict(Counter)
    counts: dict[int, Counter] = defaultdict(Counter)
    for crystal in crystals:
        sites = np.round(shift_to_origin(crystal.fractional) * ROUNDED) / ROUNDED
        arrangements[crystal.n_sites][tuple(map(tuple, sites[np.lexsort(sites.T)]))] += 1
        counts[crystal.n_sites][tuple(sorted(np.unique(crystal.numbers, return_counts=True)[1].tolist())[::-1])] += 1
    enough = max(2, SHARE * len(crystals))
    kept = {
        number: [sites for sites, seen in found.most_common() if seen >= enough]
        for number, found in arrangements.items()
    }
    return Arrangements(
        rule.volumes,
        {number: tuple(np.array(sites) for sites in found) for number, found in kept.items() if found},
        {number: tuple(found) for number, found in counts.items()},
    )
