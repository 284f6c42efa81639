"""Cell lengths from coordinate channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.box import coordinate_grid, voxel_edges, voxel_positions
from data_prep.voxelize import voxel_centres
from models.decoding.lattice import lattice_least_squares, lattice_minmax

lengths = st.lists(st.floats(2.0, 12.0), min_size=3, max_size=3).map(np.array)


@settings(max_examples=20, deadline=None)
@given(lengths, st.sampled_from([16, 32]))
def test_least_squares_is_exact_on_a_perfect_grid(cell, grid):
    assert np.allclose(lattice_least_squares(coordinate_grid(cell, grid)), cell, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(lengths)
def test_the_release_formula_is_one_part_in_32_short_on_a_perfect_grid(cell):
    assert np.allclose(lattice_minmax(coordinate_grid(cell, 32)), cell * (1 - 1 / 32), rtol=1e-5)


def test_a_batch_gives_what_its_members_give():
    cells = np.array([[3.0, 4.0, 5.0], [6.0, 5.5, 2.5]])
    maps = coordinate_grid(cells, 16).reshape(2, 1, 16, 16, 16, 3)
    assert lattice_least_squares(maps).shape == (2, 1, 3)
    assert np.allclose(lattice_least_squares(maps)[:, 0], cells, rtol=1e-5)
    assert np.allclose(lattice_minmax(maps)[1, 0], lattice_minmax(maps[1, 0]))


def test_least_squares_ignores_noise_and_an_offset_that_spoil_the_extremes():
    cell = np.array([4.0, 4.0, 4.0])
    noisy = coordinate_grid(cell, 32) + 0.3 + np.random.default_rng(0).normal(0, 0.1, (32, 32, 32, 3))
    assert np.abs(lattice_least_squares(noisy) - cell).max() < 0.01
    assert np.abs(lattice_minmax(noisy) - cell).min() > 0.1


@pytest.mark.parametrize("grid", [16, 32])
def test_voxel_positions_are_those_of_the_maps(grid):
    cell = np.array([3.0, 4.5, 7.0])
    index = np.repeat(np.arange(grid)[:, None], 3, axis=1)
    positions = voxel_positions(index, voxel_edges(cell, grid), grid)
    for axis in range(3):
        assert np.allclose(positions[:, axis], voxel_centres(cell[axis], grid))
