"""Whether the elements of generated crystals lie on the right sites, which CDVAE's coverage cannot tell.

COV-P is 98 % for the crystals of Perov-5 with their elements shuffled among the sites. Two measures see the
difference: the crystals of known compositions, and the predicted energy beside that of every other arrangement of the
same elements.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from pymatgen.core import Lattice, Structure

from data_prep.crystal import Crystal
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.structures.matching import reduced_match
from models.cell_volume import VolumeRegression
from repro.properties.networks import PropertyNetworks
from repro.scoring.structure_judgement import comparable

MOST_SITES = 5  # 120 arrangements at most
BEST = 0.01  # eV/atom: so near to the best arrangement's energy, an arrangement counts as the best


def right_way_round(crystals: Sequence[Crystal], test: Sequence[Crystal]) -> dict:
    """Return how many crystals have the composition of a test crystal, and the share of them that match one of it."""
    known: dict[str, list[Structure]] = {}
    for crystal in test:
        if (cell := comparable(crystal.structure())) is not None:
            known.setdefault(crystal.formula, []).append(cell)
    right = []
    for crystal in crystals:
        if crystal.formula in known:
            cell = comparable(crystal.structure())
            right.append(cell is not None and any(reduced_match(cell, other) for other in known[crystal.formula]))
    return {"count": len(right), "right": float(np.mean(right)) if right else None}


def above_best(crystals: Sequence[Crystal], networks: PropertyNetworks, volumes: VolumeRegression | None) -> dict:
    """Return how far crystals are above the best arrangement of their elements on their own sites, as predicted.

    ``mean`` is in eV/atom, ``best`` the share within ``BEST`` of it. Each arrangement has the volume that fits it, if
    ``volumes`` are known, else the crystal's own. Crystals of more than ``MOST_SITES`` sites are left out.
    """
    energy = networks.only(FORMATION_ENERGY)
    above = []
    for crystal in crystals:
        if crystal.n_sites > MOST_SITES:
            continue
        arranged = sorted(set(permutations(crystal.numbers.tolist())))
        graphs = [crystal_graph(_with(crystal, np.array(numbers), volumes), id=crystal.id) for numbers in arranged]
        energies = energy.predict(graphs)[FORMATION_ENERGY].values
        above.append(energies[arranged.index(tuple(crystal.numbers.tolist()))] - energies.min())
    if not above:
        return {"count": 0, "mean": None, "best": None}
    return {"count": len(above), "mean": float(np.mean(above)), "best": float(np.mean(np.array(above) <= BEST))}


def _with(crystal: Crystal, numbers: np.ndarray, volumes: VolumeRegression | None) -> Structure:
    cell = Lattice.from_parameters(*crystal.lengths, *crystal.angles)
    volume = volumes.volume(numbers, crystal.fractional, cell.matrix) if volumes else None
    return Structure(cell.scale(volume) if volume else cell, numbers.tolist(), crystal.fractional)
