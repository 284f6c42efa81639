"""Sites from the density map itself: a joint fit of one Gaussian per atom (F33, F34).

A Gaussian is a row (ln amplitude, ln width, x, y, z): electrons/Å^3, Å, and Å in the boxed frame.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from skimage.feature import peak_local_max

from data_prep.box import GAUSSIAN_INTEGRAL
from models.decoding.gaussians import LN_AMPLITUDE, LN_WIDTH, POSITION, Factors, density_of, voxel_axes

_PRIOR_ROUNDS = 6
_MIN_PRIOR = 1e-12  # keeps the matrix of two atoms in one place positive definite


@dataclass(frozen=True)
class FitParameters:
    """Settings of the fit and of the choice of elements; none of them is in the paper."""

    start_width: float = 0.9  # Å, the middle of the ionic radii
    position_spread: float = 0.1  # Å, how far a starting site is expected to be off
    width_spread: float = 0.3  # of ln width about the start
    amplitude_spread: float = 2.0  # of ln amplitude about the start
    prior: float = 1e-2  # weight of the three spreads, in units of the relative residual
    max_prior: float = 3e-5  # its upper limit
    iterations: int = 60  # per fit; a true map takes about 6
    rounds: int = 3  # attempts to add atoms
    max_added: int = 4  # atoms added at once
    exact: float = 1e-8  # relative residual under which nothing is missing
    accept: float = 0.75  # each further atom must bring the residual below this share of what it was
    peak_width: float = 0.6  # Å, width of a missing atom as the residual shows it
    peak_share: float = 0.5  # of the residual's highest peak, from which a peak may be an atom
    peak_gain: float = 0.12  # share of the squared residual that the peaks must explain to be tried
    merge_distance: float = 0.5  # Å, closer atoms are one
    min_electrons: float = 0.5  # weaker atoms are dropped (hydrogen has 1)
    min_added: float = 2.0  # electrons of an added atom: an error of the map is no hydrogen
    amplitude_tolerance: float = 0.05  # F33
    width_tolerance: float = 0.03  # F33
    shared_species: float = 4.0  # misfit at which a further element is preferred to a shared one
    noisy: float = 1e-3  # relative residual from which shared_species counts in full


@dataclass(frozen=True)
class Gaussians:
    """A fitted map: ``rows`` (n, 5) as described at the head of this module; ``residual`` is the sum of the
    squared errors over all voxels divided by the sum of the squared density."""

    rows: np.ndarray
    residual: float

    @property
    def amplitudes(self) -> np.ndarray:
        """Peak densities (n,) in electrons/Å^3."""
        return np.exp(self.rows[:, LN_AMPLITUDE])

    @property
    def widths(self) -> np.ndarray:
        """Widths (n,) in Å."""
        return np.exp(self.rows[:, LN_WIDTH])

    @property
    def positions(self) -> np.ndarray:
        """Sites (n, 3) in Å in the boxed frame."""
        return self.rows[:, POSITION]

    @property
    def electrons(self) -> np.ndarray:
        """Integrals of the Gaussians (n,)."""
        return GAUSSIAN_INTEGRAL * self.amplitudes * self.widths**3


def fit_gaussians(
    density: np.ndarray,
    edges: np.ndarray,
    sites: np.ndarray,
    parameters: FitParameters = FitParameters(),
    count: int | None = None,
) -> Gaussians:
    """Fit a sum of isotropic Gaussians to a density map, adding and removing atoms as the residual requires.

    ``density`` (G, G, G) in electrons/Å^3, finite, positive somewhere; voxel ``edges`` (3,) in Å;
    starting ``sites`` (n, 3) in Å in the boxed frame, n >= 1. All parameters of all atoms are fitted
    jointly (F33). If the ``count`` of atoms is given, it decides instead of the residual: the least
    important atoms are removed, or the residual's highest peaks added.
    """
    density = np.asarray(density, dtype=np.float64)
    axes = voxel_axes(density.shape[0], edges)
    fitted = _settle(density, axes, _starting_rows(density, axes, np.asarray(sites), parameters), parameters)
    fitted = _cleaned(density, axes, fitted, parameters)
    if count is not None:
        return _of_count(density, axes, fitted, parameters, count)
    for _ in range(parameters.rounds):
        grown = _grown(density, axes, fitted, parameters)
        if not _is_better(grown, fitted, parameters):
            break
        fitted = grown
    return fitted


def _of_count(density, axes, fitted: Gaussians, parameters, wanted: int) -> Gaussians:
    """Remove the least important atoms, or add the highest peaks of the residual."""
    while len(fitted.rows) > wanted:
        least = _least_important(fitted.rows, axes)
        fitted = _refine(density, axes, np.delete(fitted.rows, least, axis=0), parameters)
    if len(fitted.rows) < wanted:
        one_each = replace(parameters, max_added=wanted - len(fitted.rows), peak_share=0.0, peak_gain=0.0)
        missing = _missing_atoms(density - density_of(fitted.rows, axes), axes, one_each)
        if len(missing):
            fitted = _settle(density, axes, np.vstack([fitted.rows, missing]), parameters)
    return fitted


def _starting_rows(density, axes, sites, parameters) -> np.ndarray:
    nearest = tuple(np.abs(axes[axis][None] - sites[:, axis, None]).argmin(axis=1) for axis in range(3))
    amplitudes = np.maximum(density[nearest], 1e-3 * density.max())
    widths = np.full(len(sites), parameters.start_width)
    return np.column_stack([np.log(amplitudes), np.log(widths), sites])


def _cleaned(density, axes, fitted: Gaussians, parameters) -> Gaussians:
    """Drop atoms with negligible electrons and merge those too close, refitting until none is left."""
    while True:
        keep = _worth_keeping(fitted, parameters)
        if keep.all():
            return fitted
        fitted = _refine(density, axes, fitted.rows[keep], parameters)


def _worth_keeping(fitted: Gaussians, parameters) -> np.ndarray:
    """Mask (n,) of the atoms with enough electrons and no stronger atom too close; one is always kept."""
    keep = np.zeros(len(fitted.rows), dtype=bool)
    for index in np.argsort(-fitted.electrons, kind="stable"):
        distances = np.linalg.norm(fitted.positions[keep] - fitted.positions[index], axis=1)
        enough = fitted.electrons[index] >= parameters.min_electrons and np.all(distances >= parameters.merge_distance)
        keep[index] = enough or not keep.any()
    return keep


def _grown(density, axes, fitted: Gaussians, parameters) -> Gaussians:
    """Add all the atoms that the residual shows at once, then remove those that the fit does not need."""
    if fitted.residual < parameters.exact:
        return fitted
    missing = _missing_atoms(density - density_of(fitted.rows, axes), axes, parameters)
    if not len(missing):
        return fitted
    grown = _settle(density, axes, np.vstack([fitted.rows, missing]), parameters)
    for _ in missing:
        least = _least_important(grown.rows, axes)
        fewer = _refine(density, axes, np.delete(grown.rows, least, axis=0), parameters)
        if grown.residual < parameters.accept * fewer.residual:
            break
        grown = fewer
    return _cleaned(density, axes, grown, parameters)


def _is_better(grown: Gaussians, fitted: Gaussians, parameters) -> bool:
    """Whether ``grown`` has further atoms, each worth its five parameters and with the electrons of an atom."""
    added = len(grown.rows) - len(fitted.rows)
    heavier = np.sum(grown.electrons >= parameters.min_added) - np.sum(fitted.electrons >= parameters.min_added)
    return bool(0 < added <= heavier and grown.residual <= parameters.accept**added * fitted.residual)


def _missing_atoms(residual, axes, parameters) -> np.ndarray:
    """Rows (m, 5) of Gaussians at the highest points of the smoothed residual; none if they explain little.

    The residual of a missing atom is compact: its peak explains a sixth of the squared residual or more. The
    errors of a decoder are spread over the map: their highest peaks together explain about a twelfth.
    """
    edges = np.array([axis[1] - axis[0] for axis in axes])
    peaks = peak_local_max(
        gaussian_filter(residual, parameters.start_width / 2 / edges),
        min_distance=max(1, round(parameters.merge_distance / edges.max())),
        threshold_rel=parameters.peak_share,
        num_peaks=parameters.max_added,
        exclude_border=False,
    )
    rows, gain = np.zeros((len(peaks), 5)), 0.0
    rows[:, LN_WIDTH] = np.log(parameters.peak_width)
    rows[:, POSITION] = np.column_stack([axes[axis][peaks[:, axis]] for axis in range(3)])
    for row in rows:
        unit = density_of(row[None], axes)
        overlap, norm = np.sum(unit * residual), np.sum(unit**2)
        row[LN_AMPLITUDE] = np.log(max(overlap / norm, 1e-6))
        gain += overlap**2 / norm
    return rows if gain > parameters.peak_gain * np.sum(residual**2) else rows[:0]


def _least_important(rows: np.ndarray, axes: list[np.ndarray]) -> int:
    """The atom whose removal raises the residual least if the others adapt (to second order)."""
    matrix = Factors.of(rows, axes).normal_matrix()
    ridge = 1e-9 * np.trace(matrix) / len(matrix)  # two atoms in one place make the matrix singular
    variance = np.diag(np.linalg.inv(matrix + ridge * np.eye(len(matrix))))
    return int(variance[LN_AMPLITUDE::5].argmax())


def _settle(density, axes, start: np.ndarray, parameters) -> Gaussians:
    """Fit, and fit again about the result while the residual falls markedly: a start may be far off, but a map with
    errors makes no atom drift."""
    fitted = _refine(density, axes, start, parameters)
    for _ in range(_PRIOR_ROUNDS):
        if fitted.residual < parameters.exact:
            break
        again = _refine(density, axes, fitted.rows, parameters)
        if again.residual > parameters.accept * fitted.residual:
            break
        fitted = again
    return fitted


def _refine(density, axes, start: np.ndarray, parameters) -> Gaussians:
    """Fit with a prior about the start, its weight proportional to the residual: a true map is fitted exactly.

    On a reconstruction the residual stays at some 0.1 %, and the prior keeps atoms that overlap from
    exchanging density and drifting apart.
    """
    weight, rows = parameters.max_prior, start
    for _ in range(_PRIOR_ROUNDS):
        rows = _minimise(density, axes, rows, start, weight, parameters)
        residual = float(np.sum((density - density_of(rows, axes)) ** 2) / np.sum(density**2))
        if parameters.prior * residual > weight / 2 or weight == _MIN_PRIOR:
            break
        weight = max(parameters.prior * residual, _MIN_PRIOR)
    return Gaussians(rows, residual)


def _minimise(density, axes, rows, start, weight, parameters) -> np.ndarray:
    """One penalised least-squares fit by a trust-region Gauss-Newton method; returns the rows (n, 5)."""
    scale = 1 / np.sum(density**2)
    spread = np.array([parameters.amplitude_spread, parameters.width_spread, *[parameters.position_spread] * 3])
    pull = np.tile(weight / spread**2, len(rows))

    @lru_cache(maxsize=4)  # the matrix is asked for where the value was
    def factors(flat: bytes) -> Factors:
        return Factors.of(np.frombuffer(flat).reshape(-1, 5), axes)

    def value_and_gradient(flat):
        current = factors(flat.tobytes())
        error = current.density() - density
        away = flat - start.ravel()
        value = 0.5 * scale * np.sum(error**2) + 0.5 * np.sum(pull * away**2)
        return value, scale * current.gradient(error) + pull * away

    def gauss_newton(flat):
        return scale * factors(flat.tobytes()).normal_matrix() + np.diag(pull)

    options = {"gtol": 1e-8, "maxiter": parameters.iterations, "initial_trust_radius": 0.3, "max_trust_radius": 2.0}
    fit = minimize(value_and_gradient, rows.ravel(), jac=True, hess=gauss_newton, method="dogleg", options=options)
    return fit.x.reshape(-1, 5)
