"""The report's section on generated crystals: counts beside the paper's, the best ones, pictures."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from pymatgen.core import Structure

from data_prep.elements import ionic_radii
from data_prep.errors import InputError
from experiments import style
from experiments.paper import TEXT
from repro.report_document import Figure, Link, Section, Table, Text, number, percent
from repro.report_material import Material
from repro.report_results import absent

LISTED, DRAWN = 12, 6
_PALETTE = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILION, style.PURPLE, style.SKY, style.YELLOW, style.BLACK)
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
    blocks = [_counts(material.generated)]
    valid = [row for row in material.candidates if row["valid"] == "True" and row["file"]]
    if not valid:
        return Section(title, (*blocks, Text("None of the samples became a valid crystal.")))
    blocks.append(_best(valid))
    path = material.folder / "crystals"
    shown = choose(valid)
    render([(row["formula"], read_cif(material.folder / "generate" / row["file"])) for row in shown], path)
    named = ", ".join(row["formula"] for row in shown)
    caption = f"Cells of {named}, as generated, not relaxed. Sites on a face are repeated on the opposite one."
    blocks.append(Figure(path, caption, f"Generated unit cells of {named}"))
    return Section(title, tuple(blocks))


def _counts(groups: dict[str, dict]) -> Table:
    printed = {
        "random": (TEXT["random_samples"].value, TEXT["random_valid_share"].value, TEXT["negative_share"].value),
        "around a base": (None, TEXT["targeted_valid_share"].value, None),
    }
    rows = []
    for name, counts in groups.items():
        _, valid, negative = printed.get(name, (None, None, None))
        valid_share = counts["valid"] / counts["samples"] if counts["samples"] else None
        negative_share = counts["negative_formation_energy"] / counts["valid"] if counts["valid"] else None
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts["reasons"].items()))
        rows.append(
            (
                name,
                *(number(counts[key]) for key in ("samples", "decoded", "valid")),
                percent(valid_share),
                "–" if valid is None else f"{valid} %",
                percent(negative_share),
                "–" if negative is None else f"{negative} %",
                *(number(counts[key]) for key in ("distinct_formulas", "new_formula")),
                reasons or "–",
            )
        )
    columns = (
        "samples drawn", "samples", "decoded", "valid", "valid share", "paper", "Ef < 0 of the valid", "paper",
        "distinct formulas", "with a formula not in the data", "not decoded because",
    )  # fmt: skip
    return Table("Validity: all sites more than 0.5 Å apart. Ef: predicted by our CGCNN", columns, rows)


def _best(valid: Sequence[dict[str, str]]) -> Table:
    shown = {key: label for key, label in _COLUMNS.items() if key in valid[0]}
    rows = [
        (*(_WORDS.get(row[key], row[key]) or "–" for key in shown), Link("CIF", f"generate/{row['file']}"))
        for row in valid[:LISTED]
    ]
    caption = f"The {len(rows)} best of {len(valid):,} valid candidates (all in generate/candidates.csv)"
    return Table(caption, (*shown.values(), "file"), rows)


_WORDS = {"True": "yes", "False": "no"}


def choose(valid: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return up to six candidates of different formulas, those around bases and the random ones in turn."""
    firsts: dict[str, dict[str, str]] = {}
    for row in valid:
        firsts.setdefault(row["formula"], row)
    around = [row for row in firsts.values() if row["base"]]
    random = [row for row in firsts.values() if not row["base"]]
    turns = [row for place in range(len(firsts)) for row in (*around[place : place + 1], *random[place : place + 1])]
    return turns[:DRAWN]


def read_cif(path: Path) -> Structure:
    """Return the structure of a CIF; raises InputError naming the file when it cannot be read."""
    try:
        return Structure.from_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): run the stage 'generate' again.") from error


def render(structures: Sequence[tuple[str, Structure]], path: Path) -> None:
    """Draw each structure's cell with its sites into ``path``.svg and .png."""
    columns = 3
    rows = -(-len(structures) // columns)
    with style.styled():
        drawing = Drawing(figsize=(style.WIDTH, 2.35 * rows))
        for place, (name, structure) in enumerate(structures, start=1):
            _draw(drawing.add_subplot(rows, columns, place, projection="3d"), name, structure)
        drawing.subplots_adjust(left=0, right=1, bottom=0, top=0.94, wspace=0, hspace=0.1)
        style.save(drawing, path)


def _draw(axes: Axes, name: str, structure: Structure) -> None:
    """Cell edges and sites in Å, the true angles included; one colour per element."""
    matrix = structure.lattice.matrix
    for start, end in cell_edges():
        axes.plot(*np.stack([start @ matrix, end @ matrix], axis=1), color=style.GREY, linewidth=0.6)
    elements = list(dict.fromkeys(site.specie for site in structure))
    for element, colour in zip(elements, _PALETTE * (len(elements) // len(_PALETTE) + 1), strict=False):
        sites = with_images(np.array([site.frac_coords for site in structure if site.specie == element])) @ matrix
        size = 160 * ionic_radii()[element.Z] ** 2
        axes.scatter(*sites.T, s=size, color=colour, edgecolors="black", linewidths=0.3, depthshade=False)
        axes.scatter([], [], [], s=25, color=colour, label=element.symbol)
    corners = np.array(list(product((0, 1), repeat=3))) @ matrix
    axes.set_box_aspect(np.ptp(corners, axis=0), zoom=1.15)
    axes.view_init(elev=18, azim=-62)
    axes.set_axis_off()
    axes.set_title(name, y=0.98)
    axes.legend(loc="lower left", frameon=False, ncols=1, handletextpad=0.1)


def cell_edges() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the twelve edges of the unit cube as pairs of fractional corners."""
    corners = [np.array(corner, dtype=float) for corner in product((0, 1), repeat=3)]
    return [(one, other) for one in corners for other in corners if (other - one).sum() == 1 and (other >= one).all()]


def with_images(fractional: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """Return sites (n, 3) with those near a face of the cell repeated on the opposite face."""
    fractional = np.mod(fractional, 1.0)
    repeated = []
    for site in fractional:
        choices = [(x, x + 1) if x < tolerance else (x - 1, x) if x > 1 - tolerance else (x,) for x in site]
        repeated += list(product(*choices))
    return np.array(repeated)
