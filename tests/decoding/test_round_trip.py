"""Crystal -> maps -> crystal, on cubic crystals of 1 to 40 sites at random: exact if the voxels allow it."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data_prep.box import voxel_edges
from data_prep.rotations import rotate
from data_prep.voxelize import voxelize
from models.decoding import Way
from models.decoding.atoms import Decoded, DecodeParameters, Undecodable, decode_by_fit, decode_by_vote
from models.decoding.species import allowed_elements
from models.decoding.watershed_parameters import WatershedParameters
from tests.support.cube_rotations import proper_rotations
from tests.support.inputs import inputs
from tests.support.random_crystals import GRID, RADII, RandomCrystal, random_crystals

BY_SPECIES = DecodeParameters(watershed=WatershedParameters(by_species=True))
ELEMENTS = allowed_elements(RADII)
# Way -> the largest error of a site in voxel edges: a vote gives the middle of whole voxels.
WAYS: dict[Way, float] = {"fit": 0.02, "vote": 0.5}


def decoded(way: Way, crystal: RandomCrystal, density=None, species=None) -> Decoded | Undecodable:
    """Return the atoms of the crystal's maps, or of these maps in its box, the density stored as a shard stores it."""
    density = crystal.density if density is None else density
    species = crystal.species if species is None else species
    density = density.astype(np.float16).astype(np.float32)
    if way == "vote":
        return decode_by_vote(density, crystal.coordinates, species, species > 0, BY_SPECIES)
    return decode_by_fit(density, crystal.coordinates, species > 0, ELEMENTS, parameters=BY_SPECIES)


def furthest(numbers, sites, found: Decoded) -> float:
    """Return the largest distance in Å from a site to a found one of its element; infinite if there is none."""
    distances = np.linalg.norm(sites[:, None] - found.cartesian, axis=-1)
    return np.where(numbers[:, None] == found.numbers, distances, np.inf).min(axis=1).max()


@pytest.mark.parametrize("way", WAYS)
@inputs()
@given(crystal=random_crystals(readable=True))
def test_a_voxelised_crystal_is_decoded(way, crystal):
    assume(crystal.readable)
    found = decoded(way, crystal)
    assert isinstance(found, Decoded)
    assert sorted(found.numbers) == sorted(crystal.numbers)
    assert furthest(crystal.numbers, crystal.sites, found) < WAYS[way] * voxel_edges(crystal.lengths, GRID)[0]
    np.testing.assert_allclose(found.lengths, crystal.lengths, rtol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@inputs(0.5)
@given(crystal=random_crystals())
def test_a_crystal_beyond_the_ceiling_gives_atoms_or_a_reason(way, crystal):
    found = decoded(way, crystal)
    if isinstance(found, Undecodable):
        assert found.reason
        return
    assert np.isfinite(found.cartesian).all() and found.cartesian.shape == (len(found.numbers), 3)
    assert np.isin(found.numbers, ELEMENTS.numbers).all()


@pytest.mark.parametrize("way", WAYS)
@inputs(0.5)
@given(crystal=random_crystals(readable=True), rotation=st.sampled_from(proper_rotations()))
def test_a_rotated_map_gives_the_rotated_atoms(way, crystal, rotation):
    assume(crystal.readable)
    straight = decoded(way, crystal)
    turned = decoded(way, crystal, rotate(crystal.density, rotation), rotate(crystal.species, rotation))
    axes, flips = rotation
    expected = straight.cartesian[:, axes]
    expected = np.where(flips, crystal.lengths[0] - expected, expected)
    assert sorted(turned.numbers) == sorted(straight.numbers)
    assert furthest(straight.numbers, expected, turned) < 0.01


@inputs(0.5)
@given(crystal=random_crystals(readable=True))
def test_the_density_integrates_to_the_sum_of_z(crystal):
    """In a box so wide that it holds the Gaussians whole (F5)."""
    lengths = np.full(3, 20 * RADII[crystal.numbers].max())
    density, _ = voxelize(crystal.numbers, crystal.fractional, lengths, RADII, grid=64)
    assert density.sum() * np.prod(voxel_edges(lengths, 64)) == pytest.approx(crystal.numbers.sum(), rel=1e-4)
