"""The property condition: formation energy per atom, quantized into deciles (Results; F17)."""

import numpy as np


def decile_edges(energies: np.ndarray, bins: int = 10) -> np.ndarray:
    """Return the inner edges (bins - 1,) in eV/atom that divide ``energies`` (n,) into equal shares.

    They are computed on the training part and stored with the model (F17).
    """
    return np.quantile(energies, np.arange(1, bins) / bins)


def condition_bins(energies: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin (n,) of each energy; like pandas ``qcut``, an edge belongs to the bin below it."""
    return np.searchsorted(edges, energies, side="left")


def one_hot(bins: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the condition vectors (n, n_bins) float32."""
    return np.eye(n_bins, dtype=np.float32)[bins]
