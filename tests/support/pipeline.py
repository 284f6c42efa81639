"""A small source on disk and a run on it, for tests that run real stages."""

import csv
from pathlib import Path

from pymatgen.core import Element

from data_prep.crystal import Crystal
from repro.__main__ import main as commands
from repro.presets import SMOKE
from repro.run import Run
from tests.support.exit_code import exit_code, run_experiment
from tests.support.made_up_crystals import made_up_crystals

RUN = Run(SMOKE, "crystals.csv", "test", Path("nowhere"))  # in the working folder, on the file of ``small_source``
_OPTIONS = ["--preset", RUN.preset.name, "--source", RUN.source, "--run", RUN.name, "--shared", str(RUN.shared)]


def repro(*arguments: str) -> int:
    """Run a command of ``python -m repro`` on ``RUN`` and return its exit code."""
    return exit_code(commands, [*arguments, *_OPTIONS])


def experiment(*arguments: str) -> int:
    """Run a command of ``python -m experiments`` on ``RUN`` and return its exit code."""
    return run_experiment([*arguments, *_OPTIONS])


def table_row(crystal: Crystal) -> dict[str, object]:
    """Return a crystal as a row of a table that ``read_table`` reads."""
    a, b, c = crystal.lengths
    alpha, beta, gamma = crystal.angles
    return {
        "id": crystal.id,
        "formula": crystal.formula,
        "spacegroup": 221 if alpha == 90 else 225,
        "a": a,
        "b": b,
        "c": c,
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "species": " ".join(Element.from_Z(int(z)).symbol for z in crystal.numbers),
        "frac": " ".join(f"{value:.8f}" for value in crystal.fractional.ravel()),
        "formation_energy_per_atom": crystal.formation_energy_per_atom,
    }


def small_source(folder: Path, count: int = 45) -> Path:
    """Write a table of made-up crystals and return its path."""
    path = folder / "crystals.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table_row(made_up_crystals(1)[0])))
        writer.writeheader()
        writer.writerows(table_row(crystal) for crystal in made_up_crystals(count))
    return path
