"""The element table behind the density maps: one radius per atomic number."""

from functools import lru_cache
from typing import Literal

import numpy as np
from pymatgen.core import Element

MAX_Z = 94  # F7: species classes are 0..94
DEFAULT_RADIUS = 1.2  # Å, F6: elements without an ionic radius
RadiusTable = Literal["ionic", "unit"]


@lru_cache(maxsize=1)
def ionic_radii() -> np.ndarray:
    """Return the Gaussian width of each element in Å, shape (95,), indexed by Z; index 0 is NaN.

    The mean of pymatgen's ``Element.ionic_radii`` over the oxidation states, 1.2 Å if an element has
    none (Methods, Eq. for M; F6).
    """
    radii = np.full(MAX_Z + 1, np.nan)
    for z in range(1, MAX_Z + 1):
        known = list(Element.from_Z(z).ionic_radii.values())
        radii[z] = float(np.mean(known)) if known else DEFAULT_RADIUS
    radii.setflags(write=False)
    return radii


@lru_cache(maxsize=1)
def unit_radii() -> np.ndarray:
    """Return the widths of the sigma = 1 ablation (Table 5, F5): 1 Å for every element."""
    radii = np.ones(MAX_Z + 1)
    radii[0] = np.nan
    radii.setflags(write=False)
    return radii


def radii_of(table: RadiusTable) -> np.ndarray:
    """Return the widths (95,) in Å of a table by its name, indexed by Z."""
    return {"ionic": ionic_radii, "unit": unit_radii}[table]()
