"""The crystals that come with the program, so that it runs without a download."""

from pathlib import Path

from data_prep.crystal import Crystal
from data_prep.embedded import TABLE
from data_prep.errors import InputError
from data_prep.quarantine import Rejected
from data_prep.sources.table import read_table


def read_embedded(table: Path = TABLE) -> tuple[list[Crystal], list[Rejected]]:
    """Return the embedded crystals in the cells of their table (see ``read_table``).

    Raises ``InputError`` when the installation lacks the table.
    """
    if not table.is_file():
        raise InputError(f"{table} is missing from this installation; reinstall, or choose another source")
    return read_table(table)
