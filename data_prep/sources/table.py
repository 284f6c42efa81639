"""Crystals from a table with one row per crystal: CSV, gzipped CSV or Parquet."""

import warnings
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from io import StringIO
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Composition, Element

from data_prep.crystal import Crystal, wrap
from data_prep.errors import InputError, NoStructure
from data_prep.quarantine import ISOTOPES, Rejected, Unusable
from data_prep.sources.frames import read_text

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
SEPARATORS = (",", ";", "\t")
ID_COLUMNS = ("mp_id", "material_id", "id")
CELL_COLUMNS = ("a", "b", "c", "alpha", "beta", "gamma")
LABEL = "formation_energy_per_atom"
PROPERTY_COLUMNS = (
    "spacegroup",  # international number
    "band_gap",  # eV
    "K_VRH",  # GPa, as the source has it: unphysical values included
    "G_VRH",  # GPa
    "poisson_from_KG",
    "refractive_index",
    "poly_electronic",
    "poly_total",
    "energy_per_atom",  # eV/atom
    "energy_per_atom_derived",  # eV/atom
    "e_above_hull",  # eV/atom
    "e_above_hull_2018",  # eV/atom
    "bulk_modulus_eos",  # GPa
    "in_mp_july2019",  # 1 or 0
    "in_icsg3d_ids_2020_04",
    "in_icsg3d_ids_2020_09",
)
# Those that no network learns and no hull needs: a text there, such as a space group's symbol, costs no row.
NO_LABELS = ("spacegroup", "poly_total", "in_mp_july2019", "in_icsg3d_ids_2020_04", "in_icsg3d_ids_2020_09")
# Energies with the Materials Project's later corrections differ by up to 0.3 eV/atom from the rest.
OTHER_GENERATION = "mp_2021_corrections"
ATOMIC_NUMBERS = {element.symbol: element.Z for element in Element}


def read_table(path: Path, labelled: bool = True) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of a table in their deposited cells, and the rows that cannot be read.

    Columns: an id (``mp_id``, ``material_id`` or ``id``), ``a b c`` in Å, ``alpha beta gamma`` in
    degrees, ``species`` (symbols, space-separated), ``frac`` (x y z per site, flat),
    ``formation_energy_per_atom`` in eV/atom (blank: no label, NaN); if present also ``formula``
    (checked against the species), ``ef_source`` and ``PROPERTY_COLUMNS`` (blank: no such property).
    Cells are never changed: a cell that is not primitive stays as deposited (F1).

    Rejected: no_id, unreadable, unknown_element, isotope, composition_mismatch and
    other_label_generation (by ``ef_source`` the label has later energy corrections, F32). With
    ``labelled=False`` the columns of labels and properties may be missing or hold anything, and the last reason does
    not apply.
    Raises ``InputError`` for a file that is empty, unreadable or lacks a column.
    """
    return table_crystals(read_frame(path), path, labelled)


def table_crystals(frame: "pd.DataFrame", path: Path, labelled: bool) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals of the table ``frame`` that was read from ``path``, as ``read_table`` does."""
    cell = (*CELL_COLUMNS, "species", "frac")
    if not set(cell) & set(frame.columns):
        raise NoStructure(f"{path} lacks the columns {', '.join(cell)}; add what is missing")
    id_column = _id_column(frame, path)
    require_columns(frame, (*cell, *([LABEL] if labelled else [])), path)
    crystals: list[Crystal] = []
    rejected: list[Rejected] = []
    for number, row in enumerate(_rows(frame, id_column), start=1):
        id = ""
        try:
            id = _text(row[id_column])
            if not id:
                raise Unusable("no_id", f"{path.name}: data row {number} has no {id_column}")
            crystals.append(_crystal(id, row, labelled))
        except Unusable as fault:
            rejected.append(fault.of(id or f"row {number}"))
    return crystals, rejected


def read_frame(path: Path) -> "pd.DataFrame":
    """Return a table; the cells of a CSV file are plain text, because ``NaN`` is also sodium nitride.

    A CSV is separated by commas, semicolons or tabs: what its first line has most of. Raises ``InputError`` if the
    file is empty, damaged or has no rows.
    """
    import pandas as pd  # half a second: other files need none

    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a table with one row per crystal")
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(read_text(path), path)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty; give a table with one row per crystal") from None
    except InputError:
        raise
    except (pd.errors.ParserError, OSError, ValueError, Unusable) as error:
        problem = error.detail if isinstance(error, Unusable) else " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a table ({problem}); is it complete?") from error
    if frame.empty:
        raise InputError(f"{path} has a header but no rows; give a table with one row per crystal")
    return frame


def _read_csv(text: str, path: Path) -> "pd.DataFrame":
    """Return the table of a text; blank cells beyond its header, as of commas at the ends of lines, are left out."""
    import pandas as pd

    separator = max(SEPARATORS, key=text.partition("\n")[0].count)
    options = {"sep": separator, "dtype": str, "keep_default_na": False}
    frame = pd.read_csv(StringIO(text), **options)
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    # pandas takes the first cells of rows that are longer than the header for an index.
    beyond = [f"beyond the header {place}" for place in range(frame.index.nlevels)]
    whole = pd.read_csv(StringIO(text), names=[*frame.columns, *beyond], header=0, **options)
    if whole[beyond].fillna("").ne("").any(axis=None):
        raise InputError(f"{path} has rows with more cells than its header has names; name every column")
    return whole.drop(columns=beyond)


def require_columns(frame: "pd.DataFrame", columns: Iterable[str], path: Path) -> None:
    """Raise ``InputError`` naming the columns that ``path`` lacks."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise InputError(f"{path} lacks the column{plural} {', '.join(missing)}; add what is missing")


def number(row: dict[str, Any], column: str) -> float:
    """Return a cell as a float: NaN for a blank, 1 and 0 for True and False.

    Raises ``Unusable`` for anything else that is not a number.
    """
    import pandas as pd

    value = row[column]
    if isinstance(value, str):
        text = value.strip()
        value = {"": np.nan, "True": 1.0, "False": 0.0}.get(text, text)
    try:
        return np.nan if value is None or value is pd.NA else float(value)
    except (ValueError, TypeError):  # TypeError: a list in a Parquet cell
        raise Unusable("unreadable", f"{column} is {value!r}, not a number") from None


def properties(row: dict[str, Any], labelled: bool = True) -> dict[str, float]:
    """Return the values of a row in ``PROPERTY_COLUMNS``, without blanks.

    What is no number is left out of ``NO_LABELS``, and of all without being asked for labels; else raises ``Unusable``.
    """
    optional = NO_LABELS if labelled else PROPERTY_COLUMNS
    values = {column: _or_nan(row, column, column not in optional) for column in PROPERTY_COLUMNS if column in row}
    return {column: value for column, value in values.items() if not np.isnan(value)}


def _or_nan(row: dict[str, Any], column: str, needed: bool) -> float:
    """Return a cell as ``number`` does, but NaN for anything else that is not a number unless it is ``needed``."""
    try:
        return number(row, column)
    except Unusable:
        if needed:
            raise
        return np.nan


def _id_column(frame: "pd.DataFrame", path: Path) -> str:
    for column in ID_COLUMNS:
        if column in frame.columns:
            return column
    raise InputError(f"{path} lacks an id column; add one named {', '.join(ID_COLUMNS[:2])} or {ID_COLUMNS[2]}")


def _rows(frame: "pd.DataFrame", id_column: str) -> Iterable[dict[str, Any]]:
    used = [id_column, *CELL_COLUMNS, "species", "frac", LABEL, "formula", "ef_source", *PROPERTY_COLUMNS]
    names = [column for column in used if column in frame.columns]
    columns = [frame[column].tolist() for column in names]
    return (dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True))


def _crystal(id: str, row: dict[str, Any], labelled: bool) -> Crystal:
    source = _text(row.get("ef_source"))
    if labelled and source == OTHER_GENERATION:
        raise Unusable("other_label_generation", f"ef_source is {source}: do not mix with the others")
    symbols = _text(row["species"]).split()
    numbers = _atomic_numbers(symbols)
    fractional = _coordinates(row["frac"], len(numbers))
    formula = _formula(symbols)
    _refuse_formula(_text(row.get("formula")), formula)
    cell = np.array([number(row, column) for column in CELL_COLUMNS])
    return Crystal(
        id=id,
        formula=formula,
        lengths=cell[:3],
        angles=cell[3:],
        numbers=np.array(numbers, dtype=np.int64),
        fractional=fractional,
        formation_energy_per_atom=np.nan if source in ("none", OTHER_GENERATION) else _label(row, labelled),
        properties=properties(row, labelled),
    )


def _label(row: dict[str, Any], labelled: bool) -> float:
    """Return the label of a row; without being asked for labels, NaN in place of one that is no number."""
    return _or_nan(row, LABEL, labelled) if LABEL in row else np.nan


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, dict, np.ndarray)):
        raise Unusable("unreadable", f"a cell holds the list {value!r} in place of text".replace("\n", " "))
    import pandas as pd

    # A CSV line that is too short, or a null in Parquet, gives None or NaN instead of text.
    return "" if value is None or value is pd.NA or value != value else str(value)


def _atomic_numbers(symbols: list[str]) -> list[int]:
    if not symbols:
        raise Unusable("unreadable", "species is blank")
    for symbol in symbols:
        if symbol in ISOTOPES:
            raise Unusable("isotope", f"the isotope {symbol} is named")
        if symbol not in ATOMIC_NUMBERS:
            raise Unusable("unknown_element", f"{symbol} is not an element")
    return [ATOMIC_NUMBERS[symbol] for symbol in symbols]


def _coordinates(value: Any, n_sites: int) -> np.ndarray:
    try:
        flat = np.array(value.split() if isinstance(value, str) else value, dtype=np.float64)
    except (ValueError, TypeError):
        raise Unusable("unreadable", "frac holds something that is not a number") from None
    if flat.size != 3 * n_sites:
        raise Unusable("unreadable", f"frac has {flat.size} numbers for {n_sites} species, not {3 * n_sites}")
    with np.errstate(invalid="ignore"):  # infinities become NaN, which ``screen`` rejects
        return wrap(flat.reshape(n_sites, 3))


def _formula(symbols: list[str]) -> str:
    counts = Counter(symbols)
    divisor = gcd(*counts.values())
    return _reduced_formula(tuple(sorted((symbol, count // divisor) for symbol, count in counts.items())))


@lru_cache(maxsize=100_000)
def _reduced_formula(counts: tuple[tuple[str, int], ...]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have no electronegativity to sort by
        return Composition(dict(counts)).reduced_formula


def _refuse_formula(stated: str, found: str) -> None:
    if stated in ("", found):
        return
    try:
        agree = Composition(stated).reduced_formula == found
    except ValueError:
        agree = False
    if not agree:
        raise Unusable("composition_mismatch", f"the formula says {stated}, the sites say {found}")
