"""The rows in what a JSON file holds: documents, lists and dictionaries of them, tables of pandas, bare structures."""

from collections.abc import Iterable
from typing import Any

STRUCTURE_COLUMNS = ("structure", "cif", "poscar", "contcar", "final_structure", "cif_string")
ID_FIELDS = ("mp_id", "material_id", "id", "entry_id", "task_id", "jid", "mbid")
LISTS = ("data", "response", "documents", "docs", "structures", "entries")  # names of the list in answers of a service

Row = dict[str, Any]


def structure_column(names: Any) -> str | None:
    """Return the name of the column that holds structures, whatever its case; None if there is none."""
    plain = {str(name).strip().lower(): name for name in names}
    return next((plain[name] for name in STRUCTURE_COLUMNS if name in plain), None)


def row_id(row: Row) -> str:
    """Return the id of a row, empty if it has none."""
    found = next((row[name] for name in ID_FIELDS if row.get(name) not in (None, "")), "")
    return str(found).strip()


def with_structure(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that have a place for a structure."""
    return [row for row in rows if structure_column(row) is not None]


def json_rows(found: Any) -> list[Row]:
    """Return the rows of what a JSON file holds, each with an id if it has one.

    An entry without a structure beside others that have one gives a row without one, so that it can be named.
    """
    if isinstance(found, list):
        return [row for one in found for row in _entry(one)]
    if not isinstance(found, dict):
        return []
    if {"lattice", "sites"} <= found.keys():
        return [{**found, "structure": found}]
    if {"columns", "data"} <= found.keys():  # pandas, orient="split"
        index = found.get("index", range(1, len(found["data"]) + 1))
        pairs = zip(index, found["data"], strict=True)
        return [{"id": id} | dict(zip(found["columns"], values, strict=True)) for id, values in pairs]
    if (name := structure_column(found)) is not None:
        if isinstance(found[name], dict) and not {"lattice", "sites"} <= found[name].keys():  # orient="columns"
            columns = {key: column for key, column in found.items() if isinstance(column, dict)}
            return [{"id": id} | {key: column.get(id) for key, column in columns.items()} for id in found[name]]
        return [found]
    return _nested(found)


def _entry(one: Any) -> list[Row]:
    """Return the rows of an entry of a list, one without a structure if it has none."""
    rows = json_rows(one)
    return rows if with_structure(rows) else [one if isinstance(one, dict) else {}]


def _nested(found: Row) -> list[Row]:
    """Return the rows in the values of a dictionary: a service's answer, a document with an id, or documents by id."""
    listed = [name for name in LISTS if isinstance(found.get(name), list)]
    inner = {name: json_rows(one) for name, one in found.items() if isinstance(one, dict) or name in listed}
    answer = next((inner[name] for name in listed if with_structure(inner[name])), [])
    if answer and (not row_id(found) or all(map(row_id, answer))):
        return answer
    return _document(found, inner) if row_id(found) else _by_id(found, inner)


def _document(found: Row, inner: dict[str, list[Row]]) -> list[Row]:
    """Return a document with an id as the row of the structure in it, or itself if it has none.

    Several structures have the names of their places after the document's id.
    """
    placed = [(name, row | found) for name, rows in inner.items() for row in with_structure(rows)]
    rows = [{name: value for name, value in row.items() if name not in ID_FIELDS} for _, row in placed]
    ids = [row_id(found)] if len(placed) == 1 else [f"{row_id(found)}/{name}" for name, _ in placed]
    return [{"id": id} | row for id, row in zip(ids, rows, strict=True)] or [found]


def _by_id(found: Row, inner: dict[str, list[Row]]) -> list[Row]:
    """Return the rows of documents by their ids; where all values are documents, also of those without a structure."""
    only_documents = all(isinstance(one, dict) for one in found.values())
    rows: list[Row] = []
    for id, one in found.items():
        if isinstance(one, dict):
            without = [one] if only_documents or row_id(one) else []
            rows += [{"id": id} | row for row in (inner[id] if with_structure(inner[id]) else without)]
    return rows
