"""Table 2: samples around base compounds through the paper's six filters, and the candidates left (Table S1)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from pymatgen.core import Composition

from data_prep.crystal import FAMILIES, Crystal
from data_prep.errors import InputError
from data_prep.files.atomic import write_csv
from data_prep.property_labels import FORMATION_ENERGY
from experiments.means import mean_of
from experiments.paper import TABLE2, TEXT
from experiments.stored import of_generation
from experiments.stored_generation import Generation
from experiments.tables import markdown, mean_cell, shown, write_table
from repro.run import Run

STEPS = tuple(row.step for row in TABLE2)
WITHIN = 0.2  # Ab Initio Validation: "a formation energy within 20% of the base compound"
NOTE = (
    "Mean number of samples per base compound that are left after each step, with the 95 % bootstrap interval of the "
    "mean over the bases, and in % of the samples drawn. Distances: all sites more than 0.5 Å apart. Formula: the "
    "base's stoichiometry. Not in the training set: by reduced formula. Formation energy: predicted by our CGCNN, "
    "against the base's label. Of equal compositions the one of lowest energy stays. Selected: without actinides, and "
    f"of each base the {TEXT['closest_kept'].value} closest to it in energy. Neighbours: not the paper's samples but "
    "ours, crystals like the base with elements near to its own."
)
_COLUMNS = (
    "id", "base", "family", "formula", FORMATION_ENERGY, "base_energy", "difference", "spacegroup",
    "n_sites", "a", "b", "c", "angle", "min_distance", "actinide", "selected", "file",
)  # fmt: skip


def from_run(run: Run) -> dict:
    """Return Table 2 of a run's generated crystals, stored as ``table2.json``."""
    return of_generation("table2", run, compute)


def compute(generation: Generation) -> dict:
    """Return the counts of each base, their means over all bases and by family, and the candidates left.

    ``candidates`` carry the predicted and the base's formation energy in eV/atom, their relative ``difference``,
    and ``file``, relative to the results folder. Raises InputError without samples around bases.
    """
    if not generation.around:
        raise InputError(f"{generation.results} has no sample around a base: run the stage 'generate' first.")
    bases, left = [], []
    for base, rows in _by_base(generation, generation.around):
        kept = filtered(rows, base)
        undecodable = sum(not row["formula"] for row in rows)
        counts = {step: len(part) for step, part in kept.items()}
        bases.append(
            {"base": base.formula, "id": base.id, "family": base.family}
            | {FORMATION_ENERGY: base.formation_energy_per_atom, "undecodable": undecodable, "counts": counts}
        )
        left += _candidates(kept[STEPS[-1]], base)
    groups = {"all": bases} | {family: [base for base in bases if base["family"] == family] for family in FAMILIES}
    groups["neighbours"] = [
        {"counts": {step: len(part) for step, part in filtered(rows, base).items()}}
        for base, rows in _by_base(generation, generation.neighbours)
    ]
    return {
        "bases": bases,
        "groups": {name: _group(members) for name, members in groups.items() if members},
        "candidates": left,
        "selected": sum(row["selected"] for row in left),
        "paper": {"steps": [asdict(row) for row in TABLE2], "selected": TEXT["dft_candidates"].value},
        "note": NOTE,
    }


def _by_base(generation: Generation, samples: Sequence[dict]) -> list[tuple[Crystal, list[dict]]]:
    """Return each base with the samples around it, in the order of their names."""
    targets: dict[str, list[dict]] = {}
    for row in samples:
        targets.setdefault(row["target"], []).append(row)
    unknown = sorted(targets.keys() - generation.bases.keys())
    if unknown:
        raise InputError(
            f"The base {unknown[0]} of {generation.results} is no crystal of this run: run the stage 'generate' again."
        )
    return [(generation.bases[target], rows) for target, rows in sorted(targets.items())]


def filtered(rows: Sequence[dict], base: Crystal) -> dict[str, list[dict]]:
    """Return the samples around ``base`` that are left after each of the six steps, in the paper's order."""
    tests: dict[str, Callable[[dict], bool]] = {
        STEPS[1]: lambda row: row["valid"],
        STEPS[2]: lambda row: row["same_stoichiometry"],
        STEPS[3]: lambda row: not row["training_formula"],
        STEPS[4]: lambda row: near(row, base.formation_energy_per_atom),
    }
    left = {STEPS[0]: list(rows)}
    for step, test in tests.items():
        left[step] = [row for row in list(left.values())[-1] if test(row)]
    unique: dict[str, dict] = {}
    for row in sorted(left[STEPS[4]], key=lambda row: row[FORMATION_ENERGY]):
        unique.setdefault(row["formula"], row)
    return left | {STEPS[5]: list(unique.values())}


def near(row: dict, energy: float) -> bool:
    """Return whether a row has a predicted formation energy within 20 % of ``energy`` (eV/atom)."""
    predicted = row.get(FORMATION_ENERGY)
    return predicted is not None and abs(predicted - energy) <= WITHIN * abs(energy)


def survivors(generation: Generation) -> set[str]:
    """Return the ids of the samples that pass all six steps."""
    kept = (filtered(rows, base) for base, rows in _by_base(generation, generation.around))
    return {row["id"] for steps in kept for row in steps[STEPS[-1]]}


def _candidates(rows: Sequence[dict], base: Crystal) -> list[dict]:
    """Return the candidates of one base, the closest to it in energy first (Ab Initio Validation; Table S1)."""
    energy, found = base.formation_energy_per_atom, []
    for row in rows:
        actinide = any(element.is_actinoid for element in Composition(row["formula"]).elements)
        difference = (row[FORMATION_ENERGY] - energy) / abs(energy) if energy else 0.0
        more = {"family": base.family, "base_energy": energy, "difference": difference, "actinide": actinide}
        found.append(row | more)
    found.sort(key=lambda row: (abs(row["difference"]), row["id"]))
    allowed = [row["id"] for row in found if not row["actinide"]][: int(TEXT["closest_kept"].value)]
    return [{name: row.get(name) for name in _COLUMNS} | {"selected": row["id"] in allowed} for row in found]


def _group(bases: Sequence[dict]) -> dict:
    """Return the mean count after each step over ``bases``, and what share of the samples that is, in %."""
    drawn = sum(base["counts"][STEPS[0]] for base in bases)
    steps = []
    for step in STEPS:
        counts = [base["counts"][step] for base in bases]
        steps.append({"step": step, "percent": 100 * sum(counts) / drawn} | mean_of(counts))
    fruitful = sum(base["counts"][STEPS[-1]] > 0 for base in bases)
    return {"bases": len(bases), "bases_with_candidates": fruitful, "steps": steps}


def header(table: dict) -> list[str]:
    """Return the heads of the columns: step, the paper's two, ours of all bases and of each family."""
    groups = (
        f"{'ours' if name == 'all' else name}, {group['bases']} base{'s' * (group['bases'] > 1)}"
        for name, group in table["groups"].items()
    )
    ours = [text for group in groups for text in (group, "%")]
    return ["filtering step", f"paper, {TEXT['bases'].value} bases", "%", *ours]


def cells(table: dict) -> list[list[str]]:
    """Return the rows of the table as text, under ``header``."""
    rows = []
    for place, printed in enumerate(table["paper"]["steps"]):
        row = [printed["step"], f"{printed['samples']:,}", str(printed["percent"])]
        for group in table["groups"].values():
            step = group["steps"][place]
            row += [mean_cell(step, 1), shown(step["percent"], 1)]
        rows.append(row)
    return rows


def summary(table: dict) -> str:
    """Return in one sentence how many candidates are left, beside the paper's."""
    left, group = table["candidates"], table["groups"]["all"]
    distinct = len({row["formula"] for row in left})
    return (
        f"{len(left)} candidates of {distinct} formulas are left, around {group['bases_with_candidates']} of "
        f"{group['bases']} bases; {table['selected']} of them are selected (paper: {table['paper']['selected']})."
    )


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .csv, .md and ``path``_candidates.csv; ``path`` has no suffix."""
    rows = []
    for place, printed in enumerate(table["paper"]["steps"]):
        row = {"step": printed["step"], "paper": printed["samples"], "paper_percent": printed["percent"]}
        for name, group in table["groups"].items():
            step = group["steps"][place]
            low, high = step["interval"] or (None, None)
            row |= {name: step["mean"], f"{name}_low": low, f"{name}_high": high, f"{name}_percent": step["percent"]}
        rows.append(row)
    candidates = path.with_name(f"{path.name}_candidates.csv")
    write_csv(candidates, table["candidates"], _COLUMNS)
    return [*write_table(path, table, text(table), rows), candidates]


def text(table: dict) -> str:
    """Return the table as Markdown with its summary and note."""
    return "\n\n".join([markdown(header(table), cells(table)), summary(table), table["note"]])
