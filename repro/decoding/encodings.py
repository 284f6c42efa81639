"""What a run's trained encoder says of its training crystals, kept for generation beside the weights."""

from pathlib import Path

import keras
import numpy as np

from data_prep.conditions import one_hot
from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.npz import DamagedNpz, read_npz
from data_prep.shards import VoxelStore
from models.latent_sampler import LatentSampler
from repro.decoding.decoder import batches
from repro.decoding.latents import encode
from repro.run import Run
from repro.training.dataset import Dataset
from repro.training.feeds import input_maps

FILE = "encoded.npz"
BATCH = 50


def encode_crystals(
    encoder: keras.Model, dataset: Dataset, store: VoxelStore, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and log-variance (n, L) of the chosen crystals, each under its own condition."""
    means, log_vars = [], []
    for part in batches(chosen, BATCH):
        maps = np.stack([input_maps(store.density(index), store.lengths[index]) for index in part])
        condition = one_hot(dataset.bins[part], len(dataset.edges) + 1)
        mean, log_var = encode(encoder, maps, condition, [dataset.crystals[index].numbers for index in part])
        means.append(mean)
        log_vars.append(log_var)
    return np.concatenate(means), np.concatenate(log_vars)


def encoded_latents(dataset: Dataset, chosen: np.ndarray, mean: np.ndarray, log_var: np.ndarray) -> LatentSampler:
    """Return the distribution of the chosen crystals' latents from their means and log-variances (n, L)."""
    families = np.array([FAMILIES.index(dataset.crystals[index].family) for index in chosen])
    variance = np.exp(log_var)
    everyone = np.ones(len(chosen), dtype=bool)
    members = [families == family if (families == family).any() else everyone for family in range(len(FAMILIES))]
    return LatentSampler(mean, dataset.bins[chosen], families, np.stack([variance[of].mean(axis=0) for of in members]))


def write_encoded_latents(latents: LatentSampler, path: Path) -> None:
    """Write the distribution, atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        latents.save(file)


def load_encoded_latents(path: Path, latent: int) -> LatentSampler:
    """Read what ``write_encoded_latents`` wrote of vectors of ``latent`` numbers.

    Raises InputError naming the file when it is damaged or another.
    """
    try:
        arrays = read_npz(path)
        found = LatentSampler(*(arrays[name] for name in ("z_mean", "conditions", "families", "noise")))
        found.check(latent)
        return found
    except (OSError, DamagedNpz, KeyError, ValueError) as error:
        raise InputError(f"{path} does not say where encoded crystals lie ({error}): train the VAE again.") from error


def trained_encoded_latents(run: Run) -> LatentSampler | None:
    """Return the distribution of a run's encoded crystals, or None where its VAE has no heads."""
    path = run.folder("train-vae") / FILE
    return load_encoded_latents(path, run.preset.vae.latent) if path.exists() else None
