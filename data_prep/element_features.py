"""The element table behind the crystal graphs: 93 one-hot features per element."""

import warnings
from functools import lru_cache

import numpy as np
from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Element

from data_prep.elements import MAX_Z

# Xie and Grossman, PRL 120, 145301 (2018), supplement: name -> number of bins, in order.
FEATURES = {
    "group": 18,
    "period": 9,
    "electronegativity": 10,
    "covalent radius": 10,
    "valence electrons": 12,
    "first ionization energy": 10,
    "electron affinity": 10,
    "block": 4,
    "atomic volume": 10,
}
# Their ranges of the continuous features, and the scale on which the bins are even.
_RANGES = {
    "electronegativity": (0.5, 4.0, "value"),  # Pauling
    "covalent radius": (25.0, 250.0, "value"),  # pm
    "first ionization energy": (1.3, 3.3, "logarithm"),  # ln of eV
    "electron affinity": (-3.0, 3.7, "value"),  # eV
    "atomic volume": (1.5, 4.3, "logarithm"),  # ln of cm3/mol
}


@lru_cache(maxsize=1)
def element_features() -> np.ndarray:
    """Return the features of each element, shape (95, 93), float32 zeros and ones, indexed by Z.

    One one-hot block per entry of ``FEATURES``: Xie and Grossman's features (F26) from
    pymatgen's element data. A block is zero if pymatgen lacks the property; row 0, which stands for no
    site, is zero. The array is cached and read-only.
    """
    table = np.zeros((MAX_Z + 1, sum(FEATURES.values())), dtype=np.float32)
    for z in range(1, MAX_Z + 1):
        start = 0
        for feature, index in feature_bins(Element.from_Z(z)).items():
            if index is not None:
                table[z, start + index] = 1.0
            start += FEATURES[feature]
    table.setflags(write=False)
    return table


def feature_bins(element: Element) -> dict[str, int | None]:
    """Return the bin of each feature of an element, in the order of ``FEATURES``; None if unknown."""
    with warnings.catch_warnings():  # pymatgen warns about a missing value and also returns NaN or None
        warnings.simplefilter("ignore", UserWarning)
        radius = CovalentRadius.radius.get(element.symbol)  # Å
        return {
            "group": element.group - 1,
            "period": _period(element) - 1,
            "electronegativity": _bin("electronegativity", element.X),
            "covalent radius": _bin("covalent radius", None if radius is None else 100.0 * radius),
            "valence electrons": _valence_electrons(element) - 1,
            "first ionization energy": _bin("first ionization energy", element.ionization_energy),
            "electron affinity": _bin("electron affinity", element.electron_affinity),
            "block": "spdf".index(element.block),
            "atomic volume": _bin("atomic volume", element.molar_volume),
        }


def _bin(feature: str, value: float | None) -> int | None:
    """Return the index of the even bin that holds ``value``; values out of range fall into the end bins."""
    if value is None or not np.isfinite(value):
        return None
    low, high, scale = _RANGES[feature]
    position = np.log(value) if scale == "logarithm" else float(value)
    n_bins = FEATURES[feature]
    return int(np.clip(np.floor((position - low) / (high - low) * n_bins), 0, n_bins - 1))


def _period(element: Element) -> int:
    """Return the row; Ce to Lu count as row 8 and Th onwards as row 9, which fills the nine bins."""
    if 58 <= element.Z <= 71:
        return 8
    return 9 if 90 <= element.Z <= 103 else element.row


def _valence_electrons(element: Element) -> int:
    """Return the s and p electrons of the outer shell plus those of the d and f shells being filled: 1 to 12.

    Without the f electrons a dozen lanthanoids would share a row; more than 12 (from Ho on) count as 12.
    """
    outer, block = element.row, element.block
    count = sum(
        electrons
        for shell, orbital, electrons in element.full_electronic_structure
        if (shell == outer and orbital in "sp")
        or (shell == outer - 1 and orbital == "d" and block in "df")
        or (shell == outer - 2 and orbital == "f" and block == "f")
    )
    return min(count, FEATURES["valence electrons"])
