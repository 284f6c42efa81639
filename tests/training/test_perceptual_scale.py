"""The perceptual term is a share of each layer's mean square, alike for a UNet of any scale."""

import json

import keras
import numpy as np
import pytest

from data_prep.errors import InputError
from models.table6 import UNetParameters, VAEParameters
from models.unet import PERCEPTUAL_LAYERS, build_unet, perceptual_features
from models.vae import CondDFCVAE
from repro.training.fit import STATE
from repro.training.perceptual_scale import SCALE, mean_squares, perceptual_scale, scaled_features

RNG = np.random.default_rng(0)
MAPS, OTHERS = RNG.random((2, 11, 8, 8, 8, 4), dtype=np.float32)


@pytest.fixture(scope="module")
def unet():
    keras.utils.set_random_seed(1)
    return build_unet(UNetParameters(filters=1), grid=8)


@pytest.fixture(scope="module")
def features(unet):
    return perceptual_features(unet)


def perceptual_term(features, true, predicted):
    vae = CondDFCVAE(VAEParameters(filters=(2, 2, 2), latent=4, dense=64), grid=8, features=features)
    return float(vae._perceptual(true, predicted))


def test_the_scale_is_each_layers_mean_square(features):
    found = [keras.ops.convert_to_numpy(layer).astype(np.float64) for layer in features(MAPS)]
    assert mean_squares(features, MAPS) == pytest.approx([np.mean(layer**2) for layer in found], rel=1e-5)


def test_the_scaled_term_is_the_sum_of_each_layers_share(features):
    scale = dict(zip(PERCEPTUAL_LAYERS, mean_squares(features, MAPS), strict=True))
    pairs = zip(features(MAPS), features(OTHERS), scale.values(), strict=True)
    expected = sum(np.mean((np.array(a) - np.array(b)) ** 2) / value for a, b, value in pairs)
    assert perceptual_term(scaled_features(features, scale), MAPS, OTHERS) == pytest.approx(expected, rel=1e-5)


def test_a_unet_whose_features_are_a_hundred_times_larger_gives_the_same_term(unet, features):
    """Kernels and biases of the last convolution a hundred times as large: the raw term grows by 10,000 there."""

    def term(scaled):
        scale = dict(zip(PERCEPTUAL_LAYERS, mean_squares(features, MAPS), strict=True))
        return perceptual_term(scaled_features(features, scale) if scaled else features, MAPS, OTHERS)

    before, raw = term(scaled=True), term(scaled=False)
    last = np.mean((np.array(features(MAPS)[-1]) - np.array(features(OTHERS)[-1])) ** 2)
    layer = unet.get_layer("bottleneck_conv_2")
    weights = layer.get_weights()
    layer.set_weights([100 * weight for weight in weights])
    try:
        assert term(scaled=True) == pytest.approx(before, rel=1e-4)
        assert term(scaled=False) == pytest.approx(raw + 9999 * last, rel=1e-3)
    finally:
        layer.set_weights(weights)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_layer_that_is_always_zero_does_no_harm(precision):
    def nothing(maps):
        return [keras.ops.zeros((len(maps), 2), precision)] * 4

    scaled = scaled_features(nothing, dict(zip(PERCEPTUAL_LAYERS, mean_squares(nothing, MAPS), strict=True)))
    assert perceptual_term(scaled, MAPS, OTHERS) == 0


def test_the_scale_is_stored_and_a_training_that_goes_on_takes_it(features, tmp_path):
    scale = perceptual_scale(tmp_path, features, MAPS)
    assert json.loads((tmp_path / SCALE).read_text()) == scale and list(scale) == list(PERCEPTUAL_LAYERS)
    assert perceptual_scale(tmp_path, features, OTHERS) != scale  # nothing was trained yet
    perceptual_scale(tmp_path, features, MAPS)
    (tmp_path / STATE).write_text("{}")
    assert perceptual_scale(tmp_path, features, OTHERS) == scale


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", json.dumps(dict.fromkeys(PERCEPTUAL_LAYERS, -1.0))])
def test_a_damaged_scale_of_a_training_that_goes_on_is_named(features, tmp_path, text):
    (tmp_path / STATE).write_text("{}")
    if text is not None:
        (tmp_path / SCALE).write_text(text)
    with pytest.raises(InputError, match=rf"{SCALE} is (damaged|not there).*remove .* and train"):
        perceptual_scale(tmp_path, features, MAPS)
