"""Elements and sites from a density map, without a network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from data_prep.box import box_positions, voxel_edges
from data_prep.crystal import Crystal
from data_prep.elements import ionic_radii, unit_radii
from data_prep.voxelize import voxelize
from models.decoding.gaussian_fit import Gaussians, fit_gaussians
from models.decoding.gaussians import density_of, gradient, normal_matrix, voxel_axes
from models.decoding.species import allowed_elements, assign_species, identify
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals

RADII = ionic_radii()


def drawn(crystal: Crystal, grid: int = 32, radii: np.ndarray = RADII) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    density, _ = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, radii, grid)
    return density, voxel_edges(crystal.lengths, grid), box_positions(crystal.fractional, crystal.lengths)


def fit_right(crystal: Crystal, fitted: Gaussians, numbers: np.ndarray) -> bool:
    """Whether the fitted atoms are the crystal's, in any order."""
    true = box_positions(crystal.fractional, crystal.lengths)
    if len(numbers) != len(true):
        return False
    nearest = np.linalg.norm(true[:, None] - fitted.positions, axis=-1).argmin(axis=1)
    close = np.linalg.norm(true - fitted.positions[nearest], axis=1) < 0.05
    return bool(close.all()) and np.array_equal(numbers[nearest], crystal.numbers)


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
    assert np.allclose(gradient(error, rows, axes), jacobian.T @ error.ravel(), atol=1e-6)
    assert np.allclose(normal_matrix(rows, axes), jacobian.T @ jacobian, atol=1e-6)


def test_the_sum_of_gaussians_is_the_map_that_is_drawn():
    crystal = made_up_crystals(3)[2]
    density, edges, sites = drawn(crystal)
    widths = RADII[crystal.numbers]
    amplitudes = allowed_elements(RADII).amplitudes[crystal.numbers - 1]
    rows = np.column_stack([np.log(amplitudes), np.log(widths), sites])
    assert np.allclose(density_of(rows, voxel_axes(32, edges)), density, atol=1e-12)
    assert np.allclose(Gaussians(rows, 0.0).electrons, crystal.numbers)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_made_up_crystals_are_read_exactly_from_displaced_starts(seed):
    rng = np.random.default_rng(seed)
    crystal = made_up_crystals(3, seed)[seed % 3]
    density, edges, sites = drawn(crystal)
    fitted = fit_gaussians(density, edges, sites + rng.normal(0, 0.1 / np.sqrt(3), sites.shape))
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))
    assert fitted.residual < 1e-9


def test_real_structures_are_read_exactly(shared):
    ids = ["mp-7870", "mp-1008", "mp-1016930", "mp-973968", "mp-867249", "mp-1065288", "mp-1187716", "mp-983460"]
    rng = np.random.default_rng(0)
    for crystal in table_crystals(shared, ids):
        density, edges, sites = drawn(crystal)
        fitted = fit_gaussians(density, edges, sites + rng.normal(0, 0.05, sites.shape))
        assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII))), crystal.formula


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_atom_missing_from_the_starts_is_found_in_the_residual(index):
    crystal = made_up_crystals(3, seed=5)[index]
    density, edges, sites = drawn(crystal)
    fitted = fit_gaussians(density, edges, sites[1:])
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))


def test_a_site_given_twice_is_fitted_once():
    crystal = made_up_crystals(3, seed=5)[1]
    density, edges, sites = drawn(crystal)
    fitted = fit_gaussians(density, edges, np.vstack([sites, sites[:1] + 0.1]))
    assert len(fitted.rows) == crystal.n_sites


def test_a_coarse_grid_and_unit_widths_work_too():
    crystal = made_up_crystals(3, seed=7)[1]
    density, edges, sites = drawn(crystal, grid=16)
    fitted = fit_gaussians(density, edges, sites + 0.05)
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(RADII)))
    density, edges, sites = drawn(crystal, radii=unit_radii())
    fitted = fit_gaussians(density, edges, sites + 0.05)
    assert fit_right(crystal, fitted, identify(fitted, allowed_elements(unit_radii())))


def test_smooth_errors_move_sites_little_and_do_not_make_atoms():
    rng = np.random.default_rng(1)
    for crystal in made_up_crystals(6, seed=11):
        density, edges, sites = drawn(crystal)
        field = gaussian_filter(rng.normal(size=density.shape), 3)
        fitted = fit_gaussians(density * (1 + 0.03 * field / field.std()), edges, sites)
        assert len(fitted.rows) == crystal.n_sites
        assert np.linalg.norm(fitted.positions - sites, axis=1).max() < 0.15


def test_candidates_can_be_restricted_and_must_exist():
    density, edges, sites = drawn(made_up_crystals(1)[0])
    fitted = fit_gaussians(density, edges, sites)
    assert set(identify(fitted, allowed_elements(RADII, np.array([26, 92])))) <= {26, 92}
    with pytest.raises(ValueError, match="no candidate element"):
        allowed_elements(RADII, np.array([0, 120]))


def gaussians_of(numbers: list[int], scale: np.ndarray, residual: float) -> Gaussians:
    elements = allowed_elements(RADII)
    index = np.array(numbers) - 1
    rows = np.zeros((len(numbers), 5))
    rows[:, 0] = np.log(elements.amplitudes[index] * scale)
    rows[:, 1] = np.log(elements.radii[index])
    return Gaussians(rows, residual)


def test_sites_share_an_element_on_a_map_with_errors_only():
    """Cobalt drawn 3 % too bright looks like nickel (28 / 27 is 3.7 % more); its twin beside it does not."""
    allowed = allowed_elements(np.where(np.arange(95) > 0, 1.0, np.nan), np.array([27, 28]))
    rows = np.zeros((2, 5))
    rows[:, 0] = np.log(allowed.amplitudes[0] * np.array([1.0, 1.03]))
    assert list(identify(Gaussians(rows, residual=0.0), allowed)) == [27, 28]
    assert list(identify(Gaussians(rows, residual=2e-3), allowed)) == [27, 27]


def test_a_told_composition_names_the_species_of_a_map_with_errors():
    """A perovskite whose atoms are drawn up to 15 % too bright or dim: other elements fit such atoms better."""
    crystal = made_up_crystals(6, seed=11)[4]
    _, edges, sites = drawn(crystal)
    rows = gaussians_of(crystal.numbers, np.array([1.15, 0.85, 1.15, 0.87, 1.1]), residual=0.0).rows
    rows[:, 2:] = sites
    field = gaussian_filter(np.random.default_rng(1).normal(size=(32, 32, 32)), 3)
    density = density_of(rows, voxel_axes(32, edges)) * (1 + 0.02 * field / field.std())
    fitted = fit_gaussians(density, edges, sites)
    candidates = allowed_elements(RADII)
    assert not set(identify(fitted, candidates)) <= set(crystal.numbers)
    told = np.sort(crystal.numbers)
    np.testing.assert_array_equal(assign_species(fitted, told, candidates), crystal.numbers)


def test_a_told_composition_is_given_out_in_its_counts_at_the_least_misfit():
    """Two atoms look like iron and one like copper: told of one iron and two copper, the brighter iron gives way."""
    looks = gaussians_of([26, 29, 26], np.array([1.0, 1.0, 1.04]), residual=0.0)
    candidates = allowed_elements(np.where(np.arange(95) > 0, 1.0, np.nan))
    looks.rows[:, 0] = np.log([26, 29, 26.9]) + np.log(candidates.amplitudes[0])
    looks.rows[:, 1] = 0
    assert list(assign_species(looks, np.array([29, 26, 29]), candidates)) == [26, 29, 29]
    assert list(identify(looks, candidates)) == [26, 29, 27]
