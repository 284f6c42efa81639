"""Distances between atoms, and the crystals that are refused for them."""

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.structures.validity import closeness, is_valid, smallest_distance
from tests.support.made_up_generation import rocksalt
from tests.support.structure_types import rock_salt


def test_validity_counts_periodic_images():
    sodium = Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0.95, 0, 0]])
    assert not is_valid(sodium)
    assert is_valid(sodium, tolerance=0.1)


def test_the_smallest_distance_counts_the_images_of_a_site():
    assert smallest_distance(rocksalt("Na", "Cl", 5.6)) == pytest.approx(2.8)
    alone = rocksalt("Na", "Cl", 5.6)
    alone.remove_sites([1])
    assert smallest_distance(alone) == pytest.approx(5.6 / 2**0.5)


def test_closeness_is_about_one_in_a_crystal_and_small_where_atoms_overlap():
    salt = rock_salt("Na", "Cl", 5.64)
    assert closeness(salt) == pytest.approx(2.82 / (1.80 + 1.00))
    assert closeness(Structure(Lattice.cubic(4), ["Ta", "C"], [[0, 0, 0], [0.25, 0, 0]])) == pytest.approx(1 / 2.15)
    assert closeness(Structure(Lattice.cubic(20), ["H"], [[0, 0, 0]])) == 1.0
