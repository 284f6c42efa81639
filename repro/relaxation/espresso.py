"""Relaxations by Quantum ESPRESSO's pw.x: inputs chosen per structure, results refused unless they converged.

The paper's settings (Ab Initio Validation): PBE, norm-conserving pseudopotentials, Grimme's D2, Gaussian smearing,
cells and positions; energies to 1e-4 Ry between steps, forces to 1e-3 Ry/Bohr.
"""

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed
from ase.calculators.espresso import Espresso, EspressoProfile
from pymatgen.core import Structure

from data_prep.errors import InputError
from repro.locks import waiting
from repro.relaxation.calculation_store import TIME_LIMIT, Store, structure_from, structure_record
from repro.relaxation.pseudopotentials import Pseudopotential, choose, cutoff_of
from repro.relaxation.relaxation_verdict import (
    EXPLODED,
    NOT_CONVERGED,
    PRESSURE,
    TOO_CLOSE,
    exploded,
    outcome,
    too_close,
)

ENERGY, STEP, FORCE = 3.7e-6, 1e-4, 1e-3  # Ry/atom (5e-5 eV), Ry between steps, Ry/Bohr: the paper's
RESTARTS = 4  # a cell that changed is relaxed again in the plane waves of the new cell until no pressure is left
MOMENTS = {"Cr": 0.4, "Mn": 0.4, "Fe": 0.3, "Co": 0.25, "Ni": 0.2}  # initial, as shares of the valence electrons
IN_O2 = 0.34  # the same, of oxygen in the molecule
_OUTPUT = "espresso.pwo"
_CONVERGED, _OUT_OF_TIME = "End of BFGS Geometry Optimization", "Maximum CPU time exceeded"
_NO_DENSITY = "convergence NOT achieved"
_VERSION = re.compile(r"Program PWSCF v\.?\s*(\S+)")


@dataclass(frozen=True)
class Dft:
    """Settings of pw.x, the same for compounds and elements.

    ``pseudos`` is the folder of UPF files; ``cutoff`` in Ry for files without a known one; ``spacing`` of the
    k-points in 1/Å (2 pi included); ``smearing`` in Ry; ``seconds`` a relaxation may take; ``command`` starts pw.x.
    """

    pseudos: str
    d2: bool = True
    cutoff: float | None = None
    spacing: float = 0.3
    smearing: float = 0.01
    seconds: float = 86400.0
    command: str = "pw.x"
    title: ClassVar[str] = "Quantum ESPRESSO"

    def label_error(self, family: str) -> None:
        """Return None: how far these energies lie from labels depends on your pseudopotentials."""

    def method(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return how a result was made: settings and the pseudopotentials of its elements, by checksum."""
        chosen = choose(Path(self.pseudos), elements, self.cutoff)
        settings = {name: getattr(self, name) for name in ("d2", "spacing", "smearing")}
        used = {element: pseudo.record() for element, pseudo in chosen.items()}
        return {"name": self.title, **settings, "pseudopotentials": used}

    def key(self, elements: Sequence[str] = ()) -> dict[str, Any]:
        """Return what a result depends on: its method, whatever the source of the cutoffs."""
        method = self.method(elements)
        for used in method["pseudopotentials"].values():
            del used["cutoff_from"]
        return method

    def job(self, structure: Structure, relax_cell: bool) -> tuple:
        """Return the function and the arguments of a job that relaxes ``structure``."""
        return run_job, (structure_record(structure), relax_cell, asdict(self))

    def ready(self) -> "Dft":
        """Return these settings with absolute paths; raises InputError if pw.x or the folder is missing."""
        words = _words(self.command)
        if shutil.which(words[0]) is None:
            raise InputError(
                f"{words[0]} is not found: install Quantum ESPRESSO (Debian: apt-get install quantum-espresso), "
                "or name it with --pw."
            )
        choose(Path(self.pseudos), ())
        return replace(self, pseudos=str(Path(self.pseudos).resolve()), command=shlex.join(words))


def _words(command: str) -> list[str]:
    """Return the words of a command, files as absolute paths, because each calculation starts it in its own folder.

    Raises InputError if there are no words, or their quotes do not close.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"--pw {command!r} cannot be read ({error}): close its quotes.") from error
    if not words:
        raise InputError("--pw names no program: give the command that starts pw.x, or leave it out.")
    # Links are not resolved: a program may depend on the name by which it is called.
    return [os.path.abspath(word) if Path(word).is_file() and not _on_path(word) else word for word in words]


def _on_path(word: str) -> bool:
    return os.sep not in word and shutil.which(word) is not None


def run_job(start: dict, relax_cell: bool, settings: dict, key: str, root: str) -> dict:
    """Relax one structure with pw.x in the store's folder of this key and store its record: one job of a pool.

    If another command calculates the same, this one waits for it and takes its record.
    """
    store, dft, structure = Store(Path(root)), Dft(**settings), structure_from(start)
    with waiting(store.folder(key)):
        if (finished := store.get(key, dft.seconds)) is not None:
            return finished
        record = relax(structure, dft, store.folder(key), relax_cell)
        elements = [element.symbol for element in structure.composition.elements]
        return store.put(key, record | {"method": dft.method(elements), "limit": dft.seconds, "start": start})


def parameters(structure: Structure, dft: Dft, chosen: Mapping[str, Pseudopotential], relax_cell: bool = True) -> dict:
    """Return ASE's ``input_data``, ``kpts`` and ``pseudopotentials`` for a structure.

    The cutoff is the largest of the elements'; k-points follow from the spacing, Gamma alone for a molecule in its box
    (``relax_cell`` false); elements that carry moments, and O2, are spin-polarised.
    """
    cutoff = cutoff_of(chosen.values())
    dual = 4 if all(pseudo.norm_conserving for pseudo in chosen.values()) else 8
    system = {
        "ecutwfc": cutoff, "ecutrho": dual * cutoff, "occupations": "smearing", "smearing": "gaussian",
        "degauss": dft.smearing,
    }  # fmt: skip
    if dft.d2:
        system["vdw_corr"] = "grimme-d2"
    if any(moments(structure, relax_cell)):
        system["nspin"] = 2
    control = {
        "calculation": "vc-relax" if relax_cell else "relax", "etot_conv_thr": STEP, "forc_conv_thr": FORCE,
        "tprnfor": True, "tstress": True, "nstep": 100, "max_seconds": dft.seconds, "outdir": "tmp",
        "disk_io": "low", "prefix": "pw",
    }  # fmt: skip
    electrons = {"conv_thr": ENERGY * len(structure) / 100, "mixing_beta": 0.4, "electron_maxstep": 200}
    data = {"control": control, "system": system, "electrons": electrons, "ions": {}}
    if relax_cell:
        data["cell"] = {"press_conv_thr": 0.5}
    files = {symbol: pseudo.file for symbol, pseudo in chosen.items()}
    return {
        "input_data": data,
        "kpts": k_points(structure, dft.spacing) if relax_cell else None,
        "pseudopotentials": files,
    }


def moments(structure: Structure, periodic: bool = True) -> list[float]:
    """Return for each site the share of its valence electrons that starts polarised, all parallel; O only in O2."""
    known = MOMENTS if periodic or structure.composition.reduced_formula != "O2" else {"O": IN_O2}
    return [known.get(site.specie.symbol, 0.0) for site in structure]


def k_points(structure: Structure, spacing: float) -> tuple[int, int, int]:
    """Return the Monkhorst-Pack grid whose points are at most ``spacing`` 1/Å apart."""
    lengths = structure.lattice.reciprocal_lattice.abc  # 2 pi included
    return tuple(max(1, int(np.ceil(length / spacing - 1e-6))) for length in lengths)


def relax(structure: Structure, dft: Dft, folder: Path, relax_cell: bool = True) -> dict:
    """Relax a structure with pw.x in ``folder`` and return its record (as ``surrogate.relax`` does).

    A changed cell is relaxed again, in plane waves of the new cell, until a fresh calculation finds no pressure.
    Raises CalculationFailed if pw.x stops with an error; its files stay in the folder.
    """
    if reason := too_close(structure):
        return {"status": TOO_CLOSE, "reason": reason}
    chosen = choose(Path(dft.pseudos), (element.symbol for element in structure.composition.elements), dft.cutoff)
    folder.mkdir(parents=True, exist_ok=True)
    began, now = time.time(), structure
    for iteration in range(1, RESTARTS + 1):
        options = parameters(now, dft, chosen, relax_cell)
        options["input_data"]["control"]["max_seconds"] = max(60.0, dft.seconds - (time.time() - began))
        used = {"input": options, "iterations": iteration, "folder": str(folder)}
        text = run(now, options, dft, folder)
        if ended := _unfinished(text, dft):
            found = dict(zip(("status", "reason"), ended, strict=True))
            break
        atoms = ase.io.read(folder / _OUTPUT, format="espresso-out", index=-1)
        now = Structure(np.array(atoms.cell), [site.specie for site in now], atoms.get_scaled_positions(wrap=False))
        found = outcome(atoms, _CONVERGED in text, relax_cell) | {"final": structure_record(now)}
        if reason := exploded(structure, now, atoms.get_forces()):
            found |= {"status": EXPLODED, "reason": reason}
            break
        if _CONVERGED not in text or not relax_cell or abs(found["pressure"]) <= PRESSURE:
            break
    shutil.rmtree(folder / "tmp", ignore_errors=True)  # wave functions
    version = (_VERSION.search(text) or ["", ""])[1]
    return found | used | {"version": version, "seconds": time.time() - began, "began": began}


def run(structure: Structure, options: dict, dft: Dft, folder: Path) -> str:
    """Run pw.x once and return what it printed; raises CalculationFailed when it stops with an error."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    atoms = Atoms([site.specie.symbol for site in structure], cell=structure.lattice.matrix, pbc=True)
    atoms.set_scaled_positions(structure.frac_coords)
    atoms.set_initial_magnetic_moments(moments(structure, options["input_data"]["control"]["calculation"] != "relax"))
    profile = EspressoProfile(command=dft.command, pseudo_dir=dft.pseudos)
    calculator = Espresso(profile=profile, directory=folder, **options)
    calculator.write_inputfiles(atoms, ["energy", "forces", "stress"])
    try:
        calculator.template.execute(folder, profile)
    except subprocess.CalledProcessError as error:
        if _NO_DENSITY not in _printed(folder):
            complaint = _complaint(_printed(folder)) or str(error)
            raise CalculationFailed(f"pw.x stopped ({complaint}); its files are in {folder}") from error
    return _printed(folder)


def _printed(folder: Path) -> str:
    output = folder / _OUTPUT
    return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""


def _unfinished(text: str, dft: Dft) -> tuple[str, str] | None:
    """Return status and reason of a relaxation that pw.x broke off, None if it reached its end."""
    if _NO_DENSITY in text:
        return NOT_CONVERGED, "the electron density did not become self-consistent"
    if _OUT_OF_TIME in text:
        return TIME_LIMIT, f"not converged within {dft.seconds:g} s"
    return None


def _complaint(text: str) -> str:
    """Return the error that pw.x printed between two lines of per cent signs."""
    match = re.search(r"%{20,}\n(.*?)%{20,}", text, re.DOTALL)
    return " ".join(match[1].split()) if match else ""
