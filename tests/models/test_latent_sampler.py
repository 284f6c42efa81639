"""Random latents distributed as the encoded training crystals."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.npz import write_npz
from models.latent_sampler import LatentSampler
from repro.decoding.knowledge import fit_latent_sampler
from repro.generation.generator_folder import load_arrays
from repro.generation.targets import at_random
from repro.training.dataset import Dataset
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(90, seed=3)
FAMILY = np.array([("AB", "ABX3", "ABX2").index(crystal.family) for crystal in CRYSTALS])
BINS = np.arange(90) // 3 % 2
DATASET = Dataset(CRYSTALS, np.array(["train"] * 90), np.arange(9.0), BINS)


def fitted(noise=-20.0) -> LatentSampler:
    """Return a sampler of latents with 6 numbers: the first varies most, the next two are of family and condition."""
    rng = np.random.default_rng(0)
    mean = (
        rng.normal(0, [1.0, 0.1, 0.1, 0.1, 0.1, 0.1], (90, 6))
        + np.stack([0 * FAMILY, 5 * FAMILY, 9 * BINS]).T[:, [0, 1, 2, 0, 0, 0]]
    )
    return fit_latent_sampler(DATASET, np.arange(90), mean.astype(np.float32), np.full((90, 6), noise, np.float32))


def latents(target) -> np.ndarray:
    return np.stack([target.latent(number, None) for number in range(target.count)])


def test_samples_have_the_mean_and_the_spread_of_a_family_under_the_condition():
    found = fitted()
    z = latents(at_random(1, 3000, 0, found))
    np.testing.assert_allclose(z[:, 2], 9, atol=1)  # only crystals of the condition
    family = np.round(z[:, 1] / 5).astype(int)
    shares = np.bincount(family, minlength=3) / 3000
    np.testing.assert_allclose(shares, np.bincount(FAMILY[BINS == 1], minlength=3) / (BINS == 1).sum(), atol=0.03)
    for one in range(3):
        group = found.z_mean[(one == FAMILY) & (BINS == 1)]
        np.testing.assert_allclose(z[family == one].std(axis=0), group.std(axis=0, ddof=1), rtol=0.15)


def test_the_noise_of_the_posteriors_is_added_and_the_spread_scales_all():
    found = fitted(noise=np.log(4.0))
    wide, narrow = (latents(at_random(0, 2000, 0, found, spread)) for spread in (1.0, 0.1))
    assert wide[:, 3].std() == pytest.approx(2.0, rel=0.1)
    assert narrow[:, 3].std() == pytest.approx(0.2, rel=0.15)


def test_one_by_one_the_latents_are_those_of_single_crystals_and_the_spread_scales_their_noise():
    found = replace(fitted(noise=np.log(0.04)), one_by_one=True)
    under = found.z_mean[BINS == 1].astype(float)
    for spread in (1.0, 0.5):
        target = at_random(1, 1000, 0, found, spread)
        assert target.sampling == "posteriors"
        z = latents(target)
        nearest = np.linalg.norm(z[:, None] - under, axis=-1).argmin(axis=1)
        assert (z - under[nearest]).std() == pytest.approx(0.2 * spread, rel=0.1)
        assert len(np.unique(nearest)) == len(under)


def test_a_sample_depends_on_seed_and_number_alone():
    target = at_random(1, 40, 5, fitted())
    np.testing.assert_array_equal(latents(target)[17], target.latent(17, None))
    assert target.digest(np.array([1])) != at_random(1, 40, 5).digest(np.array([1]))


def test_the_distribution_survives_the_disk(tmp_path):
    found = fitted()
    write_npz(tmp_path / "encoded.npz", found.arrays(), compressed=True)
    read = load_arrays(LatentSampler, tmp_path / "encoded.npz", 6)
    np.testing.assert_allclose(read.z_mean, found.z_mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(read.conditions, found.conditions)
    np.testing.assert_array_equal(read.families, found.families)
    np.testing.assert_allclose(read.noise, found.noise, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["encoded.npz"]


def test_a_decile_without_training_crystals_is_named():
    with pytest.raises(InputError, match="No training crystal lies in decile 8 .* --random-from normal"):
        at_random(7, 5, 0, fitted())
    assert at_random(7, 5, 0).sampler is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"conditions": np.zeros(89, int)}, {"families": np.full(90, 3)}, {"noise": -np.ones((3, 6))},
        {"noise": np.ones((3, 5))}, {"z_mean": np.zeros((90, 5)), "noise": np.ones((3, 5))},
        {"z_mean": np.full((90, 6), np.nan)}, {"z_mean": np.ones(90)},
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused_with_the_files_name(tmp_path, wrong):
    write_npz(tmp_path / "encoded.npz", replace(fitted(), **wrong).arrays())
    with pytest.raises(InputError, match=r"encoded\.npz.*do not fit together.*train the VAE again"):
        load_arrays(LatentSampler, tmp_path / "encoded.npz", 6)
