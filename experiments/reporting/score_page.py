"""The page of scored structures: one HTML file that opens from the disk and asks the network for nothing."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from data_prep.files.atomic import write_text
from data_prep.property_labels import FORMATION_ENERGY
from experiments.known_structures import MATCHING
from experiments.reporting.document import Document, Figure, Link, Part, Section, Table, Text, number, ranged
from experiments.reporting.markup import to_html
from experiments.score_figures import (
    WORDS,
    draw_distributions,
    draw_elements,
    draw_funnel,
    draw_parity,
    labelled,
)
from repro.scoring.score import LINES, SUMMARY, TABLE, Scores
from repro.scoring.score_rows import passes

PAGE = "index.html"
BEST, EXAMPLES = 20, 40  # rows that the page lists


def write_page(scores: Scores, out: Path) -> Path:
    """Write the page of ``scores`` into ``out`` and return its path."""
    with TemporaryDirectory() as folder:
        write_text(out / PAGE, to_html(document(scores, Path(folder))))
    return out / PAGE


def document(scores: Scores, folder: Path) -> Document:
    """Return the page; its figures are drawn into ``folder``."""
    beginning = (
        f"{len(scores.rows):,} structures of {scores.name}, beside {len(scores.known.density):,} crystals of "
        f"{scores.reference}. Every structure has a row in {TABLE}, with the reason why it failed. Energies are "
        f"predictions of a network. {MATCHING}"
    )
    sections = [_funnel(scores, folder), _metrics(scores), _failures(scores), _best(scores)]
    drawn = [_elements(scores, folder), _distributions(scores, folder), *_parity(scores, folder)]
    return Document("Scores", beginning, [], (Part("Numbers", tuple(sections)), Part("Figures", tuple(drawn))))


def _funnel(scores: Scores, folder: Path) -> Section:
    draw_funnel(scores, folder / "funnel")
    words = "; ".join(f"{WORDS[name]} {count:,}" for name, count in scores.funnel.items())
    figure = Figure(folder / "funnel", "Each bar counts those of the bar above it that pass one more test.", words)
    files = Table("Files beside this page", ("file", "holds"), [
        (name, Link(text, name)) for name, text in
        ((TABLE, "a row for each structure"), (LINES, "the same as JSON lines"), (SUMMARY, "the metrics"))
    ])  # fmt: skip
    return Section("How many are left", (figure, files))


def _metrics(scores: Scores) -> Section:
    rows = [
        (one.name.replace("_", " "), ranged(one.value, one.interval), one.unit or "–", f"{one.count:,}", one.definition)
        for one in scores.metrics
    ]
    columns = ("metric", "value, 95 % interval", "unit", "structures", "definition")
    return Section("All metrics", (Table("Shares are of one", columns, rows),))


def _failures(scores: Scores) -> Section:
    failed = [row for row in scores.rows if row["failed_at"]]
    counts = Counter(row["failed_at"] for row in failed)
    seen: Counter[str] = Counter()
    rows = []
    for row in failed:
        seen[row["failed_at"]] += 1
        if seen[row["failed_at"]] <= EXAMPLES // len(counts):
            rows.append((row["id"], row["formula"] or "–", row["failed_at"], row["why"]))
    rows.sort(key=lambda row: list(scores.funnel).index(row[2]))
    caption = f"The first of each stage at which structures failed; all are in {TABLE}"
    return Section("Why structures failed", (Table(caption, ("structure", "formula", "stage", "why"), rows),))


def _best(scores: Scores) -> Section:
    rows = sorted((row for row in scores.rows if passes(row, "metastable")), key=lambda row: row["e_above_hull"])
    if not rows:
        return Section("The most stable new ones", (Text("No structure passed every stage."),))
    cells = [
        (row["id"], row["formula"], row["spacegroup_symbol"] or "–", number(row[FORMATION_ENERGY]),
         ranged(row["e_above_hull"], (row["e_above_hull_low"], row["e_above_hull_high"])), row["decomposition"],
         row["warning"] or "–")
        for row in rows[:BEST]
    ]  # fmt: skip
    columns = ("structure", "formula", "space group", "formation energy", "above the hull, 90 % interval",
               "would decompose into", "never seen in training")  # fmt: skip
    caption = f"The {len(cells)} lowest of {len(rows)} that are valid, unique, new and metastable; eV/atom"
    return Section("The most stable new ones", (Table(caption, columns, cells),))


def _elements(scores: Scores, folder: Path) -> Section:
    draw_elements(scores, folder / "elements")
    common = ", ".join(f"{symbol} {count:,}" for symbol, count in Counter(scores.elements).most_common(10))
    caption = "Structures that have each element, of all that could be read; the colours are logarithmic."
    return Section("Elements", (Figure(folder / "elements", caption, f"Most common: {common}"),))


def _distributions(scores: Scores, folder: Path) -> Section:
    draw_distributions(scores, folder / "distributions")
    caption = (
        "The valid structures: (a) the commonest space groups within 0.1 Å; (b) smallest distances, those left of "
        "the line are crowded; (c) densities beside those of the reference; (d) energies above the hull, those left of "
        "the line are metastable. The last bars hold whatever lies beyond the axis."
    )
    return Section("Symmetry, distances, density, stability", (Figure(folder / "distributions", caption, caption),))


def _parity(scores: Scores, folder: Path) -> list[Section]:
    rows = labelled(scores)
    if not rows:
        return []
    draw_parity(scores, folder / "parity")
    caption = (
        f"Predicted formation energies of {len(rows):,} valid structures against the labels that they or the known "
        "crystals that they match have."
    )
    return [Section("Predicted and tabulated energies", (Figure(folder / "parity", caption, caption),))]
