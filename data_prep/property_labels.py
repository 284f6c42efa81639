"""The eight properties of Table 1: their labels, units and physical ranges."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.total_energy import without_corrections

MAX_MODULUS = 1000.0  # GPa; diamond has 440, the tables hold unphysical values above it
FORMATION_ENERGY, BAND_GAP = "formation_energy_per_atom", "band_gap"
DERIVED_ENERGY = "energy_per_atom_derived"


@dataclass(frozen=True)
class Property:
    """One row of Table 1.

    ``title`` as in the paper; ``unit`` of the value a user reads; ``columns`` of the sources that hold it,
    the best first; values must lie strictly between ``low`` and ``high``. With ``logarithm`` the network
    learns, and Table 1 scores, the natural logarithm (F28). ``needs`` names properties that must be
    physical too if the crystal has them: a Poisson ratio computed from moduli is no better than they are.
    """

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf
    logarithm: bool = False
    needs: tuple[str, ...] = ()

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest physical value."""
        return max(self.low, 0.0) if self.low > -1e-6 else self.low, self.high

    @property
    def trained_unit(self) -> str:
        """The unit in which the network is trained and scored."""
        if not self.logarithm:
            return self.unit
        return f"ln({self.unit})" if self.unit else "ln"

    def trained(self, values: np.ndarray) -> np.ndarray:
        """Return values as the network learns them."""
        return np.log(values) if self.logarithm else np.asarray(values)

    def physical(self, trained: np.ndarray) -> np.ndarray:
        """Return the network's values in ``unit``."""
        return np.exp(trained) if self.logarithm else np.asarray(trained)


_MODULUS = {"low": 0.0, "high": MAX_MODULUS, "logarithm": True}
_MODULI = ("bulk_modulus", "shear_modulus")

PROPERTIES = {
    one.name: one
    for one in (
        Property(FORMATION_ENERGY, "formation energy", "eV/atom", ()),
        Property("energy_per_atom", "total energy", "eV/atom", ("energy_per_atom",)),
        Property(BAND_GAP, "band gap", "eV", ("band_gap",), low=-1e-9),
        Property("bulk_modulus", "bulk modulus", "GPa", ("K_VRH", "bulk_modulus_eos"), **_MODULUS),
        Property("shear_modulus", "shear modulus", "GPa", ("G_VRH",), **_MODULUS),
        # of the Voigt-Reuss-Hill moduli; isotropic elasticity allows -1 to 0.5
        Property("poisson_ratio", "Poisson ratio", "", ("poisson_from_KG",), low=-1.0, high=0.5, needs=_MODULI),
        Property("refractive_index", "refractive index", "", ("refractive_index",), low=0.0),
        # the electronic part (F28)
        Property("dielectric_constant", "dielectric constant", "", ("poly_electronic",), low=0.0, logarithm=True),
    )
}


def raw_value(crystal: Crystal, name: str) -> float:
    """Return a crystal's property as given by its source, NaN if there is none."""
    if name == FORMATION_ENERGY:
        return crystal.formation_energy_per_atom
    for column in PROPERTIES[name].columns:
        if column in crystal.properties:
            return crystal.properties[column]
    if name == "energy_per_atom" and DERIVED_ENERGY in crystal.properties:
        return without_corrections(crystal.structure(), crystal.properties[DERIVED_ENERGY])
    return math.nan


def is_physical(value: float, name: str) -> bool:
    """Return whether a value lies in the property's range; False for NaN."""
    return PROPERTIES[name].low < value < PROPERTIES[name].high


def property_labels(crystals: Sequence[Crystal], name: str) -> tuple[np.ndarray, int]:
    """Return a property's labels (n,) as the network learns them, and the number of unphysical values.

    A label is NaN if the crystal has no value, or an unphysical one.
    """
    wanted = PROPERTIES[name]
    labels, counts = np.full(len(crystals), np.nan), Counter()
    for place, crystal in enumerate(tqdm(crystals, desc=wanted.title, unit=" crystals", disable=None, leave=False)):
        value = raw_value(crystal, name)
        if math.isnan(value):
            continue
        required = [raw_value(crystal, other) for other in wanted.needs]
        sound = all(math.isnan(v) or is_physical(v, n) for v, n in zip(required, wanted.needs, strict=True))
        counts[sound and is_physical(value, name)] += 1
        if sound and is_physical(value, name):
            labels[place] = wanted.trained(value)
    return labels, counts[False]
