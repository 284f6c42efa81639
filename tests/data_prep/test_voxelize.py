"""Density and species maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.box import box_positions, voxel_centres, voxel_edges
from data_prep.elements import ionic_radii, unit_radii
from data_prep.voxelize import voxelize


def naive_maps(numbers, fractional, lengths, radii, grid):
    """The per-voxel loop of the release, the reference that the fast maps must equal."""
    positions = box_positions(fractional, lengths)
    density, species = np.zeros((grid,) * 3), np.zeros((grid,) * 3, dtype=int)
    centres = [voxel_centres(length, grid) for length in lengths]
    for voxel in np.ndindex(density.shape):
        point = np.array([centres[axis][voxel[axis]] for axis in range(3)])
        distances = np.linalg.norm(positions - point, axis=1)
        for z, distance in zip(numbers, distances, strict=True):
            density[voxel] += z / ((2 * np.pi) ** 1.5 * radii[z] ** 3) * np.exp(-(distance**2) / (2 * radii[z] ** 2))
        inside = [(round(d, 6), i) for i, d in enumerate(distances) if d < radii[numbers[i]]]
        species[voxel] = numbers[min(inside)[1]] if inside else 0
    return density, species


@pytest.mark.parametrize("radii", [ionic_radii(), unit_radii()], ids=["ionic", "unit"])
def test_maps_equal_the_per_voxel_loop(radii):
    numbers = np.array([38, 22, 8, 8, 8])
    fractional = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    lengths = np.array([3.9, 4.0, 4.2])
    density, species = voxelize(numbers, fractional, lengths, radii, grid=12)
    expected_density, expected_species = naive_maps(numbers, fractional, lengths, radii, 12)
    np.testing.assert_allclose(density, expected_density, rtol=1e-12)
    np.testing.assert_array_equal(species, expected_species)


@settings(max_examples=25, deadline=None)
@given(z=st.integers(1, 94), a=st.floats(6.0, 9.0), x=st.floats(0, 1, exclude_max=True))
def test_density_of_one_atom_integrates_to_its_atomic_number(z, a, x):
    """Each atom's map integrates to Z (F5) where the box, 1.5 cells, holds the whole Gaussian."""
    lengths = np.full(3, a * 4)  # wide enough for the broadest ion
    density, _ = voxelize(np.array([z]), np.full((1, 3), x), lengths, np.full(95, 1.4), grid=64)
    total = density.sum() * np.prod(voxel_edges(lengths, 64))
    assert total == pytest.approx(z, rel=1e-3)


def test_densities_of_real_structures_equal_the_oracle(shared):
    """Sum and maximum of the map as computed independently of this project, to 1e-4 (F3 to F6)."""
    from tests.support.real_structures import table_crystals

    oracle = json.loads((shared / "reference/icsg3d/oracle.json").read_text())["vae"]
    crystals = table_crystals(shared, [entry["mp_id"] for entry in oracle])
    for crystal, entry in zip(crystals, oracle, strict=True):
        density, _ = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, ionic_radii())
        assert density.sum() == pytest.approx(entry["density_sum"], rel=1e-4), crystal.id
        assert density.max() == pytest.approx(entry["density_max"], rel=1e-4), crystal.id
