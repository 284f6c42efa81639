"""The files of generated crystals: a CIF each, written as they come, then a ranked table and an extended XYZ."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_csv, write_text
from data_prep.property_labels import PROPERTIES
from repro.generation.candidates import COLUMNS, Candidate
from repro.locks import LOCK
from repro.stages import PARTS

if TYPE_CHECKING:
    from ase import Atoms

TABLE = "candidates.csv"
CIFS = "cifs"


def refuse_others(out: Path) -> None:
    """Raise InputError if ``out`` has folders of a user's own where an earlier command's would be removed."""
    ours = (out / TABLE).exists() or (out / PARTS / LOCK).exists()
    for folder in (out / CIFS, out / PARTS):
        if folder.exists() and not ours:
            raise InputError(f"{folder} is there and would be replaced: give another folder with --out.")


class CandidateFiles:
    """A folder of candidates; CIFs of an earlier run in the same folder are removed."""

    def __init__(self, out: Path):
        self.out = out
        shutil.rmtree(out / CIFS, ignore_errors=True)

    def add(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Write the CIFs of candidates and return them with their files' names."""
        named = []
        for candidate in candidates:
            if candidate.cif:
                candidate = replace(candidate, file=f"{CIFS}/{candidate.id}-{candidate.formula}.cif")
                write_text(self.out / candidate.file, candidate.cif)
            named.append(candidate)
        return named

    def finish(self, candidates: Sequence[Candidate]) -> None:
        """Write ``candidates.csv`` and ``candidates.extxyz``, the best candidate first."""
        ranked = sorted(candidates, key=lambda candidate: candidate.rank)
        rows = [candidate.to_row() | {"rank": place} for place, candidate in enumerate(ranked, start=1)]
        write_csv(self.out / TABLE, rows, COLUMNS, digits=5)  # angles to 0.01 degrees
        atoms = [_atoms(candidate) for candidate in ranked if candidate.cell]
        if atoms:
            import ase.io  # takes as long as ten candidates

            with replacing(self.out / "candidates.extxyz") as temporary:
                ase.io.write(temporary, atoms, format="extxyz")


def _atoms(candidate: Candidate) -> "Atoms":
    """Return the candidate's primitive cell for ASE, its name and predicted properties beside it."""
    from ase import Atoms

    cell, row = candidate.cell, candidate.to_row()
    named = {name: row[name] for name in ("id", "formula", "spacegroup", *PROPERTIES) if row[name] is not None}
    return Atoms(cell["numbers"], cell=cell["lattice"], scaled_positions=cell["fractional"], pbc=True, info=named)
