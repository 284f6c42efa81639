"""The angle of a randomly sampled cell, which its boxed map does not contain (F2).

Nearly all cubic crystals of the training set are deposited in cells of 90° (primitive cubic) or 60°
(face-centred). The rule weighs two facts learned from the training part: how often each angle occurs
for that number of sites, and which of the two volumes fits the elements. A cell of equal edges is
sqrt(2) smaller at 60° than at 90°, while volumes per element predict log V to about 0.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from data_prep.crystal import Crystal
from data_prep.elements import MAX_Z

ANGLES = (60.0, 90.0)
_SHAPE = {60.0: 2**-0.5, 90.0: 1.0}  # volume over a b c
_TOLERANCE = 2.0  # degrees
ANY = 0  # key of the statistics for numbers of sites with too few crystals of their own
ENOUGH = 20  # crystals


@dataclass(frozen=True)
class AngleRule:
    """``volumes`` (95,) in Å^3 per element; by number of sites, ``counts`` of each angle and ``log_ratio``, mean
    and deviation of ln(V / summed volumes): perovskites are more open than binaries of the same elements.
    """

    volumes: np.ndarray
    log_ratio: dict[int, tuple[float, float]]
    counts: dict[int, tuple[int, int]]

    @classmethod
    def from_json(cls, found: dict) -> "AngleRule":
        """Return what ``to_json`` gave."""
        log_ratio, counts = (
            {int(number): tuple(pair) for number, pair in found[name].items()} for name in ("log_ratio", "counts")
        )
        return cls(np.array(found["volumes"]), log_ratio, counts)

    def to_json(self) -> dict:
        """Return the rule as plain data."""
        return {"volumes": self.volumes, "log_ratio": self.log_ratio, "counts": self.counts}

    def choose(self, numbers: np.ndarray, lengths: np.ndarray) -> tuple[float, float]:
        """Return the angle in degrees of a cell with these species and lengths (Å), and its probability."""
        shift, spread = self.log_ratio.get(len(numbers), self.log_ratio[ANY])
        expected = np.log(float(self.volumes[numbers].sum())) + shift
        seen = self.counts.get(len(numbers), (0, 0))
        scores = [
            np.log(count + 1) - 0.5 * ((np.log(np.prod(lengths) * _SHAPE[angle]) - expected) / spread) ** 2
            for angle, count in zip(ANGLES, seen, strict=True)
        ]
        probability = 1.0 / (1.0 + np.exp(scores[1] - scores[0]))  # of 60 degrees
        return (ANGLES[0], float(probability)) if probability > 0.5 else (ANGLES[1], 1.0 - float(probability))


def angle_class(crystal: Crystal) -> float | None:
    """Return 60.0 or 90.0 if all three angles are within 2 degrees of it, else None."""
    for angle in ANGLES:
        if np.all(np.abs(crystal.angles - angle) < _TOLERANCE):
            return angle
    return None


def fit_angle_rule(crystals: Sequence[Crystal]) -> AngleRule:
    """Learn volumes per element (non-negative least squares of relative volume) and angle counts."""
    volume = np.array([crystal.structure().volume for crystal in crystals])
    composition = np.stack([np.bincount(crystal.numbers, minlength=MAX_Z + 1) for crystal in crystals])
    volumes, _ = nnls(composition / volume[:, None], np.ones(len(crystals)))
    known = volumes[volumes > 0].mean()
    volumes = np.where(volumes > 0, volumes, known)  # elements without a crystal take the mean
    residual = np.log(volume / (composition @ volumes))
    sites = np.array([crystal.n_sites for crystal in crystals])
    log_ratio = {ANY: _mean_and_deviation(residual)}
    for number in np.unique(sites):
        if (sites == number).sum() >= ENOUGH:
            log_ratio[int(number)] = _mean_and_deviation(residual[sites == number])
    counts: dict[int, list[int]] = {}
    for crystal in crystals:
        angle = angle_class(crystal)
        if angle is not None:
            counts.setdefault(crystal.n_sites, [0, 0])[ANGLES.index(angle)] += 1
    return AngleRule(volumes, log_ratio, {number: tuple(pair) for number, pair in counts.items()})


def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), max(float(values.std()), 0.02)
