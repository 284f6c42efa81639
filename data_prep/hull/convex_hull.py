"""Energies above the convex hull of known compounds (F45).

The hull at a composition is the lowest energy that any mixture of known phases of that composition has. Every
element's reference has the formation energy 0 by definition. The hull of a chemical system is a convex surface of
flat facets, so its energy is the highest of the facets' planes; pymatgen's ``PhaseDiagram`` gives the same, slower.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pymatgen.core import Composition, Element
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from data_prep.errors import InputError

MAX_FACET_ELEMENTS = 5  # the facets of more elements are too many: a linear programme is faster
SMALLEST_SHARE = 1e-6  # of the atoms; less of a product is rounding
UPRIGHT = 1e-9  # a facet whose normal has less along the energy is a side of the surface
_ATOMS = re.compile(r"([A-Z][a-z]?)([\d.]*)")  # of a formula without brackets; 20 times faster than pymatgen
_NUMBERS = {element.symbol: element.Z for element in Element}
MAX_Z = max(_NUMBERS.values())


@dataclass(frozen=True)
class Phase:
    """A known compound or element: reduced formula, formation energy in eV/atom, and its id, blank if it has none."""

    formula: str
    energy: float
    id: str = ""

    @cached_property
    def counts(self) -> dict[str, float]:
        """The number of atoms of each element in the formula."""
        if "(" in self.formula:
            return dict(Composition(self.formula).get_el_amt_dict())
        return {symbol: float(count or 1) for symbol, count in _ATOMS.findall(self.formula)}

    @property
    def system(self) -> frozenset[str]:
        """The chemical system: the elements of the phase."""
        return frozenset(self.counts)

    @property
    def composition(self) -> Composition:
        """The formula as pymatgen has it."""
        return Composition(self.counts)


@dataclass(frozen=True)
class HullPoint:
    """The hull at a composition: its ``energy`` in eV/atom, and the stable phases there.

    ``products`` gives the formula units of each phase that one reduced formula of the compound decomposes into.
    ``covered`` says whether any compound of exactly these elements is known; if none is, the energy above the hull
    is only a lower bound, because what lies between is unknown.
    """

    energy: float
    products: tuple[tuple[Phase, float], ...]
    covered: bool

    def decomposition(self) -> str:
        """Return the products as the right side of an equation, such as ``SrO + TiO2``."""
        parts = [phase.formula if abs(n - 1) < 5e-4 else f"{n:.3g} {phase.formula}" for phase, n in self.products]
        return " + ".join(parts)


@dataclass(frozen=True)
class Surface:
    """The hull of one chemical system.

    ``shares`` (m, n) of the n elements in the m phases and their ``energies`` (m,); ``facets`` (f, n) are the rows of
    the phases at the corners, ``planes`` (f, n) their slopes along all shares but the first, and their height in
    eV/atom if all atoms are of the first element.
    """

    rows: np.ndarray
    shares: np.ndarray
    energies: np.ndarray
    facets: np.ndarray
    planes: np.ndarray

    def mixture(self, wanted: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the energy of the best mixture of the shares ``wanted`` (n,), and the atoms in each phase (m,)."""
        heights = self.planes[:, :-1] @ wanted[1:] + self.planes[:, -1]
        energy = heights.max()
        best, amounts = -np.inf, np.zeros(len(self.rows))
        for corners in self.facets[heights > energy - 1e-9]:  # several if a facet with many corners was cut up
            found = np.linalg.lstsq(self.shares[corners].T, wanted, rcond=None)[0]
            if found.min() > best:
                best, kept = found.min(), (corners, found)
        amounts[kept[0]] = kept[1]
        return float(energy), amounts


class Hull:
    """The convex hull of ``phases``.

    ``systems`` are further chemical systems in which compounds are known, none of them on the hull; ``name`` is
    what messages call the hull.
    """

    def __init__(self, phases: Sequence[Phase], systems: Iterable[frozenset[str]] = (), name: str = "the hull"):
        """Raise InputError if a phase names an element that has no reference among the phases."""
        self.phases, self.name = list(phases), name
        self.systems = frozenset(systems) | {phase.system for phase in self.phases}
        self._energies = np.array([phase.energy for phase in self.phases])
        self._shares = _shares([phase.counts for phase in self.phases])
        self._present = np.asfortranarray(self._shares > 0)
        self._n_elements = self._present.sum(axis=1)
        self._surfaces: dict[tuple[str, ...], Surface] = {}
        self.elements = frozenset(next(iter(system)) for system in self.systems if len(system) == 1)
        if missing := frozenset().union(*self.systems) - self.elements:
            raise InputError(f"{name} has compounds of {', '.join(sorted(missing))}, but no reference of the element.")

    def at(self, composition: Composition) -> HullPoint:
        """Return the hull at a composition; raises InputError naming an element that the hull has no reference of."""
        counts = composition.get_el_amt_dict()
        symbols = tuple(sorted(counts))
        if missing := [symbol for symbol in symbols if symbol not in self.elements]:
            raise InputError(f"{composition.reduced_formula}: {self.name} has no reference of {', '.join(missing)}.")
        wanted = np.array([counts[symbol] for symbol in symbols]) / sum(counts.values())
        rows, (energy, amounts) = self._mixture(symbols, wanted)
        atoms = Composition(composition.reduced_formula).num_atoms
        products = [
            (self.phases[row], float(share * atoms / sum(self.phases[row].counts.values())))
            for row, share in zip(rows, amounts, strict=True)
            if share > SMALLEST_SHARE
        ]
        products.sort(key=lambda pair: pair[0].formula)
        return HullPoint(energy, tuple(products), frozenset(symbols) in self.systems)

    def energy_above(self, composition: Composition, energy: float) -> float:
        """Return how far a formation energy lies above the hull, eV/atom; negative if it lies below all that is known.

        Raises InputError as ``at`` does.
        """
        return energy - self.at(composition).energy

    def _mixture(self, symbols: tuple[str, ...], wanted: np.ndarray) -> tuple[np.ndarray, tuple[float, np.ndarray]]:
        if len(symbols) > MAX_FACET_ELEMENTS:
            rows, shares, energies = self._competing(symbols)
            return rows, best_mixture(shares, energies, wanted)
        if symbols not in self._surfaces:
            self._surfaces[symbols] = surface(*self._competing(symbols))
        found = self._surfaces[symbols]
        return found.rows, found.mixture(wanted)

    def _competing(self, symbols: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rows of the phases that have no other elements, their shares (m, n) and energies (m,)."""
        members = [_NUMBERS[symbol] for symbol in symbols]
        inside = self._present[:, members].sum(axis=1) == self._n_elements
        rows = np.flatnonzero(inside & ((self._energies <= 0) | (self._n_elements == 1)))  # others are never stable
        return rows, self._shares[np.ix_(rows, members)], self._energies[rows]


def surface(rows: np.ndarray, shares: np.ndarray, energies: np.ndarray) -> Surface:
    """Return the hull of phases of ``shares`` (m, n) and ``energies`` (m,) <= 0 eV/atom, the n elements among them."""
    n = shares.shape[1]
    if n == 1:
        lowest = energies.argmin()
        return Surface(rows, shares, energies, np.array([[lowest]]), np.array([[energies[lowest]]]))
    top = np.append(np.full(n - 1, 1 / n), 1.0)  # above all phases: it closes the body, whatever they are
    body = ConvexHull(np.vstack([np.column_stack([shares[:, 1:], energies]), top]))
    lower = (body.equations[:, -2] < -UPRIGHT) & (body.simplices < len(rows)).all(axis=1)
    equations = body.equations[lower]
    return Surface(
        rows, shares, energies, body.simplices[lower], -equations[:, [*range(n - 1), -1]] / equations[:, [-2]]
    )


def best_mixture(shares: np.ndarray, energies: np.ndarray, wanted: np.ndarray) -> tuple[float, np.ndarray]:
    """Return what ``Surface.mixture`` does, by linear programme."""
    found = linprog(energies, A_eq=shares.T, b_eq=wanted, method="highs")
    if not found.success:  # cannot be: a mixture of the elements is always there
        raise RuntimeError(f"no mixture of {wanted} was found: {found.message}")
    return float(found.fun), found.x


def _shares(counts: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return the share of each element (n, MAX_Z + 1) in each formula, by atomic number."""
    shares = np.zeros((len(counts), MAX_Z + 1))
    for row, of_one in enumerate(counts):
        for symbol, count in of_one.items():
            shares[row, _NUMBERS[symbol]] = count
    return shares / shares.sum(axis=1, keepdims=True)
