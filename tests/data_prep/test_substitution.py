"""Crystals made of others by exchanging elements: volumes, formulas, and what an exchange keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice

from data_prep.crystal import Crystal
from data_prep.substitution import (
    LENGTH_SPREAD,
    SMALLEST_VOLUME,
    Substitution,
    cell_volume,
    composition_shares,
    fit_substitution,
    formula_key,
)
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(60)
VOLUMES = np.where(np.arange(95) > 0, 6.0 + 0.2 * np.arange(95), np.nan)  # Å^3, made up
METALS = np.array([3, 11, 12, 20, 26, 47, 56])
FREE = Substitution(METALS, VOLUMES, frozenset())


def with_volume(crystal: Crystal, volume: float) -> Crystal:
    growth = volume / cell_volume(crystal.lengths, crystal.angles)
    return replace(crystal, lengths=crystal.lengths * growth ** (1 / 3))


def binary(*numbers: int) -> Crystal:
    return replace(CRYSTALS[0], numbers=np.array(numbers))


def made(rule: Substitution, crystal: Crystal, seeds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [rule.exchange(crystal, np.random.default_rng(seed)) for seed in range(seeds)]


def test_volumes_of_known_cells():
    assert cell_volume(np.full(3, 4.0), np.full(3, 90.0)) == pytest.approx(64)
    assert cell_volume(np.full(3, 4.0), np.full(3, 60.0)) == pytest.approx(64 / np.sqrt(2))  # primitive fcc
    assert cell_volume(np.array([2.0, 3.0, 5.0]), np.array([90.0, 90.0, 120.0])) == pytest.approx(15 * np.sqrt(3))
    assert cell_volume(np.full(3, 4.0), np.full(3, 120.1)) == 0  # flat, and no further: not NaN


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.floats(*limits), min_size=3, max_size=3).map(np.array) for limits in ((2, 12), (40, 140))])
def test_volumes_agree_with_pymatgen(lengths, angles):
    a, b, c = sorted(angles)
    assume(c < a + b - 1 and a + b + c < 359)  # three angles that make a cell
    assert cell_volume(lengths, angles) == pytest.approx(Lattice.from_parameters(*lengths, *angles).volume, rel=1e-6)


def test_shares_count_the_sites_of_each_species():
    shares = composition_shares(np.array([8, 22, 8, 38, 8]))
    assert shares.shape == (95,) and shares.dtype == np.float32
    assert {int(z): float(shares[z]) for z in np.flatnonzero(shares)} == pytest.approx({8: 0.6, 22: 0.2, 38: 0.2})
    assert np.flatnonzero(composition_shares(np.array([94]))).tolist() == [94]


def test_formulas_are_reduced_and_do_not_know_the_order_of_the_sites():
    assert formula_key(np.array([8, 22, 8, 38, 8])) == ((8, 3), (22, 1), (38, 1))
    assert formula_key(np.array([22, 38, 8, 8, 8] * 4)) == formula_key(np.array([8, 8, 8, 38, 22]))
    assert formula_key(np.array([11, 17, 17, 11])) == ((11, 1), (17, 1))
    assert formula_key(np.array([11, 11, 17])) != formula_key(np.array([11, 17, 17]))


def test_additive_volumes_are_recovered_and_the_rest_of_the_rule_is_the_data():
    """Cells whose volume is the sum of their elements', each often enough for the ridge not to matter."""
    train = [with_volume(crystal, VOLUMES[crystal.numbers].sum()) for crystal in CRYSTALS[:50]]
    rule = fit_substitution(train * 40, CRYSTALS[50:])
    present = np.unique(np.concatenate([crystal.numbers for crystal in train]))
    np.testing.assert_array_equal(rule.elements, present)
    np.testing.assert_allclose(rule.volumes[present], VOLUMES[present], rtol=0.02)
    assert np.isnan(np.delete(rule.volumes, present)).all()
    assert rule.forbidden == {formula_key(crystal.numbers) for crystal in CRYSTALS[50:]}


def test_a_rare_element_is_drawn_to_the_mean_and_none_is_smaller_than_an_atom():
    common = [with_volume(binary(11, 11), 40.0), with_volume(binary(11, 17), 40.0)] * 100
    rare = [with_volume(binary(11, 9), 30.0)]  # 10 Å^3 for fluorine where the others have 20
    once, often = (fit_substitution(common + rare * count, []).volumes for count in (1, 200))
    assert 13 < once[9] < 18
    assert often[9] == pytest.approx(10, rel=0.02)
    assert once[17] == pytest.approx(20, rel=0.02)
    tiny = fit_substitution([with_volume(binary(11, 17), 1.0)] * 50, []).volumes
    assert tiny[11] == tiny[17] == SMALLEST_VOLUME


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CRYSTALS))
def test_sites_of_one_element_stay_alike_and_others_unlike(seed, crystal):
    """So the stoichiometry is kept. Seven elements for three places: chance alone would often repeat one."""
    numbers, lengths = FREE.exchange(crystal, np.random.default_rng(seed))
    np.testing.assert_array_equal(numbers[:, None] == numbers, crystal.numbers[:, None] == crystal.numbers)
    assert set(numbers) <= set(METALS) | set(crystal.numbers)
    assert lengths.shape == (3,)


def test_most_elements_are_exchanged_and_each_may_stand_in():
    crystal = binary(30, 16)  # neither can stand in
    numbers = np.array([numbers for numbers, _ in made(FREE, crystal, 400)])
    assert np.mean(numbers != crystal.numbers) == pytest.approx(0.7, abs=0.06)
    assert set(numbers[:, 0]) == {30, *METALS} and set(numbers[:, 1]) == {16, *METALS}


def test_a_forbidden_formula_is_never_made():
    """Of three elements two that differ make three formulas: one of them is likely unless it is forbidden."""
    crystal, wanted = binary(11, 17), formula_key(np.array([12, 11]))
    free = Substitution(np.array([11, 12, 17]), VOLUMES, frozenset())
    keys = [formula_key(numbers) for numbers, _ in made(free, crystal, 200)]
    assert keys.count(wanted) > 20
    keys = [formula_key(numbers) for numbers, _ in made(replace(free, forbidden=frozenset([wanted])), crystal, 200)]
    assert wanted not in keys and len(set(keys)) == 2


def test_where_every_other_formula_is_forbidden_the_elements_stay():
    crystal = binary(11, 17)
    others = frozenset(formula_key(np.array(pair)) for pair in ([11, 12], [12, 17]))
    rule = Substitution(np.array([11, 12, 17]), VOLUMES, others)
    assert {formula_key(numbers) for numbers, _ in made(rule, crystal, 50)} == {formula_key(crystal.numbers)}
    nothing = replace(rule, elements=np.array([12]), forbidden=others | {formula_key(crystal.numbers)})
    for numbers, _ in made(nothing, crystal, 5):
        np.testing.assert_array_equal(numbers, crystal.numbers)


@pytest.mark.parametrize("crystal", CRYSTALS[:3], ids=lambda crystal: crystal.family)
def test_the_cell_grows_with_its_elements_about_a_spread(crystal):
    off = []
    for numbers, lengths in made(FREE, crystal, 400):
        growth = VOLUMES[numbers].sum() / VOLUMES[crystal.numbers].sum()
        off.append(np.log(lengths / crystal.lengths) - np.log(growth) / 3)
    off = np.array(off)
    np.testing.assert_allclose(off, off[:, :1].repeat(3, axis=1), atol=1e-12)  # the shape of the cell is kept
    assert off[:, 0].mean() == pytest.approx(0, abs=LENGTH_SPREAD / 5)
    assert off[:, 0].std() == pytest.approx(LENGTH_SPREAD, rel=0.15)


def test_an_exchange_depends_on_its_seed_alone_and_leaves_the_crystal_as_it_was():
    crystal = CRYSTALS[1]
    before = crystal.numbers.copy(), crystal.lengths.copy()
    first, again = made(FREE, crystal, 20), made(FREE, crystal, 20)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert len({tuple(numbers) for numbers, _ in first}) > 10
    np.testing.assert_array_equal(crystal.numbers, before[0])
    np.testing.assert_array_equal(crystal.lengths, before[1])
