"""Random latents distributed as the encoded training crystals (not in the paper, which samples N(0, 1)).

If the latent carries much information, a divergence of hundreds of nats, most of N(0, 1) is empty, and a
point there does not decode to a crystal. So the distribution is estimated after the training (Ghosh et al.,
"From Variational to Deterministic Autoencoders", ICLR 2020): one Gaussian per decile of the formation energy
and family, from the encodings of its training crystals. This also gives the condition an effect.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LatentSampler:
    """N encoded crystals: ``z_mean`` (N, L), their ``conditions`` (N,) and ``families`` (N,) as whole numbers.

    ``noise`` (F, L) is the mean variance of a family's posteriors. With ``one_by_one`` a latent is drawn from the
    posterior of one of the crystals, the aggregated posterior: nearer to them, and better where the condition's
    crystals have too little in common for a Gaussian.
    """

    z_mean: np.ndarray
    conditions: np.ndarray
    families: np.ndarray
    noise: np.ndarray
    one_by_one: bool = False

    def draw(self, condition: int, scale: float, rng: np.random.Generator) -> np.ndarray:
        """Return one latent vector (L,) of a condition.

        Its distance from the mean of its family, or from one crystal's, is multiplied by ``scale``. A random
        combination of a group's deviations has the group's own covariance, whatever its rank. Raises ValueError if no
        crystal was encoded under the condition.
        """
        under = np.flatnonzero(self.conditions == condition)
        crystal = rng.choice(under)
        family = self.families[crystal]
        if self.one_by_one:
            middle, deviation = self.z_mean[crystal].astype(np.float64), 0.0
        else:
            group = self.z_mean[under[self.families[under] == family]].astype(np.float64)
            middle = group.mean(axis=0)
            shares = rng.standard_normal(len(group)) / np.sqrt(max(len(group) - 1, 1))
            deviation = shares @ (group - middle)
        noise = np.sqrt(self.noise[family]) * rng.standard_normal(self.z_mean.shape[1])
        return middle + scale * (deviation + noise)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name in the types in which they are stored, the latents as float16."""
        return {
            "z_mean": self.z_mean.astype(np.float16),
            "conditions": self.conditions.astype(np.uint8),
            "families": self.families.astype(np.uint16),
            "noise": self.noise.astype(np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], latent: int) -> "LatentSampler":
        """Return the sampler whose ``arrays`` these are.

        Raises KeyError or ValueError if arrays are missing, do not fit each other, or are not of vectors of
        L = ``latent`` numbers.
        """
        found = cls(*(arrays[name] for name in ("z_mean", "conditions", "families", "noise")))
        z_mean, noise, families = found.z_mean, found.noise, found.families
        if not (
            z_mean.ndim == noise.ndim == 2
            and z_mean.dtype.kind == noise.dtype.kind == "f"
            and all(
                array.dtype.kind in "iu" and array.shape == z_mean.shape[:1] for array in (found.conditions, families)
            )
            and len(z_mean) > 0
            and 0 <= families.min() <= families.max() < len(noise)
            and z_mean.shape[1] == noise.shape[1] == latent
            and np.isfinite(z_mean).all()
            and np.isfinite(noise).all()
            and (noise >= 0).all()
        ):
            raise ValueError("its arrays do not fit together")
        return found
