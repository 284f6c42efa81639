"""What training crystals tell of where atoms are (see ``models.decoding.arrangements``)."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from data_prep.box import shift_to_origin
from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal
from models.decoding.arrangements import Arrangements

ROUNDED = 24  # fractional coordinates are told apart to 1/24
SHARE = 0.01  # of the crystals, that an arrangement must have


def fit_arrangements(crystals: Sequence[Crystal], rule: AngleRule) -> Arrangements:
    """Return the arrangements and counts that occur in ``crystals``, commonest first, with the rule's volumes."""
    arrangements: dict[int, Counter] = defaultdict(Counter)
    counts: dict[int, Counter] = defaultdict(Counter)
    for crystal in crystals:
        sites = np.round(shift_to_origin(crystal.fractional) * ROUNDED) / ROUNDED
        arrangements[crystal.n_sites][tuple(map(tuple, sites[np.lexsort(sites.T)]))] += 1
        counts[crystal.n_sites][tuple(sorted(np.unique(crystal.numbers, return_counts=True)[1].tolist())[::-1])] += 1
    enough = max(2, SHARE * len(crystals))
    kept = {
        number: [sites for sites, seen in found.most_common() if seen >= enough]
        for number, found in arrangements.items()
    }
    return Arrangements(
        rule.volumes,
        {number: tuple(np.array(sites) for sites in found) for number, found in kept.items() if found},
        {number: tuple(found) for number, found in counts.items()},
    )
