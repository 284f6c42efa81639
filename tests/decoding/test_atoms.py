"""Maps to atoms to structures, by each of the three ways."""

import pickle

import numpy as np
import pytest

from data_prep.box import box_positions, coordinate_grid
from data_prep.cell_angles import fit_angle_rule
from data_prep.substitution import composition_shares
from data_prep.voxelize import voxelize
from models.decoding.atoms import (
    Decoded,
    DecodeParameters,
    Undecodable,
    decode_by_composition,
    decode_by_fit,
    decode_by_vote,
    to_structure,
)
from models.decoding.species import allowed_elements
from models.decoding.watershed_parameters import WatershedParameters
from repro.decoding.knowledge import fit_arrangements
from repro.evaluation.metrics import exact_match
from tests.support.crystal_maps import RADII, maps
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals

ELEMENTS = allowed_elements(RADII)
BY_SPECIES = DecodeParameters(watershed=WatershedParameters(by_species=True))
CRYSTALS = made_up_crystals(60, seed=2)
ARRANGEMENTS = fit_arrangements(CRYSTALS, fit_angle_rule(CRYSTALS))


def site_errors(crystal, decoded: Decoded) -> np.ndarray:
    """Distance in Å from each true site to the nearest decoded one of its element."""
    true = box_positions(crystal.fractional, crystal.lengths)
    distances = np.linalg.norm(true[:, None] - decoded.cartesian, axis=-1)
    return np.where(crystal.numbers[:, None] == decoded.numbers, distances, np.inf).min(axis=1)


def test_the_fit_reads_real_structures_exactly_from_the_true_mask(shared):
    ids = ["mp-7870", "mp-975530", "mp-973068", "mp-21280", "mp-1065288", "mp-30582", "mp-569823", "mp-983460"]
    for crystal in table_crystals(shared, ids):
        density, coordinates, species = maps(crystal)
        decoded = decode_by_fit(density, coordinates, species > 0, ELEMENTS)
        assert len(decoded.numbers) == crystal.n_sites, crystal.formula
        assert site_errors(crystal, decoded).max() < 0.01, crystal.formula
        assert np.allclose(decoded.lengths, crystal.lengths, rtol=1e-5)


def test_the_vote_reads_true_labels():
    for crystal in made_up_crystals(6, seed=2):
        density, coordinates, species = maps(crystal)
        decoded = decode_by_vote(density, coordinates, species, (species > 0).astype(np.float32), BY_SPECIES)
        assert sorted(decoded.numbers) == sorted(crystal.numbers)
        assert site_errors(crystal, decoded).max() < 0.55  # the box cuts atoms and so moves their centres
        assert np.allclose(decoded.cartesian, decoded.fractional * decoded.lengths)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d, c, s, o: (d, c, s, np.zeros_like(o)), "no occupied voxels"),
        (lambda d, c, s, o: (d, np.zeros_like(c), s, o), "no lattice"),
        (lambda d, c, s, o: (d, -c, s, o), "no lattice"),
        (lambda d, c, s, o: (d, c * np.nan, s, o), "not finite"),
        (lambda d, c, s, o: (d * np.inf, c, s, o), "not finite"),
        (lambda d, c, s, o: (d, c, np.zeros_like(s), o), "no species in any region"),
    ],
)
def test_maps_without_atoms_give_a_reason(change, reason):
    density, coordinates, species = maps(made_up_crystals(1)[0])
    with np.errstate(invalid="ignore"):
        arguments = change(density, coordinates, species, species > 0)
    assert decode_by_vote(*arguments) == Undecodable(reason)


def test_speckle_has_too_many_regions():
    density, coordinates, species = maps(made_up_crystals(1)[0])
    speckle = np.zeros_like(density, dtype=bool)
    speckle[::4, ::4] = True
    assert decode_by_vote(density, coordinates, species, speckle) == Undecodable("too many regions")
    assert decode_by_fit(density, coordinates, speckle, ELEMENTS) == Undecodable("too many regions")


def test_an_empty_density_cannot_be_fitted():
    density, coordinates, species = maps(made_up_crystals(1)[0])
    assert decode_by_fit(0 * density, coordinates, species > 0, ELEMENTS) == Undecodable("no density")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_fit_survives_maps_of_noise(seed):
    rng = np.random.default_rng(seed)
    _, coordinates, species = maps(made_up_crystals(1)[0], grid=16)
    noise = rng.exponential(size=(16, 16, 16)).astype(np.float32)
    decoded = decode_by_fit(noise, coordinates, species > 0, ELEMENTS)
    assert isinstance(decoded, Decoded)
    assert np.all(np.isfinite(decoded.cartesian)) and np.all(decoded.numbers > 0)


def test_the_angles_are_put_back():
    heusler = made_up_crystals(3)[2]
    positions = box_positions(heusler.fractional, heusler.lengths)
    decoded = Decoded(heusler.numbers, positions, positions / heusler.lengths, heusler.lengths)
    structure = to_structure(decoded, heusler.angles)
    true = heusler.structure()
    assert np.allclose(structure.lattice.angles, 60) and structure.composition == true.composition
    assert np.allclose(np.sort(structure.distance_matrix, axis=None), np.sort(true.distance_matrix, axis=None))
    boxed = to_structure(decoded, np.full(3, 90.0))
    assert boxed.volume > 1.3 * structure.volume


def test_arguments_and_outcomes_travel_between_processes():
    crystal = made_up_crystals(1)[0]
    density, coordinates, species = maps(crystal)
    decoded = decode_by_vote(density, coordinates, species, species > 0)
    again = pickle.loads(pickle.dumps((decode_by_vote, decoded, DecodeParameters(), ELEMENTS, ARRANGEMENTS)))
    assert np.array_equal(again[1].numbers, decoded.numbers)
    assert again[0] is decode_by_vote
    for decode in (decode_by_fit, decode_by_composition):
        assert pickle.loads(pickle.dumps(decode)) is decode


def test_the_fit_finds_the_atoms_if_the_unet_marks_no_voxel():
    """A map decodes without a network (F33): the fit starts at the highest voxel and adds what is missing."""
    numbers, sites, lengths = np.array([11, 17]), np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]), np.full(3, 4.0)
    density, _ = voxelize(numbers, sites, lengths, RADII)
    decoded = decode_by_fit(density, coordinate_grid(lengths, 32), np.zeros(density.shape), ELEMENTS)
    assert sorted(decoded.numbers) == [11, 17]


def test_a_known_composition_gives_every_site_and_species_of_a_true_map():
    for crystal in CRYSTALS[:12]:
        density, coordinates, _ = maps(crystal)
        shares = composition_shares(crystal.numbers)
        found = decode_by_composition(density, coordinates, shares, ELEMENTS, ARRANGEMENTS)
        true = box_positions(crystal.fractional, crystal.lengths)
        assert exact_match(crystal.numbers, true, found.numbers, found.cartesian), crystal.formula
        np.testing.assert_allclose(found.lengths, crystal.lengths, rtol=1e-5)


def test_blurred_shares_give_the_atoms_of_the_nearest_known_formula():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX2")
    density, coordinates, _ = maps(crystal)
    shares = 0.8 * composition_shares(crystal.numbers)
    shares[[3, 9]] += 0.1
    found = decode_by_composition(density, coordinates, shares, ELEMENTS, ARRANGEMENTS)
    assert sorted(found.numbers) == sorted(crystal.numbers)


def test_elements_outside_the_users_choice_do_not_count():
    density, coordinates, _ = maps(CRYSTALS[0])
    chosen = allowed_elements(RADII, np.array([3, 8, 26]))
    shares = composition_shares(CRYSTALS[0].numbers)
    found = decode_by_composition(density, coordinates, shares, chosen, ARRANGEMENTS)
    assert set(found.numbers) <= {3, 8, 26}


def test_too_few_chosen_elements_for_any_known_crystal_are_undecodable():
    crystal = next(crystal for crystal in CRYSTALS if crystal.family == "ABX3")
    density, coordinates, _ = maps(crystal)
    chosen = allowed_elements(RADII, np.unique(crystal.numbers)[:2])
    shares = composition_shares(crystal.numbers)
    found = decode_by_composition(density, coordinates, shares, chosen, ARRANGEMENTS, count=5)
    assert found == Undecodable("fewer elements than any known crystal")
    free = decode_by_composition(density, coordinates, shares, chosen, ARRANGEMENTS)
    assert isinstance(free, Undecodable) or set(free.numbers) <= set(chosen.numbers)


def test_a_map_without_a_crystal_is_undecodable_even_with_its_composition():
    density, coordinates, _ = maps(CRYSTALS[0])
    known = (composition_shares(CRYSTALS[0].numbers), ELEMENTS, ARRANGEMENTS)
    assert decode_by_composition(0 * density, coordinates, *known) == Undecodable("no density")
    assert decode_by_composition(density, 0 * coordinates, *known) == Undecodable("no lattice")
    density[3, 3, 3] = np.nan
    assert decode_by_composition(density, coordinates, *known) == Undecodable("not finite")


def test_a_composition_of_more_elements_than_any_known_crystal_is_undecodable():
    numbers, lengths = np.array([3, 11, 12, 20, 38, 56]), np.full(3, 7.0)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0]])
    density, _ = voxelize(numbers, sites, lengths, RADII, 32)
    shares = np.bincount(numbers, minlength=95) / 6
    found = decode_by_composition(density, coordinate_grid(lengths, 32), shares, ELEMENTS, ARRANGEMENTS, 6)
    assert found == Undecodable("more elements than any known crystal")
