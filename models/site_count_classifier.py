"""How many sites a crystal has, read from its latent by a linear classifier (not in the paper).

It is fitted after the VAE's training, on samples from the posteriors. The composition head gives blurred
shares, from which the number of sites does not follow; the latent itself gives that number reliably.
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
        """Return the arrays by name."""
        return {"classes": self.classes, "weights": self.weights, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], latent: int) -> "SiteCountClassifier":
        """Return the classifier whose ``arrays`` these are.

        Raises KeyError, ValueError or TypeError if arrays are missing, do not fit each other, or are not for
        latent vectors of L = ``latent`` numbers.
        """
        found = cls(arrays["classes"], arrays["weights"], arrays["bias"])
        same_size = found.classes.shape == found.bias.shape and found.weights.shape == (latent, *found.bias.shape)
        if not (same_size and found.classes.dtype.kind == "i" and np.isfinite(found.weights @ found.bias).all()):
            raise ValueError("its arrays do not fit together")
        return found
