"""The sources of crystals: each returns the same records, and what it left out with reasons."""

from pathlib import Path

from data_prep import bases, embedded
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, require_some
from data_prep.source_names import BASES, EMBEDDED, MATERIALS_PROJECT, is_optimade
from data_prep.sources.cells import Cell, require_cell, to_conventional
from data_prep.sources.cif_folder import read_cif_folder
from data_prep.sources.materials_project import read_materials_project
from data_prep.sources.optimade import read_optimade
from data_prep.sources.structure_rows import (
    DATABASE_SUFFIXES,
    JSON_SUFFIXES,
    crystals_of_rows,
    read_rows,
    read_structure_table,
)
from data_prep.sources.table import SUFFIXES, read_table

ROW_SUFFIXES = (*JSON_SUFFIXES, *DATABASE_SUFFIXES)
PACKAGED = {EMBEDDED: embedded.TABLE, BASES: bases.TABLE}
DOWNLOADS = Path("data")  # in the working directory, kept between runs


def read_source(source: str, cache: Path = DOWNLOADS, cell: Cell = "primitive") -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of a source and those that cannot be used, both in the source's order.

    ``source`` is ``embedded``, ``bases``, ``materials-project`` or ``optimade[:URL]`` (both downloaded into ``cache``),
    or a path: a table (``read_structure_table``), JSON or an ASE database (``read_rows``) or a folder of CIFs
    (``read_cif_folder``). ``cell="primitive"``
    keeps the cells that tables and the Materials Project deposit (F1) and reduces others that are not primitive;
    ``cell="conventional"`` converts every cell. A crystal without a label has NaN. No selection is
    applied: ``quarantine.screen`` does that. Raises ``InputError`` for a source that does not exist, cannot
    be read, or has no usable crystal.
    """
    require_cell(cell)
    if is_optimade(source):
        crystals, rejected = read_optimade(source, Path(cache), cell)
    elif source not in (*PACKAGED, MATERIALS_PROJECT) and Path(source).is_dir():
        crystals, rejected = read_cif_folder(Path(source), cell)
    elif source not in (EMBEDDED, MATERIALS_PROJECT) and Path(source).name.lower().endswith(ROW_SUFFIXES):
        crystals, rejected = crystals_of_rows(read_rows(_existing(source)), cell, labelled=True)
    else:
        crystals, rejected = _read_deposited(source, Path(cache), cell)
        if cell == "conventional":
            crystals, unconverted = to_conventional(crystals)
            rejected = rejected + unconverted
    require_some(crystals, rejected, source)
    return crystals, rejected


def _read_deposited(source: str, cache: Path, cell: Cell) -> tuple[list[Crystal], list[Rejected]]:
    if source in PACKAGED:
        return read_embedded(PACKAGED[source])
    if source == MATERIALS_PROJECT:
        return read_materials_project(cache)
    path = _existing(source)
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(
            f"{path} is not one of {', '.join((*SUFFIXES, *ROW_SUFFIXES))}; convert it, or give a folder of CIFs"
        )
    return read_structure_table(path, cell, labelled=True)


def _existing(source: str) -> Path:
    if not Path(source).exists():
        raise InputError(
            f"the source {source!r} does not exist; "
            "give embedded, bases, materials-project, optimade:URL, a table or a folder of CIFs"
        )
    return Path(source)


def read_embedded(table: Path = embedded.TABLE) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of a table that comes with the program, in its cells (see ``read_table``).

    Raises ``InputError`` if the installation lacks the table.
    """
    return read_table(require_packaged(table))


def require_packaged(table: Path) -> Path:
    """Return a table that comes with the program; raises ``InputError`` if the installation lacks it."""
    if not table.is_file():
        raise InputError(f"{table} is missing from this installation; reinstall, or choose another source")
    return table
