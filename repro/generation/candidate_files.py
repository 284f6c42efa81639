"""The files of generated crystals: a CIF each, written as they come, then a ranked table and an extended XYZ."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import ase.io
from pymatgen.io.ase import AseAtomsAdaptor

from data_prep.files.atomic import replacing, write_csv, write_text
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.structures.cif import structure_of
from data_prep.structures.validity import CROWDED
from repro.generation.candidates import COLUMNS


def rank(record: dict) -> tuple:
    """Sort key: valid compounds first, then the stoichiometry asked for, then the lowest formation energy.

    A crystal of one element stands below the compounds: its formation energy is zero by definition,
    whatever the network says. So does one whose atoms are closer than ``CROWDED``: no network has seen such.
    """
    energy = record.get(FORMATION_ENERGY)
    element, other = record.get("n_elements") == 1, not record.get("same_stoichiometry")
    crowded = record.get("closeness", 1.0) < CROWDED
    return not record["valid"], element, crowded, other, energy is None, energy or 0.0, record["id"]


class CandidateFiles:
    """A folder of candidates; CIFs of an earlier run in the same folder are removed."""

    def __init__(self, out: Path):
        self.out = out
        shutil.rmtree(out / "cifs", ignore_errors=True)

    def add(self, records: Sequence[dict]) -> None:
        """Write the CIFs of records and note each one's file."""
        for record in records:
            if record["cif"]:
                record["file"] = f"cifs/{record['id']}-{record['formula']}.cif"
                write_text(self.out / record["file"], record["cif"])

    def finish(self, ranked: Sequence[dict]) -> None:
        """Write ``candidates.csv`` and ``candidates.extxyz`` of records in their order."""
        rows = []
        for place, record in enumerate(ranked, start=1):
            row = {name: f"{value:.5g}" if isinstance(value, float) else value for name, value in record.items()}
            rows.append(row | {"rank": place})
        write_csv(self.out / "candidates.csv", rows, COLUMNS)
        atoms = [_atoms(record) for record in ranked if record["cif"]]
        if atoms:
            with replacing(self.out / "candidates.extxyz") as temporary:
                ase.io.write(temporary, atoms, format="extxyz")


def _atoms(record: dict):
    """Return the crystal for ASE, its name and predicted properties beside it."""
    atoms = AseAtomsAdaptor.get_atoms(structure_of(record["cif"], primitive=True), msonable=False)
    told = ("id", "formula", "spacegroup", *PROPERTIES)
    atoms.info = {name: record[name] for name in told if record.get(name) is not None}
    return atoms
