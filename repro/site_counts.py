"""The classifier of the number of sites: fitted to a run's trained VAE, and read again."""

from pathlib import Path

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from data_prep.atomic import replacing
from data_prep.conditions import one_hot
from data_prep.shards import VoxelStore
from models.site_counts import SiteCounts, load_site_counts
from repro.datasets import Dataset
from repro.decode import batches
from repro.feeds import input_maps
from repro.reconstruction import encode
from repro.run import Run

FILE = "site_counts.npz"
CRYSTALS = 2000  # of the training part, that are encoded
DRAWS = 3  # latents of each
STRENGTH = 0.1  # inverse of the regularisation


def fit_site_counts(encoder: keras.Model, dataset: Dataset, store: VoxelStore, seed: int) -> SiteCounts:
    """Return the multinomial logistic regression of the number of sites on latents of the training part."""
    chosen, rng = dataset.indices("train", CRYSTALS), np.random.default_rng(seed)
    latents = []
    for part in batches(chosen, 50):
        maps = np.stack([input_maps(store.density(index), store.lengths[index]) for index in part])
        condition = one_hot(dataset.bins[part], len(dataset.edges) + 1)
        z_mean, z_log_var = encode(encoder, maps, condition, [dataset.crystals[index].numbers for index in part])
        noise = rng.standard_normal((DRAWS, *z_mean.shape), dtype=np.float32)
        latents.append(z_mean + np.exp(z_log_var / 2) * noise)
    counts = np.array([dataset.crystals[index].n_sites for index in chosen])
    z = np.concatenate(latents, axis=1).reshape(-1, latents[0].shape[-1])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(z, np.tile(counts, DRAWS))
    if len(fitted.classes_) == 2:  # scikit-learn keeps one score for two classes
        zero = np.zeros_like(fitted.coef_)
        return SiteCounts(fitted.classes_, np.concatenate([zero, fitted.coef_]).T, np.array([0.0, *fitted.intercept_]))
    return SiteCounts(fitted.classes_, fitted.coef_.T, fitted.intercept_)


def write_site_counts(counts: SiteCounts, path: Path) -> None:
    """Write the classifier, atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        counts.save(file)


def trained_site_counts(run: Run) -> SiteCounts | None:
    """Return the classifier of a run, or None where its VAE has no heads."""
    path = run.folder("train-vae") / FILE
    return load_site_counts(path) if path.exists() else None
