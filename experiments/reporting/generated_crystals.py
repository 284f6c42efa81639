"""Generated crystals in the report: the viewers of them, and their section with counts, the best ones and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from pymatgen.core import Structure
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from data_prep.property_labels import FORMATION_ENERGY
from experiments import style
from experiments.drawing import draw, formula_text, scene
from experiments.paper import TEXT
from experiments.reporting.document import Crystal, Figure, Link, Section, Table, Text, Viewer, absent, number, percent
from experiments.reporting.material import Material
from experiments.stored_generation import read_cif, valid_of

MOST = 40  # crystals in one viewer, so that a report of many candidates stays small
LISTED, DRAWN = 12, 6
FACES = "Sites on a face are repeated on the opposite one; sizes follow the ionic radii; nothing is relaxed."
_COLUMNS = {
    "formula": "formula", "base": "around", "condition": "decile", FORMATION_ENERGY: "Ef (eV/atom)",
    "spacegroup": "space group", "n_sites": "sites", "a": "a (Å)", "angle": "angle (°)",
    "min_distance": "closest sites (Å)", "known_formula": "formula in the data",
}  # fmt: skip


def viewer(folder: Path, rows: Iterable[tuple[str, str, str]], caption: str) -> tuple[Viewer, ...]:
    """Return a viewer of up to 40 crystals, (name, facts, file in ``folder``) each; none if there is no crystal.

    Raises InputError if a CIF cannot be read.
    """
    every = list(rows)
    crystals = tuple(_crystal(folder, *row) for row in every[:MOST])
    if not crystals:
        return ()
    count = f"{len(crystals)} of {len(every):,} crystals" if len(every) > MOST else f"{len(crystals)} crystals"
    return (Viewer(f"{caption} ({count if len(crystals) > 1 else '1 crystal'}). {FACES}", crystals),)


def _crystal(folder: Path, name: str, facts: str, file: str) -> Crystal:
    structure = read_cif(folder / file)
    lengths = ", ".join(f"{length:.2f}" for length in structure.lattice.abc)
    angles = ", ".join(f"{angle:.0f}°" for angle in structure.lattice.angles)
    cell = f"{len(structure)} sites; cell {lengths} Å, {angles}."
    return Crystal(name, f"{facts} {cell}", file, (folder / file).read_text(encoding="utf-8"), scene(structure))


def facts(row: Mapping) -> str:
    """Return in words what a candidate's row holds: origin, predicted energy, space group, known or not."""
    parts = [f"Around {row['base']}" if row.get("base") else "Random sample"]
    if row.get(FORMATION_ENERGY) is not None:
        parts.append(f"predicted formation energy {row[FORMATION_ENERGY]:.2f} eV/atom".replace("-", "−"))
    if row.get("spacegroup") is not None:
        symbol = sg_symbol_from_int_number(row["spacegroup"])
        parts.append(f"space group {symbol}".replace("-", "\u2011"))  # not to be broken
    known = row.get("training_formula", row.get("known_formula"))
    if known is not None:
        parts.append("formula of the training part" if known else "new formula")
    return ", ".join(parts) + "."


def generated(material: Material) -> Section:
    """Counts of the generation, its best candidates with their CIFs, and pictures of some."""
    title = "Generated crystals"
    if not material.generated:
        return absent(title, "generate")
    blocks = [*_counts(material.generated)]
    valid = valid_of(material.candidates)
    if not valid:
        return Section(title, (*blocks, Text("None of the samples became a valid crystal.")))
    best = list(first_of_each_formula(valid).values())[:LISTED]
    blocks.append(_best(material.folder, best, len(valid)))
    rows = ((row["formula"], facts(row), row["file"]) for row in best)
    blocks += viewer(material.folder, rows, "The same crystals")
    path = material.folder / "crystals"
    shown = choose(valid)
    render([(row["formula"], read_cif(material.folder / row["file"])) for row in shown], path)
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
        if name in ("filters", "listed"):  # how many passed each, of all samples
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


def _best(folder: Path, best: Sequence[dict], valid: int) -> Table:
    shown = {key: label for key, label in _COLUMNS.items() if key in best[0]}
    links = [Link("CIF", row["file"], (folder / row["file"]).read_text(encoding="utf-8")) for row in best]
    rows = [(*(_cell(key, row[key]) for key in shown), link) for row, link in zip(best, links, strict=True)]
    caption = (
        f"The best candidate of each of the first {len(rows)} formulas; all {valid:,} are in generate/candidates.csv"
    )
    return Table(caption, (*shown.values(), "file"), rows)


def _cell(column: str, value: str | bool | int | float | None) -> str:
    """Return a candidate's value as the report writes it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return str(value + 1) if column == "condition" else str(value)  # the first decile is condition 0


def first_of_each_formula(valid: Sequence[dict]) -> dict[str, dict]:
    """Return the first, the best, candidate of each formula, in their order."""
    firsts: dict[str, dict] = {}
    for row in valid:
        firsts.setdefault(row["formula"], row)
    return firsts


def choose(valid: Sequence[dict]) -> list[dict]:
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
