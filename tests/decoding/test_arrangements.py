"""What training crystals tell of a map whose composition is told: how many atoms, where to start, which species."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from repro.decoding.arrangements import fit_arrangements

from data_prep.box import box_positions, coordinate_grid
from data_prep.cell_angles import fit_angle_rule
from data_prep.elements import ionic_radii
from data_prep.substitution import composition_shares
from data_prep.voxelize import voxelize
from models.decoding.arrangements import apportion, arrangements_of, formula_unit, peaks, snapped
from models.decoding.atoms import Undecodable, decode_by_composition
from models.decoding.species import allowed_elements
from repro.evaluation.metrics import exact_match
from tests.support.made_up_crystals import made_up_crystals

RADII = ionic_radii()
CRYSTALS = made_up_crystals(60, seed=2)
PRIOR = fit_arrangements(CRYSTALS, fit_angle_rule(CRYSTALS))


def drawn(crystal):
    density, _ = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, RADII, 32)
    return density, coordinate_grid(crystal.lengths, 32)


def test_arrangements_and_counts_are_those_of_the_crystals():
    sizes = {crystal.n_sites for crystal in CRYSTALS}
    assert set(PRIOR.counts) == sizes
    assert set(PRIOR.arrangements) <= sizes
    for number, found in PRIOR.arrangements.items():
        assert all(sites.shape == (number, 3) and sites.min() == 0 and sites.max() < 1 for sites in found)
    assert all(sum(counts) == number for number, found in PRIOR.counts.items() for counts in found)


def test_a_told_composition_brings_back_every_site_and_species_of_a_true_map():
    candidates = allowed_elements(RADII)
    for crystal in CRYSTALS[:12]:
        found = decode_by_composition(*drawn(crystal), composition_shares(crystal.numbers), candidates, PRIOR)
        true = box_positions(crystal.fractional, crystal.lengths)
        assert exact_match(crystal.numbers, true, found.numbers, found.cartesian), crystal.formula
        np.testing.assert_allclose(found.lengths, crystal.lengths, rtol=1e-5)


def test_unsure_shares_are_read_as_the_known_formula_that_they_are_nearest_to():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX2")
    shares = 0.8 * composition_shares(crystal.numbers)
    shares[[3, 9]] += 0.1
    assert formula_unit(shares) == 1
    assert sorted(PRIOR.species(shares, 4)) == sorted(crystal.numbers)
    assert PRIOR.numbers_of_sites(shares, crystal.lengths) == sorted(PRIOR.arrangements)
    found = decode_by_composition(*drawn(crystal), shares, allowed_elements(RADII), PRIOR)
    assert sorted(found.numbers) == sorted(crystal.numbers)


def test_a_cell_of_twice_the_volume_holds_two_formula_units():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "AB" and crystal.angles[0] == 90)
    shares = composition_shares(crystal.numbers)
    assert PRIOR.numbers_of_sites(shares, crystal.lengths) == [2]
    assert PRIOR.numbers_of_sites(shares, crystal.lengths * 2 ** (1 / 3) * 1.05) == [4]


def test_elements_outside_the_users_choice_do_not_count():
    crystal = CRYSTALS[0]
    chosen = allowed_elements(RADII, np.array([3, 8, 26]))
    found = decode_by_composition(*drawn(crystal), composition_shares(crystal.numbers), chosen, PRIOR)
    assert set(found.numbers) <= {3, 8, 26}


def test_a_map_without_a_crystal_is_undecodable():
    density, coordinates = drawn(CRYSTALS[0])
    shares, candidates = composition_shares(CRYSTALS[0].numbers), allowed_elements(RADII)
    for broken, reason in (((0 * density, coordinates), "no density"), ((density, 0 * coordinates), "no lattice")):
        found = decode_by_composition(*broken, shares, candidates, PRIOR)
        assert isinstance(found, Undecodable) and found.reason == reason
    density[3, 3, 3] = np.nan
    assert decode_by_composition(density, coordinates, shares, candidates, PRIOR).reason == "not finite"


def test_the_right_arrangement_is_tried_and_peaks_stand_in_where_none_is_known():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    density, _ = drawn(crystal)
    true = box_positions(crystal.fractional, crystal.lengths)
    tried = arrangements_of(density, crystal.lengths, 5, PRIOR)
    apart = [np.linalg.norm(sites[:, None] - true, axis=-1).min(axis=0).max() for sites in tried]
    assert min(apart) < 0.15
    assert arrangements_of(density, crystal.lengths, 7, PRIOR) == []
    two = next(crystal for crystal in CRYSTALS if crystal.family == "AB")
    found = peaks(drawn(two)[0], two.lengths * 1.5 / 32, 2)
    assert np.linalg.norm(found[:, None] - box_positions(two.fractional, two.lengths), axis=-1).min(axis=0).max() < 0.3


def test_sites_near_an_arrangement_are_put_into_it_and_others_left_alone():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    true = box_positions(crystal.fractional, crystal.lengths)
    shaken = true + np.random.default_rng(0).uniform(-0.1, 0.1, true.shape)
    np.testing.assert_allclose(snapped(shaken, crystal.lengths, PRIOR), true, atol=1e-9)
    elsewhere = shaken.copy()
    elsewhere[2] += 0.8
    np.testing.assert_array_equal(snapped(elsewhere, crystal.lengths, PRIOR), elsewhere)


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
    """In float32 too, as a network says them."""
    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(apportion((counts * scale).astype(dtype), counts.sum()), counts)


def test_the_largest_remainder_gets_the_last_site():
    assert list(apportion(np.array([0.5, 0.3, 0.2]), 4)) == [2, 1, 1]
    assert list(apportion(np.array([0.45, 0.35, 0.2]), 5)) == [2, 2, 1]
    assert list(apportion(np.array([0.56, 0.24, 0.2]), 2)) == [1, 1, 0]  # 1.12, 0.48, 0.4
