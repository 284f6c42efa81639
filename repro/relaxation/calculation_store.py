"""Finished calculations, one JSON file each, found again by their structure and settings."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from data_prep.files.atomic import write_json

CONVERGED = "converged"
CRASHED = "crashed"  # an exception, as likely due to the machine as to the structure, so it is tried again
TIME_LIMIT = "time limit"  # tried again with a larger one
_DIGITS = 6  # decimals of Å and of fractional coordinates: closer structures count as the same


class Store:
    """A folder of ``records`` and, for programs that write files, of their working ``folders``.

    Each job writes its own record, whole or not at all, so that finished work survives a killed command.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def folder(self, key: str) -> Path:
        """Return the folder into which a calculation may write its files."""
        return self.root / "folders" / key

    def get(self, key: str, seconds: float = 0.0) -> dict | None:
        """Return a finished calculation, None if there is none; raises InputError if it is damaged.

        A crash does not count as finished, nor does an end at a time limit below ``seconds``.
        """
        record = self.read(key)
        if record is None or record["status"] == CRASHED:
            return None
        return None if record["status"] == TIME_LIMIT and _limit(record) < seconds else record

    def read(self, key: str) -> dict | None:
        """Return the record, also of a crash, None if there is none; raises InputError if it is damaged."""
        path = self._path(key)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict) or "status" not in record:
                raise ValueError("it has no status")
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}): remove it, and it will be calculated again.") from None
        return record

    def put(self, key: str, record: dict) -> dict:
        """Write a record and return it as it reads back; raises OSError if the disk is full."""
        write_json(self._path(key), record | {"key": key})
        return self.read(key)

    def _path(self, key: str) -> Path:
        return self.root / "records" / f"{key}.json"


def _limit(record: dict) -> float:
    """Return the time limit in s that ended a relaxation: its own field or, in older records, part of the reason."""
    return record["limit"] if "limit" in record else float(record["reason"].split(" within ")[1].split()[0])


def key_of(structure: Structure, method: dict[str, Any]) -> str:
    """Return the name of a calculation: its formula, and a hash of cell (Å), species, sites and ``method``."""
    sites = structure_record(structure)
    rounded = {
        "lattice": (np.round(sites["lattice"], _DIGITS) + 0.0).tolist(),  # + 0.0: no minus zero
        "species": sites["species"],
        "fractional": (np.round(sites["fractional"], _DIGITS) + 0.0).tolist(),
    }
    text = json.dumps([rounded, method], sort_keys=True)
    return f"{structure.composition.reduced_formula}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def structure_record(structure: Structure) -> dict:
    """Return a structure as plain data: ``lattice`` (3, 3) in Å, ``species``, ``fractional`` (n, 3)."""
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "species": [site.specie.symbol for site in structure],
        "fractional": structure.frac_coords.tolist(),
    }


def structure_from(record: dict) -> Structure:
    """Return the structure of a ``structure_record``."""
    return Structure(Lattice(record["lattice"]), record["species"], record["fractional"])
