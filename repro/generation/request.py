"""A user's request for new crystals."""

import math
from dataclasses import dataclass, replace

from data_prep.errors import InputError
from repro.generation.funnel import Filters
from repro.presets import RandomFrom

DRAWS_PER_CANDIDATE, LEAST_DRAWS = 20, 200  # a search for distinct candidates stops after so many samples


@dataclass(frozen=True)
class Request:
    """Crystals that a user asks for; None leaves a choice to the generator.

    ``base`` is a formula, an id of ``source`` or a file; without one the whole latent space is sampled. ``count`` is
    how many listed candidates are wanted, ``samples`` how many latents are sampled whatever they give; one of them may
    be given. ``formation_energy`` (eV/atom) chooses the decile of the condition. ``distance`` is that of the neighbours
    of a base, from 0 to 1; ``spread`` the standard deviation around a base itself, or a factor of a random latent's
    distance from the middle. ``elements`` are symbols: atoms are of these only. What is counted is distinct, and of a
    formula that is not in the data unless ``known`` ones are listed too.
    """

    base: str | None = None
    count: int | None = None
    samples: int | None = None
    formation_energy: float | None = None
    distance: float | None = None
    spread: float | None = None
    random_from: RandomFrom | None = None
    seed: int = 0
    elements: tuple[str, ...] = ()
    filters: Filters = Filters()
    known: bool = False

    def __post_init__(self):
        """Raise InputError naming the first option whose number asks for nothing that can be drawn."""
        for name, number in (("count", self.count), ("samples", self.samples)):
            if number is not None and number < 1:
                raise InputError(f"--{name} {number} asks for nothing: give 1 or more.")
        if self.count is not None and self.samples is not None:
            raise InputError("--count is how many are listed, --samples how many are sampled: give one of them.")
        if self.distance is not None and not 0 <= self.distance <= 1:
            raise InputError(f"--distance {self.distance:g} is no distance: give 0 (near) to 1 (far).")
        if self.distance is not None and (self.base is None or self.spread is not None):
            raise InputError("--distance goes with --base, and not with --spread.")
        if self.base is not None and self.random_from is not None:
            raise InputError("--random-from goes with --random, not with --base.")
        if self.known and self.filters.novel:
            raise InputError("--known lists what --novel leaves out: give one of them.")
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

    @property
    def listed(self) -> Filters:
        """The filters of what is listed."""
        return self.filters if self.count is None else replace(self.filters, novel=not self.known, unique=True)

    @property
    def draws(self) -> int | None:
        """How many latents are sampled at most: ``DRAWS_PER_CANDIDATE`` for each candidate that is wanted."""
        return self.samples if self.count is None else max(LEAST_DRAWS, DRAWS_PER_CANDIDATE * self.count)


def check_seed(seed: int | None) -> None:
    """Raise InputError for a ``--seed`` below 0, which NumPy's generators do not take."""
    if seed is not None and seed < 0:
        raise InputError(f"--seed {seed} is negative: give 0 or more.")
