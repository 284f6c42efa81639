"""Formulas as people write them: read as what they mean, or as none."""

import pytest
from pymatgen.core import Composition

from data_prep.formulas import guessed_formula, read_formula


@pytest.mark.parametrize(
    ("text", "meant"), [("NiAl", "NiAl"), ("O3 Ti Sr", "SrTiO3"), ("Al0.5Ni0.5", "NiAl"), ("SrTiO₃", "SrTiO3")]
)
def test_a_formula_is_read_in_any_spelling(text, meant):
    assert read_formula(text) == Composition(meant)


@pytest.mark.parametrize("text", ["Na0", "Na0Cl0", "Na0.0", "", "0", "rock salt"])
def test_what_names_no_atom_is_no_formula(text):
    assert read_formula(text) is None


def test_a_guess_is_a_formula_or_nothing():
    assert guessed_formula("nacl") == Composition("NaCl")
    assert guessed_formula("Na0") is None and guessed_formula("na0") is None
