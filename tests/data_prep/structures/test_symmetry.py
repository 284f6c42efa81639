"""A decoded structure becomes a symmetric crystal, and its CIF reads back as the same."""

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.structures.cif import cif_text
from data_prep.structures.symmetry import symmetrised


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
