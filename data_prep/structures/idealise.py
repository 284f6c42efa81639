"""From a decoded structure to a crystal: validated, symmetrised, written as a CIF."""

from dataclasses import dataclass

from pymatgen.core import Structure

from data_prep.structures.cif import cif_text
from data_prep.structures.symmetry import symmetrised
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
    structure, spacegroup = symmetrised(decoded) if valid else (decoded, None)
    return IdealCrystal(
        structure,
        valid,
        spacegroup,
        smallest_distance(structure),
        closeness(structure),
        bool(structure.composition.oxi_state_guesses()) if valid else False,
        cif_text(structure) if valid else None,
    )
