"""Maps to latents and back, with the composition of a decoder that gives it, and the errors of reconstructions."""

import numpy as np
import pytest

from repro.decoding.latents import LatentMaps, Reconstruction, sample_posteriors, trained_autoencoder
from tests.support.crystal_maps import maps
from tests.support.made_up_crystals import made_up_crystals
from tests.support.small_improved_vae import CRYSTALS, GRID, SMALL, as_arrays, crystals_batch, short_training


@pytest.mark.slow
def test_a_reconstruction_gives_the_encoder_the_composition_and_keeps_what_the_decoder_gives():
    batch, model = crystals_batch(), short_training()[2]
    autoencoder = trained_autoencoder(model.encoder, model.decoder, SMALL, GRID)
    numbers = [crystal.numbers for crystal in CRYSTALS]
    found = autoencoder.reconstruct(batch["maps"], batch["condition"], numbers)
    expected = as_arrays(model(batch, training=False))
    np.testing.assert_allclose(found.decoded.maps, expected["maps"], rtol=1e-4, atol=1e-5)
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.decoded.z, found.z_mean)
    # The composition is the mean over samples from the posterior: near that of the mean latent, and it adds up.
    np.testing.assert_allclose(found.decoded.composition.sum(axis=1), 1.0, rtol=1e-5)
    difference = np.abs(found.decoded.composition - expected["composition"]).max()
    assert 1e-5 < difference < 0.3
    certain = autoencoder.expected_composition(found.z_mean, found.z_log_var - 50, batch["condition"])
    np.testing.assert_allclose(certain, expected["composition"], rtol=1e-4, atol=1e-5)
    other = autoencoder.reconstruct(batch["maps"], batch["condition"], numbers[::-1])
    assert np.abs(other.z_mean - found.z_mean).max() > 1e-3


def test_samples_have_the_posteriors_mean_and_deviation():
    mean, log_var = np.array([[1.0, -2.0], [5.0, 0.0]]), np.log([[0.25, 4.0], [1.0, 1e-6]])
    z = sample_posteriors(mean, log_var, 5000, seed=1).reshape(5000, 2, 2)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(z.std(axis=0), np.exp(log_var / 2), rtol=0.05)
    np.testing.assert_array_equal(z.reshape(-1, 2), sample_posteriors(mean, log_var, 5000, seed=1))


def test_errors_of_a_reconstruction_by_hand():
    """The density is too high by 0.1 everywhere and the cell too long by 2 %."""
    crystal = made_up_crystals(1)[0]
    density, coordinates, _ = maps(crystal, grid=16)
    true = np.concatenate([density[..., None], coordinates], axis=-1)[None]
    decoded = np.concatenate([density[..., None] + 0.1, 1.02 * coordinates], axis=-1)[None]
    found = Reconstruction(true, LatentMaps(decoded), np.full((1, 5), 2.0), np.zeros((1, 5)))
    (errors,) = found.errors([crystal])
    assert errors["id"] == crystal.id and errors["family"] == crystal.family
    assert errors["density_mse"] == pytest.approx(0.01, rel=1e-4)
    assert errors["mse"] == pytest.approx((0.01 + 3 * np.mean((0.02 * coordinates) ** 2)) / 4, rel=1e-4)
    assert errors["kld"] == pytest.approx(10.0)
    np.testing.assert_allclose(errors["lattice_error"], 0.02 * crystal.lengths, rtol=1e-3)
    short = (1.02 * (1 - 1 / 16) - 1) * crystal.lengths  # the release's formula is 1/16 too short (F16)
    np.testing.assert_allclose(errors["lattice_error_minmax"], np.abs(short), rtol=1e-3)
