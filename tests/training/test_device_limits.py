"""Half precision where the device has it, and a sentence where it does not or where memory ends."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_prep.errors import InputError
from models.beyond_paper import ImprovedVAEParameters
from models.precision import convolutions_in
from models.table6 import UNetParameters
from models.unet import build_unet
from repro.training.device_limits import explaining_memory, is_out_of_memory, require_precision
from repro.training.fit import Budget, compile_model, fit_epochs, restore
from repro.training.train_vae import build_vae
from tests.training.test_fit import LineFeed, small_model, weights_of

FOLDER = Path("runs/one/train-unet")
HEADS = {
    "unet": ("species", "occupied"),
    "vae": (
        "encoder_dense",
        "z_of_features",
        "z_log_var",
        "head_dense",
        "lengths",
        "decoder_dense",
        "decoder_norm_out",
    ),
}


def layers_of(kind):
    if kind == "unet":
        return build_unet(UNetParameters(filters=1), grid=8).layers
    vae = build_vae(ImprovedVAEParameters(filters=(2, 2, 2), latent=4, dense=64), 8)
    return [*vae.encoder.layers, *vae.decoder.layers]


@pytest.mark.parametrize("kind", HEADS)
def test_convolutions_alone_are_in_half_precision(kind):
    with convolutions_in("bfloat16"):
        half = {layer.name: layer for layer in layers_of(kind)}
    plain = layers_of(kind)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in plain} == {"float32"}
    heads = {name for name, layer in half.items() if layer.compute_dtype == "float32"}
    assert set(HEADS[kind]) <= heads
    convolutions = {name for name in half if "_conv_" in name and name != "decoder_conv_out"}
    assert convolutions and not heads & convolutions
    assert {variable.dtype for layer in half.values() for variable in layer.weights} == {"float32"}


def test_weights_trained_in_half_precision_serve_in_float32():
    keras.utils.set_random_seed(0)
    with convolutions_in("bfloat16"):
        half = build_unet(UNetParameters(filters=1), grid=8)
    plain = build_unet(UNetParameters(filters=1), grid=8)
    plain.set_weights(half.get_weights())
    maps = np.random.default_rng(0).random((2, 8, 8, 8, 4), dtype=np.float32)
    one, other = (model(maps, training=False) for model in (half, plain))
    for name in ("species", "occupied"):
        assert keras.backend.standardize_dtype(one[name].dtype) == "float32"
        np.testing.assert_allclose(one[name], other[name], atol=0.02)
    assert np.abs(np.array(one["occupied"]) - np.array(other["occupied"])).max() > 0


@pytest.mark.slow
def test_processors_have_bfloat16():
    require_precision("bfloat16", "train-unet")


def test_in_float16_the_loss_is_scaled_and_a_training_goes_on_from_its_scale(tmp_path):
    """The optimizer around Adam, on float32 numbers: its state too is in the checkpoint."""
    budget = Budget(epochs=2, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2)

    def scaled():
        model = small_model(budget)
        compile_model(model, budget, "float16", loss="mse")
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        return model

    whole, parts = scaled(), scaled()
    fit_epochs(whole, budget, LineFeed, LineFeed(99), tmp_path / "whole")
    first = Budget(epochs=1, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2)
    fit_epochs(parts, first, LineFeed, LineFeed(99), tmp_path / "parts")
    resumed = scaled()
    fit_epochs(resumed, budget, LineFeed, LineFeed(99), tmp_path / "parts")
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
    assert int(resumed.optimizer.step_counter) == 6 and float(resumed.optimizer.dynamic_scale) == 2**15
    with pytest.raises(InputError, match="of another configuration"):
        restore(small_model(budget), tmp_path / "whole")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("device is full"), "train-vae ran out of memory on a tiny network: another program uses"),
        (RuntimeError("no kernel for half\nmore"), "cannot train in bfloat16 with .* \\(no kernel for half\\): choose"),
        (RuntimeError(), "\\(RuntimeError\\): choose another preset"),
    ],
)
def test_a_device_that_cannot_says_why(monkeypatch, error, said):
    def failing(*arguments):
        raise error

    monkeypatch.setattr(keras.Model, "train_on_batch", failing)
    with pytest.raises(InputError, match=said):
        require_precision("bfloat16", "train-vae")


class OutOfMemoryError(RuntimeError):
    """As PyTorch's."""


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (MemoryError(), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[10,32]"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4294967296 bytes."), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (tf.errors.InternalError(None, None, "failed to allocate: CUDA_ERROR_OUT_OF_MEMORY"), True),
        (RuntimeError("INVALID_ARGUMENT: shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_whatever_a_backend_raises_says_which_batch_to_set(error, exhausted):
    assert is_out_of_memory(error) == exhausted
    with pytest.raises(InputError if exhausted else type(error)) as raised, explaining_memory(FOLDER, 32):
        raise error
    if exhausted:
        assert str(raised.value) == (
            "train-unet ran out of memory with batch_size = 32: set a smaller one in the preset "
            "(repro/presets.py), such as 16, and remove runs/one/train-unet to start again."
        )
