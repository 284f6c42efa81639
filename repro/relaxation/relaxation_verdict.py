"""When a relaxation counts: what is looked at before it starts, on the way, and at its end."""

import numpy as np
from pymatgen.core import Structure

from data_prep.structures.validity import smallest_distance
from repro.relaxation.calculation_store import CONVERGED

CLOSEST = 0.7  # Å; H2 is 0.74: closer atoms are no crystal, and no method here was made for them
GROWTH = 5.0  # a cell whose volume grows or shrinks by more is no relaxed form of what it was; edges by 1.7
PRESSURE = 0.2  # GPa at most, at the end
LIMITS = {"closest": CLOSEST, "growth": GROWTH, "pressure": PRESSURE}

TOO_CLOSE, EXPLODED = "atoms too close", "exploded"
NOT_CONVERGED, UNDER_PRESSURE = "not converged", "pressure left"


def too_close(structure: Structure) -> str | None:
    """Return why a structure is not even started, None where its atoms are far enough apart."""
    distance = smallest_distance(structure)
    return f"two atoms are {distance:.2f} Å apart, at least {CLOSEST} Å are asked for" if distance < CLOSEST else None


def exploded(start: Structure, now: Structure, forces: np.ndarray) -> str | None:
    """Return what shows that a relaxation (forces (n, 3) in eV/Å) has left its structure, None while it has not."""
    if not (np.isfinite(forces).all() and np.isfinite(now.lattice.matrix).all()):
        return "the forces are no numbers"
    growth = now.volume / start.volume
    if not 1 / GROWTH <= growth <= GROWTH:
        return f"the cell went to {growth:.2f} times its volume"
    return too_close(now)


def final_verdict(converged: bool, pressure: float) -> tuple[str, str]:
    """Return status and reason of a relaxation that ended; ``pressure`` in GPa.

    A variable-cell relaxation below the cutoff that its elements need reports convergence at a cell several per cent
    too small; the pressure of a fresh calculation at that cell gives it away.
    """
    if not converged:
        return NOT_CONVERGED, "forces, cell or energy were still changing"
    if not abs(pressure) <= PRESSURE:
        return UNDER_PRESSURE, f"{pressure:.2f} GPa are left, at most {PRESSURE} are allowed"
    return CONVERGED, ""
