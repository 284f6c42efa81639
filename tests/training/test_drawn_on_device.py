"""Training on maps drawn on the device: the batches of the host's feeds, the same loss, checkpoints of the network."""

import keras
import numpy as np
import pytest

from data_prep.conditions import one_hot
from data_prep.elements import ionic_radii
from data_prep.shards import VoxelStore, build_shards
from data_prep.substitution import composition_shares
from models.beyond_paper import ImprovedVAEParameters
from models.table6 import UNetParameters
from models.unet import WeightedCategoricalCrossentropy, build_unet
from repro.presets import TrainingParameters
from repro.training.dataset import Dataset
from repro.training.device_maps import MapDrawing
from repro.training.drawn_on_device import UNetOnDevice, VAEOnDevice, crystal_feed, padded
from repro.training.feeds import Exchange, SampleOrder, UNetFeed, VAEFeed, exchange_of
from repro.training.fit import BEST, Budget, compile_model, fit_epochs, load_weights
from repro.training.train_vae import build_vae
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(9)
PARTS = np.array(["train"] * 8 + ["test"])
DATASET = Dataset(CRYSTALS, PARTS, np.arange(9.0), np.arange(9))
GRID = 8
REAL = Exchange(CRYSTALS)


def drawing(labels=True, errors=False):
    return MapDrawing(ionic_radii(), GRID, labels=labels, errors=errors, seed=0)


def batch(exchange=REAL, noise=0.0, rotations=2, epoch=0):
    order = SampleOrder(range(8), rotations, batch_size=8, steps_per_epoch=2, seed=1)
    return crystal_feed(DATASET)(order, epoch, exchange, noise)[0][0]


def drawn(inputs, training=False, **options):
    return {
        name: keras.ops.convert_to_numpy(found) for name, found in drawing(**options)(inputs, training=training).items()
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voxels")
    build_shards(folder, CRYSTALS, grid=GRID, radii="ionic", shard_size=9, processes=1)
    return VoxelStore(folder)


def test_the_drawn_batches_are_those_of_the_hosts_feeds(store):
    """Rotated copies too; the shards keep a density to 5e-4."""
    order = SampleOrder(range(8), 2, batch_size=8, steps_per_epoch=2, seed=1)
    maps, labels = UNetFeed(store, order, crop=0, epoch=0, exchange=REAL)[0]
    found = drawn(batch())
    np.testing.assert_allclose(found["maps"], maps, rtol=6e-4, atol=1e-7)
    np.testing.assert_array_equal(found["species"], labels["species"])
    np.testing.assert_array_equal(found["occupied"], labels["occupied"])
    (inputs,) = VAEFeed(store, one_hot(np.arange(9), 10), order, 0, REAL)[0]
    for name in ("condition", "composition"):
        np.testing.assert_array_equal(batch()[name], inputs[name])
    assert set(drawn(batch(), labels=False)) == {"maps"}


def test_exchanged_samples_are_other_crystals_without_condition():
    inputs = batch(exchange_of(DATASET, 0.5, "ionic"), rotations=0)
    made = ~inputs["condition"].any(axis=1)
    assert 0 < made.sum() < 8
    order = SampleOrder(range(8), 0, batch_size=8, steps_per_epoch=2, seed=1)
    for row, (index, _) in enumerate(order.batch(0, 0)):
        crystal = CRYSTALS[index]
        numbers = inputs["numbers"][row][: crystal.n_sites]
        assert (inputs["numbers"][row] > 0).sum() == crystal.n_sites
        np.testing.assert_array_equal(inputs["composition"][row], composition_shares(numbers))
        same = np.allclose(inputs["lengths"][row], crystal.lengths, rtol=1e-6)
        assert same != made[row] and (made[row] or (numbers == crystal.numbers).all())


def test_batches_depend_on_seed_epoch_and_step_alone():
    exchange = exchange_of(DATASET, 0.5, "ionic")
    first, again, other = batch(exchange, 0.3), batch(exchange, 0.3), batch(exchange, 0.3, epoch=1)
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["lengths"] != other["lengths"]).any() and (first["error"] != other["error"]).any()
    assert first["error"].min() > 0 and first["error"].max() < 0.3


def test_errors_are_added_in_training_alone_and_anew_for_each_batch():
    layer, inputs = drawing(errors=True), batch(noise=0.5)
    plain, first, second = (np.array(layer(inputs, training=training)["maps"]) for training in (False, True, True))
    np.testing.assert_array_equal(plain, drawn(inputs)["maps"])
    np.testing.assert_array_equal(first[..., 1:], plain[..., 1:])
    units = 0.02 + 0.3 * plain[..., 0]
    change = ((first - plain)[..., 0] / units).std(axis=(1, 2, 3))  # roughly the size: no density is below 0
    assert (change < 1.1 * inputs["error"]).all() and (change > 0.4 * inputs["error"]).all()
    assert (first != second).any()


def test_padding_leaves_room_for_the_largest_crystal():
    crystals = padded(CRYSTALS)
    assert crystals.numbers.shape == (9, max(crystal.n_sites for crystal in CRYSTALS))
    assert ((crystals.numbers > 0).sum(axis=1) == [crystal.n_sites for crystal in CRYSTALS]).all()
    assert (crystals.sites.min(axis=1) == 0).all() and crystals.sites.max() < 1


def test_crops_are_for_maps_of_the_host():
    with pytest.raises(ValueError, match="crop must be 0"):
        TrainingParameters(crop=16, drawn_on="device")


BUDGET = Budget(epochs=2, steps=2, learning_rate=0.01, schedule="cosine", warmup_steps=1)


def unet_on_device():
    keras.utils.set_random_seed(0)
    network = build_unet(UNetParameters(filters=1), grid=GRID)
    model = UNetOnDevice(network, drawing(errors=True))
    losses = {"species": WeightedCategoricalCrossentropy(np.ones(95)), "occupied": keras.losses.BinaryCrossentropy()}
    compile_model(model, BUDGET, loss=losses)
    return model, losses


def vae_on_device():
    keras.utils.set_random_seed(0)
    model = VAEOnDevice(
        build_vae(ImprovedVAEParameters(filters=(2, 2, 2), latent=4, dense=64), GRID), drawing(labels=False)
    )
    compile_model(model, BUDGET)
    return model, {}


def feeds():
    order = SampleOrder(range(8), 1, batch_size=4, steps_per_epoch=2, seed=1)
    held_out, exchange = SampleOrder(range(4), 0, 4, 0, 1), exchange_of(DATASET, 0.5, "ionic")
    feed = crystal_feed(DATASET)
    return lambda epoch: feed(order, epoch, exchange, 0.2), feed(held_out, 0, REAL, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("made", [unet_on_device, vae_on_device])
def test_a_training_goes_on_as_if_undisturbed_and_keeps_the_network_alone(made, store, tmp_path):
    whole, losses = made()
    history = fit_epochs(whole, BUDGET, *feeds(), tmp_path / "whole")
    first, _ = made()
    fit_epochs(first, Budget(1, 2, 0.01, "cosine", 1), *feeds(), tmp_path / "parts")
    second, _ = made()
    resumed = fit_epochs(second, BUDGET, *feeds(), tmp_path / "parts")
    for one, other in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [epoch["val_loss"] for epoch in resumed] == [epoch["val_loss"] for epoch in history]
    network = made()[0].network
    load_weights(network, tmp_path / "whole" / BEST)
    compile_model(network, BUDGET, **({"loss": losses} if losses else {}))
    order = SampleOrder(range(4), 0, 4, 0, 1)
    on_host = (
        UNetFeed(store, order, crop=0, epoch=0, exchange=REAL)
        if losses
        else VAEFeed(store, one_hot(np.arange(9), 10), order, 0, REAL)
    )
    found = network.evaluate(on_host, verbose=0, return_dict=True)
    best = min(history, key=lambda epoch: epoch["val_loss"])
    assert {f"val_{name}" for name in found} == {name for name in best if name.startswith("val_")}
    for name, value in found.items():
        assert value == pytest.approx(best[f"val_{name}"], rel=2e-3), name
