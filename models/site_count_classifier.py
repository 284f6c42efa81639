"""How many sites a crystal has, read from its latent by a linear classifier (not in the paper).

It is fitted after the VAE's training, on latents with the noise of their posteriors: what a VAE with
heads says of the composition's shares is soft, while the number of sites is plain to read.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np


@dataclass(frozen=True)
class SiteCountClassifier:
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

    def check(self, latent: int) -> None:
        """Raise ValueError where the arrays do not fit together, or latent vectors of L = ``latent`` numbers."""
        alike = self.classes.shape == self.bias.shape and self.weights.shape == (latent, *self.bias.shape)
        if not (alike and self.classes.dtype.kind == "i" and np.isfinite(self.weights @ self.bias).all()):
            raise ValueError("its arrays do not fit together")
