"""How many sites a crystal has, read from its latent by a linear classifier (not in the paper).

It is fitted after the VAE's training, on latents with the noise of their posteriors: what a VAE with
heads says of the composition's shares is soft, while the number of sites is plain to read.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.weights_error import WeightsError


@dataclass(frozen=True)
class SiteCounts:
    """The numbers of sites that occur, ``classes`` (k,), with ``weights`` (L, k) and ``bias`` (k,) of their scores."""

    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def choose(self, z: np.ndarray) -> np.ndarray:
        """Return the likeliest number of sites (B,) of latent vectors (B, L)."""
        return self.classes[(z @ self.weights + self.bias).argmax(axis=1)]

    def save(self, file: BinaryIO) -> None:
        """Write the arrays to an open NPZ file."""
        np.savez(file, classes=self.classes, weights=self.weights, bias=self.bias)


def load_site_counts(path: Path) -> SiteCounts:
    """Read what ``SiteCounts.save`` wrote; raises WeightsError naming the file when it is damaged or does not fit."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = SiteCounts(arrays["classes"], arrays["weights"], arrays["bias"])
        alike = found.classes.shape == found.bias.shape == found.weights.shape[1:]
        if not (alike and found.classes.dtype.kind == "i" and np.isfinite(found.weights @ found.bias).all()):
            raise ValueError("its arrays do not fit together")
        return found
    except (OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, RuntimeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is no classifier of the number of sites ({error}): train the VAE again.") from error
