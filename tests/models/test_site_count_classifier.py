"""The linear classifier of the number of sites."""

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.npz import write_npz
from models.site_count_classifier import SiteCountClassifier
from repro.generation.generator_folder import load_arrays


def test_the_highest_score_is_chosen_and_survives_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    counts = SiteCountClassifier(np.array([2, 4, 5]), rng.normal(size=(8, 3)), np.array([0.1, -0.2, 0.3]))
    z = rng.normal(size=(50, 8))
    scores = np.stack([z @ counts.weights[:, k] + counts.bias[k] for k in range(3)], axis=1)
    expected = [[2, 4, 5][int(np.argmax(row))] for row in scores]
    assert counts.choose(z).tolist() == expected
    assert len(set(expected)) == 3
    write_npz(tmp_path / "counts.npz", counts.arrays())
    assert load_arrays(SiteCountClassifier, tmp_path / "counts.npz", 8).choose(z).tolist() == expected
    with pytest.raises(InputError, match="counts.npz"):  # of a VAE with another latent
        load_arrays(SiteCountClassifier, tmp_path / "counts.npz", 7)
    assert [path.name for path in tmp_path.iterdir()] == ["counts.npz"]
