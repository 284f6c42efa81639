"""The box: where its voxels are."""

import numpy as np

from data_prep.box import coordinate_grid


def test_coordinates_start_at_zero_and_step_by_a_voxel_edge():
    coordinates = coordinate_grid(np.array([4.0, 6.0, 8.0]), 32)
    assert coordinates.dtype == np.float32
    np.testing.assert_allclose(coordinates[:, 3, 5, 0], np.linspace(0, 6.0, 33)[:-1], rtol=1e-6)
    np.testing.assert_allclose(coordinates[7, 3, :, 2], np.linspace(0, 12.0, 33)[:-1], rtol=1e-6)
    batch = coordinate_grid(np.array([[4.0, 6.0, 8.0], [3.0, 3.0, 3.0]]), 16)
    assert batch.shape == (2, 16, 16, 16, 3)
