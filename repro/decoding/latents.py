"""Maps through a VAE and back without sampling, and how far they come out off (FINDINGS F14 to F16)."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from data_prep.crystal import Crystal
from data_prep.substitution import composition_shares
from models.decoding.lattice import lattice_least_squares, lattice_minmax
from models.vae import kl_divergence

Vae = tuple[keras.Model, keras.Model]
DRAWS = 64  # from the posterior, for the composition


@dataclass(frozen=True)
class Reconstruction:
    """B structures through a VAE with z = z_mean.

    ``true`` and ``maps`` (B, G, G, G, 4) float32; ``z_mean`` and ``z_log_var`` (B, L); ``composition``
    (B, 95), the share of each species, of a VAE that has a head for it.
    """

    true: np.ndarray
    maps: np.ndarray
    z_mean: np.ndarray
    z_log_var: np.ndarray
    composition: np.ndarray | None = None

    @property
    def squared_errors(self) -> np.ndarray:
        """(B, G, G, G, 4)."""
        return np.square(self.maps - self.true)

    @property
    def divergence(self) -> np.ndarray:
        """(B,) in nats (F14)."""
        return keras.ops.convert_to_numpy(kl_divergence(self.z_mean, self.z_log_var))

    @property
    def fitted_lengths(self) -> np.ndarray:
        """Cell lengths (B, 3) in Å by least squares (F16)."""
        return lattice_least_squares(self.maps[..., 1:])

    @property
    def spanned_lengths(self) -> np.ndarray:
        """Cell lengths (B, 3) in Å by the release's formula (F16)."""
        return lattice_minmax(self.maps[..., 1:])


def encode(
    encoder: keras.Model, maps: np.ndarray, condition: np.ndarray, numbers: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and log-variance (B, L) of maps (B, G, G, G, 4) under conditions (B, K).

    ``numbers`` are the atomic numbers (n,) of each crystal, for an encoder that is told the composition.
    """
    inputs = {"maps": maps, "condition": condition}
    if "composition" in encoder.input:
        inputs["composition"] = np.stack([composition_shares(of_crystal) for of_crystal in numbers])
    z_mean, z_log_var = encoder.predict_on_batch(inputs)
    return np.asarray(z_mean), np.asarray(z_log_var)


def decode_latent(decoder: keras.Model, z: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the maps (B, G, G, G, 4) of latent vectors (B, L); the composition (B, 95) where the decoder says it."""
    decoded = decoder.predict_on_batch({"z": z, "condition": condition})
    composition = decoded.get("composition")
    return np.asarray(decoded["maps"]), None if composition is None else np.asarray(composition)


def reconstruct(vae: Vae, true: np.ndarray, condition: np.ndarray, numbers: Sequence[np.ndarray]) -> Reconstruction:
    """Encode and decode maps (B, G, G, G, 4) of crystals with ``numbers`` under conditions (B, K)."""
    encoder, decoder = vae
    z_mean, z_log_var = encode(encoder, true, condition, numbers)
    maps, composition = decode_latent(decoder, z_mean, condition)
    if composition is not None:
        composition = expected_composition(decoder, z_mean, z_log_var, condition)
    return Reconstruction(true, maps, z_mean, z_log_var, composition)


def expected_composition(
    decoder: keras.Model, z_mean: np.ndarray, z_log_var: np.ndarray, condition: np.ndarray
) -> np.ndarray:
    """Return the composition (B, 95) as the head has learned to tell it: of draws from the posterior, averaged.

    Of the mean alone it is too sure of the commonest species: in training it never sees a latent without noise.
    """
    head = keras.Model(decoder.input, decoder.get_layer("composition").output)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((DRAWS, *z_mean.shape), dtype=np.float32)
    z = (z_mean + np.exp(z_log_var / 2) * noise).reshape(-1, z_mean.shape[-1])
    told = head({"z": z, "condition": np.tile(condition, (DRAWS, 1))}, training=False)
    return keras.ops.convert_to_numpy(told).reshape(DRAWS, len(z_mean), -1).mean(axis=0)


def reconstruction_errors(crystals: Sequence[Crystal], found: Reconstruction) -> list[dict]:
    """Return per structure the MSE of all channels and of the density, the divergence in nats, and the
    absolute errors (3,) of the cell lengths in Å by least squares and by the release's formula (F14 to F16).
    """
    squared, divergence = found.squared_errors, found.divergence
    fitted, spanned = found.fitted_lengths, found.spanned_lengths
    return [
        {
            "id": crystal.id,
            "family": crystal.family,
            "mse": squared[i].mean(dtype=np.float64),
            "density_mse": squared[i, ..., 0].mean(dtype=np.float64),
            "kld": divergence[i],
            "lattice_error": np.abs(fitted[i] - crystal.lengths),
            "lattice_error_minmax": np.abs(spanned[i] - crystal.lengths),
        }
        for i, crystal in enumerate(crystals)
    ]
