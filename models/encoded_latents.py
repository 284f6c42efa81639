"""Where encoded crystals lie in the latent space, to draw new ones from (not in the paper, which draws from N(0, 1)).

An encoder that tells much, with a divergence of hundreds of nats, leaves most of N(0, 1) empty, and what a
decoder makes of a point there is no crystal. So the distribution is estimated after the training (Ghosh et
al., "From Variational to Deterministic Autoencoders", ICLR 2020): one Gaussian per decile of the formation
energy and family, of the encodings of its training crystals. This also makes the condition count.
"""

import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.weights_error import WeightsError


@dataclass(frozen=True)
class EncodedLatents:
    """N encoded crystals: ``z_mean`` (N, L), their ``conditions`` (N,) and ``families`` (N,) as whole numbers.

    ``noise`` (F, L) is the mean variance of a family's posteriors.
    """

    z_mean: np.ndarray
    conditions: np.ndarray
    families: np.ndarray
    noise: np.ndarray

    def draw(self, condition: int, scale: float, rng: np.random.Generator) -> np.ndarray:
        """Return one latent vector (L,) of a condition, its distance from the family's middle times ``scale``.

        A random combination of a group's deviations has the group's own covariance, whatever its rank.
        Raises ValueError when no crystal was encoded under the condition.
        """
        under = np.flatnonzero(self.conditions == condition)
        family = self.families[rng.choice(under)]
        group = self.z_mean[under[self.families[under] == family]].astype(np.float64)
        middle = group.mean(axis=0)
        shares = rng.standard_normal(len(group)) / np.sqrt(max(len(group) - 1, 1))
        noise = np.sqrt(self.noise[family]) * rng.standard_normal(group.shape[1])
        return middle + scale * (shares @ (group - middle) + noise)

    def save(self, file: BinaryIO) -> None:
        """Write the arrays to an open NPZ file, the latents as float16."""
        np.savez_compressed(
            file,
            z_mean=self.z_mean.astype(np.float16),
            conditions=self.conditions.astype(np.uint8),
            families=self.families.astype(np.uint8),
            noise=self.noise.astype(np.float32),
        )


def load_encoded_latents(path: Path) -> EncodedLatents:
    """Read what ``EncodedLatents.save`` wrote; raises WeightsError naming the file when it is damaged or another."""
    try:
        with zipfile.ZipFile(path) as archive:  # NumPy checks no sum of a member that it does not read to its end
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} fails")
        with np.load(path, allow_pickle=False) as arrays:
            found = EncodedLatents(*(arrays[name] for name in ("z_mean", "conditions", "families", "noise")))
        if not _fits(found):
            raise ValueError("its arrays do not fit together")
        return found
    except _FAULTS as error:
        raise WeightsError(f"{path} does not say where encoded crystals lie ({error}): train the VAE again.") from error


_FAULTS = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, SyntaxError, MemoryError,
    OverflowError, RuntimeError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _fits(latents: EncodedLatents) -> bool:
    """Return whether the arrays have the kinds and shapes that ``draw`` takes."""
    z_mean, noise, families = latents.z_mean, latents.noise, latents.families
    if not (z_mean.ndim == noise.ndim == 2 and z_mean.dtype.kind == noise.dtype.kind == "f"):
        return False
    numbers = (latents.conditions, families)
    whole = all(array.dtype.kind in "iu" and array.shape == z_mean.shape[:1] for array in numbers)
    known = whole and len(z_mean) > 0 and 0 <= families.min() <= families.max() < len(noise)
    finite = np.isfinite(z_mean).all() and np.isfinite(noise).all() and (noise >= 0).all()
    return bool(known and finite and z_mean.shape[1] == noise.shape[1])
