"""Maps to atoms to structures."""

import pickle

import numpy as np
import pytest

from data_prep.box import box_positions, coordinate_grid
from data_prep.elements import ionic_radii
from data_prep.voxelize import voxelize
from models.decoding.atoms import Decoded, DecodeParameters, Undecodable, decode_by_regions, to_structure
from models.decoding.species import allowed_elements
from models.decoding.watershed import WatershedParameters
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals

RADII = ionic_radii()
BY_SPECIES = DecodeParameters(watershed=WatershedParameters(by_species=True))


def maps(crystal, grid=32):
    density, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, RADII, grid)
    return density, coordinate_grid(crystal.lengths, grid), species


def site_errors(crystal, decoded: Decoded) -> np.ndarray:
    """Distance in Å from each true site to the nearest decoded one of its element."""
    true = box_positions(crystal.fractional, crystal.lengths)
    distances = np.linalg.norm(true[:, None] - decoded.cartesian, axis=-1)
    return np.where(crystal.numbers[:, None] == decoded.numbers, distances, np.inf).min(axis=1)


def test_the_fit_reads_real_structures_exactly_from_the_true_mask(shared):
    ids = ["mp-7870", "mp-975530", "mp-973068", "mp-21280", "mp-1065288", "mp-30582", "mp-569823", "mp-983460"]
    for crystal in table_crystals(shared, ids):
        density, coordinates, species = maps(crystal)
        decoded = decode_by_regions(
            density, coordinates, None, species > 0, way="fit", candidates=allowed_elements(RADII)
        )
        assert len(decoded.numbers) == crystal.n_sites, crystal.formula
        assert site_errors(crystal, decoded).max() < 0.01, crystal.formula
        assert np.allclose(decoded.lengths, crystal.lengths, rtol=1e-5)


def test_the_vote_reads_true_labels():
    for crystal in made_up_crystals(6, seed=2):
        density, coordinates, species = maps(crystal)
        decoded = decode_by_regions(
            density, coordinates, species, (species > 0).astype(np.float32), parameters=BY_SPECIES
        )
        assert sorted(decoded.numbers) == sorted(crystal.numbers)
        assert site_errors(crystal, decoded).max() < 0.55  # an atom cut by the box has its centre off
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
def test_maps_without_atoms_say_why(change, reason):
    density, coordinates, species = maps(made_up_crystals(1)[0])
    with np.errstate(invalid="ignore"):
        arguments = change(density, coordinates, species, species > 0)
    assert decode_by_regions(*arguments) == Undecodable(reason)


def test_speckle_has_too_many_regions():
    density, coordinates, species = maps(made_up_crystals(1)[0])
    speckle = np.zeros_like(density, dtype=bool)
    speckle[::4, ::4] = True
    assert decode_by_regions(density, coordinates, species, speckle) == Undecodable("too many regions")


def test_an_empty_density_cannot_be_fitted():
    density, coordinates, species = maps(made_up_crystals(1)[0])
    outcome = decode_by_regions(
        0 * density, coordinates, None, species > 0, way="fit", candidates=allowed_elements(RADII)
    )
    assert outcome == Undecodable("no density")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_fit_survives_maps_of_noise(seed):
    rng = np.random.default_rng(seed)
    _, coordinates, species = maps(made_up_crystals(1)[0], grid=16)
    noise = rng.exponential(size=(16, 16, 16)).astype(np.float32)
    decoded = decode_by_regions(noise, coordinates, None, species > 0, way="fit", candidates=allowed_elements(RADII))
    assert isinstance(decoded, Decoded)
    assert np.all(np.isfinite(decoded.cartesian)) and np.all(decoded.numbers > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"species_from": "guess"}, "give one of unet, fit"),
        ({"species_from": "unet"}, "needs the species map"),
        ({"species_from": "fit"}, "needs candidate elements"),
    ],
)
def test_what_a_route_needs_is_asked_for(options, message):
    density, coordinates, species = maps(made_up_crystals(1)[0], grid=16)
    with pytest.raises(ValueError, match=message):
        decode_by_regions(density, coordinates, None, species > 0, **options)


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
    decoded = decode_by_regions(density, coordinates, species, species > 0)
    again = pickle.loads(pickle.dumps((decode_by_regions, decoded, DecodeParameters(), allowed_elements(RADII))))
    assert np.array_equal(again[1].numbers, decoded.numbers)
    assert again[0] is decode_by_regions


def test_the_fit_finds_the_atoms_where_the_unet_marks_no_voxel():
    """A map decodes without a network (F33): the fit starts at the highest voxel and adds what is missing."""
    numbers, sites, lengths = np.array([11, 17]), np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]), np.full(3, 4.0)
    density, _ = voxelize(numbers, sites, lengths, ionic_radii())
    decoded = decode_by_regions(
        density,
        coordinate_grid(lengths, 32),
        None,
        np.zeros(density.shape),
        way="fit",
        candidates=allowed_elements(ionic_radii()),
    )
    assert sorted(decoded.numbers) == [11, 17]
