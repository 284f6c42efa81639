"""The crystals that the stage ``generate`` left: Tables 2 and 4, Figures 6 and 7 and novelty are made from them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from experiments.stored import CANDIDATES
from repro.generation.candidates import parse_row
from repro.training.dataset import Dataset, read_dataset

NOISE, NEIGHBOURS = "noise", "neighbours"  # of sampling around a base, as the column ``sampling`` has them
WAYS = {NOISE: "the paper's way", NEIGHBOURS: "neighbours"}  # their names in tables
REQUIRED = ("id", "target", "base", "condition", "formula", "valid", "formation_energy_per_atom", "sampling", "file")


@dataclass(frozen=True)
class Generation:
    """The candidates in their order, numbers as numbers and None for blanks, and the run's crystals.

    ``results`` is ``results/RUN``; each candidate's ``file``, its CIF, is relative to it. ``dataset`` holds the run's
    crystals, parts and condition edges.
    """

    results: Path
    rows: list[dict]
    dataset: Dataset

    @property
    def valid(self) -> list[dict]:
        """The valid samples: those with a CIF."""
        return valid_of(self.rows)

    @property
    def around(self) -> list[dict]:
        """The samples around a base compound, the paper's way."""
        return [row for row in self.rows if row["base"] and row["sampling"] != NEIGHBOURS]

    @property
    def neighbours(self) -> list[dict]:
        """The samples around crystals like a base, of elements near to its own (F46)."""
        return [row for row in self.rows if row["sampling"] == NEIGHBOURS]

    @property
    def by_way(self) -> dict[str, list[dict]]:
        """The samples around bases by their way of sampling, in the order of ``WAYS``; only ways that have any."""
        found = {NOISE: self.around, NEIGHBOURS: self.neighbours}
        return {way: rows for way, rows in found.items() if rows}

    @property
    def random(self) -> list[dict]:
        """The samples of the whole latent space."""
        return [row for row in self.rows if not row["base"]]

    @cached_property
    def train(self) -> list[Crystal]:
        """The crystals of the training part."""
        return [self.dataset.crystals[index] for index in self.dataset.indices("train")]

    @cached_property
    def bases(self) -> dict[str, Crystal]:
        """The crystals by the name that a target around them has."""
        of_crystal = {f"{crystal.formula}-{crystal.id}": crystal for crystal in self.dataset.crystals}
        return of_crystal | {f"{name}-neighbours": crystal for name, crystal in of_crystal.items()}

    @cached_property
    def by_formula(self) -> dict[str, list[Crystal]]:
        """All crystals of the run by reduced formula, the one of lowest formation energy first."""
        return by_formula(self.dataset.crystals)

    def structure(self, row: dict) -> Structure:
        """Return the structure of a candidate's CIF; raises InputError if it cannot be read."""
        return read_cif(self.results / row["file"])


def valid_of(rows: Iterable[dict]) -> list[dict]:
    """Return the valid candidates: those with a CIF."""
    return [row for row in rows if row["valid"] and row["file"]]


def by_formula(crystals: Iterable[Crystal]) -> dict[str, list[Crystal]]:
    """Return crystals by reduced formula, the one of lowest formation energy (eV/atom) first, those without last."""
    found: dict[str, list[Crystal]] = {}
    for crystal in sorted(crystals, key=lambda c: np.nan_to_num(c.formation_energy_per_atom, nan=np.inf)):
        found.setdefault(crystal.formula, []).append(crystal)
    return found


def read_cif(path: Path) -> Structure:
    """Return the structure of a CIF; raises InputError naming the file if it cannot be read."""
    try:
        return Structure.from_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): run the stage 'generate' again.") from error


def read_candidates(results: Path) -> list[dict]:
    """Return the rows of ``generate/candidates.csv`` under ``results``; ``file`` becomes relative to ``results``.

    Raises InputError, one sentence, if the table is missing, damaged or has no rows.
    """
    path = results / CANDIDATES
    try:
        with open(path, newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        rows = [parse_row(row) for row in table]
    except FileNotFoundError:
        raise InputError(f"{path} is not there: run the stage 'generate' first.") from None
    except (OSError, ValueError, TypeError, csv.Error) as error:  # a fault of UTF-8 is a ValueError
        raise InputError(f"{path} is damaged ({error}): run the stage 'generate' again.") from None
    missing = [name for name in REQUIRED if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{path} has no {'column ' + missing[0] if rows else 'rows'}: run the stage 'generate' again.")
    return [row | {"file": f"{CANDIDATES.parent}/{row['file']}" if row["file"] else ""} for row in rows]


def read_generation(results: Path, data: Path) -> Generation:
    """Read a run's candidates and crystals; raises InputError, one sentence, if a stage has not been run.

    ``results`` is ``results/RUN`` and ``data`` the folder of the stage ``data``.
    """
    return Generation(results, read_candidates(results), read_dataset(data))
