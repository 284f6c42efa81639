"""The eight properties: labels as the network learns them, and values that no crystal has."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.crystal import Crystal
from data_prep.property_labels import DERIVED_ENERGY, PROPERTIES, is_physical, property_labels, raw_value
from experiments.paper import TABLE1
from tests.support.made_up_crystals import made_up_crystals


def crystal(**properties: float) -> Crystal:
    return replace(made_up_crystals(1)[0], properties=properties)


def labels(name: str, *rows: dict[str, float]) -> tuple[list[float], int]:
    values, dropped = property_labels([crystal(**row) for row in rows], name)
    return values.tolist(), dropped


def oxide(**properties: float) -> Crystal:
    """Magnesium oxide: its derived energy contains a correction."""
    cell = np.full(3, 4.2), np.full(3, 90.0)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    numbers = np.repeat([12, 8], 4)
    return Crystal("MgO", "MgO", *cell, numbers, np.concatenate([sites, (sites + 0.5) % 1]), -3.0, properties)


def test_the_properties_are_those_of_table_1_in_its_order():
    assert [one.title for one in PROPERTIES.values()] == [row.property for row in TABLE1]
    assert list(PROPERTIES) == [one.name for one in PROPERTIES.values()]
    for one, row in zip(PROPERTIES.values(), TABLE1, strict=True):
        assert one.logarithm == row.unit.startswith("log"), row.property
        if not one.logarithm:
            assert one.unit == row.unit
    units = [one.trained_unit for one in PROPERTIES.values()]
    assert units == ["eV/atom", "eV/atom", "eV", "ln(GPa)", "ln(GPa)", "", "", "ln"]


@pytest.mark.parametrize(
    ("name", "column", "value", "label"),
    [
        ("energy_per_atom", "energy_per_atom", -6.25, -6.25),
        ("band_gap", "band_gap", 0.0, 0.0),  # a metal
        ("band_gap", "band_gap", 5.1, 5.1),
        ("bulk_modulus", "K_VRH", 440.0, math.log(440)),
        ("bulk_modulus", "bulk_modulus_eos", 1.0, 0.0),
        ("shear_modulus", "G_VRH", 0.5, math.log(0.5)),
        ("poisson_ratio", "poisson_from_KG", -0.3, -0.3),
        ("refractive_index", "refractive_index", 2.4, 2.4),
        ("dielectric_constant", "poly_electronic", 5.7, math.log(5.7)),
    ],
)
def test_a_value_becomes_the_label_that_is_learned(name, column, value, label):
    values, dropped = labels(name, {column: value}, {})
    assert values == [pytest.approx(label, abs=1e-12), pytest.approx(math.nan, nan_ok=True)]
    assert dropped == 0  # no value is not a bad value


def test_the_formation_energy_is_the_crystals_own():
    crystals = made_up_crystals(3)
    crystals[1] = replace(crystals[1], formation_energy_per_atom=math.nan)
    crystals[2] = replace(crystals[2], formation_energy_per_atom=math.inf)
    values, dropped = property_labels(crystals, "formation_energy_per_atom")
    np.testing.assert_array_equal(values, [crystals[0].formation_energy_per_atom, math.nan, math.nan])
    assert dropped == 1


@pytest.mark.parametrize(("name", "column"), [("bulk_modulus", "K_VRH"), ("shear_modulus", "G_VRH")])
def test_unphysical_moduli_are_dropped_and_counted(name, column):
    wrong_but_two = [0.0, -2.0, 1000.0, 5e5, -math.inf, math.inf, 999.0, 0.01]
    values, dropped = labels(name, *({column: value} for value in wrong_but_two), {})
    assert dropped == 6
    np.testing.assert_allclose(values, [math.nan] * 6 + [math.log(999), math.log(0.01), math.nan])


@pytest.mark.parametrize(
    ("name", "column", "bad", "good"),
    [
        ("band_gap", "band_gap", -0.2, 0.0),
        ("poisson_ratio", "poisson_from_KG", 0.5, 0.49),
        ("poisson_ratio", "poisson_from_KG", -1.0, -0.99),
        ("refractive_index", "refractive_index", 0.0, 1.0),
        ("dielectric_constant", "poly_electronic", -3.0, 1.0),
    ],
)
def test_values_at_or_beyond_the_limits_are_dropped(name, column, bad, good):
    values, dropped = labels(name, {column: bad}, {column: good})
    assert math.isnan(values[0]) and math.isfinite(values[1]) and dropped == 1


def test_a_poisson_ratio_from_unphysical_moduli_is_dropped():
    ratio = {"poisson_from_KG": 0.25}
    unphysical = [{"K_VRH": -5.0, "G_VRH": 40.0}, {"K_VRH": 90.0, "G_VRH": 0.0}, {"K_VRH": 2000.0}]
    sound = [{"K_VRH": 90.0, "G_VRH": 40.0}, {"K_VRH": 90.0}, {}]  # a modulus that is not there is no objection
    values, dropped = labels("poisson_ratio", *(ratio | moduli for moduli in unphysical + sound))
    np.testing.assert_array_equal(values, [math.nan] * 3 + [0.25] * 3)
    assert dropped == 3


def test_the_better_source_of_a_bulk_modulus_is_preferred():
    assert labels("bulk_modulus", {"bulk_modulus_eos": 50.0, "K_VRH": 60.0})[0] == [pytest.approx(math.log(60))]


def test_a_true_energy_is_preferred_over_a_derived_one():
    assert raw_value(oxide(**{DERIVED_ENERGY: -6.3}), "energy_per_atom") == pytest.approx(-6.3 + 0.70229 / 2)
    assert raw_value(oxide(**{DERIVED_ENERGY: -6.3, "energy_per_atom": -5.9}), "energy_per_atom") == -5.9
    values, dropped = property_labels([oxide(), oxide(**{DERIVED_ENERGY: -6.3})], "energy_per_atom")
    np.testing.assert_allclose(values, [math.nan, -5.948855])
    assert dropped == 0


@pytest.mark.parametrize("name", PROPERTIES)
@given(data=st.data())
def test_physical_undoes_trained(name, data):
    one = PROPERTIES[name]
    low, high = max(one.low, -100.0), min(one.high, 1000.0)
    value = data.draw(st.floats(low, high, exclude_min=True, exclude_max=True, allow_subnormal=False))
    assert is_physical(value, name)
    assert one.physical(one.trained(np.array([value])))[0] == pytest.approx(value, rel=1e-9)


def test_no_crystals_have_no_labels():
    values, dropped = property_labels([], "band_gap")
    assert values.shape == (0,) and dropped == 0
