"""Rows that hold a structure each: tables with a CIF or POSCAR column, JSON of pymatgen or a service, ASE databases."""

import json
import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError, NoStructure
from data_prep.quarantine import Rejected, Unusable, refuse_bad_geometry, refuse_species, separated
from data_prep.sources.cells import Cell, in_cell
from data_prep.sources.cif_structures import cif_frames
from data_prep.sources.frames import PARSER_FAULTS, Frame, read_text, the_only, unreadable
from data_prep.sources.json_rows import Row, json_rows, row_id, structure_column, with_structure
from data_prep.sources.materials_project import MODULI
from data_prep.sources.materials_project import PROPERTIES as SCALARS
from data_prep.sources.poscar import poscar_structure
from data_prep.sources.table import CELL_COLUMNS, LABEL, properties, read_frame, table_crystals
from data_prep.workers import on_all_cores

if TYPE_CHECKING:
    from ase.db.row import AtomsRow

LABELS = (LABEL, "e_form", "heat_all")  # eV/atom; the second is Matbench's, the third CDVAE's of Perov-5
JSON_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
DATABASE_SUFFIXES = (".db",)

logger = logging.getLogger(__name__)


def read_structure_table(path: Path, cell: Cell | None, labelled: bool) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of a table of cells (``table_crystals``), or of one with a column of structures.

    That column is called ``structure`` (JSON), ``cif`` or ``poscar``, the one with the id as in ``ID_FIELDS``; rows
    without an id are numbered. Its crystals are converted to ``cell``; those of a table of cells stay as deposited.
    Raises ``InputError`` as ``read_table`` does.
    """
    frame = read_frame(path)
    if structure_column(frame.columns) is None or set(CELL_COLUMNS) <= set(frame.columns):
        return table_crystals(frame, path, labelled)
    if labelled and not any(name in frame.columns for name in LABELS):
        raise InputError(f"{path} lacks the column {LABEL}; add what is missing")
    return crystals_of_rows(frame.to_dict("records"), cell, labelled)


def crystals_of_rows(rows: Sequence[Row], cell: Cell | None, labelled: bool) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of rows, and those that cannot be used, both in order; a row without an id is numbered.

    With ``labelled=False`` the labels and properties of a row may be anything; those that are no number are left out.
    """
    named = [row if row_id(row) else {**row, "id": f"row {number}"} for number, row in enumerate(rows, start=1)]
    return separated(on_all_cores(partial(crystal_of_row, cell=cell, labelled=labelled), named, "structures"))


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a JSON file or an ASE database, each with an id if it has one.

    JSON may be a ``Structure`` of pymatgen, a document of the Materials Project, a list or a dictionary of either
    by id, JSON lines, or a table as pandas writes it (Matbench). An entry without a structure gives a row without one.
    Raises ``InputError`` for a file without structures.
    """
    if path.suffix.lower() in DATABASE_SUFFIXES:
        return _database_rows(path)
    try:
        found = _json(read_text(path), path)
        if isinstance(found, dict) and {"ids", "nextid"} <= found.keys():
            return _database_rows(path)
        rows = json_rows(found)
    except Unusable as fault:
        raise InputError(f"{path}: {fault.detail}") from fault
    except PARSER_FAULTS as error:
        raise InputError(f"{path} cannot be read as JSON ({' '.join(str(error).split())}); is it complete?") from error
    if not with_structure(rows):
        raise NoStructure(f"{path} holds no structure; give pymatgen's Structure or documents with a structure")
    return rows


def crystal_of_row(row: Row, cell: Cell | None, labelled: bool) -> Crystal | Rejected:
    """Return the crystal of one row, in ``cell`` (None: as it is), or the reason why there is none."""
    id = row_id(row)
    try:
        frame = _frame(row)
        structure = frame.structure
        refuse_species(structure)
        crystal = crystal_from_structure(structure, id)
        refuse_bad_geometry(crystal)
        values, label = _properties(row, labelled), _label(row, labelled)
        if cell is not None:
            structure, number = in_cell(structure, cell)
            values["spacegroup"] = float(number)
    except Unusable as fault:
        return fault.of(id)
    except PARSER_FAULTS as error:
        return unreadable(error).of(id)
    for note in frame.notes:
        logger.warning("%s: %s", id, note)
    return crystal_from_structure(structure, id, label, values)


def _frame(row: Row) -> Frame:
    name = structure_column(row)
    value = row[name] if name else None
    if isinstance(value, Structure):
        return Frame(value)
    if isinstance(value, Unusable):
        raise value
    if isinstance(value, dict):
        return Frame(Structure.from_dict(value))
    text = str(value or "").strip()
    if not text:
        raise Unusable("unreadable", "the row has no structure")
    if text.startswith("{"):
        return Frame(Structure.from_dict(json.loads(text)))
    if "_cell_length_a" not in text:
        return Frame(poscar_structure(text))
    return the_only(cif_frames(text), "the row holds {} structures")


def _properties(row: Row, labelled: bool) -> dict[str, float]:
    """Return the properties of a row under our names: ``PROPERTY_COLUMNS``, and those of the Materials Project."""
    values = properties({name: value for name, value in row.items() if not isinstance(value, (dict, list))}, labelled)
    for theirs, ours in SCALARS.items():
        if isinstance(row.get(theirs), (int, float)) and math.isfinite(row[theirs]):
            values.setdefault(ours, float(row[theirs]))
    nested = {ours: (row.get(theirs), "vrh") for theirs, ours in MODULI.items()} | {
        "spacegroup": (row.get("symmetry"), "number")
    }
    for ours, (found, key) in nested.items():
        if isinstance(found, dict) and isinstance(found.get(key), (int, float)):
            values.setdefault(ours, float(found[key]))
    return values


def _label(row: Row, labelled: bool) -> float:
    for name in LABELS:
        value = row.get(name)
        try:
            if value is not None and math.isfinite(float(value)):
                return float(value)
        except (ValueError, TypeError):
            if labelled and str(value).strip():
                raise Unusable("unreadable", f"{name} is {value!r}, not a number") from None
    return math.nan


def _json(text: str, path: Path) -> Any:
    if ".jsonl" not in path.name.lower():
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _database_rows(path: Path) -> list[Row]:
    try:
        from ase.db import connect
        from pymatgen.io.ase import AseAtomsAdaptor
    except ImportError:
        raise InputError(f"{path} is an ASE database: pip install ase first, or convert it to extended XYZ") from None
    try:
        with connect(path) as database:
            found = list(database.select())
    except Exception as error:  # of SQLite, JSON or ASE, which names no common one
        raise InputError(f"{path} cannot be read as an ASE database ({unreadable(error).detail})") from error

    def structure(row: "AtomsRow") -> Structure | Unusable | None:
        try:
            atoms = row.toatoms()
            whole = atoms.pbc.all() and atoms.cell.volume > 0
            return AseAtomsAdaptor.get_structure(atoms) if whole else None
        except PARSER_FAULTS as error:
            return unreadable(error)

    return [row.key_value_pairs | {"id": row.id, "structure": structure(row)} for row in found]
