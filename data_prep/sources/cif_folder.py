"""Crystals from a folder of CIF files and one CSV of properties keyed by file name."""

import re
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition, Element, Structure
from pymatgen.core.structure import StructureError
from pymatgen.io.cif import CifParser
from pymatgen.io.vasp.inputs import BadPoscarWarning

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, Unusable, refuse_bad_geometry, refuse_species, separated
from data_prep.sources.cells import Cell, in_cell
from data_prep.sources.table import LABEL, number, properties, read_frame, require_columns
from data_prep.workers import on_all_cores

FILE_COLUMNS = ("file", "filename", "name", "id")
MOST_SITES_READ = 1000  # larger cells take spglib minutes and exceed every selection
# Raised by pymatgen and spglib on damaged files, as observed or documented. LinAlgError and
# UnicodeDecodeError are ValueErrors, NotImplementedError and RecursionError are RuntimeErrors.
PARSER_FAULTS = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    ZeroDivisionError,
    OverflowError,
    RuntimeError,
    OSError,
    SyntaxError,  # for a symbol that pymatgen takes for a Python literal
    StructureError,
    BadPoscarWarning,  # raised, in spite of its name
)
# Groups of atoms that pymatgen silently reads as one atom or leaves out.
GROUPS = re.compile(r"[Ww]at|OH|O-H|NO3")

Job = tuple[Path, float, dict[str, float]]


def read_cif_folder(folder: Path, cell: Cell) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of ``*.cif`` in ``folder``; their ids are the file names without ``.cif``.

    The folder's one CSV (``properties.csv`` if there are several) has a column ``file``,
    ``filename``, ``name`` or ``id`` with the name of the CIF, with or without ``.cif``, the column
    ``formation_energy_per_atom`` (eV/atom, blank for none) and any of ``PROPERTY_COLUMNS``. CIFs
    are read on all cores and converted to ``cell`` (``in_cell``); the space group that spglib finds
    becomes the property ``spacegroup``, whatever the CSV contains.

    Rejected: unreadable, several_structures, disordered, isotope, unknown_element,
    composition_mismatch (also for a truncated file), too_many_sites, degenerate_cell,
    non_finite_coordinates, overlapping_sites, symmetry_undetermined, no_properties (CIF without a
    row), missing_file (row without a CIF), duplicate_id. Raises ``InputError`` for a folder
    without CIFs or without a usable CSV.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".cif")
    if not paths:
        raise InputError(f"{folder} has no .cif file; give a folder of CIFs and one CSV of properties")
    files = {path.stem: path for path in reversed(paths)}  # the first of a.CIF and a.cif
    rows, rejected = _properties(_properties_file(folder), set(files))
    named = set(rows) | {item.id for item in rejected}
    for path in paths:
        if files[path.stem] != path:
            other = files[path.stem].name
            rejected.append(Rejected(path.stem, "duplicate_id", f"{path.name} stands beside {other}"))
        elif path.stem not in named:
            rejected.append(Rejected(path.stem, "no_properties", f"{path.name} has no row in the CSV"))
    jobs = [(files[id], label, values) for id, (label, values) in rows.items()]
    results = on_all_cores(partial(read_cif, cell=cell), sorted(jobs, key=lambda job: job[0]), "CIF files")
    crystals, unusable = separated(results)
    return crystals, rejected + unusable


def read_cif(job: Job, cell: Cell) -> Crystal | Rejected:
    """Return the crystal of one file, or the reason why there is none; never raises because of the content."""
    path, label, values = job
    try:
        structure = read_cif_structure(path)
        refuse_bad_geometry(crystal_from_structure(structure, path.stem))
        structure, spacegroup = in_cell(structure, cell)
    except Unusable as fault:
        return fault.of(path.stem)
    return crystal_from_structure(structure, path.stem, label, {**values, "spacegroup": float(spacegroup)})


def read_cif_structure(path: Path) -> Structure:
    """Return the one structure of a CIF in its own cell; raises ``Unusable`` if it cannot be trusted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that matter are in parser.warnings
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            _refuse_several(text)
            parser = CifParser.from_str(text)
            block = _block(parser)
            _refuse_symbols(block)
            structure = _only_structure(parser)
        except PARSER_FAULTS as error:
            problem = " ".join(str(error).split())
            raise Unusable("unreadable", f"{path.name}: {type(error).__name__}: {problem}") from error
    _refuse_unknown_group(parser, block)
    refuse_species(structure)
    _refuse_composition(structure, str(block.get("_chemical_formula_sum", "")))
    if len(structure) > MOST_SITES_READ:
        raise Unusable("too_many_sites", f"{len(structure)} sites, at most {MOST_SITES_READ} are read")
    return structure


def _refuse_several(text: str) -> None:
    found = len(re.findall(r"^\s*_atom_site_fract_x\b", text, flags=re.MULTILINE))
    if found > 1:
        raise Unusable("several_structures", f"the file holds {found} lists of sites; split it")


def _block(parser: CifParser) -> dict[str, Any]:
    for block in parser.as_dict().values():
        if "_atom_site_fract_x" in block:
            return block
    raise ValueError("there is no list of sites")


def _only_structure(parser: CifParser) -> Structure:
    try:
        return parser.parse_structures(primitive=False, on_error="ignore")[0]
    except ValueError as error:  # its text is only that there is no structure
        raise ValueError(" ".join(parser.warnings) or str(error)) from error


def _refuse_symbols(block: dict[str, Any]) -> None:
    """Raise ``Unusable`` for a site that pymatgen would leave out or read as something else."""
    for symbol in block.get("_atom_site_type_symbol", block.get("_atom_site_label", [])):
        letters = re.match(r"[A-Za-z]*", symbol).group()
        known = any(Element.is_valid_symbol(letters[:length].title()) for length in (1, 2) if letters)
        if not known or GROUPS.match(symbol):
            raise Unusable("unknown_element", f"a site is called {symbol!r}, which is not an element")


def _refuse_unknown_group(parser: CifParser, block: dict[str, Any]) -> None:
    """Raise ``Unusable`` if pymatgen took P1 because it did not understand the space group."""
    if not any("Defaulting to P1" in text for text in parser.warnings):
        return
    for key, value in block.items():
        named = re.search("space_group|int_tables", key, flags=re.IGNORECASE)
        if named and re.sub(r"\s", "", str(value)) not in ("", "?", ".", "P1", "1", "triclinic"):
            raise Unusable("unreadable", f"the symmetry {key} {value} is not understood")


def _refuse_composition(structure: Structure, stated: str) -> None:
    if stated.strip("?. ") == "":
        return
    try:
        agree = Composition(stated).reduced_formula == structure.composition.reduced_formula
    except ValueError as error:
        raise Unusable("unreadable", f"_chemical_formula_sum {stated}: {error}") from error
    if not agree:
        found = structure.composition.formula
        raise Unusable("composition_mismatch", f"the formula says {stated}, the sites say {found}")


def _properties_file(folder: Path) -> Path:
    tables = sorted(path for path in folder.iterdir() if path.name.endswith((".csv", ".csv.gz")))
    if not tables:
        raise InputError(f"{folder} has no CSV of properties; add properties.csv with the columns file and {LABEL}")
    preferred = [path for path in tables if path.name in ("properties.csv", "properties.csv.gz")]
    if len(tables) > 1 and len(preferred) != 1:
        names = ", ".join(path.name for path in tables)
        raise InputError(f"{folder} has several CSV files ({names}); call the right one properties.csv")
    return preferred[0] if preferred else tables[0]


def _properties(path: Path, known: set[str]) -> tuple[dict[str, tuple[float, dict[str, float]]], list[Rejected]]:
    """Return label and properties by file name without ``.cif``, and the rows that cannot be used."""
    frame = read_frame(path)
    column = next((name for name in FILE_COLUMNS if name in frame.columns), None)
    if column is None:
        raise InputError(f"{path} lacks a column with the names of the CIF files; add one named file")
    require_columns(frame, (LABEL,), path)
    rows: dict[str, tuple[float, dict[str, float]]] = {}
    rejected: list[Rejected] = []
    for row in frame.replace({np.nan: ""}).to_dict("records"):
        id = re.sub(r"\.cif$", "", Path(row[column].strip()).name, flags=re.IGNORECASE)
        try:
            if id not in known:
                raise Unusable("missing_file", f"{path.name} names {row[column]!r}, which is not there")
            if id in rows:
                raise Unusable("duplicate_id", f"{path.name} has a second row for {id}")
            rows[id] = number(row, LABEL), properties(row)
        except Unusable as fault:
            rejected.append(fault.of(id))
    return rows, rejected
