"""The crystals of the benchmark, made without a data set."""

import numpy as np
from pymatgen.core import Lattice, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.embedded.prototypes import PROTOTYPES

SYMBOLS = ("Li", "Na", "Mg", "Al", "Ca", "Ti", "Fe", "Ni", "Cu", "Zn", "Sr", "Ag", "Cs", "Ba", "O", "F", "S", "Cl")
_KINDS = {2: (0, 1), 4: (0, 0, 1, 2), 5: (0, 1, 2, 2, 2)}  # number of sites -> the element of each site


def made_crystals(count: int, seed: int = 0) -> list[Crystal]:
    """Return ``count`` cubic crystals of five structure types: random elements, atoms as touching spheres."""
    rng = np.random.default_rng(seed)
    crystals = []
    for index in range(count):
        prototype = tuple(PROTOTYPES.values())[index % len(PROTOTYPES)]
        kinds = _KINDS[len(prototype.fractional)]
        symbols = rng.choice(SYMBOLS, max(kinds) + 1, replace=False)
        species = tuple(str(symbols[kind]) for kind in kinds)
        structure = prototype.structure(species, prototype.guess(species))
        crystals.append(crystal_from_structure(structure, f"made-{index}", rng.uniform(-3, 0)))
    return crystals


def sized_crystals() -> dict[int, Crystal]:
    """Return crystals of 2, 8 and 40 sites: rocksalt in both cells, and 2 x 2 x 2 cells of a perovskite."""
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    titanate = PROTOTYPES["perovskite"].structure(("Sr", "Ti", "O", "O", "O"), 3.905)
    structures = (salt.get_primitive_structure(), salt, titanate.make_supercell(2, in_place=False))
    return {len(structure): crystal_from_structure(structure, f"{len(structure)} sites") for structure in structures}
