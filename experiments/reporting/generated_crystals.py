"""The report's section on generated crystals: counts beside the paper's, the best ones, pictures."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from pymatgen.core import Structure

from experiments import style
from experiments.drawing import draw, formula_text
from experiments.generation import read_cif
from experiments.paper import TEXT
from experiments.reporting.crystals import facts, viewer
from experiments.reporting.document import Figure, Link, Section, Table, Text, number, percent
from experiments.reporting.material import Material
from experiments.reporting.results import absent

LISTED, DRAWN = 12, 6
_COLUMNS = {
    "formula": "formula", "base": "around", "condition": "decile", "formation_energy_per_atom": "Ef (eV/atom)",
    "spacegroup": "space group", "n_sites": "sites", "a": "a (Å)", "angle": "angle (°)",
    "min_distance": "closest sites (Å)", "known_formula": "formula in the data",
}  # fmt: skip


def generated(material: Material) -> Section:
    """Counts of the generation, its best candidates with their CIFs, and pictures of some."""
    title = "Generated crystals"
    if not material.generated:
        return absent(title, "generate")
    blocks = [*_counts(material.generated)]
    valid = [row for row in material.candidates if row["valid"] == "True" and row["file"]]
    if not valid:
        return Section(title, (*blocks, Text("None of the samples became a valid crystal.")))
    best = list(first_of_each_formula(valid).values())[:LISTED]
    blocks.append(_best(material.folder, best, len(valid)))
    rows = ((row["formula"], facts(row), f"generate/{row['file']}") for row in best)
    blocks += viewer(material.folder, rows, "The same crystals")
    path = material.folder / "crystals"
    shown = choose(valid)
    render([(row["formula"], read_cif(material.folder / "generate" / row["file"])) for row in shown], path)
    named = ", ".join(row["formula"] for row in shown)
    caption = (
        f"Cells of {named}, as generated, not relaxed. Sites on a face are repeated on the opposite one; colours hold "
        "within a cell, sizes follow the ionic radii."
    )
    blocks.append(Figure(path, caption, f"Generated unit cells of {named}"))
    return Section(title, tuple(blocks))


def _counts(groups: dict[str, dict]) -> tuple[Table, Text]:
    """Return the counts of each way of sampling with the paper's shares beside them, and why samples failed."""
    printed = {
        "around a base": {"valid_share": TEXT["targeted_valid_share"]},
        "random": {"valid_share": TEXT["random_valid_share"], "negative_share": TEXT["negative_share"]},
    }
    columns: list[str] = []
    cells: list[tuple[str, ...]] = []
    for name, counts in groups.items():
        if name == "filters":  # how many passed each, of all samples
            continue
        columns.append(name)
        cells.append(_group_cells(counts))
        if name in printed:
            columns.append("paper")
            stated = {key: f"{fact.value} %" for key, fact in printed[name].items()}
            cells.append(tuple(stated.get(key, "–") for key in _QUANTITIES))
    rows = list(zip(_QUANTITIES.values(), *cells, strict=True))
    reasons = groups.get("all", {}).get("reasons", {})
    failed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items())) or "none"
    caption = "Samples drawn. Valid: all sites more than 0.5 Å apart; Ef: formation energy predicted by our CGCNN"
    return Table(caption, ("", *columns), rows), Text(
        f"Samples that gave no crystal or no energy, by reason: {failed}."
    )


_QUANTITIES = {
    "samples": "samples", "decoded": "decoded", "valid": "valid", "valid_share": "valid, share of samples",
    "negative_share": "Ef below 0, share of valid", "distinct_formulas": "distinct formulas, of valid",
    "new_formula": "formula not in the data, of valid",
}  # fmt: skip


def _group_cells(counts: dict) -> tuple[str, ...]:
    shares = {
        "valid_share": percent(counts["valid"] / counts["samples"] if counts["samples"] else None),
        "negative_share": percent(counts["negative_formation_energy"] / counts["valid"] if counts["valid"] else None),
    }
    return tuple(shares[key] if key in shares else number(counts[key]) for key in _QUANTITIES)


def _best(folder: Path, best: Sequence[dict[str, str]], valid: int) -> Table:
    shown = {key: label for key, label in _COLUMNS.items() if key in best[0]}
    files = (f"generate/{row['file']}" for row in best)
    links = [Link("CIF", file, (folder / file).read_text(encoding="utf-8")) for file in files]
    rows = [(*(_shown(key, row[key]) for key in shown), link) for row, link in zip(best, links, strict=True)]
    caption = (
        f"The best candidate of each of the first {len(rows)} formulas; all {valid:,} are in generate/candidates.csv"
    )
    return Table(caption, (*shown.values(), "file"), rows)


def _shown(column: str, value: str) -> str:
    """Return a cell of the CSV as the report writes it."""
    if column == "condition":
        return str(int(value) + 1)  # the first decile is condition 0
    if column in _MEASURED and value:
        return number(float(value))
    return {"True": "yes", "False": "no"}.get(value, value) or "–"


_MEASURED = {"formation_energy_per_atom", "a", "angle", "min_distance"}


def first_of_each_formula(valid: Sequence[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the first, the best, candidate of each formula, in their order."""
    firsts: dict[str, dict[str, str]] = {}
    for row in valid:
        firsts.setdefault(row["formula"], row)
    return firsts


def choose(valid: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return up to six candidates of different formulas, those around bases and the random ones in turn."""
    firsts = first_of_each_formula(valid)
    around = [row for row in firsts.values() if row["base"]]
    random = [row for row in firsts.values() if not row["base"]]
    turns = [row for place in range(len(firsts)) for row in (*around[place : place + 1], *random[place : place + 1])]
    return turns[:DRAWN]


def render(structures: Sequence[tuple[str, Structure]], path: Path) -> None:
    """Draw each structure's cell with its sites into ``path``.svg and .png."""
    columns = 3
    rows = -(-len(structures) // columns)
    with style.styled():
        drawing = Drawing(figsize=(style.WIDTH, 2.35 * rows))
        for place, (name, structure) in enumerate(structures, start=1):
            draw(drawing.add_subplot(rows, columns, place), structure, formula_text(name))
        drawing.subplots_adjust(left=0, right=1, bottom=0.25 / rows / 2.35, top=1 - 0.2 / rows / 2.35, hspace=0.3)
        style.save(drawing, path)
