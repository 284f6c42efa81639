"""The radii of the elements, from pymatgen or the default."""

import numpy as np
import pytest

from data_prep.elements import ionic_radii, radii_of, unit_radii


def test_radii_follow_pymatgen_and_fall_back():
    radii = ionic_radii()
    assert radii.shape == (95,)
    assert np.isnan(radii[0])
    assert radii[11] == pytest.approx(1.16)  # Na+ alone
    assert radii[8] == pytest.approx(1.26)  # O2- alone
    assert radii[2] == 1.2  # helium has no ionic radius
    assert (radii[1:] > 0).all()


def test_tables_are_found_by_their_names():
    assert radii_of("ionic") is ionic_radii() and radii_of("unit") is unit_radii()
