"""The known compounds of a source with their formation energies, checked to be of one label generation."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.hull.convex_hull import Hull, Phase
from data_prep.sources import read_source
from data_prep.sources.table import OTHER_GENERATION

TABULATED = ("e_above_hull", "e_above_hull_2018")  # columns of a source, eV/atom
STABLE, UNSTABLE = 1e-4, 0.1  # eV/atom above the tabulated hull: on it, and surely not on it
TOO_HIGH, WITNESSES = 0.02, 5  # eV/atom; how many stable compounds must lie that high before one phase is blamed
SAME_ENERGY = 0.02  # eV/atom, between two tables of one generation: 9 of 10 compounds agree better
FEWEST_SHARED = 20  # compounds with which two tables can be compared
BELOW_ELEMENT = 0.01  # eV/atom: no element's formation energy is lower than minus this


@dataclass(frozen=True)
class KnownPhases:
    """What a hull is made of: each composition at its lowest energy, and all ``systems`` in which something is known.

    ``doubted`` are the phases that were left out because the source's own distances from the hull contradict them.
    """

    phases: list[Phase]
    systems: frozenset[frozenset[str]]
    doubted: list[Phase]


def known_phases(source: str, generation: str, known: Hull | None = None) -> KnownPhases:
    """Return the compounds of a source at their lowest formation energies, and every element at 0.

    If the source tabulates energies above the hull, a crystal that it has 0.1 eV/atom or more above cannot be a
    vertex, nor can a phase that would put several tabulated vertices far above the hull: their labels are wrong.
    Raises InputError if the source has no labels, if they are of two generations, if an element lies below its
    reference, or if the energies are not those of ``known``, a hull of this ``generation``.
    """
    crystals, rejected = read_source(source)
    if other := sum(one.reason == "other_label_generation" for one in rejected):
        raise InputError(
            f"{source} mixes two generations of energies ({other} labels of {OTHER_GENERATION}): "
            "leave out the rows of one of them."
        )
    labelled = [crystal for crystal in crystals if np.isfinite(crystal.formation_energy_per_atom)]
    if not labelled:
        raise InputError(f"{source} has no formation energies: a hull needs them.")
    systems = frozenset(_phase(crystal).system for crystal in labelled)
    possible = [crystal for crystal in labelled if not _tabulated(crystal) > UNSTABLE]
    phases = lowest_phases(possible)
    if known:
        require_same_energies(phases, known, source, generation)
    stable = {crystal.id for crystal in possible if _tabulated(crystal) <= STABLE}
    kept = without_doubted(phases, stable)
    formulas = {phase.formula for phase in kept}
    return KnownPhases(kept, systems, [phase for phase in phases if phase.formula not in formulas])


def _phase(crystal: Crystal) -> Phase:
    return Phase(crystal.formula, crystal.formation_energy_per_atom, crystal.id)


def _tabulated(crystal: Crystal) -> float:
    """Return the energy above the hull that the source gives, NaN if it gives none."""
    return next((crystal.properties[name] for name in TABULATED if name in crystal.properties), float("nan"))


def lowest_phases(crystals: Iterable[Crystal]) -> list[Phase]:
    """Return each formula at its lowest energy, and every element at 0.

    Raises InputError if an element lies below 0.
    """
    lowest: dict[str, Phase] = {}
    for phase in map(_phase, crystals):
        if phase.formula not in lowest or phase.energy < lowest[phase.formula].energy:
            lowest[phase.formula] = phase
    compounds = [phase for phase in lowest.values() if len(phase.counts) > 1]
    elements = {next(iter(phase.counts)): phase for phase in lowest.values() if len(phase.counts) == 1}
    for symbol, phase in elements.items():
        if phase.energy < -BELOW_ELEMENT:
            raise InputError(
                f"{phase.id}: the element {symbol} has a formation energy of {phase.energy:.3f} eV/atom, "
                "but it is 0 by definition; are these total energies?"
            )
    symbols = sorted(set(elements).union(*(phase.counts for phase in compounds)))
    return [_reference(symbol, elements.get(symbol)) for symbol in symbols] + compounds


def _reference(symbol: str, found: Phase | None) -> Phase:
    """Return an element at 0 eV/atom, with the id of the entry if it is the reference itself."""
    id = found.id if found and abs(found.energy) <= STABLE else ""
    return Phase(Composition(symbol).reduced_formula, 0.0, id)


def without_doubted(phases: Sequence[Phase], stable: set[str]) -> list[Phase]:
    """Return the phases without those that put several of the ``stable`` ids far above the hull."""
    kept = list(phases)
    while True:
        hull, blamed = Hull(kept), Counter()
        for phase in kept:
            if phase.id in stable:
                point = hull.at(phase.composition)
                if phase.energy - point.energy > TOO_HIGH:
                    blamed.update(product.formula for product, _ in point.products if len(product.counts) > 1)
        doubted = {formula for formula, count in blamed.items() if count >= WITNESSES}
        if not doubted:
            return kept
        kept = [phase for phase in kept if phase.formula not in doubted]


def require_same_energies(phases: Sequence[Phase], known: Hull, source: str, generation: str) -> None:
    """Raise InputError if the energies of compounds that both have show that they are of different generations."""
    of_known = {phase.formula: phase.energy for phase in known.phases if len(phase.counts) > 1}
    differences = [abs(phase.energy - of_known[phase.formula]) for phase in phases if phase.formula in of_known]
    if len(differences) < FEWEST_SHARED:
        return
    if (typical := np.quantile(differences, 0.9)) > SAME_ENERGY:
        raise InputError(
            f"{source} has energies of another generation than {generation}: of {len(differences)} compounds that "
            f"{known.name} has too, one in ten differs by {typical:.2f} eV/atom or more; "
            "give another --generation for a table of its own."
        )
