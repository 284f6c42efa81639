"""The record of a crystal: its coordinates are wrapped into the cell."""

import numpy as np

from data_prep.crystal import wrap


def test_a_coordinate_just_below_one_wraps_to_zero():
    """A coordinate of 0.9999999 must not move the cell when the minimum is shifted to 0 (F3)."""
    wrapped = wrap(np.array([[0.9999999, 0.5, -0.25], [1.0, 1.75, 0.0]]))
    np.testing.assert_allclose(wrapped, [[0, 0.5, 0.75], [0, 0.75, 0]])
