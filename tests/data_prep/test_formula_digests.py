"""Formulas that are known without being listed."""

from data_prep.formula_digests import FormulaDigests


def test_formulas_are_known_by_their_digests():
    known = FormulaDigests.of(["NaCl", "SrTiO3", "NaCl"])
    assert len(known.digests) == 2
    assert "NaCl" in known and "SrTiO3" in known
    assert "KCl" not in known and "" not in known
    assert "NaCl" not in FormulaDigests.of([])


def test_sets_of_the_same_formulas_are_equal():
    assert FormulaDigests.of(["NaCl", "SrTiO3"]) == FormulaDigests.of(["SrTiO3", "NaCl", "NaCl"])
    assert FormulaDigests.of(["NaCl", "SrTiO3"]) != FormulaDigests.of(["NaCl"]) and FormulaDigests.of([]) != set()
