"""Crystals in the latent space: encoded once for Figures 2 and 3, and how their dimensions are distributed."""

import numpy as np
from scipy.stats import gaussian_kde

from experiments.paper import TEXT
from experiments.stored import Stored, of_networks
from repro.backend import start_backend
from repro.run import Run
from repro.training.dataset import load_dataset, load_store

NETWORKS = ("generator",)
ENCODED = int(TEXT["tsne_structures"].value)  # at most so many structures of the training part
INACTIVE = 0.01  # nats: a dimension with a smaller mean divergence carries nothing
_FEW = 3  # crystals below which no density is estimated


def encoded(run: Run) -> Stored:
    """Return the run's encoded training structures, from ``results/RUN/latent.npz`` if the VAE is the same.

    ``arrays``: ``ids``, ``formulas``, ``families`` (n,), ``energies`` (n,) in eV/atom, ``conditions`` (n,), ``mean``
    and ``log_var`` (n, L) float32. Raises InputError if the VAE has not been trained.
    """
    return of_networks("latent", run, NETWORKS, encode_training)


def encode_training(run: Run) -> Stored:
    """Encode up to 5,000 structures of the training part, spread evenly, each under its own condition."""
    start_backend()
    from repro.decoding.knowledge import encode_crystals  # these import Keras, which only a new computation needs
    from repro.generation.generator_folder import load_generator

    dataset, store = load_dataset(run), load_store(run)
    autoencoder = load_generator(run.folder("generator")).autoencoder
    chosen = dataset.indices("train", ENCODED)
    mean, log_var = encode_crystals(autoencoder, dataset, store, chosen)
    crystals = [dataset.crystals[index] for index in chosen]
    return Stored(
        {"encoded": len(chosen), "training_part": len(dataset.train)},
        {
            "ids": np.array([crystal.id for crystal in crystals]),
            "formulas": np.array([crystal.formula for crystal in crystals]),
            "families": np.array([crystal.family for crystal in crystals]),
            "energies": np.array([crystal.formation_energy_per_atom for crystal in crystals]),
            "conditions": dataset.bins[chosen],
            "mean": mean.astype(np.float32),
            "log_var": log_var.astype(np.float32),
        },
    )


def sampled(mean: np.ndarray, log_var: np.ndarray, seed: int) -> np.ndarray:
    """Return one latent vector (n, L) for each crystal, z = mean + exp(log-variance / 2) epsilon (Methods)."""
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    return mean + np.exp(0.5 * np.asarray(log_var, dtype=np.float64)) * noise


def divergences(mean: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """Return each dimension's divergence (L,) from N(0, 1) in nats, averaged over crystals (n, L) (F14)."""
    mean, log_var = np.asarray(mean, dtype=np.float64), np.asarray(log_var, dtype=np.float64)
    return (0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var)).mean(axis=0)


def moments(mean: np.ndarray, log_var: np.ndarray, z: np.ndarray) -> dict:
    """Return the average mean and variance of the dimensions (n, L), the paper's beside them, and the inactive ones.

    ``z`` are the sampled vectors, which training pulls to N(0, 1); ``centre`` is of the encoder's means alone, whose
    variance is next to nothing in a dimension that carries nothing.
    """
    kld = divergences(mean, log_var)
    return {
        "crystals": len(mean),
        "dimensions": mean.shape[1],
        "sampled": {"mean": float(z.mean(axis=0).mean()), "variance": float(z.var(axis=0).mean())},
        "centre": {"mean": float(mean.mean(axis=0).mean()), "variance": float(mean.var(axis=0).mean())},
        "paper": {"mean": TEXT["latent_mean"].value, "variance": TEXT["latent_variance"].value},
        "divergence": float(kld.sum()),
        "inactive": int((kld < INACTIVE).sum()),
        "inactive_below": INACTIVE,
        "mean_of_dimension": z.mean(axis=0),
        "variance_of_dimension": z.var(axis=0),
        "divergence_of_dimension": kld,
    }


def densities(z: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the Gaussian kernel density (L, P) of each dimension of ``z`` (n, L) at ``points`` (P,); Scott's width.

    NaN if a dimension does not vary or there are fewer than three crystals.
    """
    found = np.full((z.shape[1], len(points)), np.nan)
    for dimension, values in enumerate(z.T):
        if len(values) >= _FEW and values.std() > 0:
            found[dimension] = gaussian_kde(values)(points)
    return found
