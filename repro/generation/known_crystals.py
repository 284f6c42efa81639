"""The known crystal that a candidate is nearest to.

It is one of the same structure type, if there is any: the same space group, and in the primitive cell the same numbers
of atoms of each element (1 1 3 of a cubic perovskite). Otherwise it is one of the compositions with which the candidate
has the largest share of its atoms in common. Among these the nearest elements decide, by the earth mover's distance of
two compositions on the chemical scale (Hargreaves et al., Chem. Mater. 32, 10610 (2020)): by how many places, in the
mean over the atoms, elements have to move to turn one into the other.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from data_prep.bases import TABLE
from data_prep.chemical_scale import mendeleev_numbers
from data_prep.crystal import Crystal
from data_prep.sources.table import ATOMIC_NUMBERS
from data_prep.substitution import composition_shares
from repro.generation.candidates import Candidate

DIGITS = 4  # of a distance: equally near crystals differ only beyond
Type = tuple[tuple[int, ...], int]  # numbers of atoms of each element in the primitive cell, space group


class KnownCrystal(NamedTuple):
    """What of a known crystal is compared: ``numbers`` of its primitive cell; ``spacegroup`` is None if unknown."""

    id: str
    formula: str
    spacegroup: int | None
    numbers: Sequence[int]
    formation_energy_per_atom: float  # eV/atom, NaN if unknown

    @property
    def type(self) -> Type | None:
        """The structure type, None if the space group is unknown."""
        return None if self.spacegroup is None else _type(self.numbers, self.spacegroup)


@dataclass(frozen=True)
class KnownCrystals:
    """Crystals to find the nearest of; among equally near ones the first, so those of low energy come first."""

    crystals: Sequence[KnownCrystal]

    @classmethod
    def of(cls, crystals: Iterable[KnownCrystal]) -> "KnownCrystals":
        """Return the crystals in the order in which they are preferred."""
        return cls(sorted(crystals, key=_preference))

    @cached_property
    def _shares(self) -> np.ndarray:
        return shares([one.numbers for one in self.crystals])

    @cached_property
    def _moved(self) -> np.ndarray:
        return moved(self._shares)

    @cached_property
    def _of_type(self) -> dict[Type, tuple[np.ndarray, np.ndarray]]:
        places: dict[Type, list[int]] = {}
        for place, crystal in enumerate(self.crystals):
            if crystal.type:
                places.setdefault(crystal.type, []).append(place)
        return {type: (np.array(found), self._moved[found]) for type, found in places.items()}

    def nearest(self, numbers: Sequence[int], spacegroup: int | None) -> tuple[KnownCrystal, float] | None:
        """Return the nearest known crystal of a primitive cell, and the distance of the compositions in places.

        None if no crystal is known.
        """
        if not self.crystals:
            return None
        wanted, type = shares([numbers]), None if spacegroup is None else _type(numbers, spacegroup)
        places, among = self._of_type.get(type) or self._most_in_common(wanted)
        distances = cdist(moved(wanted), among, "cityblock")[0].round(DIGITS)
        nearest = int(distances.argmin())
        return self.crystals[places[nearest]], float(distances[nearest])

    def _most_in_common(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places (m,) and the rows of ``_moved`` of the crystals with most atoms in common."""
        changed = cdist(wanted, self._shares, "cityblock")[0].round(DIGITS)
        places = np.flatnonzero(changed == changed.min())
        return places, self._moved[places]

    def beside(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates, each valid one with the known crystal that it is nearest to."""
        return [self._beside(one) if one.cell else one for one in candidates]

    def _beside(self, candidate: Candidate) -> Candidate:
        found = self.nearest(candidate.cell["numbers"], candidate.spacegroup)
        if found is None:
            return candidate
        known, distance = found
        return replace(
            candidate,
            nearest_known=known.id,
            nearest_known_formula=known.formula,
            nearest_known_spacegroup=known.spacegroup,
            nearest_known_distance=distance,
        )


def known(crystals: Sequence[Crystal]) -> KnownCrystals:
    """Return crystals in their primitive cells to find the nearest of."""
    return KnownCrystals.of(
        KnownCrystal(
            one.id,
            one.formula,
            _number(one.properties.get("spacegroup")),
            one.numbers.tolist(),
            one.formation_energy_per_atom,
        )
        for one in crystals
    )


def published_known() -> KnownCrystals:
    """Return the crystals that the published generator was made from; none if the installation lacks their table.

    Reading whole crystals would take a second.
    """
    if not TABLE.is_file():
        return KnownCrystals([])
    with gzip.open(TABLE, "rt", newline="") as file:
        return KnownCrystals.of(
            KnownCrystal(
                row["mp_id"],
                row["formula"],
                int(row["spacegroup"]),
                [ATOMIC_NUMBERS[symbol] for symbol in row["species"].split()],
                float(row["formation_energy_per_atom"]),
            )
            for row in csv.DictReader(file)
        )


def _preference(crystal: KnownCrystal) -> tuple:
    energy = crystal.formation_energy_per_atom
    return isnan(energy), 0.0 if isnan(energy) else energy, crystal.id


def _type(numbers: Sequence[int], spacegroup: int) -> Type:
    return tuple(sorted(Counter(numbers).values())), spacegroup


def _number(spacegroup: float | None) -> int | None:
    return None if isnan(nan if spacegroup is None else spacegroup) else int(spacegroup)


def shares(compositions: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the share of each element among the atoms, (n, 94) by Z from 1, for the atomic numbers in n cells."""
    return np.stack([composition_shares(np.asarray(numbers))[1:] for numbers in compositions]).astype(np.float64)


def moved(shares: np.ndarray) -> np.ndarray:
    """Return the share (n, 94) of the atoms up to each element on the scale, times the places to the next one.

    The distance of two compositions is the sum of the absolute differences.
    """
    places = mendeleev_numbers()[1:]
    order = places.argsort()
    gaps = np.diff(places[order], append=places.max())
    return np.ascontiguousarray(shares[:, order].cumsum(axis=1) * gaps)
