"""A user's structures without labels: files of every kind, archives and folders of them, each file accounted for."""

import logging
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError, NoStructure
from data_prep.quarantine import Rejected, Unusable, refuse_bad_geometry, refuse_species
from data_prep.sources.frame_readers import frame_reader
from data_prep.sources.frames import LARGEST_FILE, PARSER_FAULTS, Frame, unreadable, visible_files
from data_prep.sources.json_rows import row_id
from data_prep.sources.listed_files import listed_files
from data_prep.sources.own_ids import Found, Part, with_own_ids
from data_prep.sources.structure_rows import (
    DATABASE_SUFFIXES,
    JSON_SUFFIXES,
    crystals_of_rows,
    read_rows,
    read_structure_table,
)
from data_prep.sources.table import SUFFIXES
from data_prep.workers import on_all_cores

FORMATS = (
    "CIF (.cif, .mcif), POSCAR (POSCAR*, *_POSCAR, CONTCAR*, .vasp), extended XYZ (.xyz, .extxyz), a table (.csv, "
    ".tsv, .parquet), JSON (.json), an ASE database (.db), any of the text files as .gz, or a .zip of them"
)

logger = logging.getLogger(__name__)


def read_structures(paths: Path | Sequence[Path]) -> Found:
    """Return the crystals of files, zip archives and folders (with their subfolders), and those that cannot be read.

    Ids are file names, with the path inside a folder or archive; several frames or blocks of a file are numbered from
    1, unless the frames have ids of their own. A table in a folder that lists files by id, as ``generate`` and
    ``relax`` write it, gives its ids to the files. Ids that structures would share get their paths before them, and
    numbers after them if that is not enough (``with_own_ids``). Cells are kept. Every file of a folder is read or
    rejected, except hidden ones. Raises InputError if a path is missing, a file is of no known format, or a folder
    has none of a known one.
    """
    given = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for path in given:
        if not path.exists():
            raise InputError(f"{path} does not exist; give a file or a folder of {FORMATS}.")
        if path.is_file() and not _is_known(path):
            raise InputError(f"{path} is of no known format; give {FORMATS}.")
    parts: list[Part] = []
    for path in given:
        found, refused = _read_folder(path) if path.is_dir() else _read_file((path, path.name))
        if path.is_dir() and not found and {item.reason for item in refused} <= {"unknown_format"}:
            raise InputError(f"{path} has no structure file; give {FORMATS}.")
        parts.append(Part((found, refused), str(path), "" if path.is_dir() else path.name))
    return with_own_ids(parts)


def require_whole(paths: Sequence[Path], rejected: Sequence[Rejected]) -> None:
    """Raise InputError if frames or blocks of a file among ``paths`` were left out, as a command's last act.

    What was read counts. A file that lies in a folder or an archive, and a row of a table, may be left out.
    """
    for path in paths:
        own = (f"{path.name}#", f"{path}#")
        of_file = [one for one in rejected if len(paths) == 1 or f"{one.id}#".startswith(own)]
        if path.is_file() and frame_reader(path) and of_file:
            raise InputError(f"{path} was not read as a whole, see above (left out: {len(of_file)}); the rest is done.")


def named(paths: Sequence[Path]) -> str:
    """Return paths in words for a sentence about all of them."""
    return ", ".join(str(path) for path in paths)


def _read_folder(folder: Path, nested: bool = False) -> Found:
    files = visible_files(folder)
    listed = listed_files(files)
    places = {path: path.relative_to(folder).as_posix() for path in files if path not in listed.skipped}
    jobs = {path: listed.ids.get(path, place) for path, place in places.items()}
    single = [job for job in jobs.items() if frame_reader(job[0])]  # others share out their own rows and files
    read = dict(zip(dict(single), on_all_cores(_read_file, single, "files"), strict=True))
    parts, kept = [], set()
    for path, id in jobs.items():
        found = read[path] if path in read else _read_file((path, id), nested)
        keeps = path in listed.ids and id not in kept  # a candidate, not what was relaxed of it
        if keeps:
            kept.add(id)
        parts.append(Part(found, places[path], id, keeps))
    crystals, rejected = with_own_ids(parts)
    return crystals, [*listed.missing, *rejected]


def _is_known(path: Path) -> bool:
    name = path.name.lower()
    return frame_reader(path) is not None or name.endswith((*SUFFIXES, *JSON_SUFFIXES, *DATABASE_SUFFIXES, ".zip"))


def _read_file(job: tuple[Path, str], nested: bool = False) -> Found:
    """Read one file under its id; whatever is wrong with it becomes a rejected one."""
    path, id = job
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            if nested:
                raise Unusable("unknown_format", "it is an archive in an archive")
            return _read_archive(path, id)
        if name.endswith(SUFFIXES):
            return _checked_rows(*read_structure_table(path, None, labelled=False))
        if name.endswith((*JSON_SUFFIXES, *DATABASE_SUFFIXES)):
            return _read_rows(path, id)
        reader = frame_reader(path)
        if reader is None:
            return [], [Rejected(id, "unknown_format", "no structure file by its name")]
        return _crystals(reader(path), id)
    except Unusable as fault:
        return [], [fault.of(id)]
    except NoStructure as error:
        return [], [Rejected(id, "unknown_format", str(error))]
    except InputError as error:
        return [], [Rejected(id, "unreadable", str(error))]
    except MemoryError:
        return [], [Rejected(id, "too_large", "there is not enough memory to read it")]
    except PARSER_FAULTS as error:
        return [], [unreadable(error).of(id)]


def _read_archive(path: Path, id: str) -> Found:
    """Read a zip archive as the folder that it unpacks to; a damaged, locked or huge one is rejected."""
    try:
        with zipfile.ZipFile(path) as archive, TemporaryDirectory() as folder:
            size = sum(item.file_size for item in archive.infolist())
            if size > LARGEST_FILE:
                raise Unusable(
                    "too_large", f"it unpacks to {size // 2**20} MiB, at most {LARGEST_FILE // 2**20} are read"
                )
            archive.extractall(folder)
            crystals, rejected = _read_folder(Path(folder), nested=True)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise Unusable("unreadable", f"the archive cannot be unpacked: {error}") from error
    return (
        [replace(crystal, id=f"{id}/{crystal.id}") for crystal in crystals],
        [replace(item, id=f"{id}/{item.id}") for item in rejected],
    )


def _checked_rows(found: Sequence[Crystal], rejected: list[Rejected]) -> Found:
    crystals = []
    for crystal in found:
        try:
            refuse_bad_geometry(crystal)
            crystals.append(crystal)
        except Unusable as fault:
            rejected.append(fault.of(crystal.id))
    return crystals, rejected


def _read_rows(path: Path, id: str) -> Found:
    """Read JSON or a database; the one structure of a file without an id in it has the file's."""
    rows = read_rows(path)
    if len(rows) == 1 and not row_id(rows[0]):
        rows = [{**rows[0], "id": id}]
    return crystals_of_rows(rows, None, labelled=False)


def _crystals(frames: Sequence[Frame | Unusable], file: str) -> Found:
    """Return the crystals of a file's frames under their own ids; those without one, or with one id, are numbered."""
    crystals, rejected = [], []
    uses = Counter(frame.name for frame in frames if isinstance(frame, Frame) and frame.name)
    for number, frame in enumerate(frames, start=1):
        id = file if len(frames) == 1 else f"{file}#{number}"
        if isinstance(frame, Frame) and uses[frame.name] == 1:
            id = frame.name
        try:
            crystals.append(_checked(frame, id))
        except Unusable as fault:
            rejected.append(fault.of(id))
    return crystals, rejected


def _checked(frame: Frame | Unusable, id: str) -> Crystal:
    if isinstance(frame, Unusable):
        raise frame
    if not len(frame.structure):
        raise Unusable("no_sites", "the cell is empty")
    refuse_species(frame.structure)
    crystal = crystal_from_structure(frame.structure, id)
    refuse_bad_geometry(crystal)
    for note in frame.notes:
        logger.warning("%s: %s", id, note)
    return crystal
