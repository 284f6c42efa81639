"""Whether a composition can be neutral, as SMACT judged it when CDVAE's protocol was written.

The tables are those of SMACT 2.2.1 (MIT, ``SMACT_LICENSE``): later versions have other oxidation states and other
electronegativities, and other answers. The rule is CDVAE's: all metals, or one element, is valid; else some assignment
of oxidation states must be neutral with every cation less electronegative than every anion.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations, product
from pathlib import Path

from pymatgen.core import Composition

TABLE = Path(__file__).with_name("smact_2_2_1.csv")


@dataclass(frozen=True)
class SmactElement:
    """An element in SMACT's tables; ``electronegativity`` is Pauling's, None if the table has none."""

    oxidation_states: tuple[int, ...]
    electronegativity: float | None
    metal: bool


@cache
def smact_elements() -> dict[str, SmactElement]:
    """Return the elements of SMACT 2.2.1 by symbol."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        return {
            row["symbol"]: SmactElement(
                tuple(map(int, row["oxidation_states"].split())),
                float(row["electronegativity"]) if row["electronegativity"] else None,
                row["metal"] == "1",
            )
            for row in csv.DictReader(file)
        }


@lru_cache(maxsize=100_000)
def composition_fault(formula: str) -> str:
    """Return why SMACT takes the composition of a formula for impossible, in words; "" if it does not."""
    counts = {element: int(count) for element, count in Composition(formula).items()}
    divisor = math.gcd(*counts.values())
    ordered = sorted(counts, key=lambda element: element.Z)  # it matters to ``_electronegativities_fit``
    known = [smact_elements().get(element.symbol) for element in ordered]
    if None in known:
        return f"SMACT has no data of {ordered[known.index(None)].symbol}"
    if len(known) == 1 or all(element.metal for element in known):
        return ""
    stoichiometry = [counts[element] // divisor for element in ordered]
    neutral = list(_neutral(known, stoichiometry))
    if not neutral:
        return "no oxidation states add up to zero"
    electronegativities = [element.electronegativity for element in known]
    if any(_electronegativities_fit(states, electronegativities) for states in neutral):
        return ""
    return "in every neutral assignment of oxidation states a cation is more electronegative than an anion"


def _neutral(elements: Iterable[SmactElement], stoichiometry: list[int]) -> Iterable[tuple[int, ...]]:
    """Yield the oxidation states, one of each element, whose sum over the formula is zero."""
    for states in product(*(element.oxidation_states for element in elements)):
        if sum(state * count for state, count in zip(states, stoichiometry, strict=True)) == 0:
            yield states


def _electronegativities_fit(states: tuple[int, ...], electronegativities: list[float | None]) -> bool:
    """Return whether cations are less electronegative than anions, pairs being compared in their order.

    As in SMACT 2.2.1 called by CDVAE, an element without an electronegativity passes if the first pair that it is
    in has a cation and an anion, and fails if not.
    """
    for (state, own), (other_state, other) in combinations(zip(states, electronegativities, strict=True), 2):
        opposite = state * other_state < 0
        if own is None or other is None:
            return opposite
        if opposite and (own >= other if state > 0 else own <= other):
            return False
    return True
