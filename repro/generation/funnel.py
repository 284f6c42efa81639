"""Which candidates are listed: the filters, and how many candidates are left after each."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from data_prep.structures.matching import reduced_match
from repro.generation.candidates import Candidate


@dataclass(frozen=True)
class Filters:
    """Which valid candidates are listed: each condition that is set must hold."""

    same_stoichiometry: bool = False  # as the base
    charge_balanced: bool = False  # oxidation states that add up to zero
    novel: bool = False  # a formula that is not in the data
    energy_window: tuple[float, float] | None = None  # predicted formation energy, eV/atom
    unique: bool = False  # not a duplicate of an earlier candidate

    def conditions(self) -> list[tuple[str, Callable[[Candidate], bool]]]:
        """Return the conditions by name, in the order in which they are counted; validity always comes first."""
        chosen: list[tuple[str, Callable[[Candidate], bool]]] = [("valid", lambda one: one.valid)]
        if self.same_stoichiometry:
            chosen.append(("stoichiometry of the base", lambda one: bool(one.same_stoichiometry)))
        if self.charge_balanced:
            chosen.append(("charge balance", lambda one: bool(one.charge_balanced)))
        if self.novel:
            chosen.append(("formula not in the data", lambda one: not one.known_formula))
        if self.energy_window:
            low, high = self.energy_window
            chosen.append(("formation energy", lambda one: _within(one.formation_energy_per_atom, low, high)))
        if self.unique:
            chosen.append(("unlike all before", Uniqueness().is_new))
        return chosen


@dataclass
class Uniqueness:
    """Remembers crystals; one was seen before if its formula is the same and StructureMatcher finds a match."""

    seen: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))

    def is_new(self, candidate: Candidate) -> bool:
        """Return whether the candidate's crystal is unlike all before it, and remember it."""
        before = self.seen[candidate.formula]
        if any(reduced_match(candidate.reduced, other.reduced) for other in before):
            return False
        before.append(candidate)
        return True


def _within(energy: float | None, low: float, high: float) -> bool:
    return energy is not None and low <= energy <= high


@dataclass
class Funnel:
    """Lets the candidates through that are to be listed, until ``wanted`` have passed, and counts them.

    ``counts`` says by condition how many of the ``samples`` were left after it.
    """

    filters: Filters
    wanted: int | None = None
    samples: int = 0
    listed: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def pour(
        self, batches: Generator[list[Candidate], None, None]
    ) -> Iterator[tuple[list[Candidate], list[Candidate]]]:
        """Yield each batch and those of it that are to be listed; ``batches`` are closed when enough passed."""
        conditions = self.filters.conditions()
        for batch in batches:
            self.samples += len(batch)
            passed = batch
            for name, holds in conditions:
                passed = [candidate for candidate in passed if holds(candidate)]
                self.counts[name] = self.counts.get(name, 0) + len(passed)
            if self.wanted is not None:
                passed = passed[: self.wanted - self.listed]
            self.listed += len(passed)
            yield batch, passed
            if self.listed == self.wanted:
                batches.close()
