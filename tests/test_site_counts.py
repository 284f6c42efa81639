"""The linear classifier of the number of sites."""

import numpy as np

from models.site_counts import SiteCounts, load_site_counts
from repro.datasets import Dataset
from repro.site_counts import fit_site_counts, write_site_counts
from tests.crystals import made_up_crystals


def test_the_highest_score_is_chosen_and_survives_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    counts = SiteCounts(np.array([2, 4, 5]), rng.normal(size=(8, 3)), np.array([0.1, -0.2, 0.3]))
    z = rng.normal(size=(50, 8))
    scores = np.stack([z @ counts.weights[:, k] + counts.bias[k] for k in range(3)], axis=1)
    expected = [[2, 4, 5][int(np.argmax(row))] for row in scores]
    assert counts.choose(z).tolist() == expected
    assert len(set(expected)) == 3
    write_site_counts(counts, tmp_path / "counts.npz")
    assert load_site_counts(tmp_path / "counts.npz").choose(z).tolist() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["counts.npz"]


def test_the_number_of_sites_is_learned_from_the_latents_of_the_training_part(monkeypatch):
    crystals = made_up_crystals(60, seed=2)
    dataset = Dataset(crystals, np.array(["train"] * 60), np.arange(9.0), np.zeros(60, dtype=int))
    monkeypatch.setattr("repro.site_counts.encode", latents_by_count)
    fitted = fit_site_counts(None, dataset, NoMaps(), seed=0)
    sizes = np.array([crystal.n_sites for crystal in crystals])
    assert sorted(fitted.classes) == sorted(set(sizes))
    z, _ = latents_by_count(None, None, None, [crystal.numbers for crystal in crystals])
    assert (fitted.choose(z) == sizes).mean() > 0.95
    two = Dataset(crystals, np.where(np.isin(sizes, (2, 4)), "train", "test"), np.arange(9.0), dataset.bins)
    of_two = fit_site_counts(None, two, NoMaps(), seed=0)
    assert (of_two.choose(z)[np.isin(sizes, (2, 4))] == sizes[np.isin(sizes, (2, 4))]).mean() > 0.95


class NoMaps:
    lengths = np.ones((60, 3))

    def density(self, index):
        return np.zeros((4, 4, 4))


def latents_by_count(encoder, maps, condition, numbers):
    """Latents in which the number of sites stands in a direction of its own, beside noise of the posterior."""
    z = np.random.default_rng(1).normal(0, 0.3, (len(numbers), 6)).astype(np.float32)
    for row, of_crystal in enumerate(numbers):
        z[row, len(of_crystal) % 6] += 3
    return z, np.full(z.shape, -2.0, np.float32)
