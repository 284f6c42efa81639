"""Formation energies: the elements in their ground-state structures, calculated like the compounds and kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Structure

from data_prep.embedded.elements import elemental_structure, is_molecule
from data_prep.errors import InputError
from repro.calculations.espresso import Dft
from repro.calculations.fan_out import fan_out
from repro.calculations.store import CONVERGED, Store, key_of
from repro.calculations.surrogate import Surrogate
from repro.calculations.verdict import LIMITS

UNAVAILABLE = "not calculated"


@dataclass(frozen=True)
class Calculator:
    """A method, where its results are kept, and who does the work: ``workers`` here or a ``parsl`` configuration."""

    method: Surrogate | Dft
    store: Store
    workers: int | None = None
    parsl: Path | None = None

    def relaxed(self, structures: Mapping[str, Structure], cells: bool = True, what: str = "crystals") -> dict:
        """Return the record of each structure's relaxation by its name; ``cells`` false keeps the cell.

        A structure that the method cannot take (no pseudopotential of one of its elements) has the status
        ``UNAVAILABLE``. Two names of one structure are calculated once.
        """
        keys, jobs, found = {}, {}, {}
        for name, structure in structures.items():
            try:
                method = self.method.method([element.symbol for element in structure.composition.elements])
            except InputError as error:
                found[name] = {"status": UNAVAILABLE, "reason": str(error)}
                continue
            keys[name] = key_of(structure, method | {"cell": cells, "limits": LIMITS})
            jobs[keys[name]] = self.method.job(structure, cells)
        records = fan_out(jobs, self.store, self.workers, self.parsl, what)
        return found | {name: records[key] for name, key in keys.items()}

    def elements(self, symbols: Iterable[str]) -> dict[str, dict]:
        """Return the record of each element's reference: its bulk relaxed, of a gas the molecule in a box."""
        solids, molecules, found = {}, {}, {}
        for symbol in sorted(set(symbols)):
            try:
                structure = elemental_structure(symbol)
            except KeyError:
                found[symbol] = {"status": UNAVAILABLE, "reason": f"no structure of the element {symbol} is known"}
                continue
            (molecules if is_molecule(symbol) else solids)[symbol] = structure
        found |= self.relaxed(solids, what="elements")
        return found | self.relaxed(molecules, cells=False, what="gases")


def formation_energy(record: dict, structure: Structure, elements: Mapping[str, dict]) -> tuple[float | None, str]:
    """Return the formation energy (eV/atom) of a relaxed structure, or None and the reason why there is none.

    The paper's: total energy less that of the constituent elements in their bulk state, per atom.
    """
    if record["status"] != CONVERGED:
        return None, record["reason"]
    counts = structure.composition.get_el_amt_dict()
    for symbol in counts:
        if elements[symbol]["status"] != CONVERGED:
            return None, f"the element {symbol} has no reference: {elements[symbol]['reason']}"
    bulk = sum(elements[symbol]["energy_per_atom"] * count for symbol, count in counts.items())
    return record["energy_per_atom"] - bulk / sum(counts.values()), ""
