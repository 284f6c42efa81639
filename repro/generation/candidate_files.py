"""The files of generated crystals: a CIF each, written as they come, then a ranked table and an extended XYZ."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import ase.io
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from data_prep.files.atomic import replacing, write_csv, write_text
from data_prep.property_labels import PROPERTIES
from data_prep.structures.cif import structure_of
from data_prep.workers import on_all_cores
from repro.generation.candidates import COLUMNS, Candidate

TABLE = "candidates.csv"


class CandidateFiles:
    """A folder of candidates; CIFs of an earlier run in the same folder are removed."""

    def __init__(self, out: Path):
        self.out = out
        shutil.rmtree(out / "cifs", ignore_errors=True)

    def add(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Write the CIFs of candidates and return them with their files' names."""
        named = []
        for candidate in candidates:
            if candidate.cif:
                candidate = replace(candidate, file=f"cifs/{candidate.id}-{candidate.formula}.cif")
                write_text(self.out / candidate.file, candidate.cif)
            named.append(candidate)
        return named

    def finish(self, candidates: Sequence[Candidate]) -> None:
        """Write ``candidates.csv`` and ``candidates.extxyz``, the best candidate first."""
        ranked = sorted(candidates, key=lambda candidate: candidate.rank)
        rows = []
        for place, candidate in enumerate(ranked, start=1):
            row = {n: f"{v:.5g}" if isinstance(v, float) else v for n, v in candidate.to_row().items()}
            rows.append(row | {"rank": place})
        write_csv(self.out / TABLE, rows, COLUMNS)
        crystals = [candidate for candidate in ranked if candidate.cif]
        cells = on_all_cores(partial(structure_of, primitive=True), [one.cif for one in crystals], "primitive cells")
        atoms = [_atoms(candidate, cell) for candidate, cell in zip(crystals, cells, strict=True)]
        if atoms:
            with replacing(self.out / "candidates.extxyz") as temporary:
                ase.io.write(temporary, atoms, format="extxyz")


def _atoms(candidate: Candidate, cell: Structure) -> Atoms:
    """Return the primitive ``cell`` for ASE, the candidate's name and predicted properties beside it."""
    atoms = AseAtomsAdaptor.get_atoms(cell, msonable=False)
    row = candidate.to_row()
    atoms.info = {name: row[name] for name in ("id", "formula", "spacegroup", *PROPERTIES) if row[name] is not None}
    return atoms
