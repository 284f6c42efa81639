"""Known structure types held against maps: the right one, with the right species, is found through errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.box import box_positions
from data_prep.cell_angles import fit_angle_rule
from data_prep.substitution import composition_shares
from data_prep.voxelize import voxelize
from models.decoding.atoms import DecodeParameters, decode_by_composition
from models.decoding.species import allowed_elements
from models.decoding.structure_types import StructureType, best_match
from repro.decoding.knowledge import fit_arrangements
from tests.support.crystal_maps import RADII, maps
from tests.support.made_up_crystals import made_up_crystals

ELEMENTS = allowed_elements(RADII)
CRYSTALS = made_up_crystals(60, seed=2)
ARRANGEMENTS = fit_arrangements(CRYSTALS, fit_angle_rule(CRYSTALS))
ON_FACES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])  # X around the middle
ON_EDGES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])  # X around the corner
FACES, EDGES = (StructureType(sites, np.array([0, 1, 2, 2, 2])) for sites in (ON_FACES, ON_EDGES))


def found_in(crystal, density, numbers=None):
    numbers = crystal.numbers if numbers is None else numbers
    return best_match(density, crystal.lengths, numbers, ARRANGEMENTS.types.get(crystal.n_sites, ()), ELEMENTS)


@settings(max_examples=30, deadline=None)
@given(
    which=st.integers(0, len(CRYSTALS) - 1),
    error=st.floats(0, 0.1),
    seed=st.integers(0, 1000),
    order=st.randoms(use_true_random=False),
)
def test_the_crystals_own_type_is_found_through_errors_whatever_the_order_of_its_numbers(which, error, seed, order):
    crystal = CRYSTALS[which]
    density, *_ = maps(crystal)
    wrong = density * (1 + error * np.random.default_rng(seed).normal(size=density.shape))
    numbers = crystal.numbers.tolist()
    order.shuffle(numbers)
    found = found_in(crystal, wrong, np.array(numbers))
    true = box_positions(crystal.fractional, crystal.lengths)
    nearest = np.linalg.norm(true[:, None] - found.cartesian, axis=-1).argmin(axis=1)
    np.testing.assert_allclose(found.cartesian[nearest], true, atol=0.02)
    np.testing.assert_array_equal(found.numbers[nearest], crystal.numbers)
    assert found.residual < error**2 * 1.5 + 1e-3


@pytest.mark.parametrize("sites", [ON_FACES, ON_EDGES], ids=["faces", "edges"])
def test_light_atoms_that_a_free_fit_loses_are_put_in_their_places(sites):
    """Hydrogen has a 38th of strontium's electrons: an error of the map next to strontium outweighs it."""
    numbers, lengths = np.array([38, 13, 1, 1, 1]), np.full(3, 4.59)
    density, _ = voxelize(numbers, sites, lengths, RADII, 32)
    heavy, moved = (voxelize(numbers[:1], place, lengths, RADII, 32)[0] for place in (sites[:1], sites[:1] + 0.01))
    found = best_match(density + moved - heavy, lengths, numbers, [FACES, EDGES], ELEMENTS)
    assert found.numbers.tolist() == numbers.tolist()
    np.testing.assert_allclose(found.cartesian, sites * lengths)


def test_no_type_is_found_if_none_has_as_many_sites_of_each_species():
    density, *_ = maps(CRYSTALS[0])
    lengths = CRYSTALS[0].lengths
    for numbers in ([8, 8, 8, 8, 8], [57, 57, 24, 24, 8], [57, 24, 8, 8]):
        assert best_match(density, lengths, np.array(numbers), [FACES], ELEMENTS) is None
    assert best_match(density, lengths, np.array([57, 24, 8, 8, 8]), [], ELEMENTS) is None


def test_a_map_that_no_type_explains_is_fitted():
    """A site 0.5 Å away from the type's is put back if the limit is high; by default it stays where it is."""
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    moved = crystal.fractional.copy()
    moved[1] += 0.5 / crystal.lengths / np.sqrt(3)
    density, _ = voxelize(crystal.numbers, moved, crystal.lengths, RADII, 32)
    _, coordinates, _ = maps(crystal)

    def apart(explained: float) -> float:
        parameters = DecodeParameters(explained=explained)
        shares = composition_shares(crystal.numbers)
        found = decode_by_composition(density, coordinates, shares, ELEMENTS, ARRANGEMENTS, 5, parameters)
        assert sorted(found.numbers) == sorted(crystal.numbers)
        return np.linalg.norm(found.cartesian - moved[1] * crystal.lengths, axis=1).min()

    assert apart(DecodeParameters().explained) < 0.02
    assert apart(explained=10.0) == pytest.approx(0.5, abs=0.01)
