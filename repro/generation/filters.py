"""Which candidates are wanted: filters on what is known of each, in the order they are counted."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pymatgen.core import Structure

from data_prep.property_labels import FORMATION_ENERGY
from data_prep.structures.cif import structure_of
from data_prep.structures.matching import reduced, reduced_match


@dataclass
class Uniqueness:
    """Tells whether a crystal was seen before: the same formula, and a match by ``data_prep.structures.matching``."""

    seen: dict[str, list[Structure]] = field(default_factory=lambda: defaultdict(list))

    def is_new(self, record: dict) -> bool:
        """Return whether the record's crystal is unlike all before it, and remember it."""
        structure, before = reduced(structure_of(record["cif"])), self.seen[record["formula"]]
        if any(reduced_match(structure, other) for other in before):
            return False
        before.append(structure)
        return True


Filter = tuple[str, Callable[[dict], bool]]


def filters(options: Namespace) -> list[Filter]:
    """Return the filters that the command line asks for, by name; validity always comes first."""
    chosen: list[Filter] = [("valid", lambda record: record["valid"])]
    if options.same_stoichiometry:
        chosen.append(("stoichiometry of the base", lambda record: record["same_stoichiometry"]))
    if options.charge_balanced:
        chosen.append(("charge balance", lambda record: record["charge_balanced"]))
    if options.novel:
        chosen.append(("formula not in the data", lambda record: not record["known_formula"]))
    if options.energy_window:
        low, high = options.energy_window
        chosen.append(("formation energy", lambda record: _within(record.get(FORMATION_ENERGY), low, high)))
    if options.unique:
        chosen.append(("unlike all before", Uniqueness().is_new))
    return chosen


def _within(energy: float | None, low: float, high: float) -> bool:
    return energy is not None and low <= energy <= high


def select(records: Sequence[dict], chosen: Sequence[Filter], counts: dict[str, int]) -> list[dict]:
    """Return the records that pass every filter in turn; ``counts`` adds up how many passed each."""
    for name, passes in chosen:
        records = [record for record in records if passes(record)]
        counts[name] = counts.get(name, 0) + len(records)
    return list(records)
