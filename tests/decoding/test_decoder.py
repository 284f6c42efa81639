"""Many maps to atoms at once: the three ways, what each needs, and the pool that does the work."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from data_prep.cell_angles import fit_angle_rule
from data_prep.errors import InputError
from data_prep.substitution import composition_shares
from models.decoding.atoms import Undecodable, decode_by_composition, decode_by_fit, decode_by_vote
from models.decoding.species import allowed_elements
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.decoder import WORTH_SHARING, Decoder, decoding_pool
from repro.decoding.knowledge import fit_arrangements
from repro.decoding.latents import LatentMaps
from tests.support.crystal_maps import RADII, maps
from tests.support.made_up_crystals import made_up_crystals
from tests.support.worker_tasks import decoding_setup, killed, process_id

CRYSTALS = made_up_crystals(60, seed=2)[:3]
ELEMENTS = allowed_elements(RADII)
ARRANGEMENTS = fit_arrangements(CRYSTALS * 2, fit_angle_rule(CRYSTALS))
SHARES = np.stack([composition_shares(crystal.numbers) for crystal in CRYSTALS])
TRUE = [maps(crystal) for crystal in CRYSTALS]
FOUND = LatentMaps(np.stack([np.concatenate([d[..., None], c], axis=-1) for d, c, _ in TRUE]), SHARES)


class TrueSpecies:
    """Stands in for the UNet: it knows the species of the three maps."""

    def predict_on_batch(self, maps: np.ndarray) -> dict[str, np.ndarray]:
        species = np.stack([species for *_, species in TRUE])
        probability = np.eye(95, dtype=np.float32)[species]
        return {"species": probability, "occupied": (species > 0).astype(np.float32)[..., None]}


DECODER = Decoder(TrueSpecies, ELEMENTS, ARRANGEMENTS)


def same(found, expected) -> bool:
    return np.array_equal(found.numbers, expected.numbers) and np.array_equal(found.cartesian, expected.cartesian)


def test_each_way_decodes_every_map_in_order():
    expected = {
        "vote": [decode_by_vote(d, c, s, (s > 0).astype(np.float32)) for d, c, s in TRUE],
        "fit": [decode_by_fit(d, c, (s > 0).astype(np.float32), ELEMENTS, s) for d, c, s in TRUE],
        "composition": [
            decode_by_composition(d, c, shares, ELEMENTS, ARRANGEMENTS)
            for (d, c, _), shares in zip(TRUE, SHARES, strict=True)
        ],
    }
    with decoding_pool(3) as pool:
        for way, outcomes in expected.items():
            assert all(same(*pair) for pair in zip(DECODER.atoms(pool, FOUND, way), outcomes, strict=True)), way


def test_a_known_composition_needs_no_unet_and_the_latent_gives_the_number_of_sites():
    """A classifier that gives five sites for every latent, although the three crystals have 2, 5 and 4."""
    counts = SiteCountClassifier(np.array([2, 4, 5]), np.zeros((6, 3)), np.array([0.0, 0.0, 1.0]))
    decoder = replace(DECODER, unet=None, site_counts=counts)
    latents = replace(FOUND, z=np.zeros((3, 6), np.float32))
    assert [one.n_sites for one in decoder.prepare(latents)] == [5, 5, 5]
    assert [one.n_sites for one in decoder.prepare(FOUND)] == [None, None, None]
    with decoding_pool(3) as pool:
        given = [len(one.numbers) for one in decoder.atoms(pool, latents, "composition")]
        read = [len(one.numbers) for one in decoder.atoms(pool, FOUND, "composition")]
    assert read == [crystal.n_sites for crystal in CRYSTALS] == [2, 5, 4]
    assert given[1:] == [5, 5]


def test_atoms_are_of_the_chosen_elements_only():
    chosen = DECODER.among(allowed_elements(RADII, np.array([3, 8, 26])))
    with decoding_pool(3) as pool:
        for way in ("fit", "composition"):
            assert all(set(one.numbers) <= {3, 8, 26} for one in chosen.atoms(pool, FOUND, way))


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("guess", "give one of vote, fit, composition"),
        ("vote", "'vote' needs each map's species"),
        ("fit", "'fit' needs each map's occupied"),
        ("composition", "'composition' needs each map's composition"),
    ],
)
def test_what_a_way_needs_is_asked_for(way, message):
    prepared = DECODER.prepare(replace(FOUND, composition=None))
    with decoding_pool(3) as pool, pytest.raises(ValueError, match=message):
        DECODER.decode(pool, prepared, way)


def test_a_map_without_atoms_is_an_outcome_not_an_error():
    with decoding_pool(1) as pool:
        assert DECODER.atoms(pool, replace(FOUND, maps=0 * FOUND.maps), "fit") == [Undecodable("no lattice")] * 3


def test_a_few_maps_are_decoded_in_this_process():
    with decoding_pool(WORTH_SHARING - 1) as few, decoding_pool(WORTH_SHARING) as many:
        assert set(few.map(process_id, range(3))) == {os.getpid()}
        assert isinstance(many, ProcessPoolExecutor)


@pytest.mark.slow
def test_a_killed_decoder_is_reported_as_any_other_killed_worker():
    with pytest.raises(InputError, match="A worker was killed"), decoding_pool(2, processes=2) as pool:
        list(pool.map(killed, range(4)))


@pytest.mark.slow
def test_a_worker_has_one_thread_of_linear_algebra_and_no_keras_and_this_process_is_not_changed():
    before = [library["num_threads"] for library in threadpool_info()], os.environ.get("OMP_NUM_THREADS")
    with decoding_pool(2, processes=2) as pool:
        assert all(found == ({1}, False) for found in pool.map(decoding_setup, range(2)))
    assert before == ([library["num_threads"] for library in threadpool_info()], os.environ.get("OMP_NUM_THREADS"))
