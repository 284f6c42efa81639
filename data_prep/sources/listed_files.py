"""Tables that list the structure files beside them by id, as ``generate``, ``reconstruct`` and ``relax`` write them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from data_prep.quarantine import Rejected, Unusable
from data_prep.sources.frames import read_text

FILE_COLUMNS = ("file", "relaxed")  # of the path of a structure, from the table's folder


@dataclass
class ListedFiles:
    """The ids of files that tables list; the tables themselves and copies of what they list; what is not there."""

    ids: dict[Path, str] = field(default_factory=dict)
    skipped: set[Path] = field(default_factory=set)
    missing: list[Rejected] = field(default_factory=list)


def listed_files(files: Sequence[Path]) -> ListedFiles:
    """Return what the CSV tables among ``files`` list: those with a column ``id`` and one of ``FILE_COLUMNS``.

    ``candidates.extxyz`` beside ``candidates.csv`` holds the same structures as the listed CIFs, and so does every
    extended XYZ with the name of such a table: it is skipped.
    """
    found, there = ListedFiles(), set(files)
    for table in (path for path in files if path.suffix.lower() == ".csv"):
        pairs = listed_in(table)
        listed = {table.parent / file: (id, file) for id, file in pairs}
        if not listed.keys() & there:
            continue
        found.ids |= {path: id for path, (id, _) in listed.items() if path in there}
        found.skipped |= {table, table.with_suffix(".extxyz")}
        found.missing += [
            Rejected(id, "missing_file", f"{table.name} lists {file}, which is not among the files read with it")
            for path, (id, file) in listed.items()
            if path not in there
        ]
    return found


def listed_in(table: Path, columns: Sequence[str] = FILE_COLUMNS) -> list[tuple[str, str]]:
    """Return ids and files of a CSV table, the files of the first of ``columns`` that it has; none if it has none."""
    try:
        rows = csv.DictReader(StringIO(read_text(table)))
        column = next((name for name in columns if name in (rows.fieldnames or ())), None)
        if column is None or "id" not in rows.fieldnames:
            return []
        return [(row["id"], row[column]) for row in rows if row["id"] and row[column]]
    except (Unusable, csv.Error):
        return []
