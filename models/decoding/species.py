"""Which element a fitted Gaussian is, by its amplitude and width (F33)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from data_prep.box import GAUSSIAN_INTEGRAL
from models.decoding.gaussian_fit import FitParameters, Gaussians
from models.decoding.gaussians import LN_WIDTH

USUAL = FitParameters()


@dataclass(frozen=True)
class AllowedElements:
    """The elements a Gaussian may be: atomic ``numbers`` (k,) and Gaussian widths ``radii`` (k,) in Å."""

    numbers: np.ndarray
    radii: np.ndarray

    @property
    def amplitudes(self) -> np.ndarray:
        """Peak densities Z / ((2 pi)^1.5 r^3), (k,) in electrons/Å^3 (Methods; F5)."""
        return self.numbers / (GAUSSIAN_INTEGRAL * self.radii**3)


def allowed_elements(radii: np.ndarray, numbers: np.ndarray | None = None) -> AllowedElements:
    """Return the elements among ``numbers`` (default: every Z with a radius).

    ``radii`` (95,) in Å is indexed by Z, NaN where undefined. Raises ValueError if none is left.
    """
    allowed = np.flatnonzero(np.isfinite(radii))
    if numbers is not None:
        allowed = np.intersect1d(allowed, numbers)
    if not len(allowed):
        raise ValueError("no allowed element has a radius: give atomic numbers between 1 and 94")
    return AllowedElements(allowed, np.asarray(radii, dtype=np.float64)[allowed])


def identify(gaussians: Gaussians, elements: AllowedElements, parameters: FitParameters = USUAL) -> np.ndarray:
    """Return the atomic number (n,) whose amplitude and width fit each Gaussian best (F33).

    On a map with errors, sites share an element if that costs little: a crystal has fewer elements than sites.
    This representation cannot distinguish elements of equal amplitude and width: the lower atomic number is taken.
    """
    penalty = parameters.shared_species * min(1.0, gaussians.residual / parameters.noisy)
    return elements.numbers[_shared_choice(_misfit(gaussians, elements, parameters), penalty)]


def assign_species(
    gaussians: Gaussians, numbers: np.ndarray, elements: AllowedElements, parameters: FitParameters = USUAL
) -> np.ndarray:
    """Return the ``numbers`` (n,) of a crystal's atoms in the order of the n Gaussians, at the least total misfit.

    All of them are among ``elements``.
    """
    columns = np.searchsorted(elements.numbers, numbers)
    misfit = _misfit(gaussians, elements, parameters)[:, columns]
    return np.asarray(numbers)[linear_sum_assignment(misfit)[1]]


def _misfit(gaussians: Gaussians, elements: AllowedElements, parameters: FitParameters) -> np.ndarray:
    """Squared log ratios (n, k) of amplitude and width, in units of the two tolerances."""
    in_amplitude = np.log(gaussians.amplitudes)[:, None] - np.log(elements.amplitudes)
    in_width = gaussians.rows[:, LN_WIDTH, None] - np.log(elements.radii)
    return (in_amplitude / parameters.amplitude_tolerance) ** 2 + (in_width / parameters.width_tolerance) ** 2


def _shared_choice(misfit: np.ndarray, penalty: float) -> np.ndarray:
    """Column chosen for each row: groups of rows join, cheapest first, while joining costs less than ``penalty``."""
    groups, totals = [[row] for row in range(len(misfit))], misfit.copy()
    while len(groups) > 1:
        best = totals.min(axis=1)
        cost = (totals[:, None] + totals[None]).min(axis=-1) - best[:, None] - best[None]
        cost[np.tril_indices(len(cost))] = np.inf
        first, second = np.unravel_index(cost.argmin(), cost.shape)
        if cost[first, second] >= penalty:
            break
        totals[first] += totals[second]
        totals = np.delete(totals, second, axis=0)
        groups[first] += groups.pop(second)
    choice = np.empty(len(misfit), dtype=np.int64)
    for group, total in zip(groups, totals, strict=True):
        choice[group] = total.argmin()
    return choice
