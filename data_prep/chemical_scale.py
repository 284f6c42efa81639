"""The chemical scale: elements in a row, like ones beside each other (Mendeleev numbers, Villars et al. 2004)."""

from functools import cache

import numpy as np
from pymatgen.core import Element

from data_prep.elements import MAX_Z


@cache
def mendeleev_numbers() -> np.ndarray:
    """Return the place of each element on the scale, (95,) indexed by Z; index 0 is NaN. No two share one."""
    places = np.array([np.nan, *(Element.from_Z(z).mendeleev_no for z in range(1, MAX_Z + 1))])
    places.setflags(write=False)
    return places
