"""The UNet: exact parameter count, shapes, loss, perceptual features."""

import keras
import numpy as np
import pytest

from models.table6 import UNetParameters
from models.unet import (
    PERCEPTUAL_LAYERS,
    WeightedCategoricalCrossentropy,
    build_unet,
    inverse_frequency_weights,
    perceptual_features,
)


def test_parameter_count_is_that_of_the_lost_weight_file():
    """31,163,008 x 4 bytes against a file of 124,803,392 bytes: the rest is HDF5 structure (F20)."""
    unet = build_unet(UNetParameters())
    assert unet.count_params() == 31_163_008
    assert 0 < 124_803_392 - 4 * unet.count_params() < 200_000


def test_same_weights_take_crops_and_whole_maps():
    unet = build_unet(UNetParameters(filters=2))
    for grid in (8, 16):
        output = unet(np.zeros((1, grid, grid, grid, 4), np.float32), training=False)
        assert output["species"].shape == (1, grid, grid, grid, 95)
        assert output["occupied"].shape == (1, grid, grid, grid, 1)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(output["species"]).sum(-1), 1, rtol=1e-5)


def test_perceptual_features_are_the_named_relus_and_widths():
    unet = build_unet(UNetParameters(filters=2))
    features = perceptual_features(unet)(np.ones((1, 16, 16, 16, 4), np.float32))
    assert [feature.shape for feature in features] == [
        (1, 16, 16, 16, 4),
        (1, 8, 8, 8, 8),
        (1, 4, 4, 4, 16),
        (1, 2, 2, 2, 32),
    ]
    full = build_unet(UNetParameters())
    assert [full.get_layer(name).output.shape[-1] for name in PERCEPTUAL_LAYERS] == [64, 128, 256, 512]


def test_weighted_cross_entropy_ignores_class_zero_and_matches_numpy():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (2, 3, 3, 3))
    probability = rng.dirichlet(np.ones(4), labels.shape).astype(np.float32)
    weights = np.array([0.0, 1.0, 2.0, 0.5])
    loss = float(WeightedCategoricalCrossentropy(weights)(labels, probability))
    chosen = np.take_along_axis(probability, labels[..., None], axis=-1)[..., 0]
    w = weights[labels]
    assert loss == pytest.approx((w * -np.log(chosen)).sum() / w.sum(), rel=1e-5)


def test_inverse_frequency_weights_follow_the_release_up_to_scale(shared):
    """The released ``class_weights.npy`` is total voxels / class voxels (F21)."""
    counts = np.array([900.0, 50.0, 0.0, 25.0])
    weights = inverse_frequency_weights(counts)
    assert weights[0] == weights[2] == 0
    assert weights[3] / weights[1] == pytest.approx(2.0)
    capped = inverse_frequency_weights(np.array([900.0, 50.0, 0.0, 40.0, 0.1]), cap=3.0)
    assert capped[4] == 3 * capped[3] and capped[3] / capped[1] == pytest.approx(1.25)  # the median of three is [3]
    released = np.load(shared / "reference/icsg3d/class_weights.npy")
    assert released.shape == (95,)
    assert inverse_frequency_weights(released.sum() / released.clip(min=1))[1:].argmax() == released[1:].argmax()
