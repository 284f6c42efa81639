"""Sets of formulas as digests: membership can be tested without publishing the list."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


def digest(formula: str) -> int:
    """Return 64 bits of the sha256 of a reduced formula."""
    return int.from_bytes(hashlib.sha256(formula.encode()).digest()[:8], "big")


@dataclass(frozen=True, eq=False)
class FormulaDigests:
    """A set of formulas, as sorted ``digests`` (n,) uint64; a false positive has a probability of n in 10^19."""

    digests: np.ndarray

    @classmethod
    def of(cls, formulas: Iterable[str]) -> "FormulaDigests":
        """Return the set of ``formulas``."""
        return cls(np.array(sorted({digest(formula) for formula in formulas}), dtype=np.uint64))

    def __contains__(self, formula: str) -> bool:
        wanted = np.uint64(digest(formula))
        place = np.searchsorted(self.digests, wanted)
        return bool(place < len(self.digests) and self.digests[place] == wanted)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormulaDigests) and np.array_equal(self.digests, other.digests)
