"""Where atoms may be, from the arrangements of the training crystals: how many sites, their places and species."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.box import box_positions
from data_prep.cell_angles import fit_angle_rule
from data_prep.files.atomic import write_json
from data_prep.substitution import composition_shares
from models.decoding.arrangements import Arrangements, apportion, arrangements_of, formula_unit, peaks, snapped
from repro.decoding.knowledge import fit_arrangements
from tests.support.crystal_maps import maps
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(60, seed=2)
ARRANGEMENTS = fit_arrangements(CRYSTALS, fit_angle_rule(CRYSTALS))


def test_a_cell_of_twice_the_volume_holds_two_formula_units():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "AB" and crystal.angles[0] == 90)
    shares = composition_shares(crystal.numbers)
    assert ARRANGEMENTS.numbers_of_sites(shares, crystal.lengths) == [2]
    assert ARRANGEMENTS.numbers_of_sites(shares, crystal.lengths * 2 ** (1 / 3) * 1.05) == [4]


def test_blurred_shares_give_the_nearest_known_formula():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX2")
    shares = 0.8 * composition_shares(crystal.numbers)
    shares[[3, 9]] += 0.1
    assert formula_unit(shares) == 1
    assert sorted(ARRANGEMENTS.species(shares, 4)) == sorted(crystal.numbers)
    assert ARRANGEMENTS.numbers_of_sites(shares, crystal.lengths) == sorted(ARRANGEMENTS.arrangements)


def test_the_right_arrangement_is_tried_and_the_peaks_if_none_is_known():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    density, *_ = maps(crystal)
    true = box_positions(crystal.fractional, crystal.lengths)
    tried = arrangements_of(density, crystal.lengths, 5, ARRANGEMENTS)
    apart = [np.linalg.norm(sites[:, None] - true, axis=-1).min(axis=0).max() for sites in tried]
    assert min(apart) < 0.15
    assert arrangements_of(density, crystal.lengths, 7, ARRANGEMENTS) == []
    two = next(crystal for crystal in CRYSTALS if crystal.family == "AB")
    found = peaks(maps(two)[0], two.lengths * 1.5 / 32, 2)
    assert np.linalg.norm(found[:, None] - box_positions(two.fractional, two.lengths), axis=-1).min(axis=0).max() < 0.3


def test_sites_near_an_arrangement_are_moved_into_it_and_others_are_not():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    true = box_positions(crystal.fractional, crystal.lengths)
    shaken = true + np.random.default_rng(0).uniform(-0.1, 0.1, true.shape)
    np.testing.assert_allclose(snapped(shaken, crystal.lengths, ARRANGEMENTS), true, atol=1e-9)
    elsewhere = shaken.copy()
    elsewhere[2] += 0.8
    np.testing.assert_array_equal(snapped(elsewhere, crystal.lengths, ARRANGEMENTS), elsewhere)


def test_arrangements_survive_the_disk(tmp_path):
    write_json(tmp_path / "sites.json", ARRANGEMENTS.to_json())
    read = Arrangements.from_json(json.loads((tmp_path / "sites.json").read_text()), ARRANGEMENTS.volumes)
    assert read.counts == ARRANGEMENTS.counts and read.volumes is ARRANGEMENTS.volumes
    assert read.arrangements.keys() == ARRANGEMENTS.arrangements.keys()
    for number, found in ARRANGEMENTS.arrangements.items():
        assert len(found) == len(read.arrangements[number])
        assert all(np.array_equal(*pair) for pair in zip(found, read.arrangements[number], strict=True))
    assert read.types.keys() == ARRANGEMENTS.types.keys()
    for number, types in ARRANGEMENTS.types.items():
        for one, other in zip(types, read.types[number], strict=True):
            assert np.array_equal(one.sites, other.sites) and np.array_equal(one.orbits, other.orbits)


def test_formula_units():
    for numbers, size in (([3, 9], 2), ([26, 26, 13, 22], 4), ([8, 8, 8, 22, 38], 5), ([1, 1, 2], 3)):
        assert formula_unit(composition_shares(np.array(numbers))) == size
    assert formula_unit(np.full(95, 1 / 95)) == 1
    assert formula_unit(composition_shares(np.arange(1, 14))) == 1  # thirteen elements


share_lists = st.lists(st.floats(0.001, 1) | st.just(0.0), min_size=1, max_size=12).map(np.array)


@settings(max_examples=100, deadline=None)
@given(share_lists.filter(np.any), st.integers(1, 50))
def test_apportioned_counts_add_up_and_are_each_within_one(shares, total):
    counts = apportion(shares, total)
    assert counts.sum() == total and counts.dtype.kind == "i"
    assert (np.abs(counts - shares / shares.sum() * total) < 1 + 1e-9).all()
    assert not counts[shares == 0].any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=10).map(np.array).filter(np.any), st.floats(0.1, 10))
def test_counts_come_back_from_their_own_shares(counts, scale):
    """In float32 too, as a network gives them."""
    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(apportion((counts * scale).astype(dtype), counts.sum()), counts)


def test_the_largest_remainder_gets_the_last_site():
    assert list(apportion(np.array([0.5, 0.3, 0.2]), 4)) == [2, 1, 1]
    assert list(apportion(np.array([0.45, 0.35, 0.2]), 5)) == [2, 2, 1]
    assert list(apportion(np.array([0.56, 0.24, 0.2]), 2)) == [1, 1, 0]  # 1.12, 0.48, 0.4
