"""Whether a relaxation counts: checks before it starts, on the way, and at its end."""

import numpy as np
from ase import Atoms
from ase.units import GPa
from pymatgen.core import Structure

from data_prep.structures.validity import smallest_distance
from repro.relaxation.calculation_store import CONVERGED

CLOSEST = 0.7  # Å; H2 is 0.74: no method here is meant for closer atoms
GROWTH = 5.0  # largest factor by which the volume may grow or shrink (edges: 1.7); beyond it another structure results
PRESSURE = 0.2  # GPa, largest at the end
LIMITS = {"closest": CLOSEST, "growth": GROWTH, "pressure": PRESSURE}

TOO_CLOSE, EXPLODED = "atoms too close", "exploded"
NOT_CONVERGED, UNDER_PRESSURE = "not converged", "pressure left"


def too_close(structure: Structure) -> str | None:
    """Return why a structure is not relaxed at all, None if its atoms are far enough apart."""
    distance = smallest_distance(structure)
    return f"two atoms are {distance:.2f} Å apart, at least {CLOSEST} Å are asked for" if distance < CLOSEST else None


def exploded(start: Structure, now: Structure, forces: np.ndarray) -> str | None:
    """Return the sign that a relaxation (forces (n, 3) in eV/Å) has left its structure, None if there is none."""
    if not (np.isfinite(forces).all() and np.isfinite(now.lattice.matrix).all()):
        return "the forces are no numbers"
    growth = now.volume / start.volume
    if not 1 / GROWTH <= growth <= GROWTH:
        return f"the cell went to {growth:.2f} times its volume"
    return too_close(now)


def final_verdict(converged: bool, pressure: float) -> tuple[str, str]:
    """Return status and reason of a relaxation that ended; ``pressure`` in GPa.

    A variable-cell relaxation with too low a cutoff for its elements reports convergence at a cell several per cent
    too small; the pressure of a fresh calculation at that cell shows it.
    """
    if not converged:
        return NOT_CONVERGED, "forces, cell or energy were still changing"
    if not abs(pressure) <= PRESSURE:
        return UNDER_PRESSURE, f"{pressure:.2f} GPa are left, at most {PRESSURE} are allowed"
    return CONVERGED, ""


def outcome(atoms: Atoms, converged: bool, relax_cell: bool) -> dict:
    """Return the numbers of a relaxation that ended, from the calculator of its atoms, with its verdict.

    ``status`` and ``reason``; ``energy`` in eV, ``energy_per_atom`` in eV/atom; ``forces`` (n, 3) and ``largest_force``
    in eV/Å; ``pressure`` in GPa, positive if the cell wants to grow.
    """
    pressure = -float(np.mean(atoms.get_stress()[:3])) / GPa
    status, reason = final_verdict(converged, pressure if relax_cell else 0.0)
    forces, energy = atoms.get_forces(), float(atoms.get_potential_energy())
    return {
        "status": status,
        "reason": reason,
        "energy": energy,
        "energy_per_atom": energy / len(atoms),
        "forces": forces.tolist(),
        "largest_force": float(np.linalg.norm(forces, axis=1).max()),
        "pressure": pressure,
    }
