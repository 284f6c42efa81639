"""Relax the compounds' lattice constants, and refuse results that are not physical; knows no energy model."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.embedded.chgnet_model import EnergyFunction
from data_prep.embedded.compounds import Compound
from data_prep.embedded.equation_of_state import (
    DEFAULT_SEARCH,
    Minimum,
    NoMinimum,
    Search,
    SearchSettings,
    search_minimum,
)
from data_prep.embedded.prototypes import PROTOTYPES

# A result outside these bounds is refused; the data card counts the reasons.
LARGEST_MISFIT = 0.005  # eV/atom, rms of the fit
LARGEST_PRESSURE = 0.2  # GPa left after the Newton steps; the median is below 0.02
BULK_MODULUS = (1.0, 600.0)  # GPa
A_OVER_GUESS = (0.75, 1.40)
FORMATION_ENERGY = (-6.0, 2.0)  # eV/atom


def relax_compounds(
    compounds: Sequence[Compound], energies: EnergyFunction, settings: SearchSettings = DEFAULT_SEARCH
) -> dict[str, Minimum | str]:
    """Return the ``Minimum`` of each compound by its id, or the reason why there is none.

    The searches advance together, so that one call of ``energies`` serves all of them.
    """
    results: dict[str, Minimum | str] = {}
    searches: dict[str, Search] = {}
    wanted: dict[str, np.ndarray] = {}
    by_id = {compound.id: compound for compound in compounds}
    for compound in compounds:
        prototype = PROTOTYPES[compound.prototype]
        guess, shortest = prototype.guess(compound.species), prototype.shortest_distance(1.0)
        search = search_minimum(guess, prototype.sites_per_cube, shortest, settings)
        searches[compound.id] = search
        _advance(compound.id, search, None, wanted, results)
    while wanted:
        asked, wanted = wanted, {}
        structures = [
            PROTOTYPES[by_id[id].prototype].structure(by_id[id].species, a) for id in asked for a in asked[id]
        ]
        answers = np.split(energies(structures), np.cumsum([len(points) for points in asked.values()])[:-1])
        for id, answer in zip(asked, answers, strict=True):
            _advance(id, searches[id], answer, wanted, results)
    return results


def _advance(id: str, search: Search, answer: np.ndarray | None, wanted: dict, results: dict) -> None:
    """Send energies to a search, and enter the lattice constants it wants next, or its result."""
    try:
        wanted[id] = search.send(answer)
    except StopIteration as finished:
        results[id] = finished.value
    except NoMinimum as reason:
        results[id] = str(reason)


def formation_energy(compound: Compound, energy: float, elements: dict[str, float]) -> float:
    """Return the formation energy (eV/atom) from the energy and those of the elements (eV/atom)."""
    counts = Counter(compound.species)
    reference = sum(elements[symbol] * count for symbol, count in counts.items())
    return energy - reference / len(compound.species)


def refusal(compound: Compound, minimum: Minimum, formation: float) -> str | None:
    """Return the reason for which a relaxed compound is left out, None if it is kept."""
    prototype = PROTOTYPES[compound.prototype]
    ratio = minimum.a / prototype.guess(compound.species)
    if not A_OVER_GUESS[0] <= ratio <= A_OVER_GUESS[1] or prototype.shortest_distance(minimum.a) < 1.0:
        return "unphysical lattice constant"
    if minimum.fit.misfit > LARGEST_MISFIT:
        return "fit misses the energies"
    if not BULK_MODULUS[0] <= minimum.fit.bulk_modulus <= BULK_MODULUS[1]:
        return "unphysical bulk modulus"
    if minimum.residual_pressure > LARGEST_PRESSURE:
        return "pressure left at the minimum"
    if not FORMATION_ENERGY[0] <= formation <= FORMATION_ENERGY[1]:
        return "absurd formation energy"
    return None


def record(compound: Compound, minimum: Minimum, formation: float) -> dict[str, Any]:
    """Return the table row of a kept compound: columns and units are those of DATA_CARD.md."""
    prototype = PROTOTYPES[compound.prototype]
    edge = round(prototype.edge * minimum.a, 5)
    return {
        "id": compound.id,
        "formula": compound.formula,
        "family": compound.family,
        "prototype": compound.prototype,
        "chemistry": compound.chemistry,
        "spacegroup": prototype.spacegroup,
        "a_conv": round(minimum.a, 5),
        "nsites": len(compound.species),
        **dict.fromkeys(("a", "b", "c"), edge),
        **dict.fromkeys(("alpha", "beta", "gamma"), prototype.angle),
        "species": " ".join(compound.species),
        "frac": " ".join(f"{x:.2f}" for site in prototype.fractional for x in site),
        "formation_energy_per_atom": round(formation, 5),
        "bulk_modulus_eos": round(minimum.fit.bulk_modulus, 2),
        "convergence": round(minimum.residual_pressure, 4),
    }
