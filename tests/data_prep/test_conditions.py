"""Deciles of the formation energy, as pandas computes them."""

import numpy as np
import pandas as pd

from data_prep.conditions import condition_bins, decile_edges, one_hot


def test_bins_are_those_of_pandas_qcut():
    energies = np.random.default_rng(0).normal(size=1000)
    bins = condition_bins(energies, decile_edges(energies))
    np.testing.assert_array_equal(bins, pd.qcut(energies, 10, labels=False))
    assert one_hot(bins, 10).sum() == 1000
    assert condition_bins(np.array([-99.0, 99.0]), decile_edges(energies)).tolist() == [0, 9]
