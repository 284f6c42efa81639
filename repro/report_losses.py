"""The report's section on the trainings: every loss term over the epochs."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from experiments import style
from repro.report_document import Figure, Section
from repro.report_material import Material
from repro.report_results import absent

HELD_OUT = "val_"
_COLUMNS = 5
_UNITS = {"kld": "KLD (nats)", "mse": "MSE", "density_mse": "density MSE", "mean_absolute_error": "MAE (eV/atom)"}


def losses(material: Material) -> Section:
    """Loss curves of every training that has ended at least one epoch."""
    title = "Losses"
    if not material.histories:
        return absent(title, "train-unet")
    path = material.folder / "losses"
    render(compute(material.histories), path)
    caption = (
        "Every loss term over the epochs, one row per network: on the training part (solid, mean over the epoch) and "
        "on the validation part (dashed, at its end). The vertical axis is logarithmic."
    )
    return Section(title, (Figure(path, caption, "Loss curves of " + ", ".join(material.histories)),))


def compute(histories: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return network -> term -> {"train", "validation"} -> one value per epoch; terms without both are left out."""
    curves = {}
    for name, history in histories.items():
        terms = [key for key in history[0] if HELD_OUT + key in history[0]]
        curves[name] = {
            term: {
                "train": [epoch[term] for epoch in history],
                "validation": [epoch[HELD_OUT + term] for epoch in history],
            }
            for term in terms
        }
    return curves


def render(curves: dict[str, dict[str, dict[str, list[float]]]], path: Path) -> None:
    """Draw one row of panels per network into ``path``.svg and .png."""
    columns = min(_COLUMNS, max(len(terms) for terms in curves.values()))
    with style.styled():
        drawing = Drawing(figsize=(style.WIDTH, 1.75 * len(curves)), layout="constrained")
        grid = drawing.subplots(len(curves), columns, squeeze=False)
        for row, (name, terms) in zip(grid, curves.items(), strict=True):
            for axes in row[len(terms) :]:
                axes.set_axis_off()
            for axes, (term, values) in zip(row, terms.items(), strict=False):
                _draw(axes, term, values)
            row[0].set_ylabel(name.removeprefix("train-").upper(), fontweight="bold")
            row[0].set_xlabel("epoch", loc="right")
        style.save(drawing, path)


def _draw(axes: Axes, term: str, values: dict[str, list[float]]) -> None:
    epochs = range(1, len(values["train"]) + 1)
    marker = "." if len(epochs) < 3 else None  # a line of one point is not seen
    axes.plot(epochs, values["train"], color=style.OURS, marker=marker)
    axes.plot(epochs, values["validation"], color=style.ORANGE, linestyle="--", marker=marker)
    axes.set_title(_UNITS.get(term, term.replace("_", " ")))
    if min(*values["train"], *values["validation"]) > 0:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.yaxis.set_minor_formatter("")
