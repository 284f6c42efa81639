"""Which elements take which part in the formulas of the training crystals."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.elements import MAX_Z


@dataclass(frozen=True)
class ElementRoles:
    """Counts (95,) of training crystals by element, for each role: a stoichiometry and the element's share in it.

    A role is text such as ``1-1-3 3``: the element of which there are three in a formula like SrTiO3.
    """

    by_role: dict[str, np.ndarray]

    def counts(self, stoichiometry: Sequence[int], count: int) -> np.ndarray:
        """Return the counts (95,) of the role of an element with ``count`` sites of a cell; zeros if nothing has it."""
        return self.by_role.get(_role(np.asarray(stoichiometry), count), np.zeros(MAX_Z + 1))

    def to_json(self) -> dict[str, list[float]]:
        """Return the counts as plain data."""
        return {role: counts.tolist() for role, counts in self.by_role.items()}

    @classmethod
    def from_json(cls, found: dict[str, list[float]]) -> "ElementRoles":
        """Return what ``to_json`` gave; raises ValueError for counts of another length."""
        roles = {role: np.array(counts, dtype=float) for role, counts in found.items()}
        if any(counts.shape != (MAX_Z + 1,) for counts in roles.values()):
            raise ValueError("the roles of the elements have another length")
        return cls(roles)


def count_roles(crystals: Iterable[np.ndarray]) -> ElementRoles:
    """Return the roles of the elements in crystals, each given by the atomic numbers (n,) of its sites."""
    by_role: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(MAX_Z + 1))
    for numbers in crystals:
        elements, counts = np.unique(numbers, return_counts=True)
        for element, count in zip(elements, counts, strict=True):
            by_role[_role(counts, count)][element] += 1
    return ElementRoles(dict(by_role))


def _role(counts: np.ndarray, count: int) -> str:
    divisor = np.gcd.reduce(counts)
    return f"{'-'.join(str(one // divisor) for one in sorted(counts))} {count // divisor}"
