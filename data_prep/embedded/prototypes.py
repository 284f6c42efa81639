"""The five cubic structure types of the embedded data set, in the Materials Project's primitive cells."""

from dataclasses import dataclass

import numpy as np
from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Lattice, Structure

_R2, _R3 = 2**0.5, 3**0.5


@dataclass(frozen=True)
class Prototype:
    """One cubic structure type whose only degree of freedom is the lattice constant.

    ``angle`` (degrees) and ``edge`` (units of the conventional lattice constant) define the primitive
    cell; ``fractional`` (n, 3) are its sites; ``sites_per_cube`` is the number of sites of the
    conventional cell; ``contacts`` are the shortest bonds as (site, site, distance in units of the lattice
    constant), from which the first guess follows.
    """

    name: str
    spacegroup: int
    angle: float
    edge: float
    fractional: tuple[tuple[float, float, float], ...]
    sites_per_cube: int
    contacts: tuple[tuple[int, int, float], ...]

    def structure(self, species: tuple[str, ...], a: float) -> Structure:
        """Return the primitive cell for one symbol per site and a conventional lattice constant ``a`` (Å)."""
        edge = self.edge * a
        lattice = Lattice.from_parameters(edge, edge, edge, self.angle, self.angle, self.angle)
        return Structure(lattice, list(species), self.fractional)

    def shortest_distance(self, a: float) -> float:
        """Return the shortest interatomic distance (Å) at the conventional lattice constant ``a`` (Å)."""
        return a * min(distance for _, _, distance in self.contacts)

    def guess(self, species: tuple[str, ...]) -> float:
        """Return a first lattice constant (Å): the mean over contacts of touching covalent spheres."""
        radius = CovalentRadius.radius
        return float(np.mean([(radius[species[i]] + radius[species[j]]) / d for i, j, d in self.contacts]))


PROTOTYPES = {
    prototype.name: prototype
    for prototype in (
        Prototype("CsCl", 221, 90.0, 1.0, ((0, 0, 0), (0.5, 0.5, 0.5)), 2, ((0, 1, _R3 / 2),)),
        Prototype("rocksalt", 225, 60.0, 1 / _R2, ((0, 0, 0), (0.5, 0.5, 0.5)), 8, ((0, 1, 0.5),)),
        Prototype("zincblende", 216, 60.0, 1 / _R2, ((0, 0, 0), (0.25, 0.25, 0.25)), 8, ((0, 1, _R3 / 4),)),
        # A at the corner, B at the body centre, three X at the face centres.
        Prototype(
            "perovskite",
            221,
            90.0,
            1.0,
            ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
            5,
            ((0, 2, _R2 / 2), (1, 2, 0.5)),
        ),
        # X2YZ, sites in the order X, X, Y, Z: Y and Z make the rocksalt lattice, X fills its cubes.
        Prototype(
            "L2_1",
            225,
            60.0,
            1 / _R2,
            ((0.25, 0.25, 0.25), (0.75, 0.75, 0.75), (0, 0, 0), (0.5, 0.5, 0.5)),
            16,
            ((0, 2, _R3 / 4), (0, 3, _R3 / 4)),
        ),
    )
}
