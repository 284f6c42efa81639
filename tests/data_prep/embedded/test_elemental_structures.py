"""The elements' structures, against distances from the handbooks."""

import pytest

from data_prep.embedded.elemental_structures import elemental_structure


@pytest.mark.parametrize("symbol", ["Na", "Mg", "La", "S", "O", "Cl", "Mn", "B", "Pu", "H", "Te", "Sm"])
def test_elements_have_plausible_distances_and_densities(symbol):
    structure = elemental_structure(symbol)
    nearest = min(neighbor.nn_distance for site in structure for neighbor in structure.get_neighbors(site, 5))
    expected = {"Na": 3.66, "Mg": 3.20, "La": 3.73, "S": 2.04, "O": 1.21, "Cl": 1.99, "Mn": 2.24,
                "B": 1.71, "Pu": 2.57, "H": 0.74, "Te": 2.84, "Sm": 3.59}  # fmt: skip
    assert nearest == pytest.approx(expected[symbol], abs=0.03)
