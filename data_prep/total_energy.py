"""The total energy per atom behind a Materials Project formation energy of 2018 to 2020.

Those formation energies were made from total energies with the corrections of Jain et al., Phys. Rev. B 84,
045115 (2011): of oxides and sulfides, of transition metals calculated with GGA+U, and of the references
N2, F2, Cl2 and H2. Tables that give only "formation energy + energies of the elements" still contain them.
Without the corrections the energies agree with the network that the authors trained on the true ones.
"""

import warnings
from functools import lru_cache
from pathlib import Path

from pymatgen.core import Composition, Structure

# PBE energies of the molecules' atoms, eV/atom (Materials Project; as in matbench-discovery, energy.py)
_MOLECULES = {"N": -8.3365, "F": -1.9115, "Cl": -1.8485, "H": -3.3927}


@lru_cache(maxsize=1)
def _corrections():
    # These modules take two seconds to import, and only labels need them.
    import pymatgen.analysis.compatibility as compatibility
    from monty.serialization import loadfn
    from pymatgen.io.vasp.sets import MPRelaxSet

    legacy = Path(compatibility.__file__).parent / "MPCompatibility.yaml"  # the corrections of 2011, kept by pymatgen
    anion = compatibility.AnionCorrection(str(legacy), correct_peroxide=True)
    hubbard = compatibility.UCorrection(str(legacy), MPRelaxSet, "Advanced")
    fitted = loadfn(legacy)["Advanced"]["CompoundEnergies"]
    shifts = {element: fitted[f"{element}2"] - energy for element, energy in _MOLECULES.items()}
    return anion, hubbard, hubbard.u_settings, shifts


def without_corrections(structure: Structure, derived: float) -> float:
    """Return the uncorrected total energy in eV/atom of a structure.

    ``derived`` is its formation energy plus the PBE energies of its elements, in eV/atom
    (``energy_per_atom_derived`` of our tables).
    """
    return derived - corrections(structure)


def corrections(structure: Structure) -> float:
    """Return in eV/atom what the corrections of 2011 add to an uncorrected formation energy."""
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    anion, hubbard, settings, shifts = _corrections()
    entry = ComputedStructureEntry(structure, 0.0, parameters=_parameters(structure.composition, settings))
    with warnings.catch_warnings():  # pymatgen warns about every sulfide, and about corrections without a deviation
        warnings.simplefilter("ignore")
        correction = anion.get_correction(entry).n + hubbard.get_correction(entry).n  # eV per cell
    references = sum(shifts.get(element.symbol, 0.0) * count for element, count in structure.composition.items())
    return (correction - references) / len(structure)


def _parameters(composition: Composition, settings: dict) -> dict:
    """Return how the Materials Project calculates a composition: with GGA+U if its input set has a U."""
    elements = sorted(composition.elements, key=lambda element: element.X if element.X == element.X else 0.0)
    by_anion = settings.get(elements[-1].symbol, {})
    hubbards = {element.symbol: by_anion.get(element.symbol, 0) for element in elements}
    if not any(hubbards.values()):
        return {"run_type": "GGA", "hubbards": {}}
    return {"run_type": "GGA+U", "hubbards": hubbards}
