"""What is said about one structure: validity, distances, symmetry, and which known crystal it is."""

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.crystal import crystal_from_structure
from repro.scoring.structure_judgement import Group, comparable, judge_group, repeats
from tests.support.made_up_scores import SALT, TITANATE
from tests.support.structure_types import perovskite


def facts(structure: Structure, known=()) -> dict:
    crystal = crystal_from_structure(structure, "it")
    group = Group([crystal], [crystal_from_structure(one, f"mp-{n}", -2.0 + n) for n, one in enumerate(known)], "KCl")
    (judged,) = judge_group(group)
    return judged.facts


def test_a_good_crystal():
    found = facts(TITANATE)
    assert found["formula"] == "SrTiO3" and (found["n_sites"], found["n_elements"]) == (5, 3)
    assert (found["spacegroup"], found["spacegroup_symbol"]) == (221, "Pm-3m")
    assert found["smallest_distance"] == pytest.approx(1.95)
    assert found["closeness"] == pytest.approx(1.95 / (1.40 + 0.60))
    assert found["density"] == pytest.approx(5.137, abs=2e-3)
    assert found["structure_valid"] and found["structure_valid_paper"] and found["composition_valid"]
    assert not found["known"] and not found["known_formula"] and found["nearest_formula"] == "KCl"
    assert found["no_energy"] == "" and found["faults"] == {}


def test_two_rules_differ_at_exactly_half_an_angstrom():
    near = facts(Structure(Lattice.cubic(5), ["Fe", "Ni"], [[0, 0, 0], [0.1, 0, 0]]))
    assert near["structure_valid"] and not near["structure_valid_paper"]  # CDVAE: at least, pymatgen: more than 0.5 Å
    nearer = facts(Structure(Lattice.cubic(5), ["Fe", "Ni"], [[0, 0, 0], [0.09, 0, 0]]))
    assert not nearer["structure_valid"] and "known" not in nearer
    assert nearer["faults"]["structure"] == "two sites are 0.45 Å apart, at least 0.5 Å are asked for"


def test_images_of_one_site_are_not_looked_at_by_cdvae():
    thin = facts(Structure(Lattice.orthorhombic(0.45, 9, 9), ["Fe"], [[0, 0, 0]]))
    assert thin["structure_valid"] and thin["smallest_distance"] == pytest.approx(0.45)


def test_the_best_match_of_several_known_ones_counts():
    moved = SALT.copy()
    moved.translate_sites([0], [0.03, 0, 0])
    stretched = SALT.copy()
    stretched.scale_lattice(1.2 * SALT.volume)
    caesium = Structure(Lattice.cubic(4.1), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = facts(stretched, [caesium, moved, SALT])
    assert found["known"] and found["nearest_known"] == "mp-2" and found["known_energy"] == 0.0
    assert found["distance_to_known"] == pytest.approx(0, abs=1e-6)  # volumes are scaled


def test_another_structure_of_a_known_formula_is_new():
    found = facts(Structure(Lattice.cubic(4.1), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]), [SALT])
    assert not found["known"] and found["known_formula"] and found["nearest_known"] == "mp-0"
    assert found["known_energy"] is None


def test_what_repeats_an_earlier_one():
    cell = TITANATE.copy()
    cell.scale_lattice(70)
    other = perovskite("Ti", "Sr", "O", 3.9)  # the same formula, the cations exchanged
    cells = [TITANATE, other, cell * (2, 1, 1), other]
    crystals = [crystal_from_structure(one, str(n)) for n, one in enumerate(cells)]
    assert repeats(crystals) == [0, 1, 0, 1]


def test_a_huge_cell_is_neither_known_nor_new():
    places = [[x / 6, y / 6, z / 6] for x in range(6) for y in range(6) for z in range(6)]
    huge = Structure(Lattice.cubic(21), ["Na"] * 216, places)
    assert comparable(huge) is None
    found = facts(huge, [SALT])
    assert found["known"] is None and "216 sites" in found["no_energy"] or found["no_energy"] == ""
