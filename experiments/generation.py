"""What the generation stage left behind, read for Tables 2 and 4, Figures 6 and 7 and the novelty of its crystals.

Their modules share this command line: ``python -m experiments.NAME --results results/RUN --data runs/RUN/data``.
"""

import argparse
import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from repro.evaluation.metrics import bootstrap_interval
from repro.locks import reading
from repro.training.dataset import Dataset, read_dataset

FOLDER, CANDIDATES = "generate", "candidates.csv"
FLAGS = ("valid", "same_stoichiometry", "charge_balanced", "known_formula", "training_formula")
INTEGERS = ("rank", "condition", "spacegroup", "n_sites", "n_elements")
TEXTS = ("id", "target", "base", "formula", "file", "reason")
REQUIRED = ("id", "target", "base", "condition", "formula", "valid", "formation_energy_per_atom", "file")
SEED = 0  # of every bootstrap


@dataclass(frozen=True)
class Generation:
    """The rows of ``candidates.csv`` in their order, with numbers as numbers and None for blanks, and the crystals.

    ``folder`` is ``results/RUN/generate``, where the CIFs lie; ``dataset`` holds the run's crystals, parts and edges.
    """

    folder: Path
    rows: list[dict]
    dataset: Dataset

    @property
    def valid(self) -> list[dict]:
        """The valid samples: those with a CIF."""
        return [row for row in self.rows if row["valid"] and row["file"]]

    @property
    def around(self) -> list[dict]:
        """The samples around a base compound."""
        return [row for row in self.rows if row["base"]]

    @property
    def random(self) -> list[dict]:
        """The samples of the whole latent space."""
        return [row for row in self.rows if not row["base"]]

    @cached_property
    def train(self) -> list[Crystal]:
        """The crystals of the training part."""
        return [self.dataset.crystals[index] for index in self.dataset.indices("train")]

    @cached_property
    def bases(self) -> dict[str, Crystal]:
        """The crystals by the name that a target around them has."""
        return {f"{crystal.formula}-{crystal.id}": crystal for crystal in self.dataset.crystals}

    @cached_property
    def by_formula(self) -> dict[str, list[Crystal]]:
        """All crystals of the run by reduced formula, the one of lowest formation energy first."""
        return by_formula(self.dataset.crystals)

    def structure(self, row: dict) -> Structure:
        """Return the structure of a row's CIF; raises InputError when it cannot be read."""
        return read_cif(self.folder / row["file"])


def by_formula(crystals: Iterable[Crystal]) -> dict[str, list[Crystal]]:
    """Return crystals by reduced formula, the one of lowest formation energy (eV/atom) first, those without last."""
    found: dict[str, list[Crystal]] = {}
    for crystal in sorted(crystals, key=lambda c: np.nan_to_num(c.formation_energy_per_atom, nan=np.inf)):
        found.setdefault(crystal.formula, []).append(crystal)
    return found


def read_cif(path: Path) -> Structure:
    """Return the structure of a CIF; raises InputError naming the file when it cannot be read."""
    try:
        return Structure.from_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): run the stage 'generate' again.") from error


def read_generation(results: Path, data: Path) -> Generation:
    """Read a run's candidates and crystals; raises InputError, one sentence, when a stage has not been run."""
    path = results / FOLDER / CANDIDATES
    try:
        with open(path, newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        rows = [{name: _value(name, text) for name, text in row.items()} for row in table]
    except FileNotFoundError:
        raise InputError(f"{path} is not there: run the stage 'generate' first.") from None
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}): run the stage 'generate' again.") from None
    missing = [name for name in REQUIRED if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{path} has no {'column ' + missing[0] if rows else 'rows'}: run the stage 'generate' again.")
    return Generation(results / FOLDER, rows, read_dataset(data))


def _value(name: str, text: str) -> str | bool | int | float | None:
    if name in TEXTS:
        return text
    if name in FLAGS:
        return text == "True"
    if not text:
        return None
    return int(text) if name in INTEGERS else float(text)


def identity(results: Path) -> str:
    """Return the sha256 of ``candidates.csv``: it tells whether a stored result is of the present generation."""
    path = results / FOLDER / CANDIDATES
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def structure_type(formula: str) -> str:
    """Return the paper's structure type (Figure 6a), the anonymous formula: NaCl is AB, SrTiO3 ABC3."""
    return Composition(formula).anonymized_formula


def mean_of(values: Sequence[float]) -> dict:
    """Return count, mean and its bootstrap 95 % interval; None where there are too few values."""
    values = [float(value) for value in values]
    low, high = bootstrap_interval(values, SEED)
    return {
        "count": len(values),
        "mean": float(np.mean(values)) if values else None,
        "interval": [low, high] if len(values) > 1 else None,
    }


def share_of(flags: Sequence[bool]) -> dict:
    """Return how many of ``of`` are true, as ``count`` and as ``share`` of one with its bootstrap 95 % interval."""
    found = mean_of(flags)
    return {"count": int(sum(flags)), "of": len(flags), "share": found["mean"], "interval": found["interval"]}


def most_common(values: Iterable, top: int) -> list[tuple]:
    """Return the ``top`` most frequent values with their counts; equal counts in the order of the values."""
    return sorted(Counter(values).items(), key=lambda pair: (-pair[1], str(pair[0])))[:top]


def stored(structure: Structure) -> dict:
    """Return a structure as plain data: ``lengths`` in Å, ``angles`` in degrees, ``numbers`` and ``fractional``."""
    crystal = crystal_from_structure(structure, "")
    fields = ("lengths", "angles", "numbers", "fractional")
    return {name: getattr(crystal, name).tolist() for name in fields}


def restored(plain: dict, id: str = "") -> Structure:
    """Return the structure that ``stored`` described."""
    arrays = {name: np.array(values) for name, values in plain.items()}
    return Crystal(id=id, formula="", **arrays).structure()


def command(name: str, description: str) -> argparse.ArgumentParser:
    """Return the command line that every experiment on generated crystals has."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}", description=description)
    parser.add_argument("--results", type=Path, required=True, help="results/RUN, with generate/candidates.csv")
    parser.add_argument("--data", type=Path, help="runs/RUN/data (default: of the same run)")
    parser.add_argument("--redraw", action="store_true", help=f"only draw what {name}.json already holds")
    return parser


def obtain(name: str, options: argparse.Namespace, compute: Callable[[Generation], dict]) -> dict:
    """Return ``compute`` of the run's generation and store it as ``name``.json, or what is stored with ``--redraw``.

    Raises InputError when there is none, or when another process makes it anew.
    """
    path = options.results / f"{name}.json"
    if options.redraw:
        return read_stored(path)
    run = Path("runs") / options.results.name
    data = options.data or run / "data"
    with reading([data, run / FOLDER]):
        found = {"identity": identity(options.results)} | compute(read_generation(options.results, data))
    write_json(path, found)
    return read_stored(path)  # what is drawn is what is stored


def read_stored(path: Path) -> dict:
    """Read a result that an experiment has stored; raises InputError when it is not there or damaged."""
    return read_json(path, f"run 'make {path.stem}'")
