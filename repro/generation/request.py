"""A user's request for samples, and the filters of the candidates to list."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pymatgen.core import Structure

from data_prep.errors import InputError
from data_prep.structures.matching import reduced, reduced_match
from repro.generation.candidates import Candidate
from repro.presets import RandomFrom


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

    seen: dict[str, list[Structure]] = field(default_factory=lambda: defaultdict(list))

    def is_new(self, candidate: Candidate) -> bool:
        """Return whether the candidate's crystal is unlike all before it, and remember it."""
        structure, before = reduced(candidate.structure), self.seen[candidate.formula]
        if any(reduced_match(structure, other) for other in before):
            return False
        before.append(structure)
        return True


def _within(energy: float | None, low: float, high: float) -> bool:
    return energy is not None and low <= energy <= high


@dataclass(frozen=True)
class Request:
    """Samples that a user asks for; None leaves a choice to the generator.

    ``base`` is a formula, an id of ``source`` or a CIF file; without one the whole latent space is sampled.
    ``formation_energy`` (eV/atom) chooses the decile of the condition. ``spread`` is the standard deviation around a
    base, or a factor of a random latent's distance from the middle. ``elements`` are symbols: atoms are of these only.
    """

    base: str | None = None
    count: int | None = None
    formation_energy: float | None = None
    spread: float | None = None
    random_from: RandomFrom | None = None
    seed: int = 0
    elements: tuple[str, ...] = ()
    filters: Filters = Filters()

    def __post_init__(self):
        """Raise InputError naming the first option whose number asks for nothing that can be drawn."""
        if self.count is not None and self.count < 1:
            raise InputError(f"--count {self.count} asks for no sample: give 1 or more.")
        check_seed(self.seed)
        if self.spread is not None and not 0 <= self.spread < math.inf:
            raise InputError(f"--spread {self.spread:g} is no standard deviation: give 0 or more, such as 0.5.")
        if self.formation_energy is not None and not math.isfinite(self.formation_energy):
            raise InputError(f"--formation-energy {self.formation_energy:g} is no energy: give a number in eV/atom.")
        window = self.filters.energy_window
        if window and not window[0] <= window[1]:
            raise InputError(
                f"--energy-window {window[0]:g} {window[1]:g} holds no energy: give the lower bound first, in eV/atom."
            )


def check_seed(seed: int | None) -> None:
    """Raise InputError for a ``--seed`` below 0, which NumPy's generators do not take."""
    if seed is not None and seed < 0:
        raise InputError(f"--seed {seed} is negative: give 0 or more.")
