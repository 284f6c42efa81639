"""Known crystals through the same machinery as generated ones, beside the literature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from experiments.tables import markdown, shown, write_data
from repro.relaxation.calculation_store import CONVERGED, structure_from
from repro.relaxation.calculator import Calculator, plain_formation_energy
from repro.run import Run

CELL, ENERGY = 2.0, 0.1  # %, eV/atom: what agreement is asked for
HEADER = (
    "crystal", "a (Å)", "experiment", "off (%)", "Ef (eV/atom)", "PBE elsewhere", "off", "experiment", "GPa left",
    "minutes", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A cubic crystal and its literature: ``a`` in Å at room temperature, formation energies in eV/atom.

    ``pbe`` is the Materials Project's without its corrections of 2011 (the energy of Cl2, oxides), so that it is
    compared with energies without them; experiments are standard enthalpies, which plain PBE misses if a molecule is
    the reference.
    """

    formula: str
    spacegroup: int
    sites: tuple
    a: float
    pbe: float
    experiment: float

    def structure(self) -> Structure:
        """Return its primitive cell, 3 % too small, so that there is something to relax."""
        species = [symbol for symbol, _ in self.sites]
        places = [place for _, place in self.sites]
        whole = Structure.from_spacegroup(self.spacegroup, Lattice.cubic(0.97 * self.a), species, places)
        return whole.get_primitive_structure()

    def lattice_constant(self, primitive: Structure) -> float:
        """Return the conventional lattice constant in Å of a relaxed primitive cell."""
        cells = 1 if self.spacegroup == 221 else 4
        return (cells * primitive.volume) ** (1 / 3)


_ROCKSALT, _CSCL = ((0, 0, 0), (0.5, 0.5, 0.5)), ((0, 0, 0), (0.5, 0.5, 0.5))
KNOWN = {
    known.formula: known
    for known in (
        Known("NaCl", 225, tuple(zip(("Na", "Cl"), _ROCKSALT, strict=True)), 5.640, -1.808, -2.13),
        Known("MgO", 225, tuple(zip(("Mg", "O"), _ROCKSALT, strict=True)), 4.212, -2.714, -3.12),
        Known("NiAl", 221, tuple(zip(("Ni", "Al"), _CSCL, strict=True)), 2.887, -0.659, -0.65),
        Known("AlAs", 216, (("Al", (0, 0, 0)), ("As", (0.25, 0.25, 0.25))), 5.661, -0.484, -0.61),
    )
}
ASKED = ("NaCl", "MgO", "NiAl")


def from_run(_: Run, calculator: Calculator, crystals: Sequence[str] | None = None) -> dict:
    """Relax the known ``crystals`` (default: NaCl, MgO, NiAl), whatever the run, and compare them with the literature.

    Raises InputError naming a formula that is not known here.
    """
    for formula in crystals or ():
        if formula not in KNOWN:
            raise InputError(f"--crystals {formula} is not known here: choose from {', '.join(KNOWN)}.")
    return compute(crystals or ASKED, calculator)


def compute(formulas: Sequence[str], calculator: Calculator) -> dict:
    """Relax known crystals and return the ``method`` and, as ``crystals``, what was found beside the literature's.

    Lengths in Å, energies in eV/atom; ``agrees`` says whether both are as close as is asked for.
    """
    structures = {formula: KNOWN[formula].structure() for formula in formulas}
    records, elements = calculator.with_elements(structures)
    found = []
    for formula, structure in structures.items():
        known, record = KNOWN[formula], records[formula]
        energy, reason = plain_formation_energy(record, structure, elements)
        row = {"formula": formula, "status": record["status"], "reason": reason, "formation_energy": energy}
        row |= {"experiment_a": known.a, "pbe": known.pbe, "experiment": known.experiment}
        row |= {"pressure": record.get("pressure"), "key": record.get("key")}
        parts = [elements[element.symbol] for element in structure.composition.elements]
        row["seconds"] = sum(one.get("seconds", 0) for one in (record, *parts))
        if record["status"] == CONVERGED:
            row["a"] = known.lattice_constant(structure_from(record["final"]))
            row["off_percent"] = 100 * (row["a"] / known.a - 1)
        if energy is not None:
            row["off_energy"] = energy - known.pbe
            row["agrees"] = abs(row["off_percent"]) <= CELL and abs(row["off_energy"]) <= ENERGY
        found.append(row)
    return {"method": _method([*records.values(), *elements.values()], calculator), "crystals": found}


def _method(records: Sequence[dict], calculator: Calculator) -> dict:
    """Return how the records were made, with the pseudopotentials of all of them."""
    methods = [record["method"] for record in records if "method" in record] or [calculator.method.method()]
    used: dict[str, dict] = {}
    for method in methods:
        used |= method.get("pseudopotentials", {})
    return methods[0] | ({"pseudopotentials": dict(sorted(used.items()))} if used else {})


def cells(rows: Sequence[dict]) -> list[list[str]]:
    """Return the rows as text under ``HEADER``."""
    found = []
    for row in rows:
        verdict = {True: "agrees", False: "DIFFERS"}.get(row.get("agrees"), f"{row['status']}: {row['reason']}")
        numbers = (shown(row.get(name), digits) for name, digits in _DIGITS.items())
        found.append([row["formula"], *numbers, shown(row["seconds"] / 60, 1), verdict])
    return found


_DIGITS = {
    "a": 3, "experiment_a": 3, "off_percent": 2, "formation_energy": 3, "pbe": 3, "off_energy": 3, "experiment": 2,
    "pressure": 3,
}  # fmt: skip


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json; ``path`` has no suffix."""
    return write_data(path, found)


def text(found: dict) -> str:
    """Return the comparison as a table in Markdown, with the agreement that is asked for."""
    asked = f"Asked for: a within {CELL:g} % of the experiment, Ef within {ENERGY:g} eV/atom of PBE elsewhere."
    return f"{markdown(HEADER, cells(found['crystals']))}\n\n{asked}"
