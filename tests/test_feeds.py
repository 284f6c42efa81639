"""Feeds: what a batch holds, and that an epoch depends on (seed, epoch) alone."""

import numpy as np
import pytest

from data_prep.conditions import one_hot
from data_prep.rotations import rotate
from data_prep.shards import VoxelStore, build_shards
from repro.feeds import (
    Exchange,
    SampleOrder,
    UNetFeed,
    VAEFeed,
    copy_rotation,
    crop_window,
    input_maps,
    shuffled_batches,
)  # fmt: skip
from tests.crystals import made_up_crystals

CRYSTALS = made_up_crystals(9)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voxels")
    build_shards(folder, CRYSTALS, grid=16, radii="ionic", shard_size=4, processes=1)
    return VoxelStore(folder)


def test_one_pass_shows_every_structure_once_and_each_copy_once():
    order = SampleOrder(range(6), rotations=3, batch_size=4, steps_per_epoch=0, seed=0)
    assert order.steps == 6
    shown = [sample for step in range(order.steps) for sample in order.batch(0, step)]
    assert sorted(shown) == [(index, copy) for index in range(6) for copy in range(4)]


def test_short_epochs_continue_where_the_last_one_ended():
    order = SampleOrder(range(10), rotations=0, batch_size=2, steps_per_epoch=3, seed=0)
    shown = [index for epoch in range(5) for step in range(3) for index, _ in order.batch(epoch, step)]
    for passed in (shown[:10], shown[10:20], shown[20:30]):
        assert sorted(passed) == list(range(10))
    assert shown[:10] != shown[10:20]


def test_vae_batches_hold_density_coordinates_and_condition(store):
    bins = np.arange(9)
    order = SampleOrder(range(9), rotations=0, batch_size=3, steps_per_epoch=0, seed=5)
    (inputs,) = VAEFeed(store, one_hot(bins, 10), order, 0, Exchange(CRYSTALS))[1]
    chosen = [index for index, _ in order.batch(0, 1)]
    np.testing.assert_array_equal(inputs["condition"], one_hot(bins[chosen], 10))
    for maps, index in zip(inputs["maps"], chosen, strict=True):
        np.testing.assert_array_equal(maps[..., 0], store.density(index).astype(np.float32))
        assert maps[-1, 0, 0, 1] == pytest.approx(CRYSTALS[index].lengths[0] * 1.5 * 15 / 16, rel=1e-6)


def test_a_rotated_copy_turns_all_channels_alike_and_stays_the_same(store):
    order = SampleOrder([2], rotations=1, batch_size=2, steps_per_epoch=0, seed=0)
    (inputs,) = VAEFeed(store, one_hot(np.zeros(9, int), 10), order, 0, Exchange(CRYSTALS))[0]
    plain = input_maps(store.density(2), store.lengths[2])
    by_copy = {copy: maps for maps, (_, copy) in zip(inputs["maps"], order.batch(0, 0), strict=True)}
    np.testing.assert_array_equal(by_copy[0], plain)
    np.testing.assert_array_equal(by_copy[1], rotate(plain, copy_rotation(0, 2, 1)))
    assert copy_rotation(0, 2, 1) == copy_rotation(0, 2, 1)


def test_crops_hold_an_atom_and_fit_their_labels(store):
    order = SampleOrder(range(9), rotations=2, batch_size=9, steps_per_epoch=0, seed=0)
    feed = UNetFeed(store, order, crop=8, epoch=3)
    maps, labels = feed[0]
    assert maps.shape == (9, 8, 8, 8, 4)
    assert (labels["species"].reshape(9, -1) > 0).any(axis=1).all()
    np.testing.assert_array_equal(labels["occupied"][..., 0], labels["species"] > 0)
    again, _ = UNetFeed(store, order, crop=8, epoch=3)[0]
    np.testing.assert_array_equal(maps, again)
    other, _ = UNetFeed(store, order, crop=8, epoch=4)[0]
    assert (maps != other).any()


def test_a_crop_window_stays_inside_and_holds_an_occupied_voxel():
    species = np.zeros((16, 16, 16), np.uint8)
    species[15, 0, 7] = 8
    for seed in range(50):
        window = crop_window(species, 8, np.random.default_rng(seed))
        assert species[window].shape == (8, 8, 8)
        assert (species[window] == 8).any()


def test_shuffled_batches_show_every_crystal_once_a_pass():
    batches = shuffled_batches(np.arange(70), 32, seed=0, epoch=1, passes=2)
    assert [len(batch) for batch in batches] == [32, 32, 6] * 2
    for one_pass in (batches[:3], batches[3:]):
        assert sorted(np.concatenate(one_pass)) == list(range(70))
    assert list(batches[0]) != list(batches[3])
    again, other = (shuffled_batches(np.arange(70), 32, seed=0, epoch=epoch, passes=2) for epoch in (1, 2))
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))
    assert list(batches[0]) != list(other[0])
