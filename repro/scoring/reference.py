"""The crystals that a set of structures is compared with: any source, with formation energies or without."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, Element, Lattice

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, print_rejected, require_some
from data_prep.source_names import source_name
from data_prep.sources import read_source
from data_prep.sources.structure_files import read_structures
from data_prep.sources.table import ATOMIC_NUMBERS

GRAMS = 1.66053907  # g/cm³ of one atomic mass unit in one Å³


@dataclass(frozen=True)
class KnownNumbers:
    """Of the crystals of a reference: ``density`` (n,) in g/cm³ and ``n_elements`` (n,)."""

    density: np.ndarray
    n_elements: np.ndarray


@dataclass(frozen=True)
class Reference:
    """The known crystals under the ``name`` of their source."""

    name: str
    crystals: Sequence[Crystal]

    @cached_property
    def by_formula(self) -> dict[str, list[Crystal]]:
        """The crystals of each reduced formula, the one of lowest energy first, those without an energy last."""
        found: dict[str, list[Crystal]] = {}
        for crystal in self.crystals:
            found.setdefault(crystal.formula, []).append(crystal)
        for group in found.values():
            group.sort(key=lambda one: (np.isnan(one.formation_energy_per_atom), one.formation_energy_per_atom))
        return found

    @cached_property
    def identity(self) -> str:
        """A hash of the crystals, their ids and energies: scores against another reference are others."""
        digest = hashlib.sha256()
        for crystal in self.crystals:
            digest.update(crystal.key(f"{crystal.id} {crystal.formation_energy_per_atom}").encode())
        return digest.hexdigest()[:16]

    @cached_property
    def numbers(self) -> KnownNumbers:
        """Densities and numbers of elements of the crystals."""
        masses = {z: float(Element.from_Z(z).atomic_mass) for z in ATOMIC_NUMBERS.values()}
        density = [GRAMS * sum(masses[z] for z in one.numbers) / _volume(one) for one in self.crystals]
        return KnownNumbers(np.array(density), np.array([len(np.unique(one.numbers)) for one in self.crystals]))

    @cached_property
    def _compositions(self) -> tuple[list[str], np.ndarray]:
        formulas = sorted(self.by_formula)
        return formulas, np.array([_shares(formula) for formula in formulas])

    def nearest_formula(self, formula: str) -> str:
        """Return the known formula for which the smallest share of the atoms would have to change; "" if none is."""
        formulas, shares = self._compositions
        if not formulas:
            return ""
        return formulas[int(np.abs(shares - _shares(formula)).sum(axis=1).argmin())]


def _volume(crystal: Crystal) -> float:
    return Lattice.from_parameters(*crystal.lengths, *crystal.angles).volume


def _shares(formula: str) -> np.ndarray:
    shares = np.zeros(max(ATOMIC_NUMBERS.values()) + 1)
    for symbol, share in Composition(formula).fractional_composition.get_el_amt_dict().items():
        shares[ATOMIC_NUMBERS[symbol]] = share
    return shares


def read_reference(source: str) -> Reference:
    """Return the crystals of a source, those without a usable formation energy as well.

    What cannot be read is named on standard error: structures equal to it will count as new. Raises InputError if the
    source does not exist or has no crystal.
    """
    try:
        crystals, rejected = read_source(source)
    except InputError:
        if not Path(source).exists():
            raise
        crystals, rejected = read_structures(Path(source))  # no energies: it is compared by structure alone
        require_some(crystals, rejected, source)
    else:
        without_energies = _without_energies(source, crystals, rejected)
        crystals = [*crystals, *without_energies.values()]
        rejected = [item for item in rejected if item.id not in without_energies]
    print_rejected(rejected)
    return Reference(source_name(source), crystals)


def _without_energies(source: str, crystals: Sequence[Crystal], rejected: Sequence[Rejected]) -> dict[str, Crystal]:
    """Return by id the structures that a source left out only for their labels, or for the want of some."""
    left_out = {item.id for item in rejected} - {crystal.id for crystal in crystals}
    if not left_out or not Path(source).exists():
        return {}
    named = {name: one for one in read_structures(Path(source))[0] for name in (one.id, Path(one.id).stem)}
    return {id: named[id] for id in sorted(left_out) if id in named}
