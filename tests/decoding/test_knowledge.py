"""What is fitted to the training crystals: arrangements of sites, and the number of sites by the latent."""

from dataclasses import replace

import numpy as np

from data_prep.box import shift_to_origin
from data_prep.cell_angles import fit_angle_rule
from data_prep.files.npz import write_npz
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.knowledge import TYPE_SEEN, fit_arrangements, fit_site_counts
from repro.generation.generator_folder import load_arrays
from tests.support.made_up_crystals import made_up_crystals


def test_arrangements_and_counts_are_those_of_the_crystals():
    crystals = made_up_crystals(60, seed=2)
    known = fit_arrangements(crystals, fit_angle_rule(crystals))
    sizes = {crystal.n_sites for crystal in crystals}
    assert set(known.counts) == sizes
    assert set(known.arrangements) <= sizes
    for number, found in known.arrangements.items():
        assert all(sites.shape == (number, 3) and sites.min() == 0 and sites.max() < 1 for sites in found)
    assert all(sum(counts) == number for number, found in known.counts.items() for counts in found)


def test_structure_types_are_those_that_several_crystals_have_exactly():
    crystals = made_up_crystals(60, seed=2)
    known = fit_arrangements(crystals, fit_angle_rule(crystals))
    assert set(known.types) == {2, 4, 5}
    for number, found in known.types.items():
        for one in found:
            members = [crystal for crystal in crystals if crystal.n_sites == number and has_type(crystal, one)]
            assert len(members) >= TYPE_SEEN
    moved = [
        replace(crystal, fractional=crystal.fractional + 0.01 * np.eye(len(crystal.fractional), 3))
        for crystal in crystals
    ]
    assert not fit_arrangements(moved, fit_angle_rule(moved)).types  # no simple fractions


def has_type(crystal, structure_type) -> bool:
    """Whether a crystal has the sites of a type, and as many species in the same places."""
    sites = shift_to_origin(crystal.fractional)
    nearest = np.linalg.norm(structure_type.sites[:, None] - sites, axis=-1).argmin(axis=1)
    same_sites = np.allclose(sites[nearest], structure_type.sites, atol=2e-3)
    numbers = crystal.numbers[nearest]
    alike = numbers[:, None] == numbers
    return same_sites and np.array_equal(alike, structure_type.orbits[:, None] == structure_type.orbits)


def test_the_number_of_sites_is_learned_from_the_latents():
    sizes = np.random.default_rng(2).choice([2, 4, 5], 60)
    z = latents_by_count(sizes)
    fitted = fit_site_counts(z, np.full(z.shape, -2.0, np.float32), sizes, seed=0)
    assert fitted.classes.tolist() == [2, 4, 5]
    assert (fitted.choose(z) == sizes).mean() > 0.95
    two = sizes != 5
    of_two = fit_site_counts(z[two], np.full(z[two].shape, -2.0, np.float32), sizes[two], seed=0)
    assert (of_two.choose(z[two]) == sizes[two]).mean() > 0.95


def test_crystals_of_one_size_only_need_no_classifier(tmp_path):
    z = np.random.default_rng(3).normal(size=(20, 6)).astype(np.float32)
    fitted = fit_site_counts(z, z, np.full(20, 5), seed=0)
    write_npz(tmp_path / "counts.npz", fitted.arrays())
    assert load_arrays(SiteCountClassifier, tmp_path / "counts.npz", 6).choose(z).tolist() == [5] * 20


def latents_by_count(sizes):
    """Return latents in which each number of sites has a direction of its own, with noise."""
    z = np.random.default_rng(1).normal(0, 0.3, (len(sizes), 6)).astype(np.float32)
    z[np.arange(len(sizes)), sizes] += 3
    return z
