"""Weights by name: whole networks there and back, and a sentence for a file that does not fit."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import InputError
from models.beyond_paper import ImprovedUNetParameters, ImprovedVAEParameters
from models.table6 import UNetParameters, VAEParameters
from models.unet import build_unet
from repro.training.named_weights import load_named_weights, write_named_weights
from repro.training.train_unet import build_segmenter
from repro.training.train_vae import build_vae
from tests.support.damage import damaged

SMALL = dict(filters=(2, 3, 4, 5), latent=6)


@pytest.fixture(scope="module")
def unet():
    keras.utils.set_random_seed(3)
    return build_unet(UNetParameters(filters=1))


@pytest.fixture(scope="module")
def stored(unet, tmp_path_factory):
    path = tmp_path_factory.mktemp("named") / "unet.npz"
    write_named_weights(unet, path)
    return path


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_unet(UNetParameters(filters=1)),
        lambda: build_segmenter(ImprovedUNetParameters(filters=1), "ionic"),
        lambda: build_vae(VAEParameters(**SMALL), 16),
        lambda: build_vae(ImprovedVAEParameters(**SMALL), 16),
    ],
    ids=["unet", "improved_unet", "vae", "improved_vae"],
)
def test_every_weight_comes_back(build, tmp_path):
    first, second = build(), build()
    rng = np.random.default_rng(0)
    for weight in first.weights:
        weight.assign(rng.normal(size=weight.shape))
    write_named_weights(first, tmp_path / "weights.npz")
    load_named_weights(second, tmp_path / "weights.npz")
    for one, other in zip(first.weights, second.weights, strict=True):
        rounded = np.float16 if one.path.endswith("/kernel") else np.float32
        np.testing.assert_array_equal(np.array(one).astype(rounded), np.array(other), err_msg=one.path)
    with np.load(tmp_path / "weights.npz") as arrays:
        assert sum(arrays[name].size for name in arrays.files) == first.count_params()


def test_keys_are_the_names_of_layers_and_variables(stored):
    with np.load(stored) as arrays:
        assert arrays["down_1_conv_1/kernel"].shape == (3, 3, 3, 4, 1)
        assert arrays["down_1_conv_1/kernel"].dtype == np.float16
        assert arrays["bottleneck_norm_2/moving_variance"].dtype == np.float32
        assert len(arrays.files) == 7 * 12 + 4  # seven blocks, two heads


def changed(stored, tmp_path, **change):
    with np.load(stored) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    path = tmp_path / "changed.npz"
    np.savez(path, **{name: array for name, array in (found | change).items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"species/bias": None}, "it lacks species/bias"),
        ({"species/bias": None, "species/kernel": None}, "it lacks species/kernel and 1 others"),
        ({"other/bias": np.zeros(3)}, "it holds other/bias, which the network does not have"),
        ({"species/bias": np.zeros(94, np.float32)}, r"species/bias has the shape \(94,\) instead of \(95,\)"),
        ({"species/bias": np.zeros(95, np.int64)}, "species/bias is int64 instead of float16 or float32"),
        ({"species/bias": np.full(95, np.nan, np.float32)}, "species/bias holds numbers that are not finite"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_its_fault_and_changes_nothing(unet, stored, tmp_path, change, fault):
    before = unet.get_weights()
    with pytest.raises(InputError, match=rf"changed\.npz does not fit the network unet: {fault}"):
        load_named_weights(unet, changed(stored, tmp_path, **change))
    assert all((one == other).all() for one, other in zip(before, unet.get_weights(), strict=True))


def test_a_missing_a_foreign_and_a_truncated_file_are_named(unet, stored, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz is not there"):
        load_named_weights(unet, tmp_path / "nowhere.npz")
    (tmp_path / "text.npz").write_text("no weights")
    (tmp_path / "cut.npz").write_bytes(stored.read_bytes()[:-1000])
    for name in ("text.npz", "cut.npz"):
        with pytest.raises(InputError, match=rf"{name} is no whole NPZ file of weights"):
            load_named_weights(unet, tmp_path / name)


@given(data=st.data())
def test_whatever_the_damage_there_is_one_sentence(unet, stored, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "unet.npz"
    path.write_bytes(data.draw(damaged(stored.read_bytes())))
    try:
        load_named_weights(unet, path)  # a byte that no checksum covers may be lost without harm
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def test_a_kernel_beyond_float16_is_not_written(tmp_path):
    model = build_unet(UNetParameters(filters=1))
    model.get_layer("species").kernel.assign(np.full((1, 1, 1, 4, 95), 1e6))
    with pytest.raises(InputError, match="species/kernel holds numbers that are not finite in float16"):
        write_named_weights(model, tmp_path / "unet.npz")
    assert not list(tmp_path.iterdir())
