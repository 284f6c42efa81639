"""The cell in which a crystal is used: primitive or conventional."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, Unusable, refuse_bad_geometry, separated, symmetry
from data_prep.structures.standard_cell import CUBIC, has_standard_axes, standard_primitive
from data_prep.workers import on_all_cores

Cell = Literal["primitive", "conventional"]
CELLS: tuple[Cell, ...] = get_args(Cell)


def require_cell(cell: str) -> None:
    """Raise ``InputError`` unless ``cell`` is one of ``CELLS``."""
    if cell not in CELLS:
        raise InputError(f"cell is {cell!r}; choose {' or '.join(CELLS)}")


def in_cell(structure: Structure, cell: Cell) -> tuple[Structure, int]:
    """Return ``structure`` in the primitive or conventional cell, and its space group number.

    ``primitive``: the structure itself, with its order and coordinates, if it is primitive already and, if it is
    cubic, has the axes of the standard cell; else the standard primitive cell (F1: a Heusler has 4 sites, a rocksalt
    2; of a cubic crystal ``standard_primitive``). ``conventional``: the standard conventional cell. Raises
    ``Unusable`` if spglib finds no symmetry.
    """
    analyser = symmetry(structure)
    number = analyser.get_space_group_number()
    try:
        if cell == "conventional":
            return analyser.get_conventional_standard_structure(), number
        in_primitive = len(set(analyser.get_symmetry_dataset().mapping_to_primitive))
        usual = number not in CUBIC or has_standard_axes(structure.lattice.abc, structure.lattice.angles)
        if in_primitive == len(structure) and usual:
            return structure, number
        return _primitive(analyser, number), number
    except ValueError as error:
        raise Unusable("symmetry_undetermined", f"no {cell} cell: {error}") from error


def in_standard_cell(crystal: Crystal) -> Crystal:
    """Return a crystal in its standard primitive cell, with spglib's space group number among its properties.

    Whatever basis, origin, order of sites or supercell a cubic crystal is given in, the result is the same
    (``standard_primitive``). Raises ``Unusable`` if spglib finds no symmetry.
    """
    analyser = symmetry(crystal.structure())
    number = analyser.get_space_group_number()
    try:
        structure = _primitive(analyser, number)
    except ValueError as error:
        raise Unusable("symmetry_undetermined", f"no primitive cell: {error}") from error
    values = {**crystal.properties, "spacegroup": float(number)}
    return crystal_from_structure(structure, crystal.id, crystal.formation_energy_per_atom, values)


def _primitive(analyser: SpacegroupAnalyzer, number: int) -> Structure:
    return standard_primitive(analyser) if number in CUBIC else analyser.get_primitive_standard_structure()


def to_conventional(crystals: Sequence[Crystal]) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals in their conventional cells, and those of which spglib finds none."""
    return separated(on_all_cores(_conventional, crystals, "conventional cells"))


def _conventional(crystal: Crystal) -> Crystal | Rejected:
    try:
        refuse_bad_geometry(crystal)
        structure, number = in_cell(crystal.structure(), "conventional")
    except Unusable as fault:
        return fault.of(crystal.id)
    converted = crystal_from_structure(structure, crystal.id, crystal.formation_energy_per_atom, crystal.properties)
    return replace(converted, properties={"spacegroup": float(number), **crystal.properties})
