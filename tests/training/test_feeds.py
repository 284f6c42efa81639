"""Feeds: what a batch holds, and that an epoch depends on (seed, epoch) alone."""

import numpy as np
import pytest

from data_prep.box import box_positions, coordinate_grid, voxel_edges
from data_prep.conditions import one_hot
from data_prep.elements import ionic_radii
from data_prep.rotations import rotate
from data_prep.shards import VoxelStore, build_shards
from data_prep.substitution import composition_shares, fit_substitution, formula_key
from data_prep.voxelize import input_maps
from models.decoding.gaussian_fit import fit_gaussians
from models.decoding.lattice import lattice_least_squares
from models.decoding.species import allowed_elements, identify
from repro.training.dataset import Dataset
from repro.training.feeds import (
    Exchange,
    SampleOrder,
    UNetFeed,
    VAEFeed,
    copy_rotation,
    crop_window,
    exchange_of,
    shuffled_batches,
)
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(9)
CONDITIONS = one_hot(np.arange(9), 10)
RULE = fit_substitution(CRYSTALS, [])


def exchanging(share: float) -> Exchange:
    return Exchange(CRYSTALS, share, RULE, ionic_radii())


def elements_read(density: np.ndarray, lengths: np.ndarray, index: int) -> np.ndarray:
    """Return the atomic number of each site of a crystal as an unrotated density shows it."""
    sites = box_positions(CRYSTALS[index].fractional, lengths)
    fitted = fit_gaussians(density, voxel_edges(lengths, density.shape[0]), sites)
    return identify(fitted, allowed_elements(ionic_radii(), RULE.elements))


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


def test_exchanged_samples_are_other_crystals_without_condition(store):
    """The elements that the density shows are those of the composition, in a cell of another size."""
    order = SampleOrder(range(9), rotations=0, batch_size=9, steps_per_epoch=0, seed=5)
    (inputs,) = VAEFeed(store, CONDITIONS, order, 0, exchanging(1.0))[0]
    assert inputs["condition"].shape == (9, 10) and not inputs["condition"].any()
    changed = 0
    for maps, shares, (index, _) in zip(inputs["maps"], inputs["composition"], order.batch(0, 0), strict=True):
        lengths = lattice_least_squares(maps[..., 1:])
        np.testing.assert_allclose(maps[..., 1:], coordinate_grid(lengths, 16), rtol=1e-5)
        assert np.abs(lengths / CRYSTALS[index].lengths - 1).min() > 1e-6
        np.testing.assert_array_equal(composition_shares(elements_read(maps[..., 0], lengths, index)), shares)
        changed += (shares != composition_shares(CRYSTALS[index].numbers)).any()
    assert changed >= 6


def test_an_exchanged_copy_is_turned_as_its_original(store):
    """One crystal, exchanged alike, as it is and as its first copy: only the turn is between them."""
    rng = [np.random.default_rng(1) for _ in range(2)]
    order = SampleOrder([2], rotations=1, batch_size=1, steps_per_epoch=0, seed=0)
    feed = VAEFeed(store, CONDITIONS, order, 0, exchanging(1.0))
    (plain, *_), (turned, *_) = (feed._sample(2, copy, rng[copy]) for copy in (0, 1))
    np.testing.assert_array_equal(turned, rotate(plain, copy_rotation(0, 2, 1)))
    assert (plain != turned).any()


def test_without_a_share_every_sample_is_real(store):
    order = SampleOrder(range(9), rotations=1, batch_size=6, steps_per_epoch=0, seed=5)
    feed = VAEFeed(store, CONDITIONS, order, 0, exchanging(0.0))
    for step in range(len(feed)):
        (inputs,) = feed[step]
        samples = order.batch(0, step)
        for maps, condition, shares, (index, copy) in zip(*inputs.values(), samples, strict=True):
            real = input_maps(store.density(index), store.lengths[index])
            np.testing.assert_array_equal(maps, rotate(real, copy_rotation(5, index, copy)))
            np.testing.assert_array_equal(condition, CONDITIONS[index])
            np.testing.assert_array_equal(shares, composition_shares(CRYSTALS[index].numbers))


def test_a_part_is_exchanged_and_the_rest_keeps_its_condition(store):
    order = SampleOrder(range(9), rotations=0, batch_size=9, steps_per_epoch=0, seed=5)
    made = 0
    for epoch in range(10):
        (inputs,) = VAEFeed(store, CONDITIONS, order, epoch, exchanging(0.3))[0]
        for maps, condition, (index, _) in zip(inputs["maps"], inputs["condition"], order.batch(epoch, 0), strict=True):
            is_real = np.array_equal(maps, input_maps(store.density(index), store.lengths[index]))
            np.testing.assert_array_equal(condition, CONDITIONS[index] * is_real)
            made += not is_real
    assert made / 90 == pytest.approx(0.3, abs=0.15)


def test_exchanged_batches_depend_on_seed_epoch_and_step_alone(store):
    """One crystal, not turned, so that nothing but its exchange can differ."""

    def maps(seed: int, epoch: int, step: int) -> np.ndarray:
        order = SampleOrder([4], rotations=0, batch_size=1, steps_per_epoch=3, seed=seed)
        return VAEFeed(store, CONDITIONS, order, epoch, exchanging(1.0))[step][0]["maps"]

    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    first, again = ([maps(*place) for place in order] for order in (places, places[::-1]))
    for one, other in zip(first, again[::-1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({one.tobytes() for one in first}) == 4


def test_the_runs_exchange_knows_the_training_part_and_forbids_the_rest():
    parts = np.array(["train"] * 6 + ["validation", "test", "test"])
    dataset = Dataset(CRYSTALS, parts, np.arange(9.0), np.arange(9))
    exchange = exchange_of(dataset, 0.5, "ionic")
    assert exchange.share == 0.5
    np.testing.assert_array_equal(exchange.rule.elements, np.unique(np.concatenate([c.numbers for c in CRYSTALS[:6]])))
    assert exchange.rule.forbidden == {formula_key(crystal.numbers) for crystal in CRYSTALS[6:]}
    assert exchange_of(dataset, 0.0, "ionic").made(0, 16, np.random.default_rng(0)) is None


def test_the_unets_labels_are_those_of_the_exchanged_crystal(store):
    order = SampleOrder(range(9), rotations=0, batch_size=9, steps_per_epoch=0, seed=2)
    maps, labels = UNetFeed(store, order, crop=0, epoch=0, exchange=exchanging(1.0))[0]
    changed = 0
    for of_one, species, (index, _) in zip(maps, labels["species"], order.batch(0, 0), strict=True):
        read = elements_read(of_one[..., 0], lattice_least_squares(of_one[..., 1:]), index)
        assert set(np.unique(species)) - {0} <= set(read) and species.any()
        changed += set(read) != set(CRYSTALS[index].numbers)
    assert changed >= 6


def test_crops_hold_an_atom_and_fit_their_labels(store):
    order = SampleOrder(range(9), rotations=2, batch_size=9, steps_per_epoch=0, seed=0)
    feed = UNetFeed(store, order, crop=8, epoch=3, exchange=Exchange(CRYSTALS))
    maps, labels = feed[0]
    assert maps.shape == (9, 8, 8, 8, 4)
    assert (labels["species"].reshape(9, -1) > 0).any(axis=1).all()
    np.testing.assert_array_equal(labels["occupied"][..., 0], labels["species"] > 0)
    again, _ = UNetFeed(store, order, crop=8, epoch=3, exchange=Exchange(CRYSTALS))[0]
    np.testing.assert_array_equal(maps, again)
    other, _ = UNetFeed(store, order, crop=8, epoch=4, exchange=Exchange(CRYSTALS))[0]
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
