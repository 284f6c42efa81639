"""The metrics, as pure functions of arrays."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pymatgen.core import Element
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import bootstrap, spearmanr

from data_prep.elements import MAX_Z
from models.decoding.watershed_parameters import WatershedParameters

MATCH_DISTANCE = 0.5  # Å: a predicted site farther from the true one does not count as found


def assign(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the optimal pairing of true (n, 3) and predicted (m, 3) sites: two indices and distances in Å.

    Each has min(n, m) entries; the sum of the distances is the smallest possible.
    """
    distances = cdist(true, predicted)
    rows, columns = linear_sum_assignment(distances)
    return rows, columns, distances[rows, columns]


def emd(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the earth mover's distance in Å: the mean over the optimally assigned pairs (F25); NaN without one."""
    if not len(true) or not len(predicted):
        return float("nan")
    return float(assign(true, predicted)[2].mean())


def delta_n(true: np.ndarray, predicted: np.ndarray) -> int:
    """Return the absolute difference of the numbers of sites (Table 5's difference in N_sites, without sign)."""
    return abs(len(predicted) - len(true))


def species_right_per_site(
    true_numbers: np.ndarray, true: np.ndarray, numbers: np.ndarray, predicted: np.ndarray
) -> float:
    """Return the share of true sites whose assigned site is within 0.5 Å and of the same element."""
    found = elements_found(true_numbers, true, numbers, predicted)
    return float((found == np.asarray(true_numbers)).sum() / len(true_numbers))


def elements_found(
    true_numbers: np.ndarray, true: np.ndarray, numbers: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Return the atomic number (n,) of the site assigned to each true site, 0 if none is within 0.5 Å."""
    rows, columns, distances = assign(true, predicted)
    near = distances < MATCH_DISTANCE
    found = np.zeros(len(true_numbers), dtype=int)
    found[rows[near]] = np.asarray(numbers, dtype=int)[columns[near]]
    return found


def exact_match(true_numbers: np.ndarray, true: np.ndarray, numbers: np.ndarray, predicted: np.ndarray) -> bool:
    """Return whether every site is found within 0.5 Å with its element, and none is made up."""
    return len(numbers) == len(true_numbers) and species_right_per_site(true_numbers, true, numbers, predicted) == 1.0


def _confusion() -> np.ndarray:
    return np.zeros((MAX_Z + 1, MAX_Z + 1), dtype=np.int64)


@dataclass
class VoxelCounts:
    """Counts of voxels, which can be added over maps.

    ``confusion`` (95, 95) true by most probable class; ``masked`` (95, 95) the same with class 0 wherever the
    UNet's second head sees no atom: with class 0 weighted zero the first has not learned what is empty (F21, F43).
    """

    confusion: np.ndarray = field(default_factory=_confusion)
    above_half: int = 0  # occupied voxels whose true class has a probability above 0.5
    masked: np.ndarray = field(default_factory=_confusion)

    @classmethod
    def from_json(cls, found: dict) -> "VoxelCounts":
        """Return what ``asdict`` turned into plain data."""
        return cls(np.array(found["confusion"]), found["above_half"], np.array(found["masked"]))

    def __iadd__(self, other: "VoxelCounts") -> "VoxelCounts":
        self.confusion += other.confusion
        self.above_half += other.above_half
        self.masked += other.masked
        return self

    def summary(self) -> dict:
        """Return both recalls on occupied voxels (F23), the weighted F1 over all classes, and what the mask gives.

        F1 is the mean of the per-class F1 weighted by the class's true voxels, background included: the
        paper's 99 %, with 90 % background, can only be this.
        """
        occupied = int(self.confusion[1:].sum())
        return {
            "voxels": int(self.confusion.sum()),
            "occupied_voxels": occupied,
            "nonzero_recall_argmax": float(np.diag(self.confusion)[1:].sum() / max(occupied, 1)),
            "nonzero_recall": float(self.above_half / max(occupied, 1)),
            "f1_weighted": weighted_f1(self.confusion),
            "f1_masked": weighted_f1(self.masked),
            "elements": _per_element(self.masked),
        }


def weighted_f1(confusion: np.ndarray) -> float:
    """Return the mean of the per-class F1 weighted by each class's true voxels, given (C, C) true by predicted."""
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2.0 * np.diag(confusion) / np.maximum(true + predicted, 1)
    return float((f1 * true).sum() / max(true.sum(), 1))


def _per_element(confusion: np.ndarray) -> dict[str, dict]:
    """Return recall, precision and the number of true ``voxels`` of each element that occurs, by symbol.

    Precision is None for an element that is never predicted.
    """
    true, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    return {
        Element.from_Z(int(z)).symbol: {
            "recall": float(right[z] / true[z]),
            "precision": float(right[z] / predicted[z]) if predicted[z] else None,
            "voxels": int(true[z]),
        }
        for z in np.flatnonzero(true)
        if z > 0
    }


def voxel_counts(true_species: np.ndarray, probability: np.ndarray, occupied: np.ndarray) -> VoxelCounts:
    """Return the counts of maps: ``true_species`` (...) integers, ``probability`` (..., 95), ``occupied`` (...).

    ``occupied`` is a probability; a voxel belongs to an atom above the paper's 0.8 (F22), whatever the decoder has.
    """
    true = true_species.ravel().astype(np.int64)
    flat = probability.reshape(len(true), -1)
    found = flat.argmax(axis=1)
    inside = np.flatnonzero(true)
    above = int((flat[inside, true[inside]] > 0.5).sum())
    in_mask = np.where(occupied.ravel() > WatershedParameters().threshold, found, 0)
    return VoxelCounts(_counted(true, found), above, _counted(true, in_mask))


def _counted(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return how often each pair of classes occurs, (95, 95) true by predicted."""
    classes = MAX_Z + 1
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def smape(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the symmetric mean absolute percentage error: 100 mean(2 |p - t| / (|p| + |t|)), with 0/0 = 0.

    The paper gives no formula; its 137.7 % for band gaps (Table 1) needs one that reaches 200 %.
    """
    total = np.abs(true) + np.abs(predicted)
    return float(100 * np.mean(2 * np.abs(predicted - true) / np.where(total > 0, total, 1)))


def r2(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the coefficient of determination; NaN if all true values are equal."""
    total = np.square(true - true.mean()).sum()
    return float(1 - np.square(predicted - true).sum() / total) if total > 0 else float("nan")


def bootstrap_interval(values: Sequence[float], seed: int, n: int = 1000, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean; twice NaN for fewer than two values."""
    if len(values) < 2:
        return float("nan"), float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # if all values are equal, the interval is that value
        interval = bootstrap(
            (np.asarray(values, dtype=float),),
            np.mean,
            n_resamples=n,
            confidence_level=level,
            method="percentile",
            rng=seed,
        ).confidence_interval
    return float(interval.low), float(interval.high)


def rank_correlation(one: Sequence[float], other: Sequence[float], seed: int, n: int = 1000) -> dict:
    """Return Spearman's ``rho`` of two (n,) series, its 95 % percentile bootstrap ``interval`` over pairs, ``count``.

    ``rho`` and ``interval`` are None for fewer than three pairs, or if one of the series is constant.
    """
    x, y = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return {"count": len(x), "rho": None, "interval": None}
    resamples = np.random.default_rng(seed).integers(len(x), size=(n, len(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant resample has no correlation
        values = [spearmanr(x[pairs], y[pairs]).statistic for pairs in resamples]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return {"count": len(x), "rho": float(spearmanr(x, y).statistic), "interval": [float(low), float(high)]}
