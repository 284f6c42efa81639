"""Table 2: samples around base compounds through the paper's six filters, and the candidates left (Table S1).

Two ways of sampling go through the same filters and the same rule of selection, each by itself: the paper's, N(z, .5)
around a base's latent, and ours, its neighbours (F46). Only the paper's way can be compared with the paper's numbers.
"""

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
from experiments.stored_generation import NEIGHBOURS, NOISE, WAYS, Generation
from experiments.tables import markdown, mean_cell, shown, write_table
from repro.run import Run

STEPS = tuple(row.step for row in TABLE2)
WITHIN = 0.2  # Ab Initio Validation: "a formation energy within 20% of the base compound"
NOTE = (
    "Mean number of samples per base compound that are left after each step, with the 95 % bootstrap interval of the "
    "mean over the bases, and in % of the samples drawn. Distances: all sites more than 0.5 Å apart. Formula: the "
    "base's stoichiometry. Not in the training set: by reduced formula. Formation energy: predicted by our CGCNN, "
    "against the base's label. Of equal compositions the one of lowest energy stays. The paper's way of sampling is "
    f"N(z, {TEXT['spread'].value:g}) around the base's latent z: so are our first column and those of the families. "
    "Neighbours are our own way: crystals like the base with elements near to its own. Selected for Table 3: without "
    f"actinides, and of each base and way the {TEXT['closest_kept'].value} closest to the base in energy. The paper's "
    f"{TEXT['dft_candidates'].value} are of its own way."
)
_COLUMNS = (
    "id", "base", "family", "sampling", "formula", FORMATION_ENERGY, "base_energy", "difference", "spacegroup",
    "n_sites", "a", "b", "c", "angle", "min_distance", "actinide", "selected", "file",
)  # fmt: skip


def from_run(run: Run) -> dict:
    """Return Table 2 of a run's generated crystals, stored as ``table2.json``."""
    return of_generation("table2", run, compute)


def compute(generation: Generation) -> dict:
    """Return the counts of each base, their means over the bases, and the candidates left, by way of sampling.

    ``groups`` are ``all`` and the families of the paper's way, and ``neighbours``. ``candidates`` of both ways, the
    paper's first, carry their way ``sampling``, the predicted and the base's formation energy in eV/atom, their
    relative ``difference``, and ``file``, relative to the results folder; ``selected`` counts them by way. Raises
    InputError without samples of the paper's way.
    """
    if not generation.around:
        raise InputError(f"{generation.results} has no sample around a base: run the stage 'generate' first.")
    bases: dict[str, list[dict]] = {way: [] for way in generation.by_way}
    left: dict[str, list[dict]] = {way: [] for way in generation.by_way}
    for way, samples in generation.by_way.items():
        for base, rows in _by_base(generation, samples):
            kept = filtered(rows, base)
            bases[way].append(_counted(base, rows, kept) | {"sampling": way})
            left[way] += _candidates(kept[STEPS[-1]], base, way)
    papers = bases[NOISE]
    groups = {"all": papers} | {family: [base for base in papers if base["family"] == family] for family in FAMILIES}
    groups[NEIGHBOURS] = bases.get(NEIGHBOURS, [])
    return {
        "bases": [base for found in bases.values() for base in found],
        "groups": {name: _group(members) for name, members in groups.items() if members},
        "candidates": [row for rows in left.values() for row in rows],
        "selected": {way: sum(row["selected"] for row in rows) for way, rows in left.items()},
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


def _counted(base: Crystal, rows: Sequence[dict], kept: dict[str, list[dict]]) -> dict:
    """Return what is stored of a base: which one it is, and how many samples around it are left after each step."""
    counts = {step: len(part) for step, part in kept.items()}
    return {"base": base.formula, "id": base.id, "family": base.family} | {
        FORMATION_ENERGY: base.formation_energy_per_atom,
        "undecodable": sum(not row["formula"] for row in rows),
        "counts": counts,
    }


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
    """Return the ids of the samples of the paper's way that pass all six steps.

    Neighbours are not among them: Table 4 and Figure 7 set the survivors beside the paper's, which are of its way.
    """
    kept = (filtered(rows, base) for base, rows in _by_base(generation, generation.around))
    return {row["id"] for steps in kept for row in steps[STEPS[-1]]}


def _candidates(rows: Sequence[dict], base: Crystal, way: str) -> list[dict]:
    """Return the candidates of one base and way, the closest in energy first (Ab Initio Validation; Table S1)."""
    energy, found = base.formation_energy_per_atom, []
    for row in rows:
        actinide = any(element.is_actinoid for element in Composition(row["formula"]).elements)
        difference = (row[FORMATION_ENERGY] - energy) / abs(energy) if energy else 0.0
        more = {"family": base.family, "base_energy": energy, "difference": difference, "actinide": actinide}
        found.append(row | more | {"sampling": way})
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
    """Return the heads of the columns: step, the paper's two, ours of its way, by family, and the neighbours."""
    groups = (
        f"{'ours, ' + WAYS[NOISE] if name == 'all' else name}, {group['bases']} base{'s' * (group['bases'] > 1)}"
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
    """Return in one sentence for each way of sampling how many candidates are left, beside the paper's."""
    return " ".join(_left(table, way, selected) for way, selected in selected_by_way(table).items())


def _left(table: dict, way: str, selected: int) -> str:
    rows, group = candidates_of(table, way), table["groups"]["all" if way == NOISE else way]
    formulas = len({row["formula"] for row in rows})
    beside = f"paper: {table['paper']['selected']}" if way == NOISE else "our way of sampling, the paper has none"
    return (
        f"{WAYS[way].capitalize()}: {len(rows)} candidates of {formulas} formulas are left, around "
        f"{group['bases_with_candidates']} of {group['bases']} bases; {selected} of them are selected ({beside})."
    )


def selected_by_way(table: dict) -> dict[str, int]:
    """Return how many candidates are selected of each way; a table of an earlier version had only the paper's."""
    selected = table["selected"]
    return selected if isinstance(selected, dict) else {NOISE: selected}


def candidates_of(table: dict, way: str) -> list[dict]:
    """Return the candidates of one way of sampling; those of a table of an earlier version are of the paper's."""
    return [row for row in table["candidates"] if row.get("sampling", NOISE) == way]


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
