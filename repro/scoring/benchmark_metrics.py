"""The metrics of CDVAE's protocol on sets of crystals: coverage, distances of distributions, reconstruction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from data_prep.structures.matching import TOLERANCES
from data_prep.structures.validity import cdvae_fault
from repro.scoring.fingerprints import Fingerprints
from repro.scoring.smact_composition import composition_fault

CUTOFFS = (0.2, 4.0)  # of structure and composition, on Perov-5
SAMPLES = 1000  # random valid ones whose distributions are compared


@dataclass(frozen=True)
class Coverage:
    """``recall``: share of the test crystals near a generated one; ``precision``: of the generated near a test one."""

    recall: float
    precision: float


def coverage(
    generated: Fingerprints, test: Fingerprints, n_generated: int, cutoffs: tuple[float, float] = CUTOFFS
) -> Coverage:
    """Return COV-R and COV-P; the nearest structure and the nearest composition may be of two crystals.

    ``n_generated`` counts all generated crystals, those without fingerprints included, which are near to nothing.
    """
    generated, test = generated.chosen(generated.there), test.chosen(test.there)
    if not len(generated.structure) or not len(test.structure):
        return Coverage(0.0, 0.0)
    structure = cdist(generated.structure, test.structure)
    composition = cdist(generated.composition, test.composition)

    def near(axis: int) -> np.ndarray:
        return (structure.min(axis=axis) <= cutoffs[0]) & (composition.min(axis=axis) <= cutoffs[1])

    return Coverage(float(near(0).mean()), float(near(1).sum() / n_generated))


def distribution_distance(ours: Sequence[float], test: Sequence[float], valid: Sequence[bool], seed: int) -> float:
    """Return the 1-D Wasserstein distance of ``SAMPLES`` random valid ones among ``ours`` from all of ``test``."""
    chosen = np.flatnonzero(valid)
    if not len(chosen):
        return float("nan")
    if len(chosen) > SAMPLES:
        chosen = np.random.default_rng(seed).choice(chosen, SAMPLES, replace=False)
    return float(wasserstein_distance(np.asarray(ours)[chosen], test))


@dataclass(frozen=True)
class Reconstruction:
    """``matched``: share of all; ``matched_valid``: a prediction not valid by structure and SMACT cannot match.

    ``rmse`` and ``rmse_valid`` are means over the matches, in (volume / sites)^(1/3).
    """

    count: int
    matched: float
    rmse: float
    matched_valid: float
    rmse_valid: float


def reconstruction(pairs: Sequence[tuple[Structure | None, Structure]]) -> Reconstruction:
    """Return how many predictions match the true structures; None is a prediction that could not be decoded."""
    distances = np.array([np.nan if one is None else _distance(one, true) for one, true in pairs])
    valid = np.array([one is not None and is_benchmark_valid(one) for one, _ in pairs], dtype=bool)
    return Reconstruction(
        len(pairs),
        float(np.isfinite(distances).mean()),
        _mean(distances),
        float((np.isfinite(distances) & valid).mean()),
        _mean(distances[valid]),
    )


def _mean(distances: np.ndarray) -> float:
    known = distances[np.isfinite(distances)]
    return float(known.mean()) if len(known) else float("nan")


def _distance(predicted: Structure, true: Structure) -> float:
    try:
        found = _matcher().get_rms_dist(predicted, true)
    except (ValueError, TypeError, RuntimeError):  # of the reduction of a hopeless cell: CDVAE counts no match
        return float("nan")
    return float("nan") if found is None else float(found[0])


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(**TOLERANCES)


def is_benchmark_valid(structure: Structure) -> bool:
    """Return whether CDVAE's protocol calls a structure valid, by its distances and by its composition."""
    return not cdvae_fault(structure) and not composition_fault(structure.composition.reduced_formula)
