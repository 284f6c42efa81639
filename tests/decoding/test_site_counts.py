"""The linear classifier of the number of sites."""

import numpy as np
import pytest

from data_prep.errors import InputError
from models.site_count_classifier import SiteCountClassifier
from repro.decoding.site_counts import fit_site_counts, load_site_counts, write_site_counts


def test_the_highest_score_is_chosen_and_survives_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    counts = SiteCountClassifier(np.array([2, 4, 5]), rng.normal(size=(8, 3)), np.array([0.1, -0.2, 0.3]))
    z = rng.normal(size=(50, 8))
    scores = np.stack([z @ counts.weights[:, k] + counts.bias[k] for k in range(3)], axis=1)
    expected = [[2, 4, 5][int(np.argmax(row))] for row in scores]
    assert counts.choose(z).tolist() == expected
    assert len(set(expected)) == 3
    write_site_counts(counts, tmp_path / "counts.npz")
    assert load_site_counts(tmp_path / "counts.npz", 8).choose(z).tolist() == expected
    with pytest.raises(InputError, match="counts.npz"):  # of a VAE with another latent
        load_site_counts(tmp_path / "counts.npz", 7)
    assert [path.name for path in tmp_path.iterdir()] == ["counts.npz"]


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
    write_site_counts(fitted, tmp_path / "counts.npz")
    assert load_site_counts(tmp_path / "counts.npz", 6).choose(z).tolist() == [5] * 20


def latents_by_count(sizes):
    """Latents in which the number of sites stands in a direction of its own, beside noise of the posterior."""
    z = np.random.default_rng(1).normal(0, 0.3, (len(sizes), 6)).astype(np.float32)
    z[np.arange(len(sizes)), sizes] += 3
    return z
