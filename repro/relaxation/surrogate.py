"""Relaxations by a neural network potential: a fast surrogate for DFT, never a DFT result."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from repro.relaxation.calculation_store import TIME_LIMIT, Store, structure_from, structure_record
from repro.relaxation.potentials import POTENTIALS, LabelError
from repro.relaxation.relaxation_verdict import EXPLODED, TOO_CLOSE, exploded, outcome, too_close

_KEYED_SECONDS = 120.0  # the first default; keys of stored results hold it whatever the limit is


@dataclass(frozen=True)
class Surrogate:
    """Settings of relaxations: largest force left in eV/Å (on the cell too), most steps, seconds of CPU time.

    ``potential`` is a key of ``POTENTIALS``.
    """

    force: float = 0.01
    steps: int = 1000
    seconds: float = 120.0
    potential: str = "chgnet"

    @property
    def title(self) -> str:
        """The potential's name."""
        return POTENTIALS[self.potential].title

    def label_error(self, family: str) -> LabelError | None:
        """Return how far this potential lies from the labels of crystals of a family; None if not measured."""
        return POTENTIALS[self.potential].label_error(family)

    def method(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return how a result was made, the same for all elements: settings and versions of the potential.

        Raises InputError if the potential is not installed.
        """
        limits = {"force": self.force, "steps": self.steps, "seconds": self.seconds}
        return {"name": self.title, **limits, **POTENTIALS[self.potential].versions()}

    def key(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return what a result depends on: its method without the time limit."""
        return self.method(elements) | {"seconds": _KEYED_SECONDS}

    def job(self, structure: Structure, relax_cell: bool) -> tuple:
        """Return the function and the arguments of a job that relaxes ``structure``."""
        return run_job, (structure_record(structure), relax_cell, asdict(self))


def run_job(start: dict, relax_cell: bool, settings: dict, key: str, root: str) -> dict:
    """Relax one structure and put its record into the store at ``root``: one job of a pool."""
    surrogate = Surrogate(**settings)
    record = relax(structure_from(start), POTENTIALS[surrogate.potential].load(), surrogate, relax_cell)
    kept = {"method": surrogate.method(), "limit": surrogate.seconds, "start": start}
    return Store(Path(root)).put(key, record | kept)


def relax(structure: Structure, calculator: Calculator, settings: Surrogate, relax_cell: bool = True) -> dict:
    """Relax sites and cell with an ASE ``calculator`` and return the record.

    It holds what ``relaxation_verdict.outcome`` returns, the ``final`` structure, ``steps``, ``seconds`` and
    ``cpu_seconds``; for a structure whose atoms are too close nothing but status and reason.
    """
    if reason := too_close(structure):
        return {"status": TOO_CLOSE, "reason": reason}
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = calculator
    began, cpu = time.time(), time.process_time()
    optimizer = FIRE(FrechetCellFilter(atoms) if relax_cell else atoms, logfile=None)
    ended, converged = None, False
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for converged in optimizer.irun(fmax=settings.force, steps=settings.steps):
            if reason := exploded(structure, _structure(atoms), atoms.get_forces()):
                ended = EXPLODED, reason
            elif not converged and time.process_time() - cpu > settings.seconds:
                ended = TIME_LIMIT, f"not converged within {settings.seconds:g} s of CPU time"
            if ended:
                break
    times = {"seconds": time.time() - began, "cpu_seconds": time.process_time() - cpu, "began": began}
    found = outcome(atoms, bool(converged), relax_cell) | {"final": structure_record(_structure(atoms))}
    if ended:
        found |= dict(zip(("status", "reason"), ended, strict=True))
    return found | {"steps": optimizer.nsteps} | times


def _structure(atoms) -> Structure:
    return Structure(np.array(atoms.cell), atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False))
