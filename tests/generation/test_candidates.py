"""The order of the candidates."""

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.structures.idealise import cif_text, closeness, symmetrised
from repro.generation.candidate_files import rank
from tests.support.prototypes import rock_salt

VALID = {"valid": True, "n_elements": 2, "same_stoichiometry": True}


def test_valid_compounds_of_the_base_with_low_energies_come_first():
    wanted = [
        VALID | {"id": "lowest", "formation_energy_per_atom": -2.0},
        VALID | {"id": "higher", "formation_energy_per_atom": -1.0},
        VALID | {"id": "without energy"},
        VALID | {"id": "other stoichiometry", "same_stoichiometry": False, "formation_energy_per_atom": -3.0},
        VALID | {"id": "crowded", "closeness": 0.5, "formation_energy_per_atom": -8.0},
        VALID | {"id": "an element", "n_elements": 1, "formation_energy_per_atom": -9.0},
        {"id": "invalid", "valid": False},
    ]
    assert sorted(reversed(wanted), key=rank) == wanted


def test_closeness_is_about_one_in_a_crystal_and_small_where_atoms_overlap():
    salt = rock_salt("Na", "Cl", 5.64)
    assert closeness(salt) == pytest.approx(2.82 / (1.80 + 1.00))
    assert closeness(Structure(Lattice.cubic(4), ["Ta", "C"], [[0, 0, 0], [0.25, 0, 0]])) == pytest.approx(1 / 2.15)
    assert closeness(Structure(Lattice.cubic(20), ["H"], [[0, 0, 0]])) == 1.0


def test_a_slightly_distorted_crystal_becomes_symmetric_and_its_cif_reads_back_alike():
    perovskite = Structure(
        Lattice.from_parameters(3.92, 3.90, 3.88, 90, 90, 90),
        ["Sr", "Ti", "O", "O", "O"],
        [[0, 0, 0], [0.51, 0.5, 0.49], [0.5, 0.5, 0.01], [0.5, 0, 0.5], [0, 0.49, 0.5]],
    )
    ideal, number = symmetrised(perovskite)
    assert number == 221 and ideal.lattice.a == pytest.approx(ideal.lattice.c)
    again = Structure.from_str(cif_text(ideal), fmt="cif", primitive=True)
    assert again.composition == ideal.composition and symmetrised(again)[1] == 221
