"""Relaxations by ASE's effective medium theory in place of a potential: quick, of Al, Ni, Cu, Pd, Ag, Pt and Au."""

from dataclasses import dataclass, replace
from pathlib import Path

from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from repro.relaxation.calculation_store import Store, structure_from, structure_record
from repro.relaxation.surrogate import Surrogate, relax

FAST, ROUGH = Surrogate(seconds=1000), Surrogate(seconds=1000, force=0.015)


def fcc(symbol: str, a: float) -> Structure:
    """Return the primitive cell of a face-centred cubic element, a in Å."""
    return Structure.from_spacegroup(225, Lattice.cubic(a), [symbol], [[0, 0, 0]]).get_primitive_structure()


def b2(one: str, other: str, a: float) -> Structure:
    """Return the cell of caesium chloride, a in Å."""
    return Structure(Lattice.cubic(a), [one, other], [[0, 0, 0], [0.5, 0.5, 0.5]])


@dataclass(frozen=True)
class Emt:
    """The method, in the form of ``surrogate.Surrogate``."""

    seconds: float = ROUGH.seconds
    title = "EMT"

    def method(self, elements=()) -> dict:
        if unknown := set(elements) - {"Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"}:
            raise InputError(f"EMT has no {unknown.pop()}.")
        return {"name": "EMT"}

    key = method

    def job(self, structure: Structure, relax_cell: bool) -> tuple:
        return emt_job, (structure_record(structure), relax_cell, self.seconds)


def emt_job(start: dict, relax_cell: bool, seconds: float, key: str, root: str) -> dict:
    """Relax one structure and store its record: one job of a pool."""
    record = relax(structure_from(start), EMT(), replace(ROUGH, seconds=seconds), relax_cell)
    return Store(Path(root)).put(key, record | {"method": {"name": "EMT"}, "limit": seconds, "start": start})
