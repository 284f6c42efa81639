"""Maps drawn by keras.ops equal those of voxelize: density, species, ties, rotations, errors."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from data_prep.box import shift_to_origin
from data_prep.elements import ionic_radii, unit_radii
from data_prep.rotations import IDENTITY, random_rotation, rotate
from data_prep.voxelize import input_maps, voxelize
from repro.training.device_maps import (
    Crystals,
    Turns,
    draw_coordinates,
    draw_density,
    draw_species,
    lines_of,
    smooth_errors,
)
from repro.training.feeds import ERROR_WIDTH
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(9)
TWO_SITES = np.array([[0, 0, 0], [0.53125, 0, 0]])  # a plane of voxels at 16^3 lies in the middle between them


def padded(described, sites=None):
    """Return the crystals of (numbers, fractional, lengths) tuples, with room for ``sites`` sites."""
    sites = sites or max(len(numbers) for numbers, _, _ in described)
    all_numbers, places = np.zeros((len(described), sites), np.int32), np.zeros((len(described), sites, 3), np.float32)
    for row, (numbers, fractional, _) in enumerate(described):
        all_numbers[row, : len(numbers)] = numbers
        places[row, : len(numbers)] = shift_to_origin(fractional)
    return Crystals(all_numbers, places, np.array([lengths for _, _, lengths in described], np.float32))


def drawn(described, radii, grid, turns=None, sites=None):
    crystals = padded(described, sites)
    lines = lines_of(crystals, grid, turns)
    maps = (draw(crystals.numbers, lines, radii) for draw in (draw_density, draw_species))
    return tuple(keras.ops.convert_to_numpy(one) for one in (*maps, draw_coordinates(lines)))


def assert_maps_equal(described, radii, grid, sites=None):
    density, species, coordinates = drawn(described, radii, grid, sites=sites)
    for row, (numbers, fractional, lengths) in enumerate(described):
        expected, labels = voxelize(numbers, fractional, lengths, radii, grid)
        np.testing.assert_allclose(density[row], expected, rtol=1e-5, atol=1e-9)
        np.testing.assert_array_equal(species[row], labels)
        np.testing.assert_allclose(coordinates[row], input_maps(expected, lengths)[..., 1:], rtol=1e-6)


@pytest.mark.parametrize("radii", [ionic_radii(), unit_radii()], ids=["ionic", "unit"])
@pytest.mark.parametrize("grid", [16, 32])
def test_maps_equal_voxelize(radii, grid):
    assert_maps_equal([(c.numbers, c.fractional, c.lengths) for c in CRYSTALS], radii, grid, sites=7)


@given(
    sites=st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True, width=32)] * 3), min_size=1, max_size=4),
    lengths=st.tuples(*[st.floats(2.5, 9.0)] * 3),
    data=st.data(),
)
def test_maps_of_any_crystal_equal_voxelize(sites, lengths, data):
    numbers = np.array(data.draw(st.lists(st.integers(1, 94), min_size=len(sites), max_size=len(sites))))
    density, species, _ = drawn([(numbers, np.array(sites), np.array(lengths))], ionic_radii(), 8, sites=4)
    expected, labels = voxelize(numbers, np.array(sites), np.array(lengths), ionic_radii(), 8)
    np.testing.assert_allclose(density[0], expected, rtol=2e-5, atol=1e-8)
    assert (species[0] != labels).sum() <= 1  # a voxel at a distance that float32 cannot tell from another


def test_a_voxel_as_near_to_two_sites_takes_the_one_listed_first():
    lengths, radii = np.array([4.0, 4.1, 3.7]), np.full(95, 3.0)
    listed = [(np.array([55, 17]), TWO_SITES, lengths), (np.array([17, 55]), TWO_SITES[::-1], lengths)]
    maps = drawn(listed, radii, 16)[1]
    for species, (numbers, fractional, _) in zip(maps, listed, strict=True):
        np.testing.assert_array_equal(species, voxelize(numbers, fractional, lengths, radii, 16)[1])
    assert (maps[0] != maps[1]).any()  # one crystal: the ties alone differ


@pytest.mark.parametrize("grid", [8, 16])
def test_rotated_maps_are_the_maps_rotated_as_arrays(grid):
    rotations = [IDENTITY] + [random_rotation(np.random.default_rng(seed)) for seed in range(8)]
    axes, flips = (np.array(part) for part in zip(*rotations, strict=True))
    described = [(c.numbers, c.fractional, c.lengths) for c in CRYSTALS]
    density, species, coordinates = drawn(described, ionic_radii(), grid, Turns(axes, flips))
    assert len({rotation for rotation in rotations}) > 5
    for row, ((numbers, fractional, lengths), rotation) in enumerate(zip(described, rotations, strict=True)):
        plain, labels = voxelize(numbers, fractional, lengths, ionic_radii(), grid)
        maps = rotate(input_maps(plain, lengths), rotation)
        np.testing.assert_allclose(density[row], maps[..., 0], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(coordinates[row], maps[..., 1:], rtol=1e-6)
        np.testing.assert_array_equal(species[row], rotate(labels, rotation))


@pytest.mark.parametrize("grid", [8, 32])
def test_errors_are_those_of_the_host(grid):
    """The same white noise through SciPy's filter: each density with errors of its own size, and none below zero."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((3, grid, grid, grid)).astype(np.float32)
    density, sizes = rng.random(noise.shape, dtype=np.float32), np.array([0.0, 0.25, 5.0], np.float32)
    found = keras.ops.convert_to_numpy(smooth_errors(noise, density, sizes))
    for row in range(3):
        smooth = gaussian_filter(noise[row], ERROR_WIDTH, mode="wrap")
        error = sizes[row] * (0.02 + 0.3 * density[row]) * smooth / smooth.std()
        np.testing.assert_allclose(found[row], np.maximum(density[row] + error, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[0], density[0])
    assert found.min() == 0


@pytest.mark.nightly
def test_the_maps_of_the_cubic_crystals_equal_voxelize(shared):
    """Every crystal of the large table: not one voxel of another species."""
    from pathlib import Path

    from data_prep.sources import read_source

    found, _ = read_source(str(shared / "data/mp_cubic.csv.gz"), Path("data"), cell="primitive")
    found = [crystal for crystal in found if crystal.n_sites <= 40]
    for start in range(0, len(found), 32):
        part = found[start : start + 32]
        assert_maps_equal([(c.numbers, c.fractional, c.lengths) for c in part], ionic_radii(), 32)
