"""Figure 4: errors of cell lengths and sites on held-out crystals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import style
from experiments.means import interval_of
from experiments.paper import FULL, TEXT
from experiments.tables import write_data
from repro.evaluation.results import PAPERS_WAY, Evaluation, read_structures
from repro.run import Run

PANELS = {"a": "|Δa| (Å)", "b": "|Δb| (Å)", "c": "|Δc| (Å)", "emd": "EMD of the sites (Å)"}
PAPER_MEANS = {
    "a": TEXT["a_mae"].value,
    "b": TEXT["b_mae"].value,
    "c": TEXT["c_mae"].value,
    "emd": FULL.emd,
}
BINS = 30
SHOWN = 99  # percentile of the errors where the axis ends; the last bar holds what lies beyond
LINE = 0.64  # of the axes' height: the data end here, the legend stands above


@dataclass(frozen=True)
class Errors:
    """One model's errors in Å, one array per panel; ``emd`` has only those of ``structures`` that were decoded."""

    structures: int
    values: dict[str, np.ndarray]

    def mean(self, panel: str) -> float:
        """Return the mean absolute error of a panel, NaN if nothing was measured."""
        return float(self.values[panel].mean()) if len(self.values[panel]) else float("nan")

    def interval(self, panel: str) -> list[float]:
        """Return the 95 % bootstrap interval of that mean, NaN twice below two values."""
        return interval_of(self.values[panel]) or [float("nan")] * 2


def from_run(run: Run) -> dict[str, Errors]:
    """Return the errors that the stage ``evaluate`` measured, structure by structure."""
    return compute(read_structures(run.results))


def compute(measured: Evaluation, way: str = PAPERS_WAY) -> dict[str, Errors]:
    """Return the errors of each VAE's reconstructions (Figure 4; F16, F25).

    Lattice by least squares; sites of the reconstructed maps, decoded by one of the ways of ``repro.evaluation``.
    """
    errors = {}
    for model in measured.models:
        entries = measured.reconstructions(model)
        lattice = np.array([entry["lattice_error"] for entry in entries], dtype=float).reshape(-1, 3)
        distances = [entry["emd"] for entry in measured.decoded(model, way) if entry.get("emd") is not None]
        values = dict(zip("abc", lattice.T, strict=True)) | {"emd": np.array(distances, dtype=float)}
        errors[model] = Errors(len(entries), values)
    return errors


def text(errors: dict[str, Errors]) -> str:
    """Return the number of structures of each model."""
    return "Figure 4: " + ", ".join(f"{model} n = {part.structures}" for model, part in errors.items()) + "."


def render(errors: dict[str, Errors], path: Path) -> list[Path]:
    """Write ``path``.json (all errors, our means, the paper's means), .svg and .png; ``path`` has no suffix."""
    ours = {
        model: {
            "structures": part.structures,
            "mean": {p: part.mean(p) for p in PANELS},
            "interval": {p: part.interval(p) for p in PANELS},
            "errors": part.values,
        }
        for model, part in errors.items()
    }
    files = write_data(path, {"measured": ours, "paper": {"mean": PAPER_MEANS}})
    with style.styled():
        figure = Figure(figsize=(style.WIDTH, 4.6))
        figure.subplots_adjust(left=0.07, right=0.99, bottom=0.09, top=0.95, wspace=0.17, hspace=0.4)
        for axes, panel, letter in zip(figure.subplots(2, 2).flat, PANELS, "abcd", strict=True):
            _draw_panel(axes, panel, errors)
            axes.set_title(f"({letter})", loc="left", fontweight="bold")
        return [*files, *style.save(figure, path)]


def _draw_panel(axes: Axes, panel: str, errors: dict[str, Errors]) -> None:
    axes.set_xlabel(PANELS[panel])
    axes.set_ylabel("structures (%)")
    values = {model: part.values[panel] for model, part in errors.items() if len(part.values[panel])}
    means = {model: _mean(errors[model], panel) for model in values}
    if not values:
        axes.text(0.5, 0.5, "no structure could be decoded", transform=axes.transAxes, ha="center")
        axes.set(xticks=[], yticks=[])
        return
    end = max(*(np.percentile(part, SHOWN) for part in values.values()), 2.5 * PAPER_MEANS[panel])
    edges = np.linspace(0, end, BINS + 1)
    for model, part in values.items():
        colour = style.COLOURS[model]
        look = {"alpha": 0.45} if model == "ours" else {"histtype": "step", "linewidth": 1.2}
        axes.hist(np.minimum(part, end), edges, weights=np.full(len(part), 100 / len(part)), color=colour, **look)
        axes.axvline(
            part.mean(),
            ymax=LINE,
            color=colour,
            label=f"{style.LABELS[model]}: {means[model]}, n = {len(part)}",
        )
    mean = PAPER_MEANS[panel]
    axes.axvline(mean, ymax=LINE, color=style.PAPER, linestyle="--", label=f"paper: {mean:.2f} Å")
    axes.set_xlim(0, end)
    axes.set_ylim(0, axes.get_ylim()[1] / LINE)
    axes.legend(loc="upper right", framealpha=0.9, edgecolor="none")


def _mean(errors: Errors, panel: str) -> str:
    low, high = errors.interval(panel)
    return f"{errors.mean(panel):.3f}" + ("" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]") + " Å"
