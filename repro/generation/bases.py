"""The base compound that a user names: a structure file, an id, or a formula as people write it."""

import difflib
import math
from collections.abc import Sequence
from pathlib import Path

from pymatgen.symmetry.groups import sg_symbol_from_int_number

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.formulas import guessed_formula, nearest_formulas, read_formula
from data_prep.quarantine import MAX_Z, Rejected, Unusable, screen, symmetry
from data_prep.source_names import BASES
from data_prep.sources import read_source
from data_prep.sources.cells import in_standard_cell
from data_prep.sources.cif_folder import read_cif
from data_prep.sources.frame_readers import frame_reader
from data_prep.structures.standard_cell import has_standard_axes

NEAREST, SHOWN = 5, 10  # names in an error, crystals of one formula


def base_crystals(source: str) -> list[Crystal]:
    """Return the crystals of a source that a base compound may be chosen from, in their primitive cells."""
    found, _ = read_source(source)
    if source == BASES:  # screened when the table was made
        return found
    return screen(found, require_label=False)[0]


def find_base(name: str, crystals: Sequence[Crystal]) -> Crystal:
    """Return the crystal that ``name`` means: a structure file, an id, or a formula (the one of lowest energy).

    It has the axes of the standard primitive cell. Raises InputError with the nearest names when there is none.
    """
    if is_file(name):
        return _base_from_file(Path(name.strip()))
    if found := crystals_named(name, crystals):
        base = found[0]
        return base if has_standard_axes(base.lengths, base.angles) else _in_standard_cell(base, name)
    raise InputError(f"The base {name!r} is {_what_it_is_not(name, crystals)}.")


def is_file(base: str) -> bool:
    """Return whether a base is a structure file by its name, not a name to be looked up."""
    return frame_reader(Path(base.strip())) is not None


def crystals_named(name: str, crystals: Sequence[Crystal]) -> list[Crystal]:
    """Return the crystals with this id or else, in any spelling, formula: the one of lowest energy first."""
    composition = read_formula(name)
    formula = composition.reduced_formula if composition else None
    found = [one for one in crystals if one.id == name.strip()] or [one for one in crystals if one.formula == formula]
    return sorted(found, key=lambda one: (math.isnan(one.formation_energy_per_atom), one.formation_energy_per_atom))


def choice(name: str, found: Sequence[Crystal]) -> str:
    """Return which of several crystals of one formula is taken, and how to take another."""
    others = "; ".join(map(_described, found[1 : SHOWN + 1])) + ("; .." if len(found) > SHOWN + 1 else "")
    return (
        f"{name.strip()} names {len(found)} crystals; taken is the one of lowest energy, {_described(found[0])}. "
        f"For another give its id: {others}."
    )


def _described(crystal: Crystal) -> str:
    """Return id, formation energy and space group of a crystal in words."""
    energy = crystal.formation_energy_per_atom
    known = "no energy" if math.isnan(energy) else f"{energy:.3f} eV/atom"
    return f"{crystal.id} ({known}, {_space_group(crystal)})"


def _space_group(crystal: Crystal) -> str:
    try:
        found = crystal.properties.get("spacegroup") or symmetry(crystal.structure()).get_space_group_number()
        return sg_symbol_from_int_number(int(found))
    except (Unusable, ValueError):
        return "symmetry unknown"


def _what_it_is_not(name: str, crystals: Sequence[Crystal]) -> str:
    """Return what ``name`` fails to name, and the nearest that there is: by composition, or by the letters of an id."""
    composition = read_formula(name)
    if composition:
        what = f"the formula of no crystal here ({composition.reduced_formula})"
    else:
        what = "neither a formula nor an id of the crystals here nor a structure file"
    if meant := composition or guessed_formula(name):
        nearest = nearest_formulas(meant, (crystal.formula for crystal in crystals), NEAREST)
    else:
        ids = sorted({crystal.id for crystal in crystals})
        nearest = difflib.get_close_matches(name.strip(), ids, n=NEAREST, cutoff=0.3)
    return f"{what}; the nearest are {', '.join(nearest)}" if nearest else what


def _base_from_file(path: Path) -> Crystal:
    """Read the one structure of a file as its standard primitive cell (F1); it has no formation energy."""
    if not path.exists():
        raise InputError(f"The base {path} does not exist.")
    found = read_cif((path, float("nan"), {}), cell="primitive")
    if isinstance(found, Rejected):
        raise InputError(f"The base {path} cannot be used ({found.reason}): {found.detail}.")
    if found.numbers.max() > MAX_Z:
        raise InputError(f"The base {path} cannot be used: no network knows elements beyond Z = {MAX_Z}.")
    return _in_standard_cell(found, str(path))


def _in_standard_cell(base: Crystal, name: str) -> Crystal:
    try:
        return in_standard_cell(base)
    except Unusable as fault:
        raise InputError(f"The base {name} cannot be used ({fault.reason}): {fault.detail}.") from fault
