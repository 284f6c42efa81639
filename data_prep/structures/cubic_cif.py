"""The cells and the CIF of a cubic crystal from one search for its symmetry.

A search costs as much as all the rest of a candidate; pymatgen's writer makes three, and reading back two more.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import spglib
from pymatgen.core import Element, Lattice, Structure, SymmOp
from pymatgen.io.cif import CifBlock, CifFile

from data_prep.structures.standard_cell import CUBIC, electronegativity

PRIMITIVE = {  # rows are the primitive vectors in units of the conventional ones (Setyawan & Curtarolo 2010)
    "P": np.eye(3),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
}
SAME_PLACE = 1e-3  # of the cell's edge
_DIGITS = 8


@dataclass(frozen=True)
class CubicCell:
    """A conventional cubic cell of edge ``a`` in Å, its sites exactly symmetric.

    ``numbers`` (n,), ``fractional`` (n, 3) in [0, 1); ``hall`` is the number of the space group's setting.
    """

    a: float
    numbers: np.ndarray
    fractional: np.ndarray
    hall: int
    spacegroup: int
    symbol: str

    def primitive(self) -> Structure:
        """Return the standard primitive cell."""
        vectors = PRIMITIVE[self.symbol[0]]
        fractional = self.fractional @ np.linalg.inv(vectors)
        kept = _first_of_each_place(fractional)
        symbols = [Element.from_Z(int(number)) for number in self.numbers[kept]]
        lattice = Lattice(self.a * vectors)
        return Structure(lattice, symbols, fractional[kept], to_unit_cell=True).get_sorted_structure()

    def cif(self) -> str | None:
        """Return a CIF with symmetry operations; None if they do not make the cell's sites of the unique ones."""
        unique, multiplicities = self._unique_sites()
        if sum(multiplicities) != len(self.numbers):
            return None
        composition = Structure(Lattice.cubic(self.a), self.numbers, self.fractional).composition
        symbols = [Element.from_Z(int(number)).symbol for number in self.numbers[unique]]
        operations = _operation_names(self.hall)
        edge, (formula, units) = f"{self.a:.{_DIGITS}f}", composition.get_reduced_formula_and_factor()
        data = {
            "_symmetry_space_group_name_H-M": self.symbol,
            **{f"_cell_length_{axis}": edge for axis in "abc"},
            **{f"_cell_angle_{angle}": f"{90:.{_DIGITS}f}" for angle in ("alpha", "beta", "gamma")},
            "_symmetry_Int_Tables_number": self.spacegroup,
            "_chemical_formula_structural": formula,
            "_chemical_formula_sum": composition.formula,
            "_cell_volume": f"{self.a**3:.{_DIGITS}f}",
            "_cell_formula_units_Z": str(int(units)),
            "_symmetry_equiv_pos_site_id": [str(number) for number in range(1, len(operations) + 1)],
            "_symmetry_equiv_pos_as_xyz": operations,
            "_atom_site_type_symbol": symbols,
            "_atom_site_label": [f"{symbol}{place}" for place, symbol in enumerate(symbols)],
            "_atom_site_symmetry_multiplicity": [str(one) for one in multiplicities],
            **{
                f"_atom_site_fract_{axis}": [f"{value:.{_DIGITS}f}" for value in self.fractional[unique, place]]
                for place, axis in enumerate("xyz")
            },
            "_atom_site_occupancy": ["1"] * len(unique),
        }
        loops = [[name for name in data if name.startswith(start)] for start in ("_symmetry_equiv", "_atom_site")]
        return str(CifFile({formula: CifBlock(data, loops, formula)}))

    def _unique_sites(self) -> tuple[list[int], list[int]]:
        """Return a site of each orbit, electropositive elements first, and the numbers of sites of the orbits."""
        rotations, translations = _operations(self.hall)
        order = sorted(
            range(len(self.numbers)), key=lambda site: electronegativity(Element.from_Z(int(self.numbers[site])))
        )
        unique, multiplicities, covered = [], [], np.zeros(len(self.numbers), dtype=bool)
        for site in order:
            if covered[site]:
                continue
            images = rotations @ self.fractional[site] + translations
            offsets = images[:, None] - self.fractional
            reached = (np.abs(offsets - np.round(offsets)) < SAME_PLACE).all(axis=-1).any(axis=0)
            unique.append(site)
            multiplicities.append(int(len(_first_of_each_place(images))))
            covered |= reached & (self.numbers == self.numbers[site])
        return unique, multiplicities


def cubic_cell(structure: Structure, tolerance: float) -> CubicCell | None:
    """Return the conventional cell of the symmetry found within ``tolerance`` Å; None if it is not cubic."""
    numbers = [site.specie.Z for site in structure]
    try:
        found = spglib.get_symmetry_dataset(
            (structure.lattice.matrix, structure.frac_coords, numbers), symprec=tolerance
        )
    except spglib.SpglibError:
        return None
    if found is None or found.number not in CUBIC:
        return None
    return CubicCell(
        a=float(abs(np.linalg.det(found.std_lattice)) ** (1 / 3)),
        numbers=np.asarray(found.std_types),
        fractional=np.asarray(found.std_positions) % 1.0,
        hall=int(found.hall_number),
        spacegroup=int(found.number),
        symbol=str(found.international),
    )


def _first_of_each_place(fractional: np.ndarray) -> np.ndarray:
    """Return the indices (m,) of the first of the sites (n, 3) at each place of the cell."""
    offsets = fractional[:, None] - fractional
    same = (np.abs(offsets - np.round(offsets)) < SAME_PLACE).all(axis=-1)
    return np.flatnonzero(same.argmax(axis=1) == np.arange(len(fractional)))


@lru_cache(maxsize=64)
def _operations(hall: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotations (m, 3, 3) and translations (m, 3) of a setting."""
    found = spglib.get_symmetry_from_database(hall)
    return found["rotations"], found["translations"]


@lru_cache(maxsize=64)
def _operation_names(hall: int) -> list[str]:
    pairs = zip(*_operations(hall), strict=True)
    return [SymmOp.from_rotation_and_translation(rotation, shift).as_xyz_str() for rotation, shift in pairs]
