"""A sum of Gaussians on a grid, and its derivatives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding.gaussian_fit import Gaussians
from models.decoding.gaussians import Factors, density_of, voxel_axes
from models.decoding.species import allowed_elements
from tests.support.crystal_maps import RADII, density_and_sites
from tests.support.made_up_crystals import made_up_crystals


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_derivatives_agree_with_finite_differences(seed):
    rng = np.random.default_rng(seed)
    axes = voxel_axes(8, np.array([0.5, 0.6, 0.4]))
    rows = np.column_stack([rng.normal(0, 0.5, 3), rng.normal(0, 0.2, 3), rng.uniform(-0.5, 3, (3, 3))])
    density = rng.normal(size=(8, 8, 8))

    def moved(step):
        return density_of((rows.ravel() + step).reshape(-1, 5), axes)

    steps = 1e-5 * np.eye(rows.size)
    jacobian = np.stack([((moved(step) - moved(-step)) / 2e-5).ravel() for step in steps], axis=1)
    error = density_of(rows, axes) - density
    assert np.allclose(Factors.of(rows, axes).gradient(error), jacobian.T @ error.ravel(), atol=1e-6)
    assert np.allclose(Factors.of(rows, axes).normal_matrix(), jacobian.T @ jacobian, atol=1e-6)


def test_the_sum_of_gaussians_is_the_density_of_a_crystal():
    crystal = made_up_crystals(3)[2]
    density, edges, sites = density_and_sites(crystal)
    widths = RADII[crystal.numbers]
    amplitudes = allowed_elements(RADII).amplitudes[crystal.numbers - 1]
    rows = np.column_stack([np.log(amplitudes), np.log(widths), sites])
    assert np.allclose(density_of(rows, voxel_axes(32, edges)), density, atol=1e-12)
    assert np.allclose(Gaussians(rows, 0.0).electrons, crystal.numbers)
