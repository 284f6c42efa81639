"""Voxels to regions: components, convexity, erosion, watershed."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.box import box_positions, voxel_edges, voxel_positions
from data_prep.elements import ionic_radii
from data_prep.voxelize import voxelize
from models.decoding.watershed import components_by_species, convexity, find_regions
from models.decoding.watershed_parameters import WatershedParameters
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals


def ball_mask(grid: int, *balls: tuple[tuple[float, float, float], float]) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(grid)] * 3, indexing="ij"), axis=-1)
    return np.any([np.linalg.norm(index - centre, axis=-1) < radius for centre, radius in balls], axis=0)


def test_separate_balls_are_one_region_each_with_their_centre_and_majority_label():
    mask = ball_mask(32, ((8, 8, 8), 4), ((22, 22, 22), 5))
    species = np.where(ball_mask(32, ((8, 8, 8), 6)), 11, 17).astype(np.uint8)
    species[8, 8, 7:9] = 9  # a minority, and the rest of the map is labelled too: only the mask counts
    regions = find_regions(mask, species)
    order = np.argsort(regions.centres[:, 0])
    assert np.allclose(regions.centres[order], [[8, 8, 8], [22, 22, 22]])
    assert list(regions.species[order]) == [11, 17]
    assert len(regions) == 2 and set(np.unique(regions.labels)) == {0, 1, 2}


def test_the_threshold_applies_to_probabilities():
    probability = np.where(ball_mask(16, ((8, 8, 8), 3)), 0.81, 0.79)
    assert len(find_regions(probability, None)) == 1
    assert find_regions(probability, None).labels.astype(bool).sum() == ball_mask(16, ((8, 8, 8), 3)).sum()
    assert len(find_regions(np.where(probability > 0.8, 0.8, 0.0), None)) == 0


def test_a_weighted_centre_lies_where_the_density_is():
    """A mask that is lopsided about the atom moves the mean voxel, not the density's centre."""
    index = np.stack(np.meshgrid(*[np.arange(32)] * 3, indexing="ij"), axis=-1)
    density = np.exp(-np.sum(np.square(index - 12.3), axis=-1) / (2 * 1.2**2))
    mask = ball_mask(32, ((13.0, 13.0, 13.0), 4.5))
    plain, weighted = (
        find_regions(mask, None, WatershedParameters(weighted_centres=on), density).centres[0] for on in (False, True)
    )
    np.testing.assert_allclose(plain, 13.0)
    np.testing.assert_allclose(weighted, 12.3, atol=0.05)


@pytest.mark.parametrize(("voxels", "expected"), [(3, 0), (4, 1)])
def test_components_of_three_voxels_or_fewer_are_dropped(voxels, expected):
    mask = np.zeros((16, 16, 16), dtype=bool)
    mask[5, 5, 5 : 5 + voxels] = True
    assert len(find_regions(mask, None)) == expected


def test_diagonal_neighbours_do_not_connect():
    mask = np.zeros((16, 16, 16), dtype=bool)
    mask[2:5, 2:5, 2:5] = mask[5:8, 5:8, 5:8] = True
    assert len(find_regions(mask, None)) == 2


def test_touching_balls_part_at_their_neck():
    centres = [(9, 9, 9), (9, 9, 19), (9, 19, 9)]
    regions = find_regions(ball_mask(32, *[(centre, 5.6) for centre in centres]), None)
    assert len(regions) == 3
    assert np.abs(regions.centres[np.lexsort(regions.centres.T[::-1].round())] - centres).max() < 1


def test_a_region_without_labels_has_species_zero():
    assert list(find_regions(ball_mask(16, ((8, 8, 8), 3)), np.zeros((16, 16, 16), np.uint8)).species) == [0]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (1, 7, 7), (5, 5, 5)])
def test_flat_thin_and_solid_boxes_are_convex(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convexity(np.ones(shape, dtype=bool)) == pytest.approx(1.0)


def test_convexity_of_a_ball_and_of_a_dumbbell():
    assert convexity(ball_mask(16, ((8, 8, 8), 5))) > 0.9
    assert convexity(ball_mask(32, ((6, 6, 6), 5), ((25, 25, 25), 5), ((15, 15, 15), 2))) < 0.6


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_occupied_voxel_of_a_kept_component_stays_in_one_region(seed):
    rng = np.random.default_rng(seed)
    balls = [(tuple(rng.uniform(4, 20, 3)), rng.uniform(2, 5)) for _ in range(4)]
    mask = ball_mask(24, *balls)
    regions = find_regions(mask, None, WatershedParameters(min_voxels=0))
    assert np.array_equal(regions.labels > 0, mask)
    assert np.array_equal(np.unique(regions.labels[mask]), np.arange(1, len(regions) + 1))


def test_touching_unlike_atoms_part_when_asked_by_species():
    mask = np.zeros((16, 16, 16), dtype=bool)
    mask[4:8, 4:8, 4:12] = True
    species = np.where(np.arange(16) < 8, 29, 79)[None, None].repeat(16, 0).repeat(16, 1).astype(np.uint8)
    assert len(find_regions(mask, species)) == 1
    parted = find_regions(mask, species, WatershedParameters(by_species=True))
    assert sorted(parted.species) == [29, 79]


def test_components_by_species_return_the_sites_of_atoms_that_the_box_holds_whole():
    radii = ionic_radii()
    crystals = [c for c in made_up_crystals(36, seed=3) if radii[c.numbers].max() < 0.25 * c.lengths.min()]
    assert len(crystals) >= 4
    for crystal in crystals:
        _, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, radii)
        regions = components_by_species(species)
        sites = voxel_positions(regions.centres, voxel_edges(crystal.lengths, 32), 32)
        true = box_positions(crystal.fractional, crystal.lengths)
        assert sorted(regions.species) == sorted(crystal.numbers)
        assert np.linalg.norm(sites[:, None] - true, axis=-1).min(axis=1).max() < 0.15


def test_deep_erosion_parts_atoms_that_one_erosion_does_not(shared):
    ids = ["mp-1017558", "mp-973068", "mp-973968", "mp-21280", "mp-30582", "mp-569823"]
    once = WatershedParameters(erosions=1)
    deep, shallow = 0, 0
    for crystal in table_crystals(shared, ids):
        _, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, ionic_radii())
        deep += len(find_regions(species > 0, None)) == crystal.n_sites
        shallow += len(find_regions(species > 0, None, once)) == crystal.n_sites
    assert deep >= 5
    assert shallow <= 3
