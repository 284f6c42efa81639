"""Chemical formulas as people write them, and which of others are nearest."""

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache

from pymatgen.core import Composition, Element

_PART = re.compile(r"([A-Z][a-z]?)(\d*)")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def read_formula(text: str) -> Composition | None:
    """Return the composition that a person means by ``text``, None if it is no formula.

    Order, spaces, brackets, subscripts and multiples do not matter: ``NiAl``, ``O3 Ti Sr``, ``Al0.5Ni0.5``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have no electronegativity to sort by
        try:
            written = Composition(text.translate(_SUBSCRIPTS))
            if not written:  # as of "Na0"
                return None
            composition = Composition(written.get_integer_formula_and_factor()[0])
        except ValueError:
            return None
    return composition if composition.valid else None


def guessed_formula(text: str) -> Composition | None:
    """Return the composition that ``text``, which is no formula, may mean: another case, or the elements in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for guess in Composition.ranked_compositions_from_indeterminate_formula(text.strip()):
            if guess:
                return guess
    parts = [symbol + count for symbol, count in _PART.findall(text) if Element.is_valid_symbol(symbol)]
    return read_formula("".join(parts))


def nearest_formulas(wanted: Composition, formulas: Iterable[str], count: int = 5) -> list[str]:
    """Return the formulas most like ``wanted``, the nearest first.

    By the share of atoms that would have to change; of those alike the ones of the same stoichiometry, then
    the ones whose elements are closer in the periodic table (Mendeleev numbers).
    """
    return sorted(set(formulas), key=lambda formula: (*_distance(wanted, _composition(formula)), formula))[:count]


@lru_cache(maxsize=20_000)
def _composition(formula: str) -> Composition:
    return Composition(formula)


def _distance(one: Composition, other: Composition) -> tuple[float, bool, float]:
    elements = set(one) | set(other)
    changes = {element: one.get_atomic_fraction(element) - other.get_atomic_fraction(element) for element in elements}
    chemistry = abs(sum(element.mendeleev_no * change for element, change in changes.items()))
    changed = sum(abs(change) for change in changes.values()) / 2
    return round(changed, 6), one.anonymized_formula != other.anonymized_formula, round(chemistry, 6)
