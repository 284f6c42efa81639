"""What the numbers that ask for samples may be: checked before any network is read."""

import math
from argparse import Namespace

from data_prep.errors import InputError


def check_draws(options: Namespace) -> None:
    """Raise InputError naming the first option of ``generate`` whose number asks for nothing that can be drawn."""
    if options.count is not None and options.count < 1:
        raise InputError(f"--count {options.count} asks for no sample: give 1 or more.")
    check_seed(options.seed)
    if options.spread is not None and not 0 <= options.spread < math.inf:
        raise InputError(f"--spread {options.spread:g} is no standard deviation: give 0 or more, such as 0.5.")
    if options.formation_energy is not None and not math.isfinite(options.formation_energy):
        raise InputError(f"--formation-energy {options.formation_energy:g} is no energy: give a number in eV/atom.")
    if options.energy_window and not options.energy_window[0] <= options.energy_window[1]:
        low, high = options.energy_window
        raise InputError(f"--energy-window {low:g} {high:g} holds no energy: give the lower bound first, in eV/atom.")


def check_seed(seed: int | None) -> None:
    """Raise InputError for a ``--seed`` below 0, which NumPy's generators do not take."""
    if seed is not None and seed < 0:
        raise InputError(f"--seed {seed} is negative: give 0 or more.")
