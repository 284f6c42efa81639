"""A potential's own error: real crystals relaxed by CHGNet or SevenNet, against their DFT cells and labels."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pymatgen.core import Element

from data_prep.crystal import FAMILIES, Crystal
from data_prep.errors import InputError
from data_prep.sources import read_source
from experiments.means import mean_of
from experiments.tables import markdown, mean_cell, write_data
from repro.relaxation import relaxation_changes as changes
from repro.relaxation.calculation_store import CONVERGED
from repro.relaxation.calculator import Calculator, bulk_of
from repro.relaxation.potentials import LabelError
from repro.relaxation.surrogate import Surrogate
from repro.run import Run

USUAL = Surrogate().title
STRAIN = 0.05  # of the cell edges: relaxations start from cells up to this much too small or too large
NOTE = (
    "Cells start up to 5 % too small or too large (seeded), so that a relaxation has work to do. Cell: mean absolute "
    "difference of a, b, c from the database's in %; formation energy against the label, elements relaxed by the same "
    "model. Both models were trained on Materials Project calculations, most of these crystals among them: CHGNet on "
    "energies with the corrections of 2020, SevenNet on energies without any, to which those of the labels are added. "
    "The labels hold those of 2019, and many of the cells are r2SCAN's: the differences are of this size for a model "
    "that would be exact, too."
)


def from_run(run: Run, calculator: Calculator, count: int, seed: int) -> dict:
    """Relax ``count`` labelled crystals of the run's source and return the errors of cells and formation energies.

    ``seed`` is that of the sample and of the strain. Raises InputError if the source has too few crystals.
    """
    crystals, _ = read_source(run.source)
    return compute(sample(crystals, count, seed), calculator, seed) | {"source": run.source_name}


def sample(crystals: Sequence[Crystal], count: int, seed: int) -> list[Crystal]:
    """Return ``count`` labelled crystals, as many of each family, of elements that have a known structure."""
    if count < 1:
        raise InputError(f"--count {count}: give a number of crystals above 0.")
    generator, chosen = np.random.default_rng(seed), []
    usable = [crystal for crystal in crystals if np.isfinite(crystal.formation_energy_per_atom) and _has_bulk(crystal)]
    for place, family in enumerate(FAMILIES):
        members = sorted((crystal for crystal in usable if crystal.family == family), key=lambda crystal: crystal.id)
        share = count // len(FAMILIES) + (place < count % len(FAMILIES))
        if len(members) < share:
            raise InputError(f"The source has {len(members)} labelled crystals of {family}, {share} are asked for.")
        chosen += [members[index] for index in generator.choice(len(members), share, replace=False)]
    return chosen


def _has_bulk(crystal: Crystal) -> bool:
    """Return whether the bulk structure of each of its elements is known."""
    return all(bulk_of(Element.from_Z(int(z)).symbol) is not None for z in set(crystal.numbers))


def compute(crystals: Sequence[Crystal], calculator: Calculator, seed: int) -> dict:
    """Relax the crystals from strained cells and return errors by crystal and their means by family."""
    factors = np.random.default_rng(seed).uniform(1 - STRAIN, 1 + STRAIN, len(crystals))
    true = {crystal.id: crystal for crystal in crystals}
    starts = {}
    for crystal, factor in zip(crystals, factors, strict=True):
        structure = crystal.structure()
        starts[crystal.id] = structure.scale_lattice(structure.volume * factor**3) or structure
    records, elements = calculator.with_elements(starts)
    rows = [_row(row, true[name]) for name, row in changes.rows(starts, records, elements).items()]
    groups = {"all": rows} | {family: [row for row in rows if row["family"] == family] for family in FAMILIES}
    return {
        "method": calculator.method.method(),
        "seed": seed,
        "strain": STRAIN,
        "groups": {name: group(members) for name, members in groups.items()},
        "crystals": rows,
        "elements": {symbol: record.get("energy_per_atom") for symbol, record in elements.items()},
        "note": NOTE,
    }


def _row(row: dict, crystal: Crystal) -> dict:
    """Return one crystal's errors: lengths in %, energies in eV/atom."""
    kept = {name: row.get(name) for name in ("id", "formula", "status", "reason", "formation_energy", "seconds")}
    kept |= {"family": crystal.family, "label": crystal.formation_energy_per_atom}
    if row["status"] == CONVERGED:
        relaxed = np.array([row[f"{axis}_relaxed"] for axis in "abc"])
        error = 100 * (relaxed / crystal.lengths - 1)
        kept |= {"cell_percent": float(np.abs(error).mean()), "cell_percent_signed": float(error.mean())}
        kept["angle_change"] = row["angle_change"]
    if row["formation_energy"] is not None:
        kept["formation_energy_error"] = row["formation_energy"] - crystal.formation_energy_per_atom
    return kept


def group(rows: Sequence[dict]) -> dict:
    """Return how many crystals were relaxed, and means, medians and largest errors: cells in %, energies in eV/atom."""
    cell = [row["cell_percent"] for row in rows if "cell_percent" in row]
    energy = [row["formation_energy_error"] for row in rows if "formation_energy_error" in row]
    return {
        "crystals": len(rows),
        "relaxed": len(cell),
        "cell_percent": mean_of(cell) | _spread(cell),
        "cell_percent_signed": mean_of([row["cell_percent_signed"] for row in rows if "cell_percent" in row]),
        "formation_energy_error": mean_of(np.abs(energy)) | _spread(np.abs(energy)),
        "formation_energy_error_signed": mean_of(energy),
        "label_error": asdict(label_error(energy)) if energy else None,
    }


def label_error(errors: Sequence[float]) -> LabelError:
    """Return what ``repro.relaxation.potentials`` keeps of formation energies' errors (eV/atom, at least one)."""
    mean = float(np.mean(errors))
    return LabelError(mean, float(np.quantile(np.abs(np.subtract(errors, mean)), 0.9)))


def _spread(values: Sequence[float]) -> dict:
    return {"median": float(np.median(values)), "largest": float(np.max(values))} if len(values) else {}


def cells(found: dict) -> list[list[str]]:
    """Return the table's rows as text."""
    rows = []
    for name, part in found["groups"].items():
        cell, energy = part["cell_percent"], part["formation_energy_error"]
        worst = (f"{one['median']:.3f} / {one['largest']:.3f}" if one["count"] else "–" for one in (cell, energy))
        rows.append(
            [name, f"{part['relaxed']} of {part['crystals']}", mean_cell(cell, 2), mean_cell(energy, 3), *worst]
        )
    return rows


HEADER = ("crystals", "relaxed", "|Δcell| (%)", "|ΔEf| (eV/atom)", "cell: median / largest", "Ef: median / largest")


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json, with the name of a potential that is not the usual one; ``path`` has no suffix."""
    return write_data(stored_at(path.parent, found["method"]["name"]), found)


def stored_at(folder: Path, potential: str) -> Path:
    """Return where the error of a potential is stored, without suffix."""
    return folder / ("surrogate" if potential == USUAL else f"surrogate_{potential.lower()}")


def text(found: dict) -> str:
    """Return the errors as a table in Markdown, with their note."""
    return f"{markdown(HEADER, cells(found))}\n\n{found['note']}"
