"""Crystals from a folder of CIFs or POSCARs and one CSV of properties keyed by file name."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, Unusable, refuse_bad_geometry, refuse_species, separated
from data_prep.sources.cells import Cell, in_cell
from data_prep.sources.frame_readers import frame_reader, only_frame, plain_name
from data_prep.sources.frames import PARSER_FAULTS, unreadable, visible_files
from data_prep.sources.table import LABEL, number, properties, read_frame, require_columns
from data_prep.workers import on_all_cores

if TYPE_CHECKING:
    import pandas as pd

PREFERRED = ("properties.csv", "properties.csv.gz", "id_prop.csv")
FILE_COLUMNS = ("file", "filename", "name", "id")
logger = logging.getLogger(__name__)
Job = tuple[Path, float, dict[str, float]]


def read_cif_folder(folder: Path, cell: Cell) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of the CIFs and POSCARs in ``folder`` and below; their ids are the names without suffix.

    The folder's one CSV (``properties.csv`` or ``id_prop.csv`` if there are several) has a column ``file``,
    ``filename``, ``name`` or ``id`` with the name of the file, with or without its suffix, the column
    ``formation_energy_per_atom`` (eV/atom, blank for none) and any of ``PROPERTY_COLUMNS``. Without a header (CGCNN's
    ``id_prop.csv``) it has the names and the formation energies. Files are read on all cores and converted to
    ``cell`` (``in_cell``); the space group that spglib finds becomes the property ``spacegroup``, whatever the CSV
    contains.

    Rejected: unreadable, several_structures, disordered, isotope, unknown_element,
    composition_mismatch (also for a truncated file), too_many_sites, degenerate_cell,
    non_finite_coordinates, overlapping_sites, symmetry_undetermined, no_properties (file without a
    row), missing_file (row without a file), duplicate_id, unknown_format. Raises ``InputError`` for a folder
    without CIFs or without a usable CSV.
    """
    everything = visible_files(folder)
    paths = [path for path in everything if frame_reader(path)]
    if not paths:
        raise InputError(f"{folder} has no .cif file; give a folder of CIFs and one CSV of properties")
    files = {plain_name(path.name): path for path in reversed(paths)}  # the first of a.CIF and a.cif
    table = _properties_file(folder)
    rows, rejected = _properties(table, set(files))
    named = set(rows) | {item.id for item in rejected}
    for path in paths:
        id = plain_name(path.name)
        if files[id] != path:
            rejected.append(Rejected(id, "duplicate_id", f"{path.name} stands beside {files[id].name}"))
        elif id not in named:
            rejected.append(Rejected(id, "no_properties", f"{path.name} has no row in the CSV"))
    others = [path for path in everything if path not in paths and path != table]
    rejected += [Rejected(path.name, "unknown_format", "no structure file by its name") for path in others]
    jobs = [(files[id], label, values) for id, (label, values) in rows.items()]
    results = on_all_cores(partial(read_cif, cell=cell), sorted(jobs, key=lambda job: job[0]), "CIF files")
    crystals, unusable = separated(results)
    return crystals, rejected + unusable


def read_cif(job: Job, cell: Cell) -> Crystal | Rejected:
    """Return the crystal of one file, or the reason why there is none; never raises because of the content."""
    path, label, values = job
    id = plain_name(path.name)
    try:
        frame = only_frame(path)
        refuse_species(frame.structure)
        refuse_bad_geometry(crystal_from_structure(frame.structure, id))
        structure, spacegroup = in_cell(frame.structure, cell)
    except Unusable as fault:
        return fault.of(id)
    except PARSER_FAULTS as error:
        return unreadable(error).of(id)
    except MemoryError:
        return Rejected(id, "too_large", "there is not enough memory to read it")
    for note in frame.notes:
        logger.warning("%s: %s", path.name, note)
    return crystal_from_structure(structure, id, label, {**values, "spacegroup": float(spacegroup)})


def _properties_file(folder: Path) -> Path:
    tables = sorted(path for path in folder.iterdir() if path.name.endswith((".csv", ".csv.gz")))
    if not tables:
        raise InputError(f"{folder} has no CSV of properties; add properties.csv with the columns file and {LABEL}")
    preferred = [path for path in tables if path.name in PREFERRED]
    if len(tables) > 1 and len(preferred) != 1:
        names = ", ".join(path.name for path in tables)
        raise InputError(f"{folder} has several CSV files ({names}); call the right one properties.csv")
    return preferred[0] if preferred else tables[0]


def _properties(path: Path, known: set[str]) -> tuple[dict[str, tuple[float, dict[str, float]]], list[Rejected]]:
    """Return label and properties by file name without ``.cif``, and the rows that cannot be used."""
    frame = _with_header(read_frame(path), path)
    column = next((name for name in FILE_COLUMNS if name in frame.columns), None)
    if column is None:
        raise InputError(f"{path} lacks a column with the names of the CIF files; add one named file")
    require_columns(frame, (LABEL,), path)
    rows: dict[str, tuple[float, dict[str, float]]] = {}
    rejected: list[Rejected] = []
    for row in frame.replace({np.nan: ""}).to_dict("records"):
        id = plain_name(Path(row[column].strip()).name)
        try:
            if id not in known:
                raise Unusable("missing_file", f"{path.name} names {row[column]!r}, which is not there")
            if id in rows:
                raise Unusable("duplicate_id", f"{path.name} has a second row for {id}")
            rows[id] = number(row, LABEL), properties(row)
        except Unusable as fault:
            rejected.append(fault.of(id))
    return rows, rejected


def _with_header(frame: "pd.DataFrame", path: Path) -> "pd.DataFrame":
    """Return a table without a header, whose first row was taken for one, with the names of its two columns."""
    names = [str(name) for name in frame.columns]
    if len(names) < 2 or set(FILE_COLUMNS) & set(names):
        return frame
    try:
        float(names[1])
    except ValueError:
        return frame
    import pandas as pd

    logger.warning("%s has no header: its second column is taken for %s (eV/atom)", path.name, LABEL)
    rows = [names[:2], *frame.iloc[:, :2].to_numpy().tolist()]
    return pd.DataFrame(rows, columns=[FILE_COLUMNS[0], LABEL])
