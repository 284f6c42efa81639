"""Generated crystals for the report's viewers: what is drawn, what is known of them, and their CIFs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pymatgen.symmetry.groups import sg_symbol_from_int_number

from data_prep.property_labels import FORMATION_ENERGY
from experiments.drawing import scene
from experiments.generation import read_cif
from experiments.reporting.document import Crystal, Viewer

MOST = 40  # crystals in one viewer, so that a report of many candidates stays small
FACES = "Sites on a face are repeated on the opposite one; sizes follow the ionic radii; nothing is relaxed."


def viewer(folder: Path, rows: Iterable[tuple[str, str, str]], caption: str) -> tuple[Viewer, ...]:
    """Return a viewer of up to 40 crystals, (name, facts, file in ``folder``) each; none where there is no crystal.

    Raises InputError when a CIF cannot be read.
    """
    every = list(rows)
    crystals = tuple(_crystal(folder, *row) for row in every[:MOST])
    if not crystals:
        return ()
    count = f"{len(crystals)} of {len(every):,} crystals" if len(every) > MOST else f"{len(crystals)} crystals"
    return (Viewer(f"{caption} ({count if len(crystals) > 1 else '1 crystal'}). {FACES}", crystals),)


def _crystal(folder: Path, name: str, facts: str, file: str) -> Crystal:
    structure = read_cif(folder / file)
    lengths = ", ".join(f"{length:.2f}" for length in structure.lattice.abc)
    angles = ", ".join(f"{angle:.0f}°" for angle in structure.lattice.angles)
    cell = f"{len(structure)} sites; cell {lengths} Å, {angles}."
    return Crystal(name, f"{facts} {cell}", file, (folder / file).read_text(encoding="utf-8"), scene(structure))


def facts(row: Mapping) -> str:
    """Return in words what a row of candidates says: origin, predicted energy, space group, known or not."""
    said = [f"Around {row['base']}" if row.get("base") else "Random sample"]
    energy, group = row.get(FORMATION_ENERGY), row.get("spacegroup")
    if energy not in (None, ""):
        said.append(f"predicted formation energy {float(energy):.2f} eV/atom".replace("-", "−"))
    if group not in (None, ""):
        said.append(f"space group {sg_symbol_from_int_number(int(group))}".replace("-", "\u2011"))  # not to be broken
    known = row.get("training_formula", row.get("known_formula"))
    if known not in (None, ""):
        said.append("formula of the training part" if known in (True, "True") else "new formula")
    return ", ".join(said) + "."
