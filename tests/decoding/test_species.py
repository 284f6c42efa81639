"""Which element a fitted Gaussian is."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.decoding.gaussian_fit import Gaussians, fit_gaussians
from models.decoding.gaussians import density_of, voxel_axes
from models.decoding.species import allowed_elements, assign_species, identify
from tests.support.crystal_maps import RADII, density_and_sites
from tests.support.made_up_crystals import made_up_crystals


def test_elements_can_be_restricted_and_must_exist():
    density, edges, sites = density_and_sites(made_up_crystals(1)[0])
    fitted = fit_gaussians(density, edges, sites)
    assert set(identify(fitted, allowed_elements(RADII, np.array([26, 92])))) <= {26, 92}
    with pytest.raises(ValueError, match="no allowed element"):
        allowed_elements(RADII, np.array([0, 120]))


def gaussians_of(numbers: list[int], scale: np.ndarray, residual: float) -> Gaussians:
    elements = allowed_elements(RADII)
    index = np.array(numbers) - 1
    rows = np.zeros((len(numbers), 5))
    rows[:, 0] = np.log(elements.amplitudes[index] * scale)
    rows[:, 1] = np.log(elements.radii[index])
    return Gaussians(rows, residual)


def test_sites_share_an_element_on_a_map_with_errors_only():
    """Cobalt that is 3 % too bright looks like nickel (28 / 27 is 3.7 % more); its twin beside it does not."""
    allowed = allowed_elements(np.where(np.arange(95) > 0, 1.0, np.nan), np.array([27, 28]))
    rows = np.zeros((2, 5))
    rows[:, 0] = np.log(allowed.amplitudes[0] * np.array([1.0, 1.03]))
    assert list(identify(Gaussians(rows, residual=0.0), allowed)) == [27, 28]
    assert list(identify(Gaussians(rows, residual=2e-3), allowed)) == [27, 27]


def test_a_known_composition_names_the_species_of_a_map_with_errors():
    """A perovskite whose atoms are up to 15 % too bright or dim: other elements fit such atoms better."""
    crystal = made_up_crystals(6, seed=11)[4]
    _, edges, sites = density_and_sites(crystal)
    rows = gaussians_of(crystal.numbers, np.array([1.15, 0.85, 1.15, 0.87, 1.1]), residual=0.0).rows
    rows[:, 2:] = sites
    field = gaussian_filter(np.random.default_rng(1).normal(size=(32, 32, 32)), 3)
    density = density_of(rows, voxel_axes(32, edges)) * (1 + 0.02 * field / field.std())
    fitted = fit_gaussians(density, edges, sites)
    elements = allowed_elements(RADII)
    assert not set(identify(fitted, elements)) <= set(crystal.numbers)
    np.testing.assert_array_equal(assign_species(fitted, np.sort(crystal.numbers), elements), crystal.numbers)


def test_the_atoms_of_a_known_composition_are_assigned_at_the_least_misfit():
    """Two atoms look like iron and one like copper: of one iron and two copper, the brighter iron becomes copper."""
    looks = gaussians_of([26, 29, 26], np.array([1.0, 1.0, 1.04]), residual=0.0)
    elements = allowed_elements(np.where(np.arange(95) > 0, 1.0, np.nan))
    looks.rows[:, 0] = np.log([26, 29, 26.9]) + np.log(elements.amplitudes[0])
    looks.rows[:, 1] = 0
    assert list(assign_species(looks, np.array([29, 26, 29]), elements)) == [26, 29, 29]
    assert list(identify(looks, elements)) == [26, 29, 27]
