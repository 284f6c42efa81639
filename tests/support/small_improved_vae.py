"""A small VAE with heads for composition and lattice, on eight made-up crystals, before and after a short training."""

from functools import lru_cache

import keras
import numpy as np

from data_prep.elements import ionic_radii
from data_prep.substitution import composition_shares
from data_prep.voxelize import input_maps, voxelize
from models.beyond_paper import ImprovedVAEParameters
from models.improved_vae import ImprovedVAE
from repro.training.fit import Budget, compile_model
from tests.support.made_up_crystals import made_up_crystals

GRID = 16
SMALL = ImprovedVAEParameters(
    filters=(2, 3, 4, 5), latent=6, norm_momentum=0.8,
    alpha=0.7, beta=0.03, density_weight=11.0, composition_weight=0.4,
)  # fmt: skip
CRYSTALS = made_up_crystals(8)


def features(maps) -> list:
    """Stand in for the hidden layers of the UNet, which tests/models/test_vae.py has."""
    return [2 * maps[..., :2], keras.ops.square(maps)]


def as_arrays(outputs: dict) -> dict[str, np.ndarray]:
    """Return a network's outputs as arrays."""
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


@lru_cache(maxsize=1)
def crystals_batch() -> dict[str, np.ndarray]:
    """Return maps, condition and composition of the eight crystals."""
    densities = [voxelize(c.numbers, c.fractional, c.lengths, ionic_radii(), GRID)[0] for c in CRYSTALS]
    return {
        "maps": np.stack([input_maps(density, c.lengths) for density, c in zip(densities, CRYSTALS, strict=True)]),
        "condition": np.eye(10, dtype=np.float32)[:8],
        "composition": np.stack([composition_shares(c.numbers) for c in CRYSTALS]),
    }


@lru_cache(maxsize=1)
def short_training() -> tuple[dict[str, float], dict[str, float], ImprovedVAE]:
    """Return the terms of the loss before and after a short training, and the trained model."""
    keras.utils.set_random_seed(1)
    batch, model = crystals_batch(), ImprovedVAE(SMALL, GRID, features, seed=1)
    compile_model(model, Budget(epochs=40, steps=1, learning_rate=0.01, schedule="constant", warmup_steps=0))
    before = model.evaluate(batch, batch_size=8, verbose=0, return_dict=True)
    model.fit(batch, batch_size=8, epochs=40, verbose=0)
    return before, model.evaluate(batch, batch_size=8, verbose=0, return_dict=True), model
