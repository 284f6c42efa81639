"""Table 4: candidates that the data know but no training did, against the labels; and other polymorphs (Table S2)."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from data_prep.crystal import Crystal
from data_prep.files.atomic import write_csv
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import CUBIC, Unusable, symmetry
from data_prep.sources import read_source
from data_prep.structures.matching import matches
from experiments.known_structures import COMPARED, MATCHING, errors, reference
from experiments.means import mean_of
from experiments.paper import TABLE4, TABLE4_MAE, TEXT
from experiments.stored import of_generation
from experiments.stored_generation import Generation, by_formula
from experiments.table2 import survivors
from experiments.tables import markdown, mean_cell, shown, write_table
from repro.run import Run

MEASURED = ("a", "b", "c", "volume", *PROPERTIES)
_PRINTED = {FORMATION_ENERGY: "formation_energy", "energy_per_atom": "energy"}  # names in the paper's Table 4
_DIGITS = {"volume": 1, "bulk_modulus": 1, "shear_modulus": 1}
NOTE = (
    "Absolute errors of valid candidates whose formula the data hold, but not the training part: predictions of our "
    "CGCNN against the labels. One candidate per formula, one that passed the filters of Table 2 if there is one, "
    "then the one of lowest predicted energy. Samples around bases count as filtered only if drawn the paper's way. "
    f"{COMPARED} {MATCHING}"
)


def from_run(run: Run, general: str | None = None) -> dict:
    """Return Table 4 of a run's generated crystals, stored as ``table4.json``.

    ``general`` names a source with crystals of every kind, in which other polymorphs are looked for.
    """
    crystals = read_source(general)[0] if general else None
    return of_generation("table4", run, partial(compute, general=crystals))


def compute(generation: Generation, general: Iterable[Crystal] | None = None) -> dict:
    """Return one row per held-out formula that was generated, with counts and mean absolute errors.

    ``counts`` are of candidates and of distinct formulas, matched by formula and by structure. ``polymorphs`` are the
    generated formulas that only ``general`` knows, and only as crystals that are not cubic; None without it.
    """
    left = survivors(generation)
    held_out = [row for row in generation.valid if row["known_formula"] and not row["training_formula"]]
    groups = _by_formula(held_out, left)
    rows, matched = [], 0
    for formula, members in groups.items():
        known = generation.by_formula[formula]
        alike = [any(matches(generation.structure(row), crystal.structure()) for crystal in known) for row in members]
        matched += sum(alike)
        rows.append(_row(generation, members, known, left) | {"samples_matched": sum(alike)})
    return {
        "rows": rows,
        "counts": {
            "by_formula": {"candidates": len(held_out), "formulas": len(rows)},
            "by_structure": {"candidates": matched, "formulas": sum(row["samples_matched"] > 0 for row in rows)},
            "filtered": sum(row["filtered"] for row in rows),
            "same_cell": sum(row["same_cell"] for row in rows),
        },
        "mae": {name: _means(part) for name, part in _parts(rows).items()},
        "polymorphs": None if general is None else polymorphs(generation, general, left),
        "paper": {"rows": [asdict(row) for row in TABLE4], "mae": asdict(TABLE4_MAE)}
        | {"matches": TEXT["database_matches"].value, "polymorphs": TEXT["noncubic_polymorphs"].value},
        "note": NOTE,
    }


def _by_formula(rows: Sequence[dict], left: set[str]) -> dict[str, list[dict]]:
    """Return candidates by formula, the one that stands for it first."""
    groups: dict[str, list[dict]] = {}
    for row in sorted(rows, key=lambda row: (row["id"] not in left, _energy(row), row["id"])):
        groups.setdefault(row["formula"], []).append(row)
    return groups


def _energy(row: dict) -> float:
    energy = row.get(FORMATION_ENERGY)
    return float("inf") if energy is None else energy


def _row(generation: Generation, members: Sequence[dict], known: Sequence[Crystal], left: set[str]) -> dict:
    first = members[0]
    structure = generation.structure(first)
    crystal, match = reference(structure, known)
    part = generation.dataset.parts[[other.id for other in generation.dataset.crystals].index(crystal.id)]
    facts = {"formula": first["formula"], "samples": len(members), "filtered": any(r["id"] in left for r in members)}
    origin = {"candidate": first["id"], "file": first["file"], "base": first["base"]}
    known_facts = {"known": crystal.id, "part": str(part), "structure_match": match}
    return facts | origin | known_facts | errors(first, structure, crystal)


def _parts(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Return the rows of each mean: all, those of like cells, those that match, those that were filtered."""
    tests = {"same cell": "same_cell", "structure matches": "structure_match", "filtered as in Table 2": "filtered"}
    return {"all": list(rows)} | {name: [row for row in rows if row[test]] for name, test in tests.items()}


def _means(rows: Sequence[dict]) -> dict:
    return {name: mean_of([row[name] for row in rows if row[name] is not None]) for name in MEASURED}


def polymorphs(generation: Generation, general: Iterable[Crystal], left: set[str]) -> list[dict]:
    """Return the generated formulas that only ``general`` knows, none of its crystals of them being cubic (Table S2).

    One row per formula, with the space groups of the known crystals and the lowest of their formation energies.
    """
    new = [row for row in generation.valid if not row["known_formula"]]
    known, found = by_formula(general), []
    for formula, members in _by_formula(new, left).items():
        groups = [_spacegroup(crystal) for crystal in known.get(formula, ())]
        if not groups or any(group in CUBIC for group in groups):
            continue
        first, lowest = members[0], known[formula][0]
        found.append(
            {"formula": formula, "samples": len(members), "filtered": any(row["id"] in left for row in members)}
            | {"candidate": first["id"], "file": first["file"], FORMATION_ENERGY: first[FORMATION_ENERGY]}
            | {"known": lowest.id, "known_formation_energy": lowest.formation_energy_per_atom, "spacegroups": groups}
        )
    return found


def _spacegroup(crystal: Crystal) -> int:
    if "spacegroup" in crystal.properties:
        return int(crystal.properties["spacegroup"])
    try:
        return int(symmetry(crystal.structure()).get_space_group_number())
    except Unusable:
        return 1


def header() -> list[str]:
    """Return the heads of the columns."""
    lengths = ["|Δa| (Å)", "|Δb| (Å)", "|Δc| (Å)", "|ΔV| (% per atom)"]
    properties = [f"{one.title} ({one.unit})" if one.unit else one.title for one in PROPERTIES.values()]
    return ["candidate", "samples, matching", "same cell", *lengths, *properties]


def cells(table: dict) -> list[list[str]]:
    """Return the rows as text under ``header``: ours, our means, the paper's mean."""
    rows = []
    for row in table["rows"]:
        name = row["formula"] + (" ✓" if row["structure_match"] else "")
        counts = [f"{row['samples']:,}, {row['samples_matched']:,}", "yes" if row["same_cell"] else "no"]
        rows.append([name, *counts, *(shown(row[column], _DIGITS.get(column, 2)) for column in MEASURED)])
    for name, means in table["mae"].items():
        count = f"{means['a']['count']} formulas"
        values = (mean_cell(means[column], _DIGITS.get(column, 2)) for column in MEASURED)
        rows.append([f"MAE, {name}", count, "–", *values])
    printed = (table["paper"]["mae"].get(_PRINTED.get(column, column)) for column in MEASURED)
    rows.append(["MAE, paper", f"{len(table['paper']['rows'])} formulas", "–", *(shown(value) for value in printed)])
    return rows


def summary(table: dict) -> str:
    """Return the counts in words, beside the paper's."""
    counts, paper = table["counts"], table["paper"]
    by_formula, by_structure = counts["by_formula"], counts["by_structure"]
    text = (
        f"{by_formula['candidates']:,} valid candidates have one of {by_formula['formulas']} formulas that are in the "
        f"data but not in the training part; {by_structure['candidates']:,} of them, of {by_structure['formulas']} "
        f"formulas, have the known structure too (✓). {counts['filtered']} of the formulas passed the filters of "
        f"Table 2 (paper: {paper['matches']})."
    )
    if table["polymorphs"] is None:
        return text
    filtered = sum(row["filtered"] for row in table["polymorphs"])
    return text + (
        f" {len(table['polymorphs'])} more formulas, {filtered} of them filtered (paper: {paper['polymorphs']}), are "
        "known to the general table, but only as crystals that are not cubic."
    )


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .csv and .md, and ``path``_polymorphs.csv if these were looked for."""
    names = ("formula", "samples", "samples_matched", "filtered", "structure_match", "same_cell", *MEASURED)
    columns = (*names, "candidate", "file", "base", "known", "part")
    files = write_table(path, table, text(table), table["rows"], columns)
    if table["polymorphs"] is None:
        return files
    rows = [row | {"spacegroups": " ".join(map(str, row["spacegroups"]))} for row in table["polymorphs"]]
    polymorphs = path.with_name(f"{path.name}_polymorphs.csv")
    write_csv(polymorphs, rows)
    return [*files, polymorphs]


def text(table: dict) -> str:
    """Return the table as Markdown with its summary and note."""
    return "\n\n".join([markdown(header(), cells(table)), summary(table), table["note"]])
