"""Numbers of nearest neighbours of structures that every textbook has."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.coordination import all_coordinations, coordinations
from data_prep.graphs import crystal_graph
from tests.support.structure_types import face_centred, perovskite, rock_salt

HALF = [0.5, 0.5, 0.5]
NACL = rock_salt("Na", "Cl", 5.64)
CSCL = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], HALF])
ZINCBLENDE = face_centred(5.41, Zn=(0, 0, 0), S=(0.25, 0.25, 0.25))
COPPER = face_centred(3.61, Cu=(0, 0, 0))
IRON = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], HALF])
GRAPHENE = Structure(Lattice.hexagonal(2.46, 15.0), ["C", "C"], [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
ALONE = Structure(Lattice.cubic(30.0), ["Cu"], [[0, 0, 0]])
PEROVSKITE = perovskite("Sr", "Ti", "O", 3.91)


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (NACL, {(11, 6), (17, 6)}),
        (CSCL, {(55, 8), (17, 8)}),
        (ZINCBLENDE, {(30, 4), (16, 4)}),
        (COPPER, {(29, 12)}),
        (IRON, {(26, 8)}),  # the six of the second shell are 15.47 % further, just beyond reach
        (GRAPHENE, {(6, 3)}),
        (PEROVSKITE, {(38, 12), (22, 6), (8, 2)}),
        (ALONE, {(29, 0)}),
    ],
    ids=lambda value: value.composition.reduced_formula if isinstance(value, Structure) else "",
)
def test_nearest_neighbours_are_counted(structure, expected):
    assert coordinations(crystal_graph(structure)) == expected


def test_sites_of_one_element_may_differ():
    cell = Structure(Lattice.tetragonal(3.0, 20.0), ["C", "C", "C"], [[0, 0, 0], [0, 0, 0.06], [0, 0, 0.5]])
    assert coordinations(crystal_graph(cell)) == {(6, 1), (6, 4)}  # a pair, and a square net


def test_neither_the_cell_nor_the_scale_changes_the_count():
    larger = PEROVSKITE * (2, 1, 1)
    larger.scale_lattice(larger.volume * 1.2)
    assert coordinations(crystal_graph(larger)) == coordinations(crystal_graph(PEROVSKITE))


def test_all_coordinations_merges_and_sorts():
    graphs = (crystal_graph(structure) for structure in (COPPER, NACL, ALONE, CSCL))
    found = all_coordinations(graphs)
    assert found == {11: [6], 17: [6, 8], 29: [0, 12], 55: [8]}
    assert list(found) == [11, 17, 29, 55]
    assert all(type(number) is int for number in [*found, *np.concatenate(list(found.values())).tolist()])
    assert all_coordinations([]) == {}
