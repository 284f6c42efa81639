"""The Cond-DFC-VAE: shapes, exact parameter counts, loss terms."""

import keras
import numpy as np
import pytest

from models.table6 import UNetParameters, VAEParameters
from models.unet import build_unet, perceptual_features
from models.vae import CondDFCVAE, build_decoder, build_encoder, kl_divergence

SMALL = VAEParameters(filters=(2, 3, 4, 5), latent=6)


def test_parameter_counts_at_the_papers_size():
    """Plain 14-channel input: 826,840 parameters; the released weights' 44 channels add 30 x 27 x 16 (F12)."""
    encoder, decoder = build_encoder(VAEParameters()), build_decoder(VAEParameters())
    assert encoder.count_params() == 451_412
    assert decoder.count_params() == 375_428
    released = build_encoder(VAEParameters(condition_copies=4))
    assert released.count_params() == 451_412 + 30 * 27 * 16
    assert released.get_layer("encoder_conv_1").kernel.shape == (3, 3, 3, 44, 16)


@pytest.mark.parametrize("grid", [16, 32])
def test_shapes(grid):
    encoder, decoder = build_encoder(VAEParameters(), grid), build_decoder(VAEParameters(), grid)
    assert [output.shape for output in encoder.outputs] == [(None, 256), (None, 256)]
    assert decoder.outputs[0].shape == (None, grid, grid, grid, 4)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    unet = build_unet(UNetParameters(filters=2))
    return CondDFCVAE(SMALL, grid=16, features=perceptual_features(unet), seed=1)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    maps = rng.random((4, 16, 16, 16, 4), dtype=np.float32)
    return {"maps": maps, "condition": np.eye(10, dtype=np.float32)[:4]}


def test_loss_is_the_papers_sum_of_named_terms(model, batch):
    """L = MSE + alpha perceptual + beta KLD, each recomputed here with NumPy (Methods; F14)."""
    output = {name: keras.ops.convert_to_numpy(value) for name, value in model(batch, training=False).items()}
    loss = float(model.compute_loss(x=batch, y_pred=output))
    mean, log_variance = output["z_mean"], output["z_log_var"]
    mse = np.mean((output["maps"] - batch["maps"]) ** 2)
    kld = np.mean(np.sum(0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance), axis=1))
    features = model._features
    perceptual = sum(
        np.mean((keras.ops.convert_to_numpy(a) - keras.ops.convert_to_numpy(b)) ** 2)
        for a, b in zip(features(batch["maps"]), features(output["maps"]), strict=True)
    )
    assert perceptual > 0
    assert loss == pytest.approx(mse + SMALL.alpha * perceptual + SMALL.beta * kld, rel=1e-4)
    recorded = {name: float(tracker.result()) for name, tracker in model.trackers.items()}
    assert recorded["kld"] == pytest.approx(kld, rel=1e-3)
    assert recorded["mse"] == pytest.approx(mse, rel=1e-4)


def test_divergence_is_zero_for_the_prior_and_half_the_square_for_a_shift():
    assert float(kl_divergence(np.zeros((1, 5)), np.zeros((1, 5)))[0]) == pytest.approx(0)
    assert float(kl_divergence(np.full((1, 5), 2.0), np.zeros((1, 5)))[0]) == pytest.approx(10.0)


def test_z_is_sampled_in_training_and_the_mean_otherwise(model, batch):
    first, second = (keras.ops.convert_to_numpy(model(batch, training=False)["maps"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    mean, log_variance = np.zeros((2000, 3), np.float32), np.full((2000, 3), 2 * np.log(0.5), np.float32)
    z = keras.ops.convert_to_numpy(model.sampling(mean, log_variance))
    assert z.std() == pytest.approx(0.5, abs=0.02)


def test_the_unet_is_neither_trained_nor_saved_with_the_vae(model):
    names = {variable.path for variable in model.variables}
    assert not any("down_1" in name or "bottleneck" in name for name in names)


def test_an_odd_condition_changes_the_reconstruction(model, batch):
    other = {**batch, "condition": np.roll(batch["condition"], 1, axis=1)}
    first, second = (keras.ops.convert_to_numpy(model(inputs, training=False)["maps"]) for inputs in (batch, other))
    assert np.abs(first - second).max() > 1e-6


def test_weights_come_back_into_a_fresh_model(model, batch, tmp_path):
    model.save_weights(tmp_path / "vae.weights.h5")
    fresh = CondDFCVAE(SMALL, grid=16)
    fresh.load_weights(tmp_path / "vae.weights.h5")
    first, second = (keras.ops.convert_to_numpy(m(batch, training=False)["maps"]) for m in (model, fresh))
    np.testing.assert_array_equal(first, second)


def test_the_state_of_the_noise_is_saved_with_the_weights(model, tmp_path):
    """Otherwise a training that was killed and resumed would not end with the same weights."""
    zeros = np.zeros((2, 6), np.float32)
    model.sampling(zeros, zeros)
    model.save_weights(tmp_path / "vae.weights.h5")
    fresh = CondDFCVAE(SMALL, grid=16, seed=99)
    fresh.load_weights(tmp_path / "vae.weights.h5")
    first, second = (keras.ops.convert_to_numpy(m.sampling(zeros, zeros)) for m in (model, fresh))
    np.testing.assert_array_equal(first, second)
