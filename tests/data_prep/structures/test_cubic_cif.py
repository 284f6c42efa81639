"""The CIF of a cubic crystal from one search for its symmetry: what pymatgen's writer gives."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from data_prep.sources import read_source
from data_prep.structures.cif import cif_text, structure_of
from data_prep.structures.cubic_cif import cubic_cell
from data_prep.structures.symmetry import SYMMETRY_TOLERANCE, symmetrised
from tests.support.structure_types import perovskite

EXACT = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5, scale=False)
CRYSTALS = [crystal.structure() for crystal in read_source("embedded")[0][::9]]


@settings(max_examples=20, deadline=None)
@given(which=st.integers(0, len(CRYSTALS) - 1), seed=st.integers(0, 99), size=st.floats(0, 0.05))
def test_a_decoded_crystal_gets_the_cell_and_the_cif_that_pymatgen_gives_it(which, seed, size):
    np.random.seed(seed)  # of ``perturb``
    structure = CRYSTALS[which].copy()
    structure.perturb(size)
    cell = cubic_cell(structure, SYMMETRY_TOLERANCE)
    expected, spacegroup = symmetrised(structure)
    assert cell.spacegroup == spacegroup
    primitive, text = cell.primitive(), cell.cif()
    np.testing.assert_allclose(primitive.lattice.matrix, expected.lattice.matrix, atol=1e-3)
    assert len(primitive) == len(expected) and EXACT.fit(primitive, expected)
    whole, other = structure_of(text), structure_of(cif_text(expected))
    assert len(whole) == len(other) == len(cell.numbers) and EXACT.fit(whole, other)
    assert structure_of(text, primitive=True).composition.reduced_formula == structure.composition.reduced_formula


def test_the_multiplicities_of_a_cif_are_those_of_its_orbits():
    text = cubic_cell(perovskite("Sr", "Ti", "O", 3.9), 0.01).cif()
    rows = [line.split() for line in text.splitlines() if line.strip().startswith(("Sr", "Ti", "O "))]
    assert {row[0]: int(row[2]) for row in rows} == {"Sr": 1, "Ti": 1, "O": 3}
    assert "_symmetry_Int_Tables_number   221" in text and text.count("'") == 2 * 48 + 2


@pytest.mark.parametrize("strain", [1.2, 0.5])
def test_what_is_not_cubic_has_no_cubic_cell(strain):
    structure = CRYSTALS[0].copy()
    structure.lattice = Lattice.from_parameters(4, 4, 4 * strain, 90, 90, 90)
    assert cubic_cell(structure, SYMMETRY_TOLERANCE) is None
    assert cubic_cell(Structure(Lattice.cubic(3), [], []), SYMMETRY_TOLERANCE) is None


def test_elements_without_an_electronegativity_come_last_in_whatever_order_the_sites_are_given():
    structure = perovskite("Cs", "He", "O", 4.0)
    for order in permutations(range(3)):
        sites = [structure[place] for place in order] + structure.sites[3:]
        lines = cubic_cell(Structure.from_sites(sites), SYMMETRY_TOLERANCE).cif().splitlines()
        assert [line.split()[0] for line in lines if line.endswith(" 1")][-3:] == ["Cs", "O", "He"]
