"""How many sites a crystal has, read from its latent by a linear classifier (not in the paper).

It is fitted after the VAE's training, on latents with the noise of their posteriors: what a VAE with
heads says of the composition's shares is soft, while the number of sites is plain to read.
"""

from dataclasses import dataclass

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

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name as they are stored."""
        return {"classes": self.classes, "weights": self.weights, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], latent: int) -> "SiteCountClassifier":
        """Return what ``arrays`` gave.

        Raises KeyError, ValueError or TypeError when arrays are missing, do not fit each other, or are not for
        latent vectors of L = ``latent`` numbers.
        """
        found = cls(arrays["classes"], arrays["weights"], arrays["bias"])
        alike = found.classes.shape == found.bias.shape and found.weights.shape == (latent, *found.bias.shape)
        if not (alike and found.classes.dtype.kind == "i" and np.isfinite(found.weights @ found.bias).all()):
            raise ValueError("its arrays do not fit together")
        return found
