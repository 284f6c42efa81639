"""Relaxations of structures and of the elements they consist of, and the formation energies that follow."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pymatgen.core import Structure

from data_prep.embedded.elemental_structures import elemental_structure, is_molecule
from data_prep.errors import InputError
from data_prep.total_energy import corrections
from repro.relaxation.calculation_store import CONVERGED, Store, key_of
from repro.relaxation.espresso import Dft
from repro.relaxation.fan_out import fan_out
from repro.relaxation.potentials import CORRECTIONS, NONE
from repro.relaxation.relaxation_verdict import LIMITS
from repro.relaxation.surrogate import Surrogate

Name = str | tuple[str, str]  # of a structure
UNAVAILABLE = "not calculated"


@dataclass(frozen=True)
class Calculator:
    """A method, the store of its results, and who does the work: ``workers`` here or a ``parsl`` configuration."""

    method: Surrogate | Dft
    store: Store
    workers: int | None = None
    parsl: Path | None = None

    def relaxed(
        self, structures: Mapping[Name, Structure], rigid: Container[Name] = (), what: str = "crystals"
    ) -> dict[Name, dict]:
        """Return the record of each structure's relaxation by its name; those named in ``rigid`` keep their cells.

        A structure that the method cannot treat (no pseudopotential for one of its elements) has the status
        ``UNAVAILABLE``. A structure that has two names is calculated once.
        """
        keys, jobs, found = {}, {}, {}
        for name, structure in structures.items():
            try:
                method = self.method.key([element.symbol for element in structure.composition.elements])
            except InputError as error:
                found[name] = {"status": UNAVAILABLE, "reason": str(error)}
                continue
            cell = name not in rigid
            keys[name] = key_of(structure, method | {"cell": cell, "limits": LIMITS})
            jobs[keys[name]] = self.method.job(structure, cell)
        records = fan_out(jobs, self.store, self.workers, self.parsl, what, self.method.seconds)
        return found | {name: records[key] for name, key in keys.items()}

    def with_elements(self, structures: Mapping[str, Structure], what: str = "crystals") -> tuple[dict, dict]:
        """Return the record of each structure by its name, and of each of their elements by its symbol.

        An element is calculated in its relaxed bulk structure; a gas as the molecule in a box, whose cell stays.
        """
        symbols = sorted({one.symbol for structure in structures.values() for one in structure.composition.elements})
        own = {("crystal", name): structure for name, structure in structures.items()}
        bulk = {("element", symbol): known for symbol in symbols if (known := bulk_of(symbol)) is not None}
        rigid = {("element", symbol) for symbol in symbols if is_molecule(symbol)}
        records = self.relaxed(own | bulk, rigid, f"{what} and elements")
        unknown = {"status": UNAVAILABLE, "reason": "no structure of this element is known"}
        elements = {symbol: records.get(("element", symbol), unknown) for symbol in symbols}
        return {name: records["crystal", name] for name in structures}, elements


@cache
def bulk_of(symbol: str) -> Structure | None:
    """Return an element's bulk structure before relaxation, None if unknown; it is cached: do not change it."""
    try:
        return elemental_structure(symbol)
    except KeyError:
        return None


def formation_energy(record: dict, structure: Structure, elements: Mapping[str, dict]) -> tuple[float | None, str]:
    """Return the formation energy (eV/atom) of a relaxed structure, or None and the reason why there is none.

    The labels hold the Materials Project's corrections of 2011, and so do these energies, as far as a method's own
    allow: a potential that learned energies without corrections gets them added. CHGNet learned energies with the
    corrections of 2020, and those of pw.x stay without any.
    """
    energy, reason = plain_formation_energy(record, structure, elements)
    if energy is not None and record.get("method", {}).get(CORRECTIONS) == NONE:
        energy += corrections(structure)
    return energy, reason


def plain_formation_energy(
    record: dict, structure: Structure, elements: Mapping[str, dict]
) -> tuple[float | None, str]:
    """Return what ``formation_energy`` does as the method itself gives it, without any correction of ours.

    Total energy less that of the constituent elements in their bulk state, per atom (Ab Initio Validation).
    """
    if record["status"] != CONVERGED:
        return None, record["reason"]
    counts = structure.composition.get_el_amt_dict()
    for symbol in counts:
        if elements[symbol]["status"] != CONVERGED:
            return None, f"the element {symbol} has no reference: {elements[symbol]['reason']}"
    bulk = sum(elements[symbol]["energy_per_atom"] * count for symbol, count in counts.items())
    return record["energy_per_atom"] - bulk / sum(counts.values()), ""
