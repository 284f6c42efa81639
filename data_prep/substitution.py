"""New crystals for training: a real one with other elements in a cell scaled to hold them (F36).

A map is analytic, so such a crystal costs a fraction of a millisecond. With them the networks see every
element equally often. They have no formation energy: their condition is unknown.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.crystal import Crystal
from data_prep.elements import MAX_Z

EXCHANGE = 0.7  # probability that an element of a crystal is exchanged
LENGTH_SPREAD = 0.03  # standard deviation of ln length around the scaled cell
RIDGE = 0.3  # pulls the volume of a rare element towards the mean
SMALLEST_VOLUME = 4.0  # Å^3, of an element


def cell_volume(lengths: np.ndarray, angles: np.ndarray) -> float:
    """Return the volume in Å^3 of a cell with ``lengths`` (3,) in Å and ``angles`` (3,) in degrees."""
    a, b, c = np.cos(np.radians(angles))
    return float(np.prod(lengths) * np.sqrt(max(1 - a * a - b * b - c * c + 2 * a * b * c, 0.0)))


def composition_shares(numbers: np.ndarray) -> np.ndarray:
    """Return the share of each species among the sites, (95,) float32 indexed by Z, for ``numbers`` (n,)."""
    return (np.bincount(numbers, minlength=MAX_Z + 1) / len(numbers)).astype(np.float32)


def formula_key(numbers: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Return the reduced formula of ``numbers`` (n,) as sorted pairs of atomic number and count."""
    found, counts = np.unique(numbers, return_counts=True)
    divisor = np.gcd.reduce(counts)
    return tuple((int(z), int(count // divisor)) for z, count in zip(found, counts, strict=True))


@dataclass(frozen=True)
class Substitution:
    """The ``elements`` (k,) that may be inserted, ``volumes`` (95,) in Å^3 by Z, and ``forbidden`` formulas."""

    elements: np.ndarray
    volumes: np.ndarray
    forbidden: frozenset

    def exchange(self, crystal: Crystal, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the atomic numbers (n,) and cell lengths (3,) in Å of a crystal with other elements.

        The fractional coordinates stay; different elements stay different.
        """
        present = np.unique(crystal.numbers)
        numbers = crystal.numbers
        for _ in range(100):
            chosen = np.where(rng.random(len(present)) < EXCHANGE, rng.choice(self.elements, len(present)), present)
            if len(np.unique(chosen)) < len(present):
                continue
            tried = chosen[np.searchsorted(present, crystal.numbers)]
            if formula_key(tried) not in self.forbidden:
                numbers = tried
                break
        growth = self.volumes[numbers].sum() / self.volumes[crystal.numbers].sum()
        return numbers, crystal.lengths * growth ** (1 / 3) * np.exp(rng.normal(0.0, LENGTH_SPREAD))


def fit_substitution(train: Sequence[Crystal], held_out: Collection[Crystal]) -> Substitution:
    """Return the rule of the training part: its elements, and their volumes by ridge regression on its cells.

    It never makes a formula of ``held_out``.
    """
    shares = np.stack([composition_shares(crystal.numbers) for crystal in train]).astype(np.float64)
    volumes = np.array([cell_volume(crystal.lengths, crystal.angles) / crystal.n_sites for crystal in train])
    elements = np.flatnonzero(shares.sum(axis=0))
    known, mean = shares[:, elements], volumes.mean()
    fitted = np.linalg.solve(known.T @ known + RIDGE * np.eye(len(elements)), known.T @ (volumes - mean)) + mean
    of_element = np.full(MAX_Z + 1, np.nan)
    of_element[elements] = np.maximum(fitted, SMALLEST_VOLUME)
    return Substitution(elements, of_element, frozenset(formula_key(crystal.numbers) for crystal in held_out))
