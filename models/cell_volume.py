"""The volume of a cell from its species and the arrangement of its sites (not in the paper; F47).

A random latent draws lengths and composition independently, so that the cell of a new formula does not fit its atoms.
The training crystals' volumes per site are regressed, stoichiometry by stoichiometry, on what the elements are like
and on how near the sites are to each other in units of the cell: kernel ridge regression with a Gaussian kernel.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from pymatgen.core import Element

USUAL_ELECTRONEGATIVITY, USUAL_RADIUS = 1.5, 1.5  # of elements without one; the radius in Å
ENOUGH = 20  # crystals of a stoichiometry that teach its volumes
KERNEL = 0.4  # inverse squared width per feature; with the ridge by validation structures
RIDGE = 1e-3
LEAST_SCALE = 0.3  # a feature is divided by its deviation or by this
_IMAGES = np.array(list(itertools.product((-1, 0, 1), repeat=3)))  # enough for the cells of 60° and 90°


@dataclass(frozen=True)
class VolumesOfStoichiometry:
    """The regression of one stoichiometry.

    ``features`` (N, F) of the training crystals in units of ``scale`` (F,) about ``middle`` (F,); ``weights`` (N,) and
    ``mean`` give ln(Å^3 per site).
    """

    features: np.ndarray
    middle: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    mean: float

    def predict(self, features: np.ndarray) -> float:
        """Return the volume per site in Å^3 of a crystal with ``features`` (F,)."""
        near = _kernel(((features - self.middle) / self.scale)[None], self.features)[0]
        return float(np.exp(near @ self.weights + self.mean))


@dataclass(frozen=True)
class VolumeRegression:
    """Volumes by stoichiometry: the counts of the species in a formula, smallest first, such as (1, 1, 3)."""

    by_stoichiometry: dict[tuple[int, ...], VolumesOfStoichiometry]

    def volume(self, numbers: np.ndarray, fractional: np.ndarray, cell: np.ndarray) -> float | None:
        """Return the volume in Å^3 that fits the atoms of a cell, None for a stoichiometry that is not known.

        ``numbers`` (n,), ``fractional`` (n, 3) and the ``cell`` (3, 3) of any size: only its shape matters.
        """
        stoichiometry, features = describe_sites(numbers, fractional, cell)
        known = self.by_stoichiometry.get(stoichiometry)
        return None if known is None else len(numbers) * known.predict(features)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name in the types in which they are stored, the features as float32."""
        return {
            f"{'-'.join(map(str, stoichiometry))} {name}": np.asarray(
                value, np.float32 if name == "features" else float
            )
            for stoichiometry, known in self.by_stoichiometry.items()
            for name, value in vars(known).items()
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "VolumeRegression":
        """Return the regression whose ``arrays`` these are; raises KeyError or ValueError if they do not fit."""
        parts: dict[tuple[int, ...], dict[str, np.ndarray]] = defaultdict(dict)
        for name, array in arrays.items():
            stoichiometry, part = name.split(" ")
            parts[tuple(map(int, stoichiometry.split("-")))][part] = array
        return cls({stoichiometry: _checked(part) for stoichiometry, part in parts.items()})


def _checked(part: dict[str, np.ndarray]) -> VolumesOfStoichiometry:
    features, middle, scale, weights, mean = (part[name] for name in ("features", "middle", "scale", "weights", "mean"))
    count, size = features.shape
    if [array.shape for array in (middle, scale, weights, mean)] != [(size,), (size,), (count,), ()]:
        raise ValueError("its arrays do not fit together")
    if not all(np.isfinite(array).all() for array in part.values()) or not (scale > 0).all():
        raise ValueError("its numbers are not finite")
    return VolumesOfStoichiometry(features, middle, scale, weights, float(mean))


def fit_volumes(crystals: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> VolumeRegression:
    """Return the regression of crystals, each its numbers (n,), fractional coordinates (n, 3) and cell (3, 3) in Å."""
    found: dict[tuple[int, ...], list[tuple[np.ndarray, float]]] = defaultdict(list)
    for numbers, fractional, cell in crystals:
        stoichiometry, features = describe_sites(numbers, fractional, cell)
        found[stoichiometry].append((features, abs(np.linalg.det(cell)) / len(numbers)))
    enough = {stoichiometry: each for stoichiometry, each in found.items() if len(each) >= ENOUGH}
    return VolumeRegression({stoichiometry: _fit(each) for stoichiometry, each in enough.items()})


def _fit(each: list[tuple[np.ndarray, float]]) -> VolumesOfStoichiometry:
    features, logs = np.stack([features for features, _ in each]), np.log([volume for _, volume in each])
    middle, scale = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_SCALE)
    scaled, mean = ((features - middle) / scale).astype(np.float32), logs.mean()
    weights = np.linalg.solve(_kernel(scaled, scaled) + RIDGE * np.eye(len(scaled)), logs - mean)
    return VolumesOfStoichiometry(scaled, middle, scale, weights, float(mean))


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one.astype(np.float64), other.astype(np.float64)
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2 * one @ other.T
    return np.exp(-KERNEL / one.shape[1] * np.maximum(squares, 0.0))


def describe_sites(numbers: np.ndarray, fractional: np.ndarray, cell: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the stoichiometry and features (F,), seven for each species: five of the element, two distances.

    The distances, from a species' sites to the nearest site and to the nearest of its own, are in units of the mean
    volume of a site. Species are in the order of their counts, then of the first distance, then of electronegativity.
    """
    distances = _nearest_distances(fractional, cell) / (abs(np.linalg.det(cell)) / len(numbers)) ** (1 / 3)
    species = []
    for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
        of_species = numbers == number
        nearest = distances[of_species].min(axis=1).mean()
        own = distances[np.ix_(of_species, of_species)].min(axis=1).mean()
        element = _element_features(int(number))
        order = (int(count), round(float(nearest), 2), element[3], int(number))
        species.append((order, [*element, 8 * nearest, 3 * own]))
    species.sort(key=lambda one: one[0])
    divisor = np.gcd.reduce([order[0] for order, _ in species])
    return tuple(int(order[0] // divisor) for order, _ in species), np.concatenate([one for _, one in species])


def _nearest_distances(fractional: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the distances (n, n) in Å from each site to the nearest image of each, its own images included."""
    offsets = fractional[:, None] - fractional
    nearest = np.full(offsets.shape[:2], np.inf)
    for image in _IMAGES:
        distances = np.linalg.norm((offsets + image) @ cell, axis=-1)
        nearest = np.minimum(nearest, np.where(distances < 1e-6, np.inf, distances))
    return nearest


@cache
def _element_features(number: int) -> tuple[float, ...]:
    """Group, row, radius, electronegativity and place on the chemical scale, in like units."""
    element = Element.from_Z(number)
    electronegativity = element.X if element.X == element.X else USUAL_ELECTRONEGATIVITY  # NaN of a noble gas
    radius = float(element.atomic_radius or USUAL_RADIUS)
    return (element.group / 6, element.row, 3 * radius, 2 * electronegativity, element.mendeleev_no / 10)
