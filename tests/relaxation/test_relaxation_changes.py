"""The changes between a structure and its relaxed form, by hand."""

import numpy as np
import pytest

from repro.relaxation import relaxation_changes as changes
from tests.support.emt import b2


def test_changes_of_a_uniform_strain_and_of_a_moved_atom():
    start = b2("Cu", "Au", 3.0)
    grown = changes.changes(start, b2("Cu", "Au", 3.03))
    assert grown["cell_percent"] == pytest.approx(1.0) and grown["bonds_percent"] == pytest.approx(1.0)
    assert grown["bonds_percent_of_cell"] == pytest.approx(np.sqrt(3) / 2)  # eight bonds of sqrt(3)/2 a
    assert grown["volume_percent"] == pytest.approx(100 * (1.01**3 - 1))
    moved = start.copy()
    moved.translate_sites([1], [0.02, 0, 0], to_unit_cell=False)
    assert changes.changes(start, moved)["cell_percent"] == 0
    assert changes.changes(start, moved)["bonds_percent"] == pytest.approx(100 * 0.02 * 2 / 3, rel=0.05)
