"""Which compositions SMACT 2.2.1's tables allow, by CDVAE's rule."""

import pytest

from repro.scoring.smact_composition import composition_fault, smact_elements


def test_the_tables_are_those_of_release_2_2_1():
    elements = smact_elements()
    assert len(elements) == 103 and sum(element.metal for element in elements.values()) == 79
    assert elements["Ir"].oxidation_states[0] == -2  # later -3
    assert elements["Zr"].electronegativity == 0.33  # a misprint of that release
    assert elements["Pm"].electronegativity is None and not elements["Pm"].metal  # left out of its list of metals


@pytest.mark.parametrize("formula", ["NaCl", "SrTiO3", "Si", "FeNi", "Na2Cl2", "CdCuN3", "BaTiO2F", "H2O"])
def test_possible_compositions(formula):
    assert composition_fault(formula) == ""


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("NaCl2", "no oxidation states add up to zero"),
        ("HeO", "no oxidation states add up to zero"),
        ("RfO2", "SMACT has no data of Rf"),
        ("NaF2", "no oxidation states add up to zero"),
        ("OF2", ""),  # fluorine takes oxygen's electrons
        ("O2F", "no oxidation states add up to zero"),
    ],
)
def test_impossible_compositions_have_a_reason(formula, reason):
    assert composition_fault(formula) == reason


def test_a_cation_may_not_be_more_electronegative_than_an_anion():
    assert "a cation is more electronegative" in composition_fault("TeBr")  # Te -2 and Br +2 alone add up
    assert composition_fault("ReCl") == ""


def test_a_missing_electronegativity_passes_if_it_is_first_met_beside_an_ion_of_the_other_sign():
    assert composition_fault("PmN") == "" == composition_fault("LaPmO3")
    assert composition_fault("NaNdI4") == "" != composition_fault("NaPmI4")  # Na and Pm come before I and Pm
