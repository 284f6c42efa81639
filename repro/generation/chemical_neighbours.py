"""Crystals like a base, with elements near to its own: where around a base new compounds lie (F46).

Noise around an encoded base either does nothing or breaks it, because the elements' codes lie far apart in the latent
space. Neighbours on the chemical scale (Mendeleev numbers) are graded: some species of the base
give way to elements near to them, those more often that have the same role in known crystals; the cell is fitted to
them, and the encoder says where that crystal lies.
"""

from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Composition, Element

from data_prep.chemical_scale import mendeleev_numbers
from data_prep.crystal import Crystal
from models.cell_volume import VolumeRegression
from models.element_roles import ElementRoles

STEPS = 20.0  # width of the steps on the scale at distance 1, a quarter of its length
NEAREST_STEP = 1.0  # the width at distance 0
LEAST_REPLACED = 0.3  # probability with which a species is replaced at distance 0; at distance 1 all are


@dataclass(frozen=True)
class Neighbourhood:
    """What a neighbour of a base is made of.

    Of ``elements`` (k,) at a ``distance`` from the base's, 0 near and 1 far; with the volumes and the roles of the
    elements in the training crystals.
    """

    elements: np.ndarray
    distance: float
    volumes: VolumeRegression
    roles: ElementRoles

    def sample(self, base: Crystal, rng: np.random.Generator) -> Crystal:
        """Return the base with some of its species replaced, its cell fitted to them.

        At least one is another, unless no other of ``elements`` is left.
        """
        present, counts = np.unique(base.numbers, return_counts=True)
        replaced = rng.random(len(present)) < LEAST_REPLACED + (1 - LEAST_REPLACED) * self.distance
        replaced[rng.integers(len(present))] = True
        replaced |= ~np.isin(present, self.elements)  # an element that the networks have never seen
        chosen = present.copy()
        for place in np.flatnonzero(replaced):
            weights = self._weights(present[place], counts, counts[place])
            weights[np.isin(self.elements, np.concatenate([chosen, present[place : place + 1]]))] = 0.0
            if weights.any():
                chosen[place] = rng.choice(self.elements, p=weights / weights.sum())
        return self._in_its_cell(base, chosen[np.searchsorted(present, base.numbers)])

    def _weights(self, number: int, counts: np.ndarray, count: int) -> np.ndarray:
        """Return how likely each element (k,) takes the place of an element that has ``count`` of the sites."""
        places = mendeleev_numbers()
        steps = places[self.elements] - places[number]
        width = NEAREST_STEP + STEPS * self.distance
        return np.exp(-0.5 * (steps / width) ** 2) * (1.0 + self.roles.counts(counts, count)[self.elements])

    def _in_its_cell(self, base: Crystal, numbers: np.ndarray) -> Crystal:
        structure = base.structure()
        volume = self.volumes.volume(numbers, base.fractional, structure.lattice.matrix)
        growth = 1.0 if volume is None else volume / structure.volume
        formula = Composition("".join(Element.from_Z(int(number)).symbol for number in numbers)).reduced_formula
        return replace(base, formula=formula, numbers=numbers, lengths=base.lengths * growth ** (1 / 3))
