"""The figures of scored structures: the funnel, elements, symmetry, distances, densities, energies, parity."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pymatgen.core import Element

from data_prep.property_labels import FORMATION_ENERGY
from data_prep.structures.validity import CROWDED
from experiments import style
from experiments.means import most_common
from repro.properties.stability import NEAR
from repro.scoring.score import Scores
from repro.scoring.score_rows import LABEL, passes

GROUPS, BINS, LAST_Z = 12, 40, 103
WORDS = {
    "given": "given", "read": "could be read", "valid": "structure and composition valid",
    "unique": "unlike all before", "new": "not in the reference",
    "metastable": f"predicted within {NEAR} eV/atom of the hull",
}  # fmt: skip


def draw_funnel(scores: Scores, path: Path) -> None:
    """Draw how many structures are left after each stage."""
    names, counts = list(scores.funnel), list(scores.funnel.values())
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, 2.2), layout="constrained")
        axes = drawing.subplots()
        axes.barh(range(len(names)), counts, color=style.BLUE)
        for place, count in enumerate(counts):
            axes.annotate(f"{count:,} ({100 * count / counts[0]:.1f} %)", (count, place), (3, 0), va="center",
                          textcoords="offset points", fontsize=7)  # fmt: skip
        axes.set_yticks(range(len(names)), [WORDS[name] for name in names])
        axes.invert_yaxis()
        axes.set(xlabel="structures", xlim=(0, 1.25 * counts[0]))
        style.save(drawing, path)


def draw_elements(scores: Scores, path: Path) -> None:
    """Draw the periodic table, each element by the number of structures that have it."""
    counts = scores.elements
    scale = LogNorm(1, max(max(counts.values()), 2))
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, 3.7), layout="constrained")
        axes = drawing.subplots()
        colours = colormaps["viridis_r"]
        for z in range(1, LAST_Z + 1):
            symbol = Element.from_Z(z).symbol
            column, row = _place(z)
            count = counts.get(symbol, 0)
            face = colours(scale(count)) if count else "#f2f2f2"
            ink = "white" if count and scale(count) > 0.5 else "black"
            axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=face, linewidth=0))
            axes.text(column, row - 0.1, symbol, ha="center", va="center", color=ink, fontsize=7)
            axes.text(
                column, row + 0.27, f"{count:,}" if count else "", ha="center", va="center", color=ink, fontsize=4.5
            )
        axes.set(xlim=(0.4, 18.6), ylim=(9.6, 0.4), aspect="equal")
        axes.set_axis_off()
        style.save(drawing, path)


def _place(z: int) -> tuple[float, float]:
    """Return column and row of an element; lanthanoids and actinoids stand below the others."""
    element = Element.from_Z(z)
    for first, row in ((57, 8), (89, 9)):
        if first <= z < first + 15:
            return z - first + 3, row + 0.2
    return element.group, element.row


def draw_distributions(scores: Scores, path: Path) -> None:
    """Draw space groups, smallest distances, densities and energies above the hull of the valid structures."""
    valid = [row for row in scores.rows if passes(row, "valid")]
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, 4.6), layout="constrained")
        panels = drawing.subplots(2, 2).flat
        _draw_groups(panels[0], valid)
        _draw_histogram(panels[1], _values(valid, "closeness"), "smallest distance / sum of atomic radii")
        panels[1].axvline(CROWDED, color=style.VERMILION, linewidth=0.8)
        _draw_histogram(panels[2], _values(valid, "density"), "density (g/cm³)", scores.known.density)
        _draw_histogram(panels[3], _values(valid, "e_above_hull"), "predicted energy above the hull (eV/atom)")
        panels[3].axvline(NEAR, color=style.VERMILION, linewidth=0.8)
        for axes, letter in zip(panels, "abcd", strict=True):
            axes.set_title(f"({letter})", loc="left", fontweight="bold")
        style.save(drawing, path)


def _values(rows: Sequence[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows if row[name] is not None], dtype=float)


def _draw_groups(axes: Axes, valid: Sequence[dict]) -> None:
    names = {row["spacegroup"]: row["spacegroup_symbol"] for row in valid}
    found = most_common((row["spacegroup"] for row in valid if row["spacegroup"]), GROUPS)
    axes.bar(range(len(found)), [count for _, count in found], color=style.BLUE)
    axes.set_xticks(range(len(found)), [names[number] for number, _ in found])
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
    axes.set(ylabel="structures", xlabel="space group")


def _draw_histogram(axes: Axes, values: np.ndarray, label: str, known: np.ndarray | None = None) -> None:
    axes.set(xlabel=label, ylabel="structures (%)")
    if not len(values):
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    both = [values] if known is None or not len(known) else [values, known]
    low, high = (np.percentile(np.concatenate(both), share) for share in (0.5, 99.5))
    edges = np.linspace(low, high if high > low else low + 1e-3, BINS + 1)
    for place, part in enumerate(both):
        look = {"histtype": "step", "color": style.BLACK} if place else {"color": style.BLUE, "alpha": 0.7}
        weights = np.full(len(part), 100 / len(part))
        axes.hist(np.clip(part, *edges[[0, -1]]), edges, weights=weights, label=("valid", "reference")[place], **look)
    if len(both) > 1:
        axes.legend(frameon=False)


def draw_parity(scores: Scores, path: Path) -> None:
    """Draw the predicted formation energies against the labels."""
    rows = labelled(scores)
    predicted, label = _values(rows, FORMATION_ENERGY), _values(rows, LABEL)
    with style.styled():
        drawing = Figure(figsize=(3.4, 3.2), layout="constrained")
        axes = drawing.subplots()
        ends = [float(min(predicted.min(), label.min())) - 0.1, float(max(predicted.max(), label.max())) + 0.1]
        axes.plot(ends, ends, color=style.GREY, linewidth=0.6)
        axes.plot(label, predicted, ".", markersize=2.5, color=style.BLUE, alpha=0.5)
        axes.set(xlabel="label (eV/atom)", ylabel="predicted (eV/atom)", xlim=ends, ylim=ends, aspect="equal")
        style.save(drawing, path)


def labelled(scores: Scores) -> list[dict]:
    """Return the rows of valid structures that have a prediction and a label."""
    return [row for row in scores.rows
            if passes(row, "valid") and row[LABEL] is not None and row[FORMATION_ENERGY] is not None]  # fmt: skip
