"""Elements and sites from a density map, without a network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from data_prep.box import box_positions
from data_prep.crystal import Crystal
from data_prep.elements import unit_radii
from models.decoding.gaussian_fit import Gaussians, fit_gaussians
from models.decoding.species import allowed_elements, identify
from tests.support.crystal_maps import RADII, density_and_sites
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals


def fit_right(crystal: Crystal, fitted: Gaussians, numbers: np.ndarray) -> bool:
    """Whether the fitted atoms are the crystal's, in any order."""
    true = box_positions(crystal.fractional, crystal.lengths)
    if len(numbers) != len(true):
        return False
    nearest = np.linalg.norm(true[:, None] - fitted.positions, axis=-1).argmin(axis=1)
    close = np.linalg.norm(true - fitted.positions[nearest], axis=1) < 0.05
    return bool(close.all()) and np.array_equal(numbers[nearest], crystal.numbers)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_made_up_crystals_are_read_exactly_from_displaced_starts(seed):
    rng = np.random.default_rng(seed)
    crystal = made_up_crystals(3, seed)[seed % 3]
    density, edges, sites = density_and_sites(crystal)
    fitted = fit_gaussians(density, edges, sites + rng.normal(0, 0.1 / np.sqrt(3), sites.shape))
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))
    assert fitted.residual < 1e-9


def test_real_structures_are_read_exactly(shared):
    ids = ["mp-7870", "mp-1008", "mp-1016930", "mp-973968", "mp-867249", "mp-1065288", "mp-1187716", "mp-983460"]
    rng = np.random.default_rng(0)
    for crystal in table_crystals(shared, ids):
        density, edges, sites = density_and_sites(crystal)
        fitted = fit_gaussians(density, edges, sites + rng.normal(0, 0.05, sites.shape))
        assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII))), crystal.formula


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_atom_missing_from_the_starts_is_found_in_the_residual(index):
    crystal = made_up_crystals(3, seed=5)[index]
    density, edges, sites = density_and_sites(crystal)
    fitted = fit_gaussians(density, edges, sites[1:])
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))


def test_a_site_given_twice_is_fitted_once():
    crystal = made_up_crystals(3, seed=5)[1]
    density, edges, sites = density_and_sites(crystal)
    fitted = fit_gaussians(density, edges, np.vstack([sites, sites[:1] + 0.1]))
    assert len(fitted.rows) == crystal.n_sites


def test_a_coarse_grid_and_unit_widths_work_too():
    crystal = made_up_crystals(3, seed=7)[1]
    density, edges, sites = density_and_sites(crystal, grid=16)
    fitted = fit_gaussians(density, edges, sites + 0.05)
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))
    density, edges, sites = density_and_sites(crystal, radii=unit_radii())
    fitted = fit_gaussians(density, edges, sites + 0.05)
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(unit_radii())))


def test_smooth_errors_move_sites_little_and_do_not_make_atoms():
    rng = np.random.default_rng(1)
    for crystal in made_up_crystals(6, seed=11):
        density, edges, sites = density_and_sites(crystal)
        field = gaussian_filter(rng.normal(size=density.shape), 3)
        fitted = fit_gaussians(density * (1 + 0.03 * field / field.std()), edges, sites)
        assert len(fitted.rows) == crystal.n_sites
        assert np.linalg.norm(fitted.positions - sites, axis=1).max() < 0.15
