"""Species and sites from the density map itself: a joint fit of one Gaussian per atom (FINDINGS F33, F34).

A density map is a sum of isotropic Gaussians on an orthogonal grid, and each of them is a product of
three one-dimensional factors. So the gradient and the Gauss-Newton matrix of the least-squares fit over
*all* voxels follow from one-dimensional tables: an iteration costs a few milliseconds and needs no
selection of voxels.

A Gaussian is a row (ln amplitude, ln width, x, y, z), widths and positions in Å in the boxed frame.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from skimage.feature import peak_local_max

from models.lattice import voxel_positions

_NORM = (2 * np.pi) ** 1.5
_PRIOR_ROUNDS = 6
_LN_AMPLITUDE, _LN_WIDTH, _POSITION = 0, 1, slice(2, 5)

# The derivatives of A ex ey ez as products of one-dimensional factors: 0 is e, 1 is de/dx, 2 is
# the axis' share of de/d(ln width). Seven products; _FOLD sums them to the five parameters.
_FACTORS = np.array([[0, 1, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 2, 0], [0, 0, 0, 1, 0, 0, 2]])
_FOLD = np.array(
    [
        [1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
    ],
    dtype=np.float64,
)


@dataclass(frozen=True)
class FitParameters:
    """Settings of the fit and of the choice of elements."""

    start_width: float = 0.9  # Å, the middle of the ionic radii
    position_spread: float = 0.1  # Å, how far a starting site is expected to be off
    width_spread: float = 0.5  # of ln width about the start
    amplitude_spread: float = 2.0  # of ln amplitude about the start
    prior: float = 3e-3  # weight of the three spreads, in units of the relative residual
    max_prior: float = 1e-5  # its upper limit
    iterations: int = 60  # per fit; a true map takes about 6
    accept: float = 0.75  # a further atom must bring the residual below this share of what it was
    exact: float = 1e-6  # relative residual under which nothing is missing
    rounds: int = 3  # attempts to add atoms
    max_added: int = 4  # atoms added at once
    peak_width: float = 0.6  # Å, width of an atom as the residual shows it
    peak_share: float = 0.5  # of the residual's highest peak, from which a peak may be an atom
    peak_gain: float = 0.15  # share of the squared residual that the peaks must explain to be tried
    merge_distance: float = 0.5  # Å, closer atoms are one
    min_electrons: float = 0.5  # weaker atoms are dropped (hydrogen has 1)
    amplitude_tolerance: float = 0.05  # F33
    width_tolerance: float = 0.03  # F33
    amplitude_scale: float = 1.0  # fitted / true amplitude of this decoder; see amplitude_ratios


@dataclass(frozen=True)
class Candidates:
    """The elements a Gaussian may be: atomic ``numbers`` (k,) and Gaussian widths ``radii`` (k,) in Å."""

    numbers: np.ndarray
    radii: np.ndarray

    @property
    def amplitudes(self) -> np.ndarray:
        """Peak densities Z / ((2 pi)^1.5 r^3), (k,) in electrons/Å^3 (Methods; FINDINGS F5)."""
        return self.numbers / (_NORM * self.radii**3)


@dataclass(frozen=True)
class Gaussians:
    """A fitted map: ``rows`` (n, 5) as in the module's first lines; ``residual`` is the sum of squared
    errors over all voxels divided by the sum of the squared density."""

    rows: np.ndarray
    residual: float

    @property
    def amplitudes(self) -> np.ndarray:
        """Peak densities (n,) in electrons/Å^3."""
        return np.exp(self.rows[:, _LN_AMPLITUDE])

    @property
    def widths(self) -> np.ndarray:
        """Widths (n,) in Å."""
        return np.exp(self.rows[:, _LN_WIDTH])

    @property
    def positions(self) -> np.ndarray:
        """Sites (n, 3) in Å in the boxed frame."""
        return self.rows[:, _POSITION]

    @property
    def electrons(self) -> np.ndarray:
        """Integrals of the Gaussians (n,)."""
        return _NORM * self.amplitudes * self.widths**3


def candidate_elements(radii: np.ndarray, numbers: np.ndarray | None = None) -> Candidates:
    """Return the candidates among ``numbers`` (default: every Z with a radius).

    ``radii`` (95,) in Å is indexed by Z, NaN where undefined. Raises ValueError where none is left.
    """
    allowed = np.flatnonzero(np.isfinite(radii))
    if numbers is not None:
        allowed = np.intersect1d(allowed, numbers)
    if not len(allowed):
        raise ValueError("no candidate element has a radius: give atomic numbers between 1 and 94")
    return Candidates(allowed, np.asarray(radii, dtype=np.float64)[allowed])


def fit_gaussians(
    density: np.ndarray, edges: np.ndarray, sites: np.ndarray, parameters: FitParameters = FitParameters()
) -> Gaussians:
    """Fit a sum of isotropic Gaussians to a density map, adding and removing atoms as the residual asks.

    ``density`` (G, G, G) in electrons/Å^3, voxel ``edges`` (3,) in Å, starting ``sites`` (n, 3) in Å in
    the boxed frame, n >= 1. All parameters of all atoms are fitted jointly (FINDINGS F33).
    """
    density = np.asarray(density, dtype=np.float64)
    axes = _axes(density.shape, edges)
    fitted = _refine(density, axes, _starting_rows(density, axes, sites, parameters), parameters)
    fitted = _cleaned(density, axes, fitted, parameters)
    for _ in range(parameters.rounds):
        grown = _grown(density, axes, fitted, parameters)
        added = len(grown.rows) - len(fitted.rows)
        if added < 1 or grown.residual > parameters.accept**added * fitted.residual:
            break
        fitted = grown
    return fitted


def identify(gaussians: Gaussians, candidates: Candidates, parameters: FitParameters = FitParameters()) -> np.ndarray:
    """Return the atomic number (n,) whose amplitude and width fit each Gaussian best (FINDINGS F33).

    Misfit: squared log ratios of amplitude and width, in units of the two tolerances. Elements that
    share both are one to this representation: the lower atomic number is taken.
    """
    amplitude = np.log(gaussians.amplitudes / parameters.amplitude_scale)
    in_amplitude = amplitude[:, None] - np.log(candidates.amplitudes)
    in_width = gaussians.rows[:, _LN_WIDTH, None] - np.log(candidates.radii)
    misfit = (in_amplitude / parameters.amplitude_tolerance) ** 2 + (in_width / parameters.width_tolerance) ** 2
    return candidates.numbers[misfit.argmin(axis=1)]


def evaluate(rows: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Return the density (G, G, G) of Gaussians (n, 5) at the voxel centres ``axes``, three (G,) in Å."""
    x, y, z = (_factors(rows, axes, axis)[0] for axis in range(3))
    planes = (y[:, :, None] * z[:, None, :]).reshape(len(rows), -1)
    return ((np.exp(rows[:, :1]) * x).T @ planes).reshape([len(axis) for axis in axes])


def _axes(shape: tuple[int, ...], edges: np.ndarray) -> list[np.ndarray]:
    centres = voxel_positions(np.arange(shape[0])[:, None], np.asarray(edges), shape[0])
    return [centres[:, axis] for axis in range(3)]


def _starting_rows(density, axes, sites, parameters) -> np.ndarray:
    rows = np.empty((len(sites), 5))
    rows[:, _POSITION] = sites
    nearest = tuple(np.abs(axes[axis][None] - sites[:, axis, None]).argmin(axis=1) for axis in range(3))
    floor = 1e-3 * density.max()
    rows[:, _LN_AMPLITUDE] = np.log(np.maximum(density[nearest], floor))
    rows[:, _LN_WIDTH] = np.log(parameters.start_width)
    return rows


def _missing_atoms(residual, axes, parameters) -> np.ndarray:
    """Rows (m, 5) of Gaussians at the highest points of the smoothed residual; none where they explain little.

    What a missing atom leaves is compact: one Gaussian takes a third of it or more. What a decoder
    gets wrong is spread over the map: the highest peaks together take about a tenth.
    """
    width = parameters.peak_width
    edges = np.array([axis[1] - axis[0] for axis in axes])
    peaks = peak_local_max(
        gaussian_filter(residual, parameters.start_width / 2 / edges),
        min_distance=max(1, round(parameters.merge_distance / edges.max())),
        threshold_rel=parameters.peak_share,
        num_peaks=parameters.max_added,
        exclude_border=False,
    )
    rows, gain = np.zeros((len(peaks), 5)), 0.0
    rows[:, _LN_WIDTH] = np.log(width)
    rows[:, _POSITION] = np.stack([axes[axis][peaks[:, axis]] for axis in range(3)], axis=1)
    for row in rows:
        unit = evaluate(row[None], axes)
        overlap, norm = np.sum(unit * residual), np.sum(unit**2)
        row[_LN_AMPLITUDE] = np.log(max(overlap, 1e-9 * norm) / norm)
        gain += overlap**2 / norm
    return rows if gain > parameters.peak_gain * np.sum(residual**2) else rows[:0]


def _grown(density, axes, fitted: Gaussians, parameters) -> Gaussians:
    """Add the atoms that the residual shows, all at once, then take away those the fit can do without."""
    if fitted.residual < parameters.exact:
        return fitted
    missing = _missing_atoms(density - evaluate(fitted.rows, axes), axes, parameters)
    if not len(missing):
        return fitted
    grown = _refine(density, axes, np.vstack([fitted.rows, missing]), parameters)
    while len(grown.rows) > 1:
        least = _least_important(grown.rows, axes)
        fewer = _refine(density, axes, np.delete(grown.rows, least, axis=0), parameters)
        if grown.residual < parameters.accept * fewer.residual:
            break
        grown = fewer
    return _cleaned(density, axes, grown, parameters)


def _least_important(rows: np.ndarray, axes: list[np.ndarray]) -> int:
    """The atom whose removal would raise the residual least, the others adapting (to second order)."""
    matrix = _normal_matrix(rows, axes)
    ridge = 1e-9 * np.trace(matrix) / len(matrix)  # two atoms in one place make the matrix singular
    variance = np.diag(np.linalg.inv(matrix + ridge * np.eye(len(matrix))))
    return int(variance[_LN_AMPLITUDE::5].argmax())


def _cleaned(density, axes, fitted: Gaussians, parameters) -> Gaussians:
    """Drop atoms with negligible electrons and merge those too close, refitting after each change."""
    while len(fitted.rows) > 1:
        rows = _without_worst(fitted, parameters)
        if len(rows) == len(fitted.rows):
            break
        fitted = _refine(density, axes, rows, parameters)
    return fitted


def _without_worst(fitted: Gaussians, parameters) -> np.ndarray:
    electrons, positions = fitted.electrons, fitted.positions
    weakest = electrons.argmin()
    if electrons[weakest] < parameters.min_electrons:
        return np.delete(fitted.rows, weakest, axis=0)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    first, second = np.unravel_index(distances.argmin(), distances.shape)
    if distances[first, second] < parameters.merge_distance:
        return np.delete(fitted.rows, min(first, second, key=lambda i: electrons[i]), axis=0)
    return fitted.rows


def _refine(density, axes, start: np.ndarray, parameters) -> Gaussians:
    """Fit with a prior about the start whose weight follows the residual, so a true map is fitted exactly.

    On a reconstruction the residual stays at some 0.1 %, and the prior keeps atoms that overlap from
    exchanging density and drifting apart.
    """
    weight, rows = parameters.max_prior, start
    for _ in range(_PRIOR_ROUNDS):
        rows = _minimise(density, axes, rows, start, weight, parameters)
        residual = float(np.sum((density - evaluate(rows, axes)) ** 2) / np.sum(density**2))
        if parameters.prior * residual > weight / 2:
            break
        weight = parameters.prior * residual
    return Gaussians(rows, residual)


def _minimise(density, axes, rows, start, weight, parameters) -> np.ndarray:
    """One penalised least-squares fit by a trust-region Gauss-Newton method; returns the rows (n, 5)."""
    scale = 1 / np.sum(density**2)
    spread = np.array([parameters.amplitude_spread, parameters.width_spread, *[parameters.position_spread] * 3])
    pull = np.tile(weight / spread**2, len(rows))

    def value_and_gradient(flat):
        current = flat.reshape(-1, 5)
        error = evaluate(current, axes) - density
        away = flat - start.ravel()
        value = 0.5 * scale * np.sum(error**2) + 0.5 * np.sum(pull * away**2)
        return value, scale * _gradient(error, current, axes) + pull * away

    def gauss_newton(flat):
        return scale * _normal_matrix(flat.reshape(-1, 5), axes) + np.diag(pull)

    options = {"gtol": 1e-8, "maxiter": parameters.iterations, "initial_trust_radius": 0.3, "max_trust_radius": 2.0}
    fit = minimize(value_and_gradient, rows.ravel(), jac=True, hess=gauss_newton, method="dogleg", options=options)
    return fit.x.reshape(-1, 5)


def _factors(rows: np.ndarray, axes: list[np.ndarray], axis: int) -> np.ndarray:
    """The factor e of each Gaussian along one axis and its two derivatives, (3, n, G)."""
    width = np.exp(rows[:, _LN_WIDTH, None])
    offset = (axes[axis][None] - rows[:, 2 + axis, None]) / width
    value = np.exp(-0.5 * offset**2)
    return np.stack([value, value * offset / width, value * offset**2])


def _products(rows: np.ndarray, axes: list[np.ndarray]) -> list[np.ndarray]:
    """Per axis, the factors of the seven derivative products of every Gaussian, (n * 7, G)."""
    return [_factors(rows, axes, axis)[_FACTORS[axis]].swapaxes(0, 1).reshape(-1, len(axes[axis])) for axis in range(3)]


def _gradient(error: np.ndarray, rows: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Derivative of half the sum of squared errors by the flattened rows, (5 n,)."""
    x, y, z = _products(rows, axes)
    along_z = (error.reshape(-1, error.shape[2]) @ z.T).reshape(*error.shape[:2], -1)
    along_yz = np.einsum("xyk,ky->kx", along_z, y)
    products = np.sum(along_yz * x, axis=1).reshape(len(rows), 7)
    return (np.exp(rows[:, :1]) * (products @ _FOLD.T)).ravel()


def _normal_matrix(rows: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Gauss-Newton matrix J^T J of the fit, (5 n, 5 n): inner products factor over the axes."""
    x, y, z = _products(rows, axes)
    n = len(rows)
    overlaps = ((x @ x.T) * (y @ y.T) * (z @ z.T)).reshape(n, 7, n, 7)
    folded = np.einsum("pk,ikjl,ql->ipjq", _FOLD, overlaps, _FOLD, optimize=True).reshape(5 * n, 5 * n)
    amplitude = np.repeat(np.exp(rows[:, _LN_AMPLITUDE]), 5)
    return amplitude[:, None] * folded * amplitude
