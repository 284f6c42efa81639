"""Maps to latents and back: a trained encoder and decoder, and the errors of reconstructions (F14 to F16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_prep.crystal import Crystal
from data_prep.substitution import composition_shares
from models.decoding.lattice import lattice_least_squares, lattice_minmax
from models.forward.vae import Decoder, Encoder
from models.table6 import VAEParameters
from repro.stored_weights import weights_of

if TYPE_CHECKING:
    import keras

COMPOSITION_SAMPLES = 64  # from each posterior


@dataclass(frozen=True)
class LatentMaps:
    """Maps (B, G, G, G, 4) float32, and the latents that they were decoded from.

    ``composition`` (B, 95) is the share of each species, if the decoder has a head for it; ``z`` (B, L) are the
    latents. Both are None for the maps of crystals.
    """

    maps: np.ndarray
    composition: np.ndarray | None = None
    z: np.ndarray | None = None


@dataclass(frozen=True)
class Reconstruction:
    """B structures encoded and decoded with z = z_mean.

    ``true`` maps (B, G, G, G, 4), the ``decoded`` ones, ``z_mean`` and ``z_log_var`` (B, L).
    """

    true: np.ndarray
    decoded: LatentMaps
    z_mean: np.ndarray
    z_log_var: np.ndarray

    @property
    def squared_errors(self) -> np.ndarray:
        """Squared errors of all voxels (B, G, G, G, 4)."""
        return np.square(self.decoded.maps - self.true)

    @property
    def divergence(self) -> np.ndarray:
        """Kullback-Leibler divergence from N(0, 1), (B,) in nats (F14)."""
        mean, log_var = self.z_mean, self.z_log_var
        return -0.5 * np.sum(1 + log_var - np.square(mean) - np.exp(log_var), axis=-1)

    @property
    def fitted_lengths(self) -> np.ndarray:
        """Cell lengths (B, 3) in Å by least squares (F16)."""
        return lattice_least_squares(self.decoded.maps[..., 1:])

    @property
    def spanned_lengths(self) -> np.ndarray:
        """Cell lengths (B, 3) in Å by the release's formula (F16)."""
        return lattice_minmax(self.decoded.maps[..., 1:])

    def errors(self, crystals: Sequence[Crystal]) -> list[dict]:
        """Return the reconstruction errors of each crystal (F14 to F16).

        They are the MSE of all channels and of the density, the divergence in nats, and the absolute errors (3,) of
        the cell lengths in Å by least squares and by the release's formula.
        """
        squared, divergence = self.squared_errors, self.divergence
        fitted, spanned = self.fitted_lengths, self.spanned_lengths
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


@dataclass(frozen=True)
class Autoencoder:
    """A trained encoder and decoder: the paper's, the released ones, or the improved ones."""

    encoder: Encoder
    decoder: Decoder

    def encode(
        self, maps: np.ndarray, condition: np.ndarray, numbers: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and log-variance (B, L) of maps (B, G, G, G, 4) under conditions (B, K).

        ``numbers`` are the atomic numbers (n,) of each crystal, for an encoder that also receives the composition.
        """
        composition = None
        if self.encoder.reads_composition:
            composition = np.stack([composition_shares(of_crystal) for of_crystal in numbers])
        return self.encoder(maps, condition, composition)

    def decode(self, z: np.ndarray, condition: np.ndarray) -> LatentMaps:
        """Return the maps of latent vectors (B, L) under conditions (B, K)."""
        return LatentMaps(*self.decoder(z, condition), z)

    def reconstruct(self, true: np.ndarray, condition: np.ndarray, numbers: Sequence[np.ndarray]) -> Reconstruction:
        """Encode and decode maps (B, G, G, G, 4) of crystals with ``numbers`` under conditions (B, K)."""
        z_mean, z_log_var = self.encode(true, condition, numbers)
        decoded = self.decode(z_mean, condition)
        if decoded.composition is not None:
            composition = self.expected_composition(z_mean, z_log_var, condition)
            decoded = LatentMaps(decoded.maps, composition, z_mean)
        return Reconstruction(true, decoded, z_mean, z_log_var)

    def expected_composition(self, z_mean: np.ndarray, z_log_var: np.ndarray, condition: np.ndarray) -> np.ndarray:
        """Return the composition (B, 95) averaged over samples from the posterior.

        In training the composition head never receives a latent without noise: for the mean alone it gives the
        commonest species too large a share.
        """
        z = sample_posteriors(z_mean, z_log_var, COMPOSITION_SAMPLES, seed=0)
        shares = self.decoder.composition(z, np.tile(condition, (COMPOSITION_SAMPLES, 1)))
        return shares.reshape(COMPOSITION_SAMPLES, len(z_mean), -1).mean(axis=0)


def trained_autoencoder(
    encoder: "keras.Model", decoder: "keras.Model", parameters: VAEParameters, grid: int = 32
) -> Autoencoder:
    """Return the autoencoder of Keras' models."""
    return Autoencoder(Encoder(parameters, grid, weights_of(encoder)), Decoder(parameters, grid, weights_of(decoder)))


def sample_posteriors(z_mean: np.ndarray, z_log_var: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return ``count`` latents from each of B posteriors, (count * B, L): one of each, then the next of each."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, *z_mean.shape), dtype=np.float32)
    return (z_mean + np.exp(z_log_var / 2) * noise).reshape(-1, z_mean.shape[-1])
