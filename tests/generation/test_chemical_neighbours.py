"""Crystals like a base: other elements, near on the chemical scale or far, in a cell that fits them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from models.cell_volume import VolumeRegression, fit_volumes
from models.element_roles import ElementRoles, count_roles
from repro.generation.chemical_neighbours import Neighbourhood
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(90)
ELEMENTS = np.unique(np.concatenate([crystal.numbers for crystal in CRYSTALS]))
ROLES = count_roles(crystal.numbers for crystal in CRYSTALS)
VOLUMES = fit_volumes((crystal.numbers, crystal.fractional, crystal.structure().lattice.matrix) for crystal in CRYSTALS)


def neighbourhood(distance: float, **parts) -> Neighbourhood:
    return Neighbourhood(**{"elements": ELEMENTS, "volumes": VOLUMES, "roles": ROLES} | parts, distance=distance)


@settings(max_examples=60, deadline=None)
@given(which=st.integers(0, len(CRYSTALS) - 1), distance=st.floats(0, 1), seed=st.integers(0, 999))
def test_a_neighbour_is_another_compound_of_the_same_kind(which, distance, seed):
    base = CRYSTALS[which]
    found = neighbourhood(distance).sample(base, np.random.default_rng(seed))
    assert found.formula != base.formula and found.formula == Composition(found.structure().formula).reduced_formula
    assert set(found.numbers) <= set(ELEMENTS)
    alike, before = found.numbers[:, None] == found.numbers, base.numbers[:, None] == base.numbers
    np.testing.assert_array_equal(alike, before)  # species stay apart and together
    np.testing.assert_array_equal(found.fractional, base.fractional)
    np.testing.assert_array_equal(found.angles, base.angles)
    fitting = VOLUMES.volume(found.numbers, found.fractional, base.structure().lattice.matrix)
    assert found.structure().volume == pytest.approx(fitting, rel=1e-6)


def test_the_farther_the_more_species_are_replaced_by_elements_less_alike():
    base = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    kept, steps = [], []
    for distance in (0.0, 0.3, 1.0):
        found = [neighbourhood(distance).sample(base, np.random.default_rng(seed)) for seed in range(200)]
        kept.append(np.mean([(one.numbers == base.numbers).mean() for one in found]))
        places = np.array([[Element.from_Z(int(z)).mendeleev_no for z in one.numbers] for one in (base, *found)])
        steps.append(np.abs(places[1:] - places[0]).mean())
    assert kept[0] > kept[1] > kept[2] and steps[0] < steps[1] < steps[2]


def test_an_element_that_the_networks_do_not_know_is_always_replaced():
    base = next(crystal for crystal in CRYSTALS if 8 in crystal.numbers)
    without = ELEMENTS[ELEMENTS != 8]
    for seed in range(20):
        assert 8 not in neighbourhood(0.0, elements=without).sample(base, np.random.default_rng(seed)).numbers


def test_elements_that_have_the_role_in_the_data_are_preferred():
    only_sulphur = ElementRoles({"1-1-3 3": np.bincount([16] * 500, minlength=95).astype(float)})
    base = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    near = neighbourhood(1.0, elements=np.arange(1, 90), roles=only_sulphur)
    anions = [near.sample(base, np.random.default_rng(seed)).numbers[-1] for seed in range(100)]
    assert np.mean(np.array(anions) == 16) > 0.5


def test_a_base_whose_volume_is_not_known_keeps_its_cell():
    found = neighbourhood(0.2, volumes=VolumeRegression({})).sample(CRYSTALS[0], np.random.default_rng(0))
    np.testing.assert_allclose(found.lengths, CRYSTALS[0].lengths)


def test_roles_come_back_from_plain_data_and_have_a_count_for_each_element():
    again = ElementRoles.from_json(ROLES.to_json())
    for role, counts in ROLES.by_role.items():
        np.testing.assert_array_equal(again.by_role[role], counts)
    assert ROLES.counts([3, 1, 1], 3)[8] == sum(crystal.family == "ABX3" for crystal in CRYSTALS)
    assert ROLES.counts([7, 1], 7).sum() == 0
    with pytest.raises(ValueError, match="another length"):
        ElementRoles.from_json({"1-1 1": [1.0, 2.0]})
