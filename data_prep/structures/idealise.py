"""From a decoded structure to a crystal: validated, symmetrised, written as a CIF."""

from dataclasses import dataclass
from functools import lru_cache

from pymatgen.core import Composition, Element, Structure

from data_prep.structures.cif import cif_text
from data_prep.structures.cubic_cif import cubic_cell
from data_prep.structures.symmetry import SYMMETRY_TOLERANCE, symmetrised
from data_prep.structures.validity import closeness, is_valid, smallest_distance


@dataclass(frozen=True)
class IdealCrystal:
    """A decoded structure after ``idealise``; ``spacegroup`` and ``cif`` are None if it is not valid.

    ``smallest_distance`` in Å; ``closeness`` is the ratio that ``validity.closeness`` returns.
    """

    structure: Structure
    valid: bool
    spacegroup: int | None
    smallest_distance: float
    closeness: float
    charge_balanced: bool
    cif: str | None


def idealise(decoded: Structure) -> IdealCrystal:
    """Validate and symmetrise a decoded structure."""
    valid = is_valid(decoded)
    structure, spacegroup, cif = _in_its_symmetry(decoded) if valid else (decoded, None, None)
    return IdealCrystal(
        structure,
        valid,
        spacegroup,
        smallest_distance(structure),
        closeness(structure),
        valid and charge_balanced(structure.composition.reduced_formula),
        cif,
    )


def _in_its_symmetry(decoded: Structure) -> tuple[Structure, int | None, str]:
    """Return the standard primitive cell, its space group and its CIF; quickly if it is cubic, as nearly all are."""
    cell = cubic_cell(decoded, SYMMETRY_TOLERANCE)
    if cell is not None:
        structure, cif = cell.primitive(), cell.cif()
        if cif is not None and is_valid(structure):
            return structure, cell.spacegroup, cif
    structure, spacegroup = symmetrised(decoded)
    return structure, spacegroup, cif_text(structure)


@lru_cache(maxsize=4096)
def charge_balanced(formula: str) -> bool:
    """Return whether the elements of a formula have oxidation states that add up to zero; one element always has.

    As pymatgen's ``oxi_state_guesses``, each site has a state of its own, which the ICSD knows of its element. That
    also ranks the guesses: it reads a table for a second, and takes many times as long.
    """
    counts = Composition(formula).get_el_amt_dict()
    if len(counts) == 1:
        return True
    charges = {0}
    for symbol, count in counts.items():
        element = Element(symbol)
        states = element.icsd_oxidation_states or element.common_oxidation_states
        for _ in range(int(count)):
            charges = {charge + state for charge in charges for state in states}
    return 0 in charges
