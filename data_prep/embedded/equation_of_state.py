"""The search for the lattice constant of lowest energy, and the fit of an equation of state, for any energy model."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

EV_PER_CUBIC_ANGSTROM = 160.21766  # GPa
SHORTEST_DISTANCE = 1.0  # Å: no energy is evaluated below it
LARGEST_VOLUME = 200.0  # Å^3/atom

Search = Generator[np.ndarray, np.ndarray, "Minimum"]


class NoMinimum(ValueError):
    """A structure has no usable minimum; the message is the reason that is counted."""


@dataclass(frozen=True)
class SearchSettings:
    """The sampling of E(a); steps are fractions of the lattice constant.

    A coarse grid around the guess is extended until its lowest point is inside it. A fine grid
    around that minimum is fitted, and moved if the fitted minimum lies outside it. At the fitted
    minimum energy and pressure are computed again, and up to ``polishes`` Newton steps follow while
    the pressure exceeds ``tolerance`` (GPa).
    """

    coarse_step: float = 0.05
    coarse_points: int = 5
    extensions: int = 4
    fine_step: float = 0.015
    fine_points: int = 5
    moves: int = 2
    check_step: float = 0.004
    tolerance: float = 0.05
    polishes: int = 3


DEFAULT_SEARCH = SearchSettings()


@dataclass(frozen=True)
class Fit:
    """A fitted equation: volume (Å^3/atom), energy (eV/atom), bulk modulus (GPa), rms misfit (eV/atom)."""

    volume: float
    energy: float
    bulk_modulus: float
    misfit: float


@dataclass(frozen=True)
class Minimum:
    """A relaxed lattice constant ``a`` (Å) with the fit that found it.

    ``energy`` (eV/atom) and ``residual_pressure`` = |dE/dV| (GPa, central difference over
    +-``SearchSettings.check_step``) were computed again at ``a``, not read off the fit.
    """

    a: float
    energy: float
    residual_pressure: float
    fit: Fit


def fit_birch_murnaghan(volumes: np.ndarray, energies: np.ndarray) -> Fit:
    """Fit the third-order Birch-Murnaghan equation to volumes (n,) in Å^3 and energies (n,) in eV, n >= 4.

    The equation is a cubic in V^(-2/3), so the fit is linear and needs no starting values (Lejaeghere
    et al., Crit. Rev. Solid State 39, 1 (2014)). Raises ``NoMinimum`` if the cubic has none.
    """
    x = np.asarray(volumes, dtype=float) ** (-2 / 3)
    cubic = np.polynomial.Polynomial.fit(x, energies, 3)
    slope, curvature = cubic.deriv(), cubic.deriv(2)
    roots = [root.real for root in slope.roots() if abs(root.imag) < 1e-9 * abs(root) and root.real > 0]
    minima = [root for root in roots if curvature(root) > 0]
    if not minima:
        raise NoMinimum("failed fit")
    at = min(minima, key=lambda root: abs(root - x.mean()))
    volume = at**-1.5
    # d2E/dV2 at the minimum is E''(x) (dx/dV)^2, and K = V d2E/dV2.
    bulk_modulus = volume * curvature(at) * (2 / 3 * at / volume) ** 2 * EV_PER_CUBIC_ANGSTROM
    misfit = float(np.sqrt(np.mean((cubic(x) - energies) ** 2)))
    return Fit(float(volume), float(cubic(at)), float(bulk_modulus), misfit)


def search_minimum(
    guess: float,
    sites_per_cube: int,
    shortest: float,
    settings: SearchSettings = DEFAULT_SEARCH,
) -> Search:
    """Search the minimum of E(a): a generator that yields lattice constants (Å) and receives energies (eV/atom).

    ``guess`` is a lattice constant in Å, ``sites_per_cube`` the number of sites in a^3, ``shortest`` the
    shortest distance in units of a. As a generator it lets a caller compute the energies of many
    structures in one forward pass. Returns the ``Minimum``; raises ``NoMinimum``.
    """
    centre = yield from _bracket(guess, sites_per_cube, shortest, settings)
    offsets = (np.arange(settings.fine_points) - settings.fine_points // 2) * settings.fine_step
    for _ in range(settings.moves + 1):
        sampled = centre * (1 + offsets)
        volumes = sampled**3 / sites_per_cube
        fit = fit_birch_murnaghan(volumes, (yield sampled))
        found = (fit.volume * sites_per_cube) ** (1 / 3)
        if sampled[0] < found < sampled[-1]:
            break
        # A fit is unreliable far outside its data: move by no more than the width of the grid.
        centre = float(np.clip(found, sampled[0], sampled[-1]))
    else:
        raise NoMinimum("fitted minimum outside the sampled volumes")
    return (yield from _polish(found, sites_per_cube, fit, settings))


def _bracket(guess: float, sites_per_cube: int, shortest: float, settings: SearchSettings) -> Generator:
    """Return a lattice constant near the lowest point of a coarse grid, which is not at its end."""
    below = settings.coarse_points // 2
    wanted = list(range(-below, settings.coarse_points - below))
    energies: dict[int, float] = {}
    for _ in range(settings.extensions + 1):
        sampled = guess * (1 + settings.coarse_step * np.array(wanted))
        if sampled[0] * shortest < SHORTEST_DISTANCE or sampled[-1] ** 3 / sites_per_cube > LARGEST_VOLUME:
            break
        energies.update(zip(wanted, (yield sampled), strict=True))
        first, last = min(energies), max(energies)
        lowest = min(energies, key=energies.__getitem__)
        if first < lowest < last:
            vertex = _vertex(*(energies[step] for step in (lowest - 1, lowest, lowest + 1)))
            return guess * (1 + settings.coarse_step * (lowest + vertex))
        wanted = [first - 2, first - 1] if lowest == first else [last + 1, last + 2]
    raise NoMinimum("no bracketed minimum")


def _polish(a: float, sites_per_cube: int, fit: Fit, settings: SearchSettings) -> Generator:
    """Return the minimum near ``a`` by Newton steps on the pressure, with the bulk modulus of the fit."""
    for _ in range(settings.polishes + 1):
        sampled = a * (1 + settings.check_step * np.array([-1, 0, 1]))
        low, middle, high = yield sampled
        slope = float(high - low) / ((sampled[2] ** 3 - sampled[0] ** 3) / sites_per_cube)
        minimum = Minimum(a, float(middle), abs(float(slope)) * EV_PER_CUBIC_ANGSTROM, fit)
        if minimum.residual_pressure < settings.tolerance or fit.bulk_modulus <= 0:
            break
        step = -slope * EV_PER_CUBIC_ANGSTROM / (3 * fit.bulk_modulus)
        a *= 1 + float(np.clip(step, -settings.fine_step, settings.fine_step))
    return minimum


def _vertex(left: float, middle: float, right: float) -> float:
    """Return the place, between -1 and 1, of the minimum of the parabola through values at -1, 0 and 1."""
    curvature = left - 2 * middle + right
    return 0.5 * (left - right) / curvature if curvature > 0 else 0.0
