"""A user's structures without labels: CIF, POSCAR, extended XYZ, tables, or a folder of them."""

import warnings
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import ase.io
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp import Poscar

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import ISOTOPES, Rejected, Unusable, refuse_bad_geometry, refuse_species
from data_prep.sources.cif_folder import PARSER_FAULTS, read_cif_structure
from data_prep.sources.table import SUFFIXES, read_table

XYZ_SUFFIXES = (".xyz", ".extxyz")
POSCAR_NAMES = ("poscar", "contcar")
FORMATS = (
    "CIF (.cif), POSCAR (POSCAR*, CONTCAR*, .vasp), extended XYZ (.xyz, .extxyz) or a table (.csv, .csv.gz, .parquet)"
)


def read_structures(path: Path) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of a file, or of every structure file of a folder, and those that cannot be read.

    Ids are file names; the frames of an extended XYZ are numbered from 1. Cells are kept. Raises
    InputError if ``path`` is missing or of no known format, or if a folder has no such file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; give a file or a folder of {FORMATS}.")
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file() and _reader(one))
    if path.is_file() and not _reader(path):
        raise InputError(f"{path} is of no known format; give {FORMATS}.")
    if not files:
        raise InputError(f"{path} has no structure file; give {FORMATS}.")
    crystals: list[Crystal] = []
    rejected: list[Rejected] = []
    for file in files:
        found, refused = _reader(file)(file)
        crystals += found
        rejected += refused
    return crystals, rejected


def _reader(path: Path) -> Callable[[Path], tuple[list[Crystal], list[Rejected]]] | None:
    """Return the function that reads a file of this name, or None."""
    name = path.name.lower()
    if name.endswith(SUFFIXES):
        return _read_table
    if name.endswith(".cif"):
        return lambda file: _read_frames(file, lambda: [read_cif_structure(file)])
    if name.endswith(XYZ_SUFFIXES):
        return lambda file: _read_frames(file, lambda: _xyz_frames(file))
    if name.startswith(POSCAR_NAMES) or name.endswith((".vasp", ".poscar")):
        return lambda file: _read_frames(file, lambda: [_poscar(file)])
    return None


def _read_table(path: Path) -> tuple[list[Crystal], list[Rejected]]:
    """Read a table without labels; a table of something else becomes a rejected file."""
    try:
        found, rejected = read_table(path, labelled=False)
    except InputError as error:
        return [], [Rejected(path.name, "unreadable", str(error))]
    crystals = []
    for crystal in found:
        try:
            refuse_bad_geometry(crystal)
            crystals.append(crystal)
        except Unusable as fault:
            rejected.append(fault.of(crystal.id))
    return crystals, rejected


def _read_frames(path: Path, read: Callable[[], list[Structure | Unusable]]) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of one file, or rejected ones with the parser's error as the reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = read()
    except Unusable as fault:
        return [], [fault.of(path.name)]
    except PARSER_FAULTS as error:
        problem = " ".join(str(error).split()) or "nothing in it can be read"
        return [], [Rejected(path.name, "unreadable", f"{type(error).__name__}: {problem}")]
    crystals, rejected = [], []
    for number, frame in enumerate(frames, start=1):
        id = path.name if len(frames) == 1 else f"{path.name}#{number}"
        try:
            crystals.append(_checked(frame, id))
        except Unusable as fault:
            rejected.append(fault.of(id))
    return crystals, rejected


def _checked(frame: Structure | Unusable, id: str) -> Crystal:
    if isinstance(frame, Unusable):
        raise frame
    if not len(frame):
        raise Unusable("no_sites", "the cell is empty")
    refuse_species(frame)
    crystal = crystal_from_structure(frame, id)
    refuse_bad_geometry(crystal)
    return crystal


def _poscar(path: Path) -> Structure:
    poscar = Poscar.from_file(path, check_for_potcar=False)
    if not poscar.true_names:
        raise Unusable("unknown_element", "the file names no elements: write their symbols above their counts")
    return poscar.structure


def _xyz_frames(path: Path) -> list[Structure | Unusable]:
    """Return the frames of an extended XYZ file, with an ``Unusable`` in place of one that is not a crystal."""
    frames: list[Structure | Unusable] = []
    text, cut = _whole_frames(path.read_text())
    try:
        for atoms in ase.io.iread(StringIO(text), format="extxyz"):
            periodic = atoms.pbc.all() and atoms.cell.volume > 0
            fault = Unusable("degenerate_cell", 'the frame has no periodic cell: give Lattice="..." in its second line')
            frames.append(AseAtomsAdaptor.get_structure(atoms) if periodic else fault)
    except PARSER_FAULTS as error:  # the frames before a damaged one are intact
        symbol = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
        kind = "isotope" if symbol in ISOTOPES else "unreadable"
        frames.append(Unusable(kind, f"frame {len(frames) + 1}: {type(error).__name__}: {error}"))
    if not frames + cut:
        raise Unusable("no_sites", "the file holds no frame")
    return frames + cut


def _whole_frames(text: str) -> tuple[str, list[Unusable]]:
    """Return the text before the first truncated frame, and the fault of that frame.

    At the end of a file ASE would read on until the stated number of sites is reached.
    """
    lines = StringIO(text).readlines()
    place = number = 0
    while place < len(lines):
        try:
            count = int(lines[place])
        except ValueError:  # no header: ASE raises an error
            break
        number += 1
        left = max(0, len(lines) - place - 2)
        if count > left:
            fault = f"frame {number}: its first line says {count} sites, but {left} lines of sites follow"
            return "".join(lines[:place]), [Unusable("unreadable", fault)]
        place += max(0, count) + 2
        while place < len(lines) and lines[place].lstrip().startswith("VEC"):
            place += 1
    return text, []
