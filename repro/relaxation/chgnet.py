"""Relaxations by CHGNet, a neural network potential: a fast surrogate for DFT, never a DFT result."""

import contextlib
import io
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from data_prep.errors import InputError
from repro.relaxation.calculation_store import TIME_LIMIT, Store, structure_from, structure_record
from repro.relaxation.relaxation_verdict import EXPLODED, TOO_CLOSE, exploded, outcome, too_close

NAME = "CHGNet"
_KEYED_SECONDS = 120.0  # the first default; keys of stored results hold it whatever the limit is


@dataclass(frozen=True)
class Surrogate:
    """Settings of CHGNet relaxations: largest force left in eV/Å (on the cell too), most steps, seconds of CPU time."""

    force: float = 0.01
    steps: int = 1000
    seconds: float = 120.0

    def method(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return how a result was made, the same for all elements: settings and versions of the potential."""
        return {"name": NAME, **asdict(self), **versions()}

    def key(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return what a result depends on: its method without the time limit."""
        return self.method(elements) | {"seconds": _KEYED_SECONDS}

    def job(self, structure: Structure, relax_cell: bool) -> tuple:
        """Return the function and the arguments of a job that relaxes ``structure``."""
        return run_job, (structure_record(structure), relax_cell, asdict(self))


@lru_cache(maxsize=1)
def potential() -> Calculator:
    """Return CHGNet as an ASE calculator on the CPU, one thread, loaded once per process.

    Raises InputError if CHGNet is not installed.
    """
    from data_prep.embedded.chgnet_model import load_model

    try:
        model = load_model()
    except InputError as error:
        raise InputError(f"{error.__cause__}: run 'make surrogate' once, or choose DFT.") from error
    from chgnet.model.dynamics import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNetCalculator(model=model, use_device="cpu", on_isolated_atoms="ignore")


def versions() -> dict[str, str]:
    """Return the versions on which the surrogate's numbers depend; raises InputError if it is not installed."""
    from data_prep.embedded import chgnet_model

    return chgnet_model.versions(potential().model)


def run_job(start: dict, relax_cell: bool, settings: dict, key: str, root: str) -> dict:
    """Relax one structure with CHGNet and put its record into the store at ``root``: one job of a pool."""
    surrogate = Surrogate(**settings)
    record = relax(structure_from(start), potential(), surrogate, relax_cell)
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
