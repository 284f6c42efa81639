"""The VAE with heads for composition and lattice: parameter counts, heads, loss, training."""

import keras
import numpy as np
import pytest

from data_prep.box import coordinate_grid
from models.beyond_paper import ImprovedVAEParameters
from models.improved_vae import (
    SPECIES,
    CoordinateChannels,
    ImprovedVAE,
    build_improved_decoder,
    build_improved_encoder,
)
from models.table6 import VAEParameters
from models.vae import CondDFCVAE, start_from_statistics
from repro.training.train_vae import build_vae
from tests.support.small_improved_vae import GRID, SMALL, as_arrays, crystals_batch, short_training


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    return crystals_batch()


@pytest.fixture(scope="module")
def losses() -> tuple[dict[str, float], dict[str, float], ImprovedVAE]:
    """Return the terms on the batch before and after a short training, and the trained model."""
    return short_training()


@pytest.fixture(scope="module")
def model(losses) -> ImprovedVAE:
    """The trained model: its weights are those of no fresh one."""
    return losses[2]


@pytest.fixture(scope="module")
def fresh() -> ImprovedVAE:
    return ImprovedVAE(SMALL, GRID, seed=99)


def test_parameter_counts_at_full_size():
    """Weights and biases, by hand; a normalisation of c channels has 4 c.

    Encoder. Convolutions 14 -> 16 -> 32 -> 64 -> 128 with normalisation: 6,064 + 64 + 13,856 + 128 + 55,360 + 256
    + 221,312 + 512; out to 4: 13,828; in all 311,380, as in the paper's. Dense (32 + 95) -> 256: 32,768;
    z of features and log-variance, 256 -> 256: 2 x 65,792; z of composition, 95 -> 256, no bias: 24,320.

    Decoder. Head, (256 + 10) -> 256: 68,352; composition, 256 -> 95 and, without bias, 256 -> 95: 24,415 + 24,320;
    lengths, 256 -> 3: 771. Dense (266 + 95 + 3) -> 256: 93,440; convolutions 4 -> 128 -> 64 -> 32 -> 16 with
    normalisation: 13,952 + 512 + 221,248 + 256 + 55,328 + 128 + 13,840 + 64; density, 16 -> 1: 433 + 4.
    """
    parameters = ImprovedVAEParameters()
    encoder, decoder = build_improved_encoder(parameters), build_improved_decoder(parameters)
    assert encoder.count_params() == 311_380 + 32_768 + 2 * 65_792 + 24_320 == 500_052
    assert decoder.count_params() == 68_352 + 24_415 + 24_320 + 771 + 93_440 + 305_328 + 433 + 4 == 517_063
    assert {name: tensor.shape for name, tensor in decoder.output.items()} == {
        "maps": (None, 32, 32, 32, 4),
        "composition": (None, 95),
    }


@pytest.mark.slow
def test_shapes(model, batch):
    found = as_arrays(model(batch, training=False))
    assert {name: value.shape for name, value in found.items()} == {
        "maps": (8, GRID, GRID, GRID, 4),
        "composition": (8, SPECIES),
        "z_mean": (8, 6),
        "z_log_var": (8, 6),
    }


def test_the_parameters_decide_which_vae_is_built():
    assert type(build_vae(SMALL, GRID)) is ImprovedVAE
    assert type(build_vae(VAEParameters(filters=(2, 3, 4, 5), latent=6), GRID)) is CondDFCVAE


def test_the_layer_gives_the_coordinates_of_any_lengths():
    lengths = np.random.default_rng(0).uniform(2, 12, (5, 3)).astype(np.float32)
    found = keras.ops.convert_to_numpy(CoordinateChannels(GRID)(lengths))
    np.testing.assert_allclose(found, coordinate_grid(lengths, GRID), rtol=1e-6)


def decode_wide(model: ImprovedVAE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return maps, composition and the lattice head's lengths (20, 3) of latent vectors from everywhere."""
    rng = np.random.default_rng(0)
    inputs = {
        "z": rng.normal(0, 3, (20, 6)).astype(np.float32),
        "condition": np.eye(10, dtype=np.float32)[rng.integers(10, size=20)],
    }
    decoder = model.decoder
    head = keras.Model(decoder.input, {**decoder.output, "lengths": decoder.get_layer("lengths").output})
    found = as_arrays(head(inputs, training=False))
    return found["maps"], found["composition"], found["lengths"]


@pytest.mark.slow
def test_the_decoders_coordinate_channels_are_a_grid_of_its_lengths(model):
    maps, _, lengths = decode_wide(model)
    assert (lengths > 0).all() and lengths.std(axis=0).min() > 0.01 and np.ptp(lengths, axis=1).max() > 0.01
    np.testing.assert_allclose(maps[..., 1:], coordinate_grid(lengths, GRID), rtol=1e-5)
    assert (maps[..., 0] >= 0).all() and maps[..., 0].max() > 0


@pytest.mark.slow
def test_the_composition_is_a_share_of_each_species(model):
    _, composition, _ = decode_wide(model)
    assert (composition >= 0).all()
    np.testing.assert_allclose(composition.sum(axis=1), 1, rtol=1e-5)
    assert composition.std(axis=0).max() > 0.01


def test_an_untrained_decoder_gives_a_cell_of_usual_size(fresh):
    _, _, lengths = decode_wide(fresh)
    assert np.median(lengths) == pytest.approx(4.5, abs=1.0)


@pytest.mark.slow
def test_the_encoder_sees_the_composition(model, batch):
    other = {**batch, "composition": np.roll(batch["composition"], 1, axis=1)}
    first, second = (as_arrays(model(inputs, training=False)) for inputs in (batch, other))
    for name in ("z_mean", "z_log_var"):
        assert np.abs(first[name] - second[name]).max() > 1e-3


@pytest.mark.slow
def test_loss_is_the_documented_sum_of_named_terms(model, batch):
    """Recomputed here with NumPy for a prediction that is wrong in every term."""
    rng = np.random.default_rng(3)
    scores = np.exp(rng.normal(0, 2, (8, SPECIES)))
    predicted = {
        "maps": rng.random(batch["maps"].shape, dtype=np.float32),
        "composition": (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32),
        "z_mean": rng.normal(size=(8, 6)).astype(np.float32),
        "z_log_var": rng.normal(size=(8, 6)).astype(np.float32),
    }
    for tracker in model.trackers.values():
        tracker.reset_state()
    loss = float(model.compute_loss(x=batch, y_pred=predicted))

    squared = (predicted["maps"].astype(float) - batch["maps"]) ** 2
    mean, log_variance = predicted["z_mean"].astype(float), predicted["z_log_var"].astype(float)
    logs = [np.log(out[shares > 0]) for out, shares in zip(predicted["composition"], batch["composition"], strict=True)]
    true = [shares[shares > 0] for shares in batch["composition"]]
    terms = {
        "mse": squared.mean(),
        "density_mse": squared[..., 0].mean(),
        "coordinate_mse": squared[..., 1:].mean(),
        "perceptual": 4 * squared[..., :2].mean() + np.mean((predicted["maps"] ** 2 - batch["maps"] ** 2) ** 2),
        "kld": np.mean(np.sum(0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance), axis=1)),
        "composition": np.mean([np.sum(t * (np.log(t) - log)) for t, log in zip(true, logs, strict=True)]),
    }
    recorded = {name: float(tracker.result()) for name, tracker in model.trackers.items()}
    assert recorded == pytest.approx(terms, rel=1e-4)
    expected = 11 * terms["density_mse"] + terms["coordinate_mse"] + 0.7 * terms["perceptual"]
    assert loss == pytest.approx(expected + 0.03 * terms["kld"] + 0.4 * terms["composition"], rel=1e-5)


@pytest.mark.slow
def test_the_right_composition_costs_nothing(model, batch):
    predicted = {**as_arrays(model(batch, training=False)), "composition": batch["composition"]}
    assert float(model.terms(batch, predicted)["composition"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_a_short_training_learns_composition_and_lattice(losses):
    """Evaluated on the crystals it saw, with z = z_mean: any working head distinguishes eight crystals."""
    before, after, _ = losses
    assert after["composition"] < 0.5 * before["composition"]
    assert after["coordinate_mse"] < before["coordinate_mse"]
    assert after["loss"] < before["loss"]


@pytest.mark.slow
def test_weights_of_both_heads_come_back_into_a_fresh_model(model, batch, tmp_path):
    model.save_weights(tmp_path / "vae.weights.h5")
    loaded = ImprovedVAE(SMALL, GRID)
    loaded.load_weights(tmp_path / "vae.weights.h5")
    first, second = (as_arrays(m(batch, training=False)) for m in (model, loaded))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    for name in ("composition_of_z", "composition_of_dense", "lengths", "head_dense"):
        kernels = [m.decoder.get_layer(name).kernel.numpy() for m in (model, loaded)]
        np.testing.assert_array_equal(*kernels)


def test_only_the_density_starts_from_the_statistics_of_the_maps(fresh, batch):
    start_from_statistics(fresh.decoder, batch["maps"])
    norm = fresh.decoder.get_layer("decoder_norm_out")
    assert float(norm.gamma[0]) == pytest.approx(batch["maps"][..., 0].std(), rel=1e-4)
    assert float(norm.beta[0]) == pytest.approx(batch["maps"][..., 0].mean(), rel=1e-4)
